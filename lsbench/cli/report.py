"""`lsbench report NAME ... [name=NAME] [results_dir=DIR] [--json]`: reports again, from stored runs."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from lsbench.errors import UsageError, did_you_mean, suggest_or_list
from lsbench.report.publish import describe, publish
from lsbench.store import sweeps

JSON = "--json"
SETTINGS = {"results_dir": "results", "name": ""}


def main(arguments: Sequence[str]) -> int:
    """Rebuild the reports that ``arguments`` name, or with name= a single one of all their runs, and print
    them, with --json as one JSON document; the exit code, 1 if a run is missing, failed or diverged.

    Raises `UsageError` for an unknown sweep or flag, `StorageError` for a sweep without a stored run.
    """
    names, settings, flags = _parse(arguments)
    results_dir = settings["results_dir"]
    for name in names:
        _check(name, results_dir)
        sweeps.keep_tables(results_dir, name)
    if settings["name"]:
        kept = [argument for argument in arguments if argument != JSON]
        sweeps.combine(results_dir, names, settings["name"], shlex.join(["lsbench", "report", *kept]))
        names = [settings["name"]]
    if JSON not in flags:
        return _publish_all(results_dir, names)
    from lsbench.report import json_report

    described = [describe(results_dir, name) for name in names]
    print(json_report.document([report for report, _ in described]))
    return max(code for _, code in described)


def _publish_all(results_dir: str, names: Sequence[str]) -> int:
    """The greatest of `publish`'s exit codes; where there are several names, each stands above its page."""
    codes = []
    for place, name in enumerate(names):
        if len(names) > 1:
            print("\n" * bool(place) + f"{name}\n")
        codes.append(publish(results_dir, name))
    return max(codes)


def _check(name: str, results_dir: str) -> None:
    """Raises `UsageError` for what was meant as a setting, since a sweep's name may have a = in it too."""
    key, equals, _ = name.partition("=")
    if equals and not (Path(results_dir) / name).is_dir():
        hint = suggest_or_list(f"{key}=", [f"{known}=" for known in SETTINGS])
        raise UsageError(f"report: no option {key}{hint}")


def _parse(arguments: Sequence[str]) -> tuple[list[str], dict[str, str], set[str]]:
    """The names, each once, the settings and the flags among ``arguments``."""
    names, settings, flags = [], dict(SETTINGS), set()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key in settings:
            settings[key] = value
        elif argument.startswith("-"):
            flags.add(argument)
        else:
            names.append(argument)
    if unknown := sorted(flags - {JSON}):
        raise UsageError(f"report: {unknown[0]}: no such flag{did_you_mean(unknown[0], [JSON])}")
    if not names:
        raise UsageError("report: which one? lsbench report NAME ...")
    return list(dict.fromkeys(names)), settings, flags
