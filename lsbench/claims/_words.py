"""Findings as text: cells of a table, a line of the terminal, and what a verdict means where it stands."""

import math
from collections.abc import Mapping, Sequence

from lsbench.claims import all_claims
from lsbench.claims._findings import Finding
from lsbench.report.text import NOTHING, number, probability
from lsbench.report.verdicts import VERDICT_SEEDS
from lsbench.report.verdicts import said as as_said

TITLE = "What people claim of label smoothing"
READING = """\
Every claim is decided by its first comparison, which stands in the table of all claims; the sections have the
others.

- *equivalent*: the difference is shown to lie within the margin, by two one-sided tests (TOST) with a p of
  their own. A margin is stated beforehand, and differences below it nobody would act on.
- else *supported* where the difference is significant and goes the way of the claim, and *refuted* where it
  goes the other way.
- *inconclusive*: the runs cannot tell; more seeds might.
- *exploratory*: there are fewer than {seeds} seeds, and the verdict decides nothing.

Differences are paired by seed, and intervals are 95 % t-intervals. **p is adjusted by Holm's method over
{family}**; that of TOST by itself likewise. The more claims a page has, the more its p are raised: a claim's
p on a page of few is smaller than on the page of all. What is chosen is chosen on the select split; test was
opened once a run, after training. A measured cost has no p: the interval of its median decides, beside a
stated bound."""
HEADER = ("verdict", "effect", "95 % interval", "n", "p (Holm)", "margin")
FULL_HEADER = ("comparison", *HEADER, "p (TOST, Holm)")


def family(judged: Mapping[str, Sequence[Finding]]) -> str:
    """The comparisons that a page's p are adjusted over."""
    tests = sum(not math.isnan(finding.p) for group in judged.values() for finding in group)
    whole = len(all_claims())
    claims = (
        f"all {whole} claims" if len(judged) == whole else f"{len(judged)} of the {whole} claims there are"
    )
    return f"the {tests} comparisons of {claims}"


def reading(judged: Mapping[str, Sequence[Finding]]) -> str:
    """How to read a page, in Markdown."""
    return READING.format(family=family(judged), seeds=VERDICT_SEEDS)


def lines(judged: Mapping[str, Sequence[Finding]]) -> list[str]:
    """A line a claim, for the terminal."""
    width = max(map(len, judged), default=0)
    kind = max((len(said(group[0])) for group in judged.values()), default=0)
    return [f"{name:{width}}  {said(group[0]):{kind}}  {_line(group[0])}" for name, group in judged.items()]


def _line(finding: Finding) -> str:
    if not finding.n:
        return finding.words
    p, ends = probability(finding.p_holm), _ends(finding)
    brackets = f" [{', '.join(ends)}]" if ends else ""
    parts = [
        f"{finding.words}: {_number(finding.effect, finding)}{brackets}{finding.unit.name}",
        f"n = {finding.n}",
        *([] if p == NOTHING else [f"p {p[0]} {p[1:]}" if p[0] == "<" else f"p = {p}"]),
    ]
    return ", ".join(parts) + (f" ({finding.meaning})" if finding.meaning else "")


def title(words: str) -> str:
    """A claim's words as a heading; a Greek letter stays small."""
    return (words[0].upper() if words[0].isascii() else words[0]) + words[1:]


def said(finding: Finding) -> str:
    """The verdict's word as it may be shown."""
    return as_said(finding.verdict, finding.exploratory)


def verdict(finding: Finding) -> str:
    """The same with what it comes to, where the claim says that."""
    return said(finding) + (f": {finding.meaning}" if finding.meaning else "")


def cells(finding: Finding) -> list[str]:
    """Those of `HEADER`."""
    return [
        verdict(finding),
        effect(finding),
        " to ".join(_ends(finding)) or NOTHING,
        f"{finding.n}",
        probability(finding.p_holm),
        number(finding.margin * finding.unit.scale, finding.unit.digits),
    ]


def full_cells(finding: Finding) -> list[str]:
    """Those of `FULL_HEADER`."""
    return [finding.words, *cells(finding), probability(finding.p_equivalent)]


def effect(finding: Finding) -> str:
    """With its unit; a dash where there is none."""
    shown = _number(finding.effect, finding)
    return shown if shown == NOTHING else shown + finding.unit.name


def sense(finding: Finding) -> str:
    """What the verdict word means of this finding, in a sentence or two."""
    size = number(finding.margin * finding.unit.scale, finding.unit.digits) + finding.unit.name
    word, margin, bound = finding.verdict, f"±{size}", f"{size} or less"
    if finding.bounded:
        text = {
            "supported": f"all of the interval is at {bound}",
            "refuted": f"all of the interval is above {size}",
            "inconclusive": f"the interval has {size} inside, or there are too few rounds for one",
        }[word]
    elif word == "failed" or not finding.n:
        text = f"nothing could be judged: {finding.words}"
    else:
        p = probability(finding.p_holm).replace("<", "below ")
        text = {
            "supported": f"a difference the way of the claim, p {p} after Holm's correction",
            "refuted": f"a difference the other way, p {p} after Holm's correction",
            "equivalent": f"a difference within {margin} was shown, which nobody would act on",
            "inconclusive": f"neither a difference nor its absence (within {margin}) was shown",
        }[word]
    if finding.exploratory and word != "inconclusive":
        text += f"; with fewer than {VERDICT_SEEDS} seeds it decides nothing"
    return f"{text}."


def _ends(finding: Finding) -> list[str]:
    ends = [_number(end, finding) for end in (finding.low, finding.high)]
    return [] if NOTHING in ends else ends


def _number(value: float, finding: Finding) -> str:
    return number(value, finding.unit.digits, finding.unit.scale, sign=True)
