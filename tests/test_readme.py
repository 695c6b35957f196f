"""What README quotes stands in results/."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_benchmark_is_quoted_as_it_was_written():
    section = (ROOT / "README.md").read_text().partition("## How fast\n")[2].partition("\n## ")[0]
    quoted = [line for line in section.splitlines() if line.startswith("|")]
    written = (ROOT / "results/benchmarks/sweep.md").read_text().split("\n\n")[1].splitlines()
    assert len(quoted) > 5
    assert quoted == written


def cells(text: str) -> list[dict[str, str]]:
    """The rows of the first table in Markdown."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows if len(row) == len(head)]


def test_the_table_is_quoted_from_the_report():
    section = (ROOT / "README.md").read_text().partition("## What it answers\n")[2].partition("\n## ")[0]
    report = (ROOT / "results/compare-mnist-mlp/report.md").read_text()
    quoted = cells(section)
    written = cells(report.partition("## Comparison\n")[2].partition("\n### ")[0])
    assert len(quoted) == 15
    assert quoted == [{name: row[name] for name in quoted[0]} for row in written]
