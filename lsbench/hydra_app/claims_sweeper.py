"""The Hydra sweeper `claims`."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from lsbench.claims import all_claims, choose, measured_file
from lsbench.errors import UsageError
from lsbench.hydra_app import compose
from lsbench.hydra_app.launcher import StackedLauncher
from lsbench.hydra_app.session import MULTIRUN
from lsbench.hydra_app.sweepers import BasicSweeperConf, GridSweeper

if TYPE_CHECKING:
    from lsbench.execution import plan

log = logging.getLogger(__name__)

Point = list[str]  # of a grid: the overrides of one job


@dataclass
class ClaimsSweeperConf(BasicSweeperConf):
    """The settings under hydra.sweeper: which claims; all where none is named."""

    claims: list[str] = field(default_factory=list)


class ClaimsSweeper(GridSweeper):
    """Makes one sweep of the grids of several claims, in which a run that several ask for is one job."""

    def __init__(self, claims: Sequence[str], **settings: Any) -> None:
        super().__init__(**settings)
        self.claims = choose(claims)
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
        first = self._checked(self._grids(overrides))
        if not first:
            raise UsageError("the claims have no runs")
        second = self._checked(self._students(first, overrides))
        self.jobs = {name: [job for job, _ in (*own, *second.get(name, ()))] for name, own in first.items()}
        MULTIRUN.claims = {
            name: list(dict.fromkeys(job.run_id for job in own)) for name, own in self.jobs.items()
        }
        waves = [[pair for own in wave.values() for pair in own] for wave in (first, second)]
        if isinstance(self.launcher, StackedLauncher):  # it knows who waits for whom
            waves = [[*waves[0], *waves[1]]]
        return [part for wave in waves for part in _batches(wave, max_batch_size)]

    def _checked(self, grids: Mapping[str, Sequence[Point]]) -> "dict[str, list[tuple[plan.Job, Point]]]":
        """The points of each claim's grid with the jobs they make."""
        assert self.config is not None and self.hydra_context is not None
        points = [point for grid in grids.values() for point in grid]
        composed = compose.compose(self.hydra_context.config_loader, self.config, points, 0)
        checked = iter(compose.check(composed, whole=True))
        return {name: [(next(checked), point) for point in grid] for name, grid in grids.items()}

    def _grids(self, overrides: Sequence[Override]) -> dict[str, list[Point]]:
        """The points of each claim's own grid, of those that the model can be asked."""
        grids = {}
        for name in self.claims:
            own, students = self._params(f"claims/{name}"), self._params(all_claims()[name].students)
            if self._can_be_asked(name, {**own, **students}, overrides):
                grids[name] = self._points(f"claims/{name}", own, overrides)
        return grids

    def _students(
        self, teachers: "Mapping[str, Sequence[tuple[plan.Job, Point]]]", overrides: Sequence[Override]
    ) -> dict[str, list[Point]]:
        """The points of those claims' students, for each cell of the claim's own grid."""
        return {
            name: [
                point
                for cell in dict.fromkeys(job.cell_id for job, _ in own)
                for point in self._points(
                    experiment, {**self._params(experiment), "method.teacher": cell}, overrides
                )
            ]
            for name, own in teachers.items()
            if (experiment := all_claims()[name].students)
        }

    def _can_be_asked(self, claim: str, params: Mapping[str, str], overrides: Sequence[Override]) -> bool:
        """Whether the model has the settings that the claim varies; it is said where it lacks one."""
        assert self.config is not None
        varied = {*params, *self._set_by(params.get("method", ""))} - {"seed"}
        for override in overrides:
            key = override.key_or_group
            if key in varied:
                raise UsageError(f"{key}: the claim {claim} varies it itself; name claims that do not")
            if override.is_sweep_override() and key != "seed":
                raise UsageError(
                    f"{override.input_line}: claims are of one setting; only seed may be several"
                )
        missing = [k for k in params if k.startswith("model.") and OmegaConf.select(self.config, k) is None]
        if missing:
            log.warning("%s is left out: model=%s has no %s", claim, self.config.model.name, missing[0])
        return not missing

    def _points(
        self, experiment: str, params: Mapping[str, str], overrides: Sequence[Override]
    ) -> list[Point]:
        assert self.config is not None
        own = [f"{key}={value}" for key, value in params.items()]
        fixed = [f"experiment={experiment}", f"name={self.config.name}"]
        users = [str(o.input_line) for o in overrides if o.get_key_element() not in ("experiment", "name")]
        parsed = OverridesParser.create().parse_overrides([*own, *users, *fixed])
        return super().split_arguments(parsed, None)[0]

    def _params(self, experiment: str) -> dict[str, str]:
        """The grid of an experiment, as Hydra's sweepers take it; nothing where there is none."""
        if not experiment:
            return {}
        content = self._read(f"experiment/{experiment}")
        return {str(key): str(value) for key, value in content.hydra.sweeper.params.items()}

    def _set_by(self, methods: str) -> set[str]:
        """The settings that these methods make, given as a sweep lists them: fixed by a user, one of them
        would hold in the runs without the method too, and equals would be compared."""
        found: set[str] = set()
        for name in filter(None, methods.split(",")):
            found |= set(_keys(OmegaConf.to_container(self._read(f"method/{name}"))))
        return found

    def _read(self, path: str) -> DictConfig:
        """The yaml file ``path`` of the first folder on Hydra's search path that has it."""
        assert self.hydra_context is not None
        sources = self.hydra_context.config_loader.get_sources()
        source = next((source for source in sources if source.is_config(path)), None)
        if source is None:
            raise UsageError(f"{path}.yaml: no such file in conf/ or --config-dir")
        return cast(DictConfig, source.load_config(path).config)


def _batches(pairs: "Sequence[tuple[plan.Job, Point]]", largest: int | None) -> list[list[Point]]:
    """The points that make different runs, in batches."""
    unique = {job.run_id: point for job, point in reversed(pairs)}
    points = list(unique.values())[::-1]
    return list(map(list, GridSweeper.split_overrides_to_chunks(points, largest))) if points else []


def _keys(content: Any, prefix: str = "") -> Iterator[str]:
    """The dotted keys of nested settings."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _measure(name: str, asked: "Sequence[plan.Job]") -> None:
    from lsbench.store.files import to_csv, write_atomically

    if measure := all_claims()[name].measure:
        log.info("measuring %s", name)
        run = asked[0].run
        file = measured_file(Path(run.results_dir) / run.name, name)
        write_atomically(file, to_csv(measure(asked)))
