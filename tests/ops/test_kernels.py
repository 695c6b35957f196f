"""The CPU and Triton kernels against PyTorch's loss, and against `_reference` in float64, which
test_smoothed_ce.py tests.

Triton's kernels run on a GPU if there is one, otherwise in its interpreter.
"""

import itertools
import math
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacrev, jvp, vmap

from lsbench.ops import _cpu, _dispatch, _reference, loss_and_gradient, smoothed_cross_entropy
from lsbench.ops._reference import Rows
from lsbench.terms import CONVENTIONS

ALPHAS = ("number", "zero", "0d", "row")
SHAPES = [(1, 1), (7, 3), (130, 10), (3, 1000), (2, 5000)]


@pytest.fixture(params=["cpu", "triton"])
def kernels(request, monkeypatch):
    """A module of kernels that all calls use; the CPU's with blocks of a few rows."""
    if request.param == "triton":
        module = request.getfixturevalue("triton_kernels")
    else:
        module = _cpu
        monkeypatch.setattr(_cpu, "BLOCK_ELEMENTS", 1500)
    used = _dispatch.kernels
    monkeypatch.setattr(_dispatch, "kernels", lambda logits: module if used(logits) else None)
    monkeypatch.setattr(_dispatch, "CPU_ELEMENTS", 0)
    return module


def draw(rows, classes, dtype, alpha="number", weighted=False, convention="uniform"):
    """Rows, one of them ignored if there are several, and a gradient for each; on the default device."""
    random = np.random.default_rng(rows + classes)
    kind = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    logits = torch.tensor(3 * random.standard_normal((rows, classes)), dtype=dtype)
    target = torch.tensor(random.integers(classes, size=rows))
    if rows > 2:
        target[1] = -100
    per_row = torch.tensor(random.random(rows), dtype=kind)
    values = {"number": 0.1, "zero": 0.0, "0d": torch.tensor(0.2, dtype=kind), "row": per_row}
    weight = torch.tensor(random.random(classes) + 0.1, dtype=kind) if weighted else None
    grads = torch.tensor(random.standard_normal(rows), dtype=kind)
    return Rows(logits, target, values[alpha], convention, weight, -100), grads


