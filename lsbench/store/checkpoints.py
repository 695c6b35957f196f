"""What the store keeps of a stack until its runs are in: who trains together, and how far they have come.

Each stack has a folder of its own, results/runs/.stacks/ID/, where ID is a hash of its members; it is held by
a lock while the stack trains and is gone when the runs are stored.
"""

import hashlib
import io
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lsbench.errors import StorageError
from lsbench.store.files import locked, write_atomically

log = logging.getLogger(__name__)

# Raised when stack.Stack.state gets another form, so that nobody goes on from the old one.
STATE_VERSION = 1


@dataclass(frozen=True)
class SavedStack:
    """The members of a stack in their order, with how many threads it trains on a CPU, and which way they go
    through their network: what has to stay as it is for a resumed stack to give the same bits."""

    runs: tuple[str, ...]
    threads: int
    way: str = "vmap"


def stacks_dir(results_dir: str | Path) -> Path:
    return Path(results_dir) / "runs" / ".stacks"


def stack_dir(results_dir: str | Path, run_ids: Sequence[str]) -> Path:
    """The folder of the stack with these members."""
    content = json.dumps([STATE_VERSION, *run_ids])
    return stacks_dir(results_dir) / hashlib.sha256(content.encode()).hexdigest()[:12]


def save_stacks(results_dir: str | Path, plans: Sequence[SavedStack]) -> None:
    """Remember who trains together; a stack that another process has is left to that. Raises `StorageError`.

    Each file names all of them, so that being cut off between two files changes nothing. A single run is its
    own plan but for the threads.
    """
    all_together = [asdict(plan) for plan in plans if len(plan.runs) > 1]
    for plan in plans:
        folder = stack_dir(results_dir, plan.runs)
        with locked(folder, wait=False) as mine:  # nobody may be removing the folder meanwhile
            if mine:
                content = asdict(plan) | {"planned_with": all_together}
                write_atomically(folder / "plan.json", (json.dumps(content, indent=1) + "\n").encode())


def saved_stacks(results_dir: str | Path) -> list[SavedStack]:
    """The plans of all stacks that are not stored yet, and behind them those that were made with them; one
    that cannot be read is planned anew."""
    plans: dict[SavedStack, None] = {}
    further: dict[SavedStack, None] = {}
    for path in sorted(stacks_dir(results_dir).glob("*/plan.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_bytes())
            own, *others = (_plan(each) for each in (content, *content["planned_with"]))
            if stack_dir(results_dir, own.runs) == path.parent:
                plans[own] = None
                further |= dict.fromkeys(others)
    return list(plans | further)


def _plan(content: Mapping[str, Any]) -> SavedStack:
    return SavedStack(tuple(content["runs"]), int(content["threads"]), str(content.get("way", "vmap")))


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Keep the state of a stack's training. Raises `StorageError`."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    write_atomically(folder / "state.pt", buffer.getvalue())


def load(folder: Path, device: Any) -> dict[str, Any] | None:
    """The state that was kept last, or None. One that cannot be read is said and left aside."""
    import torch

    path = folder / "state.pt"
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # torch raises whatever its unpickler does
        log.warning("%s: cannot be read (%s); the stack starts anew", path, type(error).__name__)
        return None
    return state


def drop(folder: Path) -> None:
    """Forget a stack. Raises `StorageError`."""
    try:
        shutil.rmtree(folder)
        with suppress(OSError):  # the last one turns off the light
            folder.parent.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError(f"{folder}: cannot be removed ({error.strerror})") from error
