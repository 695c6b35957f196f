"""The jobs of a multirun, composed as Hydra composes them and checked before any of them trains.

Hydra takes 0.1 s of CPU time to compose a job. Jobs whose overrides differ in nothing but the numbers given
to knobs have configurations that differ there and where Hydra notes the overrides; so the first of them is
composed, and the others are copies with those places set (3 ms).
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.conf import HydraConf
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lsbench import config
from lsbench.errors import UsageError

if TYPE_CHECKING:
    from lsbench.execution import plan

KNOBS = ("seed", *config.KNOBS, "method.teacher_temperature")
OF_METHODS = "method.knobs"  # the others


def compose(
    loader: ConfigLoader, base: DictConfig, batch: Sequence[Sequence[str]], first: int
) -> list[DictConfig]:
    """The configuration of each job of ``batch``, which holds their overrides; ``first`` is the number of the
    first.

    Raises what Hydra raises for a job that it cannot compose.
    """
    parser = OverridesParser.create()
    parse = cache(lambda override: parser.parse_overrides([override])[0])
    models: dict[tuple[str, ...], DictConfig] = {}
    jobs = []
    for number, overrides in enumerate(batch, first):
        parsed = [parse(override) for override in overrides]
        pattern = _pattern(parsed)
        job = _copy(models[pattern], parsed) if pattern in models else None
        if job is None:
            job = loader.load_sweep_config(base, list(overrides))
        if pattern:
            models.setdefault(pattern, job)
        with open_dict(job):
            job.hydra.job.id = str(number)
            job.hydra.job.num = number
        jobs.append(job)
    return jobs


def _pattern(overrides: Sequence[Override]) -> tuple[str, ...]:
    """Equal for jobs that differ in their knobs' numbers alone; empty where the values may matter to Hydra.

    The numbers are set last, so another kind of override of a knob (``alpha=${lr}``, ``++alpha=0``) would be
    undone; and a deletion may compare what it deletes with a value.
    """
    plain = [_is_number_for_knob(override) for override in overrides]
    doubtful = (
        override.is_delete() or _is_knob(override.key_or_group) or override.key_or_group == OF_METHODS
        for override, is_plain in zip(overrides, plain, strict=True)
        if not is_plain
    )
    if any(doubtful):
        return ()
    return tuple(
        override.key_or_group if is_plain else str(override.input_line)
        for override, is_plain in zip(overrides, plain, strict=True)
    )


def _is_number_for_knob(override: Override) -> bool:
    changes = override.type is OverrideType.CHANGE and override.package is None
    return changes and _is_knob(override.key_or_group) and type(override.value()) in (int, float)


def _is_knob(key: str) -> bool:
    return key in KNOBS or key.startswith(f"{OF_METHODS}.")


def _copy(model: DictConfig, overrides: Sequence[Override]) -> DictConfig | None:
    """``model`` with the knobs of ``overrides``; None for a number of the wrong type, about which Hydra shall
    complain."""
    job = config.duplicate(model)
    try:
        for override in overrides:
            if _is_number_for_knob(override):
                OmegaConf.update(job, override.key_or_group, override.value(), merge=True)
    except OmegaConfBaseException:
        return None
    own = [override for override in overrides if not override.is_hydra_override()]
    naming = job.hydra.job.config.override_dirname
    job.hydra.overrides.task = [override.input_line for override in own]
    job.hydra.job.override_dirname = get_overrides_dirname(
        own, exclude_keys=naming.exclude_keys, item_sep=naming.item_sep, kv_sep=naming.kv_sep
    )
    return job


def are_runs(jobs: Sequence[DictConfig]) -> bool:
    """Whether these are lsbench's own, and not those of some other program that borrows a plugin."""
    return all(OmegaConf.get_type(job) is config.Run for job in jobs)


def check(jobs: Sequence[DictConfig], *, whole: bool) -> "list[plan.Job]":
    """The jobs' runs with their data; ``whole`` where they are all of their sweep. Raises `UsageError` naming
    the first job that cannot run or, of a whole sweep, a teacher from whom no job learns, before any data is
    read, and what `plan.with_data` raises."""
    from lsbench.execution import plan, teachers

    hydra = HydraConfig.instance()
    before = hydra.cfg
    try:
        checked = [_checked(job) for job in jobs]
        if whole:
            teachers.check_unused_teacher(checked)
        return plan.with_data(checked)
    finally:
        hydra.cfg = before


def _checked(job: DictConfig) -> config.Run:
    from lsbench.execution import plan

    HydraConfig.instance().cfg = cast(HydraConf, job)  # for settings that ask Hydra
    try:
        run = config.to_run(job)
        plan.check(run, here=OmegaConf.select(job, "hydra.launcher.cluster", default="local") == "local")
    except UsageError as error:
        raise UsageError(f"job {job.hydra.job.num} ({job.hydra.job.override_dirname}): {error}") from None
    return run
