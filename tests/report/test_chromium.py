"""Pages in a real browser: messages and requests, sorting, layout, colours and print."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lsbench.formatting import number, probability
from lsbench.report.publish import write_report

from ..records import make_record, make_results, make_sweep, store_traces
from .chromium import BINARY, check_quiet, column, contrast, messages, requests, table

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine (Debian: chromium)")
LABEL, CLAIMS = "Comparison: mnist5k, mlp", "All claims"
TABLE, ROWS, TITLES = table(LABEL)
BUTTON = f"{TABLE}.tHead.rows[0].cells[{{}}].querySelector('button')"
A4 = 703  # pixels within the margins, at 96 an inch


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


@pytest.fixture
def claims(tab, claims_folder):
    tab.open(claims_folder / "claims.html")
    return tab


@pytest.fixture(params=["report", "claims"])
def file(request, folder, claims_folder):
    """The file of each kind of page."""
    return {"report": folder / "report.html", "claims": claims_folder / "claims.html"}[request.param]


def test_a_page_loads_without_a_message_or_a_request(tab, file):
    tab.open(file)
    check_quiet(tab, file)
    assert tab.run("document.images.length") == 0


def test_messages_and_requests_of_a_broken_page_are_detected(tab, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text("<script>throw new Error('x')</script><img src='http://127.0.0.1:1/x.png'>")
    tab.open(broken)
    assert messages(tab) and any("127.0.0.1" in url for url in requests(tab))


def test_the_comparison_has_the_numbers_of_summary_csv(page, folder):
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
    index = titles.index("ECE %")
    values = [float(text) for text in column(page, LABEL, "ECE %")]
    for expected in (sorted(values), sorted(values, reverse=True)):
        page.run(click.format(index))
        assert [float(text) for text in column(page, LABEL, "ECE %")] == expected
    page.run(click.format(index))
    assert page.run(ROWS) == before
    page.run(click.format(titles.index("Δ accuracy, points")))
    effects = column(page, LABEL, "Δ accuracy, points")
    assert effects[-3:] == ["no smoothing"] * 3  # what is not a number comes last
    numbers = [float(text.split(" ")[0].replace("−", "-")) for text in effects[:-3]]
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


def test_the_table_of_claims_has_the_numbers_of_claims_csv(claims, claims_folder):
    table = pd.read_csv(claims_folder / "claims.csv")
    decided = table[table["decides"]]
    assert column(claims, CLAIMS, "claim") == decided["words"].tolist()
    words = [text.partition(":")[0].strip() for text in column(claims, CLAIMS, "verdict")]
    marks = np.where(decided["exploratory"] & (decided["verdict"] != "inconclusive"), "exploratory: ", "")
    assert words == (marks + decided["verdict"]).tolist()
    assert column(claims, CLAIMS, "n") == decided["n"].astype(str).tolist()
    assert column(claims, CLAIMS, "p (Holm)") == [probability(p) for p in decided["p_holm"]]
    percent = [float(text.split(" ")[0].replace("−", "-")) for text in column(claims, CLAIMS, "effect")]
    assert percent == pytest.approx((100 * decided["effect"]).tolist(), abs=0.051)
    in_margins = decided["effect"] * decided["better"] / decided["margin"]
    assert column(claims, CLAIMS, "in margins") == [number(value, 1, sign=True) for value in in_margins]


def test_a_link_leads_to_each_claim(claims):
    links = f"[...{table(CLAIMS)[0]}.querySelectorAll('a')].map(a => decodeURIComponent(a.hash.slice(1)))"
    heads = claims.run(f"{links}.map(id => document.getElementById(id).querySelector('h2').innerText)")
    assert [head.lower() for head in heads] == [text.lower() for text in column(claims, CLAIMS, "claim")]


def test_the_figure_and_its_alternative_text_have_every_claim(claims):
    assert claims.run("document.querySelector('.panels').getAttribute('role')") == "img"
    alt = claims.run("document.querySelector('.panels').getAttribute('aria-label')").lower()
    texts = claims.run("[...document.querySelectorAll('.panels text')].map(t => t.textContent.toLowerCase())")
    for claim in column(claims, CLAIMS, "claim"):
        assert claim.lower() in texts and claim.lower() in alt


@pytest.mark.parametrize("width", [320, 375])
def test_a_claim_s_verdict_is_visible_without_scrolling(tab, claims_folder, width):
    tab.open(claims_folder / "claims.html", width=width)
    verdict = f"{table(CLAIMS)[0]}.tBodies[0].rows[0].cells[1].querySelector('.word')"
    assert tab.run(f"{verdict}.getBoundingClientRect().right") <= width


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_a_page_is_no_wider_than_the_window(tab, file, width):
    tab.open(file, width=width)
    tab.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert tab.run("document.documentElement.scrollWidth") <= width
    boxes = "[...document.querySelectorAll('.scroll')].map(b => [b.scrollWidth > b.clientWidth, b.tabIndex])"
    scrolling = [index for scrolls, index in tab.run(boxes) if scrolls]
    assert scrolling or width == 1280
    assert set(scrolling) <= {0}  # wide tables scroll in their boxes, by keyboard too


def test_panels_fill_the_width_of_a_phone(tab, file):
    tab.open(file, width=375)
    panels = tab.run(
        "[...document.querySelectorAll('.panels svg')].map(s => s.getBoundingClientRect().width)"
    )
    assert min(panels) > 300
    sizes = "[...document.querySelectorAll('.panels text')].map(t => t.getBoundingClientRect().height)"
    assert min(tab.run(sizes)) > 8.5  # pixels, which can be read


def test_no_text_of_a_panel_is_cut_off_or_overlaps_another(tab, file):
    tab.open(file)
    outside = tab.run("""
        [...document.querySelectorAll('.panels svg')].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll('text')].filter(text => {
                const t = text.getBoundingClientRect();
                return t.left < box.left - 1 || t.right > box.right + 1 || t.bottom > box.bottom + 1;
            }).map(text => text.textContent);
        })""")
    assert outside == []
    overlapping = tab.run("""
        [...document.querySelectorAll('.panels svg')].flatMap(svg => {
            const texts = [...svg.querySelectorAll('text')];
            const all = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
            return all.flatMap(([text, a], i) => all.slice(i + 1).filter(([, b]) =>
                a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2
            ).map(([overlapped]) => text + ' / ' + overlapped));
        })""")
    assert overlapping == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_enough_contrast(tab, file, dark):
    tab.open(file, dark=dark)
    paper = tab.run("getComputedStyle(document.body).backgroundColor")
    ink = tab.run("getComputedStyle(document.querySelector('.panels text')).fill")
    assert contrast(ink, paper) > 12
    assert contrast(tab.run("getComputedStyle(document.querySelector('.soft')).color"), paper) > 4.5
    assert contrast(tab.run("getComputedStyle(document.querySelector('summary')).color"), paper) > 4.5


def test_on_a_dark_page_no_marker_stays_black(tab, file):
    """A check of pixels, since the computed style of a marker is not that of its copies in <use>."""
    tab.open(file, dark=True)
    pixels = np.asarray(Image.open(io.BytesIO(tab.picture())).convert("RGB"))
    assert pixels.max(axis=2).min() >= 0x15  # no pixel is darker than the background, #15181c


def test_a_report_prints_on_several_pages(page):
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) > 3


def test_collapsed_parts_are_printed_and_collapsed_again(tab, folder):
    tab.open(folder / "report.html", print_=True)
    tab.run("document.querySelector('details:not(figure details)').open = true")
    is_open = "[...document.querySelectorAll('details:not(figure details)')].map(part => part.open)"
    before = tab.run(is_open)
    assert sum(before) == 1 and len(before) > 2
    tab.run(f"addEventListener('beforeprint', () => {{ window.printed = {is_open}; }})")
    assert tab.pdf().startswith(b"%PDF")
    assert tab.run("window.printed") == [True] * len(before)
    assert tab.run(is_open) == before


def test_printed_titles_are_whole_and_repeated_on_every_page(tab, folder):
    tab.open(folder / "report.html", width=A4, print_=True)
    first = "document.querySelector('.scroll.first thead th')"
    assert tab.run(f"getComputedStyle({first}).whiteSpace") == "nowrap"
    # Chromium repeats a table's head but leaves out the buttons in it, unless they have no box
    assert tab.run(f"getComputedStyle({first}.querySelector('button')).display") == "contents"


def test_printed_tables_and_figures_fit_the_paper(tab, file):
    tab.open(file, width=A4, print_=True)
    parts = "[...document.querySelectorAll('table, svg')].filter(part => part.checkVisibility())"
    assert max(tab.run(f"{parts}.map(part => part.getBoundingClientRect().right)")) <= A4
    assert tab.run("getComputedStyle(document.querySelector('nav')).display") == "none"


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
OPEN = "document.querySelectorAll('details:not(figure details)').forEach(part => part.open = true)"


@pytest.fixture(scope="module")
def floored(tmp_path_factory):
    """A report whose runs have noise floors, with verdicts of every kind."""
    records = make_sweep(seeds=range(5))
    for record in records:
        record |= {"test_ece_floor": 0.0123, "test_ece_floor_ts": 0.0145}
    folder = tmp_path_factory.mktemp("floored")
    write_report(make_results(records, folder))
    return folder


def test_no_table_of_results_scrolls_sideways_on_a_desktop(tab, floored):
    tab.open(floored / "report.html", width=1280)
    tab.run(OPEN)
    assert len(column(tab, LABEL, "floor %")) == 15  # the widest usual comparison
    assert tab.run(f"{WIDER}.map(box => box.ariaLabel)") == []


def test_no_word_of_a_title_is_broken_in_print(tab, floored):
    tab.open(floored / "report.html", width=A4, print_=True)
    tab.run(OPEN)
    assert tab.run(BROKEN) == []
    right = "[...document.querySelectorAll('.first table')].map(table => table.getBoundingClientRect().right)"
    assert max(tab.run(right)) <= A4
    tab.run(
        "document.querySelectorAll('.first thead th').forEach(th => th.style = 'overflow-wrap: anywhere')"
    )
    tab.run("document.querySelectorAll('.first').forEach(box => box.style.width = '9rem')")
    assert tab.run(BROKEN) != []  # a broken word is detected
