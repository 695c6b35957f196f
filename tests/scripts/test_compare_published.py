"""scripts/compare_published.py on a small summary with numbers worked out by hand."""

from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def script(load):
    return load("compare_published")


def row(alpha: float, **settings: object) -> dict[str, object]:
    metrics = {
        "test_accuracy": (0.983, 0.981, 0.985),
        "test_ece": (0.11, 0.10, 0.12),
        "test_ece_ts": (0.002,) * 3,
    }
    ends = ("mean", "low", "high")
    numbers = {
        f"{name}_{end}": value
        for name, values in metrics.items()
        for end, value in zip(ends, values, strict=True)
    }
    return {
        "method": "none", "alpha": alpha, "n": 3, "augment": 0.0, "dropout": 0.0, "n_train": 50000, "lr": 0.1,
        "epochs": 20, "batch_size": 128, "model.hidden": "[1200, 1200]", "optim.name": "sgd",
        "optim.momentum": 0.9, "optim.nesterov": True, "optim.schedule": "cosine", "data.shift": 2,
    } | numbers | settings  # fmt: skip


def write(folder: Path, *rows: dict[str, object]) -> None:
    pd.DataFrame(rows).to_csv(folder / "summary.csv", index=False)


def test_each_published_alpha_has_a_row_with_both_numbers(script, tmp_path, capsys):
    write(tmp_path, row(0.0), row(0.1), row(0.2), row(0.3))  # 0.2 was not published
    assert script.main([str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "beside_published.csv").set_index("alpha")
    assert list(table.index) == [0.0, 0.1, 0.3]
    assert table.loc[0.1, ["error", "error_low", "error_high"]].tolist() == pytest.approx([1.7, 1.5, 1.9])
    assert table.loc[0.1, ["ece", "ece_low", "ece_high"]].tolist() == pytest.approx([0.11, 0.10, 0.12])
    assert table["error_published"].tolist() == [0.94, 0.69, 0.87]
    assert table["ece_published"].tolist() == [0.0020, 0.1020, 0.2809]
    assert table.loc[0.0, "ece_scaled_published"] == 0.0013 and table["ece_scaled_published"].count() == 1
    page = (tmp_path / "beside_published.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("| none   | 0.1 "))
    assert [cell.strip() for cell in line.strip("| ").split("|")] == [
        *("none", "0.1", "3", "1.70 ± 0.20", "0.69", "0.1100 ± 0.0100", "0.1020", "0.0020 ± 0.0000", "—")
    ]
    assert line in capsys.readouterr().out


def test_the_page_lists_the_differences_between_the_setups(script, tmp_path):
    write(tmp_path, row(0.0), row(0.0, method="augment", augment=1.0))
    assert script.main([str(tmp_path)]) == 0
    page = (tmp_path / "beside_published.md").read_text()
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines()]
    setups = {line[0]: line[1:] for line in cells if line[0] in script.PUBLISHED and len(line) == 3}
    assert list(setups) == list(script.PUBLISHED)
    assert setups["epochs"] == ["100", "20"] and setups["batch size"] == ["512", "128"]
    assert setups["network"][1].startswith("784-1200-1200-10")
    assert setups["augmentation"][1] == "shifts by up to 2 pixels with method=augment, else none"
    assert "doi:10.5281/zenodo.14953654" in page


def test_a_summary_that_cannot_be_compared_ends_in_one_line_and_an_exit_code(script, tmp_path, capsys):
    assert script.main([str(tmp_path)]) == 4
    write(tmp_path, row(0.2))
    assert script.main([str(tmp_path)]) == 3
    write(tmp_path, row(0.1), row(0.1, epochs=40))
    assert script.main([str(tmp_path)]) == 3
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3 and "several rows" in errors[2]
    assert not list(tmp_path.glob("beside*"))


def test_a_single_seed_has_no_interval(script, tmp_path):
    lone = {f"test_{name}_{end}": None for name in ("accuracy", "ece", "ece_ts") for end in ("low", "high")}
    write(tmp_path, row(0.1, n=1, **lone))
    assert script.main([str(tmp_path)]) == 0
    page = (tmp_path / "beside_published.md").read_text()
    assert "±" not in page.partition("## What differs")[0].partition("| method")[2]


def test_the_numbers_are_the_published_ones(script):
    assert script.ALPHAS == (0.0, 0.05, 0.1, 0.15, 0.3)
    assert list(script.ERROR.values()) == [0.94, 0.67, 0.69, 0.76, 0.87]
    assert list(script.ECE.values()) == [0.0020, 0.0557, 0.1020, 0.1467, 0.2809]
