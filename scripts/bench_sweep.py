"""Measure lsbench beside other strategies for training the same runs; write results/benchmarks/sweep.*

    python scripts/bench_sweep.py                   # everything, about ten minutes on two cores
    python scripts/bench_sweep.py --quick           # a short trial, whose figures mean nothing
    python scripts/bench_sweep.py --only mlp        # of mlp, resnet8, command, parity

The strategies take turns (A B C D A B C D ...), each in a separate process, and every ratio is taken within
a turn. CPU seconds are those of the process and its children. The images are random, of MNIST's shape; parity
needs MNIST itself, and is left out if it is not on this machine.
"""

import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import product
from statistics import mean

import baseline_loader
import numpy as np
import torch
from bench_common import Cost, Row, cost_of_python, parser, spread, write
from bench_strategies import CORES, FORK, Strategy, executed, loader, sequential, stacked, take_turns, train
from hydra import compose, initialize_config_dir
from scipy import stats

from lsbench import conf_dir, config, metrics
from lsbench.config import Run
from lsbench.data import load
from lsbench.errors import DataError
from lsbench.hydra_app import plugins
from lsbench.terms import Splits

COMPARE = {"alpha": (0, 0.05, 0.1, 0.15, 0.2), "method": ("none", "dropout", "augment"), "seed": range(5)}

