"""The page as text; test_chromium.py has it in a browser."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

import pandas as pd
import pytest

from lsbench.report import build
from lsbench.report.aggregate import runs_table, summary_table
from lsbench.report.comparison import comparison
from lsbench.report.figures.marks import DISTINCT, mark
from lsbench.report.page import markup
from lsbench.report.verdict_text import full_table
from lsbench.report.verdicts import verdicts

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Tables(HTMLParser):
    """The cells of every table by its label, and all start tags."""

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


@pytest.fixture
def page(tmp_path, traces, drawn_once):
    """The page of ``records``: its text, taken apart, and its sweep's summary."""

    def of(records, command="lsbench compare", missing=()):
        if not (tmp_path / "runs").exists():
            traces(tmp_path, records)
        runs = runs_table(records)
        summary = summary_table(runs)
        build(tmp_path / "compare", runs, summary, command=command, missing=missing)
        text = (tmp_path / "compare/report.html").read_text()
        parsed = Tables()
        parsed.feed(text)
        return text, parsed, summary

    return of


def test_its_tables_are_those_of_the_summary(page, sweep):
    _, parsed, summary = page(sweep(seeds=range(3)))
    header, rows = comparison(summary)
    assert parsed.tables["Comparison: mnist5k, mlp"] == [header, *rows]
    header, rows = full_table(verdicts(summary))
    assert parsed.tables["Verdicts in numbers: mnist5k, mlp"] == [header, *rows]
    row = summary[(summary["method"] == "dropout") & (summary["alpha"] == 0.1)].iloc[0]
    shown = next(cells for cells in rows if cells[:2] == ["dropout", "0.1"])
    assert shown[4] == f"{100 * row['test_accuracy_diff']:+.2f}".replace("-", "−")


def test_every_run_is_there_with_what_it_does_not_share(page, sweep):
    text, parsed, _ = page(sweep(seeds=range(2)))
    header, *rows = parsed.tables["Every run"]
    assert len(rows) == 30 and header[0] == "run"
    assert {"seed", "alpha", "method", "test_accuracy", "finished"} < set(header)
    assert not {"lr", "torch", "data_sha256"} & set(header)
    assert f"<dt>data_sha256</dt><dd>{'3f1c' * 16}</dd>" in text and "<dt>torch</dt><dd>2.11.0</dd>" in text


def test_text_from_outside_cannot_become_markup(page, sweep, record):
    bad = record("none", 0.1, 7, status="failed", error=EVIL)
    records = [*sweep(seeds=[0], alphas=[0.0, 0.1], methods=["none"]), record(EVIL, 0.1), bad]
    for one in records:
        one["model.name"] = EVIL
    text, parsed, _ = page(records, command=f"lsbench {EVIL}", missing=[EVIL])
    clean = page(sweep(seeds=[0], alphas=[0.0, 0.1], methods=["none"]))[1]
    assert {tag for tag, _ in parsed.tags} == {tag for tag, _ in clean.tags}
    assert [tag for tag, _ in parsed.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attrs in parsed.tags for name in attrs)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and EVIL not in text
    assert parsed.tables["Runs that no mean contains"][1][2] == EVIL


def test_it_names_no_other_place_and_allows_only_its_own_script(page, sweep):
    text, parsed, _ = page(sweep(seeds=[0]))
    places = [attrs[name] for _, attrs in parsed.tags for name in ("src", "href", "action") if name in attrs]
    assert all(place.startswith("#") or place == "data:," for place in places)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(h" not in text
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text and "default-src 'none'" in text


def test_ids_are_unique_and_links_lead_somewhere(page, sweep):
    one = sweep(seeds=[0], methods=["none"])
    _, parsed, _ = page(one + sweep(seeds=[0], methods=["none"], data="cifar10", model="resnet20"))
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = {attrs["href"][1:] for tag, attrs in parsed.tags if tag == "a"}
    assert {"mnist5k--mlp", "cifar10--resnet20", "every-run", "definitions"} <= links <= set(ids)


def test_every_figure_has_an_alternative_text_with_numbers(page, sweep):
    text, parsed, _ = page(sweep(seeds=[0]))
    labels = [attrs["aria-label"] for tag, attrs in parsed.tags if attrs.get("role") == "img"]
    assert len(labels) == text.count("<figure>") == 4
    assert all(re.search(r"\d\.\d", label) for label in labels)


def test_failed_diverged_and_missing_runs_are_reported(page, sweep, record):
    bad = [
        record("none", 0.1, 7, status="diverged", error="the loss was\nnot finite"),
        record("none", 0.1, 8, status="failed", error="out of memory"),
    ]
    text, parsed, _ = page([*sweep(seeds=[0]), *bad], missing=["lost"])
    assert parsed.tables["Runs that no mean contains"][1:] == [
        [bad[0]["run"], "diverged", "the loss was not finite"],
        [bad[1]["run"], "failed", "out of memory"],
        ["lost", "missing", "no record in the store"],
    ]
    assert "17 (15 done, 1 diverged, 1 failed); 1 missing" in text


def test_no_run_at_all_is_a_page_too(page):
    text, parsed, _ = page([], missing=["lost"])
    assert "Label smoothing: no runs" in text and list(parsed.tables) == ["Runs that no mean contains"]


def test_the_legend_draws_every_mark():
    drawn = [markup.legend([mark(place, f"line {place}")]) for place in range(DISTINCT)]
    assert len({text.replace(f"line {place}", "") for place, text in enumerate(drawn)}) == DISTINCT


def test_prose_knows_lists_in_lists():
    text = "Intro `a<b` and **bold**,\nmore.\n\n- one\n  - two *so*\n    - three\n  - four\n- five\n  goes on"
    assert markup.prose(text) == (
        '<div class="prose"><p>Intro <code>a&lt;b</code> and <strong>bold</strong>, more.</p>'
        "<ul><li>one<ul><li>two <em>so</em><ul><li>three</li></ul></li><li>four</li></ul></li>"
        "<li>five goes on</li></ul></div>"
    )


def test_numbers_are_set_to_the_right_and_words_to_the_left():
    rows = [["mlp", "baseline", "3f1c", "2026-05-04"], ["mlp", "+1.2 [0, 2]", "41", "2026-05-05"]]
    text = markup.table(["model", "Δ", "sha", "day"], rows, "x")
    assert re.findall(r'<th scope="col"( class="n")?>', text) == ["", ' class="n"', "", ""]


def test_the_template_is_part_of_the_package():
    names = {path.name for path in files("lsbench.report.page").iterdir()}
    assert {"page.html", "page.css", "page.js"} <= names


def test_a_cell_of_a_float_is_short(page, sweep):
    _, parsed, _ = page(sweep(seeds=[0]))
    header, *rows = parsed.tables["Every run"]
    column = [row[header.index("test_nll")] for row in rows]
    expected = pd.DataFrame(sweep(seeds=[0]))["test_nll"]
    assert sorted(map(float, column)) == pytest.approx(sorted(expected), rel=1e-4)
    assert max(map(len, column)) <= 8
