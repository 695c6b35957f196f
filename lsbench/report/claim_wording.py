"""Claims in words: table cells, lines for the terminal, and explanations of verdicts."""

import math

from lsbench.analysis.findings import Findings
from lsbench.analysis.verdicts import VERDICT_SEEDS, Judged
from lsbench.claims import all_claims
from lsbench.formatting import DASH, count, probability
from lsbench.report import tables
from lsbench.report.document import Bullets, Emphasis, Item, Prose, Strong
from lsbench.report.tables import Table, interval, p_text

TITLE = "What people claim of label smoothing"
HEADER = ("verdict", "effect", "95 % interval", "n", "p (Holm)", "margin")
FULL_HEADER = ("comparison", *HEADER, "p (TOST, Holm)", "holds for")
POWER_NOTE = f"The deciding comparison of each claim that is open. {tables.POWER_NOTE}"


def family(findings: Findings) -> str:
    """The comparisons over which the p of a page's verdicts are adjusted."""
    total = len(all_claims())
    claims = f"all {total} claims" if len(findings) == total else f"{len(findings)} of the {total} claims"
    deciding = sum(not math.isnan(group[0].p) for group in findings.values())
    return f"the {count(deciding, 'deciding comparison')} of {claims}"


def legend(findings: Findings) -> tuple[Prose | Bullets, ...]:
    """The explanation of the verdict words of a page."""
    words = {
        "equivalent": "the difference is shown to lie within the margin, by two one-sided tests (TOST) with "
        "a p of their own. The margin was fixed in advance; smaller differences do not matter in practice.",
        "supported": "the difference is significant and in the direction of the claim.",
        "refuted": "the difference is significant and in the opposite direction.",
        "inconclusive": "the runs cannot tell; more seeds might; or the data cannot support a verdict, and "
        "the reason is given.",
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
                "Differences are paired by seed. Intervals, p and verdicts hold for new images from the "
                "same source: seeds and test images are both random. Where a comparison holds only for new "
                "seeds on this test set, its table says so: it is no sum over test images, or the "
                "predictions are not stored. ",
                Strong(f"p is adjusted by Holm's method over {family(findings)}"),
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


def lines(findings: Findings) -> list[str]:
    """A line per claim, for the terminal."""
    first = {name: group[0] for name, group in findings.items()}
    name_width = max(map(len, first), default=0)
    label_width = max((len(deciding.verdict_label) for deciding in first.values()), default=0)
    return [
        f"{name:{name_width}}  {deciding.verdict_label:{label_width}}  {_line(deciding)}"
        for name, deciding in first.items()
    ]


def _line(judged: Judged) -> str:
    if not judged.n:
        return judged.words
    low, high = (judged.unit.number(end, sign=True) for end in (judged.low, judged.high))
    brackets = "" if DASH in (low, high) else f" [{low}, {high}]"
    effect = judged.unit.number(judged.effect, sign=True)
    text = f"{judged.words}: {effect}{brackets}{judged.unit.name}, n = {judged.n}"
    p = p_text(deciding_p(judged), judged)
    if p != DASH:
        name = "p (TOST)" if judged.word == "equivalent" else "p"
        text += f", {name} < {p[1:]}" if p.startswith("<") else f", {name} = {p}"
    return f"{text} ({judged.meaning})" if judged.meaning else text


def deciding_p(judged: Judged) -> float:
    """The adjusted p of the test that decides the verdict."""
    return judged.p_tost_holm if judged.word == "equivalent" else judged.p_holm


def title(words: str) -> str:
    """A claim's words as a heading; a Greek letter stays lower-case."""
    first = words[0].upper() if words[0].isascii() else words[0]
    return first + words[1:]


def verdict(judged: Judged) -> str:
    """The verdict's label, with what it implies if the claim says that."""
    return f"{judged.verdict_label}: {judged.meaning}" if judged.meaning else judged.verdict_label


def cells(judged: Judged) -> list[str]:
    """The cells below `HEADER`; p is that of the test that decides."""
    p = p_text(deciding_p(judged), judged)
    return _cells(judged, f"{p} (TOST)" if judged.word == "equivalent" else p)


def full_cells(judged: Judged) -> list[str]:
    """The cells below `FULL_HEADER`."""
    holds_for = judged.target if judged.n > 1 and not judged.bounded else DASH
    return [
        judged.words,
        *_cells(judged, p_text(judged.p_holm, judged)),
        p_text(judged.p_tost_holm, judged),
        holds_for,
    ]


def _cells(judged: Judged, p: str) -> list[str]:
    unit = judged.unit
    effect, margin = unit.write(judged.effect, sign=True), unit.number(judged.margin)
    return [verdict(judged), effect, interval(judged), str(judged.n), p, margin]


def power_table(findings: Findings) -> Table:
    """`tables.power_table` of the deciding comparison of each claim."""
    deciding = [((title(all_claims()[name].words),), group[0]) for name, group in findings.items()]
    return tables.power_table(("claim",), deciding)


def explain(judged: Judged) -> str:
    """The meaning of a verdict in a sentence or two."""
    text = _bounded(judged) if judged.bounded else _paired(judged)
    if judged.exploratory and judged.word != "inconclusive":
        text += f"; with fewer than {VERDICT_SEEDS} seeds it decides nothing"
    return f"{text}."


def _bounded(judged: Judged) -> str:
    bound = judged.unit.write(judged.margin)
    return {
        "supported": f"the whole interval is at {bound} or less",
        "refuted": f"the whole interval is above {bound}",
        "inconclusive": f"the interval contains {bound}, or there are too few rounds for an interval",
    }[judged.word]


def _paired(judged: Judged) -> str:
    if judged.word == "failed" or not judged.n:
        return f"nothing could be judged: {judged.words}"
    margin = f"±{judged.unit.write(judged.margin)}"
    p = f"{probability(deciding_p(judged)).replace('<', 'below ')} after Holm's correction"
    if judged.word == "supported":
        return f"a difference in the direction of the claim, p {p}"
    if judged.word == "refuted":
        return f"a difference in the opposite direction, p {p}"
    if judged.word == "equivalent":
        return f"the difference is shown to lie within {margin}, too small to matter, p (TOST) {p}"
    if judged.meaning:
        return f"no verdict, {judged.meaning}"
    return f"neither a difference nor its absence (within {margin}) was shown"
