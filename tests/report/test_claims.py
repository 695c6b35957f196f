"""The page of claims, claims.csv, and the words and the figure of their numbers."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lsbench.analysis.verdicts import Judged
from lsbench.claims import all_claims
from lsbench.formatting import PER_CENT
from lsbench.report import claims, html, markdown
from lsbench.report.claim_wording import cells, explain, family, full_cells, lines, power_table
from lsbench.report.figures.forest import forest, in_margins
from lsbench.report.figures.panels import draw_panel
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.figures.verdict_styles import LOOKS

from ..records import make_results
from .conftest import EVIL

SHOWN = ["generalisation", "overconfidence", "cost", "alpha_default"]  # by importance
FOUND = Judged(
    *("x", "supported", 0.0131, 0.0087, 0.0175, 10, 1e-4, 0.0021), p_tost_holm=0.4, margin=0.002, family=4
)


@pytest.fixture
def page(claims_folder) -> str:
    return (claims_folder / "claims.html").read_text()


def test_cells_have_sign_unit_and_digits():
    assert cells(FOUND) == ["supported", "+1.31 points", "+0.87 to +1.75", "10", "0.002", "0.20"]
    assert full_cells(replace(FOUND, meaning="as said"))[1] == "supported: as said"
    assert full_cells(FOUND)[-2:] == ["0.400", "this test set"]
    assert full_cells(replace(FOUND, rows_se=0.001))[-1] == "new images"
    assert full_cells(replace(FOUND, bounded=True))[-1] == "—"  # rounds of a measurement
    assert cells(Judged("none of its runs is done", "inconclusive"))[1:3] == ["—", "—"]


def test_the_p_beside_a_verdict_is_the_one_that_decides_it():
    same = replace(FOUND, word="equivalent", p_holm=0.65, p_tost_holm=0.013)
    assert cells(same)[4] == "0.013 (TOST)" and full_cells(same)[5:8] == ["0.650", "0.20", "0.013"]
    assert "p (TOST) 0.013" in explain(same)
    [line] = lines({"cost": [same]})
    assert line.endswith("n = 10, p (TOST) = 0.013")
    assert lines({"cost": [replace(same, p_tost_holm=1e-9)]})[0].endswith("p (TOST) < 0.001")
    assert lines({"cost": [FOUND]})[0].endswith("p = 0.002")


def test_the_power_of_more_seeds_is_that_of_scipy():
    """Half widths are scipy's. At the difference called detectable, a paired t-test at 5 % over four deciding
    comparisons has power 0.8 by the noncentral t distribution."""
    few = replace(FOUND, n=3, sd=0.01, se=0.01 / np.sqrt(3), df=2, exploratory=True)
    left = {
        "generalisation": [few],
        "calibration": [
            replace(few, n=12, se=0.01 / np.sqrt(12), df=11, exploratory=False, word="inconclusive")
        ],
        "overconfidence": [replace(few, n=12, se=0.01 / np.sqrt(12), df=11, exploratory=False)],  # decided
        "noise_alpha": [
            replace(
                few,
                n=12,
                se=0.01 / np.sqrt(12),
                df=11,
                exploratory=False,
                word="inconclusive",
                meaning="at the edge",
            )
        ],
        "cost": [replace(few, sd=np.nan, p=np.nan, n=51, exploratory=False, word="inconclusive")],
    }
    header, rows = power_table(left)
    assert header == ["claim", "n", "± now", "n = 8", "n = 10", "n = 20"]
    assert [row[0] for row in rows] == ["It generalises better", "It calibrates better"]
    half = {n: 100 * 0.01 * stats.t.ppf(0.975, n - 1) / np.sqrt(n) for n in (3, 8, 12, 20)}
    assert rows[0][1:3] == ["3", f"{half[3]:.2f} points"] and rows[1][1:3] == ["12", f"{half[12]:.2f} points"]
    assert rows[1][3:5] == ["—", "—"] and rows[1][5] == rows[0][5]
    shown, detectable = re.fullmatch(r"([\d.]+) \(([\d.]+)\)", rows[0][3]).groups()
    assert shown == f"{half[8]:.2f}"
    power = stats.nct.sf(stats.t.ppf(1 - 0.05 / 4 / 2, 7), 7, float(detectable) / 100 / 0.01 * np.sqrt(8))
    assert power == pytest.approx(0.8, abs=0.003)
    assert power_table({"cost": left["cost"]})[1] == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["in the direction of the claim", "p 0.002"]),
        ({"word": "refuted", "p_holm": 1e-9}, ["in the opposite direction", "p below 0.001"]),
        ({"word": "equivalent"}, ["within ±0.20 points", "is shown to lie"]),
        ({"word": "inconclusive", "meaning": "at the edge"}, ["no verdict, at the edge"]),
        ({"word": "inconclusive"}, ["neither", "±0.20 points"]),
        (
            {"exploratory": True, "n": 3},
            ["in the direction of the claim", "fewer than 8 seeds it decides nothing"],
        ),
        ({"n": 0, "word": "inconclusive", "words": "no runs"}, ["nothing could be judged: no runs"]),
        ({"n": 0, "word": "failed", "words": "OSError: x"}, ["nothing could be judged: OSError: x"]),
        ({"bounded": True, "margin": 0.05, "unit": PER_CENT}, ["the whole interval is at 5.0 % or less"]),
        ({"bounded": True, "word": "refuted", "margin": 0.05, "unit": PER_CENT}, ["above 5.0 %"]),
        (
            {"bounded": True, "word": "inconclusive", "margin": 0.05, "unit": PER_CENT},
            ["the interval contains 5.0 %"],
        ),
    ],
)
def test_a_verdict_is_explained_where_it_stands(changes, words):
    text = explain(replace(FOUND, **changes))
    assert not [word for word in words if word not in text]


def test_the_family_of_the_p_is_named():
    none = replace(FOUND, p=np.nan, p_holm=np.nan)
    every = {name: [FOUND, none] for name in all_claims()}
    whole = len(every)
    assert family(every) == f"the {whole} deciding comparisons of all {whole} claims"
    some = {"width": [FOUND] * 3, "cost": [none]}
    assert family(some) == f"the 1 deciding comparison of 2 of the {whole} claims"


def test_effects_in_margins_are_positive_in_favour_of_the_claim():
    assert in_margins(FOUND) == pytest.approx((6.55, 4.35, 8.75))
    assert in_margins(replace(FOUND, better=-1)) == pytest.approx((-6.55, -8.75, -4.35))
    assert np.isnan(in_margins(replace(FOUND, low=np.nan, high=np.nan))[1:]).all()


def test_the_forest_has_each_claim_with_a_number_once_and_a_shape_for_each_verdict():
    names = list(all_claims())[:6]
    verdicts = ["supported", "refuted", "equivalent", "inconclusive", "supported", "failed"]
    judged = {name: [replace(FOUND, word=verdict)] for name, verdict in zip(names, verdicts, strict=True)}
    judged[names[4]] = [replace(FOUND, exploratory=True)]
    judged[names[5]] = [Judged("it failed", "failed")]
    spec = forest(judged, pd.DataFrame({"data": ["a"], "model": ["b"]}))
    lines = spec.panels[0].lines
    assert sorted(position for _, table in lines for position in table["position"]) == [0, 1, 2, 3, 4]
    looks = {mark.label: (mark.marker, mark.hollow) for mark, _ in lines}
    assert len(set(looks.values())) == len(looks) == 5  # told apart without colour
    assert looks["exploratory: supported"] == (looks["supported"][0], True)
    assert spec.legend == tuple(mark for mark, _ in lines)
    assert len(LOOKS) == len({marker for _, marker, _ in LOOKS.values()})
    assert spec.alt.count("margins.") == 5 and "It generalises better: supported, +6.5" in spec.alt
    assert forest({names[5]: judged[names[5]]}, pd.DataFrame()) is None


def test_the_panel_draws_each_interval_at_its_row():
    from matplotlib.figure import Figure

    judged = {
        "generalisation": [FOUND],
        "cost": [replace(FOUND, word="refuted", better=-1, low=np.nan, high=np.nan)],
    }
    spec = forest(judged, pd.DataFrame({"data": ["a"], "model": ["b"]}))
    axes = Figure().add_subplot()
    draw_panel(spec.panels[0], axes)
    points = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() in "^v"}
    assert [points[y] for y in sorted(points)] == pytest.approx([6.55, -6.55])
    first = axes.collections[0].get_segments()[0]
    assert first[:, 0] == pytest.approx([4.35, 8.75]) and len(set(first[:, 1])) == 1
    low, high = axes.get_xlim()
    assert low == -high and high > 8.75
    number = "+1.31 [+0.87, +1.75] points"
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["It generalises better", number, "It costs next to nothing", "+1.31 points"]


def test_the_page_has_each_claim_with_its_sources_and_its_command(page, claims_folder):
    text = unescape(page)
    for name in SHOWN:
        claim = all_claims()[name]
        texts = (claim.measured, claim.source, f"lsbench claims {name}")
        assert not [part for part in texts if part not in text]
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles[0] == "All claims" and titles[1] == "It generalises better"
    assert titles[-3:] == ["How to read this page", "Runs left out of every mean", "Provenance"]
    assert set(re.findall('href="#([^"]+)"', page)) <= set(re.findall(' id="([^"]+)"', page))
    record = pd.read_csv(claims_folder / "runs.csv").iloc[0]
    for fact in ("git_sha", "lsbench", "torch", "device"):
        assert str(record[fact]) in page
    assert record["data_sha256"][:12] in page and "Seeds</dt><dd>0, 1" in page
    assert "51 (50 done, 0 diverged, 1 failed); 1 missing" in page
    assert "mnist5k-mlp-none-a0-s12-lost" in page


def test_text_from_outside_cannot_become_markup(page, claims_folder):
    assert EVIL not in page and EVIL.replace("<", "&lt;").replace(">", "&gt;") in page
    assert page.count("<script") == 1
    text = (claims_folder / "claims.md").read_text()
    assert text.count("\n## ") == page.count("<h2>") and "figures/claims.png" in text


def test_claims_csv_has_the_numbers_in_the_metrics_unit(claims_folder):
    table = pd.read_csv(claims_folder / "claims.csv")
    assert list(dict.fromkeys(table["claim"])) == SHOWN
    assert table.groupby("claim")["decides"].sum().eq(1).all()
    runs = pd.read_csv(claims_folder / "runs.csv")
    wide = runs[runs["status"] == "done"].pivot(index="seed", columns="alpha", values="test_accuracy")
    first = table[table["decides"]].set_index("claim").loc["generalisation"]
    assert first["effect"] == pytest.approx((wide[0.1] - wide[0.0]).mean())
    cost = table[(table["claim"] == "cost") & table["decides"]].iloc[0]
    assert cost["effect"] == pytest.approx(0.03) and np.isnan(cost["p"]) and cost["better"] == -1


MARKUP = "*x* <b>y</b> `z`"


def test_in_markdown_text_is_text():
    """Backticks in the command, and markup in an error and in a figure's words, are escaped."""
    spec = FigureSpec("claims", "claims", "", MARKUP, (), (), f"caption {MARKUP}", f"alt {MARKUP} ]")
    judged = {"cost": [Judged(f"ValueError: {MARKUP}", "failed")]}
    results = make_results([], command="lsbench claims `x`")
    text = markdown.render(claims.document(judged, results, [spec]), "claims.md")
    escaped = r"\*x\* \<b>y\</b> \`z\`"
    assert "- Command: `` lsbench claims `x` ``" in text
    assert f"**failed**\n\n- That is: nothing could be judged: ValueError: {escaped}.\n" in text
    assert rf"![{escaped}. alt {escaped} \]](figures/claims.png)" in text
    assert f"\n\ncaption {escaped}\n" in text and MARKUP not in text


def test_where_nothing_is_judged_no_numbers_are_shown():
    """The section has neither a dash as its effect nor "0 seeds; no p"."""
    judged = {"distillation": [Judged("none of its students is done", "inconclusive")]}
    text = html.render(claims.document(judged, make_results([]), []), {}, "claims.html").decode()
    assert "nothing could be judged: none of its students is done" in text
    assert "0 seeds" not in text and "<dt>Effect</dt>" not in text
