"""`lsbench data list | where | verify | fetch`: the data sets on this machine."""

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import yaml

from lsbench import conf_dir
from lsbench.cli.parser import Parser
from lsbench.data._files import Source, find_folder, read_file, roots
from lsbench.errors import DataError, UsageError, shown, suggest_or_list

HELP = """\
usage: lsbench data list|where|verify|fetch [NAME ...] [--root DIR]

  list          data sets: images, classes, shape, and whether they are on this machine
  where         the folder of each, or the folders that were searched
  verify        compare the files with their SHA-256 checksums; exit code 3 if one differs
  fetch NAME    download from the first mirror that answers

  NAME          data sets; without names, all of them
  --root DIR    search and download here only, not in the usual folders

  lsbench data fetch mnist
  lsbench data verify mnist cifar10 --root /datasets
"""
Sources = dict[str, Source | None]  # None: a data set without a list of files, such as the user's own images


def main(arguments: Sequence[str]) -> int:
    """Run one subcommand; return 0, or 3 if `verify` finds a missing or damaged file.

    Raises `UsageError` for an unknown subcommand, flag, data set or folder, and whatever `fetch` raises.
    """
    commands = {"list": _list, "where": _where, "verify": _verify, "fetch": _fetch}
    parser = Parser("data", HELP)
    parser.add_argument("command", nargs="?")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--root")
    parsed = parser.parse(arguments)
    if parsed.command is None:
        raise UsageError(f"data: name a subcommand; there are {', '.join(commands)}")
    command = _known("subcommand", parsed.command, list(commands))
    root = _expanded(parsed.root)
    sources = _sources()
    names = [_known("data set", name, list(sources)) for name in parsed.names]
    if command == "fetch" and not names:
        raise UsageError(f"data fetch: name one or more of {', '.join(sources)}")
    if command == "verify" and not names:  # verifies what is present
        names = [name for name, source in sources.items() if source and _folder(source, root)]
        sources = {name: sources[name] for name in names}
    return commands[command]({name: sources[name] for name in names or sources}, root)


def _expanded(root: str | None) -> str | None:
    try:
        return root and str(Path(root).expanduser())
    except RuntimeError:
        raise UsageError(f"data: --root {root}: no such home folder; give the whole path") from None


def _list(sources: Sources, root: str | None) -> int:
    rows = [("name", "images", "classes", "shape", "from", "present")]
    for name, source in sources.items():
        if source is None:
            rows.append((name, "-", "-", "-", "its own loader", "-"))
            continue
        images = f"{source.train:,}" + (f" + {source.test:,}" if source.test else "")
        shape = "×".join(map(str, source.shape))
        origin = f"package {source.package}" if source.package else "download"
        present = "yes" if _folder(source, root) else "no"
        rows.append((name, images, str(source.classes), shape, origin, present))
    _print(rows)
    return 0


def _where(sources: Sources, root: str | None) -> int:
    rows = []
    for name, source in sources.items():
        if source is None:
            rows.append((name, "where data.root= points"))
        elif folder := _folder(source, root):
            rows.append((name, str(folder)))
        else:
            rows.append((name, f"not under {', '.join(map(str, roots(source, root)))}"))
    _print(rows)
    return 0


def _verify(sources: Sources, root: str | None) -> int:
    rows = []
    wrong = False
    for name, source in sources.items():
        folder = _folder(source, root) if source else None
        if source is None or folder is None:
            rows.append((name, "-", _absence(name, source, root)))
            wrong |= source is not None
            continue
        for file in source.files:
            _, problem = read_file(source, folder, file)
            if problem:
                wrong = True
                problem += f"; to repair it: {source.repair_command(root)}"
            rows.append((name, file, problem or "ok"))
    _print(rows)
    return DataError.exit_code if wrong else 0


def _fetch(sources: Sources, root: str | None) -> int:
    from lsbench.data._download import fetch

    for name, source in sources.items():
        if source is None:
            raise UsageError(f"data fetch {name}: there is nothing to download; its images are yours")
        print(f"{name}  {fetch(source, root, partial(print, 'downloading', file=sys.stderr))}")
    return 0


def _absence(name: str, source: Source | None, root: str | None) -> str:
    """The reason why a data set cannot be verified."""
    if source is None:
        return "has no checksums to compare; its images are checked when they are read"
    try:
        return str(find_folder(source, root))
    except DataError as error:
        return str(error).removeprefix(f"{name}: ")


def _folder(source: Source, root: str | None) -> Path | None:
    """The folder of a data set, None if it is not on this machine."""
    try:
        return find_folder(source, root)
    except DataError:
        return None


def _sources() -> Sources:
    """The files of every data set in conf/data/, by name, as its module declares them."""
    sources: Sources = {}
    for path in sorted((conf_dir() / "data").glob("*.yaml")):
        target = yaml.safe_load(path.read_text(encoding="utf-8"))["_target_"]
        values = vars(import_module(target.rpartition(".")[0])).values()
        described = [value for value in values if isinstance(value, Source) and value.name == path.stem]
        sources[path.stem] = described[0] if described else None
    return sources


def _known(kind: str, name: str, names: list[str]) -> str:
    if name in names:
        return name
    raise UsageError(f"data: no {kind} {shown(name)}{suggest_or_list(name, names)}")


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
