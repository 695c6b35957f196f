"""Shell completion: commands, sweeps, claims, probes and data sets here, settings by Hydra.

`eval "$(lsbench -sc install=bash)"` installs Hydra's completion, which calls `lsbench -sc query=bash` with
the line in COMP_LINE.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from lsbench import conf_dir, registry
from lsbench.cli import COMMANDS

DATA_COMMANDS = ("list", "where", "verify", "fetch")
FLAGS = {
    "report": ("--json", "--config-dir", "--help"),
    "probe": ("--config-dir", "--help"),
    "data": ("--root", "--help"),
}
HYDRA_FLAGS = ("--multirun", "--dry-run", "--config-dir", "--cfg", "--info", "--hydra-help", "--help")


def main(arguments: Sequence[str]) -> int:
    """Print the candidates for the last word of COMP_LINE, or the code that installs completion."""
    queried = next((a.partition("=")[2] for a in arguments if a.startswith("query=")), "")
    if not queried:
        return _hydra(arguments)
    line = os.environ.get("COMP_LINE", "")
    if given := re.search(r"\s(?:--config-dir|-cd)[\s=]+(\S+)(?=\s)", line):
        line = line.replace(given[0], "", 1)
        registry.add_extensions(given[1])
        if Path(given[1]).is_dir():
            arguments = [*arguments, "--config-dir", given[1]]
    program, *words = line.split() or [""]
    last = "" if not words or line[-1:].isspace() else words.pop()
    if not words:
        _print(COMMANDS, last, queried)
    elif words[0] in FLAGS or last.startswith("-"):
        candidates = _candidates(words[0], words[1:], last)
        _print([name for name in candidates if name not in words], last, queried)
    elif words[0] in COMMANDS:
        names = registry.listed("claims") if words[0] == "claims" else []
        if names and "=" not in last:
            _print([name for name in names if name not in words], last, queried)
        # Hydra completes the settings of a line without the command and without lsbench's own flag
        settings = [word for word in words[1:] if word != "--dry-run" and word not in names]
        os.environ["COMP_LINE"] = " ".join([program, *settings, last])
        return _hydra(arguments)
    return 0


def _hydra(arguments: Sequence[str]) -> int:
    from lsbench.cli import train

    return train.main(arguments)


def _print(candidates: Sequence[str], start: str, shell: str) -> None:
    matching = [candidate for candidate in candidates if candidate.startswith(start)]
    print(("\n" if shell == "fish" else " ").join(matching))


def _candidates(command: str, words: Sequence[str], last: str) -> Sequence[str]:
    """Candidates after ``words`` for a command that does not use Hydra, and the flags of any command."""
    if last.startswith("-"):
        return FLAGS.get(command, HYDRA_FLAGS)
    if command == "data":
        return _data_sets() if words else DATA_COMMANDS
    options = dict(word.split("=", 1) for word in words if "=" in word)
    sweeps = sorted(
        path.parent.name for path in Path(options.get("results_dir", "results")).glob("*/sweep.json")
    )
    if command == "report":
        return [*sweeps, "name=", "results_dir="]
    if all("=" in word for word in words):
        return [*sweeps, "results_dir="]
    return [*registry.listed("probes"), "classes=", "alpha=", "device=", "results_dir="]


def _data_sets() -> list[str]:
    return sorted(path.stem for path in (conf_dir() / "data").glob("*.yaml"))
