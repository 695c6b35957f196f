"""Measure how often 95 % intervals cover the truth, and write results/benchmarks/coverage.*

    python scripts/coverage.py --work FOLDER        # half an hour on one core; resumes from FOLDER
    python scripts/coverage.py --work FOLDER --seeds 5 10 --pools 100 60     # twice as long
    python scripts/coverage.py --quick              # a short trial, whose figures mean nothing

Two intervals are compared: that of the seeds alone, and the one for new images (lsbench/analysis/crossed.py).

- Simulated: paired differences with effects of seeds and of rows, whose mean is 0. The seeds share one test
  set, or each tests a fifth of a pool, drawn again.
- Real: the 70,000 images of MNIST are the population. From it pools of 5,000 images are drawn; in each, SEEDS
  pairs of networks (α = 0.1 and 0) are trained as `lsbench compare` does on its default data, which each seed
  divides again. The truth is the mean difference of all networks on images outside their pools, in samples of
  the size of a test split. MNIST is searched for as `lsbench data where mnist` does, or in --root.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench_common import parser, table, write_files
from hydra import compose, initialize_config_dir
from scipy.stats import binomtest, t

from lsbench import conf_dir, config
from lsbench.analysis.crossed import crossed_variance
from lsbench.analysis.rows import METRICS, scores
from lsbench.data import mnist
from lsbench.hydra_app import plugins
from lsbench.terms import Splits
from lsbench.training import evaluate, loop
from lsbench.training.stack import Stack

POOL, OUTSIDE, SAMPLE = 5_000, 20_000, 1_000  # images; a test split has SAMPLE
ALPHAS = (0.0, 0.1)
SHOWN = (
    "test_accuracy",
    "test_nll",
    "test_nll_ts",
    "test_brier",
    "test_confidence_gap",
    "test_ece",
    "test_ece_ts",
)
SEED = 20261127
Draws = tuple[
    list[np.ndarray], list[np.ndarray]
]  # by seed: the differences of its test rows, and their numbers
Effects = Callable[[np.random.Generator, int], Callable[[np.ndarray, np.random.Generator], np.ndarray]]


def intervals(values: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """The mean, and half of the interval of the seeds alone and of the one for new images."""
    means = [seed.mean() for seed in values]
    n = len(means)
    alone = t.ppf(0.975, n - 1) * np.std(means, ddof=1) / np.sqrt(n)
    variance = crossed_variance(values, rows)
    return float(np.mean(means)), float(alone), float(t.ppf(0.975, variance.df) * variance.se)


def summary(draws: Sequence[tuple[float, float, float]], truth: float) -> dict[str, object]:
    """The coverage of both intervals, each with its own 95 % interval (Wilson), and the ratio of their
    widths."""
    means, alone, new = np.array(draws).T
    row: dict[str, object] = {}
    for name, half in (("seeds alone", alone), ("new images", new)):
        covered = int(np.sum(np.abs(means - truth) <= half))
        ends = binomtest(covered, len(draws)).proportion_ci(method="wilson")
        row |= {name: covered / len(draws), f"{name} low": ends.low, f"{name} high": ends.high}
    return row | {"width ratio": float(np.mean(new) / np.mean(alone)), "sets": len(draws)}


# Simulation


def normal(random: np.random.Generator, rows: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Row effects and residuals of variance 1."""
    effects = random.normal(0, 1, rows)
    return lambda index, drawn: effects[index] + drawn.normal(0, 1, len(index))


