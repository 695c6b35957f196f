"""Checkpoints of stacks in training: their members, their latest state, and their runs as they are stored.

A stack has the folder results/runs/.stacks/ID/, where ID is a hash of its members. In it are plan.json with
the members, state.pt with the latest state, and once the stack is trained rows/ with its runs. ID.lock beside
it is locked while the stack trains. Both are removed when the runs are stored.
"""

import hashlib
import io
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsbench.config import Run
from lsbench.errors import StorageError
from lsbench.store import runs
from lsbench.store.files import locked, write_atomically
from lsbench.store.links import check_links
from lsbench.terms import Outcome

log = logging.getLogger(__name__)

# Raise it when the form of training.loop.Training.state changes, so that no old state is resumed.
STATE_VERSION = 1
STACK_ID = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True)
class SavedStack:
    """The part of a stack's plan that determines its results bit for bit: the members in their order, the
    number of CPU threads, and the strategy of the forward pass (training/forward.py)."""

    run_ids: tuple[str, ...]
    threads: int
    strategy: str = "vmap"


def stacks_dir(results_dir: str | Path) -> Path:
    return Path(results_dir) / "runs" / ".stacks"


def stack_dir(results_dir: str | Path, run_ids: Sequence[str]) -> Path:
    """The folder of the stack with these members."""
    content = json.dumps([STATE_VERSION, *run_ids])
    return stacks_dir(results_dir) / hashlib.sha256(content.encode()).hexdigest()[:12]


def stack_dirs(results_dir: str | Path) -> list[Path]:
    """The folders of all stacks, including those of which only the lock file is left.

    Raises `StorageError` if one of them is a link that leads out of ``results_dir``: what is in them is moved
    and removed.
    """
    check_links(results_dir, stacks_dir(results_dir))
    entries = [path for path in stacks_dir(results_dir).glob("*") if STACK_ID.fullmatch(path.stem)]
    return sorted({path.with_suffix("") for path in entries if path.suffix == ".lock" or path.is_dir()})


@contextmanager
def hold(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a stack's ``folder`` against other processes, as `files.locked` does, and remove the folder of all
    stacks at the end if nothing is left in it."""
    with locked(folder, wait=wait) as acquired:
        yield acquired
    with suppress(OSError):
        folder.parent.rmdir()


def save_stacks(results_dir: str | Path, stacks: Sequence[SavedStack]) -> None:
    """Save which runs train together, except for stacks that another process holds. Raises `StorageError`.

    Each plan.json names all stacks, so that a process killed between two files loses nothing. A single run
    needs no record of its members; its file only keeps the number of threads.
    """
    several = [_to_json(stack) for stack in stacks if len(stack.run_ids) > 1]
    for stack in stacks:
        folder = stack_dir(results_dir, stack.run_ids)
        with hold(folder, wait=False) as acquired:  # else another process may be removing the folder
            if acquired:
                content = _to_json(stack) | {"planned_with": several}
                write_atomically(folder / "plan.json", (json.dumps(content, indent=1) + "\n").encode())


def saved_stacks(results_dir: str | Path) -> list[SavedStack]:
    """All stacks that are not stored yet, followed by those that were planned with them. A plan.json that
    cannot be read is ignored, and its runs are planned again."""
    stacks: dict[SavedStack, None] = {}
    planned_with: dict[SavedStack, None] = {}
    for path in sorted(stacks_dir(results_dir).glob("*/plan.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_bytes())
            stack = _from_json(content)
            others = [_from_json(other) for other in content["planned_with"]]
            if stack_dir(results_dir, stack.run_ids) == path.parent:
                stacks[stack] = None
                planned_with |= dict.fromkeys(others)
    return list(stacks | planned_with)


def _to_json(stack: SavedStack) -> dict[str, Any]:
    # "way" is the name that version 0.1.0 wrote
    return {"runs": stack.run_ids, "threads": stack.threads, "way": stack.strategy}


def _from_json(content: Mapping[str, Any]) -> SavedStack:
    return SavedStack(tuple(content["runs"]), int(content["threads"]), str(content["way"]))


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint of a stack's training. Raises `StorageError`."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(folder / "state.pt", buffer.getvalue())


def load(folder: Path, device: Any) -> dict[str, Any] | None:
    """The latest checkpoint, or None. One that cannot be read is reported in the log and ignored."""
    import torch

    path = folder / "state.pt"
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # torch's unpickler may raise anything
        log.warning("%s: cannot be read (%s); the stack starts again from step 0", path, type(error).__name__)
        return None
    return state


def has_checkpoint(folder: Path) -> bool:
    return (folder / "state.pt").exists()


def store_runs(
    results_dir: str | Path,
    folder: Path,
    members: Sequence[tuple[Run, str]],
    outcomes: Sequence[Outcome],
    device: str,
) -> None:
    """Write the runs of a stack to a staging folder, then move them all into the store. Each member is a run
    with the hash of its data. Raises `StorageError`.

    If the process is killed here, either the stack is trained to its end again or `recover` moves what is
    staged.
    """
    part = folder / "rows.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        for (run, data_sha256), outcome in zip(members, outcomes, strict=True):
            runs.write(part, run, data_sha256, outcome, device)
    except StorageError:
        shutil.rmtree(part, ignore_errors=True)  # the disk may be full
        raise
    part.replace(folder / "rows")
    _commit(folder, results_dir)


def recover(results_dir: str | Path) -> None:
    """Store the staged runs of stacks that were interrupted while being stored, and remove the folders of
    stacks that are stored or were never trained."""
    by_folder = {stack_dir(results_dir, saved.run_ids): saved for saved in saved_stacks(results_dir)}
    for folder in stack_dirs(results_dir):
        with hold(folder, wait=False) as acquired:
            if acquired and _is_over(folder, results_dir, by_folder.get(folder)):
                _commit(folder, results_dir)


def _is_over(folder: Path, results_dir: str | Path, saved: SavedStack | None) -> bool:
    """True if the stack has staged runs, nothing that could be resumed, or only final runs."""
    if (folder / "rows").exists():
        return True
    if saved is None:
        return not (has_checkpoint(folder) or (folder / "plan.json").exists())
    with suppress(StorageError):
        return all(runs.is_final(runs.read(results_dir, run_id)) for run_id in saved.run_ids)
    return False


def _commit(folder: Path, results_dir: str | Path) -> None:
    for source in (folder, folder / "rows"):
        check_links(results_dir, source)
    runs.commit_staged(results_dir, folder / "rows")
    drop(folder)


def drop(folder: Path) -> None:
    """Remove a stack's folder, if it exists. Raises `StorageError`."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError(f"{folder}: cannot be removed ({error.strerror})") from error
