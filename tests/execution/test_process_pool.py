"""The process pool: workers that are killed, and workers whose parent is killed."""

import os
import signal
from dataclasses import replace

import pytest

from lsbench.execution import plan, process_pool, signals, train_stack
from lsbench.execution.execute import execute
from lsbench.store import checkpoints, runs
from lsbench.training import stack

pytestmark = [
    pytest.mark.usefixtures("two_cores"),
    pytest.mark.filterwarnings(
        "ignore:.*fork.*:DeprecationWarning"
    ),  # Python 3.12's, of torch's idle threads
]


@pytest.fixture
def die(monkeypatch):
    """Kill each process that trains a stack for which ``doomed(stack)`` holds, at its first step."""

    def where(doomed):
        step = stack.Stack.train_step

        def deadly(self, *arguments):
            if doomed(self):
                os.kill(os.getpid(), signal.SIGKILL)
            return step(self, *arguments)

        monkeypatch.setattr(stack.Stack, "train_step", deadly)

    return where


def stored(jobs):
    return [runs.read(job.run.results_dir, job.run_id) for job in jobs]


def test_the_pool_stores_what_one_process_stores(make_jobs, table, store, is_tidy):
    alone, together = make_jobs(store / "alone"), make_jobs(store / "pool", executor="pool", epochs=1)
    execute(alone)
    execute(together)
    assert table(together) == table(alone) and is_tidy(store / "pool")


def test_a_run_whose_process_is_killed_fails_and_the_others_are_stored(
    splits, make_run, die, steps, store, caplog
):
    die(lambda trained: trained.seeds[0] == 1)
    settings = {"epochs": 1, "executor": "pool", "results_dir": str(store)}
    jobs = [plan.Job(make_run("resnet8", seed=seed, **settings), splits) for seed in range(4)]
    execute(jobs)
    rows = stored(jobs)
    assert [row["status"] for row in rows] == ["done", "failed", "done", "done"]
    assert rows[1]["error"] == "the process that trained it was killed by SIGKILL"
    assert "1 x tiny resnet8 none: the process that trained it was killed by SIGKILL" in caplog.text


def test_a_stack_whose_process_is_killed_is_tried_again_in_halves(make_jobs, die, store, is_tidy, caplog):
    """The kernel kills a process that needs more memory than the machine has."""
    die(lambda trained: trained.size > 2 or trained.seeds[0] == 2)
    jobs = make_jobs(store, seeds=range(5), executor="pool")
    execute(jobs)
    rows = stored(jobs)
    assert [row["status"] for row in rows] == ["done", "done", "failed", "done", "done"] * 2
    assert [row["stack_size"] for row in rows[:5]] == [2, 2, None, 2, 2]
    assert "5 x tiny mlp none: the process that trained it was killed by SIGKILL; trying again in halves" in (
        caplog.text
    )
    assert is_tidy(store)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stack_with_a_checkpoint_is_resumed_once(
    number, make_jobs, steps, table, store, monkeypatch, is_tidy, caplog
):
    """One process is ended before its fourth step; the other stack is not affected."""
    clean = make_jobs(store / "clean", seeds=range(5), epochs=2)
    execute(clean)
    steps()
    step, ended = stack.Stack.train_step, store / "ended"

    def deadly(self, *arguments):
        if self.optimizer.steps == 3 and not ended.exists():
            ended.touch()
            os.kill(os.getpid(), number)
        return step(self, *arguments)

    monkeypatch.setattr(stack.Stack, "train_step", deadly)
    jobs = make_jobs(store / "pool", seeds=range(5), executor="pool", epochs=2, checkpoint_minutes=1e-9)
    execute(jobs)
    assert table(jobs) == table(clean) and is_tidy(store / "pool")
    assert "resuming from its checkpoint" in caplog.text and "halves" not in caplog.text


def test_stacks_train_at_once_as_long_as_their_threads_fit(make_jobs, store):
    with_one_thread, with_two = (
        [replace(stack_plan, threads=number) for stack_plan in plan.plan_stacks(make_jobs(store))]
        for number in (1, 2)
    )
    running = [process_pool.Worker(with_one_thread[0], None)]
    assert process_pool.has_room(with_one_thread[1], running, 2)
    assert not process_pool.has_room(with_two[1], running, 2)
    assert process_pool.has_room(with_two[0], [], 1), "else nothing would ever train"


