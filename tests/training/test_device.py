"""The choice of a device, and the number of CPU threads."""

import pytest
import torch

from lsbench.errors import UsageError
from lsbench.training.device import choose_device, device_name, threads


def test_the_number_of_threads_is_restored_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), threads(before + 1):
        changed = torch.get_num_threads()
        raise ZeroDivisionError
    assert (changed, torch.get_num_threads()) == (before + 1, before)


def test_a_device_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="device=cuda:99: not on this machine; allowed here are auto, cpu"):
        choose_device("cuda:99")
    assert device_name(choose_device("cpu")) == "cpu"
