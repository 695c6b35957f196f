"""Networks rebuilt from stored runs, with the data that they were trained on."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lsbench import models, rng
from lsbench.config import DataConfig, Run, from_yaml
from lsbench.data import load
from lsbench.errors import DataError, StorageError, UsageError
from lsbench.store import runs, trust
from lsbench.terms import DONE, Splits
from lsbench.training.device_data import DeviceDataset, stratified_order
from lsbench.training.forward import DTYPES


@dataclass(frozen=True)
class StoredModel:
    """A finished run: its settings and weights, as stored in ``folder``."""

    folder: Path
    run: Run
    data_sha256: str
    weights: dict[str, Tensor]

    @property
    def dtype(self) -> torch.dtype:
        """The type of the network's weights; float32 for a run in bf16."""
        return DTYPES[self.run.precision]

    def network(self, shape: tuple[int, ...], classes: int, device: torch.device) -> nn.Module:
        """The plain model for images of ``shape`` (C, H, W), in eval mode and without gradients of its
        weights.

        Raises `DamagedRunError` if the weights do not fit the model.
        """
        with torch.random.fork_rng(devices=[]):  # the initial weights that it draws are replaced
            model = models.build(self.run.model, shape, classes).to(self.dtype)
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:
            reason = f"does not fit model={self.run.model_name}: {error}"
            raise runs.DamagedRunError(self.folder / "model.pt", reason) from error
        return model.to(device).eval().requires_grad_(False)


def read_stored_model(results_dir: str | Path, run_id: str, command: Iterable[Run] = ()) -> StoredModel:
    """Read a stored run. Raises `StorageError` if its record, settings or weights are missing, damaged or
    changed since they were stored, or if its model is neither trusted (store/trust.py) nor that of a run of
    the current ``command``."""
    folder = runs.run_dir(results_dir, run_id)
    record = runs.read(results_dir, run_id)
    if record is None:
        raise StorageError(f"{folder}: no such run is stored")
    if record["status"] != DONE:
        raise StorageError(f"{folder}: the run {record['status']}, so it has no weights")
    settings = _settings(runs.read_file(results_dir, run_id, "config.yaml"), folder / "config.yaml")
    trust.check_model(settings, folder / "config.yaml", command)
    weights = _weights(runs.read_file(results_dir, run_id, "model.pt"), folder / "model.pt")
    return StoredModel(folder, settings, record["data_sha256"], weights)


def _settings(content: bytes, path: Path) -> Run:
    try:
        return from_yaml(content.decode())
    except (UsageError, ValueError) as error:
        raise runs.DamagedRunError(path, error) from error


def _weights(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # of any type: the bytes may be anything
        raise runs.DamagedRunError(path, "does not contain weights") from error
    weights = loaded if isinstance(loaded, dict) else {"": loaded}
    if all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        return weights
    raise runs.DamagedRunError(path, "does not contain weights")


@dataclass(frozen=True)
class TrainedModel:
    """A trained model for a probe: the plain ``network`` in eval mode, without gradients of its weights, and
    its data. ``seed`` is the run's; ``classes`` are the names of the K classes.

    A run trained in bf16 is probed in float32, the type of its weights.
    """

    seed: int
    classes: tuple[str, ...]
    network: nn.Module
    data: DeviceDataset
    dtype: torch.dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels in [0,1] [B,C,H,W] to logits [B,K], with the normalisation of the run's own train split."""
        logits: Tensor = self.network(self.data.normalise(255 * pixels[None], self.dtype)[0])
        return logits

    def sample(self, split: str, most: int) -> tuple[Tensor, Tensor]:
        """Pixels in [0,1] [N,C,H,W] and labels int64 [N] of at most ``most`` rows of a split.

        If the split has more rows, they are a stratified sample drawn from the seed, so that runs compared by
        seed are probed on the same rows. Labels are the data's own, without label noise.
        """
        rows = self.data.rows[split][0]
        if len(rows) > most:
            key = rng.key(torch.tensor(self.seed), "probes")
            rows = rows[stratified_order(self.data.labels[rows].cpu(), key)[:most].to(rows.device)]
        return self.data.images_at(rows[None])[0].to(self.dtype) / 255, self.data.labels[rows]


def load_trained_model(results_dir: str | Path, run_id: str, device: torch.device) -> TrainedModel:
    """The trained model of a stored run on ``device``.

    Raises `StorageError` if its record, settings or weights are missing, damaged or changed since they were
    stored, or if its data set or model is not trusted (store/trust.py), `DataError` if its data are missing
    or are not those that it was trained on.
    """
    stored = read_stored_model(results_dir, run_id)
    run = stored.run
    trust.check_data(run, stored.folder / "config.yaml")
    splits = LATEST_DATA.load(run.data, stored.data_sha256)
    network = stored.network(splits.train_images.shape[1:], len(splits.classes), device)
    data = DeviceDataset(splits, run.data, [run.seed], device)
    return TrainedModel(run.seed, splits.classes, network, data, stored.dtype)


class LatestData:
    """A loader that keeps the latest data set: the runs of a sweep share it, and reading it takes longer than
    most probes."""

    def __init__(self) -> None:
        self._splits: Splits | None = None

    def load(self, config: DataConfig, sha256: str) -> Splits:
        """The data set of a run. Raises `DataError` if it is missing or has another SHA-256 than
        ``sha256``."""
        splits = self._splits
        if splits is None or splits.sha256 != sha256:
            splits = load(config)
            if splits.sha256 != sha256:
                raise DataError(f"{config.name}: the run was trained on other data (SHA-256 {sha256[:12]}…)")
            self._splits = splits
        return splits

    def clear(self) -> None:
        self._splits = None


LATEST_DATA = LatestData()
