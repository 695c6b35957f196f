"""The page in a real browser: what it logs and asks for, and how it looks, sorts and prints."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lsbench.formatting import number
from lsbench.report.publish import write_report

from ..records import make_record, make_results, make_sweep, store_traces
from .chromium import BINARY, asked_quietly, column, contrast, messages, requests, table

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine (Debian: chromium)")
LABEL = "Comparison: mnist5k, mlp"
TABLE, ROWS, TITLES = table(LABEL)
BUTTON = f"{TABLE}.tHead.rows[0].cells[{{}}].querySelector('button')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A report of two data sets with failures, whose texts are hostile."""
    records = make_sweep(seeds=range(3))
    evil = "<script>throw 1</script><img src='http://127.0.0.1:1/x'>"
    records.append(make_record("none", 0.1, 7, status="failed", error=evil))
    results_dir = tmp_path_factory.mktemp("results")
    store_traces(results_dir, records)
    records += make_sweep(alphas=[0.0, 0.1], seeds=range(2), data="cifar10")  # whose one figure is over alpha
    write_report(make_results(records, results_dir / "compare", evil))
    return results_dir / "compare"


@pytest.fixture
def page(tab, folder):
    tab.open(folder / "report.html")
    return tab


def test_it_loads_without_a_message_or_a_request(page, folder):
    asked_quietly(page, folder / "report.html")
    assert page.run("document.images.length") == 0


