"""Judge the claims: from each claim's comparisons to effects, intervals, p-values and verdicts."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lsbench.analysis.by_seed import BySeed, NothingToJudgeError
from lsbench.analysis.crossed import CrossedVariance
from lsbench.analysis.evidence import Comparison, Evidence, Measurement
from lsbench.analysis.rows import crossed_scores
from lsbench.analysis.stats import median_interval, paired
from lsbench.analysis.verdicts import Judged, judge_family, unjudged

log = logging.getLogger(__name__)

Compare = Callable[[Evidence], Sequence[Comparison | Measurement]]
_Item = tuple[Comparison, Judged] | Measurement | Judged  # a comparison with its paired difference
Findings = Mapping[str, Sequence[Judged]]  # the comparisons of each claim, the deciding one first


def judge_claims(claims: Mapping[str, Compare], evidence: Mapping[str, Evidence]) -> Findings:
    """The judged comparisons of each claim, given by name with its ``compare``, the deciding one first. A
    claim whose evidence cannot be read has a single one with the word "failed".

    The deciding comparisons of all claims are one family for Holm's correction; the other comparisons of a
    claim are another, which explains the claim's verdict and decides nothing.
    """
    comparisons = {name: _compare(compare, evidence[name]) for name, compare in claims.items()}
    deciding = _judge([items[0] for items in comparisons.values()])
    return {
        name: [first, *_judge(items[1:])]
        for (name, items), first in zip(comparisons.items(), deciding, strict=True)
    }


def _compare(compare: Compare, evidence: Evidence) -> Sequence[_Item]:
    """The comparisons that a claim makes, each with its paired difference, and its measurements."""
    if evidence.runs.empty:
        return [Judged("none of its runs is done")]
    try:
        items = compare(evidence)
        return [_paired(item, evidence) if isinstance(item, Comparison) else item for item in items] or [
            Judged("nothing was measured")
        ]
    except NothingToJudgeError as reason:
        return [Judged(str(reason))]
    except Exception as error:  # one claim's error must not lose the others
        log.debug("claim failed", exc_info=True)
        return [Judged(f"{type(error).__name__}: {error}".splitlines()[0], "failed")]


def _paired(comparison: Comparison, evidence: Evidence) -> tuple[Comparison, Judged]:
    """The differences between the seeds that both sides have."""
    values, base = comparison.values, comparison.base
    seeds = values.seeds.intersection(base.seeds)
    numbers, others = (side.values.loc[seeds].tolist() for side in (values, base))
    pair = paired(numbers, others, _variance(values - base, evidence))
    return comparison, unjudged(comparison.words, pair, comparison.margin, comparison.better, comparison.unit)


def _variance(difference: BySeed, evidence: Evidence) -> CrossedVariance | None:
    if difference.terms is None:
        return None
    return crossed_scores(
        [(term.weight, evidence.scores(term.run), term.metric) for term in terms]
        for terms in difference.terms.values()
    )


def _judge(items: Sequence[_Item]) -> list[Judged]:
    """Each item judged, the comparisons among them as one family."""
    comparisons = [item for item in items if isinstance(item, tuple)]
    family = judge_family([difference for _, difference in comparisons])
    judged = iter(
        [_interpret(comparison, of) for (comparison, _), of in zip(comparisons, family, strict=True)]
    )
    return [next(judged) if isinstance(item, tuple) else _judge_alone(item) for item in items]


def _interpret(comparison: Comparison, judged: Judged) -> Judged:
    """The verdict with its meaning, or inconclusive with the reason if the values cannot support it."""
    if judged.word in comparison.undecidable:
        return replace(judged, word="inconclusive", meaning=comparison.undecidable[judged.word])
    return replace(judged, meaning=judged.meaning or comparison.meaning.get(judged.word, ""))


def _judge_alone(item: Measurement | Judged) -> Judged:
    return by_median(item) if isinstance(item, Measurement) else item


def by_median(item: Measurement) -> Judged:
    """A measurement judged by the 95 % interval of its median: supported if all of it is at the bound or
    below, refuted if all of it is above."""
    values = item.values.tolist()
    low, high = median_interval(values)
    least, most = (item.unit.number(value, sign=True) for value in (min(values), max(values)))
    if high <= item.bound:
        word = "supported"
    elif low > item.bound:
        word = "refuted"
    else:
        word = "inconclusive"
    return Judged(
        f"{item.words}, median (rounds: {least} to {most})",
        word,
        effect=float(item.values.median()),
        low=low,
        high=high,
        n=len(values),
        margin=item.bound,
        better=-1,
        unit=item.unit,
        bounded=True,
    )
