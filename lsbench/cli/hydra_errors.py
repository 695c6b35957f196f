"""What Hydra and OmegaConf complain of, in one line: the key, the value, what is allowed or was meant."""

import re
import traceback
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lsbench import conf_dir
from lsbench.config import DataConfig, MethodConfig, OptimConfig, Run, describe
from lsbench.errors import did_you_mean


def explain(error: Exception, overrides: Sequence[str]) -> str:
    """One line for an error that Hydra or OmegaConf raised over ``overrides``."""
    text = str(error)
    if isinstance(error, MissingConfigException) and (found := _unknown_choice(text)):
        return found
    if found := _unknown_key(text, overrides) or _wrong_type(error, text):
        return found
    if "Ambiguous value for argument" in text and (match := re.search(r"'([^']+)'", text)):
        return f"{match[1]}: several values are a sweep: add -m"
    override = getattr(error, "override", None)  # what Hydra's grammar could not read
    if override:
        return f"{override}: {text.splitlines()[0]}"
    if not text.strip():
        return f"Hydra refuses these settings ({type(error).__name__})"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ and str(error.__cause__) else ""
    return " ".join(text.split("\nTo append", maxsplit=1)[0].split()) + cause


def is_usage(error: BaseException) -> bool:
    """Whether the user's settings are at fault: what Hydra and OmegaConf raised themselves, since a few of
    their complaints are bare ValueErrors, and whatever ended the reading of a configuration."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    itself = frames[-1].startswith(("hydra.", "omegaconf.")) if frames else False
    reading = "hydra._internal.config_loader_impl" in frames
    return isinstance(error, HydraException | OmegaConfBaseException) or itself or reading


def _unknown_choice(text: str) -> str:
    match = re.search(r"Could not find '([^']+)/([^'/]+)'", text)
    if not match:
        return ""
    group, choice = match.groups()
    listed = text.partition("Available options in")[2].partition("Config search path")[0]
    options = [line.strip() for line in listed.splitlines()[1:] if line.strip()]
    near = did_you_mean(choice, options)
    return f"{group}={choice}: allowed is one of {', '.join(options)}{near}" if options else ""


def _unknown_key(text: str, overrides: Sequence[str]) -> str:
    patterns = (r"Could not override '([^']+)'", r"Key '([^']+)' not in", r"Key '([^']+)' is not in struct")
    found = next((match[1] for pattern in patterns if (match := re.search(pattern, text))), "")
    if not found:
        return ""
    key, known = found.partition("@")[0], known_keys(overrides)
    if key in known:  # it is there; what Hydra could not place is something inside it, or beside it
        return ""
    near = did_you_mean(key, known)
    return f"{key}: no such setting{near or '; lsbench train --help lists them'}"


def _wrong_type(error: Exception, text: str) -> str:
    """A value that OmegaConf could not convert to the field's type."""
    cause = error.__cause__ or error
    match = re.search(r"full_key: (\S+)", f"{cause}")
    value = re.search(r"Error merging override ([^\n]+)", text)
    if not match or not value:
        return ""
    key = match[1]
    item = {f"{schema.prefix}{f.name}": f for schema in _SCHEMAS for f in fields(schema)}.get(key)
    allowed = f"allowed is {describe(item)}" if item else str(cause).splitlines()[0]
    return f"{value[1].lstrip('+')}: {allowed}"


_SCHEMAS = (Run, DataConfig, MethodConfig, OptimConfig)


def known_keys(overrides: Sequence[str]) -> list[str]:
    """Every key that may be set: the groups, and those of the configuration that the user's groups make."""
    groups = sorted(path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra")
    chosen = [item for item in overrides if item.partition("=")[0] in groups]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            base = compose("train", overrides=chosen)
        except (HydraException, OmegaConfBaseException):
            base = compose("train")
    keys = list(groups)
    stack: list[tuple[str, Any]] = [("", OmegaConf.to_container(base, resolve=False))]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, dict):
            keys += [f"{prefix}{name}" for name in node]
            stack += [(f"{prefix}{name}.", child) for name, child in node.items()]
    return keys
