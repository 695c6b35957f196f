import subprocess
import sys

import pytest

from lsbench.cli import data
from lsbench.errors import UsageError


def test_list_shows_every_data_set(capsys):
    assert data.main(["list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == ["name", "cifar10", "cifar100", "fashion_mnist", "folder", "mnist", "mnist5k"]
    assert lines["mnist5k"].split()[1:4] == ["5,000", "10", "1×28×28"]
    assert lines["mnist5k"].endswith("yes")
    assert lines["cifar100"].split()[1:6] == ["50,000", "+", "10,000", "100", "3×32×32"]
    assert lines["mnist"].endswith("no")


def test_the_command_imports_nothing_heavy():
    script = "from lsbench.cli import data; data.main(['list']); import sys; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = shown.stdout.splitlines()[-1].split()
    assert "lsbench.data.folder" in modules
    assert not {"torch", "hydra", "omegaconf", "pandas", "PIL", "mlxtend"} & set(modules)


def test_where(capsys, source, root, cache, tmp_path):
    assert data.main(["where", "mnist", "--root", str(root)]) == 0
    assert capsys.readouterr().out == f"mnist  {root / 'MNIST' / 'raw'}\n"
    assert data.main(["where", "mnist", "folder"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown == [f"mnist   not under {cache}, {tmp_path / 'system'}", "folder  where data.root= points"]


def test_verify(capsys, source, root, contents):
    assert data.main(["verify", "--root", str(root)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"mnist  {name:<23}  ok" for name in contents]
    damaged = root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(b"damaged")
    assert data.main(["verify", "mnist", "--root", str(root)]) == 3
    *good, bad = capsys.readouterr().out.splitlines()
    assert all(line.endswith("  ok") for line in good)
    assert f"{damaged}: SHA-256 is " in bad
    assert f"lsbench data fetch mnist --root {root}" in bad


def test_verify_of_a_missing_data_set(capsys):
    assert data.main(["verify", "mnist5k", "cifar10"]) == 3
    shown = capsys.readouterr().out
    assert "mnist5k  mnist_5k.csv  ok" in shown
    assert "lsbench data fetch cifar10" in shown
    assert data.main(["verify"]) == 0  # only data sets that are present
    assert "cifar10" not in capsys.readouterr().out
    assert data.main(["verify", "folder"]) == 0


def test_fetch_of_a_data_set_that_is_present(capsys, source, root):
    assert data.main(["fetch", "mnist", "--root", str(root)]) == 0
    assert capsys.readouterr() == (f"mnist  {root / 'MNIST' / 'raw'}\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "name a subcommand; there are list, where, verify, fetch"),
        (["verify", "--root", "~nobody-here/x"], "--root ~nobody-here/x: no such home folder"),
        (["lst"], "no subcommand lst; did you mean list?"),
        (["where", "mnits"], "no data set mnits; did you mean mnist?"),
        (["verify", "imagenet"], "there are cifar10"),
        (["list", "--rot", "x"], "--rot: no such flag; did you mean --root?"),
        (["list", "--root"], "expected one argument"),
        (["fetch"], "name one or more"),
        (["fetch", "folder"], "its images are yours"),
    ],
)
def test_usage_errors(argv, message):
    with pytest.raises(UsageError) as caught:
        data.main(argv)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
