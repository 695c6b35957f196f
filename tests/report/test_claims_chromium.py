"""claims.html in a real browser: what it logs and asks for, and how it looks, sorts and prints."""

import pandas as pd
import pytest

from lsbench.analysis.verdicts import verdict_label
from lsbench.formatting import number, probability

from .chromium import BINARY, asked_quietly, column, contrast, table

pytestmark = pytest.mark.skipif(BINARY is None, reason="no Chromium on this machine (Debian: chromium)")
LABEL = "All claims"
TABLE, ROWS, TITLES = table(LABEL)


@pytest.fixture
def page(tab, claims_folder):
    tab.open(claims_folder / "claims.html")
    return tab


def test_it_loads_without_a_message_or_a_request(page, claims_folder):
    asked_quietly(page, claims_folder / "claims.html")


def test_its_table_is_claims_csv(page, claims_folder):
    table = pd.read_csv(claims_folder / "claims.csv")
    decided = table[table["decides"]]
    assert column(page, LABEL, "claim") == decided["words"].tolist()
    words = [text.partition(":")[0].strip() for text in column(page, LABEL, "verdict")]
    assert words == [verdict_label(row.verdict, row.exploratory) for row in decided.itertuples()]
    assert column(page, LABEL, "n") == decided["n"].astype(str).tolist()
    assert column(page, LABEL, "p (Holm)") == [probability(p) for p in decided["p_holm"]]
    percent = [float(text.split(" ")[0].replace("−", "-")) for text in column(page, LABEL, "effect")]
    assert percent == pytest.approx((100 * decided["effect"]).tolist(), abs=0.051)
    turned = decided["effect"] * decided["better"] / decided["margin"]
    assert column(page, LABEL, "in margins") == [number(value, 1, sign=True) for value in turned]


def test_it_sorts_by_effect_in_margins_and_back(page):
    before = page.run(ROWS)
    place = page.run(TITLES).index("in margins")
    click = f"{TABLE}.tHead.rows[0].cells[{place}].querySelector('button').click()"
    values = [float(text.replace("−", "-")) for text in column(page, LABEL, "in margins")]
    page.run(click)
    assert [float(text.replace("−", "-")) for text in column(page, LABEL, "in margins")] == sorted(values)
    page.run(click)
    page.run(click)
    assert page.run(ROWS) == before


def test_a_link_leads_to_each_claim(page):
    links = page.run(f"[...{TABLE}.querySelectorAll('a')].map(a => decodeURIComponent(a.hash.slice(1)))")
    heads = page.run(f"{links}.map(id => document.getElementById(id).querySelector('h2').innerText)")
    assert [head.lower() for head in heads] == [text.lower() for text in column(page, LABEL, "claim")]


def test_the_figure_has_an_alternative_text_and_every_claim(page):
    assert page.run("document.querySelector('.panels').getAttribute('role')") == "img"
    alt = page.run("document.querySelector('.panels').getAttribute('aria-label')")
    texts = page.run("[...document.querySelectorAll('.panels text')].map(t => t.textContent)")
    for claim in column(page, LABEL, "claim"):
        assert any(text.lower() == claim.lower() for text in texts)
        assert claim.lower() in alt.lower()


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_the_page_is_no_wider_than_the_window_and_the_figure_can_be_read(tab, claims_folder, width):
    tab.open(claims_folder / "claims.html", width=width)
    assert tab.run("document.documentElement.scrollWidth") <= width
    boxes = tab.run("""[...document.querySelectorAll('.panels text')].map(text => {
        const t = text.getBoundingClientRect(), b = text.closest('svg').getBoundingClientRect();
        return [t.height, t.left - b.left, b.right - t.right];
    })""")
    assert min(high for high, _, _ in boxes) > 8
    assert min(gap for _, *gaps in boxes for gap in gaps) > -1  # none is cut off
    seen = f"{TABLE}.tBodies[0].rows[0].cells[1].querySelector('.word').getBoundingClientRect().right"
    assert tab.run(seen) <= width  # the verdict is seen without scrolling


@pytest.mark.parametrize("dark", [False, True])
def test_text_takes_the_colours_of_the_page(tab, claims_folder, dark):
    tab.open(claims_folder / "claims.html", dark=dark)
    paper = tab.run("getComputedStyle(document.body).backgroundColor")
    ink = tab.run("getComputedStyle(document.querySelector('.panels text')).fill")
    assert contrast(paper, ink) > 12


def test_it_prints_within_the_paper(tab, claims_folder):
    tab.open(
        claims_folder / "claims.html", width=703, print_=True
    )  # A4 within its margins, at 96 pixels an inch
    rights = "[...document.querySelectorAll('table, svg')].map(part => part.getBoundingClientRect().right)"
    assert max(tab.run(rights)) <= 703
    assert tab.pdf().startswith(b"%PDF")
