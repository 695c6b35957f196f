"""Sweeps that are killed, started twice or too large for memory: stored runs and training steps."""

import logging
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from lsbench.config import OptimConfig
from lsbench.execution import train_stack
from lsbench.execution.execute import execute
from lsbench.execution.plan import Job, plan_stacks
from lsbench.execution.progress import SweepProgress
from lsbench.store import checkpoints, runs
from lsbench.training import stack

EVERY_STEP = 1e-12  # minutes between checkpoints


def final(jobs):
    return {job.run_id for job in jobs if runs.is_final(runs.read(job.run.results_dir, job.run_id))}


def records(jobs):
    return [runs.read(job.run.results_dir, job.run_id) for job in jobs]


@pytest.mark.slow
def test_a_sweep_killed_at_50_moments_ends_with_the_same_table(
    make_jobs, table, moments, killed, steps, parse_all, is_tidy, store
):
    """The moments are drawn from a seed and include every kind."""
    clean = make_jobs(store / "clean", checkpoint_minutes=EVERY_STEP)
    execute(clean)
    names = moments(lambda: execute(make_jobs(store / "watched", checkpoint_minutes=EVERY_STEP)))
    steps()
    draw = random.Random(1)
    of_each = {draw.choice([i for i, at in enumerate(names) if at == name]) for name in sorted(set(names))}
    further = draw.sample(sorted(set(range(len(names))) - of_each), 50 - len(of_each))
    for number in [*of_each, *further]:
        jobs = make_jobs(store / str(number), checkpoint_minutes=EVERY_STEP)
        killed(lambda jobs=jobs: execute(jobs), number)
        parse_all(store / str(number))
        before, stored = steps(), final(jobs)
        execute(jobs)
        after = steps()
        assert table(jobs) == table(clean), (number, names[number])
        assert not stored & set(after), "a final run was trained again"
        assert max((before + after).values()) <= 2 + 1, "one step is lost at most"
        assert is_tidy(store / str(number))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_kill_at_any_moment_of_storing_leaves_complete_files(
    count, make_jobs, table, moments, killed, steps, parse_all, is_tidy, store
):
    """With one run, every moment from its evaluation on; with two runs, every moment from the first of the
    three renames that store them."""
    clean = make_jobs(store / "clean")[:count]
    execute(clean)
    names = moments(lambda: execute(make_jobs(store / "watched")[:count]))
    renames = [index for index, name in enumerate(names) if name == "os.rename"]
    for number in range(names.index("evaluate") if count == 1 else renames[-3], len(names)):
        jobs = make_jobs(store / str(number))[:count]
        killed(lambda jobs=jobs: execute(jobs), number)
        parse_all(store / str(number))
        stored = final(jobs)
        steps()
        execute(jobs)
        again = steps()
        assert table(jobs) == table(clean), (number, names[number])
        assert not stored & set(again)
        parse_all(store / str(number))
        assert is_tidy(store / str(number))
        assert number <= renames[-1 - count] or not again, "runs that were staged are trained again"


def test_a_finished_sweep_trains_no_step_and_logs_that(make_jobs, steps, store, caplog):
    jobs = make_jobs(store)
    execute(jobs)
    assert sum(steps().values()) == 4 * 2
    caplog.set_level("INFO", "lsbench")
    execute(jobs)
    assert not steps() and "4 of 4 runs are stored already" in caplog.messages


def test_a_setting_that_changes_the_outcome_trains_another_run(splits, make_run, steps, store, monkeypatch):
    run = make_run(epochs=1, results_dir=str(store))
    execute([Job(run, splits)])
    changes = [
        *(
            {"alpha": 0.1},
            {"convention": "others"},
            {"dropout": 0.1},
            {"augment": 0.5},
            {"weight_decay": 0.1},
        ),
        *({"label_noise": 0.1}, {"lr": 0.2}, {"epochs": 2}, {"batch_size": 20}, {"seed": 1}),
        *(
            {"precision": "fp32"},
            {"optim": OptimConfig(momentum=0.8)},
            {"model": run.model | {"hidden": [8]}},
        ),
        {"data": replace(run.data, select=21)},
    ]
    jobs = [Job(replace(run, **change), splits) for change in changes]
    reversed_splits = replace(splits, train_images=splits.train_images[::-1].copy())
    jobs.append(Job(run, reversed_splits))
    steps()
    execute(jobs)
    assert set(steps()) == final(jobs) and len(final(jobs)) == len(changes) + 1
    monkeypatch.setattr("lsbench.config.RESULT_VERSION", 0)
    execute([Job(run, splits)])
    assert steps()


