"""Findings as text: cells of a table, a line of the terminal, and what a verdict means where it stands."""

import math
from collections.abc import Mapping, Sequence

from lsbench.analysis.findings import Finding
from lsbench.analysis.verdicts import VERDICT_SEEDS
from lsbench.analysis.verdicts import verdict_label as as_said
from lsbench.claims import all_claims
from lsbench.formatting import DASH, number, probability
from lsbench.report.document import Bullets, Emphasis, Item, Prose, Strong

TITLE = "What people claim of label smoothing"
HEADER = ("verdict", "effect", "95 % interval", "n", "p (Holm)", "margin")
FULL_HEADER = ("comparison", *HEADER, "p (TOST, Holm)")


def family(judged: Mapping[str, Sequence[Finding]]) -> str:
    """The comparisons that the p of a page's verdicts are adjusted over."""
    whole = len(all_claims())
    claims = (
        f"all {whole} claims" if len(judged) == whole else f"{len(judged)} of the {whole} claims there are"
    )
    return f"the {counted(deciding(judged), 'deciding comparison')} of {claims}"


def deciding(judged: Mapping[str, Sequence[Finding]]) -> int:
    """How many comparisons decide the claims of a page by a p."""
    return sum(not math.isnan(group[0].p) for group in judged.values())


def reading(judged: Mapping[str, Sequence[Finding]]) -> tuple[Prose | Bullets, ...]:
    """How to read a page."""
    words = {
        "equivalent": "the difference is shown to lie within the margin, by two one-sided tests (TOST) with "
        "a p of their own. The margin was fixed in advance; smaller differences do not matter in practice.",
        "supported": "the difference is significant and in the direction of the claim.",
        "refuted": "the difference is significant and in the opposite direction.",
        "inconclusive": "the runs cannot tell; more seeds might. Also where the data cannot bear a verdict, "
        "for a reason that is then given.",
        "exploratory": f"there are fewer than {VERDICT_SEEDS} seeds, and the verdict decides nothing.",
    }
    return (
        Prose(
            "Each claim is decided by its first comparison, the one shown in the table of all claims. The "
            "sections list the others."
        ),
        Bullets(tuple(Item((Emphasis(word), f": {meaning}")) for word, meaning in words.items())),
        Prose(
            (
                "Differences are paired by seed, and intervals are 95 % t-intervals. ",
                Strong(f"p is adjusted by Holm's method over {family(judged)}"),
                "; the p of TOST is adjusted separately, and is shown instead where the verdict is ",
                Emphasis("equivalent"),
                ". So p depends on the claims of the page: on a page of few claims it is smaller than on the "
                "page of all. The other comparisons of a claim explain its verdict and decide nothing; their "
                "p are adjusted over the comparisons of that claim.",
            )
        ),
        Prose(
            "Choices are made by NLL on the select split after temperature scaling. The test split was used "
            "once per run, after training. A measured cost has no p: the 95 % interval of its median is "
            "compared with a bound that was fixed in advance."
        ),
    )


def lines(judged: Mapping[str, Sequence[Finding]]) -> list[str]:
    """A line a claim, for the terminal."""
    width = max(map(len, judged), default=0)
    kind = max((len(said(group[0])) for group in judged.values()), default=0)
    return [f"{name:{width}}  {said(group[0]):{kind}}  {_line(group[0])}" for name, group in judged.items()]


def _line(finding: Finding) -> str:
    if not finding.n:
        return finding.words
    (tested, adjusted), ends = deciding_p(finding), _ends(finding)
    p, name = probability(adjusted), " ".join(["p", *([f"({tested})"] if tested else [])])
    brackets = f" [{', '.join(ends)}]" if ends else ""
    parts = [
        f"{finding.words}: {_number(finding.effect, finding)}{brackets}{finding.unit.name}",
        f"n = {finding.n}",
        *([] if p == DASH else [f"{name} {p[0]} {p[1:]}" if p[0] == "<" else f"{name} = {p}"]),
    ]
    return ", ".join(parts) + (f" ({finding.meaning})" if finding.meaning else "")


def deciding_p(finding: Finding) -> tuple[str, float]:
    """The name of the test that the verdict rests on, empty for the usual one, and its adjusted p."""
    return ("TOST", finding.p_equivalent) if finding.verdict == "equivalent" else ("", finding.p_holm)


def counted(number: int, name: str) -> str:
    """1 seed, 2 seeds."""
    return f"{number} {name}{'s' * (number != 1)}"


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
    """Those of `HEADER`; p is that of the test which decides."""
    tested, p = deciding_p(finding)
    return _cells(finding, probability(p) + f" ({tested})" * bool(tested))


def _cells(finding: Finding, p: str) -> list[str]:
    return [
        verdict(finding),
        effect(finding),
        " to ".join(_ends(finding)) or DASH,
        f"{finding.n}",
        p,
        number(finding.margin * finding.unit.scale, finding.unit.digits),
    ]


def full_cells(finding: Finding) -> list[str]:
    """Those of `FULL_HEADER`."""
    return [
        finding.words,
        *_cells(finding, probability(finding.p_holm)),
        probability(finding.p_equivalent),
    ]


def effect(finding: Finding) -> str:
    """With its unit; a dash where there is none."""
    shown = _number(finding.effect, finding)
    return shown if shown == DASH else shown + finding.unit.name


def explain(finding: Finding) -> str:
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
        within = probability(finding.p_equivalent).replace("<", "below ")
        text = {
            "supported": f"a difference the way of the claim, p {p} after Holm's correction",
            "refuted": f"a difference the other way, p {p} after Holm's correction",
            "equivalent": f"a difference within {margin} was shown, which nobody would act on, p (TOST) "
            f"{within} after Holm's correction",
            "inconclusive": f"no verdict, {finding.meaning}"
            if finding.meaning
            else f"neither a difference nor its absence (within {margin}) was shown",
        }[word]
    if finding.exploratory and word != "inconclusive":
        text += f"; with fewer than {VERDICT_SEEDS} seeds it decides nothing"
    return f"{text}."


def _ends(finding: Finding) -> list[str]:
    ends = [_number(end, finding) for end in (finding.low, finding.high)]
    return [] if DASH in ends else ends


def _number(value: float, finding: Finding) -> str:
    return number(value, finding.unit.digits, finding.unit.scale, sign=True)
