"""What a probe meets: a stored run made into a network again, with the data as it saw them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lsbench import rng
from lsbench.config import DataConfig
from lsbench.data import load
from lsbench.data.resident import Resident, stratified_order
from lsbench.restore import restored
from lsbench.terms import DataError, Splits


@dataclass(frozen=True)
class Subject:
    """A trained network as a probe meets it: the plain ``model`` in eval mode, whose weights take no
    gradient, and its data. ``seed`` is the run's; ``classes`` are the names of the K classes.

    A run trained in bf16 is probed in float32, in which its weights are kept.
    """

    seed: int
    classes: tuple[str, ...]
    model: nn.Module
    data: Resident
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
        return self.data.gather(rows[None])[0].to(self.dtype) / 255, self.data.labels[rows]


@dataclass(frozen=True)
class Probe:
    """A measurement: ``measure`` takes a subject and gives a number for each of ``columns``, in their order.

    ``shown`` are those that the terminal's table has room for; one whose name ends in _accuracy is a
    fraction, and its difference from the baseline stands beside it; ``note`` explains them there. ``version``
    is raised whenever the same weights would give other numbers: what is kept is then stale.
    """

    columns: tuple[str, ...]
    measure: Callable[[Subject], dict[str, float]]
    shown: tuple[str, ...] = ()
    note: str = ""
    version: int = 1


def load_subject(results_dir: str | Path, run_id: str, device: torch.device) -> Subject:
    """The network of a stored run on ``device``.

    Raises `StorageError` where its record, settings or weights are missing or damaged, `DataError` where its
    data are missing or are not those it was trained on.
    """
    found = restored(results_dir, run_id)
    run, splits = found.run, _splits(found.run.data, found.data_sha256)
    model = found.network(splits.train_images.shape[1:], len(splits.classes), device)
    data = Resident(splits, run.data, [run.seed], device)
    return Subject(run.seed, splits.classes, model, data, found.dtype)


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
