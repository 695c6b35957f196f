"""Experiments on label smoothing: training, sweeps, measurements and verdicts."""

from pathlib import Path

from lsbench.registry import with_extensions

__version__ = "0.2.0"
__path__ = with_extensions(__path__, __name__)


def conf_dir() -> Path:
    """The folder with the yaml files: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"
