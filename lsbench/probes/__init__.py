"""Probes: measurements on the weights of stored runs, one file each.

A probe is a file in this folder with ``PROBE = Probe(columns, measure)``; its name is the file's. Files whose
names begin with an underscore are helpers. Results are stored beside the run, in probes/NAME.json, and
computed only once.
"""

import math
from functools import cache
from importlib import import_module
from pathlib import Path

import torch

from lsbench import __version__, registry
from lsbench.errors import UsageError, shown, suggest_or_list
from lsbench.probes._probe import Probe
from lsbench.store import probe_values
from lsbench.training import memory
from lsbench.training.trained_model import TrainedModel, load_trained_model

__all__ = [
    "Probe",
    "TrainedModel",
    "all_probes",
    "find_probe",
    "load_trained_model",
    "read_stored",
    "run_probe",
]

__path__ = registry.with_extensions(__path__, __name__)

CPU = torch.device("cpu")


@cache
def all_probes() -> dict[str, Probe]:
    """Every probe by its file's name."""
    return {name: import_module(f"{__name__}.{name}").PROBE for name in registry.names(__path__)}


def find_probe(name: str) -> Probe:
    """The probe called ``name``. Raises `UsageError` if there is none."""
    probes = all_probes()
    if name not in probes:
        raise UsageError(f"{shown(name)}: no such probe{suggest_or_list(name, probes)}")
    return probes[name]


def run_probe(
    results_dir: str | Path, run_id: str, name: str, device: torch.device = CPU
) -> dict[str, float]:
    """The values of probe ``name`` on a stored run, by column; NaN where undefined.

    They are computed once and then read from the store. Processes or threads that ask at the same time may
    each compute them; the file is written atomically. Raises `UsageError` for an unknown probe,
    `StorageError` for a run without weights, `DataError` if its data are missing or have changed.
    """
    probe = find_probe(name)
    values = read_stored(results_dir, run_id, name)
    if values is None:
        memory.keep_freed_memory()
        measured = probe.measure(load_trained_model(results_dir, run_id, device))
        values = {
            column: measured[column] if math.isfinite(measured[column]) else math.nan
            for column in probe.columns
        }
        environment = {"lsbench": __version__, "torch": str(torch.__version__), "device": device.type}
        content = {"version": probe.version, "values": values, **environment}
        probe_values.write(results_dir, run_id, name, content)
    return values


def read_stored(results_dir: str | Path, run_id: str, name: str) -> dict[str, float] | None:
    """The values that `run_probe` has stored of a run; None if they are missing, damaged or of another
    version of the probe."""
    probe = find_probe(name)
    content = probe_values.read(results_dir, run_id, name)
    try:
        if content["version"] != probe.version:
            return None
        values = {column: content["values"][column] for column in probe.columns}
        return {column: math.nan if value is None else float(value) for column, value in values.items()}
    except (ValueError, TypeError, KeyError):
        return None
