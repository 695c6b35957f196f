"""The optimisers against torch.optim in float64, and the schedule against its definition."""

import math

import pytest
import torch

from lsbench.config import OptimConfig
from lsbench.training.optim import Optimizer, schedule

LR, DECAY = [0.1, 0.03, 0.2], [0.0, 0.01, 0.1]


def trajectories(settings, factors):
    """Three members with different knobs on fixed gradients, by our optimiser and by torch's."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    grads = torch.randn(len(factors), 3, 4, 5, generator=generator, dtype=torch.float64)
    ours = {"w": start.clone()}
    optimizer = Optimizer(
        ours, torch.tensor(LR, dtype=torch.float64), torch.tensor(DECAY, dtype=torch.float64), settings
    )
    reference = [torch.nn.Parameter(member.clone()) for member in start]
    oracles = [
        oracle(settings, param, lr, decay) for param, lr, decay in zip(reference, LR, DECAY, strict=True)
    ]
    for grad, factor in zip(grads, factors, strict=True):
        optimizer.step({"w": grad}, factor)
        for param, single, gradient, lr in zip(reference, oracles, grad, LR, strict=True):
            single.param_groups[0]["lr"] = lr * factor
            param.grad = gradient.clone()
            single.step()
    return ours["w"], torch.stack([param.detach() for param in reference])


def oracle(settings, param, lr, decay):
    if settings.name == "adamw":
        betas = (settings.beta1, settings.beta2)
        return torch.optim.AdamW([param], lr, betas=betas, eps=settings.eps, weight_decay=decay)
    nesterov = settings.nesterov and settings.momentum > 0
    return torch.optim.SGD([param], lr, settings.momentum, weight_decay=decay, nesterov=nesterov)


@pytest.mark.parametrize(
    "settings",
    [
        OptimConfig(),
        OptimConfig(nesterov=False),
        OptimConfig(momentum=0.0),
        OptimConfig(name="adamw", beta1=0.8, beta2=0.95, eps=1e-6),
    ],
    ids=["nesterov", "momentum", "plain", "adamw"],
)
def test_each_member_is_updated_as_by_torch(settings):
    ours, reference = trajectories(settings, [0.5, 1.0, 0.9, 0.4, 0.1])
    assert torch.allclose(ours, reference, rtol=0, atol=1e-14)


def test_frozen_members_stay_at_zero_and_the_others_continue():
    params = {"w": torch.ones(2, 3, dtype=torch.float64)}
    optimizer = Optimizer(params, torch.ones(2).double(), torch.zeros(2).double(), OptimConfig())
    optimizer.step({"w": torch.tensor([[1.0] * 3, [math.nan] * 3]).double()}, 1.0)
    optimizer.freeze(torch.tensor([False, True]))
    optimizer.step({"w": torch.ones(2, 3).double()}, 1.0)
    assert torch.equal(params["w"][1], torch.zeros(3).double())
    assert params["w"][0].isfinite().all() and (params["w"][0] < 0).all()


def test_the_constant_schedule_warms_up_linearly():
    settings = OptimConfig(schedule="constant", warmup_epochs=1.0)
    assert schedule(settings, 2, 4) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_the_cosine_starts_at_one_and_ends_above_zero():
    factors = schedule(OptimConfig(), epochs=2, steps_per_epoch=50)
    assert factors[0] == 1 and len(factors) == 100
    assert factors[50] == pytest.approx(0.5) and factors[25] == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert factors[-1] == pytest.approx((1 - math.cos(math.pi / 100)) / 2)


def test_the_cosine_equals_torchs_schedule():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    torchs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    expected = []
    for _ in range(30):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        torchs.step()
    assert schedule(OptimConfig(), 3, 10) == pytest.approx(expected, abs=1e-12)


def test_a_warm_up_longer_than_training_never_reaches_the_full_rate():
    factors = schedule(OptimConfig(warmup_epochs=10), epochs=2, steps_per_epoch=3)
    assert len(factors) == 6 and factors[-1] <= 1
