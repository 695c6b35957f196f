"""CUDA graphs: replayed steps against eager ones. Without a GPU, a tape stands in for the graph."""

import copy
import logging
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lsbench import rng
from lsbench.config import MethodConfig, OptimConfig
from lsbench.execution import plan
from lsbench.execution.dry_run import preview
from lsbench.execution.execute import execute, pending
from lsbench.execution.plan import Job
from lsbench.training import cuda_graphs, optim
from lsbench.training.loop import Training
from lsbench.training.stack import Stack

CPU, META = torch.device("cpu"), torch.device("meta")
OPTIMS = {"sgd": OptimConfig(warmup_epochs=1.0), "adamw": OptimConfig(name="adamw", warmup_epochs=1.0)}
STRENGTHS = {"mixup_beta": 1.0, "focal_gamma": 3.0, "confidence_penalty": 0.1, "distillation": 0.5}
ALL_METHODS = MethodConfig("none", STRENGTHS)  # without a teacher: its logits are 0
KNOBS = [
    {"seed": 1, "alpha": 0.1, "dropout": 0.5, "augment": 1.0, "label_noise": 0.2, "weight_decay": 1e-3}
    | {"method": ALL_METHODS},
    {"seed": 0},
    {"seed": 2, "alpha": 0.05, "dropout": 0.2, "augment": 0.5, "weight_decay": 1e-2},
    {
        "seed": 0,
        "augment": 1.0,
        "label_noise": 0.4,
        "lr": 0.05,
        "method": MethodConfig("x", {"mixup_beta": 0.2}),
    },
    {"seed": 3, "lr": 1e200},  # diverges, and is frozen between two replays
]