def test_a_setting_that_does_not_change_the_outcome_trains_nothing(
    splits, make_run, steps, store, monkeypatch
):
    run = make_run(epochs=1, results_dir="here")
    monkeypatch.chdir(store)
    execute([Job(run, splits)])
    names_and_paths = {
        "results_dir": str(store / "here"),
        "name": "other",
        "data": replace(run.data, root="/moved"),
    }
    execution = {"device": "cpu", "executor": "pool", "checkpoint_minutes": 1.0}
    steps()
    execute(
        [Job(replace(run, **{key: value}), splits) for key, value in (names_and_paths | execution).items()]
    )
    assert not steps()


def test_16_processes_that_store_at_once_lose_no_run(make_jobs, start, parse_all, is_tidy, store):
    """Each trains two other runs, while this process reads the store."""
    sweeps = [make_jobs(store, seeds=(seed,)) for seed in range(16)]
    barrier = start.context.Barrier(16)
    processes = [start(lambda jobs=jobs: (barrier.wait(), execute(jobs))) for jobs in sweeps]
    while any(process.is_alive() for process in processes):
        records([job for jobs in sweeps for job in jobs])
    assert {process.exitcode for process in processes} == {0}
    rows = [record for jobs in sweeps for record in records(jobs)]
    assert [(row["status"], row["seed"]) for row in rows] == [
        ("done", s) for s in range(16) for _ in range(2)
    ]
    parse_all(store)
    assert is_tidy(store)


def test_a_sweep_started_three_times_at_once_trains_each_run_once(
    make_jobs, table, start, steps, is_tidy, store
):
    clean = make_jobs(store / "clean")
    execute(clean)
    for number in range(5):
        steps()
        jobs, barrier = make_jobs(store / str(number)), start.context.Barrier(3)
        processes = [start(lambda b=barrier, jobs=jobs: (b.wait(), execute(jobs))) for _ in range(3)]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * 3
        assert steps() == dict.fromkeys((job.run_id for job in jobs), 2)
        assert table(jobs) == table(clean) and is_tidy(store / str(number))


def test_the_second_process_waits_for_a_stack_that_another_trains(
    make_jobs, steps, start, store, monkeypatch
):
    """The other process pauses in its first step until this process logs that it is waiting."""
    jobs, context = make_jobs(store)[:2], start.context
    begun, waiting = context.Event(), context.Event()
    step = stack.Stack.train_step

    def paused(self, *arguments):
        begun.set()
        waiting.wait()
        return step(self, *arguments)

    def pausing():
        stack.Stack.train_step = paused
        execute(jobs)

    process = start(pausing)
    begun.wait()
    monkeypatch.setattr(
        logging.getLogger("lsbench.execution.execute"),
        "info",
        lambda text, *_: "waiting" in text and waiting.set(),
    )
    execute(jobs)
    process.join()
    assert waiting.is_set() and len(final(jobs)) == 2
    assert set(steps().values()) == {2}


def test_a_diverged_member_does_not_affect_the_others(splits, make_run, store):
    settings = {"epochs": 2, "dropout": 0.2}
    clean = [Job(make_run(seed=s, results_dir=str(store / "clean"), **settings), splits) for s in range(12)]
    mixed = [Job(replace(job.run, results_dir=str(store / "mixed")), splits) for job in clean]
    mixed[4] = Job(replace(mixed[4].run, lr=1e200), splits)
    execute(clean)
    execute(mixed)
    [*expected], [*actual] = records(clean), records(mixed)
    wild = actual.pop(4)
    del expected[4]
    assert wild["status"] == "diverged" and wild["diverged_step"] in range(1, 5) and wild["stack_size"] == 12
    assert f"step {wild['diverged_step']}" in wild["error"] and wild["test_nll"] is None
    for clean_row, row in zip(expected, actual, strict=True):
        assert {key for key in row if clean_row[key] != row[key]} <= {"train_seconds", "finished"}
        stored = [runs.run_dir(store / name, row["run"]) / "predictions.npz" for name in ("clean", "mixed")]
        assert np.array_equal(*(np.load(path)["test_logits"] for path in stored))


