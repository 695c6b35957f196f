"""Measure the errors, the power and the cost of `lsbench decide`, and write results/benchmarks/decide.*

    python scripts/decide_errors.py                 # some minutes on one core
    python scripts/decide_errors.py --quick         # a short trial, whose figures mean nothing

Simulated families of paired differences, judged look by look as lsbench/analysis/sequential.py does, with the
standard error of lsbench/analysis/crossed.py; and the stored sweeps under results/ replayed seed by seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from bench_common import parser, table, write_files
from scipy.special import stdtrit
from scipy.stats import skew

from lsbench.analysis.sequential import LEVEL, LOOKS, Design, design
from lsbench.analysis.tables import PAIR, cells_table
from lsbench.analysis.verdicts import ACCURACY_MARGIN
from lsbench.terms import DONE

ROWS = 60  # of the test set
MARGIN = 1.0  # in standard deviations of a seed's difference
MOST = 4  # questions of a family
WRONG = ("difference, no margin", "difference", "equivalence")  # false verdicts
SEED = 20261127
DIFFERENCES = {  # of mean 0 and standard deviation 1
    "normal": lambda random, size: random.standard_normal(size),
    "skewed": lambda random, size: random.gamma(16, 1 / 4, size) - 4,  # skewness 0.5
    "heavy tails": lambda random, size: random.standard_t(3, size) / np.sqrt(3),
    "exponential": lambda random, size: random.exponential(1, size) - 1,  # skewness 2: a stress test
}
Estimates = tuple[np.ndarray, np.ndarray]  # the mean difference and its standard error, [families, looks]


def estimates(kind: str, families: int, rows: bool) -> Estimates:
    """Mean differences of true value 0 at each of `LOOKS`. With ``rows`` the test set's rows have effects,
    common to all seeds, of half the standard error that 40 seeds leave."""
    random, draw = np.random.default_rng([SEED, rows]), DIFFERENCES[kind]
    means, errors = [], []
    for start in range(0, families, 500):
        size = min(500, families - start)
        seeds = draw(random, (size, LOOKS[-1]))
        if not rows:
            parts = [_seeds_alone(seeds[:, :n]) for n in LOOKS]
        else:
            row_sd = 0.5 / np.sqrt(LOOKS[-1]) * np.sqrt(ROWS)
            d = seeds[:, :, None] + row_sd * draw(random, (size, 1, ROWS))
            d = d + 0.5 * random.standard_normal(d.shape)
            parts = [_crossed(d[:, :n]) for n in LOOKS]
        means.append(np.stack([mean for mean, _ in parts], axis=1))
        errors.append(np.stack([error for _, error in parts], axis=1))
    return np.concatenate(means), np.concatenate(errors)


def _seeds_alone(d: np.ndarray) -> Estimates:
    return d.mean(1), d.std(1, ddof=1) / np.sqrt(d.shape[1])


def _crossed(d: np.ndarray) -> Estimates:
    """Mean and standard error of `crossed.crossed_variance` for many experiments [families,seeds,rows]."""
    _, n, size = d.shape
    means = d.mean(2)
    of_seeds = means.var(1, ddof=1) / n
    centred = (d - means[:, :, None]) / (n * size)
    sums = centred.sum(1)
    squared = (sums**2).sum(1)
    bessel = size / (size - 1)
    shared = bessel * (squared - (centred**2).sum((1, 2))) * n / (n - 1)
    variance = np.maximum(of_seeds + np.maximum(shared, 0), bessel * squared)
    return means.mean(1), np.sqrt(variance)


def settle(
    means: np.ndarray, errors: np.ndarray, plan: Design, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """The verdict (1 different, −1 equivalent, 0 none) of each row [looks], and the index of its look."""
    counts, levels = np.array(plan.looks), np.array(plan.levels)
    half = stdtrit(counts - 1, 1 - levels / 2) * errors
    equivalent = np.abs(means) + half < margin
    settled = equivalent | (np.abs(means) > half)
    look = np.where(settled.any(1), settled.argmax(1), len(counts) - 1)
    at = np.arange(len(means)), look
    return np.where(settled[at], np.where(equivalent[at], -1, 1), 0), look


def errors(families: int) -> Iterator[dict[str, object]]:
    """False verdicts of families of questions: any difference where there is none, or any equivalence where
    the difference is the margin."""
    for rows in (False, True):
        for kind in DIFFERENCES:
            means, se = estimates(kind, families * MOST, rows)
            for questions in (1, 2, 4):
                plan = design(LOOKS, questions)
                row: dict[str, object] = {"differences": kind, "test set": rows, "questions": questions}
                without_margin, _ = settle(means, se, plan, 0.0)
                different, _ = settle(means, se, plan, MARGIN)
                equivalent, _ = settle(means + MARGIN, se, plan, MARGIN)
                outcomes = (without_margin == 1, different == 1, equivalent == -1)
                for name, wrong in zip(WRONG, outcomes, strict=True):
                    family = wrong.reshape(families, MOST)[:, :questions].any(1)
                    row[f"false {name}"] = float(family.mean())
                yield row


def power(families: int) -> Iterator[dict[str, object]]:
    """The share of questions settled as different, and the pairs spent, beside a fixed design of 40 pairs."""
    means, se = estimates("normal", families, rows=False)
    for questions in (1, 2):
        plan = design(LOOKS, questions)
        critical = stdtrit(LOOKS[-1] - 1, 1 - LEVEL / questions / 2)
        for effect in (0.3, 0.5, 0.8, 1.2, 2.0, 3.0):
            word, look = settle(means + effect, se, plan, 0.0)
            yield {
                "effect": effect,
                "questions": questions,
                "settled": float((word == 1).mean()),
                "pairs": float(np.array(LOOKS)[look].mean()),
                "fixed": float((np.abs(means[:, -1] + effect) > critical * se[:, -1]).mean()),
            }


def comparisons(results: Path, sweeps: str) -> list[np.ndarray]:
    """The paired differences in accuracy of each stored comparison of a cell with its baseline that has at
    least 8 seeds, in the order of the seeds, from the folders whose names match ``sweeps``."""
    stored: dict[tuple[str, ...], np.ndarray] = {}
    for path in sorted(results.glob(f"{sweeps}/runs.csv")):
        runs = pd.read_csv(path, dtype={"cell": str})
        runs = runs[(runs["status"] == DONE) & (runs["label_noise"] == 0)]
        for _, cell in cells_table(runs).iterrows():
            if cell["baseline"] and cell["baseline"] != cell["cell"]:
                of_cell, of_baseline = (
                    runs[runs["cell"] == cell[name]].set_index("seed")["test_accuracy"]
                    for name in ("cell", "baseline")
                )
                d = (of_cell - of_baseline).dropna().sort_index().to_numpy()
                key = tuple(str(cell[name]) for name in (*PAIR, "cell"))
                if len(d) >= 8 and len(d) > len(stored.get(key, ())):
                    stored[key] = d[:10]
    return list(stored.values())


def replay(
    sweeps: str, stored: Sequence[np.ndarray], looks: tuple[int, ...], questions: int
) -> dict[str, object]:
    """The stored comparisons, look by look up to as many pairs as they have; and all pairs at once at the
    same level."""
    plan = design(looks, questions)
    words, pairs, fixed = [], [], 0
    for d in stored:
        at = [n for n in looks if n <= len(d)]
        means, se = np.stack([_seeds_alone(d[None, :n]) for n in at], axis=-1)  # [1,looks]
        short = Design(tuple(at), plan.level, plan.levels[: len(at)], plan.fixed_pairs)
        word, look = settle(means, se, short, ACCURACY_MARGIN)
        words.append(int(word[0]))
        pairs.append(at[int(look[0])])
        once = Design((len(d),), plan.level, (plan.level,), len(d))
        fixed += int(settle(means[:, -1:], se[:, -1:], once, ACCURACY_MARGIN)[0][0] != 0)
    return {
        "sweeps": sweeps,
        "looks": f"{looks[0]} to {looks[-1]} ({len(looks)})",
        "comparisons": len(words),
        "settled": int(np.sum(np.array(words) != 0)),
        "different": words.count(1),
        "equivalent": words.count(-1),
        "mean pairs": float(np.mean(pairs)),
        "settled by all pairs at once": fixed,
    }


def lines(parts: Mapping[str, Sequence[dict[str, object]]], families: int, skewness: float) -> list[str]:
    """The Markdown tables."""
    wrong, found, replays = parts["errors"], parts["power"], parts["replay"]
    return [
        "",
        f"False verdicts at looks {', '.join(map(str, LOOKS))}, in per cent of {families:,} families. "
        "“Difference”: the true difference is 0, with a margin of equivalence or without. “Equivalence”: it "
        "is the margin, "
        f"{MARGIN:g} sd of a seed's difference. With a test set, its rows have effects that all seeds share. "
        "“Skewed” has a skewness of 0.5; that of the stored differences below is "
        f"{skewness:.2f}. “Exponential” has 2 and is a stress test.",
        "",
        *table(
            "differences | test set | questions: | false difference, no margin %: | false difference %: | "
            "false equivalence %:",
            [
                (row["differences"], "with effects" if row["test set"] else "none", row["questions"],
                 *(f"{100 * row[f'false {name}']:.2f}" for name in WRONG))
                for row in wrong
            ],
        ),
        "",
        "Power to find a true difference (in sd of a seed's difference), and pairs spent on average, beside "
        f"a fixed design of {LOOKS[-1]} pairs at the same level.",
        "",
        *table(
            "difference: | questions: | settled %: | pairs: | fixed design %:",
            [
                (row["effect"], row["questions"], f"{100 * row['settled']:.1f}", f"{row['pairs']:.1f}",
                 f"{100 * row['fixed']:.1f}")
                for row in found
            ],
        ),
        "",
        "Stored comparisons with plain training under results/ that have at least 8 seeds, without label "
        "noise, in accuracy, replayed seed by seed at 5 %/14 (as many rows as a table of `lsbench compare` "
        "compares). Their runs.csv has no test rows, so these intervals are of the seeds alone.",
        "",
        *table(
            "sweeps | looks (pairs) | comparisons: | settled: | different: | equivalent: | mean pairs: | "
            "all pairs at once, settled:",
            [tuple(f"{v:.1f}" if isinstance(v, float) else v for v in row.values()) for row in replays],
        ),
    ]  # fmt: skip


def main() -> None:
    options_of = parser(__doc__, turns=1)
    options_of.add_argument("--families", type=int, default=20_000, help="default %(default)s")
    options_of.add_argument("--results", type=Path, default=Path("results"), help="default: %(default)s")
    options = options_of.parse_args()
    if options.quick:
        options.families = 200
    stored = {sweeps: comparisons(options.results, sweeps) for sweeps in ("compare-*", "*")}
    replays = [
        replay(sweeps, of_sweeps, looks, 14)
        for sweeps, of_sweeps in stored.items()
        for looks in (tuple(range(3, 11)), (4, 6, 8, 10))
        if of_sweeps
    ]
    standardised = [(d - d.mean()) / d.std(ddof=1) for d in stored["*"] if d.std() > 0]
    skewness = float(skew(np.concatenate(standardised))) if standardised else np.nan
    wrong, found = list(errors(options.families)), list(power(options.families))
    parts = {"errors": wrong, "power": found, "replay": replays}
    rows = [{"part": part} | row for part, of_part in parts.items() for row in of_part]
    names = dict.fromkeys(name for row in rows for name in row)
    tidy = [{name: row.get(name, "") for name in names} for row in rows]
    print(write_files(options.out, "decide", tidy, lines(parts, options.families, skewness)), flush=True)


if __name__ == "__main__":
    main()
