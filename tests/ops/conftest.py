"""Triton's kernels, on a GPU where there is one, else in Triton's interpreter."""

import pytest
import torch


@pytest.fixture
def triton_kernels():
    pytest.importorskip("triton", reason="needs Triton, which PyTorch's CPU builds leave out")
    from lsbench.ops import _triton

    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    yield _triton
    torch.set_default_device("cpu")


@pytest.fixture
def as_on_a_gpu(triton_kernels, monkeypatch):
    """All calls use Triton's kernels, and nobody asks labels what they are."""
    from lsbench.ops import _plain, _rows

    used = _rows.kernels
    monkeypatch.setattr(_rows, "kernels", lambda logits: triton_kernels if used(logits) else None)
    monkeypatch.setattr(_rows, "CPU_NUMBERS", 0)
    monkeypatch.setattr(_plain, "on_cpu", lambda tensor: False)
