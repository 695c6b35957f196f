"""The report as Markdown. Every number in it stands in summary.csv too; no α is chosen by test results."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from lsbench.analysis.baselines import as_rows, strengths
from lsbench.analysis.results import Part, SweepResults
from lsbench.formatting import code, escape_markdown, format_setting, image, pipe_table
from lsbench.report import penultimate
from lsbench.report.comparison import comparison
from lsbench.report.document import Bullets, Emphasis, Item, Prose, Strong, Text, pieces
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.tables import MORE, word_table
from lsbench.report.wording import choice_table, choosing, interpretation, power_table

DEFINITIONS = """\
## Definitions

- **α**: smoothing mass. With the convention `uniform` the target is q = (1 − α)·onehot + α/K over K classes
  and the loss is the cross entropy with q. `others` spreads α over the wrong classes only. `as_printed` is a
  widely copied mistake whose targets sum to 1 − α/K, kept so that its effect can be measured.
- **train accuracy** (in the CSV files) is on the labels that were trained on, noise included.
- **NLL**: mean of −ln p(true class) on the test split, in nats; never smoothed.
- **ECE**: Σ (n_bin/n)·|accuracy − mean confidence| over 15 equal-width bins of confidence. It is biased
  upwards; **floor** is the mean ECE that a perfectly calibrated model with the run's own confidences would
  show (labels drawn by them; computed exactly), so an ECE at its floor is no sign of miscalibration.
- **gap**: mean confidence − accuracy. Above 0 is over-confident, below 0 under-confident.
- **T**: the temperature that minimises NLL on the calibrate split; logits are divided by it (Guo et al.
  2017), and “scaled” columns are test results after that. † marks a mean over runs of which one has a
  calibrate split that does not determine T; it was left at 1, and `temperature_flag` in runs.csv says why.
- **±** and **[low, high]**: 95 % t-interval over seeds; none at n = 1, or where the values do not vary.
- **Δ**: mean difference from the baseline, paired by seed: same split, initial weights and order of data.
  The baseline has no smoothing and no other treatment (but what all runs have) under the same conditions:
  data, model, label noise, optimiser, epochs, batch size, precision. Where that was not run, it is α = 0 of
  otherwise equal settings.
- **T alone**: smoothing's rival, the same cell without smoothing after temperature scaling. “ECE − T alone”
  is the ECE of the smoothed model as trained minus the rival's, paired by seed: above 0, scaling would have
  calibrated better.
- **p (Holm)**: two-sided paired t-test of Δ = 0, adjusted over the comparisons of its table (Holm 1979).
  Each metric's comparisons are a family, of every row and not of the chosen ones alone.
- **Verdicts**: *supported* or *refuted* if p (Holm) is below 0.05, better or worse; *equivalent* if the
  difference lies within a margin that was stated beforehand, by two one-sided t-tests (TOST, Schuirmann 1987)
  with Holm's correction of their own, even where it is not 0; else *inconclusive*, which is no evidence of
  equality. Below 8 seeds each is marked *exploratory*.
- An α, and a method's strength where several were run, is **chosen** by mean NLL on the select split after
  temperature scaling. T is fitted on the calibrate split. The test split is used once, at the end, and
  influences neither.
