"""From a claim's comparisons to findings: effect, interval, n, p and a verdict word each."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lsbench.analysis.evidence import Comparison, Evidence, Measurement, NothingToJudgeError, Unit
from lsbench.analysis.stats import equivalence, holm, paired
from lsbench.analysis.verdicts import judge
from lsbench.formatting import number

if TYPE_CHECKING:
    from lsbench.analysis.evidence import BySeed

log = logging.getLogger(__name__)

CONFIDENCE = 0.95
NAN = math.nan

Compare = Callable[[Evidence], Sequence[Comparison | Measurement]]


@dataclass(frozen=True)
class Finding:
    """One comparison, judged: ``effect`` and its 95 % interval in the metric's own unit, NaN where there is
    none; ``p`` as it is and ``p_holm`` after Holm's correction over its family, and ``p_equivalent`` that of
    a difference beyond the margin, so corrected. ``verdict`` is a verdict word, or "failed"; ``meaning`` what
    it comes to here, or why a verdict is withheld. ``exploratory`` marks what rests on too few seeds to be
    more. ``better`` is the sign that the effect has if the claim is true; ``bounded`` marks a measurement,
    whose margin is its bound; ``sd`` is that of the paired differences."""

    words: str
    verdict: str
    effect: float = NAN
    low: float = NAN
    high: float = NAN
    n: int = 0
    p: float = NAN
    p_holm: float = NAN
    margin: float = NAN
    unit: Unit = Unit("", 1, 2)
    exploratory: bool = False
    meaning: str = ""
    p_equivalent: float = NAN
    better: int = 1
    bounded: bool = False
    sd: float = NAN


def findings(claims: Mapping[str, Compare], evidence: Mapping[str, Evidence]) -> dict[str, list[Finding]]:
    """The findings of each claim, given by name with its ``compare``, the deciding one first. A claim whose
    evidence cannot be read has one that failed.

    The deciding comparisons of all claims are a family for Holm's correction, and the other comparisons of
    each claim are one: they explain its verdict and decide nothing. Equivalences are corrected by themselves.
    """
    asked = {name: _asked(compare, evidence[name]) for name, compare in claims.items()}
    deciding = _family([items[0] for items in asked.values()])
    return {
        name: [first, *_family(items[1:])]
        for (name, items), first in zip(asked.items(), deciding, strict=True)
    }


def _asked(compare: Compare, evidence: Evidence) -> Sequence[Comparison | Measurement | Finding]:
    if evidence.runs.empty:
        return [Finding("none of its runs is done", "inconclusive")]
    try:
        return compare(evidence) or [Finding("nothing was measured", "inconclusive")]
    except NothingToJudgeError as reason:
        return [Finding(str(reason), "inconclusive")]
    except Exception as error:  # the other claims shall not be lost
        log.debug("claim failed", exc_info=True)
        return [Finding(f"{type(error).__name__}: {error}".splitlines()[0], "failed")]


def _family(items: Sequence[Comparison | Measurement | Finding]) -> list[Finding]:
    """Each judged, the comparisons among them with one correction."""
    judged = iter(_judge_all([item for item in items if isinstance(item, Comparison)]))
    return [next(judged) if isinstance(item, Comparison) else _plain(item) for item in items]


def _judge_all(tests: Sequence[Comparison]) -> list[Finding]:
    alone = [paired(*_common(test)) for test in tests]
    p_holm = holm([each.p for each in alone])
    p_equivalent = holm([equivalence(each, test.margin) for each, test in zip(alone, tests, strict=True)])
    found = []
    for test, own, p, within in zip(tests, alone, p_holm, p_equivalent, strict=True):
        final = judge(own, test.margin, test.better, p, within)
        withheld = final.word in test.withheld
        word, meanings = ("inconclusive", test.withheld) if withheld else (final.word, test.meaning)
        numbers = (own.diff, own.low, own.high, own.n, own.p, p)
        finding = Finding(test.words, word, *numbers, test.margin, test.unit, final.exploratory)
        meaning = meanings.get(final.word, "")
        found.append(replace(finding, meaning=meaning, p_equivalent=within, better=test.better, sd=own.sd))
    return found


def _common(test: Comparison) -> tuple[list[float], list[float]]:
    """The values of the seeds that both sides have, equal positions paired."""
    seeds = test.values.index.intersection(test.base.index)
    return test.values.loc[seeds].tolist(), test.base.loc[seeds].tolist()


def _plain(item: Measurement | Finding) -> Finding:
    return by_median(item) if isinstance(item, Measurement) else item


def by_median(item: Measurement) -> Finding:
    """Judged by the 95 % interval of the median: all of it within the bound supports, all beyond refutes."""
    low, high = median_interval(item.values)
    verdict = "supported" if high <= item.bound else "refuted" if low > item.bound else "inconclusive"
    ends = [
        number(x, item.unit.digits, item.unit.scale, sign=True) for x in (min(item.values), max(item.values))
    ]
    words = f"{item.words}, median (rounds: {' to '.join(ends)})"
    effect, n = float(item.values.median()), len(item.values)
    numbers = (effect, low, high, n)
    return Finding(words, verdict, *numbers, margin=item.bound, unit=item.unit, better=-1, bounded=True)


def median_interval(values: "BySeed") -> tuple[float, float]:
    """The tightest pair of order statistics that hold the median with 95 % confidence at the least (Conover
    1999, section 3.2); NaN below six values, which cannot."""
    from scipy.special import bdtr

    ordered = sorted(float(value) for value in values)
    half = (1 - CONFIDENCE) / 2
    ranks = [rank for rank in range(len(ordered) // 2) if bdtr(rank, len(ordered), 0.5) <= half]
    return (ordered[ranks[-1]], ordered[-1 - ranks[-1]]) if ranks else (NAN, NAN)
