"""The state of one command, also if Hydra's launcher runs its jobs in other processes."""

import pickle

import pandas as pd
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from lsbench.hydra_app.compose import hydra_config
from lsbench.hydra_app.session import Session, session_of
from lsbench.store.sweeps import read_sweep

pytestmark = pytest.mark.usefixtures("here", "sketched")


@pytest.fixture
def multirun(tmp_path):
    """Hydra's configuration within a multirun."""
    hydra = {"mode": RunMode.MULTIRUN, "runtime": {"cwd": str(tmp_path)}, "sweep": {"dir": "jobs"}}
    with hydra_config(OmegaConf.create({"hydra": hydra})):
        yield


def test_the_task_function_leads_to_the_session():
    session = Session("lsbench train -m")
    assert session_of(session.run_job) is session
    assert session_of(print) is None and session_of(lambda composed: None) is None


def test_a_pickled_task_function_carries_a_copy_without_state(make_run):
    session = Session("lsbench train -m", dry_run=True)
    session.error = ValueError()
    copy = session_of(pickle.loads(pickle.dumps(session.run_job)))
    assert copy is not None and copy.is_copy and not session.is_copy
    assert (copy.command, copy.dry_run, copy.key) == (session.command, True, session.key)
    assert copy.error is None


def test_the_original_collects_the_runs_of_its_copies(make_run, multirun, tmp_path):
    session, other_session = Session("lsbench train -m"), Session("lsbench train -m")
    run = make_run(name="mine", results_dir="results")
    for name in ("first", "second"):
        pickle.loads(pickle.dumps(session)).note(run, name)
    pickle.loads(pickle.dumps(other_session)).note(run, "of another command")
    session.collect()
    assert session.reports == {(str(tmp_path / "results"), "mine"): {"first": None, "second": None}}
    assert read_sweep("results", "mine").runs == ("first", "second")


def test_nothing_is_collected_outside_a_multirun(tmp_path):
    session = Session("lsbench train")
    with hydra_config(None):
        session.collect()
        assert not HydraConfig.initialized()
    assert not session.reports


@pytest.mark.slow
def test_another_sweeper_and_launcher_write_the_same_report(call, tmp_path):
    """Neither `grid` nor `stacked` sees these jobs: their runs are collected from worker processes."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="needs hydra-joblib-launcher")
    plugins = ("hydra/sweeper=basic", "hydra/launcher=joblib")
    small = ("epochs=1", "model.hidden=[4]", "data.train=200", f"results_dir={tmp_path}/results")
    code, out, _ = call("train", "-m", *plugins, "alpha=0,0.1,0.2", *small)
    assert code == 0 and "3 of 3 runs done" in out
    table = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")
    assert set(table["alpha"]) == {0, 0.1, 0.2}
