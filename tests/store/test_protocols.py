import pytest

from lsbench.errors import StorageError, UsageError
from lsbench.store.protocols import Protocol, read_protocol, write_protocol

PLAN = Protocol(("test_accuracy",), (4, 8), (0.01, 0.04), 8, 0.1, ("c0", "c1"))


def test_a_protocol_is_stored_once_and_read_again(tmp_path):
    assert read_protocol(tmp_path) is None
    assert write_protocol(tmp_path, PLAN, restart=False) == PLAN
    content = (tmp_path / "decide.json").read_bytes()
    assert read_protocol(tmp_path) == PLAN == write_protocol(tmp_path, PLAN, restart=False)
    assert (tmp_path / "decide.json").read_bytes() == content


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"looks": (4, 8, 12), "levels": (0.01, 0.03, 0.04)}, r"looks=\[4,8\]"),
        ({"questions": ("test_nll_ts",)}, r"question=\[accuracy\]"),
        ({"alpha": 0.2, "cells": ("c0", "c2")}, "alpha=0.1"),
        ({"cells": ("c3", "c4")}, "other settings"),
    ],
)
def test_another_plan_is_refused_unless_it_restarts_and_is_then_listed(changed, words, tmp_path):
    other = Protocol(**PLAN.__dict__ | changed)
    write_protocol(tmp_path, PLAN, restart=False)
    with pytest.raises(UsageError, match=words):
        write_protocol(tmp_path, other, restart=False)
    assert read_protocol(tmp_path) == PLAN
    stored = write_protocol(tmp_path, other, restart=True)
    assert stored.looks == other.looks and [tuple(plan["looks"]) for plan in stored.changed] == [(4, 8)]
    assert len(read_protocol(tmp_path).changed) == 1
    assert write_protocol(tmp_path, other, restart=False).changed == read_protocol(tmp_path).changed


@pytest.mark.parametrize("content", ["", "[]", '{"looks": 3}', "{}"])
def test_a_damaged_protocol_is_named(content, tmp_path):
    (tmp_path / "decide.json").write_text(content)
    with pytest.raises(StorageError, match=r"decide\.json: cannot be read"):
        read_protocol(tmp_path)