class Tape(TorchDispatchMode):
    """A CUDA graph on a CPU: every operation below autograd and vmap, with the memory that it reads and
    writes and its Python numbers. Like a capture, recording leaves all memory unchanged."""

    def __init__(self):
        super().__init__()
        self.calls, self.before, self.known = [], [], set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = tree_map_only(Tensor, self.hold, (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        made = [leaf.detach() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.known |= {tensor.untyped_storage().data_ptr() for tensor in made}
        self.calls.append((func, given, made))
        return result

    def hold(self, tensor):
        """The tensor with its current memory, even if the name is bound to other memory later."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.known:
            self.known.add(storage.data_ptr())
            self.before.append((storage, storage.clone()))
        return tensor.detach()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        for storage, content in self.before:
            storage.copy_(content)

    @torch.no_grad()
    def replay(self):
        for func, (args, kwargs), made in self.calls:
            again = [leaf for leaf in tree_leaves(func(*args, **kwargs)) if isinstance(leaf, Tensor)]
            for recorded, value in zip(made, again, strict=True):
                if recorded.untyped_storage().data_ptr() != value.untyped_storage().data_ptr():
                    recorded.copy_(value)


class Tapes:
    """A stand-in for cuda_graphs.Recorder; ``made`` are the tapes of all instances."""

    made: list[Tape] = []  # noqa: RUF012

    def __init__(self, device):
        self.on_stream = nullcontext

    def record(self, step, inputs):
        with Tape() as tape:
            result = step(*inputs)
        self.made.append(tape)
        return cuda_graphs.RecordedStep(inputs, result, tape.replay)


@pytest.fixture
def tapes(monkeypatch):
    monkeypatch.setattr(Tapes, "made", [])
    monkeypatch.setattr(cuda_graphs, "Recorder", Tapes)
    return Tapes.made


def epochs(training, number):
    for _ in range(number):
        for _ in training._train_epoch():
            pass
    return training


def content(training):
    """Every tensor and number that training changes, except its time."""
    state = training.state()
    seconds = {"position": state["position"][:-1]}
    return tree_leaves(state | seconds)


def assert_same(replayed, eager):
    ours, reference = content(replayed), content(eager)
    assert len(ours) == len(reference) > 10
    for pair in zip(ours, reference, strict=True):
        a, b = (torch.as_tensor(value, device=CPU) for value in pair)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12, equal_nan=True)


def both(runs, splits, number=5, device=CPU):
    """A replayed and an eager training after ``number`` epochs of five steps, the last of them short."""
    replayed, eager = (Training(Stack(runs, splits, device, graphs=graphs)) for graphs in (True, False))
    return epochs(replayed, number), epochs(eager, number)


@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("name", OPTIMS)
@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_replayed_training_equals_eager_training(model, name, members, splits, make_run, tapes):
    runs = [make_run(model, epochs=5, optim=OPTIMS[name], **knobs) for knobs in KNOBS[:members]]
    replayed, eager = both(runs, splits)
    assert_same(replayed, eager)
    assert (
        len(tapes) == 2 and replayed.stack.graphs.warm_up_steps.total() == 2 * cuda_graphs.WARM_UP
    )  # of 25 steps


@pytest.mark.parametrize("name", OPTIMS)
def test_training_updates_all_state_in_place(name, splits, make_run):
    """State stays in place also when a member is frozen. diverged_step and the losses of an epoch are not
    part of a step."""

    def memory():
        optimizer = training.optimizer
        state = [training.params, training.buffers, optimizer.slots, optimizer.lr, optimizer.steps]
        return [tensor.untyped_storage() for tensor in tree_leaves(state)]

    runs = [make_run("resnet8", optim=OPTIMS[name], **knobs) for knobs in KNOBS]
    training = Stack(runs, splits, CPU)
    addresses = [memory() for _ in Training(training).run()]
    assert training.diverged_step[4] >= 0
    addresses = [[storage.data_ptr() for storage in storages] for storages in addresses]
    assert len(addresses[0]) > 40 and all(later == addresses[0] for later in addresses)


def bake_the_factor(monkeypatch):
    step = optim.Optimizer.step
    monkeypatch.setattr(optim.Optimizer, "step", lambda self, grads, factor: step(self, grads, float(factor)))


def bake_the_count(monkeypatch):
    def corrections(self):
        return 1 - 0.9 ** int(self.steps), (1 - 0.999 ** int(self.steps)) ** 0.5

    monkeypatch.setattr(optim.Optimizer, "_corrections", corrections)


def move_the_averages(monkeypatch):
    adamw = optim.Optimizer._adamw

    def moving(self, name, *others, **corrections):
        adamw(self, name, *others, **corrections)
        self.slots[0][name] = self.slots[0][name].clone()

    monkeypatch.setattr(optim.Optimizer, "_adamw", moving)


def move_the_rates(monkeypatch):
    def freeze(self, dead):
        self.lr = torch.where(dead, 0.0, self.lr)
        for tensors in (self.params, *self.slots):
            for tensor in tensors.values():
                tensor.detach()[dead] = 0

    monkeypatch.setattr(optim.Optimizer, "freeze", freeze)


def bake_the_keys(monkeypatch):
    fold = rng.fold

    def baked(keys, position):
        return fold(torch.tensor(keys.tolist()), position)

    monkeypatch.setattr(rng, "fold", baked)


@pytest.mark.parametrize(
    "harm", [bake_the_factor, bake_the_count, move_the_averages, move_the_rates, bake_the_keys]
)
def test_the_comparison_detects_steps_that_a_graph_cannot_replay(harm, splits, make_run, tapes, monkeypatch):
    runs = [make_run(epochs=5, optim=OPTIMS["adamw"], **knobs) for knobs in KNOBS]
    harm(monkeypatch)
    with pytest.raises(AssertionError, match=r"(Tensor-likes|Scalars) are not close"):
        assert_same(*both(runs, splits))


def test_steps_are_recorded_again_after_a_restore(splits, make_run, tapes):
    runs = [make_run(epochs=6, optim=OPTIMS["adamw"], **knobs) for knobs in KNOBS]
    replayed, eager = both(runs, splits, 2)
    restored = Training(Stack(runs, splits, CPU, graphs=True))
    epochs(restored, 4)
    restored.restore(copy.deepcopy(replayed.state()))
    assert_same(epochs(restored, 3), epochs(eager, 3))
    assert len(tapes) == 1 + 2 + 1


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_step_that_cannot_be_recorded_is_taken_eagerly(error, splits, make_run, tapes, monkeypatch, caplog):
    def fail(self, step, inputs):
        with Tape():
            step(*inputs)
        raise error("CUDA error: out of luck\nTried to")

    monkeypatch.setattr(Tapes, "record", fail)
    monkeypatch.setattr(cuda_graphs, "CAPTURE", cuda_graphs.CaptureStatus())
    runs = [make_run(epochs=5, **knobs) for knobs in KNOBS]
    with caplog.at_level(logging.WARNING):
        assert_same(*both(runs, splits))
    assert caplog.messages == ["no CUDA graph, so steps take longer: CUDA error: out of luck"]
    assert cuda_graphs.CAPTURE.usable == (error is not RuntimeError)


class OneDevice(TorchDispatchMode):
    """A mode that refuses operations that read or create a host tensor, except the CPU tensors [] that vmap
    makes of Python numbers, which CUDA's arithmetic accepts.

    The meta device stands in for a GPU: it has no values, so operations that need one raise.
    """

    arithmetic = ("add", "sub", "mul", "div")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        host = [tensor for tensor in tensors if tensor.device == CPU]
        takes_numbers = func.__name__.split(".")[0] in self.arithmetic or len(host) == len(tensors)
        assert not host or (takes_numbers and all(tensor.ndim == 0 for tensor in host)), f"{func} of the host"
        assert "lift_fresh" not in func.__name__, "a number becomes a tensor of the host"
        return result


def move(thing):
    """Move every tensor in ``thing`` to the meta device."""
    if isinstance(thing, Tensor):
        return thing.detach().to(META).requires_grad_(thing.requires_grad)
    if isinstance(thing, dict):
        thing.update({name: move(value) for name, value in thing.items()})
    elif isinstance(thing, list):
        thing[:] = [move(value) for value in thing]
    elif isinstance(thing, tuple):
        return tuple(move(value) for value in thing)
    elif isinstance(thing, torch.nn.Module):
        return thing.to(META)
    elif type(thing).__module__.startswith("lsbench.") and hasattr(thing, "__dict__"):
        for name, value in vars(thing).items():
            object.__setattr__(thing, name, move(value))
    return thing


def inputs(training, rows=7):
    row = torch.zeros(training.size, rows, dtype=torch.int64, device=META)
    key = torch.zeros(training.size, dtype=torch.int64, device=META)
    factor = torch.zeros((), dtype=torch.float64, device=META)
    return row, row.clone(), factor, *(key.clone() for _ in training.active)


@pytest.fixture
def on_meta(splits, make_run):
    """A stack after its first epoch, moved to the meta device."""

    def build(model="mlp", name="sgd", members=5, **settings):
        runs = [make_run(model, optim=OPTIMS[name], **(knobs | settings)) for knobs in KNOBS[:members]]
        training = move(epochs(Training(Stack(runs, splits, CPU)), 1).stack)
        training.model.train()
        return training

    return build


@pytest.mark.parametrize("precision", ["fp64", "fp32", "bf16"])
@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize(("model", "name"), [("mlp", "sgd"), ("mlp", "adamw"), ("resnet8", "sgd")])
def test_a_step_reads_no_values_and_uses_no_host_tensors(model, name, members, precision, on_meta):
    training = on_meta(model, name, members, precision=precision)
    with OneDevice():
        losses = training.train_step(*inputs(training))
    assert losses.shape == (members,) and losses.device == META


seen_by_new_torch = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 15),
    reason="torch 2.11 hides these operations from the dispatch mode",
)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda x: torch.as_tensor(3, device=META) + x, marks=seen_by_new_torch),
        lambda x: x + torch.tensor(3.0),
        lambda x: x.cpu(),
        lambda x: float(x[0]),
        lambda x: x[x > 0],
        lambda x: x.repeat_interleave(x.long()),
        lambda x: torch.where(x > 0, x, torch.zeros(())),
        pytest.param(lambda x: x.new_tensor([1.0, 2.0]), marks=seen_by_new_torch),
    ],
)
def test_one_device_detects_operations_that_synchronise(harm):
    with pytest.raises((AssertionError, RuntimeError)), OneDevice():
        harm(torch.zeros(3, device=META))


def test_the_executor_trains_and_stores_replayed_stacks(splits, make_run, tapes, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "uses_cuda_graphs", lambda run, device: True)
    runs = [make_run(executor="stack", results_dir=str(tmp_path), **knobs) for knobs in KNOBS[1:3]]
    jobs = [Job(run, splits) for run in runs]
    assert " graphs " in preview(jobs) and len(tapes) == 2
    execute(jobs)
    assert len(tapes) == 4 and not pending(jobs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("members", [1, 5])
@pytest.mark.parametrize("name", OPTIMS)
@pytest.mark.parametrize("model", ["mlp", "resnet8"])
def test_replayed_and_eager_training_are_equal_on_a_gpu(model, name, members, splits, make_run):
    """One member diverges, and the last batch of an epoch is short."""
    runs = [make_run(model, epochs=6, optim=OPTIMS[name], **knobs) for knobs in KNOBS[:members]]
    replayed, eager = both(runs, splits, 5, torch.device("cuda"))
    assert len(replayed.stack.graphs.recorded) == 2 and not replayed.stack.graphs.failed
    assert_same(replayed, eager)
    restored = Training(Stack(runs, splits, torch.device("cuda"), graphs=True))
    restored.restore(copy.deepcopy(replayed.state()))
    assert_same(epochs(restored, 1), epochs(eager, 1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("graphed", [False, True])
def test_no_step_synchronises_a_gpu(graphed, splits, make_run):
    """CUDA's synchronisation debug mode is on in the steps of an epoch after all shapes have occurred."""
    runs = [make_run(epochs=6, optim=OPTIMS["adamw"], **knobs) for knobs in KNOBS]
    training = epochs(Training(Stack(runs, splits, torch.device("cuda"), graphs=graphed)), 4)
    steps = training.stack.steps(epoch=4)
    next(steps)
    try:
        torch.cuda.set_sync_debug_mode("error")
        list(steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_eagerly_if_a_step_cannot_be_recorded(splits, make_run, caplog, monkeypatch):
    """A step that reads a value aborts the capture."""
    monkeypatch.setattr(cuda_graphs, "WARM_UP", 1)
    monkeypatch.setattr(cuda_graphs, "CAPTURE", cuda_graphs.CaptureStatus())
    step = Stack.train_step

    def reading(self, rows, *others):
        return step(self, rows, *others) if rows.sum().item() else None

    monkeypatch.setattr(Stack, "train_step", reading)
    runs = [make_run(**knobs) for knobs in KNOBS]
    assert_same(*both(runs, splits, 3, torch.device("cuda")))
    assert [message[:14] for message in caplog.messages] == ["no CUDA graph,"]
