"""The central property: a member's draws and weights do not depend on the other members of its stack."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from lsbench.config import MethodConfig, OptimConfig
from lsbench.terms import SPLIT_NAMES
from lsbench.training import loop
from lsbench.training.device_data import DeviceDataset
from lsbench.training.stack import Stack

CPU = torch.device("cpu")


def method_knobs(**knobs):
    """The setting for methods whose knobs are in method.knobs."""
    return {"method": MethodConfig("none", knobs)}


# Every knob differs somewhere, and two members share a seed.
KNOBS = [
    {"seed": 0},
    {"seed": 0, "alpha": 0.1, "dropout": 0.5, **method_knobs(mixup_beta=1.0)},
    {"seed": 1, "alpha": 0.1, "dropout": 0.5, "augment": 1.0, "label_noise": 0.2, "weight_decay": 1e-3},
    {
        "seed": 2,
        "alpha": 0.05,
        "dropout": 0.2,
        "augment": 0.5,
        **method_knobs(mixup_beta=0.2, focal_gamma=3.0),
    },
    {"seed": 0, "augment": 1.0, "label_noise": 0.4, "lr": 0.2, **method_knobs(confidence_penalty=0.1)},
    {
        "seed": 3,
        "alpha": 0.2,
        "dropout": 0.3,
        "label_noise": 0.1,
        **method_knobs(focal_gamma=0.5, distillation=0.5),
    },
    {"seed": 5, "alpha": 0.1, "dropout": 0.1, "augment": 0.3, "label_noise": 0.1, "weight_decay": 1e-4}
    | method_knobs(mixup_beta=2.0, focal_gamma=1.0, confidence_penalty=0.5),
]
METHOD_KNOBS = ("mixup_beta", "focal_gamma", "confidence_penalty", "distillation")
ORDER = [3, 1, 6, 0, 5, 2, 4]


def train(runs, splits):
    return loop.train(Stack(runs, splits, CPU))


def train_epochs(member, number):
    """Train for ``number`` epochs without evaluations; return the losses of each epoch's steps."""
    return [list(member.steps(epoch)) for epoch in range(number)]


def largest_difference(weights, reference):
    """The largest difference between two members' weights and buffers."""
    assert weights.keys() == reference.keys()
    return max((weights[name].double() - reference[name].double()).abs().max().item() for name in weights)


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_a_member_trains_alike_alone_in_a_stack_and_in_a_permuted_stack(model, splits, make_run):
    runs = [make_run(model, **knobs) for knobs in KNOBS]
    stacked = train(runs, splits)
    permuted = train([runs[i] for i in ORDER], splits)
    for position, member in enumerate(ORDER):
        alone = train([runs[member]], splits)
        for trained, at in ((alone, 0), (permuted, position)):
            assert largest_difference(stacked.weights[member], trained.weights[at]) <= 1e-12
            assert torch.equal(stacked.test_rows[member], trained.test_rows[at])
            for split in SPLIT_NAMES:
                assert torch.equal(stacked.labels[split][member], trained.labels[split][at])
                difference = stacked.logits[split][member] - trained.logits[split][at]
                assert difference.abs().max() <= 1e-12


def test_every_knob_of_the_test_above_has_an_effect(splits, make_run):
    """The test above would also pass for a stack that ignores its knobs."""
    plain = train([make_run(seed=1)], splits)
    for name in ("alpha", "dropout", "augment", "label_noise", "weight_decay", *METHOD_KNOBS):
        setting = method_knobs(**{name: 0.3}) if name in METHOD_KNOBS else {name: 0.3}
        changed = train([make_run(seed=1, **setting)], splits)
        assert largest_difference(plain.weights[0], changed.weights[0]) > 1e-4, name


@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-12), ("fp32", 1e-5)])
@pytest.mark.parametrize("knob", METHOD_KNOBS)
def test_a_member_at_strength_0_trains_as_without_the_method(knob, precision, tolerance, splits, make_run):
    """The stack has members at three other strengths, and the other knobs are on."""
    others = {"alpha": 0.1, "augment": 1.0, "dropout": 0.3, "label_noise": 0.2, "precision": precision}
    without = [make_run(seed=seed, **others) for seed in range(4)]
    strengths = [0.0, 0.1, 1.0, 3.0]
    mixed = [make_run(seed=s, **others, **method_knobs(**{knob: x})) for s, x in enumerate(strengths)]
    plain, ours = train(without, splits), train(mixed, splits)
    assert largest_difference(plain.weights[0], ours.weights[0]) <= tolerance
    assert (plain.logits["test"][0] - ours.logits["test"][0]).abs().max() <= 10 * tolerance
    losses = [[rows["train_loss"] for rows in trained.history[0]] for trained in (plain, ours)]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
    assert min(map(largest_difference, plain.weights[1:], ours.weights[1:])) > 1e-4


