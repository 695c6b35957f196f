"""A sweep as Slurm jobs, one a stack, on a real node; scripts/slurm_node.sh starts one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("sbatch") and os.environ.get("SLURM_CONF")),
        reason='needs a Slurm node: eval "$(scripts/slurm_node.sh start)"',
    ),
    pytest.mark.usefixtures("_submitit"),
]

LONG = 300  # seconds; limits a test that hangs


@pytest.fixture
def _submitit():
    pytest.importorskip("submitit", reason="needs submitit: pip install 'lsbench[slurm]'")


@pytest.fixture
def submit(tmp_path):
    """Start `lsbench train -m hydra.launcher.cluster=slurm ARGUMENTS`; cancel what is left of its jobs."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lsbench", "train", "-m", "hydra.launcher.cluster=slurm", *arguments]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
    subprocess.run(["scancel", *jobs_of(tmp_path)], check=False)


def jobs_of(folder: Path) -> dict[str, dict[str, str]]:
    """The fields that scontrol shows of each Slurm job submitted from ``folder``, finished or not, by job ID.
    Each element of an array is a job."""
    lines = subprocess.check_output(["scontrol", "--oneliner", "show", "job"], text=True).splitlines()
    shown = [dict(word.partition("=")[::2] for word in line.split()) for line in lines]
    return {job["JobId"]: job for job in shown if job.get("WorkDir") == str(folder)}


def wait_for(condition, process):
    """Poll until ``condition()`` holds and return its value; fail if the command ends before."""
    deadline = time.monotonic() + LONG
    while not (result := condition()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.2)
    return result


def finish(process) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


# Two models of unlike shape cannot share a stack.
TWO_STACKS = ["alpha=0,0.1", "seed=0,1", "model.hidden=[8],[16]"]


def test_each_stack_is_a_slurm_job_with_the_results_of_one_process(submit, shell, tmp_path):
    code, out, err = finish(submit(*TWO_STACKS, "epochs=1"))
    assert code == 0 and "8 of 8 runs done" in out, err
    assert states(tmp_path) == ["COMPLETED"] * 2
    (tmp_path / "here").mkdir()
    assert shell("train", "-m", *TWO_STACKS, "epochs=1", cwd=tmp_path / "here").returncode == 0
    numbers = [
        pd.read_csv(folder / "results" / "sweep-mnist5k-mlp" / "runs.csv").set_index("run")["test_nll"]
        for folder in (tmp_path, tmp_path / "here")
    ]
    assert len(numbers[0]) == 8
    pd.testing.assert_series_equal(*numbers, check_like=True, rtol=1e-6)
    code, _, err = finish(submit(*TWO_STACKS, "epochs=1"))
    assert code == 0 and "8 of 8 runs are stored already" in err
    assert len(jobs_of(tmp_path)) == 2, "what is stored is not submitted"


def test_a_killed_job_fails_its_runs_and_the_others_are_stored(submit, tmp_path):
    process = submit("alpha=0,0.1", "seed=0,1", "epochs=1,100000")  # two stacks; one would run for hours
    wait_for(lambda: states(tmp_path) == ["COMPLETED", "RUNNING"] and running(tmp_path, 1), process)
    [job] = running(tmp_path, 1)
    os.kill(python_of(job), signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 1 and "Traceback" not in err
    table = pd.read_csv(tmp_path / "results" / "sweep-mnist5k-mlp" / "runs.csv")
    assert table.groupby("epochs")["status"].agg(list).to_dict() == {1: ["done"] * 4, 100000: ["failed"] * 4}
    assert "4 of 8 runs done" in out
    assert f"{job['ArrayJobId']}_{job['ArrayTaskId']}" in out and "FAILED" in out


def test_ctrl_c_cancels_the_jobs(submit, tmp_path):
    process = submit(*TWO_STACKS, "epochs=100000")
    wait_for(lambda: running(tmp_path, 2), process)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130 and "Traceback" not in err
    deadline = time.monotonic() + LONG
    while "COMPLETING" in states(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert states(tmp_path) == ["CANCELLED"] * 2


def test_a_preempted_job_is_resumed_from_its_checkpoint(submit, tmp_path):
    """USR2 is what submitit has Slurm send before it takes the node away."""
    process = submit("seed=0,1", "epochs=60", "checkpoint_minutes=0.01")
    wait_for(lambda: list(tmp_path.glob("results/runs/.stacks/*/state.pt")), process)
    [job] = running(tmp_path, 1)
    subprocess.run(["scancel", "--signal=USR2", job["JobId"]], check=True)
    code, _, err = finish(process)
    assert code == 0, err
    assert [int(job["Restarts"]) for job in jobs_of(tmp_path).values()] == [1]
    logs = "".join(path.read_text() for path in tmp_path.glob("results/hydra/slurm/*/*.err"))
    assert "resuming after" in logs


def states(folder: Path) -> list[str]:
    return sorted(job["JobState"] for job in jobs_of(folder).values())


def running(folder: Path, count: int) -> list[dict[str, str]] | None:
    """The running jobs, once there are ``count`` of them and Python runs in each."""
    jobs = [job for job in jobs_of(folder).values() if job["JobState"] == "RUNNING"]
    return jobs if len(jobs) == count and all(python_of(job) for job in jobs) else None


def python_of(job: dict[str, str]) -> int | None:
    """The process that trains for ``job``, identified by its command line and Slurm's environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it ended in the meantime
            continue
        ours = command[0] == sys.executable.encode() and b"submitit.core._submit" in command
        if ours and f"SLURM_JOB_ID={job['JobId']}".encode() in environment:
            return int(entry.name)
    return None
