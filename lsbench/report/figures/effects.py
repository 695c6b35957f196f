"""The effects of smoothing in one figure: a row for each smoothed setting, a panel for each metric."""

from collections.abc import Sequence

import pandas as pd

from lsbench.analysis.columns import SMOOTHING
from lsbench.analysis.results import Part
from lsbench.analysis.verdicts import BY_METRIC, NEW_IMAGES, Judged
from lsbench.formatting import format_setting
from lsbench.report.figures.spec import Effects, FigureSpec, LineStyle
from lsbench.report.figures.verdict_styles import verdict_styles
from lsbench.report.tables import with_interval

KIND = "effects"
TITLE = "Effect of smoothing"
METRICS = ("test_accuracy", "test_nll_ts", "test_ece_ts")
MOST_ROWS = 24  # with more settings, those that select results recommend for a method
WIDTH, ROW, AROUND = 300, 28, 70  # of a panel; height of a row, and above and below all of them
CAPTION = (
    "The difference that smoothing makes to the same method, with its 95 % interval for {target}. The band "
    "is the margin within which a difference does not matter, fixed in advance."
)


def figure(part: Part, suffix: str) -> FigureSpec | None:
    """The figure of a part's comparisons of smoothing with the same method without it; None if none has an
    interval."""
    judged = [j for j in part.verdicts if j.kind == SMOOTHING and j.metric in METRICS]
    cells = list(dict.fromkeys(j.cell for j in judged))
    if len(cells) > MOST_ROWS:
        recommended = set(part.cells.loc[part.cells["choice"] != "", "cell"])
        judged = [j for j in judged if j.cell in recommended]
        cells = [cell for cell in cells if cell in recommended]
    judged = [j for j in judged if j.n]
    if not judged:
        return None
    styles = verdict_styles(judged)
    of_metric = {metric: [j for j in judged if j.metric == metric] for metric in METRICS}
    panels = tuple(
        _panel(metric, comparisons, cells, styles) for metric, comparisons in of_metric.items() if comparisons
    )
    alt = " ".join(
        f"{BY_METRIC[metric].words}: {'; '.join(map(_in_words, comparisons))}."
        for metric, comparisons in of_metric.items()
        if comparisons
    )
    targets = list(dict.fromkeys(j.target for j in judged))
    target = targets[0] if len(targets) == 1 else f"{NEW_IMAGES}, or this test set where rows are unknown"
    caption, size = CAPTION.format(target=target), (WIDTH, AROUND + ROW * len(cells))
    return FigureSpec(f"{KIND}{suffix}", KIND, part.title, TITLE, panels, styles, caption, alt, size)


def _panel(
    metric: str, comparisons: Sequence[Judged], cells: Sequence[str], styles: Sequence[LineStyle]
) -> Effects:
    question = BY_METRIC[metric]
    scale = question.unit.scale
    rows = [
        {
            "verdict": judged.verdict_label,
            "position": cells.index(judged.cell),
            "label": f"{_name(judged)}{', chosen' if judged.chosen else ''}",
            "number": with_interval(judged),
            "effect": judged.effect * scale,
            "low": judged.low * scale,
            "high": judged.high * scale,
        }
        for judged in comparisons
    ]
    table = pd.DataFrame(rows)
    series = tuple(
        (style, table[table["verdict"] == style.label])
        for style in styles
        if (table["verdict"] == style.label).any()
    )
    title = f"Δ {question.words},{question.unit.name}"
    better = "right: better" if question.better > 0 else "left: better"
    return Effects(title, series, question.margin * scale, len(cells), better)


def _name(judged: Judged) -> str:
    return f"{judged.label}, α = {format_setting(judged.alpha)}"


def _in_words(judged: Judged) -> str:
    return f"{_name(judged)} {with_interval(judged)}, {judged.verdict_label}"
