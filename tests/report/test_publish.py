import json
import subprocess
import sys

import pandas as pd
import pytest

from lsbench.errors import StorageError
from lsbench.formatting import number
from lsbench.report.comparison import FIRST, against_plain, comparison
from lsbench.report.document import plain
from lsbench.report.figures.sweep_figures import KINDS
from lsbench.report.publish import write_report
from lsbench.report.sweep import setup
from lsbench.report.terminal import terminal_table
from lsbench.store.files import to_csv

from ..records import make_results

pytestmark = pytest.mark.usefixtures("sketched")  # figures/test_draw.py draws them


def write(folder, records, missing=()):
    write_report(make_results(records, folder / "compare", missing=missing))
    return folder / "compare"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def cells(text, *start):
    """The cells of the first Markdown table row that begins with ``start``."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return next(row for row in rows if row[: len(start)] == list(start))


def test_all_files_are_written_and_rebuilt_byte_for_byte(tmp_path, sweep, traces):
    records = sweep(seeds=range(3), alphas=[0.0, 0.1], methods=["none"])
    for name in "ab":
        traces(tmp_path / name, records)
    first = contents(write(tmp_path / "a", records))
    again = contents(write(tmp_path / "b", records[::-1]))
    tables = ["reliability.csv", "report.html", "report.md", "runs.csv", "summary.csv", "training.csv"]
    figures = [f"figures/{name}.{kind}" for name in KINDS for kind in ("png", "svg")]
    figures += [f"figures/.{name}.json" for name in KINDS]
    assert sorted(first) == sorted([*tables, *figures])
    assert first == again
    text = first["report.md"].decode()
    assert all(f"](figures/{name}.png)" in text for name in KINDS)


def test_only_figures_that_change_are_drawn_again(tmp_path, sweep, traces):
    records = sweep(seeds=range(2), alphas=[0.0, 0.1], methods=["none"])
    traces(tmp_path, records)
    folder = write(tmp_path, records)
    before = {path: path.stat().st_ino for path in (folder / "figures").iterdir()}
    write(tmp_path, records)
    assert {path: path.stat().st_ino for path in (folder / "figures").iterdir()} == before
    for record in records:
        record["test_accuracy"] -= 0.1
    write(tmp_path, records)
    changed = {path.name for path, inode in before.items() if path.stat().st_ino != inode}
    assert changed == {"alpha.png", "alpha.svg", ".alpha.json"}
    (folder / "figures/training.svg").unlink()
    (folder / "figures/.confidence.json").write_text("damaged")
    write(tmp_path, records)
    assert (folder / "figures/training.svg").exists()
    assert json.loads((folder / "figures/.confidence.json").read_text())["panels"]


def test_a_single_alpha_has_no_figure_over_alpha_and_a_stale_one_is_removed(tmp_path, sweep):
    folder = write(tmp_path, sweep(alphas=[0.0, 0.1], methods=["none"]))
    assert (folder / "figures/alpha.svg").exists()
    (folder / "figures/mine.svg").write_text("written by the user")
    write(tmp_path, sweep(alphas=[0.1], methods=["none"]))
    assert [path.name for path in (folder / "figures").iterdir()] == ["mine.svg"]
    assert "![" not in (folder / "report.md").read_text()


def test_each_data_set_has_a_table_and_a_figure(tmp_path, sweep):
    folder = write(
        tmp_path, sweep(alphas=[0.0, 0.1]) + sweep(alphas=[0.0, 0.1], data="cifar10", model="resnet20")
    )
    names = sorted(path.name for path in (folder / "figures").glob("*.png"))
    text = (folder / "report.md").read_text()
    parts = ("cifar10-resnet20", "mnist5k-mlp")
    assert names == [f"{kind}-{part}.png" for kind in ("alpha", "effects") for part in parts]
    assert all(f"(figures/{name})" in text for name in names)
    assert text.count(" verdict |") == 2


def test_markdown_has_the_numbers_of_the_summary(tmp_path, sweep):
    folder = write(tmp_path, sweep())
    summary = pd.read_csv(folder / "summary.csv", dtype={"cell": str, "baseline": str})
    row = summary[(summary["method"] == "dropout") & (summary["alpha"] == 0.1)].iloc[0]
    half = row["test_accuracy_high"] - row["test_accuracy_mean"]
    bounds = [
        number(row[f"test_accuracy_diff_unsmoothed{end}"], 2, 100, sign=True) for end in ("", "_low", "_high")
    ]
    shown = cells((folder / "report.md").read_text(), "dropout", "0.1")
    assert shown[2] == "5"
    assert shown[3] == f"{100 * row['test_accuracy_mean']:.2f} ± {100 * half:.2f}"
    assert shown[4] == f"{bounds[0]} [{bounds[1]}, {bounds[2]}]"
    assert shown[5] == row["test_accuracy_diff_unsmoothed_verdict"]
    assert shown[6:] == [f"{row['test_nll_ts_mean']:.4f}", f"{100 * row['test_ece_ts_mean']:.2f}"]


def test_the_columns_on_demand_have_the_numbers_of_the_summary(sweep):
    results = make_results(sweep())
    summary, [part] = results.summary, results.parts
    row = summary[(summary["method"] == "dropout") & (summary["alpha"] == 0.1)].iloc[0]
    header, rows = comparison(part)
    assert tuple(header[:8]) == FIRST
    shown = dict(zip(header, next(r for r in rows if r[:2] == ["dropout", "0.1"]), strict=True))
    assert shown["NLL"] == f"{row['test_nll_mean']:.4f}"
    assert shown["ECE %"] == f"{100 * row['test_ece_mean']:.2f}"
    assert shown["floor %"] == "—"  # the records have no noise floor
    assert shown["gap %"] == f"−{100 * -row['test_confidence_gap_mean']:.2f}"
    assert shown["T"] == f"{row['temperature_mean']:.2f}"
    assert shown["ECE − T alone, points"].startswith(f"+{100 * row['test_ece_vs_ts_diff']:.2f} [")
    header, rows = against_plain(part)
    assert {tuple(r[:2]) for r in rows} == {
        (method, alpha) for method in ("dropout", "augment") for alpha in ("0", "0.05", "0.1", "0.15", "0.2")
    }
    shown = dict(zip(header, next(r for r in rows if r[:2] == ["dropout", "0.1"]), strict=True))
    assert shown["Δ NLL scaled"].startswith(f"{row['test_nll_ts_diff']:+.4f} [".replace("-", "−"))
    assert shown["verdict on accuracy"] == row["test_accuracy_verdict"]


def verdict_lines(folder, records):
    text = (write(folder, records) / "report.md").read_text()
    return text, [line for line in text.splitlines() if line.startswith("    - ")]


def test_verdicts_of_few_seeds_are_marked_as_exploratory(tmp_path, sweep):
    few, few_lines = verdict_lines(tmp_path, sweep(seeds=range(7), alphas=[0.0, 0.1]))
    many, many_lines = verdict_lines(tmp_path, sweep(seeds=range(10), alphas=[0.0, 0.1]))
    assert len(few_lines) == len(many_lines) > 10
    for word in ("supported", "refuted", "equivalent"):
        assert all(f"exploratory: {word}" in line for line in few_lines if word in line)
    assert any("exploratory: supported (better), p (Holm) " in line for line in few_lines)
    assert any("; supported (better), p (Holm) " in line for line in many_lines)
    assert "n = 7 is exploratory" in few and "exploratory" not in "".join(many_lines)
    assert cells(few, "comparison")[3:] == ["± now", "n = 8", "n = 10", "n = 20"]
    assert "is exploratory" not in many


def test_every_ece_is_shown_with_its_noise_floor(tmp_path, sweep):
    records = sweep(seeds=range(3), alphas=[0.0, 0.1], methods=["none"])
    for record in records:
        record |= {"test_ece_floor": 0.0123 + 0.001 * record["alpha"], "test_ece_floor_ts": 0.0045}
    text = (write(tmp_path, records) / "report.md").read_text()
    ece = 100 * sum(r["test_ece"] for r in records if r["alpha"] == 0.1) / 3
    header, rows = comparison(make_results(records).parts[0])
    shown = dict(zip(header, rows[1], strict=True))
    assert [shown[name] for name in ("ECE %", "floor %", "floor % scaled")] == [f"{ece:.2f}", "1.24", "0.45"]
    assert f"ECE {ece:.2f} % (noise floor 1.24 %), after scaling" in text and "(noise floor 0.45 %)." in text
    table = terminal_table(make_results(records).parts)
    assert "floor·T" in table and "0.45" in table and max(map(len, table.splitlines())) <= 100


def test_unfinished_and_missing_runs_are_listed(tmp_path, sweep, record):
    bad = record("none", 0.1, 7, status="diverged", error="the loss was\nnot finite | step 3")
    text = (
        write(tmp_path, [*sweep(alphas=[0.1]), bad], missing=["mnist5k-mlp-none-a0.1-s8-1234abcd"])
        / "report.md"
    ).read_text()
    assert f"| {bad['run']} | " in text and "| the loss was not finite \\| step 3 |" in text
    assert cells(text, "mnist5k-mlp-none-a0.1-s8-1234abcd")[1:] == ["missing", "no record in the store"]
    assert "16 (15 done, 1 diverged, 0 failed); 1 missing" in text


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_single_run_has_a_report(tmp_path, record, status):
    records = [record(alpha=0.1, status=status, error="")]
    assert (write(tmp_path, records) / "report.md").read_text()
    assert terminal_table(make_results(records).parts)


def test_csv_escapes_formulas_in_text_only():
    frame = pd.DataFrame({"error": ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "a=b", None], "gap": [-0.5] * 8})
    lines = to_csv(frame).decode().split("\n")
    assert lines[1:5] == ["'=1+1,-0.5", "'+x,-0.5", "'-x,-0.5", "'@x,-0.5"]
    assert lines[5] == "'\tx,-0.5"
    assert lines[6:] == ["\"'", 'x",-0.5', "a=b,-0.5", ",-0.5", ""]  # a lone CR would end the row


def test_csv_round_trip_keeps_every_digit(tmp_path, sweep, record):
    records = [
        *sweep(seeds=range(2), alphas=[0.1]),
        record(alpha=0.1, seed=9, status="failed", error='no,\n"memory"'),
    ]
    folder = write(tmp_path, records)
    back = pd.read_csv(folder / "runs.csv", dtype={"cell": str})
    runs = make_results(records).runs
    assert list(back.columns) == list(runs.columns)
    for name in ("test_nll", "temperature", "alpha", "seed"):
        assert back[name].dropna().tolist() == runs[name].dropna().tolist()
    assert 'no,\n"memory"' in back["error"].tolist()


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path, sweep):
    (tmp_path / "compare").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="compare"):
        write(tmp_path, sweep(seeds=[0], alphas=[0.1]))


def test_facts_list_what_differs_between_runs(tmp_path, record):
    devices = ["cuda (H100)", "cpu", "cuda (H200)", "cpu"]
    records = [record(seed=seed, device=device) for seed, device in enumerate(devices)]
    text = (write(tmp_path, records) / "report.md").read_text()
    assert "- Seeds: 0–3\n" in text
    assert "- Device: cpu, cuda (H100), cuda (H200)\n" in text
    assert "- Last run finished: 2026-05-04 10:03:00 UTC\n" in text


def test_a_sweep_without_any_record_has_a_report(tmp_path):
    text = (write(tmp_path, [], missing=["mnist5k-mlp-none-a0-s0-1234abcd"]) / "report.md").read_text()
    assert "0 (0 done, 0 diverged, 0 failed); 1 missing" in text


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "hydra", "pandas", "scipy", "matplotlib"}
    code = f"import sys, lsbench.report; print({heavy} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "set()\n"


@pytest.mark.parametrize(
    ("lengths", "words"), [([1], ". 1 epoch, "), ([1, 3], ". 1, 3 epochs, "), ([20], ". 20 epochs, ")]
)
def test_the_number_of_epochs_agrees_with_its_noun(lengths, words, sweep):
    records = [record for epochs in lengths for record in sweep(methods=["none"], epochs=epochs)]
    assert words in plain(setup(make_results(records).cells))
