"""Freed memory that stays in the process, by the system's count of page faults."""

import platform
import subprocess
import sys

import pytest

from lsbench.training import memory

# The layers that dominate ResNet-8, with activations of 4 MiB. The first steps allocate the memory.
STEPS = """
import resource, sys, torch
torch.set_num_threads(1)
from lsbench.training import memory
if sys.argv[1] == "kept":
    assert memory.keep_freed_memory()
layers = torch.nn.Sequential(*[torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)])
images = torch.rand(64, 16, 32, 32)
for step in range(15):
    if step == 5:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    layers(images).relu().mean().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_pages_are_cleared_once_and_not_at_every_step():
    def faults(how: str) -> int:
        command = [sys.executable, "-c", STEPS, how]
        return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    assert faults("kept") < faults("given back") / 5


def test_another_c_library_is_not_changed(monkeypatch):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("", ""))
    assert memory.keep_freed_memory() is False
