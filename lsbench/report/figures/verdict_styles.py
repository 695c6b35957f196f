"""Line styles of verdicts, the same in every figure."""

from collections.abc import Iterable

from lsbench.analysis.verdicts import Judged
from lsbench.report.figures.spec import GREY, LineStyle

# Colours of Okabe and Ito (2008); shape and filling differ too, as the verdicts' signs on the page do.
LOOKS = {
    "supported": ("#009E73", "^", False),
    "refuted": ("#D55E00", "v", False),
    "equivalent": ("#0072B2", "s", False),
    "inconclusive": (GREY, "o", True),
}


def verdict_styles(comparisons: Iterable[Judged]) -> tuple[LineStyle, ...]:
    """A style for each verdict that occurs, labelled with it, in the order of `LOOKS`."""
    order = list(LOOKS)
    by_label = {judged.verdict_label: judged for judged in comparisons}
    ordered = sorted(by_label.items(), key=lambda item: (order.index(item[1].word), item[0]))
    return tuple(_style(label, judged) for label, judged in ordered)


def _style(label: str, judged: Judged) -> LineStyle:
    colour, marker, hollow = LOOKS[judged.word]
    return LineStyle(label, colour, marker, hollow=hollow or judged.exploratory)
