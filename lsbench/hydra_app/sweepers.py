"""The Hydra sweeper `grid`."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.override_parser.types import Override

from lsbench.errors import UsageError
from lsbench.hydra_app import compose
from lsbench.hydra_app.launcher import StackedLauncher
from lsbench.hydra_app.session import MULTIRUN

__all__ = ["BasicSweeperConf", "GridSweeper"]


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
        if self.batch_index > 1:
            return
        if len(self.overrides) == 1 and isinstance(self.launcher, StackedLauncher):
            self.launcher.whole = True
            return
        grid = [overrides for part in self.overrides for overrides in part]
        composed = compose.compose(self.hydra_context.config_loader, self.config, grid, 0)
        if compose.are_runs(composed):
            MULTIRUN.add(compose.check(composed, whole=True))
            MULTIRUN.write()
