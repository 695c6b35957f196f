"""``lsbench data list | where | verify | fetch``: the data sets on this machine."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import yaml

from lsbench import conf_dir
from lsbench.data._files import Source, find, inspect, roots
from lsbench.errors import DataError, UsageError, suggest_or_list

SUMMARY = "List the data sets, say where they lie, verify their checksums, fetch them."
Sources = dict[str, Source | None]  # None: a set without a list of files: the user's own images


def main(argv: list[str]) -> int:
    """Run one subcommand, its results on stdout. Returns 0, or 3 where `verify` finds something wrong.

    Raises `UsageError` for an unknown subcommand, option or data set, and whatever `fetch` raises.
    """
    commands = {"list": _list, "where": _where, "verify": _verify, "fetch": _fetch}
    parser = _Parser(prog="lsbench data", description=SUMMARY)
    parser.add_argument("command", metavar="|".join(commands), nargs="?", default="")
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets; without names all of them")
    parser.add_argument("--root", metavar="DIR", help="look and download there, nowhere else")
    arguments = parser.parse_intermixed_args(argv)
    command = commands[_known("subcommand", arguments.command, list(commands))]
    sources = _sources()
    names = [_known("data set", name, list(sources)) for name in arguments.names]
    if command is _fetch and not names:
        raise UsageError(f"data fetch NAME: name one or more of {', '.join(sources)}")
    return command({name: sources[name] for name in names or sources}, arguments.root, bool(names))


def _list(sources: Sources, root: str | None, named: bool) -> int:
    rows = [("name", "images", "classes", "shape", "from", "here")]
    for name, source in sources.items():
        if source is None:
            rows.append((name, "-", "-", "-", "its own loader", "-"))
            continue
        images = f"{source.train:,}" + (f" + {source.test:,}" if source.test else "")
        shape = "×".join(map(str, source.shape))
        origin = f"package {source.package}" if source.package else "download"
        here = "yes" if _here(source, root) else "no"
        rows.append((name, images, str(source.classes), shape, origin, here))
    _print(rows)
    return 0


def _where(sources: Sources, root: str | None, named: bool) -> int:
    rows = []
    for name, source in sources.items():
        if source is None:
            rows.append((name, "where data.root= points"))
        elif folder := _here(source, root):
            rows.append((name, str(folder)))
        else:
            rows.append((name, f"not under {', '.join(map(str, roots(source, root)))}"))
    _print(rows)
    return 0


def _verify(sources: Sources, root: str | None, named: bool) -> int:
    rows, wrong = [], False
    for name, source in sources.items():
        folder = _here(source, root) if source else None
        if source is None or folder is None:
            if named:
                rows.append((name, "-", _absence(name, source, root)))
                wrong |= source is not None
            continue
        for file in source.files:
            problem = inspect(source, folder, file)[1]
            rows.append((name, file, f"{problem}; mend: {source.mend(root)}" if problem else "ok"))
            wrong |= bool(problem)
    _print(rows)
    return DataError.exit_code if wrong else 0


def _fetch(sources: Sources, root: str | None, named: bool) -> int:
    from lsbench.data._download import fetch

    for name, source in sources.items():
        if source is None:
            raise UsageError(f"data fetch {name}: there is nothing to download; its images are yours")
        print(f"{name}  {fetch(source, root, partial(print, 'asking', file=sys.stderr))}")
    return 0


def _absence(name: str, source: Source | None, root: str | None) -> str:
    if source is None:
        return "has no checksums to compare; its images are checked when they are read"
    try:
        return str(find(source, root))
    except DataError as error:
        return str(error).removeprefix(f"{name}: ")


def _here(source: Source, root: str | None) -> Path | None:
    try:
        return find(source, root)
    except DataError:
        return None


def _sources() -> Sources:
    """Every data set of conf/data/, by name, with what its module says of it."""
    sources: Sources = {}
    for path in sorted((conf_dir() / "data").glob("*.yaml")):
        target = yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"]
        said = vars(import_module(target.rpartition(".")[0])).values()
        described = [value for value in said if isinstance(value, Source) and value.name == path.stem]
        sources[path.stem] = described[0] if described else None
    return sources


def _known(kind: str, name: str, names: list[str]) -> str:
    if name in names:
        return name
    raise UsageError(f"data: no {kind} {name}{suggest_or_list(name, names)}")


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"data: {message}; see lsbench data --help")
