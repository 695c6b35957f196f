"""READMEs: quoted tables equal those in results/, and every link has a target."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = [
    *(ROOT / name for name in ("conf", "results", "tests/examples")),
    *sorted((ROOT / "lsbench").iterdir()),
]
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS if (page := folder / "README.md").exists())]


def section(page: str, title: str) -> str:
    return (ROOT / page).read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_benchmark_is_quoted_as_it_was_written():
    quoted = [line for line in section("results/README.md", "How fast").splitlines() if line.startswith("|")]
    written = (ROOT / "results/benchmarks/sweep.md").read_text().split("\n\n")[1].splitlines()
    assert len(quoted) > 5
    assert quoted == written


def rows(text: str) -> list[dict[str, str]]:
    """The rows of the first table in Markdown."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in body if len(row) == len(head)]


def test_the_table_is_quoted_from_the_report():
    report = (ROOT / "results/compare-mnist-mlp/report.md").read_text()
    text = section("README.md", "What it answers")
    quoted = rows(text)
    written = rows(report[report.index("| method") :].partition("\n\n")[0])
    assert len(quoted) == 6 and len(written) == 15
    assert [row for row in written if row in quoted] == quoted
    sentences = " ".join(line.removeprefix(">").strip() for line in text.splitlines() if line[:1] == ">")
    assert " ".join(report.partition("## mnist, mlp\n")[2].partition("\n###")[0].split()) == " ".join(
        sentences.split()
    )


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_scripts_and_modules_that_are_named_exist(page):
    for name in re.findall(r"\b(?:scripts|lsbench|conf|tests)/[\w/]+\.(?:py|sh|yaml)\b", page.read_text()):
        assert (ROOT / name).exists() or (ROOT / "tests/examples" / name).exists() or "NAME" in name, name


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170


def test_the_example_of_the_loss_runs():
    import torch

    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "lsbench/ops/README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    mean = torch.nn.functional.cross_entropy(names["logits"], names["target"], label_smoothing=0.1)
    torch.testing.assert_close(names["loss"], mean)
    torch.testing.assert_close(names["losses"].mean(), mean.detach())
    exact = torch.autograd.grad(mean, names["logits"])[0]
    torch.testing.assert_close(names["logit_grad"], exact)
