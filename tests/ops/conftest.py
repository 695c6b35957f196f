"""Triton's kernels, on a GPU if there is one, otherwise in Triton's interpreter."""

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
    """Use Triton's kernels for all calls, with no code that reads the values of labels."""
    from lsbench.ops import _dispatch, _reference

    used = _dispatch.kernels
    monkeypatch.setattr(_dispatch, "kernels", lambda logits: triton_kernels if used(logits) else None)
    monkeypatch.setattr(_dispatch, "CPU_ELEMENTS", 0)
    monkeypatch.setattr(_reference, "on_cpu", lambda tensor: False)
