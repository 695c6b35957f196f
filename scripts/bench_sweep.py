"""Measures lsbench side by side with other ways of training the same runs; writes results/benchmarks/sweep.*

    python scripts/bench_sweep.py                   # everything, about ten minutes on two cores
    python scripts/bench_sweep.py --quick           # does it run? Its figures mean nothing
    python scripts/bench_sweep.py --only mlp        # of mlp, resnet8, command, parity

The ways take turns (A B C D A B C D ...), each in a process of its own, and every ratio is taken within a
turn. CPU seconds are those of the process and its children. The images are random, of MNIST's shape, for both
models; only parity needs MNIST, and is left out where there is none.
"""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import product
from statistics import mean

import numpy as np
import baseline_loader
import torch
from bench_cost import Cost, of_command
from bench_common import Row, spread, write
from bench_strategies import (
    CORES,
    FORK,
    Way,
    executed,
    loader,
    sequential,
    stacked,
    take_turns,
    train,
)
from hydra import compose, initialize_config_dir
from scipy import stats

from lsbench import conf_dir, config, metrics
from lsbench.config import Run
from lsbench.data import load
from lsbench.errors import DataError
from lsbench.hydra_app import plugins
from lsbench.terms import Splits

PARTS = ("mlp", "resnet8", "command", "parity")
COMPARE = {"alpha": (0, 0.05, 0.1, 0.15, 0.2), "method": ("none", "dropout", "augment"), "seed": range(5)}


