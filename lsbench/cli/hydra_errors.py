"""Errors of Hydra and OmegaConf in one plain line: the key, the value, and what is allowed or was meant."""

import re
import shlex
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lsbench import conf_dir
from lsbench.cli.parser import SYNONYMS
from lsbench.config import DataConfig, MethodConfig, OptimConfig, Run, describe
from lsbench.errors import LsbenchError, did_you_mean

# The extra of lsbench to install for choices that need another package.
EXTRAS = {
    "hydra/sweeper=optuna": "optuna",
    "hydra/launcher=joblib": "parallel",
    "hydra/launcher=ray": "ray",
    "hydra/launcher=submitit_local": "slurm",
    "hydra/launcher=submitit_slurm": "slurm",
}
UNKNOWN_KEY = (r"Could not override '([^']+)'", r"Key '([^']+)' not in", r"Key '([^']+)' is not in struct")
SCHEMAS = (Run, DataConfig, MethodConfig, OptimConfig)


def explain(error: Exception, words: Sequence[str]) -> str:
    """One line for an error that Hydra or OmegaConf raised over ``words``, the command's arguments."""
    if isinstance(error.__cause__, LsbenchError):  # of a sweeper or launcher that Hydra made
        return str(error.__cause__)
    text = str(error)
    explanation = (
        _unknown_choice(text, words)
        or _unknown_key(text, words)
        or _wrong_type(error, text)
        or _several_values(text)
        or _unreadable(error)
    )
    if explanation:
        return explanation
    if not isinstance(error, HydraException | OmegaConfBaseException) and (word := _refused(error, words)):
        return f"{word}: not a value of this setting"
    if not text.strip():
        return f"Hydra refuses these settings ({type(error).__name__})"
    cause = _plain(str(error.__cause__ or "")).partition("\n")[0]
    return " ".join(_plain(text).split()) + (f" ({cause})" if cause else "")


def is_usage(error: BaseException) -> bool:
    """Return whether the user's settings are at fault.

    True for Hydra's and OmegaConf's own exceptions, for others that their code raises, some of which are bare
    ValueErrors, and for any that ends Hydra's reading of a configuration.
    """
    if isinstance(error, HydraException | OmegaConfBaseException):
        return True
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    callers = [name for name in frames if name.startswith(("hydra.", "hydra_plugins.", "lsbench."))]
    raised_inside = bool(frames) and frames[-1].startswith(("hydra.", "omegaconf."))
    return raised_inside or (bool(callers) and callers[-1].startswith("hydra."))


def _unknown_choice(text: str, words: Sequence[str]) -> str:
    """The message for GROUP=NAME with a name that the group does not have, or a value that is not a name."""
    match = re.search(r"Could not find '([^']+)/([^'/]*)'", text)
    if match:
        group, choice = match.groups()
        listed = text.partition("Available options in")[2].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines()[1:] if line.strip()]
    elif "Config group override must be" in text:
        groups = _groups()
        given = [word for word in words if word.partition("=")[0] in groups]
        wrong = [word for word in given if not (conf_dir() / f"{word.replace('=', '/', 1)}.yaml").exists()]
        group, _, choice = (wrong or given or [""])[0].partition("=")
        options = sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) if group else []
    else:
        return ""
    if not options:
        return ""
    extra = EXTRAS.get(f"{group}={choice}", "")
    hint = f"; it needs pip install 'lsbench[{extra}]'" if extra else did_you_mean(choice, options)
    return f"{group}={choice}: allowed is one of {', '.join(options)}{hint}"


def _unknown_key(text: str, words: Sequence[str]) -> str:
    match = next((match for pattern in UNKNOWN_KEY if (match := re.search(pattern, text))), None)
    if match is None:
        return ""
    key = match[1].partition("@")[0]
    value = next((word.partition("=")[2] for word in words if word.lstrip("+").startswith(f"{key}=")), "")
    if meant := SYNONYMS.get(key.replace("-", "_")):
        return f"{key}: no such setting; did you mean {meant}={value}?"
    for choices in _choices(words):
        known = known_keys(choices)
        if key not in known:
            known = [name for name in known if not key.startswith(f"{name}.")]
            return f"{key}: {_no_such_setting(key, known, choices)}"
    return ""  # the key exists; Hydra could not set something in it


