"""Models: ordinary modules for a single member, built as ``target(shape, classes, **options)``.

A model must not draw random numbers in its forward pass; for dropout it uses
`lsbench.ops.dropout.KeyedDropout`.
"""

import inspect
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn

from lsbench import registry
from lsbench.errors import UsageError

__path__ = registry.with_extensions(__path__, __name__)

Settings = Mapping[str, Any]


def check_settings(settings: Settings) -> None:
    """Raise `UsageError` for an unknown model or option, before the shape of the images is known."""
    _resolve(settings)


def build_on_meta(settings: Settings, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build a model on the meta device, without memory for weights, for images of ``shape`` (C, H, W).

    Raises `UsageError` for an unknown model or option, and for a model that cannot be built or would train
    differently in a stack.
    """
    with torch.device("meta"):
        module = build(settings, shape, classes)
    if any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in module.modules()):
        raise UsageError(
            f"model={settings['name']}: torch's dropout would depend on the other runs; use KeyedDropout"
        )
    return module


def build(settings: Settings, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build the model of a conf/model/*.yaml. Raises `UsageError` if that is impossible with these
    settings."""
    target, options = _resolve(settings)
    try:
        module = target(shape, classes, **options)
    except Exception as error:  # the model's own checks may raise anything
        if str(error).startswith("model."):  # names the setting itself
            raise UsageError(str(error)) from error
        given = ", ".join(f"{name}={value}" for name, value in options.items())
        raise UsageError(f"model={settings['name']} ({given}): {error}") from error
    assert isinstance(module, nn.Module)
    return module


def _resolve(settings: Settings) -> tuple[Callable[..., Any], dict[str, Any]]:
    options = {name: value for name, value in settings.items() if name not in ("name", "_target_")}
    try:
        target = resolve_name(str(settings["_target_"]))
        inspect.signature(target).bind((1, 1, 1), 2, **options)
    except (ImportError, AttributeError, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"model={settings.get('name')}: {error}") from error
    return target, options


def is_convolutional(module: nn.Module) -> bool:
    """Return whether ``module`` contains a 2D convolution."""
    return any(isinstance(part, nn.Conv2d) for part in module.modules())
