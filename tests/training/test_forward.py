"""The forward strategies against each other and the plain module, and their autotuning."""

import logging

import pytest
import torch
from torch.func import functional_call

from lsbench.execution import autotune
from lsbench.models.resnet import ResNet
from lsbench.training.stack import Stack
from lsbench.training.timing import step_seconds, without_teacher

CPU = torch.device("cpu")


def trained(runs, splits, strategy):
    training = Stack(runs, splits, CPU, strategy=strategy)
    return training, torch.stack(list(training.steps(epoch=0)))


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_both_strategies_train_alike(model, splits, make_run):
    """Losses, weights and BatchNorm statistics after an epoch, and logits in eval mode; with dropout."""
    runs = [make_run(model, seed=seed, dropout=0.3 * (seed > 0), alpha=0.1 * seed) for seed in range(3)]
    (vmap, vmap_losses), (streams, streams_losses) = (
        trained(runs, splits, strategy) for strategy in ("vmap", "streams")
    )
    torch.testing.assert_close(vmap_losses, streams_losses, rtol=1e-12, atol=0)
    for name, tensor in (vmap.params | vmap.buffers).items():
        torch.testing.assert_close((streams.params | streams.buffers)[name], tensor, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        *(torch.cat(list(stack.logits("test")), dim=1) for stack in (streams, vmap)), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("strategy", ["vmap", "streams"])
@pytest.mark.parametrize("members", [1, 3])
def test_the_forward_pass_equals_the_plain_module(strategy, members, splits, make_run):
    training = Stack([make_run("resnet8", seed=s) for s in range(members)], splits, CPU, strategy=strategy)
    training.model.eval()
    images = torch.randn(members, 5, 1, 12, 12, dtype=torch.float64)
    with torch.no_grad():
        logits = training.forward_pass(training.params, training.buffers, images)
        for member in range(members):
            state = {k: t[member] for k, t in (training.params | training.buffers).items()}
            plain = functional_call(training.model, state, (images[member],))
            torch.testing.assert_close(logits[member], plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_single_convolutional_member_runs_with_channels_last(precision, splits, make_run):
    [training] = [Stack([make_run("resnet8", precision=precision)], splits, CPU)]
    seen = []
    layer = training.model.blocks[0].conv1
    layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    list(training.steps(epoch=0))
    assert seen and not any(x.is_contiguous() for x in seen)
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)
    weight = training.params["blocks.0.conv1.weight"][0]
    assert weight.is_contiguous(memory_format=torch.channels_last), "laid out as its gradient arrives"
    saved = training.weights(0)["blocks.0.conv1.weight"]
    assert saved.is_contiguous() and torch.equal(saved, weight)


def test_autotune_chooses_the_least_time_a_member(splits, make_run, monkeypatch, caplog):
    def seconds(training, steps):
        if training.size > 1 and training.forward_pass.vectorised:
            raise torch.OutOfMemoryError("out of memory")
        return 0.5 + 0.125 * training.size

    monkeypatch.setattr(autotune, "step_seconds", seconds)
    runs = [make_run("resnet8", seed=seed) for seed in range(10)]
    with caplog.at_level(logging.INFO, "lsbench"):
        assert autotune.fastest(runs, splits, CPU, graphs=False) == ("streams", 8)
    [message] = caplog.messages
    assert message.endswith("streams of 8 188, vmap of 8 inf, vmap of 1 625")


def test_autotune_avoids_vmap_for_a_network_that_vmap_cannot_map_over(splits, make_run, monkeypatch):
    """vmap cannot map over a forward pass that reads a value. If no strategy works, autotune does not
    raise."""
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, "forward", lambda self, x: forward(self, x if x.max() > -99 else -x))
    runs = [make_run("resnet8", seed=seed) for seed in range(3)]
    assert autotune.fastest(runs, splits, CPU, graphs=False) in (("vmap", 1), ("streams", 8))
    monkeypatch.setattr(ResNet, "forward", lambda self, x: x @ x)
    assert autotune.fastest(runs, splits, CPU, graphs=False) == ("vmap", 1)


def test_autotune_times_real_steps(splits, make_run):
    runs = [make_run("resnet8", seed=seed, epochs=2) for seed in range(2)]
    assert autotune.fastest(runs, splits, CPU, graphs=False) in autotune.CANDIDATES
    timed = without_teacher(runs, splits, CPU)
    first = timed.params["head.weight"].clone()
    assert 0 < step_seconds(timed, 2) < 10
    assert not torch.equal(first, timed.params["head.weight"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("graphs", [False, True])
def test_streams_on_a_gpu_equal_vmap(graphs, splits, make_run):
    cuda = torch.device("cuda")
    runs = [make_run("resnet8", seed=seed, dropout=0.3) for seed in range(11)]
    vmap, streams = (
        Stack(runs, splits, cuda, graphs=graphs, strategy=strategy) for strategy in ("vmap", "streams")
    )
    for training in (vmap, streams):
        for epoch in range(3):
            list(training.steps(epoch))
    for name, tensor in (vmap.params | vmap.buffers).items():
        torch.testing.assert_close((streams.params | streams.buffers)[name], tensor, rtol=0, atol=1e-10)
