"""The page of each command's ``--help``."""

import os
import subprocess
import sys

import pytest

from lsbench import __version__
from lsbench.cli import COMMANDS

HEAVY = "{'torch', 'hydra', 'omegaconf', 'numpy', 'pandas'}"


def test_help_and_version_import_neither_torch_nor_hydra():
    light = ["--help", "--version", "report --help", "probe --help", "data --help"]
    script = (
        f"import sys; from lsbench.cli import main; [main(line.split()) for line in {light}];"
        f"heavy = {HEAVY} & set(sys.modules); sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"lsbench {__version__}\n" in done.stdout
    assert all(f"\n  {command}  " in done.stdout for command in COMMANDS)
    assert "lsbench train alpha=0.1" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_each_command_has_a_help_page(command, flag, call):
    code, out, err = call("help", command) if flag == "help" else call(command, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: lsbench {command} ")
    assert max(map(len, out.splitlines())) <= 100


def test_settings_are_shown_with_choices_values_and_ranges(call):
    _, out, _ = call("train", "--help")
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines["model"].split(maxsplit=1)[1].startswith("mlp, resnet18, resnet20")
    assert "0.0  a number from 0 to below 1; smoothing mass" in lines["alpha"]
    assert "uniform | others | as_printed" in lines["convention"]
    assert "a whole number of at least 1 or null" in lines["data.train"]
    assert "0.9  a number from 0 to below 1" in lines["optim.momentum"]
    assert "model.hidden" in lines and "_target_" not in out


def test_settings_are_those_of_the_chosen_groups(call):
    _, out, _ = call("train", "model=resnet8", "method=mixup", "--help")
    assert "model.depth" in out and "model.hidden" not in out and "method.knobs.mixup_beta" in out


def test_the_page_of_compare_has_its_grid(call):
    _, out, _ = call("compare", "--help")
    assert "alpha=0,0.05,0.1,0.15,0.2 method=none,dropout,augment seed=0,1,2,3,4" in out


def test_the_options_of_the_chosen_data_are_listed(call):
    assert "data.options.size " in call("train", "--help", "data=folder")[1]
    assert "data.options" not in call("train", "--help", "data=mnist")[1]


def test_the_page_of_claims_has_its_flags(call):
    out = call("claims", "--help")[1]
    assert "\n  --dry-run " in out and "\n  --config-dir DIR " in out


def test_the_page_of_probe_lists_probes_from_config_dir(shell, tmp_path):
    (tmp_path / "mine/lsbench/probes").mkdir(parents=True)
    (tmp_path / "mine/lsbench/probes/norm.py").touch()
    for arguments, names in [([], "fgsm, geometry, pgd"), (["--config-dir", "mine"], "geometry, norm, pgd")]:
        assert f"{names}\n" in shell("probe", "--help", *arguments).stdout


def test_help_lists_choices_from_config_dir(call, tmp_path):
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "tiny.yaml").write_text("name: tiny\n_target_: lsbench.models.mlp.MLP\n")
    assert ", tiny" in call("train", "--config-dir", "mine", "--help")[1]


def test_hydras_own_help_is_available(call):
    code, out, _ = call("train", "--hydra-help")
    assert code == 0 and "--experimental-rerun" in out
    assert call("compare", "--cfg", "job", "model=resnet8")[1].count("resnet8") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["claims", "--help"]])
def test_a_terminal_without_greek_letters_shows_help(arguments):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "lsbench", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "?" in done.stdout
