"""The multirun of this process: which runs belong to which report, and what is trained already."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.utils import to_absolute_path

from lsbench.config import Run
from lsbench.store import runs, sweeps

if TYPE_CHECKING:
    from lsbench.execution import plan


@dataclass
class Multirun:
    """Its command, and whether that is only to be planned; the runs of each report, and those of each claim
    where claims are asked for; the jobs that are trained by number, what went wrong, the run of this
    process's latest job, and the file where `GatherRuns` notes those of every process."""

    command: str = ""
    dry_run: bool = False
    members: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    claims: dict[str, list[str]] = field(default_factory=dict)
    jobs: dict[int, "plan.Job"] = field(default_factory=dict)
    error: Exception | None = None
    latest: tuple[str, str, str] | None = None
    gathered: Path | None = None

    def start(self, command: str, dry_run: bool) -> None:
        """Forget the multirun before this one."""
        vars(self).update(vars(Multirun(command, dry_run)))

    def add(self, jobs: "Sequence[plan.Job]") -> None:
        for job in jobs:
            self._add(*_place(job.run, job.run_id))

    def completed(self, run: Run, run_id: str) -> None:
        """Note what this process's latest job was."""
        self.latest = _place(run, run_id)
        self._add(*self.latest)

    def _add(self, results_dir: str, name: str, run_id: str) -> None:
        self.members.setdefault((results_dir, name), {})[run_id] = None

    def gather(self) -> None:
        """Add the runs of jobs in other processes."""
        if self.gathered and self.gathered.exists():
            for line in self.gathered.read_text().splitlines():
                self._add(*json.loads(line))

    def write(self) -> None:
        """Keep each report's list of runs, so that it can be built whatever becomes of this process."""
        for (results_dir, name), ids in self.members.items() if not self.dry_run else ():
            sweeps.write_sweep(results_dir, sweeps.Sweep(name, self.command, tuple(ids), self.claims))

    def report(self) -> int:
        """Write and print every report of this multirun; 1 where a run is not done, else 0."""
        self.gather()
        self.write()
        return self._publish(list(self.members))

    def salvage(self) -> None:
        """Write and print the reports that have some run to show, after something ended the multirun. Claims
        wait for all of their runs."""
        self.gather()
        self.write()
        if self.claims:
            return
        self._publish(
            [place for place, ids in self.members.items() if any(runs.read(place[0], i) for i in ids)]
        )

    def _publish(self, members: Sequence[tuple[str, str]]) -> int:
        from lsbench.report.publish import publish

        here = Path.cwd()
        places = [(Path(results_dir), name) for results_dir, name in members]
        shown = [(p.relative_to(here) if p.is_relative_to(here) else p, name) for p, name in places]
        return max((publish(results_dir, name) for results_dir, name in shown), default=0)


def _place(run: Run, run_id: str) -> tuple[str, str, str]:
    return str(Path(run.results_dir).absolute()), run.name, run_id


MULTIRUN = Multirun()


def located(run: Run) -> Run:
    """A job's run with its paths as they were meant where the user stands; hydra.job.chdir goes elsewhere."""
    if Path.cwd() == Path(HydraConfig.get().runtime.cwd):
        return run
    root = run.data.root and to_absolute_path(run.data.root)
    return replace(run, results_dir=to_absolute_path(run.results_dir), data=replace(run.data, root=root))
