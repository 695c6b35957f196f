"""Equality of jobs that Hydra composes and of copies of a composed job with other knobs."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict

from lsbench import conf_dir
from lsbench.errors import UsageError
from lsbench.execution import plan
from lsbench.hydra_app import compose, plugins


class Counting:
    """Hydra's loader, with a count of the jobs that it composed."""

    def __init__(self, loader):
        self.loader, self.count = loader, 0

    def load_sweep_config(self, *arguments):
        self.count += 1
        return self.loader.load_sweep_config(*arguments)


@pytest.fixture
def loader():
    plugins.register()
    setup_globals()
    with initialize_config_dir(str(conf_dir()), job_name="lsbench", version_base="1.3"):
        yield Counting(GlobalHydra.instance().config_loader())


def contents(job):
    """The configuration as written, as resolved, as YAML in its order, and its type."""
    with open_dict(job.hydra):
        job.hydra.runtime.output_dir = "out"
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(job)
    try:
        resolved = OmegaConf.to_container(job, resolve=True)
        return OmegaConf.to_container(job), resolved, OmegaConf.to_yaml(job), OmegaConf.get_type(job)
    finally:
        HydraConfig.instance().cfg = before


GRID = [
    [f"alpha={a}", f"method={m}", f"seed={s}"] for a in (0, 0.1) for m in ("none", "dropout") for s in (0, 1)
]
WRITTEN = [["lr=1", "alpha=0", "augment=1."], ["lr=1e-3", "alpha=-0.0", "augment=1_0"]]
BATCHES = {
    "a grid": (GRID, 2),
    "a knob before and after the group that sets it": (
        [[f"dropout={d}", "method=dropout"] for d in (0.1, 0.3)]
        + [["method=dropout", f"dropout={d}"] for d in (0.1, 0.3)],
        2,
    ),
    "an experiment": ([["experiment=compare", f"alpha={a}", "optim=adamw", f"lr={a}"] for a in (0, 1)], 1),
    "text made of knobs": (
        [["name=a${alpha}-${seed}", "results_dir=${hydra:job.num}", f"seed={s}"] for s in (0, 1)],
        1,
    ),
    "settings of Hydra": ([["hydra.verbose=true", f"alpha={a}", "hydra.job.name=x"] for a in (0, 1)], 1),
    "ways to write a number": (WRITTEN, 1),
    "a knob twice": ([["alpha=0.1", "alpha=0.2"], ["alpha=0.3", "alpha=0.1"]], 1),
    "knobs in another order": ([["alpha=0.1", "seed=1"], ["seed=1", "alpha=0.1"]], 2),
    "text, null and references": ([["alpha=${lr}"], ["alpha='0.1'"], ["data.root=null", "alpha=1"]], 3),
    "a knob forced": ([[f"++alpha={a}", f"alpha={a}0"] for a in (0.1, 0.2)], 2),
    "a deletion": ([["~name", f"alpha={a}"] for a in (0.1, 0.2)], 2),
    "knobs of the user's": ([[f"+method.knobs.mine={a}", f"alpha={a}"] for a in (0.1, 0.2)], 2),
    "knobs of a method": (
        [
            ["experiment=students", f"method.knobs.distillation={w}", f"method.teacher_temperature={t}"]
            for w in (0, 0.9)
            for t in (1, 4.5)
        ],
        1,
    ),
    "all knobs of a method": (
        [[f"method.knobs.mixup_beta={a}", "method=mixup", "method.knobs={mixup_beta: 3}"] for a in (1, 2)],
        2,
    ),
}
NAMING = [f"hydra.job.config.override_dirname.{how}" for how in ("exclude_keys=[seed]", "item_sep=+")]


@pytest.mark.parametrize("kind", BATCHES)
def test_jobs_are_composed_as_hydra_composes_them(kind, loader):
    batch, compositions = BATCHES[kind]
    base = loader.loader.load_configuration("train", NAMING, RunMode.MULTIRUN)
    assert (
        base.hydra.sweep.dir
    )  # a sweeper reads it before any job is composed, so all jobs have the same time
    composed = compose.compose(loader, base, batch, 3)
    assert loader.count == compositions
    for number, (overrides, job) in enumerate(zip(batch, composed, strict=True), 3):
        expected = loader.load_sweep_config(base, overrides)
        with open_dict(expected):
            expected.hydra.job.id, expected.hydra.job.num = str(number), number
        assert contents(job) == contents(expected)


def test_copied_jobs_are_independent(loader):
    base = loader.loader.load_configuration("train", [], RunMode.MULTIRUN)
    first, second = compose.compose(loader, base, [["alpha=0.1"], ["alpha=0.2"]], 0)
    first.data.select = 7
    first.hydra.job.name = "other"
    assert second.data.select == 500 and second.hydra.job.name == "lsbench"
    assert (first.hydra.overrides.task, second.hydra.overrides.task) == (["alpha=0.1"], ["alpha=0.2"])


@pytest.mark.parametrize("wrong", ["seed=1.5", "alpha=x", "alhpa=1", "method=nope"])
def test_a_job_that_hydra_refuses_raises_hydras_error(wrong, loader):
    base = loader.loader.load_configuration("train", [], RunMode.MULTIRUN)
    key = wrong.partition("=")[0]
    right = f"{key}=1" if key in compose.MEMBER_SETTINGS else "alpha=1"
    with pytest.raises(Exception) as expected:
        loader.load_sweep_config(base, [wrong])
    with pytest.raises(type(expected.value)) as caught:
        compose.compose(loader, base, [[right], [wrong]], 0)
    assert str(caught.value) == str(expected.value)


def test_a_teacher_that_no_job_of_a_whole_sweep_learns_from_is_an_error(loader, monkeypatch):
    """A batch of a sweep may have no student, and so may single runs."""
    monkeypatch.setattr(plan, "with_data", lambda runs: [run.method.name for run in runs])
    base = loader.loader.load_configuration("train", [], RunMode.MULTIRUN)
    grid = [[f"method={name}", "method.teacher=c12345678"] for name in ("none", "dropout", "distillation")]
    composed = compose.compose(loader, base, grid, 0)
    assert compose.check(composed, whole=True) == ["none", "dropout", "distillation"]
    assert compose.check(composed[:2], whole=False) == ["none", "dropout"]
    with pytest.raises(UsageError, match="teacher=c12345678: is set but unused"):
        compose.check(composed[:2], whole=True)