def exact(rows, grads):
    """Losses and gradient in float64, by plain PyTorch and its autograd."""
    wide = {name: t.double() for name, t in rows._asdict().items() if torch.is_tensor(t) and name != "target"}
    rows = rows._replace(**wide)
    logits = rows.logits.detach().requires_grad_()
    losses = _reference.losses(rows._replace(logits=logits))
    return losses.detach(), torch.autograd.grad(losses @ grads.double(), logits)[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_and_gradients_equal_float64(kernels, shape):
    settings = [(alpha, False, "uniform") for alpha in ALPHAS] + [("row", True, name) for name in CONVENTIONS]
    for alpha, weighted, convention in settings:
        if shape[1] == 1 and convention == "others":
            continue
        tolerances = {torch.float64: 1e-12} | ({torch.float32: 2e-5} if alpha == "number" else {})
        for dtype, tolerance in tolerances.items():
            rows, grads = draw(*shape, dtype, alpha, weighted, convention)
            losses, logit_grad = exact(rows, grads)
            alone, cached = kernels.losses(rows, "none")
            both = kernels.losses_and_logit_grad(grads, rows)
            for ours, reference in (
                (alone, losses),
                (both[0], losses),
                (kernels.logit_grad(grads, rows, cached), logit_grad),
                (both[1], logit_grad),
            ):
                assert ours.dtype == dtype
                error = (ours.double() - reference).abs().max() / reference.abs().max().clamp(min=1)
                assert error <= tolerance, (alpha, weighted, convention, dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("classes", [10, 8192])
def test_half_precision_is_accumulated_in_float32(kernels, dtype, classes):
    """Eager PyTorch's float16 overflows at 8192 classes. The gradient is rounded once, when it is stored."""
    rows, grads = draw(4, classes, dtype)
    losses, logit_grad = exact(rows, grads)
    ours, our_grad = kernels.losses_and_logit_grad(grads, rows)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), losses, rtol=1e-5, atol=1e-5)
    assert our_grad.dtype == dtype
    torch.testing.assert_close(our_grad, logit_grad.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


def test_reference_gradients_equal_autograd():
    for alpha, weighted, convention in itertools.product(ALPHAS, [False, True], CONVENTIONS):
        rows, grads = draw(30, 7, torch.float64, alpha, weighted, convention)
        torch.testing.assert_close(
            _reference.logit_grad(grads, rows), exact(rows, grads)[1], rtol=1e-12, atol=1e-12
        )


def test_strided_logits_and_no_rows(kernels):
    rows, grads = draw(6, 12, torch.float64)
    losses, logit_grad = exact(rows, grads)
    for logits in (rows.logits.t().contiguous().t(), torch.cat([rows.logits] * 2, dim=1)[:, :12]):
        ours, our_grad = kernels.losses_and_logit_grad(grads, rows._replace(logits=logits))
        torch.testing.assert_close(ours, losses)
        torch.testing.assert_close(our_grad, logit_grad)
    none = rows._replace(logits=rows.logits[:0], target=rows.target[:0])
    losses, logit_grad = kernels.losses_and_logit_grad(grads[:0], none)
    assert losses.shape == (0,)
    assert logit_grad.shape == (0, 12)


@pytest.mark.parametrize("classes", [6, 5000])
def test_masked_classes(kernels, classes):
    """Logits of minus infinity, even a whole block: no loss without smoothing, an infinite one with it."""
    rows, grads = draw(2, classes, torch.float64, "zero")
    rows.logits[:, : classes - 2] = -math.inf
    rows = rows._replace(target=torch.tensor([classes - 1, 0]))
    losses, cached = kernels.losses(rows, "none")
    torch.testing.assert_close(losses[0], F.cross_entropy(rows.logits[:1], rows.target[:1]))
    assert losses[1] == math.inf
    logit_grad = kernels.logit_grad(grads, rows, cached)
    assert logit_grad.isfinite().all()
    torch.testing.assert_close(logit_grad, exact(rows, grads)[1])
    assert kernels.losses(rows._replace(alpha=0.1), "none")[0][0] == math.inf


@pytest.mark.parametrize("classes", [10, 5000])
@pytest.mark.parametrize("label", [-1, "K", 2**40])
def test_an_invalid_label_is_nan_in_triton(triton_kernels, classes, label):
    rows, grads = draw(3, classes, torch.float64)
    rows.target[0] = classes if label == "K" else label
    losses, logit_grad = triton_kernels.losses_and_logit_grad(grads, rows)
    assert losses.isnan().tolist() == [True, False, False]
    assert logit_grad.isnan().all(1).tolist() == [True, False, False]
    assert not logit_grad[1:].isnan().any()


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_invalid_label_is_nan_on_a_gpu(weighted, reduction, as_on_a_gpu):
    """Neither the loss nor its first and second gradients index by the label, which would end the process."""
    rows, _ = draw(3, 10, torch.float64, weighted=weighted)
    target = torch.tensor([3, 10, 0])
    logits = rows.logits.clone().requires_grad_()
    alpha = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)

    def f(logits, alpha=alpha):
        return smoothed_cross_entropy(logits, target, alpha, weight=rows.weight, reduction=reduction)

    losses = f(logits)
    assert losses[1].isnan() and not losses[::2].isnan().any() if reduction == "none" else losses.isnan()
    [logit_grad] = torch.autograd.grad(losses.sum(), logits, retain_graph=True)
    [of_alpha] = torch.autograd.grad(losses.sum(), alpha, retain_graph=True)
    [twice] = torch.autograd.grad(losses.sum(), logits, create_graph=True)
    assert logit_grad[1].isnan().all() and twice[1].isnan().all() and of_alpha.isnan()
    if reduction == "none":
        assert not logit_grad[::2].isnan().any() and not twice[::2].isnan().any()
    assert grad(lambda z: f(z, 0.1).sum())(logits)[1].isnan().all()
    assert vmap(grad(lambda z: f(z, 0.1).sum()))(torch.stack([logits] * 2))[:, 1].isnan().all()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_directional_derivative_of_bf16_is_accumulated_in_float32(kernels):
    rows, _ = draw(3, 2000, torch.bfloat16)
    tangent = torch.ones_like(rows.logits).cumsum(1) / 2000

    def f(z):
        return smoothed_cross_entropy(z, rows.target, 0.1, reduction="none")

    exact = jvp(lambda z: F.cross_entropy(z, rows.target, label_smoothing=0.1, reduction="none"),
                (rows.logits.double(),), (tangent.double(),))[1]  # fmt: skip
    actual = jvp(f, (rows.logits,), (tangent,))[1]
    torch.testing.assert_close(actual.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_incoming_gradients_that_are_not_the_cached_one(kernels, reduction, weighted, dtype):
    """Gradients of a scaled loss, and of one loss several times, even after earlier ones were overwritten."""
    rows, _ = draw(6, 1500, dtype, weighted=weighted)
    wide = rows.weight.double() if weighted else None
    for target in (rows.target, rows.target.clamp(min=0)):
        logits, exact = rows.logits.clone().requires_grad_(), rows.logits.double().requires_grad_()
        ours = smoothed_cross_entropy(logits, target, 0.1, weight=rows.weight, reduction=reduction)
        reference = F.cross_entropy(exact, target, wide, label_smoothing=0.1, reduction=reduction)
        for scale in (3.0, 1.0, 1.0):
            actual, expected = (
                torch.autograd.grad(scale * loss, z, retain_graph=True)[0]
                for loss, z in ((ours, logits), (reference, exact))
            )
            torch.testing.assert_close(actual, expected.to(dtype), rtol=4 * torch.finfo(dtype).eps, atol=1e-7)
            actual.zero_()


def test_ignored_rows_have_no_gradient_even_if_the_loss_is_infinite():
    logits, target = torch.zeros(800, 100, requires_grad=True), torch.arange(800) % 100
    target[1] = -100
    [our_grad] = torch.autograd.grad(ours(logits, target) * math.inf, logits)
    assert not our_grad[1].any() and not our_grad[0].isfinite().any()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_forward_mode_differentiation(kernels, batch):
    """Tangents of the logits and of alpha. The loss is linear in alpha, so its derivative is the loss at 1
    minus the loss at 0."""
    z, y = batch[0][0], batch[1][0]
    with forward_ad.dual_level():
        logits, alpha = forward_ad.make_dual(z, z.flip(0)), forward_ad.make_dual(*torch.tensor([0.1, 1.0]))
        of_logits = forward_ad.unpack_dual(ours(logits, y)).tangent
        of_alpha = forward_ad.unpack_dual(smoothed_cross_entropy(z, y, alpha)).tangent
    expected = (torch.autograd.functional.jacobian(lambda z: eager(z, y), z) * z.flip(0)).sum()
    torch.testing.assert_close(of_logits, expected)
    ends = (F.cross_entropy(z, y, label_smoothing=at) for at in (1.0, 0.0))
    torch.testing.assert_close(of_alpha, next(ends) - next(ends), check_dtype=False)


def test_scaled_float16_gradients_do_not_underflow():
    """Gradients below the range of float16 arrive scaled, as by torch.amp."""
    logits = torch.randn(512, 1000, generator=torch.Generator().manual_seed(0)).half().requires_grad_()
    target = torch.arange(512)
    actual, expected = (
        torch.autograd.grad(2.0**16 * f(z, target), z)[0]
        for f, z in ((ours, logits), (eager, logits.detach().double().requires_grad_()))
    )
    torch.testing.assert_close(actual.double(), expected, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_a_mean_is_computed_once(monkeypatch):
    """In the same pass as the loss, with ignored rows and weights, and for a slice of a larger batch."""
    target = torch.arange(800) % 100
    target[3] = -100
    calls = []
    monkeypatch.setattr(
        _cpu, "_compute", lambda *arguments, compute=_cpu._compute: calls.append(1) or compute(*arguments)
    )
    for weight in (None, torch.rand(100, generator=torch.Generator().manual_seed(0))):
        logits = torch.zeros(800, 100, requires_grad=True)
        (ours(logits, target, weight=weight) / 3).backward()
        assert calls.pop() == 1 and not calls


def test_weights_of_half_precision_are_accumulated_in_float32():
    """A sum of 70,000 overflows float16."""
    logits, target = (
        torch.randn(70_000, 4, generator=torch.Generator().manual_seed(0)),
        torch.arange(70_000) % 4,
    )
    weight = torch.tensor([1, 2, 1, 2.0])
    expected = eager(logits.half().float(), target, "mean", weight)
    for class_weight in (weight.half(), weight.double()):
        loss = ours(logits.half(), target, "mean", class_weight)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("classes", [1000, 2000])
@pytest.mark.parametrize("low", [-1e3, -1e6, -1e9])
def test_a_label_logit_far_below_the_others_loses_no_precision(kernels, classes, low):
    """In float32, logits minus that of the label would lose precision."""
    rows, grads = draw(1, classes, torch.float32)
    rows.logits[0, rows.target] = low
    losses, logit_grad = exact(rows, grads)
    ours, cached = kernels.losses(rows, "none")
    torch.testing.assert_close(ours.double(), losses, rtol=1e-6, atol=0)
    others = torch.arange(classes) != rows.target
    for our_grad in (kernels.logit_grad(grads, rows, cached), kernels.losses_and_logit_grad(grads, rows)[1]):
        error = (our_grad.double() - logit_grad)[0, others].abs().max()
        assert error <= 1e-6 * logit_grad[0, others].abs().max()


def test_logits_that_are_all_large_lose_no_precision(kernels):
    rows, grads = draw(3, 2000, torch.float32, "row")
    shifted = rows._replace(logits=(rows.logits * 64).round() / 64 + 2.0**17)  # exact
    plain = rows._replace(logits=shifted.logits - 2.0**17)
    for ours, reference in zip(
        kernels.losses_and_logit_grad(grads, shifted),
        kernels.losses_and_logit_grad(grads, plain),
        strict=True,
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("large", [False, True])
def test_batches_of_gradients(kernels, large, monkeypatch):
    """vmap over the backward pass, as in the Jacobians of torch.autograd.functional."""
    rows, _ = draw(3, 2000 if large else 5, torch.float64)
    logits = rows.logits[:, :5] if large else rows.logits

    def f(z):
        z = torch.cat([z, rows.logits[:, 5:]], dim=1) if large else z
        return smoothed_cross_entropy(z, rows.target, 0.1, reduction="none")

    def g(z):
        z = torch.cat([z, rows.logits[:, 5:]], dim=1) if large else z
        return F.cross_entropy(z, rows.target, label_smoothing=0.1, reduction="none")

    for vectorized in (True, False):
        actual, expected = (
            torch.autograd.functional.jacobian(function, logits, vectorize=vectorized) for function in (f, g)
        )
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-14)
    with torch.no_grad():
        torch.testing.assert_close(jacrev(f)(logits), expected, rtol=1e-10, atol=1e-14)


def test_an_invalid_label_raises_on_a_cpu(monkeypatch):
    monkeypatch.setattr(_dispatch, "CPU_ELEMENTS", 0)
    with pytest.raises(IndexError, match="out of bounds"):
        smoothed_cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]), 0.1)


