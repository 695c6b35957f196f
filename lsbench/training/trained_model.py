"""A stored run as a network again, with the data that it was trained on."""

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lsbench import models, rng
from lsbench.config import DataConfig, Run, from_yaml
from lsbench.data import load
from lsbench.errors import DataError, StorageError, UsageError
from lsbench.store import runs
from lsbench.terms import Splits
from lsbench.training.device_data import DeviceDataset, stratified_order
from lsbench.training.forward import DTYPES

# Rows in one pass: few enough that a convolution's outputs stay in a CPU's cache.
CHUNK = 256


@dataclass(frozen=True)
class StoredModel:
    """A run that is done, its settings and weights as they are kept in ``folder``."""

    folder: Path
    run: Run
    data_sha256: str
    weights: dict[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """What the network computes in: of a run in bf16 float32, in which its weights are kept."""
        return DTYPES[self.run.precision]

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


def read_stored_model(results_dir: str | Path, run_id: str) -> StoredModel:
    """What is stored of a run. Raises `StorageError` where its record, settings or weights are missing or
    damaged."""
    folder = runs.run_dir(results_dir, run_id)
    record = runs.read(results_dir, run_id)
    if record is None:
        raise StorageError(f"{folder}: no such run is stored")
    if record["status"] != "done":
        raise StorageError(f"{folder}: the run {record['status']}, so it has no weights")
    settings, weights = _settings(folder / "config.yaml"), _weights(folder / "model.pt")
    return StoredModel(folder, settings, record["data_sha256"], weights)


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


@dataclass(frozen=True)
class TrainedModel:
    """A trained network as a probe meets it: the plain ``model`` in eval mode, whose weights take no
    gradient, and its data. ``seed`` is the run's; ``classes`` are the names of the K classes.

    A run trained in bf16 is probed in float32, in which its weights are kept.
    """

    seed: int
    classes: tuple[str, ...]
    model: nn.Module
    data: DeviceDataset
    dtype: torch.dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0,1] [B,C,H,W] to logits [B,K], with the normalisation of the run's own train split."""
        logits: Tensor = self.model(self.data.normalise(255 * pixels[None], self.dtype)[0])
        return logits

    def sample(self, split: str, most: int) -> tuple[Tensor, Tensor]:
        """Pixels in [0,1] [N,C,H,W] and labels int64 [N] of at most ``most`` rows of a split.

        Where the split has more, a stratified draw from the seed: runs that are compared by seed are probed
        on the same rows. Labels are the data's own, without label noise.
        """
        rows = self.data.rows[split][0]
        if len(rows) > most:
            key = rng.key(torch.tensor(self.seed), "probes")
            rows = rows[stratified_order(self.data.labels[rows].cpu(), key)[:most].to(rows.device)]
        return self.data.images_at(rows[None])[0].to(self.dtype) / 255, self.data.labels[rows]


def load_trained_model(results_dir: str | Path, run_id: str, device: torch.device) -> TrainedModel:
    """The network of a stored run on ``device``.

    Raises `StorageError` where its record, settings or weights are missing or damaged, `DataError` where its
    data are missing or are not those it was trained on.
    """
    found = read_stored_model(results_dir, run_id)
    run, splits = found.run, _splits(found.run.data, found.data_sha256)
    model = found.network(splits.train_images.shape[1:], len(splits.classes), device)
    data = DeviceDataset(splits, run.data, [run.seed], device)
    return TrainedModel(run.seed, splits.classes, model, data, found.dtype)


# The data set of the latest subject, by its hash: a sweep's runs share one, and reading it takes longer than
# most probes.
_held: dict[str, Splits] = {}


def _splits(config: DataConfig, sha256: str) -> Splits:
    splits = _held.get(sha256)
    if splits is None:
        splits = load(config)
        if splits.sha256 != sha256:
            raise DataError(f"{config.name}: the run was trained on other data (SHA-256 {sha256[:12]}…)")
        _held.clear()
        _held[sha256] = splits
    return splits
