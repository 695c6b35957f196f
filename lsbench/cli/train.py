"""From a command's arguments through Hydra to a job, and from a job to its run."""

import gc
import io
import logging
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lsbench import conf_dir, config
from lsbench.errors import LsbenchError, UsageError
from lsbench.hydra_app import plugins
from lsbench.hydra_app.session import MULTIRUN, located
from lsbench.report import terminal
from lsbench.store import runs

if TYPE_CHECKING:
    from lsbench.execution import plan

log = logging.getLogger(__name__)

DRY_RUN = "--dry-run"
# What a dry run can foretell.
PLANNED = {"hydra/launcher": ("stacked",), "hydra/sweeper": ("grid", "claims")}


def main(command: str, arguments: Sequence[str]) -> int:
    """Hand ``arguments`` to Hydra as those of ``command`` and return the exit code.

    Whatever ends a multirun, its reports are written from the runs that are stored. With ``--dry-run`` the
    plan is printed, and nothing is trained or written.
    """
    gc.set_threshold(100_000)  # configurations are many small objects: at 700 a fifth of a sweep went in here
    plugins.register()
    MULTIRUN.start(command, DRY_RUN in arguments)
    if not MULTIRUN.dry_run:
        return _start(arguments)
    for key, _, choice in (argument.partition("=") for argument in arguments):
        if choice not in (known := PLANNED.get(key, (choice,))):
            raise UsageError(f"{DRY_RUN} with {key}={choice}: it can tell the plan of {known[0]} alone")
    with TemporaryDirectory() as nowhere:  # for the folders that Hydra makes
        kept = [argument for argument in arguments if argument != DRY_RUN]
        return _start([*kept, f"hydra.run.dir={nowhere}", f"hydra.sweep.dir={nowhere}"])


def _start(arguments: Sequence[str]) -> int:
    argv = ["lsbench", *_in_order(arguments)]
    start = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(task)
    try:
        # Hydra reads sys.argv, and raises what goes wrong only where this variable is set.
        with patch.object(sys, "argv", argv), patch.dict(os.environ, HYDRA_FULL_ERROR="1"):
            start()
    except BaseException:
        if MULTIRUN.dry_run:
            raise
        with suppress(LsbenchError):
            MULTIRUN.salvage()
        raise
    code = 0 if MULTIRUN.dry_run else MULTIRUN.report()
    if MULTIRUN.error:
        raise MULTIRUN.error
    return code


def claims(command: str, arguments: Sequence[str]) -> int:
    """`main` for `lsbench claims`, whose ``arguments`` may name claims beside settings and flags."""
    from lsbench.claims import choose, page_name

    known = [argument for argument in arguments if argument != DRY_RUN]
    names = [a for a in _parsed(known).overrides if "=" not in a and not a.startswith("~")]
    rest = [argument for argument in arguments if argument not in names]
    chosen = choose(names)
    if not any(argument.startswith("name=") for argument in rest):
        rest.insert(0, f"name={page_name(chosen)}")
    asked = f"hydra.sweeper.claims=[{','.join(chosen)}]"
    return main(command, ["hydra.mode=MULTIRUN", "hydra/sweeper=claims", asked, *rest])


def _in_order(arguments: Sequence[str]) -> list[str]:
    """Overrides first, flags behind them, which is the one order that Hydra's parser takes."""
    parsed = _parsed(arguments)
    flags = list(arguments)
    for override in parsed.overrides:
        flags.remove(override)
    return flags if parsed.hydra_help else [*parsed.overrides, *flags]  # that page is of Hydra's own settings


def _parsed(arguments: Sequence[str]) -> Namespace:
    """Overrides and flags apart. Raises `UsageError` for a flag that Hydra does not have; argparse itself
    would print a page."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            return get_args_parser().parse_intermixed_args(arguments)
    except SystemExit:
        raise UsageError(complaint.getvalue().rpartition("error: ")[2].strip()) from None


def task(composed: DictConfig) -> float:
    """One job: train its run unless it is stored. Returns `selection.objective`, for sweepers that search.

    What goes wrong is kept until Hydra is done, since Hydra would announce it with a line of its own.
    """
    from lsbench.analysis.selection import objective

    multirun = HydraConfig.get().mode == RunMode.MULTIRUN
    MULTIRUN.latest = None
    try:
        job = MULTIRUN.jobs.get(HydraConfig.get().job.num) if multirun else None
        if job is None:
            job = _train(composed)
            if MULTIRUN.dry_run:
                return float("inf")
        run = located(job.run)
        if multirun:
            MULTIRUN.completed(run, job.run_id)
        record = runs.read(run.results_dir, job.run_id)
        assert record is not None, "execute stores every run, whatever becomes of it"
        if not multirun:
            _show(record, runs.run_dir(run.results_dir, job.run_id))
    except Exception as error:
        if multirun:
            log.error("%s", error)
        MULTIRUN.error = error
        return float("inf")
    return objective(record)


def _train(composed: DictConfig) -> "plan.Job":
    from lsbench.execution import plan, teachers
    from lsbench.execution.dry_run import preview
    from lsbench.execution.execute import execute

    if OmegaConf.select(cast(DictConfig, HydraConfig.get()), "launcher.cluster", default="local") != "local":
        raise UsageError("hydra.launcher.cluster: only multiruns go to a cluster; add -m")
    run = located(config.to_run(composed))
    plan.check(run)
    teachers.check_unused_teacher([run])
    [job] = plan.with_data([run])
    if MULTIRUN.dry_run:
        print(preview([job]))
    else:
        execute([job])
    return job


def _show(record: runs.Record, folder: Path) -> None:
    """Print a run that stands alone. Raises `LsbenchError` where it is not done."""
    if record["status"] != "done":
        raise LsbenchError(f"{folder}: {record['status']}: {record['error']}")
    print(terminal.run_table(record, folder))