def test_draws_are_the_same_alone_and_in_a_stack(splits, make_run):
    """Splits, initial weights, noisy labels, shifted images and dropout masks, exactly."""
    runs = [make_run(**knobs) for knobs in KNOBS]
    together = Stack(runs, splits, CPU)
    for member, run in enumerate(runs):
        alone = Stack([run], splits, CPU)
        for split in SPLIT_NAMES:
            assert torch.equal(together.data.rows[split][member], alone.data.rows[split][0])
        for name, weights in alone.params.items():
            assert torch.equal(together.params[name][member], weights[0])
        assert torch.equal(together.train_labels[member], alone.train_labels[0])
        for name, active in alone.active.items():
            assert torch.equal(together.active[name].key[member], active.key[0])


def test_runs_that_differ_in_method_and_alpha_share_split_weights_and_order(splits, make_run, monkeypatch):
    seen: dict[int, list[torch.Tensor]] = {}
    images_at = DeviceDataset.images_at
    monkeypatch.setattr(
        DeviceDataset,
        "images_at",
        lambda data, rows: seen.setdefault(id(data), []).append(rows) or images_at(data, rows),
    )
    settings = [
        {},
        {"alpha": 0.2},
        {"dropout": 0.5},
        {"augment": 1.0},
        {"weight_decay": 0.1},
        {"label_noise": 0.4},
        method_knobs(mixup_beta=1.0, focal_gamma=3.0, confidence_penalty=0.1),
    ]
    stacks = [Stack([make_run(seed=7, **knobs)], splits, CPU) for knobs in settings]
    initial = [{name: weights.clone() for name, weights in stack.params.items()} for stack in stacks]
    for stack in stacks:
        train_epochs(stack, 2)
    for stack, following in pairwise(stacks):
        assert all(torch.equal(stack.data.rows[s], following.data.rows[s]) for s in SPLIT_NAMES)
        assert len(seen[id(stack.data)]) == 2 * stack.steps_per_epoch
        assert all(map(torch.equal, seen[id(stack.data)], seen[id(following.data)]))
    for weights, following in pairwise(initial):
        assert all(torch.equal(weights[name], following[name]) for name in weights)


def test_each_epoch_visits_every_row_once_and_the_orders_differ(splits, make_run, monkeypatch):
    seen = []
    images_at = DeviceDataset.images_at
    monkeypatch.setattr(
        DeviceDataset, "images_at", lambda data, rows: seen.append(rows) or images_at(data, rows)
    )
    member = Stack([make_run(batch_size=16)], splits, CPU)
    train_epochs(member, 2)
    assert [rows.shape[1] for rows in seen] == [
        16,
        16,
        16,
        16,
        2,
    ] * 2  # the last batch takes the remaining rows
    first, second = torch.cat(seen[:5], 1), torch.cat(seen[5:], 1)
    rows = member.data.rows["train"]
    assert torch.equal(first.sort().values, rows.sort().values)
    assert torch.equal(second.sort().values, rows.sort().values)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("convention", "equivalent"), [("uniform", 0.1), ("others", 0.15)])