def _no_such_setting(key: str, known: Sequence[str], choices: Sequence[str]) -> str:
    prefix, dot, name = key.rpartition(".")
    siblings = [item.rpartition(".") for item in known] if dot else []
    names = [last for parent, _, last in siblings if parent == prefix and last not in ("name", "_target_")]
    if near := did_you_mean(name, names):
        return f"no such setting{near.replace('mean ', f'mean {prefix}.')}"
    if prefix == "method.knobs":
        from lsbench.methods import all_methods

        owner = next((method for method, record in all_methods().items() if record.knob == name), None)
        if owner and not any(choice.startswith("method=") for choice in choices):
            return f"no such setting without method={owner}; add method={owner}"
    if prefix == "data.options":
        having = [path.stem for path in sorted((conf_dir() / "data").glob("*.yaml"))]
        having = [f"data={data}" for data in having if key in known_keys([f"data={data}"])]
        if having:
            return f"{_chosen('data', choices)} has no such option; {' and '.join(having)} has it"
    if prefix == "model":
        model = _chosen("model", choices)
        return f"{model} has no such setting; it has {', '.join(names) or 'none'}"
    return f"no such setting{did_you_mean(key, known) or '; lsbench train --help lists them'}"


def _chosen(group: str, choices: Sequence[str]) -> str:
    """GROUP=NAME as ``choices`` or else conf/train.yaml have it."""
    given = [choice for choice in choices if choice.startswith(f"{group}=")]
    return given[-1] if given else f"{group}={_composed(choices)[group].name}"


def _wrong_type(error: Exception, text: str) -> str:
    """The message for a value that OmegaConf could not convert to the type of its field."""
    match = re.search(r"full_key: (\S+)", str(error.__cause__ or error))
    value = re.search(r"Error merging override ([^\n]+)", text)
    if not match or not value:
        return ""
    key = match[1]
    field = {f"{schema.prefix}{f.name}": f for schema in SCHEMAS for f in fields(schema)}.get(key)
    if field:
        allowed = describe(field)
    elif key.startswith("method.knobs."):
        allowed = "a number"
    else:
        reason = _plain(str(error.__cause__ or error))
        if re.match(r"Cannot assign \w+ to Dict\[", reason):
            reason = "allowed is a mapping, such as {KEY: VALUE}"
        return f"{value[1].lstrip('+')}: {reason}"
    return f"{value[1].lstrip('+')}: allowed is {allowed}"


def _several_values(text: str) -> str:
    if "Ambiguous value for argument" in text and (match := re.search(r"'([^']+)'", text)):
        return f"{match[1]}: several values make a sweep; add -m"
    return ""


def _unreadable(error: Exception) -> str:
    """The message for a setting that Hydra's grammar does not accept, with its value quoted."""
    word = getattr(error, "override", None)
    if not word:
        return ""
    key, equals, value = str(word).partition("=")
    if not equals or not key:
        return f"{word}: a setting is KEY=VALUE"
    escaped = value.replace("'", "\\'")
    setting = f"{key}='{escaped}'"
    quoted = shlex.quote(setting) if set(setting) & set('"$`\\!') else f'"{setting}"'
    return f"{word}: not a value that Hydra can read; if it is text, quote it: {quoted}"


def _refused(error: Exception, words: Sequence[str]) -> str:
    """The word that raises the same error without the others; empty if none does."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for word in words:
            if "=" in word and not word.startswith("-"):
                try:
                    compose("train", overrides=[word])
                except Exception as again:  # of any type: Hydra's code raises it
                    if (type(again), str(again)) == (type(error), str(error)):
                        return word
    return ""


def _plain(text: str) -> str:
    """The message without the lines that OmegaConf and Hydra add for programmers."""
    return re.split(r"\n\s*(?:full_key|object_type|reference_type|To append)\b", text, maxsplit=1)[0].strip()


def _groups() -> list[str]:
    return sorted(path.name for path in conf_dir().iterdir() if path.is_dir() and path.name != "hydra")


def _choices(words: Sequence[str]) -> Iterator[list[str]]:
    """The GROUP=NAME among ``words``; for a sweep over the names of a group, a list for each name."""
    groups = _groups()
    chosen = [word for word in words if word.partition("=")[0] in groups]
    swept = [word for word in chosen if "," in word]
    single = [word for word in chosen if "," not in word]
    if not swept:
        yield single
    for word in swept:
        group, _, names = word.partition("=")
        for name in names.split(","):
            yield [*single, f"{group}={name}"]


def _composed(words: Sequence[str]) -> Any:
    """The configuration that the GROUP=NAME among ``words`` compose, or the default if they do not."""
    groups = _groups()
    chosen = [word for word in words if word.partition("=")[0] in groups]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            return compose("train", overrides=chosen)
        except (HydraException, OmegaConfBaseException):
            return compose("train")


def known_keys(words: Sequence[str]) -> list[str]:
    """Every key that can be set: the groups, and the keys of the configuration that ``words`` compose."""
    keys = _groups()
    stack: list[tuple[str, Any]] = [("", OmegaConf.to_container(_composed(words), resolve=False))]
    while stack:
        prefix, node = stack.pop()
        if isinstance(node, dict):
            keys += [f"{prefix}{name}" for name in node]
            stack += [(f"{prefix}{name}.", child) for name, child in node.items()]
    return keys