def test_a_broken_page_would_be_noticed(tab, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text("<script>throw new Error('x')</script><img src='http://127.0.0.1:1/x.png'>")
    tab.open(broken)
    assert messages(tab) and any("127.0.0.1" in url for url in requests(tab))


def test_its_table_is_summary_csv(page, folder):
    summary = pd.read_csv(folder / "summary.csv", dtype={"cell": str})
    table = summary[summary["data"] == "mnist5k"]
    assert column(page, LABEL, "NLL") == [number(value, 4) for value in table["test_nll_mean"]]
    assert column(page, LABEL, "ECE %") == [number(value, 2, 100) for value in table["test_ece_mean"]]
    shown = [text.split(" ± ")[0] for text in column(page, LABEL, "accuracy %")]
    assert shown == [f"{100 * value:.2f}" for value in table["test_accuracy_mean"]]
    gaps = [float(text.replace("−", "-")) / 100 for text in column(page, LABEL, "gap %")]
    assert gaps == pytest.approx(table["test_confidence_gap_mean"].tolist(), abs=5.1e-5)


def test_a_click_on_a_title_sorts_up_down_and_back(page):
    before = page.run(ROWS)
    titles = page.run(TITLES)
    click = f"{BUTTON}.click()"
    place = titles.index("ECE %")
    values = [float(text) for text in column(page, LABEL, "ECE %")]
    for expected in (sorted(values), sorted(values, reverse=True)):
        page.run(click.format(place))
        assert [float(text) for text in column(page, LABEL, "ECE %")] == expected
    page.run(click.format(place))
    assert page.run(ROWS) == before
    page.run(click.format(titles.index("Δ accuracy, points")))
    effects = column(page, LABEL, "Δ accuracy, points")
    assert effects[-1] == "baseline"  # what is no number comes last
    numbers = [float(text.split(" ")[0].replace("−", "-")) for text in effects[:-1]]
    assert numbers == sorted(numbers)


def test_tables_sort_by_keyboard(page):
    page.run(f"{BUTTON}.focus()".format(0))
    page.press("Tab")
    assert page.run("document.activeElement.innerText").strip() == "α"
    page.press("Enter")
    alphas = [float(text) for text in column(page, LABEL, "α")]
    assert alphas == sorted(alphas)
    assert page.run("document.querySelector('th[aria-sort]').innerText").strip() == "α"
    page.press(" ")
    assert [float(text) for text in column(page, LABEL, "α")] == sorted(alphas, reverse=True)
    page.press("Tab")
    assert page.run("document.activeElement.tagName") == "BUTTON"


def test_without_javascript_everything_is_there(page, folder):
    with_it = page.run(ROWS)
    page("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(folder / "report.html")
        page("Emulation.setScriptExecutionDisabled", value=False)
        assert page.run("document.querySelectorAll('button').length") == 0
        assert page.run(ROWS) == with_it
    finally:
        page("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_the_page_is_no_wider_than_the_window(tab, folder, width):
    tab.open(folder / "report.html", width=width)
    tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    boxes = "[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth > b.clientWidth, b.tabIndex])"
    scrolling = [index for scrolls, index in tab.run(boxes) if scrolls]
    assert scrolling and set(scrolling) == {0}  # tables scroll in their boxes, by keyboard too


def test_figures_fill_the_width_of_a_phone_one_below_the_other(tab, folder):
    tab.open(folder / "report.html", width=375)
    panels = tab.run(
        "[...document.querySelectorAll('.panels svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert min(panels) > 300
    sizes = "[...document.querySelectorAll('.panels text')].map(t => t.getBoundingClientRect().height)"
    assert min(tab.run(sizes)) > 9  # pixels; text that can be read


def test_no_text_of_a_panel_is_cut_off_or_overlaps_another(page):
    outside = page.run("""
        [...document.querySelectorAll('.panels svg')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const t = text.getBoundingClientRect();
                return t.left < box.left - 1 || t.right > box.right + 1 || t.bottom > box.bottom + 1;
            }).map(text => text.textContent);
        })""")
    assert outside == []
    overlapping = page.run("""
        [...document.querySelectorAll('.panels svg')].flatMap(svg => {
            const texts = [...svg.querySelectorAll('text')];
            const all = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
            return all.flatMap(([one, a], i) => all.slice(i + 1).filter(([, b]) =>
                a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2
            ).map(([other]) => one + ' / ' + other));
        })""")
    assert overlapping == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_take_the_colours_of_the_page(tab, folder, dark):
    tab.open(folder / "report.html", dark=dark)
    paper = tab.run("getComputedStyle(document.body).backgroundColor")
    ink = tab.run("getComputedStyle(document.querySelector('.panels text')).fill")
    assert contrast(paper, ink) > 12
    assert contrast(paper, tab.run("getComputedStyle(document.querySelector('.soft')).color")) > 4.5
    assert contrast(paper, tab.run("getComputedStyle(document.querySelector('summary')).color")) > 4.5


def test_on_a_dark_page_no_marker_stays_black(tab, folder):
    """In the picture, since the computed style of a marker is not that of its copies in <use>."""
    tab.open(folder / "report.html", dark=True)
    pixels = np.asarray(Image.open(io.BytesIO(tab.picture())).convert("RGB"))
    assert pixels.max(axis=2).min() >= 0x15  # no pixel is darker than the background, #15181c


def test_it_prints_on_paper(page):
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) > 3


def test_what_is_closed_is_printed_and_closed_again(tab, folder):
    tab.open(folder / "report.html", print_=True)
    tab.run("document.querySelector('details:not(figure details)').open = true")
    is_open = "[...document.querySelectorAll('details:not(figure details)')].map(lid => lid.open)"
    before = tab.run(is_open)
    assert sum(before) == 1 and len(before) > 2
    tab.run(f"addEventListener('beforeprint', () => {{ window.printed = {is_open}; }})")
    assert tab.pdf().startswith(b"%PDF")
    assert tab.run("window.printed") == [True] * len(before)
    assert tab.run(is_open) == before


def test_printed_titles_are_whole_and_come_again_on_every_page(tab, folder):
    tab.open(folder / "report.html", width=703, print_=True)
    first = "document.querySelector('.scroll.first thead th')"
    assert tab.run(f"getComputedStyle({first}).whiteSpace") == "nowrap"
    # Chromium repeats a table's head but leaves out the buttons in it, unless they have no box
    assert tab.run(f"getComputedStyle({first}.querySelector('button')).display") == "contents"


def test_printed_tables_fit_the_paper(tab, folder):
    tab.open(folder / "report.html", width=703, print_=True)  # A4 within its margins, at 96 pixels an inch
    tables = "[...document.querySelectorAll('table')].filter(table => table.checkVisibility())"
    assert max(tab.run(f"{tables}.map(table => table.getBoundingClientRect().right)")) <= 703
    assert tab.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    tab.open(folder / "report.html")


WIDER = "[...document.querySelectorAll('.scroll.first')].filter(b => b.scrollWidth > b.clientWidth)"
BROKEN = r"""
    [...document.querySelectorAll('.first thead th')].flatMap(title => {
        const texts = document.createTreeWalker(title, NodeFilter.SHOW_TEXT), broken = [];
        while (texts.nextNode())
            for (const word of texts.currentNode.data.matchAll(/\S+/g)) {
                const range = document.createRange();
                range.setStart(texts.currentNode, word.index);
                range.setEnd(texts.currentNode, word.index + word[0].length);
                if (range.getClientRects().length > 1) broken.push(word[0]);
            }
        return broken;
    })"""
OPEN = "document.querySelectorAll('details:not(figure details)').forEach(lid => lid.open = true)"


@pytest.fixture(scope="module")
def floored(tmp_path_factory):
    """A report as it is made today: every run has its noise floors, and there are verdicts of every kind."""
    records = make_sweep(seeds=range(5))
    for record in records:
        record |= {"test_ece_floor": 0.0123, "test_ece_floor_ts": 0.0145}
    folder = tmp_path_factory.mktemp("floored")
    write_report(make_results(records, folder))
    return folder


def test_no_table_of_results_needs_sideways_scroll_on_a_desktop(tab, floored):
    tab.open(floored / "report.html", width=1280)
    tab.run(OPEN)
    assert len(column(tab, LABEL, "floor %")) == 15  # it is the widest that the comparison usually is
    assert tab.run(f"{WIDER}.map(box => box.ariaLabel)") == []


def test_no_word_of_a_title_is_broken_in_print(tab, floored):
    tab.open(floored / "report.html", width=703, print_=True)
    tab.run(OPEN)
    assert tab.run(BROKEN) == []
    right = "[...document.querySelectorAll('.first table')].map(table => table.getBoundingClientRect().right)"
    assert max(tab.run(right)) <= 703
    tab.run(
        "document.querySelectorAll('.first thead th').forEach(th => th.style = 'overflow-wrap: anywhere')"
    )
    tab.run("document.querySelectorAll('.first').forEach(box => box.style.width = '9rem')")
    assert tab.run(BROKEN) != []  # it would be noticed
    tab.open(floored / "report.html")
