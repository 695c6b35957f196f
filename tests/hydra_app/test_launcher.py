"""Hydra's test suites for launchers and sweepers, on jobs of other programs, with `stacked` and `grid`."""

import sys

import pytest
from hydra import version
from hydra.test_utils import launcher_common_tests as hydras

from lsbench.hydra_app import plugins

# Hydra's test programs ask for the behaviour of Hydra 1.1, which warns.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

RUN_REGISTERED = """
import runpy, sys
from lsbench.hydra_app import plugins
plugins.register()
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _registered():
    version.setbase("1.1")  # which these programs need; Hydra keeps the base that was set before
    plugins.register()


@pytest.mark.parametrize("launcher_name", ["stacked"])
@pytest.mark.parametrize("overrides", [["hydra/sweeper=grid"]], ids=["grid"])
class TestLauncher(hydras.LauncherTestSuite):
    pass


@pytest.mark.parametrize("launcher_name", ["stacked", "basic"])
class TestBatches(hydras.BatchedSweeperTestSuite):
    @pytest.fixture
    def overrides(self):
        return ["hydra/sweeper=grid", "hydra.sweeper.max_batch_size=2"]  # to which the test appends


DEFAULTS = {
    "override hydra/sweeper": "grid",
    "override hydra/launcher": "stacked",
    "override hydra/hydra_logging": "hydra_debug",
    "override hydra/job_logging": "disabled",
}


@pytest.mark.parametrize(
    "task_launcher_cfg",
    [{"defaults": [{group: choice} for group, choice in DEFAULTS.items()]}],
    ids=["stacked"],
)
@pytest.mark.parametrize("extra_flags", [["-m"]], ids=["multirun"])
class TestPrograms(hydras.IntegrationTestSuite):
    """Programs in separate processes, which register lsbench's plugins before they start."""

    @pytest.fixture(autouse=True)
    def _importable(self, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))

    def generate_custom_cmd(self):
        return lambda command, filename: [command[0], "-c", RUN_REGISTERED, *command[1:]]
