"""Compilation of the kernels for a GPU, and their memory accesses, which the interpreter cannot check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    pytest.importorskip("triton", reason="needs Triton, which PyTorch's CPU builds leave out")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {
        "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton")),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    script = Path(__file__).with_name("compile_kernels.py")
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_kernel_compiles_for_an_h100(compiled):
    assert len(compiled) == 13
    assert all(kernel["target"] and kernel["cubin"] and not kernel["offsets32"] for kernel in compiled)


@pytest.mark.parametrize(("logits", "size"), [("fp32", 4), ("bf16", 2)])
def test_long_rows_move_sixteen_bytes_at_a_time(compiled, logits, size):
    """4096 numbers by 256 threads: read once for the loss and once for the gradient, and written once."""
    [kernel] = [record for record in compiled if (record["CLASSES"], record["logits"]) == (32_000, logits)]
    moves = 4096 // 256 * size // 16
    assert kernel["stores16"] == moves
    assert kernel["loads16"] == 2 * moves


@pytest.mark.parametrize("classes", [100, 1000])
def test_short_rows_move_sixteen_bytes_at_a_time_if_their_length_allows(compiled, classes):
    [kernel] = [record for record in compiled if record["CLASSES"] == classes]
    assert kernel["loads16"] and kernel["stores16"]