def test_a_trained_stack_is_stored_although_its_process_is_killed(
    make_jobs, steps, store, monkeypatch, is_tidy
):
    """The process is killed when its runs are staged but not yet in the store."""
    parent, commit = os.getpid(), runs.commit_staged

    def deadly(*arguments):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(*arguments)

    monkeypatch.setattr(runs, "commit_staged", deadly)
    for count in (1, 2):
        jobs = make_jobs(store / str(count), seeds=range(count), executor="pool")
        execute(jobs)
        assert {row["status"] for row in stored(jobs)} == {"done"} and is_tidy(store / str(count))
        assert steps() == dict.fromkeys((job.run_id for job in jobs), 2), "trained once"


def test_an_exit_without_a_message_is_reported(make_jobs, store, monkeypatch):
    monkeypatch.setattr(train_stack, "train", lambda *arguments, wait: os._exit(7))
    jobs = make_jobs(store, seeds=[0], executor="pool")
    execute(jobs)
    assert {row["error"] for row in stored(jobs)} == {
        "the process that trained it was ended with exit code 7"
    }


def test_a_storage_error_in_a_worker_ends_the_command(make_jobs, store, monkeypatch):
    def full(*arguments):
        raise runs.StorageError("disk full")

    monkeypatch.setattr(checkpoints, "store_runs", full)
    with pytest.raises(runs.StorageError, match="disk full"):
        execute(make_jobs(store, executor="pool"))


@pytest.mark.parametrize("word", range(1, 9, 2))
def test_a_pool_killed_between_two_messages_of_its_workers_is_resumed(
    word, make_jobs, table, start, steps, store, is_tidy
):
    """The workers save their checkpoints and end; they do not report the loss of the pool as a failed run."""
    settings = {"epochs": 4, "checkpoint_minutes": 1e-12}
    clean, jobs = (
        make_jobs(store / "clean", **settings),
        make_jobs(store / "killed", executor="pool", **settings),
    )
    execute(clean)
    steps()
    listen, left = process_pool._receive, iter(range(word))

    def stops_listening(*arguments):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return listen(*arguments)

    def doomed():
        process_pool._receive = stops_listening
        process_pool.torch.set_num_threads(2)
        execute(jobs)

    process = start(doomed)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    execute(jobs)
    assert {row["status"] for row in stored(jobs)} == {"done"}
    assert table(jobs) == table(clean) and is_tidy(store / "killed")
    assert max(steps().values()) <= 8 + 1, "one step is lost at most"


def test_a_worker_without_a_listener_finishes_its_stack(make_jobs, store):
    """Without its parent a worker goes on until a signal ends it; its runs have not failed."""
    [stack_plan] = plan.plan_stacks(make_jobs(store)[:2])
    receiver, sender = process_pool.multiprocessing.Pipe(duplex=False)
    receiver.close()
    assert train_stack.train(stack_plan, process_pool.PipeProgress(sender), wait=False)
    sender.close()
    assert {row["status"] for row in stored(stack_plan.jobs)} == {"done"}


def test_the_first_signal_saves_checkpoints_and_the_second_does_not_wait(make_jobs, start, store, steps):
    """The worker sends the pool one signal, a second one when the pool tells it to end, and then hangs."""
    jobs = make_jobs(store, executor="pool", epochs=2)[:2]

    def told_to_end(self, split):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.kill(os.getppid(), signal.SIGINT)
        signal.sigwait([signal.SIGTERM])
        os.kill(os.getppid(), signal.SIGINT)
        signal.sigwait([signal.SIGUSR1])

    def stopped():
        signals.GATE.install()
        stack.Stack.logits = told_to_end
        try:
            execute(jobs)
        except KeyboardInterrupt:
            os._exit(130)

    process = start(stopped)
    process.join()
    assert process.exitcode == 130
    assert checkpoints.saved_stacks(store) and stored(jobs) == [None, None]
    steps()
    execute(jobs)
    assert set(steps().values()) == {4}
    assert {row["status"] for row in stored(jobs)} == {"done"}