MLP = (
    Way("loader", loader, 1, 1),
    Way("loader, 2 workers", partial(loader, workers=2), 1, 1),
    Way("sequential", sequential, 1, 2),
    Way("stack", stacked, 1, 40, 40),
    Way("stack", stacked, CORES, 40, 40),
    Way("executor=pool", partial(executed, executor="pool"), 1, 40, 40 // CORES),
)
RESNET8 = (
    Way("loader", loader, 1, 1),
    Way("sequential", sequential, 1, 1),
    Way("executor=stack", partial(executed, executor="stack"), CORES, 2 * CORES),
    Way("executor=pool", partial(executed, executor="pool"), 1, 2 * CORES),
)


def run_of(*overrides: str) -> Run:
    """The run that `lsbench train` would make of these settings."""
    return config.to_run(compose("train", overrides=list(overrides)))


def noise(rows: int) -> Splits:
    """MNIST's shape without MNIST: ``rows`` random images, and 600 more for select, calibrate and test."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (rows + 600, 1, 28, 28), dtype=np.uint8)
    return Splits(images, random.integers(0, 10, rows + 600), None, None, tuple("0123456789"))


# The parts of the benchmark: each returns its rows, ratios first


def bench_mlp(repeats: int, quick: bool) -> list[Row]:
    costs, rows = _bench("mlp", MLP, repeats, rows=640 if quick else 3200, epochs=2 if quick else 10)
    loop, resident, together = (costs[name, 1] for name in ("loader", "sequential", "stack"))
    return [
        _ratio("MLP: resident run over DataLoader loop, cpu", loop, resident, 8),
        _ratio("MLP: stack of 40 over resident run, cpu", resident, together, 1.5),
        _ratio("MLP: stack of 40 over DataLoader loop, cpu", loop, together, 15),
        *rows,
    ]


def bench_resnet8(repeats: int, quick: bool) -> list[Row]:
    costs, rows = _bench("resnet8", RESNET8, repeats, rows=128 if quick else 640, epochs=2)
    loop, resident = costs["loader", 1], costs["sequential", 1]
    return [
        _ratio(
            "ResNet-8: executor=pool over executor=stack with all threads, wall",
            costs["executor=stack", CORES],
            costs["executor=pool", 1],
            1.5,
        ),
        _ratio("ResNet-8: resident run over DataLoader loop, cpu", loop, resident),
        *rows,
    ]


Costs = dict[tuple[str, int], list[Cost]]


def _bench(model: str, ways: Sequence[Way], repeats: int, rows: int, epochs: int) -> tuple[Costs, list[Row]]:
    """Costs of a run-epoch by way and threads, and the rows that show them."""
    sizes = ["data.name=noise", "data.select=200", "data.calibrate=200", "data.test=200"]
    settings = [f"model={model}", *sizes, f"epochs={epochs}", "alpha=0.1", "device=cpu"]
    runs = [run_of(*settings, f"seed={seed}") for seed in range(max(way.runs for way in ways))]
    print(f"{model}:", ", ".join(f"{way.name} ({way.threads})" for way in ways))
    table, found = [], {}
    for way, costs in zip(ways, take_turns(ways, runs, noise(rows), repeats), strict=True):
        row = partial(Row, model=model, way=way.name, threads=way.threads, members=way.members, unit="s")
        share = way.runs * epochs
        found[way.name, way.threads] = [Cost(cost.cpu / share, cost.wall / share) for cost in costs[1:]]
        for clock in ("cpu", "wall"):
            first, *seconds = [getattr(cost, clock) for cost in costs]
            table += [
                row(what=f"{clock}, a run-epoch", **spread([value / share for value in seconds])),
                row(what=f"{clock}, sweep of {way.runs} runs x {epochs} epochs", **spread(seconds)),
                row(what=f"{clock}, first pass over that sweep", **spread([first])),
            ]
    return found, table


def _ratio(what: str, slow: list[Cost], fast: list[Cost], goal: float | None = None) -> Row:
    """How many times faster, turn by turn. ``what`` ends in the clock that is compared: cpu or wall."""
    clock = what.rpartition(" ")[2]
    ratios = [getattr(a, clock) / getattr(b, clock) for a, b in zip(slow, fast, strict=True)]
    return Row(what=what, unit="times", goal=goal, **spread(ratios))


def bench_command(repeats: int, quick: bool) -> list[Row]:
    """`lsbench compare` on its 75 runs, with one epoch of 128 rows each, and then once more.

    Its overhead is what it takes beyond importing torch and beyond the same stacks in `loop.train` alone.
    """
    small = ["epochs=1", "data.train=128", "device=cpu"]
    grid = [dict(zip(COMPARE, values, strict=True)) for values in product(*COMPARE.values())]
    runs = [run_of(*small, *(f"{key}={value}" for key, value in cell.items())) for cell in grid]
    training = Way("stack", stacked, 1, len(runs))
    trained, *_ = take_turns([training], runs, load(runs[0].data), repeats)
    imports, fresh, again = [], [], []
    for turn in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            imports.append(of_command("-c", "import torch"))
            command = ["-m", "lsbench", "compare", *small, f"results_dir={folder}"]
            fresh.append(of_command(*command))
            again.append(of_command(*command))
        print(f"  turn {turn}: import {imports[-1]}, compare {fresh[-1]}, again {again[-1]}", flush=True)
    turns = list(zip(imports, fresh, again, trained[1:], strict=True))
    overhead = [(whole.cpu - torch_.cpu - alone.cpu) / len(runs) for torch_, whole, _, alone in turns]
    rerun = [second.wall - torch_.wall for torch_, _, second, _ in turns]
    row = partial(Row, model="mlp", way="lsbench compare", threads=1, unit="s")
    return [
        Row("overhead a run of 75, cpu", unit="s", goal=0.15, least=False, **spread(overhead)),
        Row(
            "75 finished runs again, beyond importing torch, wall",
            unit="s",
            goal=5,
            least=False,
            **spread(rerun),
        ),
        row("cpu, whole command", **spread([cost.cpu for cost in fresh])),
        row("wall, whole command", **spread([cost.wall for cost in fresh])),
        row("cpu, importing torch (taken off)", **spread([cost.cpu for cost in imports])),
        row("wall, importing torch (taken off)", **spread([cost.wall for cost in imports])),
        row("cpu, training alone (taken off)", **spread([cost.cpu for cost in trained[1:]])),
    ]


def bench_parity(repeats: int, quick: bool) -> list[Row]:
    """Test accuracy of the DataLoader loop and of lsbench on MNIST: same splits and settings, five seeds."""
    runs = [run_of("data=mnist", "epochs=2", "alpha=0.1", "device=cpu", f"seed={seed}") for seed in range(5)]
    try:
        splits = load(runs[0].data)
    except DataError as error:
        print(f"parity is left out: {error}")
        return []
    if quick:
        runs = [run_of("data=mnist", "data.train=1000", "epochs=1", f"seed={seed}") for seed in range(2)]
    with FORK.Pool(CORES, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        theirs = workers.map_async(partial(baseline_loader.train, splits=splits), runs, chunksize=1)
        ours = workers.map(partial(_accuracy, splits=splits), runs, chunksize=1)
        percent = [[100 * value for value in values] for values in (theirs.get(), ours)]
    loop, resident = percent
    differences = [b - a for a, b in zip(loop, resident, strict=True)]
    centre = mean(differences)
    low, high = stats.t.interval(0.95, len(runs) - 1, centre, stats.sem(differences))
    row = partial(Row, model="mlp", threads=1, members=1, unit="%")
    within = {"median": centre, "min": low, "max": high, "goal": 0.0, "ok": bool(low <= 0 <= high)}
    what = f"test accuracy, MNIST, {runs[0].epochs} epochs, {len(runs)} seeds"
    return [
        Row("MNIST accuracy, lsbench - DataLoader loop: mean, 95 % interval", unit="points", **within),
        row(what, way="loader", **spread(loop)),
        row(what, way="sequential", **spread(resident)),
    ]


def _accuracy(run: Run, splits: Splits) -> float:
    trained = train([run], splits)
    return float(metrics.measure(trained.logits["test"], trained.labels["test"])["accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--repeats", type=int, default=5, help="turns after the warm-up (default 5)")
    parser.add_argument("--quick", action="store_true", help="little data and one turn")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {PARTS}")
    parser.add_argument("--out", default="results/benchmarks", help="folder (default results/benchmarks)")
    options = parser.parse_args()
    torch.set_num_threads(1)  # a process that has used threads cannot be forked safely
    plugins.register()
    parts = {"mlp": bench_mlp, "resnet8": bench_resnet8, "command": bench_command, "parity": bench_parity}
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        repeats = 1 if options.quick else options.repeats
        rows: list[Row] = []
        for part in options.only:  # written after each part, so that a stop keeps what was measured
            rows += parts[part](repeats, options.quick)
            write(options.out, "sweep", rows, shlex.join(["python", *sys.argv]))


if __name__ == "__main__":
    main()
