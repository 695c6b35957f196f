"""The device that runs train on, and the number of its CPU threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lsbench.errors import UsageError


def choose_device(name: str) -> torch.device:
    """The device called ``name``; ``auto`` is the first GPU if there is one, else the CPU.

    Raises `UsageError` for a device that this machine does not have.
    """
    gpus = torch.cuda.device_count()
    available = ["auto", "cpu", *(["cuda"] if gpus else []), *(f"cuda:{index}" for index in range(gpus))]
    if name not in available:
        raise UsageError(f"device={name}: not on this machine; allowed here are {', '.join(available)}")
    return torch.device(("cuda" if gpus else "cpu") if name == "auto" else name)


def supports_bf16(device: torch.device) -> bool:
    """Return whether ``device`` computes in bfloat16 without emulation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def device_name(device: torch.device) -> str:
    """The value of the ``device`` column: cpu, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Let torch use ``number`` CPU threads within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