def eager(logits, target, reduction="mean", weight=None):
    return F.cross_entropy(logits, target, weight, label_smoothing=0.1, reduction=reduction)


def ours(logits, target, reduction="mean", weight=None):
    return smoothed_cross_entropy(logits, target, 0.1, reduction=reduction, weight=weight)


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    drawn = random.standard_normal((4, 6, 5)), random.integers(5, size=(4, 6)), random.random((4, 5))
    return tuple(map(torch.tensor, drawn))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch's own jvp
def test_torch_func_transforms(kernels, batch):
    """grad, vmap in both orders, hessian (forward over reverse) and jvp equal those of PyTorch's loss."""
    z, y, w = batch
    y[0, 1] = -100
    for call in (
        lambda f: grad(f)(z[0], y[0]),
        lambda f: vmap(f)(z, y),
        lambda f: vmap(grad(f))(z, y),
        lambda f: grad(lambda z: vmap(f)(z, y).sum())(z),
        lambda f: hessian(f)(z[0], y[0]),
        lambda f: jvp(lambda z: f(z, y[0], "none"), (z[0],), (z[1],)),
    ):
        torch.testing.assert_close(call(ours), call(eager), rtol=1e-10, atol=1e-12)
    # PyTorch's loss has no rule for these two.
    shared = vmap(ours, (None, 0))(z[0], y)
    torch.testing.assert_close(shared, torch.stack([eager(z[0], target) for target in y]))
    weighted = vmap(lambda z, w: ours(z, y[0], "mean", w))(z, w)
    reference = [eager(z[i], y[0], "mean", w[i]) for i in range(len(z))]
    torch.testing.assert_close(weighted, torch.stack(reference))


