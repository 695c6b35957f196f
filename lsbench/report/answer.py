"""The answer in three sentences, from verdicts and choices alone: accuracy, calibration, a recommendation.

For each method they speak of its recommended smoothed cell, which select results choose (selection.py).
"""

from collections.abc import Sequence

from lsbench.analysis.columns import CONVENTION, SMOOTHING, Row
from lsbench.analysis.results import Part
from lsbench.analysis.selection import CRITERION, CRITERION_WORDS, choice_groups, recommended
from lsbench.analysis.verdicts import NEW_IMAGES, VERDICT_SEEDS, Judged
from lsbench.formatting import DASH, count, format_setting, number
from lsbench.report.document import Prose, Strong

PLAIN_METHOD = "none"
ACCURACY = {
    "supported": "Smoothing raises accuracy",
    "refuted": "Smoothing lowers accuracy",
    "equivalent": "Smoothing leaves accuracy within {margin}",
    "inconclusive": "Whether smoothing changes accuracy is not settled",
}
CALIBRATION = {
    "supported": "is lower",
    "refuted": "is higher",
    "equivalent": "stays within {margin}",
    "inconclusive": "is not settled",
}
COMPARED = {
    "supported": "is better",
    "refuted": "is worse",
    "equivalent": "stays within {margin}",
    "inconclusive": "is not settled",
}
TARGETS = {
    NEW_IMAGES: "hold for new images from the same source",
    "this test set": "hold for new seeds on this test set only",
}


def sentences(part: Part) -> list[str]:
    """Whether smoothing helps accuracy, what it does to calibration before and after one temperature, and
    what is recommended."""
    smoothed = _smoothed(part)
    if not smoothed:
        return [_nothing(part), *_conventions(part), _recommendation(part, [])]
    verdicts = {(judged.cell, judged.metric): judged for judged in part.verdicts if judged.kind == SMOOTHING}

    def of_metric(metric: str) -> list[Judged]:
        return [verdicts[row["cell"], metric] for row in smoothed if (row["cell"], metric) in verdicts]

    accuracy = of_metric("test_accuracy")
    if not accuracy:
        return [_nothing(part), *_conventions(part), _recommendation(part, [])]
    calibration = (
        f"The calibration error (ECE) as trained {_clauses(of_metric('test_ece'), CALIBRATION)}. After one "
        f"temperature, it {_clauses(of_metric('test_ece_ts'), CALIBRATION)}, and NLL "
        f"{_clauses(of_metric('test_nll_ts'), CALIBRATION)}."
    )
    first = f"{_clauses(accuracy, ACCURACY)}."
    return [first, calibration, *_conventions(part), _recommendation(part, accuracy)]


def _conventions(part: Part) -> list[str]:
    """What another convention of the targets does to accuracy and NLL; nothing if there is none."""
    judged = [j for j in part.verdicts if j.kind == CONVENTION]
    accuracy, nll = ([j for j in judged if j.metric == metric] for metric in ("test_accuracy", "test_nll_ts"))
    if not accuracy or not nll:
        return []
    return [
        f"Compared with the convention uniform, accuracy {_clauses(accuracy, COMPARED)}; and NLL after one "
        f"temperature {_clauses(nll, COMPARED)}."
    ]


def one_seed(part: Part) -> list[Prose]:
    """How often a single pair of runs would have pointed the other way in accuracy; nothing at one seed."""
    chosen = {row["cell"] for row in _smoothed(part)}
    cases = [
        f"{judged.wrong_way * judged.n:.0f} of {judged.n} {_where(judged)}"
        for judged in part.verdicts
        if judged.kind == SMOOTHING
        and judged.metric == "test_accuracy"
        and judged.cell in chosen
        and judged.n > 1
    ]
    if not cases:
        return []
    return [
        Prose(
            (
                Strong("One seed would have said otherwise"),
                f": of the single pairs of runs, {_listed(cases)} point the other way in accuracy.",
            )
        )
    ]


def _smoothed(part: Part) -> list[Row]:
    """The recommended smoothed row of each method."""
    rows = [row for _, _, cells in choice_groups(part.cells) for row in recommended(cells)]
    return [row for row in rows if row["alpha"] > 0]


def _nothing(part: Part) -> str:
    """The reason why nothing can be said of smoothing."""
    if not part.cells["n"].any():
        return "No run is done, so nothing can be said."
    if not (part.cells["alpha"] > 0).any():
        return "No run has smoothing, so nothing can be said of its effect."
    if any(judged.kind == SMOOTHING for judged in part.verdicts):
        return "No α could be chosen, because the settings have no finished seed in common."
    return (
        "No run without smoothing has the same settings, so nothing can be said of the effect of smoothing."
    )


def _clauses(comparisons: Sequence[Judged], words: dict[str, str]) -> str:
    """The methods grouped by their verdict, each group with its words, and each method with its effect."""
    groups: dict[str, list[Judged]] = {}
    for judged in comparisons:
        groups.setdefault(judged.word, []).append(judged)
    clauses = []
    for word, phrase in words.items():
        if group := groups.get(word):
            margin = f"±{group[0].unit.write(group[0].margin)}"
            cases = [_case(judged, interval=words is ACCURACY) for judged in group]
            clauses.append(f"{phrase.format(margin=margin)} {_listed(cases)}")
    first, *rest = clauses
    joint = "; " if words is ACCURACY else "; it "
    return joint.join([first, *(clause[0].lower() + clause[1:] for clause in rest)])


def _case(judged: Judged, *, interval: bool) -> str:
    """A method with the effect of smoothing on it."""
    values = (judged.effect, judged.low, judged.high)
    effect, low, high = (judged.unit.number(value, sign=True) for value in values)
    if interval and low != DASH:
        effect += f" [{low}, {high}]"
    return f"{_where(judged)} (α = {format_setting(judged.alpha)}: {effect}{judged.unit.name})"


def _where(judged: Judged) -> str:
    return "in plain training" if judged.label == PLAIN_METHOD else f"with {judged.label}"


def _recommendation(part: Part, accuracy: Sequence[Judged]) -> str:
    """The method, α and T with the least criterion, and what that rests on."""
    chosen = [rows[0] for _, _, cells in choice_groups(part.cells) if (rows := recommended(cells))]
    if len(part.cells) < 2 or not chosen:
        return "Nothing is recommended: there was nothing to choose from."
    best = min(chosen, key=lambda row: row[f"{CRITERION}_mean"])
    label = part.labels[best["cell"]]
    method = "plain training" if label == PLAIN_METHOD else label
    text = (
        f"Recommended here: {method} with α = {format_setting(best['alpha'])} and a temperature of about "
        f"{number(best['temperature_mean'], 2)}, which of {len(part.cells)} settings has the lowest "
        f"{CRITERION_WORDS} (n = {best['n']})."
    )
    seeds = {judged.n for judged in accuracy}
    if accuracy:
        targets = " and ".join(TARGETS[target] for target in dict.fromkeys(j.target for j in accuracy))
        fewest = min(seeds)
        if fewest < 2:
            text += " One seed gives no verdict."
        elif fewest < VERDICT_SEEDS:
            text += f" The verdicts are exploratory, with {count(fewest, 'seed')}, and {targets}."
        else:
            text += f" The verdicts {targets}."
    return text


def _listed(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
