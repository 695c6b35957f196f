"""The Hydra sweepers `grid` (every combination) and `claims` (the grids of several claims as one sweep)."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from lsbench.claims import all_claims, choose
from lsbench.errors import UsageError
from lsbench.hydra_app import compose
from lsbench.hydra_app.launcher import StackedLauncher
from lsbench.hydra_app.session import session_of

if TYPE_CHECKING:
    from lsbench.execution import plan

log = logging.getLogger(__name__)

Point = list[str]  # of a grid: the overrides of one job


@dataclass
class GridSweeperConf:
    """The settings under hydra.sweeper, those of Hydra's own sweeper `basic`."""

    _target_: str = "hydra_plugins.lsbench.GridSweeper"
    max_batch_size: int | None = None
    params: dict[str, str] | None = None


@dataclass
class ClaimsSweeperConf(GridSweeperConf):
    """The settings of GridSweeperConf, and the names of claims; an empty list means all claims."""

    _target_: str = "hydra_plugins.lsbench.ClaimsSweeper"
    claims: list[str] = field(default_factory=list)


class GridSweeper(Sweeper):
    """Hydra's sweeper `basic`, with one difference: every job of the grid is checked before any trains,
    whichever launcher runs them and in however many batches."""

    def __init__(self, max_batch_size: int | None = None, params: Mapping[str, str] | None = None) -> None:
        self.max_batch_size = max_batch_size
        self.params = dict(params or {})

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context: HydraContext = hydra_context
        self.config: DictConfig = config
        self.session = session_of(task_function)
        if self.max_batch_size is not None and self.max_batch_size < 1:
            given = f"hydra.sweeper.max_batch_size={self.max_batch_size}"
            raise UsageError(f"{given}: allowed is null or a whole number of at least 1")
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch the grid in batches; return what its jobs returned, by batch.

        Raises `UsageError` for an empty grid and for the first job that cannot run.
        """
        given = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        batches = self.batches(
            OverridesParser.create(self.hydra_context.config_loader).parse_overrides(given)
        )
        if not any(batches):
            raise UsageError("the sweep has no runs")
        returned = []
        for results in self.launch(batches):
            for result in results:
                _ = result.return_value  # raises the exception of a job that failed
            returned.append(results)
        return returned

    def batches(self, overrides: Sequence[Override]) -> list[list[Point]]:
        """Every combination of the values in ``overrides``, in batches of at most max_batch_size jobs."""
        return self._in_batches(combinations(overrides))

    def _in_batches(self, points: Sequence[Point]) -> list[list[Point]]:
        size = self.max_batch_size or max(len(points), 1)
        return [list(points[start : start + size]) for start in range(0, len(points), size)]

    def launch(self, batches: Sequence[Sequence[Point]], first: int = 0) -> Iterator[Sequence[JobReturn]]:
        """Check the jobs of ``batches``, of which the first has the number ``first``, and launch them."""
        assert self.launcher is not None
        starts = list(itertools.accumulate(map(len, batches), initial=first))
        if self.session is None:
            self._save_config()
            for batch, start in zip(batches, starts, strict=False):
                self.validate_batch_is_legal(batch)
                yield self.launcher.launch(batch, initial_job_idx=start)
            return
        points = [point for batch in batches for point in batch]
        composed = compose.compose(self.hydra_context.config_loader, self.config, points, first)
        jobs = compose.check(composed, whole=True)
        self.session.add(jobs)
        self._save_config()
        for batch, start in zip(batches, starts, strict=False):
            if isinstance(self.launcher, StackedLauncher):
                part = slice(start - first, start - first + len(batch))
                yield self.launcher.launch_composed(composed[part], jobs[part], start)
            else:
                yield self.launcher.launch(batch, initial_job_idx=start)

    def _save_config(self) -> None:
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")


def combinations(overrides: Sequence[Override]) -> list[Point]:
    """The product of the overrides' values; of a key that is given twice the last counts, as in Hydra.

    Raises `UsageError` for interval() and other values of searching sweepers.
    """
    values: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise UsageError(
                f"{override.input_line}: a grid takes lists and range(); interval() is for a searching "
                "sweeper such as hydra/sweeper=optuna"
            )
    return [list(point) for point in itertools.product(*values.values())]


class ClaimsSweeper(GridSweeper):
    """One sweep of the grids of several claims, in which a run that several claims need is one job."""

    def __init__(self, claims: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self.claims = list(claims)
        self.jobs: dict[str, list[plan.Job]] = {}

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Train what is not stored, then take the measurements of the claims that are timed."""
        returned = super().sweep(arguments)
        if self.session and not self.session.dry_run:
            for name, jobs in self.jobs.items():
                _measure(name, jobs)
        return returned

    def batches(self, overrides: Sequence[Override]) -> list[list[Point]]:
        """The jobs of all grids, each with the user's ``overrides``, in batches.

        Raises `UsageError` for a setting that a claim varies itself, and whatever `compose.check` raises.
        """
        if self.session is None:
            raise UsageError("hydra/sweeper=claims: works in the commands of lsbench only")
        self.claims = choose(self.claims)
        grids = self._checked(self._grids(overrides))
        if not grids:
            raise UsageError("the claims have no runs")
        students = self._checked(self._students(grids, overrides))
        for name, pairs in grids.items():
            self.jobs[name] = [job for job, _ in (*pairs, *students.get(name, ()))]
            self.session.claims[name] = list(dict.fromkeys(job.run_id for job in self.jobs[name]))
        first, second = ([pair for pairs in part.values() for pair in pairs] for part in (grids, students))
        if isinstance(self.launcher, StackedLauncher):  # trains teachers first, so one launch has all
            return self._in_batches(_unique([*first, *second]))
        return self._in_batches(_unique(first)) + self._in_batches(_unique(second))

    def _checked(self, grids: Mapping[str, Sequence[Point]]) -> "dict[str, list[tuple[plan.Job, Point]]]":
        """The points of each claim's grid with the jobs they make."""
        points = [point for grid in grids.values() for point in grid]
        composed = compose.compose(self.hydra_context.config_loader, self.config, points, 0)
        checked = iter(compose.check(composed, whole=True))
        return {name: [(next(checked), point) for point in grid] for name, grid in grids.items()}

    def _grids(self, overrides: Sequence[Override]) -> dict[str, list[Point]]:
        """The grid of each claim that the model has the settings for."""
        grids = {}
        for name in self.claims:
            params, students = self._params(f"claims/{name}"), self._params(all_claims()[name].students)
            if self._is_possible(name, {**params, **students}, overrides):
                grids[name] = self._points(f"claims/{name}", params, overrides)
        return grids

    def _students(
        self, grids: "Mapping[str, Sequence[tuple[plan.Job, Point]]]", overrides: Sequence[Override]
    ) -> dict[str, list[Point]]:
        """The students of each claim that has some: one grid for each cell of teachers."""
        students: dict[str, list[Point]] = {}
        for name, pairs in grids.items():
            if experiment := all_claims()[name].students:
                students[name] = []
                for cell in dict.fromkeys(job.cell_id for job, _ in pairs):
                    params = {**self._params(experiment), "method.teacher": cell}
                    students[name] += self._points(experiment, params, overrides)
        return students

    def _is_possible(self, claim: str, params: Mapping[str, str], overrides: Sequence[Override]) -> bool:
        """Return whether the model has the settings that the claim varies, and log the one it lacks.

        Raises `UsageError` for an override of such a setting, and for several values of any but the seed.
        """
        varied = {*params, *self._set_by(params.get("method", ""))} - {"seed"}
        for override in overrides:
            key = override.key_or_group
            if key in varied:
                raise UsageError(f"{key}: the claim {claim} varies it itself; name claims that do not")
            if override.is_sweep_override() and key != "seed":
                raise UsageError(
                    f"{override.input_line}: a claim is tested at one value of each setting; only seed may "
                    "have several"
                )
        missing = [k for k in params if k.startswith("model.") and OmegaConf.select(self.config, k) is None]
        if missing:
            log.warning("%s is left out: model=%s has no %s", claim, self.config.model.name, missing[0])
        return not missing

    def _points(
        self, experiment: str, params: Mapping[str, str], overrides: Sequence[Override]
    ) -> list[Point]:
        grid = [f"{key}={value}" for key, value in params.items()]
        fixed = [f"experiment={experiment}", f"name={self.config.name}"]
        given = [str(o.input_line) for o in overrides if o.get_key_element() not in ("experiment", "name")]
        return combinations(OverridesParser.create().parse_overrides([*grid, *given, *fixed]))

    def _params(self, experiment: str) -> dict[str, str]:
        """The grid of an experiment, as Hydra's sweepers take it; empty for no experiment."""
        if not experiment:
            return {}
        content = self._read(f"experiment/{experiment}")
        return {str(key): str(value) for key, value in content.hydra.sweeper.params.items()}

    def _set_by(self, methods: str) -> set[str]:
        """The keys that the yaml files of ``methods`` set, a list as a sweep has it.

        If a user fixed one of them, it would hold in the runs without the method too, and the claim would
        compare equal runs.
        """
        keys: set[str] = set()
        for name in filter(None, methods.split(",")):
            keys |= set(_dotted_keys(OmegaConf.to_container(self._read(f"method/{name}"))))
        return keys

    def _read(self, path: str) -> DictConfig:
        """The yaml file ``path`` of the first folder on Hydra's search path that has it."""
        sources = self.hydra_context.config_loader.get_sources()
        source = next((source for source in sources if source.is_config(path)), None)
        if source is None:
            raise UsageError(f"{path}.yaml: no such file in conf/ or --config-dir")
        return cast(DictConfig, source.load_config(path).config)


def _unique(pairs: "Sequence[tuple[plan.Job, Point]]") -> list[Point]:
    """One point of each run; the runs are ordered by their last occurrence."""
    points = {job.run_id: point for job, point in reversed(pairs)}
    return list(points.values())[::-1]


def _dotted_keys(content: Any, prefix: str = "") -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _dotted_keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _measure(name: str, jobs: "Sequence[plan.Job]") -> None:
    """Write the table that the claim's own `measure` returns for its jobs, if it has one."""
    from lsbench.store.files import to_csv, write_atomically
    from lsbench.store.sweeps import measured_file

    if measure := all_claims()[name].measure:
        log.info("measuring %s", name)
        run = jobs[0].run
        write_atomically(measured_file(Path(run.results_dir) / run.name, name), to_csv(measure(jobs)))