def heavy(random: np.random.Generator, rows: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """The same with Student's t distribution of 3 degrees of freedom."""
    effects = random.standard_t(3, rows)
    return lambda index, drawn: effects[index] + drawn.standard_t(3, len(index))


def skewed(random: np.random.Generator, rows: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """The same with the exponential distribution less its mean."""
    effects = random.exponential(1, rows) - 1
    return lambda index, drawn: effects[index] + drawn.exponential(1, len(index)) - 1


def sparse(random: np.random.Generator, rows: int) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    """Differences in correctness: one row in twenty is 1, 0 or -1, with probabilities of its own."""
    hard = random.random(rows) < 0.05
    gain, loss = random.uniform(0, 0.4, (2, rows))

    def draw(index: np.ndarray, drawn: np.random.Generator) -> np.ndarray:
        u = drawn.random(len(index))
        values = np.where(u < gain[index], 1.0, np.where(u > 1 - loss[index], -1.0, 0.0))
        return np.where(hard[index], values, 0.0)

    return draw


KINDS: dict[str, tuple[Effects, float]] = {  # with the standard deviation of a row
    "normal": (normal, 1.0),
    "skewed": (skewed, 1.0),
    "heavy tails": (heavy, 1.0),
    "correctness": (sparse, 0.2),
}


def simulated(repetitions: int) -> Iterator[dict[str, object]]:
    for kind, (effects, row_sd) in KINDS.items():
        for design, pool, size in (("one test set", 500, 500), ("re-divided pool", 1500, 300)):
            for strength in (0.3, 2.0):
                for n in (2, 3, 5, 10, 20):
                    random = np.random.default_rng([SEED, n, pool])
                    sd = strength * row_sd / np.sqrt(size)
                    draws = [
                        intervals(*simulate(effects, random, n, (pool, size), sd)) for _ in range(repetitions)
                    ]
                    about = {"rows": kind, "design": design, "seed sd": strength, "n": n}
                    yield about | summary(draws, 0.0)


def simulate(
    effects: Effects, random: np.random.Generator, n: int, sizes: tuple[int, int], sd: float
) -> Draws:
    """One experiment with ``n`` seeds, whose effects have the standard deviation ``sd``, and the ``sizes`` of
    the pool and of a test split."""
    pool, size = sizes
    draw = effects(random, pool)
    rows = [np.arange(pool) if size == pool else random.permutation(pool)[:size] for _ in range(n)]
    return [draw(index, random) + random.normal(0, sd) for index in rows], rows


# The experiment on MNIST


def experiment(root: str | None, pools: int, seeds: int, work: Path) -> Iterator[dict[str, object]]:
    """Train what is not in ``work``, then the coverage in each metric."""
    splits = mnist.load(root)
    assert splits.test_images is not None and splits.test_labels is not None
    images = np.concatenate([splits.train_images, splits.test_images])
    labels = np.concatenate([splits.train_labels, splits.test_labels])
    work.mkdir(parents=True, exist_ok=True)
    stored = []
    for number in range(pools):
        path = work / f"pool-{number}-seeds-{seeds}.npz"
        if not path.exists():
            measured = train_pool(images, labels, splits.classes, (number, seeds))
            part = path.with_suffix(".part.npz")
            np.savez(part, **measured)
            part.replace(path)
            print(f"pool {number + 1} of {pools}", flush=True)
        with np.load(path) as arrays:
            stored.append(dict(arrays))
    for index, metric in enumerate(METRICS):
        if metric not in SHOWN:
            continue
        truth = float(np.mean([pool["outside"][:, index] for pool in stored]))
        for design, name in (("re-divided pool", "test"), ("one test set", "common")):
            draws = [
                intervals(list(pool[name][:, index].astype(float)), list(pool[f"{name}_rows"]))
                for pool in stored
            ]
            about = {"metric": metric, "design": design, "n": seeds, "truth": truth}
            yield about | summary(draws, truth)


def train_pool(
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    pool_and_seeds: tuple[int, int],
    settings: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Train the pairs of a pool, given by its number and the number of seeds, as one stack.

    Of each seed's difference between α = 0.1 and 0: ``test`` [seeds,metrics,N] and ``common``
    [seeds,metrics,SAMPLE], the contributions of its test rows and of SAMPLE images outside the pool; and
    ``outside`` [seeds,metrics], the mean over OUTSIDE images.
    """
    number, seeds = pool_and_seeds
    random = np.random.default_rng([SEED, number])
    drawn = random.permutation(len(labels))[: POOL + OUTSIDE]
    pool, outside = drawn[:POOL], drawn[POOL:]
    members = [[*settings, f"alpha={alpha}", f"seed={seed}"] for seed in range(seeds) for alpha in ALPHAS]
    plugins.register()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        runs = [config.to_run(compose("train", overrides=overrides)) for overrides in members]
    data = Splits(images[pool], labels[pool], None, None, classes)
    stack = Stack(runs, data, torch.device("cpu"))
    outcomes = evaluate.evaluate(loop.train(stack))
    logits = logits_of(stack, images[outside])
    contributions = []
    for outcome, of_member in zip(outcomes, logits, strict=True):
        predictions, temperature = outcome.predictions, outcome.columns["temperature"]
        test = scores(predictions["test_logits"], predictions["test_labels"], temperature)
        contributions.append((np.array([*test.values()]), *_outside(of_member, labels[outside], temperature)))
    plain, smoothed = contributions[0::2], contributions[1::2]
    test, common, means = (
        np.array([s[i] - p[i] for p, s in zip(plain, smoothed, strict=True)]) for i in range(3)
    )
    rows = np.array([outcome.predictions["test_rows"] for outcome in outcomes[0::2]])
    common_rows = np.tile(np.arange(SAMPLE), (seeds, 1))
    return {
        "test": test.astype(np.float32), "test_rows": rows, "outside": means,
        "common": common.astype(np.float32), "common_rows": common_rows,
    }  # fmt: skip


def _outside(logits: np.ndarray, labels: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The contributions of the first SAMPLE images, and the means over samples of SAMPLE images, since an ECE
    depends on the number of images."""
    samples = range(0, OUTSIDE, SAMPLE)
    parts = [scores(logits[i : i + SAMPLE], labels[i : i + SAMPLE], temperature) for i in samples]
    means = np.mean([[values.mean(dtype=float) for values in part.values()] for part in parts], axis=0)
    common = scores(logits[:SAMPLE], labels[:SAMPLE], temperature)
    return np.array([*common.values()]), means


def logits_of(stack: Stack, images: np.ndarray) -> np.ndarray:
    """The logits [M,N,K] of each member for further images."""
    first = len(stack.data.images)
    stack.data.images = torch.cat([stack.data.images, torch.from_numpy(images)])
    stack.data.rows["outside"] = torch.arange(first, first + len(images)).expand(stack.size, -1)
    return torch.cat(list(stack.logits("outside")), dim=1).double().numpy()


# Tables


def lines(simulation: Sequence[dict[str, object]], measured: Sequence[dict[str, object]]) -> list[str]:
    """The Markdown tables: the experiment, and the simulation."""
    text = []
    if measured:
        text += [
            "",
            f"MNIST's 70,000 images as the population: pools of {POOL:,}, with n pairs of networks each "
            "(α = 0.1 and 0). Coverage of the population's difference by 95 % intervals, with its own 95 % "
            f"interval (Wilson). “Re-divided pool”: each seed tests {SAMPLE:,} images of the pool. “One "
            f"test set”: all seeds test the same {SAMPLE:,} images from outside.",
            "",
            *table(
                "metric | design | n: | pools: | difference: | seeds alone: | new images: | width ratio:",
                [
                    (row["metric"], row["design"], row["n"], row["sets"], f"{row['truth']:+.4f}",
                     *map(partial(_covered, row), NAMES), f"{row['width ratio']:.2f}")
                    for row in measured
                ],
            ),
        ]  # fmt: skip
    text += [
        "",
        f"Simulated, {simulation[0]['sets']} sets a row. The seeds' effects have the standard deviation "
        "“seed sd”, in standard errors of one seed's rows.",
        "",
        *table(
            "rows | design | seed sd: | n: | seeds alone: | new images: | width ratio:",
            [
                (row["rows"], row["design"], row["seed sd"], row["n"], *map(partial(_covered, row), NAMES),
                 f"{row['width ratio']:.2f}")
                for row in simulation
            ],
        ),
    ]  # fmt: skip
    return text


NAMES = ("seeds alone", "new images")


def _covered(row: dict[str, object], name: str) -> str:
    return f"{100 * row[name]:.1f} % [{100 * row[f'{name} low']:.1f}, {100 * row[f'{name} high']:.1f}]"


def main() -> None:
    options_of: argparse.ArgumentParser = parser(__doc__, turns=1)
    options_of.add_argument("--repetitions", type=int, default=2000, help="of the simulation (default 2000)")
    options_of.add_argument("--seeds", type=int, nargs="+", default=[5], help="of a pool (default 5)")
    options_of.add_argument(
        "--pools", type=int, nargs="+", default=[100], help="for each number of seeds (default 100)"
    )
    options_of.add_argument("--root", help="the folder of MNIST")
    options_of.add_argument(
        "--work", type=Path, help="a folder for the pools; without it only the simulation"
    )
    options = options_of.parse_args()
    if options.quick:
        options.repetitions = 20
    torch.set_num_threads(1)
    simulation = list(simulated(options.repetitions))
    measured = []
    if options.work:
        for seeds, pools in zip(options.seeds, options.pools, strict=True):
            measured += experiment(options.root, pools, seeds, options.work)
    rows = [{"part": "experiment"} | row for row in measured] + [
        {"part": "simulation"} | row for row in simulation
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    tidy = [{name: row.get(name, "") for name in names} for row in rows]
    print(write_files(options.out, "coverage", tidy, lines(simulation, measured)), flush=True)


if __name__ == "__main__":
    main()