def test_derivatives(kernels, batch):
    logits, target = batch[0][0, :3, :4].clone().requires_grad_(), batch[1][0, :3] % 4
    alpha = torch.linspace(0, 0.5, 3, dtype=torch.float64, requires_grad=True)
    for alphas in (alpha, torch.tensor(0.3, dtype=torch.float64, requires_grad=True)):
        inputs = (logits, alphas)
        assert torch.autograd.gradcheck(lambda z, a: smoothed_cross_entropy(z, target, a), inputs)
        assert torch.autograd.gradgradcheck(lambda z, a: smoothed_cross_entropy(z, target, a), inputs)


def test_autocast(kernels, batch):
    with torch.autocast(batch[0].device.type, dtype=torch.bfloat16):
        logits = batch[0][0].float() @ torch.eye(5)
        assert logits.dtype == torch.bfloat16
        loss = ours(logits, batch[1][0])
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, eager(logits.float(), batch[1][0]))


def test_torch_compile_makes_one_graph_for_all_alphas():
    """No graph break, and no second compilation for another alpha."""
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(smoothed_cross_entropy, backend=counter, fullgraph=True)
    logits = torch.randn(8, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.arange(8) % 6
    for alpha in (0.1, 0.2, 0.3):
        loss = compiled(logits, target, torch.tensor(alpha))
        reference = F.cross_entropy(logits, target, label_smoothing=alpha)
        torch.testing.assert_close(loss, reference)
        logit_grad = (torch.autograd.grad(value, logits)[0] for value in (loss, reference))
        torch.testing.assert_close(*logit_grad)
    assert counter.frame_count == 1


@pytest.mark.parametrize("shape", [(5, 4), (3, 70_000)])
def test_loss_and_gradient_in_one_call(shape):
    """Loss and gradient equal autograd's for any scale, in one block of rows or several, and are detached."""
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(shape, generator=g, dtype=torch.float64, requires_grad=True)
    target = torch.arange(shape[0]) % shape[1]
    for scale in (1.0, 1 / shape[0], torch.tensor(0.3), torch.rand(shape[0], generator=g)):
        losses, our_grad = loss_and_gradient(logits, target, 0.1, scale=scale)
        reference = eager(logits, target, "none")
        torch.testing.assert_close(losses, reference.detach())
        total = (reference * scale).sum()
        torch.testing.assert_close(our_grad, torch.autograd.grad(total, logits)[0])
        assert not losses.requires_grad
        assert not our_grad.requires_grad


@pytest.mark.parametrize("scale", [torch.ones(1), torch.ones(2), torch.ones(5, 1)])
def test_a_scale_is_a_number_or_one_for_each_row(scale):
    with pytest.raises(ValueError, match=r"scale: \[.*\], expected a number, \[\] or \[5\]"):
        loss_and_gradient(torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64), 0.1, scale=scale)


