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
