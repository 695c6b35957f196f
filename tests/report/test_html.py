"""Reports as HTML; test_chromium.py opens them in a browser."""

import base64
import hashlib
import re
from dataclasses import dataclass, replace
from functools import partial
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from lsbench.analysis.results import SweepResults
from lsbench.report import document as doc
from lsbench.report.comparison import comparison
from lsbench.report.figures.files import PageFigure
from lsbench.report.html import numeric_columns, render
from lsbench.report.publish import write_report
from lsbench.report.tables import full_table

from ..records import make_results, make_sweep, store_traces

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Tables(HTMLParser):
    """A parser of a page into its start tags and the cells of every table, by the table's label."""

    def __init__(self):
        super().__init__()
        self.tables, self.tags, self.label, self.cell = {}, [], "", None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "div" and dict(attrs).get("role") == "region":
            self.label = dict(attrs)["aria-label"]
            self.tables[self.label] = []
        elif tag == "tr":
            self.tables[self.label].append([])
        elif tag in ("th", "td"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.tables[self.label][-1].append(self.cell)
            self.cell = None


@dataclass
class Page:
    """A page as text and parsed, with its records and results."""

    text: str
    parsed: Tables
    records: list
    results: SweepResults


def make_page(results_dir, records, command="lsbench compare", missing=()):
    """Write the report of ``records``, with their traces in ``results_dir``, and parse its page."""
    results = make_results(records, results_dir / "compare", command, missing)
    write_report(results)
    text = (results_dir / "compare/report.html").read_text()
    parsed = Tables()
    parsed.feed(text)
    return Page(text, parsed, records, results)


@pytest.fixture(scope="module")
def usual_page(tmp_path_factory):
    """The page of three methods, five alphas and three seeds, with all its figures."""
    results_dir = tmp_path_factory.mktemp("results")
    records = make_sweep(seeds=range(3))
    store_traces(results_dir, records)
    return make_page(results_dir, records)


@pytest.fixture
def page(tmp_path, sketched):
    """Make the page of records, without drawing figures."""
    return partial(make_page, tmp_path)


def test_the_tables_have_the_numbers_of_the_summary(usual_page):
    summary, tables = usual_page.results.summary, usual_page.parsed.tables
    [part] = usual_page.results.parts
    header, rows = comparison(part)
    assert tables["Comparison: mnist5k, mlp"] == [header, *rows]
    header, rows = full_table(part.verdicts)
    assert tables["Verdicts in numbers: mnist5k, mlp"] == [header, *rows]
    row = summary[(summary["method"] == "dropout") & (summary["alpha"] == 0.1)].iloc[0]
    shown = next(cells for cells in rows if cells[:2] == ["dropout", "0.1"])
    assert shown[4] == f"{100 * row['test_accuracy_diff_unsmoothed']:+.2f}".replace("-", "−")


def test_every_run_is_listed_with_the_columns_that_differ(usual_page):
    text = usual_page.text
    header, *rows = usual_page.parsed.tables["Every run"]
    assert len(rows) == 45 and header[0] == "run"
    assert {"seed", "alpha", "method", "test_accuracy", "finished"} < set(header)
    assert not {"lr", "torch", "data_sha256"} & set(header)
    assert f"<dt>data_sha256</dt><dd>{'3f1c' * 16}</dd>" in text and "<dt>torch</dt><dd>2.11.0</dd>" in text


def test_text_from_outside_cannot_become_markup(usual_page, sweep, record, tmp_path):
    bad = record("none", 0.1, 7, status="failed", error=EVIL)
    records = [*sweep(seeds=[0], alphas=[0.0, 0.1], methods=["none"]), record(EVIL, 0.1), bad]
    for run_record in records:
        run_record["model.name"] = EVIL
    store_traces(tmp_path, records)
    page = make_page(tmp_path, records, command=f"lsbench {EVIL}", missing=[EVIL])
    text, parsed = page.text, page.parsed
    assert {tag for tag, _ in parsed.tags} == {tag for tag, _ in usual_page.parsed.tags}
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and EVIL not in text
    assert parsed.tables["Runs left out of every mean"][1][2] == EVIL


def test_a_page_has_no_external_address_and_allows_only_its_own_script(usual_page):
    text, parsed = usual_page.text, usual_page.parsed
    names = ("src", "href", "action")
    addresses = [attrs[name] for _, attrs in parsed.tags for name in names if name in attrs]
    assert all(address.startswith("#") or address == "data:," for address in addresses)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(h" not in text
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text and "default-src 'none'" in text


def test_ids_are_unique_and_every_link_has_a_target(usual_page, sweep, tmp_path):
    mnist = sweep(seeds=[0], methods=["none"])
    cifar = sweep(seeds=[0], methods=["none"], data="cifar10", model="resnet20")
    both = make_page(tmp_path, mnist + cifar)
    for page, pairs in ((usual_page, {"mnist5k--mlp"}), (both, {"mnist5k--mlp", "cifar10--resnet20"})):
        ids = [attrs["id"] for _, attrs in page.parsed.tags if "id" in attrs]
        assert len(set(ids)) == len(ids) > 10
        links = {attrs["href"][1:] for tag, attrs in page.parsed.tags if tag == "a"}
        assert {*pairs, "every-run", "definitions"} <= links <= set(ids)


def test_every_figure_has_an_alternative_text_with_numbers(usual_page):
    text, parsed = usual_page.text, usual_page.parsed
    labels = [attrs["aria-label"] for tag, attrs in parsed.tags if attrs.get("role") == "img"]
    assert len(labels) == text.count("<figure>") == 5
    assert all(re.search(r"\d\.\d", label) for label in labels)


def test_failed_diverged_and_missing_runs_are_reported(page, sweep, record):
    bad = [
        record("none", 0.1, 7, status="diverged", error="the loss was\nnot finite"),
        record("none", 0.1, 8, status="failed", error="out of memory"),
    ]
    shown = page([*sweep(seeds=[0]), *bad], missing=["lost"])
    assert shown.parsed.tables["Runs left out of every mean"][1:] == [
        [bad[0]["run"], "diverged", "the loss was not finite"],
        [bad[1]["run"], "failed", "out of memory"],
        ["lost", "missing", "no record in the store"],
    ]
    assert "17 (15 done, 1 diverged, 1 failed); 1 missing" in shown.text


def test_a_sweep_without_a_record_has_a_page(page):
    shown = page([], missing=["lost"])
    assert "Label smoothing: no runs" in shown.text
    assert list(shown.parsed.tables) == ["Runs left out of every mean"]


def render_blocks(*blocks, figures=None):
    """The HTML of ``blocks`` in a section called "Part"."""
    document = doc.Document("", "", {}, (doc.Section("Part", blocks),))
    text = render(document, figures or {}, "page.html").decode()
    return re.sub(r"\n", "", text.partition("<h2>Part</h2>")[2].partition("</section>")[0])


def test_each_style_has_its_tag():
    pieces = ("a<b ", doc.Code("c"), doc.Strong("d"), doc.Emphasis("e"), doc.Link("f", "Other part"))
    assert render_blocks(doc.Prose(pieces)) == (
        '<p>a&lt;b <code>c</code><strong>d</strong><em>e</em><a href="#other-part">f</a></p>'
    )
    assert '<span class="word refuted">exploratory: refuted</span>' in render_blocks(
        doc.Prose((doc.VerdictLabel("exploratory: refuted"),))
    )


def test_lists_can_be_nested():
    items = (doc.Item("one", (doc.Item("two", (doc.Item("three"),)), doc.Item("four"))), doc.Item("five"))
    assert render_blocks(doc.Bullets(items)) == (
        '<ul class="prose"><li>one<ul class="prose"><li>two<ul class="prose"><li>three</li></ul></li>'
        "<li>four</li></ul></li><li>five</li></ul>"
    )


def test_text_in_any_block_cannot_become_markup(spec):
    rows = [[EVIL], [(doc.Code(EVIL), doc.Link(EVIL, EVIL))]]
    table = doc.Table(EVIL, [EVIL], rows, highlighted=frozenset([0]), note=EVIL)
    hostile = replace(spec(title=EVIL), title=EVIL, caption=EVIL, alt=EVIL)
    blocks = (
        doc.Prose(EVIL),
        doc.Prose((doc.Code(EVIL), doc.Strong(EVIL), doc.Emphasis(EVIL), doc.VerdictLabel(EVIL))),
        doc.Bullets((doc.Item(EVIL, (doc.Item(EVIL),)),)),
        doc.Facts({EVIL: EVIL}),
        doc.Details(EVIL, (table,)),
        table,
        doc.Section(EVIL, (doc.Prose(EVIL),)),
        doc.FigureRef(hostile),
    )
    figures = {hostile.name: PageFigure("", ("<svg></svg>",), ("<svg></svg>",) * 2)}
    document = doc.Document(EVIL, EVIL, {EVIL: EVIL}, (doc.Section(EVIL, blocks),), {EVIL: EVIL})
    text = render(document, figures, "page.html").decode()
    parsed = Tables()
    parsed.feed(text)
    assert "<script>alert" not in text and "<img" not in text
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 20


def test_columns_of_numbers_are_aligned_right():
    rows = [["mlp", "baseline", "3f1c", "2026-05-04"], ["mlp", "+1.2 [0, 2]", "41", "2026-05-05"]]
    assert numeric_columns(doc.Table("x", ["model", "Δ", "sha", "day"], rows)) == [False, True, False, False]
    table = doc.Table("x", ["word", "number"], [["refuted", "0.5"], ["—", "—"]])
    assert numeric_columns(table) == [False, True]
    text = render_blocks(doc.Table("x", ["word", "number"], [["refuted", "0.5"]], highlighted=frozenset([0])))
    assert '<th scope="col" class="n">number</th>' in text
    assert '<tr class="chosen"><th scope="row">refuted</th><td class="n">0.5</td></tr>' in text


def test_the_templates_are_part_of_the_package():
    names = {path.name for path in files("lsbench.report").joinpath("templates").iterdir()}
    assert names == {"blocks.html", "page.html", "page.css", "page.js"}


def test_results_of_a_run_are_rounded(usual_page):
    header, *rows = usual_page.parsed.tables["Every run"]
    column = [row[header.index("test_nll")] for row in rows]
    expected = [record["test_nll"] for record in usual_page.records]
    assert sorted(map(float, column)) == pytest.approx(sorted(expected), rel=1e-4)
    assert max(map(len, column)) <= 8
