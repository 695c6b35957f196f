"""Registration of the schema, the launcher `stacked` and the sweepers with Hydra."""

import sys
from importlib import import_module
from types import ModuleType

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from lsbench import config
from lsbench.hydra_app.decide import DecideSweeper, DecideSweeperConf
from lsbench.hydra_app.launcher import StackedConf, StackedLauncher
from lsbench.hydra_app.sweepers import ClaimsSweeper, ClaimsSweeperConf, GridSweeper, GridSweeperConf

HOME = "hydra_plugins.lsbench"


def register() -> None:
    """Make lsbench's configuration and plugins known to Hydra.

    Hydra 1.3 accepts plugins only from modules below ``hydra_plugins`` and looks their classes up by name; it
    does not find such a package in an editable install. So the classes are put into a module made for them.
    """
    config.register()
    try:
        import_module("hydra_plugins")  # exists where another plugin is installed
    except ModuleNotFoundError:
        sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        sys.modules["hydra_plugins"].__path__ = []
    home = sys.modules[HOME] = ModuleType(HOME)
    for plugin in (StackedLauncher, GridSweeper, ClaimsSweeper, DecideSweeper):
        plugin.__module__ = HOME
        setattr(home, plugin.__name__, plugin)
        Plugins.instance().register(plugin)
    store = ConfigStore.instance().store
    store("stacked", StackedConf, group="hydra/launcher", provider="lsbench")
    store("grid", GridSweeperConf, group="hydra/sweeper", provider="lsbench")
    store("claims", ClaimsSweeperConf, group="hydra/sweeper", provider="lsbench")
    store("decide", DecideSweeperConf, group="hydra/sweeper", provider="lsbench")
