"""Sweeps: the lists of runs under results/NAME/sweep.json, and the notes from which they are collected."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lsbench import __version__
from lsbench.config import Name
from lsbench.errors import StorageError, UsageError, shown
from lsbench.store.files import to_json, write_atomically
from lsbench.store.links import check_links, is_plain_name
from lsbench.store.protocols import read_protocol
from lsbench.store.runs import run_dir

if TYPE_CHECKING:
    import pandas as pd

COMBINING = "lsbench report "  # the beginning of the command of a combined report, and of no other
DECIDING = "lsbench decide"  # that of a sequential decision


@dataclass(frozen=True)
class Sweep:
    """All runs of one command, for `lsbench claims` also by claim; stored as results/NAME/sweep.json.

    ``looks`` are the numbers of seeds at which a report of all its runs was written, ascending.
    """

    name: str
    command: str
    runs: tuple[str, ...] = ()
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    looks: tuple[int, ...] = ()


def write_sweep(results_dir: str | Path, sweep: Sweep) -> None:
    """Write a sweep's list of runs; it replaces an earlier sweep of the same name.

    The looks at the earlier one are kept if its runs are among the new ones, or the reverse: then more seeds
    were added to the same settings, or a command is resumed. Raises `UsageError` if the earlier one is of
    another kind, whose files would stay and contradict the new ones, and `StorageError` if a link leads out
    of ``results_dir``.
    """
    check_links(results_dir, Path(results_dir) / sweep.name)
    if before := _earlier(results_dir, sweep.name):
        if _kind(before) != _kind(sweep):
            raise UsageError(
                f"name={sweep.name}: is {_kind(before)} under {results_dir}; choose another name"
            )
        if not sweep.looks and (set(before.runs) <= set(sweep.runs) or set(sweep.runs) <= set(before.runs)):
            sweep = replace(sweep, looks=before.looks)
    content = asdict(sweep) | {"lsbench": __version__}
    write_atomically(Path(results_dir) / sweep.name / "sweep.json", to_json(content))


def _kind(sweep: Sweep) -> str:
    """The kind of a sweep, in words."""
    if sweep.claims:
        return "a page of claims"
    return "a decision" if sweep.command.startswith(DECIDING) else "a sweep without claims"


def _earlier(results_dir: str | Path, name: str) -> Sweep | None:
    """The stored sweep of this name; None if there is none, or a damaged one, which is replaced."""
    try:
        return read_sweep(results_dir, name)
    except (UsageError, StorageError):
        return None


def note_look(results_dir: str | Path, sweep: Sweep, seeds: int) -> None:
    """Note in a sweep's sweep.json that a report with this number of seeds was written, unless one with as
    many was."""
    if seeds > max(sweep.looks, default=0):
        write_sweep(results_dir, replace(sweep, looks=(*sweep.looks, seeds)))


def read_sweep(results_dir: str | Path, name: str) -> Sweep:
    """The sweep called ``name``. Raises `UsageError` if there is none, `StorageError` if it is damaged or a
    link in its folder leads out of ``results_dir``."""
    path = Path(results_dir) / name / "sweep.json"
    if not is_plain_name(name):
        raise _no_sweep(results_dir, name)
    check_links(results_dir, path.parent)
    try:
        content = json.loads(path.read_bytes())
        listed, claims = content["runs"], content.get("claims", {})
        for members in (listed, *claims.values()):
            if not isinstance(members, list) or not all(map(is_plain_name, members)):
                raise ValueError("its list of runs is damaged")
        if not all(isinstance(text, str) for text in (content["command"], *claims)):
            raise ValueError("it is damaged")
        looks = tuple(map(int, content.get("looks", ())))
        return Sweep(name, content["command"], tuple(listed), claims, looks)
    except FileNotFoundError:
        raise _no_sweep(results_dir, name) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(f"{path}: cannot be read ({error}); run its command again to write it") from error


def _no_sweep(results_dir: str | Path, name: str) -> UsageError:
    names = sorted(path.parent.name for path in Path(results_dir).glob("*/sweep.json"))
    known = ", ".join(names) or "none yet"
    return UsageError(f"no sweep named {shown(name)} under {results_dir}; sweeps there: {known}")


def note_run(folder: Path, key: str, results_dir: str, name: str, run_id: str) -> None:
    """Append a run of the sweep ``name`` to the notes of the command with this ``key``, in runs-KEY.jsonl.
    Raises `StorageError` if that fails."""
    path = _notes(folder, key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps([results_dir, name, run_id]) + "\n")
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror or error})") from error


def noted_runs(folder: Path, key: str) -> list[tuple[str, str, str]]:
    """The results folder, the sweep and the ID of each run that `note_run` has noted. Raises `StorageError`
    if the notes are damaged."""
    path = _notes(folder, key)
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [(results_dir, name, run_id) for results_dir, name, run_id in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(f"{path}: cannot be read ({error}); run the command again") from error


def _notes(folder: Path, key: str) -> Path:
    return folder / f"runs-{key}.jsonl"


def measured_file(folder: Path, claim: str) -> Path:
    """The file in the sweep's ``folder`` with the table that the claim's own `measure` returned."""
    return folder / f"measured-{claim}.csv"


def read_measured(folder: Path, claim: str) -> "pd.DataFrame | None":
    """The table in `measured_file`; None if there is none. Raises `StorageError` for one that is not of
    numbers."""
    import pandas as pd

    path = measured_file(folder, claim)
    try:
        table = pd.read_csv(path, dtype="float64")
        if table.empty:
            raise ValueError("it has no rows")
        return table
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: cannot be read ({error}); run lsbench claims {claim} again") from error


def check_rebuildable(results_dir: str | Path, name: str) -> None:
    """Raise `StorageError` if sweep ``name`` has tables but none of its runs is stored: a new report would
    replace tables, which are all that is left of the runs, by empty ones."""
    run_ids = read_sweep(results_dir, name).runs
    stored = any(run_dir(results_dir, run_id).exists() for run_id in run_ids)
    if (Path(results_dir) / name / "runs.csv").exists() and not stored:
        reason = f"none of the {len(run_ids)} runs of {name} is stored"
        raise StorageError(f"{run_dir(results_dir, '')}: {reason}; its tables are left as they are")


def combine(results_dir: str | Path, names: list[str], name: str, command: str) -> None:
    """Write the sweep ``name`` with all runs of the sweeps ``names``, made by ``command``.

    Raises `UsageError` if ``name`` is not valid, or is a trained sweep, whose list of runs would be lost.
    """
    if name not in Name():
        raise UsageError(f"name={name}: allowed is text {Name()}")
    sweeps = [read_sweep(results_dir, part) for part in names]
    if name in names:
        raise UsageError(f"name={name}: is one of the sweeps to combine; choose another name")
    taken = (Path(results_dir) / name / "sweep.json").exists()
    if taken and not read_sweep(results_dir, name).command.startswith(COMBINING):
        raise UsageError(f"name={name}: is a trained sweep under {results_dir}; choose another name")
    union = dict.fromkeys(run_id for sweep in sweeps for run_id in sweep.runs)
    looks = {look for sweep in sweeps for look in sweep.looks}
    for part in names:
        if protocol := read_protocol(Path(results_dir) / part):
            looks.update(protocol.looks)
    write_sweep(results_dir, Sweep(name, command, tuple(union), looks=tuple(sorted(looks))))
