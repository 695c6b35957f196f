"""Composition of a multirun's jobs, and the check of every job before any of them trains.

Hydra takes 0.1 s of CPU time to compose a job. Jobs whose overrides differ only in numbers of
`MEMBER_SETTINGS` have configurations that differ only in those and where Hydra stores the overrides. So Hydra
composes the first of them, and the others are copies of it with these values set (3 ms).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, cast

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

MEMBER_SETTINGS = ("seed", *config.KNOBS, "method.teacher_temperature")
METHOD_KNOBS_GROUP = "method.knobs"  # the group of all other knobs


@contextmanager
def hydra_config(composed: DictConfig | None) -> Iterator[None]:
    """Make ``composed`` the configuration that ${hydra:...} is within the block; None leaves it unset."""
    hydra = HydraConfig.instance()
    before, hydra.cfg = hydra.cfg, cast(HydraConf, composed)
    try:
        yield
    finally:
        hydra.cfg = before


def compose(
    loader: ConfigLoader, base: DictConfig, batch: Sequence[Sequence[str]], first: int
) -> list[DictConfig]:
    """Compose the jobs whose overrides are in ``batch``; the first of them has the number ``first``.

    Raises Hydra's own error for a job that it cannot compose.
    """
    parser = OverridesParser.create()
    parse = cache(lambda override: parser.parse_overrides([override])[0])
    composed: dict[tuple[str, ...], DictConfig] = {}
    jobs = []
    for number, overrides in enumerate(batch, first):
        parsed = [parse(override) for override in overrides]
        pattern = _pattern(parsed)
        job = _copy(composed[pattern], parsed) if pattern in composed else None
        if job is None:
            job = loader.load_sweep_config(base, list(overrides))
        if pattern:
            composed.setdefault(pattern, job)
        with open_dict(job):
            job.hydra.job.id = str(number)
            job.hydra.job.num = number
        jobs.append(job)
    return jobs


def _pattern(overrides: Sequence[Override]) -> tuple[str, ...]:
    """A key, equal for jobs that differ only in numbers of `MEMBER_SETTINGS`; empty if Hydra must compose.

    A copy sets the numbers last, so it would undo another kind of override of one (``alpha=${lr}``,
    ``++alpha=0``); and a deletion may depend on the value that it deletes.
    """
    others = [override for override in overrides if not _is_number_for_member_setting(override)]
    if any(
        o.is_delete() or _is_member_setting(o.key_or_group) or o.key_or_group == METHOD_KNOBS_GROUP
        for o in others
    ):
        return ()
    return tuple(
        override.key_or_group if _is_number_for_member_setting(override) else str(override.input_line)
        for override in overrides
    )


def _is_number_for_member_setting(override: Override) -> bool:
    changes = override.type is OverrideType.CHANGE and override.package is None
    return changes and _is_member_setting(override.key_or_group) and type(override.value()) in (int, float)


def _is_member_setting(key: str) -> bool:
    return key in MEMBER_SETTINGS or key.startswith(f"{METHOD_KNOBS_GROUP}.")


def _copy(composed: DictConfig, overrides: Sequence[Override]) -> DictConfig | None:
    """A copy of ``composed`` with the numbers of ``overrides``; None for a number of the wrong type, which
    Hydra reports better."""
    job = config.duplicate(composed)
    try:
        for override in overrides:
            if _is_number_for_member_setting(override):
                OmegaConf.update(job, override.key_or_group, override.value(), merge=True)
    except OmegaConfBaseException:
        return None
    task = [override for override in overrides if not override.is_hydra_override()]
    naming = job.hydra.job.config.override_dirname
    named = sorted(str(o.input_line) for o in task if o.key_or_group not in naming.exclude_keys)
    job.hydra.overrides.task = [override.input_line for override in task]
    job.hydra.job.override_dirname = naming.item_sep.join(named).replace("=", naming.kv_sep)
    return job


def check(composed: Sequence[DictConfig], *, whole: bool) -> "list[plan.Job]":
    """Check the composed jobs and return them with their data; ``whole`` if they are all jobs of a sweep.

    Raises `UsageError` before any data is read, naming the first job that cannot run or, for a whole sweep, a
    teacher that no job learns from; and whatever `plan.with_data` raises.
    """
    from lsbench.execution import plan, teachers

    runs = [_checked(job) for job in composed]
    if whole:
        teachers.check_unused_teacher(runs)
    return plan.with_data(runs)


def _checked(composed: DictConfig) -> config.Run:
    from lsbench.execution import plan

    with hydra_config(composed):  # settings may refer to ${hydra:...}
        try:
            run = config.to_run(composed)
            cluster = OmegaConf.select(composed, "hydra.launcher.cluster", default="local")
            plan.check(run, local=cluster == "local")
        except UsageError as error:
            job = composed.hydra.job
            raise UsageError(f"job {job.num} ({job.override_dirname}): {error}") from None
    return run