MLP = (
    Strategy("loader", loader, 1, 1),
    Strategy("loader, 2 workers", partial(loader, workers=2), 1, 1),
    Strategy("sequential", sequential, 1, 2),
    Strategy("stack", stacked, 1, 40, 40),
    Strategy("stack", stacked, CORES, 40, 40),
    Strategy("executor=pool", partial(executed, executor="pool"), 1, 40, 40 // CORES),
)
RESNET8 = (
    Strategy("loader", loader, 1, 1),
    Strategy("sequential", sequential, 1, 1),
    Strategy("executor=stack", partial(executed, executor="stack"), CORES, 2 * CORES),
    Strategy("executor=pool", partial(executed, executor="pool"), 1, 2 * CORES),
)


def run_of(*overrides: str) -> Run:
    """The run that `lsbench train` makes of these settings."""
    return config.to_run(compose("train", overrides=list(overrides)))


def noise(rows: int) -> Splits:
    """Random images of MNIST's shape: ``rows``, and 600 more for select, calibrate and test."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (rows + 600, 1, 28, 28), dtype=np.uint8)
    return Splits(images, random.integers(0, 10, rows + 600), None, None, tuple("0123456789"))


def bench_mlp(turns: int, quick: bool) -> list[Row]:
    """Forty perceptrons in five strategies; like the other parts, ratios first."""
    costs, rows = _bench("mlp", MLP, turns, rows=640 if quick else 3200, epochs=2 if quick else 10)
    loop, resident, together = costs["loader", 1], costs["sequential", 1], costs["stack", 1]
    return [
        _ratio("MLP: resident run over DataLoader loop, cpu", loop, resident, 8),
        _ratio("MLP: stack of 40 over resident run, cpu", resident, together, 1.5),
        _ratio("MLP: stack of 40 over DataLoader loop, cpu", loop, together, 15),
        *rows,
    ]


def bench_resnet8(turns: int, quick: bool) -> list[Row]:
    """ResNet-8 in four strategies."""
    costs, rows = _bench("resnet8", RESNET8, turns, rows=128 if quick else 640, epochs=2)
    loop, resident = costs["loader", 1], costs["sequential", 1]
    threads, pool = costs["executor=stack", CORES], costs["executor=pool", 1]
    return [
        _ratio("ResNet-8: executor=pool over executor=stack with all threads, wall", threads, pool, 1.5),
        _ratio("ResNet-8: resident run over DataLoader loop, cpu", loop, resident),
        *rows,
    ]


Costs = dict[tuple[str, int], list[Cost]]


def _bench(
    model: str, strategies: Sequence[Strategy], turns: int, rows: int, epochs: int
) -> tuple[Costs, list[Row]]:
    """Costs of one epoch of one run, by strategy and threads, and the rows that show them."""
    sizes = ["data.name=noise", "data.select=200", "data.calibrate=200", "data.test=200"]
    settings = [f"model={model}", *sizes, f"epochs={epochs}", "alpha=0.1", "device=cpu"]
    runs = [
        run_of(*settings, f"seed={seed}") for seed in range(max(strategy.runs for strategy in strategies))
    ]
    print(f"{model}:", ", ".join(f"{strategy.name} ({strategy.threads})" for strategy in strategies))
    table, by_strategy = [], {}
    for used, costs in zip(strategies, take_turns(strategies, runs, noise(rows), turns), strict=True):
        row = partial(
            Row, model=model, strategy=used.name, threads=used.threads, members=used.members, unit="s"
        )
        share = used.runs * epochs
        by_strategy[used.name, used.threads] = [
            Cost(cost.cpu / share, cost.wall / share) for cost in costs[1:]
        ]
        for clock in ("cpu", "wall"):
            first, *seconds = [getattr(cost, clock) for cost in costs]
            table += [
                row(what=f"{clock}, a run-epoch", **spread([value / share for value in seconds])),
                row(what=f"{clock}, sweep of {used.runs} runs x {epochs} epochs", **spread(seconds)),
                row(what=f"{clock}, first pass over that sweep", **spread([first])),
            ]
    return by_strategy, table


def _ratio(what: str, slow: list[Cost], fast: list[Cost], goal: float | None = None) -> Row:
    """The ratio of ``slow`` to ``fast`` in each turn. ``what`` ends in the clock to compare: cpu or wall."""
    clock = what.rpartition(" ")[2]
    ratios = [getattr(a, clock) / getattr(b, clock) for a, b in zip(slow, fast, strict=True)]
    return Row(what=what, unit="times", goal=goal, **spread(ratios))


def bench_command(turns: int, quick: bool) -> list[Row]:
    """`lsbench compare` on its 75 runs, with one epoch of 128 rows each, and then once more.

    Its overhead is the time beyond importing torch and beyond training the same stacks without a command.
    """
    small = ["epochs=1", "data.train=128", "device=cpu"]
    grid = [dict(zip(COMPARE, values, strict=True)) for values in product(*COMPARE.values())]
    runs = [run_of(*small, *(f"{key}={value}" for key, value in cell.items())) for cell in grid]
    training = Strategy("stack", stacked, 1, len(runs))
    [trained] = take_turns([training], runs, load(runs[0].data), turns)
    imports, fresh, again = [], [], []
    for turn in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            imports.append(cost_of_python("-c", "import torch"))
            command = ["-m", "lsbench", "compare", *small, f"results_dir={folder}"]
            fresh.append(cost_of_python(*command))
            again.append(cost_of_python(*command))
        print(f"  turn {turn}: import {imports[-1]}, compare {fresh[-1]}, again {again[-1]}", flush=True)
    overhead = [
        (command.cpu - importing.cpu - alone.cpu) / len(runs)
        for importing, command, alone in zip(imports, fresh, trained[1:], strict=True)
    ]
    rerun = [command.wall - importing.wall for importing, command in zip(imports, again, strict=True)]
    row = partial(Row, model="mlp", strategy="lsbench compare", threads=1, unit="s")
    goal = partial(Row, unit="s", at_most=True)
    return [
        goal("overhead a run of 75, cpu", goal=0.15, **spread(overhead)),
        goal("75 finished runs again, beyond importing torch, wall", goal=5, **spread(rerun)),
        row("cpu, whole command", **spread([cost.cpu for cost in fresh])),
        row("wall, whole command", **spread([cost.wall for cost in fresh])),
        row("cpu, importing torch (taken off)", **spread([cost.cpu for cost in imports])),
        row("wall, importing torch (taken off)", **spread([cost.wall for cost in imports])),
        row("cpu, training alone (taken off)", **spread([cost.cpu for cost in trained[1:]])),
    ]


def bench_parity(turns: int, quick: bool) -> list[Row]:
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
        baseline = workers.map_async(partial(baseline_loader.train, splits=splits), runs, chunksize=1)
        ours = workers.map(partial(_accuracy, splits=splits), runs, chunksize=1)
        loop, resident = [100 * value for value in baseline.get()], [100 * value for value in ours]
    differences = [b - a for a, b in zip(loop, resident, strict=True)]
    centre = mean(differences)
    low, high = stats.t.interval(0.95, len(runs) - 1, centre, stats.sem(differences))
    row = partial(Row, model="mlp", threads=1, members=1, unit="%")
    within = {"median": centre, "min": low, "max": high, "goal": 0.0, "ok": bool(low <= 0 <= high)}
    what = f"test accuracy, MNIST, {runs[0].epochs} epochs, {len(runs)} seeds"
    return [
        Row("MNIST accuracy, lsbench - DataLoader loop: mean, 95 % interval", unit="points", **within),
        row(what, strategy="loader", **spread(loop)),
        row(what, strategy="sequential", **spread(resident)),
    ]


def _accuracy(run: Run, splits: Splits) -> float:
    trained = train([run], splits)
    return float(metrics.measure(trained.logits["test"], trained.labels["test"])["accuracy"])


def main() -> None:
    options_of = parser(__doc__, turns=5)
    options_of.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    options = options_of.parse_args()
    torch.set_num_threads(1)  # a process that has used threads cannot be forked safely
    plugins.register()
    turns = 1 if options.quick else options.turns
    rows: list[Row] = []
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for part in options.only:  # written after each part, so that an interruption keeps what was measured
            rows += PARTS[part](turns, options.quick)
            write(options.out, "sweep", rows)


PARTS = {"mlp": bench_mlp, "resnet8": bench_resnet8, "command": bench_command, "parity": bench_parity}

if __name__ == "__main__":
    main()
