"""Runs of bench_loss.py and bench_gpu.py: every implementation is right; timings are not tested."""

import sys

import pytest
import torch

CPU = torch.device("cpu")


@pytest.fixture
def uncompiled(monkeypatch):
    """Replace torch.compile, which takes half a minute for each shape on a CPU."""
    monkeypatch.setattr(torch, "compile", lambda model, **settings: model)


def test_every_implementation_of_the_loss_is_timed_and_right(load, uncompiled, monkeypatch, tmp_path, capsys):
    script = load("bench_loss")
    monkeypatch.setattr(script, "CPU_SHAPES", ((128, 10), (16, 300)))
    monkeypatch.setattr(
        sys, "argv", ["scripts/bench_loss.py", "--device", "cpu", "--quick", "--out", str(tmp_path)]
    )
    threads = torch.get_num_threads()
    try:
        script.main()
    finally:
        torch.set_num_threads(threads)
    names = ("eager", "lsbench", "lsbench fused", "compiled", "eager again")
    lines = (tmp_path / "loss-cpu.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    assert [row["implementation"] for row in rows] == [*names] * 4
    for row in rows:
        assert float(row["error"]) < {"fp32": 1e-5, "bf16": 2e-2}[row["dtype"]]
        assert int(row["bytes"]) % (int(row["rows"]) * int(row["classes"])) == 0 and float(row["us"]) > 0
    assert "| 16 | 300 | bf16 | lsbench fused |" in (tmp_path / "loss-cpu.md").read_text()
    assert "python scripts/bench_loss.py" in capsys.readouterr().out


def test_every_training_strategy_is_timed(load, uncompiled):
    script = load("bench_gpu")
    network = script.Network(
        "resnet8",
        script.RESNET,
        {"depth": 8, "width": 2},
        (3, 8, 8),
        60,
        20,
        "fp32",
        (("vmap", 2), ("streams", 2)),
    )
    rows = script.bench(network, network.images, CPU, turns=2)
    single = ("a loop", "a loop, compiled", "lsbench", "lsbench, augmented")
    several = [("lsbench, vmap", 2), ("lsbench, streams", 2)]
    measured = [(row["strategy"], row["members"]) for row in rows]
    assert measured == [*((strategy, 1) for strategy in single), *several]
    for row in rows:
        assert 0 < row["seconds_min"] <= row["seconds"] <= row["seconds_max"]
        assert row["images_per_second"] == pytest.approx(60 / row["seconds"])
    assert rows[2]["faster"] == 1
    assert len(script.text(rows, {"resnet8": 60}, 2)) == 4 + len(rows)
