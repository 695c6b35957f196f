"""Sweeps: the lists of runs under results/NAME/sweep.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lsbench import __version__
from lsbench.config import Name
from lsbench.errors import StorageError, UsageError
from lsbench.store.files import to_json, write_atomically
from lsbench.store.runs import run_dir

COMBINING = "lsbench report "  # how the command of a combined report begins; no sweep's own does


@dataclass(frozen=True)
class Sweep:
    """All runs of one command, of `lsbench claims` by claim too; kept as results/NAME/sweep.json."""

    name: str
    command: str
    runs: tuple[str, ...] = ()
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_sweep(results_dir: str | Path, sweep: Sweep) -> None:
    """Keep the list of a sweep's runs; the same name given another grid replaces it.

    Raises `UsageError` where a page of claims has the name of a sweep without, or the other way round: the
    files of one would stay beside those of the other, and contradict them.
    """
    _check_kind(results_dir, sweep.name, bool(sweep.claims))
    content = asdict(sweep) | {"lsbench": __version__}
    write_atomically(Path(results_dir) / sweep.name / "sweep.json", to_json(content))


def _check_kind(results_dir: str | Path, name: str, claims: bool) -> None:
    """Raises `UsageError` where ``name`` is that of a sweep of the other kind: with claims, or without."""
    try:
        other = bool(read_sweep(results_dir, name).claims) != claims
    except (UsageError, StorageError):  # none, or a damaged one, which is replaced
        return
    if other:
        kind = "a sweep without claims" if claims else "a page of claims"
        raise UsageError(f"name={name}: is {kind} under {results_dir}; take another name")


def read_sweep(results_dir: str | Path, name: str) -> Sweep:
    """The sweep called ``name``. Raises `UsageError` for none, `StorageError` for a damaged one."""
    path = Path(results_dir) / name / "sweep.json"
    try:
        content = json.loads(path.read_bytes())
        listed = [str(Path(run).name) for run in content["runs"]]
        if listed != content["runs"]:
            raise ValueError("its list of runs is damaged")
        return Sweep(content["name"], content["command"], tuple(listed), dict(content.get("claims", {})))
    except FileNotFoundError:
        names = sorted(found.parent.name for found in Path(results_dir).glob("*/sweep.json"))
        there = ", ".join(names) or "none yet"
        raise UsageError(f"no sweep named {name} under {results_dir}; there: {there}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path}: {error}") from error


def keep_tables(results_dir: str | Path, name: str) -> None:
    """Raises `StorageError` where sweep ``name`` has tables and none of its runs is stored: the tables are
    all that is left of them, and would be written again without a row."""
    wanted = read_sweep(results_dir, name).runs
    stored = any(run_dir(results_dir, run_id).exists() for run_id in wanted)
    if (Path(results_dir) / name / "runs.csv").exists() and not stored:
        what = f"none of the {len(wanted)} runs of {name} is stored"
        raise StorageError(f"{run_dir(results_dir, '')}: {what}; its tables stay as they are")


def combine(results_dir: str | Path, names: list[str], name: str, command: str) -> None:
    """Make ``name`` the sweep of all runs of the sweeps ``names``, by ``command``. Raises `UsageError` where
    ``name`` is no name, or a trained sweep's, whose list of runs would be lost."""
    if name not in Name():
        raise UsageError(f"name={name}: allowed is text {Name()}")
    sweeps = [read_sweep(results_dir, part) for part in names]
    if name in names:
        raise UsageError(f"name={name}: is one of the sweeps to combine; take another name")
    taken = (Path(results_dir) / name / "sweep.json").exists()
    if taken and not read_sweep(results_dir, name).command.startswith(COMBINING):
        raise UsageError(f"name={name}: is a sweep of its own under {results_dir}; take another name")
    union = dict.fromkeys(run_id for sweep in sweeps for run_id in sweep.runs)
    write_sweep(results_dir, Sweep(name, command, tuple(union)))
