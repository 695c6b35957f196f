"""Protocols of sequential experiments: what was fixed before the first run, in results/NAME/decide.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lsbench.errors import StorageError, UsageError
from lsbench.store.files import to_json, write_atomically


@dataclass(frozen=True)
class Protocol:
    """The plan of `lsbench decide`.

    ``questions`` are metrics; ``looks`` the numbers of pairs at which they are judged, each at the nominal
    two-sided level in ``levels``; a fixed design of the same power has ``fixed_pairs`` pairs. ``cells`` are
    the cell without smoothing and the one with ``alpha``. ``seconds`` is the time that may be spent, 0 for
    any. ``changed`` lists the protocols that it replaced after runs of theirs had been judged.
    """

    questions: tuple[str, ...]
    looks: tuple[int, ...]
    levels: tuple[float, ...]
    fixed_pairs: int
    alpha: float
    cells: tuple[str, str]
    seconds: float = 0.0
    changed: tuple[dict[str, Any], ...] = ()


# The types in the lists of decide.json.
KINDS = {"questions": str, "looks": int, "levels": float, "cells": str, "changed": dict}


def read_protocol(folder: Path) -> Protocol | None:
    """The protocol of the sweep in ``folder``; None if it has none. Raises `StorageError` if damaged."""
    path = _path(folder)
    try:
        content = json.loads(path.read_bytes())
        protocol = Protocol(**content | {name: tuple(content[name]) for name in KINDS})
        if not len(protocol.looks) == len(protocol.levels) > 0 or len(protocol.cells) != 2:
            raise ValueError("its lists differ in length")
        if not all(
            isinstance(item, kind) for name, kind in KINDS.items() for item in getattr(protocol, name)
        ):
            raise ValueError("its values are of other types")
        return protocol
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path}: cannot be read ({error}); choose another name= to begin again"
        ) from error


def write_protocol(folder: Path, protocol: Protocol, *, restart: bool) -> Protocol:
    """Store ``protocol`` unless it is stored, and return what is stored.

    With ``restart`` it replaces another one, which it then lists as changed. Raises `UsageError` for another
    one without it, and for the folder of a sweep that is no decision.
    """
    before = read_protocol(folder)
    if before is None and (folder / "sweep.json").exists():
        raise UsageError(f"name={folder.name}: is a sweep under {folder.parent}; choose another name")
    if before:
        changed = replace(protocol, changed=before.changed)
        if changed == before:
            return before
        differing = [name for name in asdict(protocol) if asdict(changed)[name] != asdict(before)[name]]
        if not restart:
            raise UsageError(
                f"name={folder.name}: was begun with another plan ({_listed(differing, before)}); choose "
                "another name=, or give --restart to change the plan, which its report will then say"
            )
        without_list = {name: value for name, value in asdict(before).items() if name != "changed"}
        protocol = replace(protocol, changed=(*before.changed, without_list))
    write_atomically(_path(folder), to_json(asdict(protocol)))
    return protocol


def _listed(names: Sequence[str], protocol: Protocol) -> str:
    """The plan's values that differ, as a user gives them; a change of settings shows in the cells alone."""
    words = {
        "questions": f"question=[{','.join(protocol.questions)}]".replace("test_", ""),
        "looks": f"looks=[{','.join(map(str, protocol.looks))}]",
        "alpha": f"alpha={protocol.alpha:g}",
        "seconds": f"budget={protocol.seconds:g}s",
        "cells": "other settings",
    }
    return ", ".join(
        words[name] for name in names if name in words and not (name == "cells" and "alpha" in names)
    )


def _path(folder: Path) -> Path:
    return folder / "decide.json"
