"""What is measured on stored weights, after training; one file a probe, found by its file.

A probe is a file beside this one with ``PROBE = Probe(columns, measure)``. Files whose names begin with an
underscore are no probes. Results are kept beside the run, in probes/NAME.json, so that asking again costs
nothing.
"""

import json
import math
from functools import cache
from importlib import import_module
from pathlib import Path

import torch

from lsbench import __version__, registry
from lsbench.errors import StorageError, UsageError, suggest_or_list
from lsbench.probes._probe import Probe
from lsbench.store.files import to_json, write_atomically
from lsbench.store.runs import run_dir
from lsbench.training import memory
from lsbench.training.trained_model import TrainedModel, load_trained_model

__all__ = ["Probe", "TrainedModel", "all_probes", "load_trained_model", "probed", "run_probe"]

__path__ = registry.with_extensions(__path__, __name__)

CPU = torch.device("cpu")


@cache
def all_probes() -> dict[str, Probe]:
    """Every probe by its file's name."""
    return {name: import_module(f"{__name__}.{name}").PROBE for name in registry.names(__path__)}


def find(name: str) -> Probe:
    """The probe called ``name``. Raises `UsageError` where there is none."""
    probes = all_probes()
    if name not in probes:
        raise UsageError(f"{name}: no such probe{suggest_or_list(name, probes)}")
    return probes[name]


def run_probe(
    results_dir: str | Path, run_id: str, name: str, device: torch.device = CPU
) -> dict[str, float]:
    """The numbers of probe ``name`` on the stored run, by column; NaN for one that is not defined.

    Computed once and then read. Several processes or threads may ask at once: at worst each computes the
    same, and the file appears in one piece. Raises `UsageError` for an unknown probe, `StorageError` for a
    run without weights, `DataError` where its data are missing or have changed.
    """
    probe = find(name)
    path = run_dir(results_dir, run_id) / "probes" / f"{name}.json"
    values = _kept(path, probe)
    if values is None:
        memory.keep_freed_memory()
        found = probe.measure(load_trained_model(results_dir, run_id, device))
        values = {
            column: found[column] if math.isfinite(found[column]) else math.nan for column in probe.columns
        }
        made_with = {"lsbench": __version__, "torch": str(torch.__version__), "device": device.type}
        write_atomically(path, to_json({"version": probe.version, "values": values, **made_with}))
    return values


def probed(results_dir: str | Path, run_id: str, name: str) -> dict[str, float] | None:
    """What `run_probe` has kept of the stored run, without computing it; None where that is nothing."""
    return _kept(run_dir(results_dir, run_id) / "probes" / f"{name}.json", find(name))


def _kept(path: Path, probe: Probe) -> dict[str, float] | None:
    """The values in the file, unless there is none, or it is damaged or of another version."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != probe.version:
            return None
        values = {column: content["values"][column] for column in probe.columns}
        return {column: math.nan if value is None else float(value) for column, value in values.items()}
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
