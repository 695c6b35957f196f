"""What Hydra finds by name: the schema, the launcher `stacked`, the sweepers `grid` and `claims`."""

import sys
from importlib import import_module, reload
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from lsbench import config
from lsbench.hydra_app.launcher import StackedConf, StackedLauncher

HOME = "hydra_plugins.lsbench"


def register() -> None:
    """Make them known to Hydra.

    Hydra takes plugins only from modules below ``hydra_plugins``, and does not find such a package in an
    editable install; so these classes are put there by hand.
    """
    config.register()
    found = Plugins.instance()  # executes the modules of Hydra's own plugins anew
    sweeper = reload(import_module("lsbench.hydra_app.sweepers"))  # so that it derives from Hydra's latest
    claims_sweeper = reload(import_module("lsbench.hydra_app.claims_sweeper"))
    try:
        import_module("hydra_plugins")  # the real one, where some plugin is installed
    except ModuleNotFoundError:
        sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        sys.modules["hydra_plugins"].__path__ = []
    home = sys.modules[HOME] = ModuleType(HOME)
    for plugin in (StackedLauncher, sweeper.GridSweeper, claims_sweeper.ClaimsSweeper):
        plugin.__module__ = HOME
        setattr(home, plugin.__name__, plugin)
        found.register(plugin)
    store = ConfigStore.instance().store
    store("stacked", StackedConf, group="hydra/launcher", provider="lsbench")
    grid = sweeper.BasicSweeperConf(_target_=f"{HOME}.GridSweeper")
    store("grid", grid, group="hydra/sweeper", provider="lsbench")
    claims = claims_sweeper.ClaimsSweeperConf(_target_=f"{HOME}.ClaimsSweeper")
    store("claims", claims, group="hydra/sweeper", provider="lsbench")