def test_tensors_are_on_the_device_of_the_logits():
    logits, target = torch.zeros(5, 3, device="meta"), torch.zeros(5, dtype=torch.int64)
    with pytest.raises(ValueError, match="target: on cpu, expected meta as the logits"):
        smoothed_cross_entropy(logits, target, 0.1)
    with pytest.raises(ValueError, match="alpha: on cpu"):
        smoothed_cross_entropy(logits, target.to("meta"), torch.tensor(0.1))
    with pytest.raises(ValueError, match="weight: on cpu"):
        smoothed_cross_entropy(logits, target.to("meta"), 0.1, weight=torch.ones(3))
    for scale in (0.5, torch.ones(5, device="meta")):  # a device that has no kernels
        losses, our_grad = loss_and_gradient(logits, target.to("meta"), 0.1, scale=scale)
        assert losses.shape == (5,) and our_grad.shape == (5, 3) and our_grad.is_meta


def test_the_default_device_may_differ_from_the_logits():
    logits, target = torch.randn(9000, 10), torch.arange(9000) % 10
    expected = F.cross_entropy(logits, target, label_smoothing=0.1)
    with torch.device("meta"):
        losses, _ = loss_and_gradient(logits, target, 0.1)
        torch.testing.assert_close(smoothed_cross_entropy(logits, target, 0.1), expected)
    torch.testing.assert_close(losses.mean(), expected)


