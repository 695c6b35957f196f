"""Trust in stored settings: the functions and classes that they name are called only if the current
configuration names them too, since a results folder may come from somebody else.

Trusted are the targets in conf/, under any name, and those that a folder given with ``--config-dir`` has
under the stored name.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

from lsbench import conf_dir, registry
from lsbench.config import Run
from lsbench.errors import StorageError

Target = tuple[str, str]  # the name of a data set or a model, and its _target_


def check_data(run: Run, path: Path) -> None:
    """Raise `StorageError` if the settings of ``run``, read from ``path``, name a data set that is not
    trusted."""
    _check("data", data_target(run), path)


def check_model(run: Run, path: Path, command: Iterable[Run] = ()) -> None:
    """Raise `StorageError` if the settings of ``run``, read from ``path``, name a model that is not trusted.
    The models of the runs of the current ``command`` are."""
    target = model_target(run)
    if target not in map(model_target, command):
        _check("model", target, path)


def data_target(run: Run) -> Target:
    return run.data.name, run.data._target_


def model_target(run: Run) -> Target:
    return str(run.model.get("name")), str(run.model.get("_target_"))


def _check(group: str, target: Target, path: Path) -> None:
    name, function = target
    if function in {trusted for _, trusted in _targets(conf_dir() / group)}:
        return
    if any(target in _targets(folder / group) for folder in registry.config_dirs()):
        return
    raise StorageError(
        f"{path}: {group}._target_={function} is not trusted, since no {group}={name} of conf/ or "
        "--config-dir has it; if the code is yours, add --config-dir DIR, where "
        f"DIR/{group}/{name}.yaml names it"
    )


@cache
def _targets(folder: Path) -> frozenset[Target]:
    """The name and the target in each yaml file of ``folder``. Raises `StorageError` for one that cannot be
    read."""
    targets = set()
    for path in sorted(folder.glob("*.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise StorageError(f"{path}: cannot be read ({reason})") from error
        if isinstance(content, dict) and "_target_" in content:
            targets.add((str(content.get("name", path.stem)), str(content["_target_"])))
    return frozenset(targets)
