"""What README quotes stands in results/."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_benchmark_is_quoted_as_it_was_written():
    section = (ROOT / "README.md").read_text().partition("## How fast\n")[2].partition("\n## ")[0]
    quoted = [line for line in section.splitlines() if line.startswith("|")]
    written = (ROOT / "results/benchmarks/sweep.md").read_text().split("\n\n")[1].splitlines()
    assert len(quoted) > 5
    assert quoted == written