def test_two_steps_equal_a_loop_written_with_torch_alone(convention, equivalent, splits, make_run):
    """An independent trainer: nn.Sequential, F.cross_entropy and torch.optim.SGD on the same batches. With
    K = 3, `others` at 0.1 is `uniform` at 0.1·K/(K−1) = 0.15."""
    run = make_run(alpha=0.1, convention=convention, weight_decay=0.01, batch_size=33, epochs=1)
    ours = Stack([run], splits, CPU)
    names = ["layers.1.weight", "layers.1.bias", "layers.4.weight", "layers.4.bias"]
    reference = torch.nn.Sequential(
        torch.nn.Linear(144, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)
    ).double()
    for param, name in zip(reference.parameters(), names, strict=True):
        param.data = ours.params[name][0].detach().clone()
    optimizer = torch.optim.SGD(reference.parameters(), 0.1, 0.9, weight_decay=0.01, nesterov=True)
    batches = []
    images_at = ours.data.images_at
    ours.data.images_at = lambda rows: batches.append(rows) or images_at(rows)
    train_epochs(ours, 1)
    rows = ours.data.rows["train"][0]
    pixels = ours.data.images.double()
    mean, std = pixels[rows].mean(), pixels[rows].std(correction=0)
    for batch, factor in zip(batches, ours.lr_factors, strict=True):
        optimizer.param_groups[0]["lr"] = 0.1 * factor
        x = ((pixels[batch[0]] - mean) / std).flatten(1)
        loss = torch.nn.functional.cross_entropy(
            reference(x), ours.data.labels[batch[0]], label_smoothing=equivalent
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for param, name in zip(reference.parameters(), names, strict=True):
        assert torch.allclose(ours.params[name][0], param, rtol=0, atol=1e-13)


def test_training_reaches_90_percent_accuracy(splits, make_run):
    trained = train([make_run(epochs=10, precision="fp32")], splits)
    predicted = trained.logits["test"].argmax(-1)
    assert (predicted == trained.labels["test"]).double().mean() > 0.9
    assert trained.history[0][-1]["train_loss"] < trained.history[0][0]["train_loss"]


def test_a_diverged_member_does_not_affect_the_others(splits, make_run):
    runs = [make_run(seed=seed, dropout=0.2) for seed in range(12)]
    wild = make_run(seed=4, dropout=0.2, lr=1e200)
    clean, harmed = train(runs, splits), train([*runs[:4], wild, *runs[5:]], splits)
    assert harmed.diverged_step[4] in range(1, 5)
    assert [step for i, step in enumerate(harmed.diverged_step) if i != 4] == [-1] * 11
    assert not any(values.any() for name, values in harmed.weights[4].items() if values.is_floating_point())
    for member in set(range(12)) - {4}:
        assert largest_difference(clean.weights[member], harmed.weights[member]) == 0


def test_divergence_in_the_last_update_is_detected(splits, make_run):
    run = make_run(lr=1e306, epochs=1, batch_size=200, model="resnet8", optim=OptimConfig(momentum=0.0))
    trained = train([run], splits)
    assert trained.diverged_step == [1]
    assert trained.logits["test"].isfinite().all()


def test_the_history_of_a_diverged_member_ends_with_its_epoch(splits, make_run):
    wild, calm = make_run(lr=1e200, epochs=5), make_run(seed=1, epochs=5)
    together, alone = train([wild, calm], splits), train([wild], splits)
    assert [len(rows) for rows in together.history] == [1, 5]
    assert len(alone.history[0]) == 1 and not np.isfinite(alone.history[0][0]["train_loss"])


def test_training_stops_when_every_member_has_diverged(splits, make_run):
    trained = train([make_run(lr=1e200, epochs=50)], splits)
    assert len(trained.history[0]) == 1


def test_the_history_has_no_test_metrics(splits, make_run):
    names = set(train([make_run()], splits).history[0][0])
    assert {"epoch", "train_loss", "select_accuracy", "select_nll"} <= names
    assert not any("test" in name for name in names)


@pytest.mark.parametrize("model", ["mlp", "resnet8"])
@pytest.mark.parametrize("members", [1, 3])
def test_bf16_computes_in_bfloat16_and_stores_float32_weights(model, members, splits, make_run):
    """This holds under vmap too, which ignores autocast. Every CPU can emulate bfloat16; plan.py requires
    native support."""
    runs = [make_run(model, precision="bf16", seed=seed, epochs=8) for seed in range(members)]
    together, seen = Stack(runs, splits, CPU), set()
    for module in together.model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda module, args, out: seen.add(out.dtype))
    losses = [torch.stack(steps).mean(0) for steps in train_epochs(together, 8)]
    assert seen == {torch.bfloat16}
    assert all(param.dtype == torch.float32 for param in together.params.values())
    assert losses[0].dtype == torch.float32 and (losses[-1] < losses[0] / 2).all()


def test_weights_load_into_the_plain_model(splits, make_run):
    from lsbench import models

    trained = train([make_run("resnet8", dropout=0.5, seed=s) for s in (0, 1)], splits)
    plain = models.build(make_run("resnet8").model, (1, 12, 12), 3).double()
    plain.load_state_dict(trained.weights[1])
    plain.eval()
    data = DeviceDataset(splits, make_run().data, [1], CPU)
    images = data.normalise(data.images_at(data.rows["test"]), torch.float64)[0]
    assert np.allclose(plain(images).detach(), trained.logits["test"][1], atol=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_a_gpu_gives_the_same_weights_in_float64(model, splits, make_run):
    runs = [make_run(model, **knobs) for knobs in KNOBS]
    on_gpu = loop.train(Stack(runs, splits, torch.device("cuda")))
    on_cpu = train(runs, splits)
    for member in range(len(runs)):
        assert largest_difference(on_cpu.weights[member], on_gpu.weights[member]) <= 1e-9
