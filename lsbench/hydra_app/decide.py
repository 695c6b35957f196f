"""The Hydra sweeper `decide`: batches of seeds, with a look at the questions after each."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn

from lsbench.analysis import sequential
from lsbench.analysis.evidence import DEFAULT_ALPHA
from lsbench.analysis.verdicts import BY_METRIC
from lsbench.errors import UsageError, suggest_or_list
from lsbench.hydra_app import compose
from lsbench.hydra_app.sweepers import GridSweeper, GridSweeperConf, Point, combinations
from lsbench.store.protocols import Protocol, write_protocol

log = logging.getLogger(__name__)

MOST_PAIRS = 1000  # as of budget=, see cli/decide.py
QUESTIONS = {metric.removeprefix("test_"): metric for metric in BY_METRIC}  # as a user names them


@dataclass
class DecideSweeperConf(GridSweeperConf):
    """The settings of GridSweeperConf, and the plan; ``looks`` are given or follow from ``pairs``, and
    ``seconds`` limit the time unless 0."""

    _target_: str = "hydra_plugins.lsbench.DecideSweeper"
    questions: list[str] = field(default_factory=lambda: ["accuracy", "nll_ts"])
    pairs: int = 40
    looks: list[int] = field(default_factory=list)
    seconds: float = 0.0
    restart: bool = False


class DecideSweeper(GridSweeper):
    """One cell without and one with smoothing, with the seeds of one look after another, until every question
    is settled."""

    def __init__(
        self,
        questions: Sequence[str],
        pairs: int,
        looks: Sequence[int],
        seconds: float,
        restart: bool,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.questions = tuple(dict.fromkeys(_metric(name) for name in questions))
        self.looks = _looks(looks, pairs)
        self.seconds = seconds
        self.restart = restart

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch the pairs of each look that is needed; return what their jobs returned, by look.

        Raises `UsageError` for settings with several values, and for a plan that differs from the stored one.
        """
        if self.session is None:
            raise UsageError("hydra/sweeper=decide: works in lsbench decide only")
        if self.params:
            listed = ", ".join(self.params)
            raise UsageError(f"hydra.sweeper.params ({listed}): decide has no grid; leave out experiment=")
        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(loader).parse_overrides(arguments)
        alpha, settings = _one_alpha(overrides)
        arms = _Arms(combinations(settings)[0], (0, alpha))
        jobs = compose.check(compose.compose(loader, self.config, arms.points(0, 1), 0), whole=False)
        if self.session.dry_run:
            return self._preview(arms)
        run, (plain, smoothed) = jobs[0].run, (job.cell_id for job in jobs)
        design = sequential.design(self.looks, len(self.questions))
        protocol = Protocol(
            self.questions,
            *(design.looks, design.levels, design.fixed_pairs),
            *(alpha, (plain, smoothed), self.seconds),
        )
        folder = Path(run.results_dir) / run.name
        protocol = write_protocol(folder, protocol, restart=self.restart)
        return list(self._look_by_look(protocol, folder, arms))

    def _look_by_look(self, protocol: Protocol, folder: Path, arms: "_Arms") -> Iterator[Sequence[JobReturn]]:
        """Launch the pairs of one look after another, with a line for each, while a question is open."""
        from lsbench.analysis.decisions import decide
        from lsbench.analysis.results import load_results
        from lsbench.report.decision import look_line

        started, before = time.monotonic(), 0
        for pairs in protocol.looks:
            elapsed = time.monotonic() - started
            if protocol.seconds and before and elapsed * pairs / before > protocol.seconds:
                log.info("the time is spent: %d pairs more would exceed the budget", pairs - before)
                return
            for results in self.launch([arms.points(before, pairs)], first=2 * before):
                for result in results:
                    _ = result.return_value  # raises the exception of a job that failed
                yield results
            decision = decide(protocol, load_results(folder.parent, folder.name))
            print(look_line(decision, pairs), flush=True)
            if not decision.is_open:
                return
            if not any(outcome.looks and outcome.looks[-1].difference.n for outcome in decision.outcomes):
                log.warning("no pair of runs is done, so no further look is taken")
                return
            before = pairs

    def _preview(self, arms: "_Arms") -> list[Sequence[JobReturn]]:
        """Print what the first look and all looks would train."""
        for title, pairs in (("first look", self.looks[0]), ("all looks", self.looks[-1])):
            print(f"{title}, {pairs} pairs:")
            for _ in self.launch([arms.points(0, pairs)]):
                pass
        return []


@dataclass(frozen=True)
class _Arms:
    """The overrides of the jobs: the user's ``settings``, without smoothing and with it."""

    settings: Point
    alphas: tuple[float, float]

    def points(self, first: int, end: int) -> list[Point]:
        """The jobs of the seeds from ``first`` up to ``end``, which is not among them."""
        return [
            [*self.settings, f"alpha={alpha}", f"seed={seed}"]
            for seed in range(first, end)
            for alpha in self.alphas
        ]


def _one_alpha(overrides: Sequence[Override]) -> tuple[float, list[Override]]:
    """The alpha of ``overrides``, by default `DEFAULT_ALPHA`, and the other overrides. Raises `UsageError`
    for a seed, for an alpha that is not above 0, and for a setting with several values."""
    alpha: object = DEFAULT_ALPHA
    others = []
    for override in overrides:
        key = override.key_or_group
        if key == "seed":
            raise UsageError(f"{override.input_line}: decide takes the seeds 0, 1, 2, … itself")
        if override.is_sweep_override():
            raise UsageError(f"{override.input_line}: decide compares one value of each setting with α = 0")
        if key == "alpha":
            alpha = override.value()
        else:
            others.append(override)
    if type(alpha) not in (int, float) or not 0 < float(str(alpha)) < 1:
        raise UsageError(f"alpha={alpha}: allowed is a number above 0 and below 1, to compare with α = 0")
    return float(str(alpha)), others


def _metric(name: str) -> str:
    if name not in QUESTIONS:
        raise UsageError(f"question={name}: no such question{suggest_or_list(name, QUESTIONS)}")
    return QUESTIONS[name]


def _looks(looks: Sequence[int], pairs: int) -> tuple[int, ...]:
    """``looks``, or the default ones up to ``pairs``."""
    if not looks:
        return sequential.looks_up_to(pairs)
    if list(looks) != sorted(set(looks)) or looks[0] < 3 or looks[-1] > MOST_PAIRS:
        listed = ",".join(map(str, looks))
        raise UsageError(f"looks=[{listed}]: allowed are ascending numbers of pairs, from 3 to {MOST_PAIRS}")
    return tuple(looks)