def test_a_weight_that_requires_a_gradient_is_refused():
    """PyTorch refuses such a weight too."""
    weight = torch.ones(10, requires_grad=True)
    with pytest.raises(ValueError, match="weight: one that needs a gradient"):
        smoothed_cross_entropy(torch.zeros(3, 10), torch.zeros(3, dtype=torch.int64), 0.1, weight=weight)


def test_the_loss_is_imported_without_hydra():
    code = "import sys, lsbench.ops; print(sorted({'hydra', 'omegaconf', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("classes", [10, 1000, 32_000])
def test_a_gpu_neither_synchronises_nor_recompiles_and_can_replay(classes, triton_kernels):
    """A second alpha, as a number or a tensor, compiles nothing new; a replayed graph reads alpha from
    memory."""
    rows, _ = draw(64, classes, torch.float32, "row")
    logits, target, alpha = rows.logits, rows.target, rows.alpha
    kernel = triton_kernels._short if classes <= triton_kernels.TILE else triton_kernels._long
    for first in (0.1, alpha):
        loss_and_gradient(logits, target, first)
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = sum(map(len, (cache[0] for cache in kernel.device_caches.values())))
        for later in (0.2, alpha / 2):
            loss_and_gradient(logits, target, later)
        assert sum(map(len, (cache[0] for cache in kernel.device_caches.values()))) == made
    finally:
        torch.cuda.set_sync_debug_mode("default")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses, logit_grad = loss_and_gradient(logits, target, alpha)
    alpha.copy_(alpha.flip(0))
    graph.replay()
    torch.testing.assert_close((losses, logit_grad), loss_and_gradient(logits, target, alpha), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(128, 10), (2, 1000), (8192, 10), (200, 1000)])
def test_small_batches_use_plain_pytorch_and_large_ones_kernels(shape):
    logits = torch.zeros(shape, requires_grad=True)
    node = smoothed_cross_entropy(
        logits, torch.zeros(shape[0], dtype=torch.int64), 0.1, reduction="none"
    ).grad_fn
    assert (type(node).__name__ == "_LossesBackward") == (logits.numel() >= _dispatch.CPU_ELEMENTS)


def test_tensors_without_memory_use_plain_pytorch(batch):
    """Fake and transformed tensors, and subclasses."""
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    class Logits(torch.Tensor):
        pass

    big, target = torch.zeros(800, 100), torch.arange(800) % 100
    assert _dispatch.kernels(big) is _cpu
    assert _dispatch.kernels(big.as_subclass(Logits)) is None
    with FakeTensorMode() as mode:
        assert ours(mode.from_tensor(big), mode.from_tensor(target), "none").shape == (800,)
    traced = make_fx(partial(ours, reduction="mean", weight=None), tracing_mode="fake")(big, target)
    torch.testing.assert_close(traced(big, target), eager(big, target))
    assert vmap(ours)(big[None][:0], target[None][:0]).shape == (0,)
    batched = vmap(lambda z: loss_and_gradient(z, batch[1][0], 0.1)[1])(batch[0])
    torch.testing.assert_close(batched[2], loss_and_gradient(batch[0][2], batch[1][0], 0.1)[1])
