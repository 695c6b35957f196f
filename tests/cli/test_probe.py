"""`lsbench probe` from the command line, on small networks and the default data."""

import shutil

import pandas as pd
import pytest

from lsbench.cli import main
from lsbench.probes import all_probes, run_probe
from lsbench.report.probes import FACTS

NAME = "sweep-mnist5k-mlp"
SMALL = ["model.hidden=[8]", "data.train=200", "data.test=100", "epochs=1", "executor=stack"]


pytestmark = pytest.mark.usefixtures("sketched")  # figures/test_geometry.py draws them


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The results folder of two alphas and two seeds."""
    results_dir = tmp_path_factory.mktemp("trained") / "results"
    assert main(["train", "-m", "alpha=0,0.1", "seed=0,1", f"results_dir={results_dir}", *SMALL]) == 0
    return results_dir


@pytest.fixture
def stored(trained, here, tmp_path):
    """A copy of that folder as results/ in the test's folder."""
    shutil.copytree(trained, tmp_path / "results")


def files(folder):
    return {
        path.name: path.read_bytes() for path in folder.rglob("*") if path.suffix in (".csv", ".png", ".svg")
    }


def test_a_sweep_is_probed_into_a_table_and_a_figure(call, stored, tmp_path):
    code, out, err = call("probe", NAME)
    folder = tmp_path / "results" / NAME
    assert code == 0 and "4 of 4 runs probed" in out and str(folder.relative_to(tmp_path)) in out
    assert err.splitlines() == ["12 of 12 probes"] and "\r" not in err
    table = pd.read_csv(folder / "probes.csv")
    columns = [column for probe in all_probes().values() for column in probe.columns]
    assert list(table.columns) == [*FACTS, *columns]
    for row in table.to_dict("records"):
        for probe in all_probes():
            assert run_probe("results", row["run"], probe).items() <= row.items()
    mean = table.loc[table["alpha"] == 0.1, "pgd_accuracy"].mean()
    [line] = [line for line in out.splitlines() if line.split()[:2] == ["none", "0.1"]]
    assert f" {100 * mean:.2f}" in line and mean > 0 and max(map(len, out.splitlines())) <= 100
    first = files(folder)
    assert {"geometry.png", "geometry.svg", "geometry.csv", "probes.csv"} <= set(first)
    assert call("probe", NAME)[:2] == (code, out)
    assert files(folder) == first
    assert call("report", NAME)[0] == 0
    assert files(folder) == first
    page, text = ((folder / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert "Penultimate layer, seed 0" in page and "(figures/geometry.png)" in text
    for alpha in (0, 0.1):
        mean = table.loc[table["alpha"] == alpha, "within_between_plane"].mean()
        assert f"{mean:.3f} ±" in page and f"{mean:.3f} ±" in text


def test_only_the_probes_that_are_named_are_computed(call, stored, tmp_path):
    code, out, _ = call("probe", NAME, "fgsm")
    assert code == 0 and "fgsm %" in out and "pgd %" not in out
    assert [path.name for path in (tmp_path / "results/runs").rglob("probes/*")] == ["fgsm.json"] * 4
    assert not list(tmp_path.rglob("geometry*"))
    assert list(pd.read_csv(tmp_path / "results" / NAME / "probes.csv").columns) == [
        *FACTS,
        *all_probes()["fgsm"].columns,
    ]


def test_runs_that_are_not_done_are_rows_without_numbers_and_exit_1(call, tmp_path):
    call("train", "-m", "lr=0.1,1e30", "alpha=0", *SMALL)
    code, out, _ = call("probe", NAME, "fgsm")
    table = pd.read_csv(tmp_path / "results" / NAME / "probes.csv")
    assert code == 1 and "1 of 2 runs probed" in out
    assert sorted(table["status"]) == ["diverged", "done"]
    assert table.loc[table["status"] == "diverged", "fgsm_accuracy"].isna().all()
    assert table.loc[table["status"] == "done", "fgsm_accuracy"].between(0, 1).all()


def test_damaged_runs_are_named_with_exit_4_and_the_others_probed(call, stored, tmp_path):
    """Of the two runs of one alpha, one lacks its weights and one has a changed bit in them."""
    lost, changed = sorted((tmp_path / "results/runs").glob("*-a0.1-*/model.pt"))
    lost.unlink()
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    code, out, _ = call("probe", NAME)
    assert code == 4 and "2 of 4 runs probed" in out
    assert f"damaged: {lost.relative_to(tmp_path)}: cannot be read (No such file or directory)" in out
    assert f"damaged: {changed.relative_to(tmp_path)}: has changed since it was stored; delete" in out
    table = pd.read_csv(tmp_path / "results" / NAME / "probes.csv")
    assert table["alpha"].tolist() == [0, 0] and table["fgsm_accuracy"].notna().all()


USAGE = [
    ([], "name a sweep"),
    (["nothing"], "no sweep named nothing"),
    ([NAME, "pdg"], "did you mean pgd"),
    ([NAME, "--foo"], "--foo: no such flag"),
    ([NAME, "clases=0,1,2"], "did you mean classes"),
    ([NAME, "geometry", "classes=0,1"], "three different classes"),
    ([NAME, "geometry", "classes=0,1,1"], "three different classes"),
    ([NAME, "geometry", "classes=0,1,cat"], "no class cat"),
    ([NAME, "geometry", "alpha=0.3"], "alpha=0.3"),
    ([NAME, "geometry", "alpha=much"], "alpha=much"),
    ([NAME, "geometry", "alpha=0"], "alpha=0: allowed is a number above 0 and below 1"),
    ([NAME, "geometry", "alpha=1"], "alpha=1: allowed is a number above 0 and below 1"),
    ([NAME, "geometry", "alpha=nan"], "alpha=nan: allowed is a number above 0 and below 1"),
    ([NAME, "alpha=0.7"], "alpha=0.7"),
    ([NAME, "classes=0,1,cat"], "no class cat"),
    ([NAME, "fgsm", "alpha=0.1"], "alpha=0.1 is an option of geometry"),
    ([NAME, "device=moon"], "device=moon"),
]


def test_usage_errors_are_one_line_with_exit_2_before_anything_is_measured(call, stored, tmp_path):
    for arguments, words in USAGE:
        code, _, err = call("probe", *arguments)
        lines = [line for line in err.splitlines() if line.startswith("lsbench: ")]
        assert code == 2 and len(lines) == 1 and words in lines[0], arguments
        assert not [*tmp_path.rglob("probes"), *tmp_path.rglob("probes.csv")], arguments


def test_a_sweep_of_two_models_has_a_figure_each_and_no_stale_one(call, stored, tmp_path):
    call("probe", NAME, "geometry")
    figures = tmp_path / "results" / NAME / "figures"
    assert {path.name for path in figures.glob("geometry*")} == {"geometry.png", "geometry.svg"}
    small = {"_target_": "lsbench.models.mlp.MLP", "name": "small", "hidden": "[4]"}
    (tmp_path / "mine/model").mkdir(parents=True)
    text = "\n".join(f"{key}: {value}" for key, value in small.items())
    (tmp_path / "mine/model/small.yaml").write_text(text)
    call("train", "-m", "alpha=0,0.1", "model=mlp,small", f"name={NAME}", "--config-dir", "mine", *SMALL[1:])
    code, out, _ = call("probe", NAME, "geometry")
    names = {f"geometry-mnist5k-{model}.{kind}" for model in ("mlp", "small") for kind in ("png", "svg")}
    assert code == 0 and {path.name for path in figures.glob("geometry*")} == names
    assert "mnist5k, mlp\n" in out and "mnist5k, small\n" in out