"""

FILES = (
    "`report.html`, this as a page, with every run; `runs.csv`, a row per run; `summary.csv`, a row per "
    "setting with every metric and interval; `reliability.csv` and `training.csv`, what the figures show, "
    "for every setting"
)


def report(results: SweepResults, plates: Sequence[FigureSpec], ratios: pd.DataFrame) -> str:
    """The text of report.md. ``plates`` are drawn in figures/, ``ratios`` are `penultimate.ratios`."""
    parts, runs, missing = results.parts, results.runs, results.missing
    source = facts(runs, code(results.sweep.command), missing) | {"Files": FILES}
    blocks = [f"# Label smoothing: {escape_markdown('; '.join(part.title for part in parts)) or 'no runs'}"]
    blocks += ["\n".join(f"- {name}: {fact}" for name, fact in source.items())]
    for part in parts:
        images = {p.kind: figure(p) for p in plates if p.pair == part.title}
        blocks += [f"## {escape_markdown(part.title)}" if len(parts) > 1 else "## Comparison"]
        blocks += [setup(part.cells)]
        blocks += [pipe_table(*comparison(part)), images.pop("alpha", "")]
        blocks += [
            "### α chosen on the select split",
            _choices(part),
            "### Reading",
            prose(interpretation(part)),
        ]
        more = {"### Verdicts": _table(*word_table(part.verdicts))}
        more["### What more seeds would buy"] = _table(*power_table(part), MORE)
        blocks += [line for title, text in more.items() if text for line in (title, text)]
        layer = penultimate.ratio_table(part, ratios)
        geometry = [_table(*layer, penultimate.ABOUT), images.pop("geometry", "")]
        blocks += ["### Calibration and training" if images else "", *images.values()]
        blocks += ["### Penultimate layer" if any(geometry) else "", *geometry]
    return "\n\n".join([*filter(None, blocks), *_left_out(runs, missing), DEFINITIONS])


def _choices(part: Part) -> str:
    header, rows = choice_table(part)
    text = escape_markdown(choosing(part))
    return f"{text}\n\n{pipe_table(header, rows)}" if rows else text


def prose(blocks: Sequence[Prose | Bullets]) -> str:
    """Paragraphs and lists."""
    return "\n\n".join(
        _inline(block.text) if isinstance(block, Prose) else _bullets(block.items, "") for block in blocks
    )


def _bullets(items: Sequence[Item], indent: str) -> str:
    lines = []
    for item in items:
        lines.append(f"{indent}- {_inline(item.text)}")
        if item.items:
            lines.append(_bullets(item.items, f"{indent}  "))
    return "\n".join(lines)


def _inline(text: Text) -> str:
    marks = {Strong: "**", Emphasis: "*"}
    written = []
    for piece in pieces(text):
        words = piece if isinstance(piece, str) else getattr(piece, "text", "")
        mark = marks.get(type(piece), "")
        written.append(f"{mark}{escape_markdown(words)}{mark}")
    return "".join(written)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], about: str = "") -> str:
    """A table below the text ``about`` it; empty without rows."""
    return "\n\n".join(filter(None, [about, pipe_table(header, rows)])) if rows else ""


def figure(plate: FigureSpec) -> str:
    """``plate`` as drawn, with its words, and the caption below."""
    shown = image(f"{plate.title}. {plate.alt}", f"figures/{plate.name}.png")
    return f"{shown}\n\n{escape_markdown(plate.caption)}"


def facts(runs: pd.DataFrame, command: str, missing: Sequence[str]) -> dict[str, str]:
    """Where all of it comes from, by name."""
    status = runs["status"].value_counts()
    counts = ", ".join(f"{status.get(name, 0)} {name}" for name in ("done", "diverged", "failed"))
    return {
        "Command": command,
        "Runs": f"{len(runs)} ({counts}); {len(missing)} missing",
        "Seeds": _values(runs["seed"]),
        "Versions": f"lsbench {_values(runs['lsbench'])}, torch {_values(runs['torch'])}",
        "Commit": _values(runs["git_sha"]),
        "Device": _values(runs["device"]),
        "Last run finished": _moment(runs["finished"]),
    }


def setup(table: pd.DataFrame) -> str:
    """Size and content of the data, and the settings that every row shares or that the rows show."""
    shas = ", ".join(f"`{sha[:12]}`" for sha in sorted(set(table["data_sha256"].dropna())))
    train, test = (_values(table[name], ",") for name in ("n_train", "n_test"))
    epochs = _values(table["epochs"])
    rest = [
        f"{epochs} {'epoch' if epochs == '1' else 'epochs'}",
        f"batch size {_values(table['batch_size'])}",
    ]
    rest += [f"learning rate {_values(table['lr'])}", _values(table["precision"])]
    rest += [f"convention {_values(table['convention'])}"]
    rest += [
        f"{name} {' and '.join(map(format_setting, values))}" for name, values in strengths(table).items()
    ]
    sizes = f"{train} training and {test} test images, data SHA-256 {shas or '—'}"
    return f"{sizes}. {', '.join(rest)}."


def _values(column: "pd.Series[Any]", grouping: str = "") -> str:
    """A column's distinct values; three or more whole numbers without a hole as first–last."""
    found = sorted(value for value in set(column.dropna()) if value != "")
    whole = all(isinstance(value, int) for value in found)
    if len(found) > 2 and whole and found == list(range(int(found[0]), int(found[0]) + len(found))):
        return f"{found[0]}–{found[-1]}"
    return ", ".join(f"{value:{grouping}}" if grouping else format_setting(value) for value in found) or "—"


def left_out(runs: pd.DataFrame, missing: Sequence[str]) -> list[tuple[str, str, str]]:
    """The runs that no mean contains: name, status and reason."""
    others = as_rows(runs[runs["status"] != "done"])
    found = [(row["run"], row["status"], _one_line(row["error"])) for row in others]
    return [*found, *((run, "missing", "no record in the store") for run in missing)]


def _left_out(runs: pd.DataFrame, missing: Sequence[str]) -> list[str]:
    points = [
        f"- `{run}`: {status}. {escape_markdown(reason)}".rstrip()
        for run, status, reason in left_out(runs, missing)
    ]
    return ["## Runs that no mean contains", "\n".join(points)] if points else []


def _moment(finished: "pd.Series[Any]") -> str:
    latest: str = max(finished.dropna(), default="—")
    return latest.replace("T", " ").replace("+00:00", " UTC")


def _one_line(error: object) -> str:
    return " ".join(error.split()) if isinstance(error, str) else ""
