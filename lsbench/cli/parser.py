"""Argument parsing for all commands: errors of one line, KEY=VALUE words, and hints for common mistakes."""

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from lsbench import registry
from lsbench.errors import UsageError, did_you_mean, shown, suggest_or_list

# The names of lsbench's settings in other programs.
SYNONYMS = {
    "label_smoothing": "alpha",
    "smoothing": "alpha",
    "epsilon": "alpha",
    "eps": "alpha",
    "ls": "alpha",
    "wd": "weight_decay",
    "weightdecay": "weight_decay",
    "l2": "weight_decay",
    "dropout_rate": "dropout",
    "dropout_p": "dropout",
    "learning_rate": "lr",
    "lr_rate": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
    "seeds": "seed",
    "dataset": "data",
    "arch": "model",
    "net": "model",
    "network": "model",
    "optimizer": "optim",
    "optimiser": "optim",
    "momentum": "optim.momentum",
    "hidden": "model.hidden",
    "augmentation": "augment",
    "noise": "label_noise",
    "gpu": "device",
    "out": "results_dir",
    "output_dir": "results_dir",
}


class Parser(argparse.ArgumentParser):
    """The parser of one command. ``--help`` prints ``page``; without a page it is a flag like the others.

    ``settings`` are the keys that the command takes as KEY=VALUE, for hints.
    """

    def __init__(self, command: str, page: str = "", settings: Sequence[str] = ()) -> None:
        super().__init__(prog=f"lsbench {command}", add_help=bool(page))
        if not page:
            self.add_argument("--help", "-h", action="store_true")
        self.command = command
        self.page = page
        self.settings = settings

    def format_help(self) -> str:
        return self.page

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`; argparse itself would print its usage page and exit."""
        raise UsageError(f"{self.command}: {message}; see {self.prog} --help")

    def add_config_dir(self) -> None:
        """Take ``--config-dir DIR``. `parse` puts its extensions on the import path."""
        self.add_argument("--config-dir", "-cd")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Flags and words in any order. Raises `UsageError` for an unknown flag, with the nearest known, and
        for a ``--config-dir`` that is not a folder."""
        parsed, unknown = self.parse_known_intermixed_args(list(arguments))
        if unknown:
            raise UsageError(self._unknown_flag(unknown[0], arguments))
        config_dir = getattr(parsed, "config_dir", None)
        if config_dir is not None:
            if not (config_dir and Path(config_dir).is_dir()):
                raise UsageError(f"--config-dir {shown(config_dir)}: no such folder")
            registry.add_extensions(config_dir)
        return parsed

    def _unknown_flag(self, flag: str, arguments: Sequence[str]) -> str:
        name, _, value = flag.partition("=")
        key = name.lstrip("-").replace("-", "_")
        key = SYNONYMS.get(key, key)
        if key in self.settings:
            index = list(arguments).index(flag) + 1
            following = arguments[index] if index < len(arguments) else ""
            value = value or ("" if following.startswith("-") or "=" in following else following)
            return f"{self.command}: {name}: settings have no dashes: {key}={value or 'VALUE'}"
        flags = [option for option in self._option_string_actions if option.startswith("--")]
        return (
            f"{self.command}: {name}: no such flag{did_you_mean(name, flags) or f'; see {self.prog} --help'}"
        )


def split_words(
    command: str, words: Sequence[str], defaults: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Split ``words`` into names, without duplicates, and options; ``defaults`` has every option.

    Raises `UsageError` for an unknown option and for an empty results_dir. A word is a name in spite of a "="
    if such a sweep exists.
    """
    options = dict(defaults)
    names = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in options:
            options[key] = value
        else:
            names.append(word)
    check_results_dir(options["results_dir"])
    for name in names:
        key, equals, _ = name.partition("=")
        if equals and not (Path(options["results_dir"]) / name).is_dir():
            known = [f"{option}=" for option in options]
            raise UsageError(f"{command}: no option {key}{suggest_or_list(f'{key}=', known)}")
    return list(dict.fromkeys(names)), options


def check_results_dir(folder: str) -> None:
    """Raise `UsageError` for an empty word, which would be the working folder, or / for Hydra's files."""
    if not folder:
        raise UsageError("results_dir=: allowed is a folder, such as results_dir=results")


def check_sweep_name(command: str, name: str, results_dir: str) -> None:
    """Raise `UsageError` with the right command for a sweep that is given as a path."""
    path = Path(name)
    if path.name == name or not path.is_dir():
        return
    words = ["lsbench", command, path.name]
    if path.parent != Path(results_dir):
        words.append(f"results_dir={path.parent}")
    raise UsageError(f"{name}: give the sweep's name, not its folder: {shlex.join(words)}")
