"""Networks: ordinary modules for one member, built as ``target(shape, classes, **options)``."""

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from torch import nn

from lsbench.terms import UsageError


def build(settings: Mapping[str, Any], shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network of conf/model/*.yaml for images of ``shape`` (C, H, W).

    Raises `UsageError` where the settings name no such model, or one that cannot be built with them.
    """
    options = {name: value for name, value in settings.items() if name not in ("name", "_target_")}
    try:
        target = resolve_name(str(settings["_target_"]))
        module = target(shape, classes, **options)
    except (ImportError, AttributeError, KeyError, ValueError, TypeError, RuntimeError) as error:
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        raise UsageError(f"model={settings.get('name')} ({given}): {error}") from error
    assert isinstance(module, nn.Module)
    return module
