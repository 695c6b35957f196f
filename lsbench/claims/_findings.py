"""From a claim's comparisons to findings: effect, interval, n, p and a verdict word each."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsbench.claims._claim import Comparison, Evidence, Measurement, Unit
from lsbench.claims._judge import Judged, judge  # the one place to change for lsbench.report.verdicts
from lsbench.report.comparison import number
from lsbench.report.stats import holm

if TYPE_CHECKING:
    from lsbench.claims import Claim
    from lsbench.claims._claim import Numbers

log = logging.getLogger(__name__)

LEVEL = 0.05


@dataclass(frozen=True)
class Finding:
    """One comparison, judged: ``effect`` and its 95 % interval in the metric's own unit, ``p`` as it is and
    ``p_holm`` after Holm's correction over every comparison of the page. NaN where there is none."""

    claim: str
    words: str
    verdict: str
    effect: float
    low: float
    high: float
    n: int
    p: float
    p_holm: float
    margin: float
    unit: Unit
    meaning: str = ""


def findings(claims: "Mapping[str, Claim]", evidence: Mapping[str, Evidence]) -> dict[str, list[Finding]]:
    """Every claim's findings, the deciding one first. A claim whose evidence cannot be read has one that
    failed; Holm's correction is over all that have a p."""
    asked = {name: _asked(name, claim, evidence[name]) for name, claim in claims.items()}
    tests = [item for items in asked.values() for item in items if isinstance(item, Comparison)]
    adjusted = {id(t): p for t, p in zip(tests, holm([_judged(t).p for t in tests]), strict=True)}
    return {
        name: _explained(claims[name], [_finding(name, i, adjusted.get(id(i), math.nan)) for i in items])
        for name, items in asked.items()
    }


def _explained(claim: "Claim", found: list[Finding]) -> list[Finding]:
    """What the claim says of its verdict, put to the deciding comparison alone."""
    return [replace(found[0], meaning=claim.meaning.get(found[0].verdict, "")), *found[1:]]


def _asked(name: str, claim: "Claim", evidence: Evidence) -> Sequence[Comparison | Measurement | Finding]:
    if evidence.runs.empty:
        return [nothing(name, "inconclusive", "none of its runs is done")]
    try:
        return claim.compare(evidence) or [nothing(name, "inconclusive", "nothing was measured")]
    except Exception as error:  # the other claims shall not be lost
        log.debug("claim failed", exc_info=True)
        return [nothing(name, "failed", f"{type(error).__name__}: {error}")]


def nothing(claim: str, verdict: str, words: str) -> Finding:
    nan = math.nan
    return Finding(claim, words, verdict, nan, nan, nan, 0, nan, nan, nan, Unit("", 1, 2))


def _judged(test: Comparison, p_adjusted: float | None = None) -> Judged:
    seeds = test.values.index.intersection(test.base.index)
    values, base = (numbers.loc[seeds].tolist() for numbers in (test.values, test.base))
    return judge(values, base, test.margin, test.better, p_adjusted)


def _finding(name: str, item: Comparison | Measurement | Finding, adjusted: float) -> Finding:
    if isinstance(item, Finding):
        return item
    if isinstance(item, Measurement):
        found = measured(name, item)
    else:
        raw, final = _judged(item), _judged(item, adjusted)
        found = Finding(
            name, item.words, final.word, raw.effect, raw.low, raw.high, raw.n, raw.p, adjusted, item.margin,
            item.unit,
        )  # fmt: skip
    return found


def measured(name: str, item: Measurement) -> Finding:
    """Judged by the 95 % interval of the median: all of it within the bound supports, all beyond refutes."""
    low, high = median_interval(item.values)
    verdict = "supported" if high <= item.bound else "refuted" if low > item.bound else "inconclusive"
    ends = (
        number(end, item.unit.digits, item.unit.scale, sign=True)
        for end in (item.values.min(), item.values.max())
    )
    words = f"{item.words}, median (rounds: {' to '.join(ends)})"
    effect, n = float(item.values.median()), len(item.values)
    return Finding(name, words, verdict, effect, low, high, n, math.nan, math.nan, item.bound, item.unit)


def median_interval(values: "Numbers") -> tuple[float, float]:
    """The tightest pair of order statistics that hold the median with 95 % confidence at the least (Conover
    1999, section 3.2); NaN below six values, which cannot."""
    from scipy.special import bdtr

    ordered = sorted(float(value) for value in values)
    ranks = [rank for rank in range(len(ordered) // 2) if 2 * bdtr(rank, len(ordered), 0.5) <= LEVEL]
    if not ranks:
        return math.nan, math.nan
    return ordered[ranks[-1]], ordered[-1 - ranks[-1]]
