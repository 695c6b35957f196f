"""The Hydra sweepers `grid` and `claims`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from lsbench import conf_dir, jobs
from lsbench.launcher import StackedLauncher
from lsbench.multirun import MULTIRUN
from lsbench.terms import UsageError

if TYPE_CHECKING:
    from lsbench import plan

log = logging.getLogger(__name__)

__all__ = ["BasicSweeperConf", "ClaimsSweeper", "ClaimsSweeperConf", "GridSweeper"]


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, except that it checks every job of the whole grid before any trains, whichever
    launcher runs them and in however many batches."""

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Raises `UsageError` for a grid without a point, of which Hydra would say nothing."""
        batches = BasicSweeper.split_arguments(overrides, max_batch_size)
        if not any(batches):
            raise UsageError("the sweep has no runs")
        return batches

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Called with each ``batch`` before its launch, to compose its jobs. A single batch for `stacked` is
        left to that launcher's own check.

        Raises `UsageError` naming the first job of the grid that cannot run.
        """
        assert self.config is not None and self.hydra_context is not None and self.overrides is not None
        if self.batch_index > 1 or (len(self.overrides) == 1 and isinstance(self.launcher, StackedLauncher)):
            return
        grid = [overrides for part in self.overrides for overrides in part]
        composed = jobs.compose(self.hydra_context.config_loader, self.config, grid, 0)
        if jobs.are_runs(composed):
            MULTIRUN.add(jobs.check(composed))
            MULTIRUN.write()


@dataclass
class ClaimsSweeperConf(BasicSweeperConf):
    """The settings under hydra.sweeper: which claims."""

    claims: list[str] = field(default_factory=list)


class ClaimsSweeper(GridSweeper):
    """Makes one sweep of the grids of several claims, in which a run that several ask for is one job."""

    def __init__(self, claims: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.claims = claims
        self.jobs: dict[str, list[plan.Job]] = {}

    def sweep(self, arguments: list[str]) -> Any:
        """Train what is not stored, then let those claims measure that have something to time."""
        returned = super().sweep(arguments)
        if not MULTIRUN.dry_run:
            for name, asked in self.jobs.items():
                _measure(name, asked)
        return returned

    def split_arguments(  # type: ignore[override]  # Hydra calls it on the object: its settings are there
        self, overrides: list[Override], max_batch_size: int | None
    ) -> list[list[list[str]]]:
        """The jobs of all grids, each point of which takes the user's ``overrides``, in batches.

        Raises `UsageError` for a setting that a claim varies itself, and for what `jobs.check` finds wrong.
        """
        assert self.config is not None and self.hydra_context is not None
        loader = self.hydra_context.config_loader
        grids = {name: grid for name in self.claims if (grid := self._grid(name, overrides))}
        if not grids:
            raise UsageError("the claims have no runs")
        points = [point for grid in grids.values() for point in grid]
        checked = jobs.check(jobs.compose(loader, self.config, points, 0))
        ends = [0, *accumulate(map(len, grids.values()))]
        self.jobs = {name: checked[low:high] for name, (low, high) in zip(grids, pairwise(ends), strict=True)}
        MULTIRUN.claims = {name: [job.run_id for job in asked] for name, asked in self.jobs.items()}
        unique = {job.run_id: point for job, point in zip(reversed(checked), reversed(points), strict=True)}
        batch = list(unique.values())[::-1]
        return list(map(list, BasicSweeper.split_overrides_to_chunks(batch, max_batch_size)))

    def _grid(self, claim: str, overrides: Sequence[Override]) -> list[list[str]]:
        """The points of the claim's grid; none where its model lacks a setting that the claim varies."""
        assert self.config is not None
        params = _params(claim)
        for override in overrides:
            key = override.key_or_group
            if key in params and key != "seed":
                raise UsageError(f"{key}: the claim {claim} varies it itself; name claims that do not")
            if override.is_sweep_override() and key != "seed":
                raise UsageError(
                    f"{override.input_line}: claims are of one setting; only seed may be several"
                )
        missing = [k for k in params if k.startswith("model.") and OmegaConf.select(self.config, k) is None]
        if missing:
            log.warning("%s is left out: model=%s has no %s", claim, self.config.model.name, missing[0])
            return []
        own = [f"{key}={value}" for key, value in params.items()]
        fixed = [f"experiment=claims/{claim}", f"name={self.config.name}"]
        users = [str(o.input_line) for o in overrides if o.get_key_element() not in ("experiment", "name")]
        parsed = OverridesParser.create().parse_overrides([*own, *users, *fixed])
        return super().split_arguments(parsed, None)[0]


def _params(claim: str) -> dict[str, str]:
    """The grid of a claim, as Hydra's sweepers take it."""
    content = OmegaConf.load(conf_dir() / "experiment" / "claims" / f"{claim}.yaml")
    return {str(key): str(value) for key, value in content.hydra.sweeper.params.items()}


def _measure(name: str, asked: "Sequence[plan.Job]") -> None:
    from lsbench import report
    from lsbench.claims import all_claims, measured_file
    from lsbench.storage import write_atomically

    if measure := all_claims()[name].measure:
        log.info("measuring %s", name)
        run = asked[0].run
        file = measured_file(Path(run.results_dir) / run.name, name)
        write_atomically(file, report.to_csv(measure(asked)))