@pytest.mark.parametrize("executor", ["stack", "pool"])
def test_a_single_run_that_does_not_fit_in_memory_is_stored_as_failed(
    executor, make_jobs, steps, store, monkeypatch, two_cores
):
    steps = stack.Stack.steps

    def fits_one_but_seed_2(self, epoch, first=0):
        if self.size > 1 or self.seeds[0] == 2:
            raise torch.OutOfMemoryError("CUDA out of memory\nby far")
        return steps(self, epoch, first)

    monkeypatch.setattr(stack.Stack, "steps", fits_one_but_seed_2)
    jobs = make_jobs(store, seeds=range(4), executor=executor)
    execute(jobs)
    rows = records(jobs)
    assert [row["status"] for row in rows] == ["done", "done", "failed", "done"] * 2
    assert {row["stack_size"] for row in rows if row["status"] == "done"} == {1}
    assert rows[2]["error"] == "OutOfMemoryError: CUDA out of memory"
    assert not checkpoints.stacks_dir(store).exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"runs": 3, "threads": 1}', b"\xff"])
def test_a_saved_plan_that_cannot_be_read_is_ignored(content, make_jobs, store):
    jobs = make_jobs(store)
    folder = checkpoints.stack_dir(store, [job.run_id for job in jobs[:2]])
    folder.mkdir(parents=True)
    (folder / "plan.json").write_bytes(content)
    execute(jobs)
    assert len(final(jobs)) == 4


def test_a_checkpoint_that_cannot_be_read_is_reported_and_training_starts_again(
    make_jobs, table, moments, killed, steps, store, caplog
):
    clean = make_jobs(store / "clean")
    execute(clean)
    jobs = make_jobs(store / "killed", checkpoint_minutes=EVERY_STEP)
    names = moments(lambda: execute(make_jobs(store / "watched", checkpoint_minutes=EVERY_STEP)))
    killed(lambda: execute(jobs), names.index("evaluate"))
    [state] = (store / "killed").rglob("state.pt")
    state.write_bytes(state.read_bytes()[:-100])
    steps()
    execute(jobs)
    assert set(steps().values()) == {2} and f"{state}: cannot be read" in caplog.text
    assert table(jobs) == table(clean)


def test_nothing_is_left_of_a_stack_that_another_process_stored_first(make_jobs, store, is_tidy):
    """The stack was planned here before the other process stored it."""
    jobs = make_jobs(store)[:2]
    [plan] = plan_stacks(jobs)
    execute(jobs)
    checkpoints.save_stacks(store, [plan.saved])
    with SweepProgress(2, 2) as progress:
        assert train_stack.train(plan, progress, wait=False)
    assert is_tidy(store)


def test_a_stray_file_among_the_stacks_does_no_harm(make_jobs, store):
    checkpoints.stacks_dir(store).mkdir(parents=True)
    (checkpoints.stacks_dir(store) / ".DS_Store").touch()
    jobs = make_jobs(store)
    execute(jobs)
    assert len(final(jobs)) == 4


@pytest.mark.parametrize("state", [{"a": 1}, {"position": (0, [], [], [], 0.0)}])
def test_a_checkpoint_of_another_form_is_ignored(state, make_jobs, table, store, caplog):
    clean, jobs = make_jobs(store / "clean"), make_jobs(store / "odd")
    execute(clean)
    for plan in plan_stacks(jobs):
        checkpoints.save(plan.folder, state)
    execute(jobs)
    assert table(jobs) == table(clean) and "does not fit" in caplog.text
