"""Registry of parts that are one file each: data sets, models, methods, metrics, probes and claims.

Such a file is in the package, or in ``DIR/lsbench/methods/`` (and so on) for any DIR on the import path.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from pkgutil import extend_path, iter_modules

CONFIG_DIRS = "LSBENCH_CONFIG_DIRS"  # the variable that tells other processes the folders of --config-dir
EXTENSIBLE = ("claims", "data", "methods", "metrics", "models", "probes")


def names(folders: Iterable[str]) -> list[str]:
    """The modules of a package by its ``__path__``, sorted, without those whose names begin with "_"."""
    return sorted({module.name for module in iter_modules(folders) if not module.name.startswith("_")})


def with_extensions(folders: Iterable[str], package: str) -> list[str]:
    """The ``__path__`` of ``package``, extended by the folders of the same name on the import path.

    A folder with an ``__init__.py`` is another installation of lsbench, not an extension of this one.
    """
    folders = list(folders)
    extended = extend_path(folders, package)
    return folders + [
        folder for folder in extended if folder not in folders and not Path(folder, "__init__.py").exists()
    ]


def listed(package: str) -> list[str]:
    """The names in one of `EXTENSIBLE`, without importing it."""
    return names(with_extensions([str(Path(__file__).parent / package)], f"lsbench.{package}"))


def config_dirs() -> list[Path]:
    """The folders of ``--config-dir`` in this process and in those that started it."""
    return [Path(folder) for folder in os.environ.get(CONFIG_DIRS, "").split(os.pathsep) if folder]


def add_extensions(folder: str) -> None:
    """Put ``folder`` among `config_dirs` and on the import path, here and in processes that this one starts.

    It goes last on the path, so that nothing in it hides an installed module. A folder that has an lsbench of
    its own does not go there, since other processes would import that one.
    """
    path = str(Path(folder).absolute())
    if Path(path) not in config_dirs():
        os.environ[CONFIG_DIRS] = os.pathsep.join([*map(str, config_dirs()), path])
    if not Path(path).is_dir() or Path(path, "lsbench", "__init__.py").exists():
        return
    if path not in sys.path:
        sys.path.append(path)
        inherited = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([inherited, path] if inherited else [path])
    for package in ("lsbench", *(f"lsbench.{name}" for name in EXTENSIBLE)):
        if module := sys.modules.get(package):
            module.__path__ = with_extensions(module.__path__, package)
