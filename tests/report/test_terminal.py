import shlex

from lsbench.report.terminal import next_command, terminal_table

from ..records import make_results


def test_what_failed_or_is_missing_asks_for_the_same_again(sweep):
    records = sweep(seeds=range(3))
    records[0]["status"] = "failed"
    command = "lsbench train -m alpha=0,0.1"
    assert next_command(command, records, len(records)).startswith(f"{command}   # trains the 1 ")
    assert next_command(command, records, len(records) + 2).startswith(f"{command}   # trains the 3 ")
    records[0]["status"] = "diverged"  # it would diverge again
    assert "seed=range(6)" in next_command(command, records, len(records))


def test_a_sweep_that_is_done_asks_for_twice_the_seeds(sweep):
    records = sweep(seeds=range(2))
    command = next_command("lsbench compare seed=0,1 'name=a b'", records, len(records))
    assert shlex.split(command, comments=True) == ["lsbench", "compare", "name=a b", "seed=range(4)"]


def test_nothing_is_said_of_seeds_or_runs_that_somebody_chose(sweep):
    records = sweep(seeds=[3, 8])
    assert next_command("lsbench train -m seed=3,8", records, len(records)) == ""
    records = sweep(seeds=range(2))
    assert next_command("lsbench train -m hydra/sweeper=optuna", records, len(records)) == ""


def test_terminal_table_fits_and_names_every_cell(sweep, record):
    records = [*sweep(label_noise=0.2), *sweep(), record("none", 0.1, 9, status="failed")]
    text = terminal_table(make_results(records).parts)
    assert max(map(len, text.splitlines())) <= 100
    assert sum(line.startswith(("none ", "dropout ", "augment ")) for line in text.splitlines()) == 30
    assert "label_noise" in text


def test_no_ece_stands_without_its_floor_however_little_room_there_is(sweep, record):
    named = {"model.hidden": ("[256]", "[512, 256, 64]"), "optim.momentum": (0.9, 0.5)}
    for names in ([], ["model.hidden"], list(named)):
        usual, changed = ({name: named[name][index] for name in names} for index in (0, 1))
        records = [*sweep(**usual), *(record(seed=seed, **changed) for seed in (8, 9))]
        for item in records:
            item |= {"test_ece_floor": 0.0123, "test_ece_floor_ts": 0.0045}
        text = terminal_table(make_results(records).parts)
        [header] = [line.split("  ") for line in text.splitlines() if line.startswith("method ")]
        shown = {title.strip() for title in header}
        assert ("ECE %" in shown) == ("floor %" in shown) == (len(names) < 2)
        assert {"ECE·T", "floor·T"} <= shown
        assert max(map(len, text.splitlines())) <= 100 and "floor: the ECE that" in text
