"""A stored run made into a network again."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lsbench import models, precision, runs
from lsbench.config import Run, from_yaml
from lsbench.terms import StorageError, UsageError

# Rows in one pass: few enough that a convolution's outputs stay in a CPU's cache.
CHUNK = 256


@dataclass(frozen=True)
class Restored:
    """A run that is done, its settings and weights as they are kept in ``folder``."""

    folder: Path
    run: Run
    data_sha256: str
    weights: dict[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in: of a run in bf16 float32, in which its weights are kept."""
        return precision.DTYPES[self.run.precision]

    def network(self, shape: tuple[int, ...], classes: int, device: torch.device) -> nn.Module:
        """The plain model for images of ``shape`` (C, H, W) in eval mode; its weights take no gradient.

        Raises `StorageError` where the weights do not fit.
        """
        with torch.random.fork_rng(devices=[]):  # its initial weights are drawn, and replaced
            model = models.build(self.run.model, shape, classes).to(self.dtype)
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:
            path, name = self.folder / "model.pt", self.run.model_name
            raise StorageError(f"{path}: does not fit model={name}: {error}") from error
        return model.to(device).eval().requires_grad_(False)


def restored(results_dir: str | Path, run_id: str) -> Restored:
    """What is stored of a run. Raises `StorageError` where its record, settings or weights are missing or
    damaged."""
    folder = runs.run_dir(results_dir, run_id)
    record = runs.read(results_dir, run_id)
    if record is None:
        raise StorageError(f"{folder}: no such run is stored")
    if record["status"] != "done":
        raise StorageError(f"{folder}: the run {record['status']}, so it has no weights")
    settings, weights = _settings(folder / "config.yaml"), _weights(folder / "model.pt")
    return Restored(folder, settings, record["data_sha256"], weights)


def _settings(path: Path) -> Run:
    try:
        return from_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    except (UsageError, ValueError) as error:
        raise StorageError(f"{path}: {error}") from error


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        hint = "delete the run's folder and it is trained again"
        raise StorageError(f"{path}: cannot be read ({error.strerror}); {hint}") from error
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise StorageError(f"{path}: holds no weights; delete the run's folder to train it again") from error
    if not isinstance(loaded, dict):
        raise StorageError(f"{path}: holds no weights; delete the run's folder to train it again")
    return loaded
