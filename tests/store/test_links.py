"""Links in a results folder that lead out of it are refused before anything is read, written or removed."""

import os
import shutil
from pathlib import Path

import pytest

from lsbench.cli import main
from lsbench.errors import StorageError
from lsbench.store.links import check_links, is_plain_name

NAME = "sweep-mnist5k-mlp"
SMALL = ["model.hidden=[8]", "data.train=200", "data.test=100", "epochs=1", "executor=stack"]

pytestmark = pytest.mark.usefixtures("sketched")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    results = tmp_path_factory.mktemp("trained") / "results"
    assert main(["train", "-m", "alpha=0,0.1", f"results_dir={results}", *SMALL]) == 0
    return results


@pytest.fixture
def results(trained, here, tmp_path):
    shutil.copytree(trained, tmp_path / "results")
    return Path("results")


def move_out(path):
    """Move a file or folder out of the results folder, and put a link in its place."""
    outside = Path("outside")
    outside.mkdir()
    path.rename(outside / path.name)
    path.symlink_to((outside / path.name).absolute())
    return outside / path.name


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("which", ["runs/*-a0-*", "runs/*-a0-*/model.pt", "runs/*-a0-*/result.json", NAME])
@pytest.mark.parametrize("command", [["report"], ["report", "--verify"], ["probe"]])
def test_a_link_that_leads_out_is_refused(which, command, results, call):
    [path] = results.glob(which)
    outside = move_out(path)
    before = files(outside) if outside.is_dir() else outside.read_bytes()
    code, out, err = call(*command, NAME)
    assert (code, out) == (4, ""), err
    [err] = [line for line in err.splitlines() if line.startswith("lsbench: ")]
    assert "leads out of results through a link" in err and "outside" in err
    assert before == (files(outside) if outside.is_dir() else outside.read_bytes())


def test_a_sweep_is_not_written_through_a_link(results, call):
    outside = move_out(results / NAME)
    before = files(outside)
    code, _, err = call("train", "-m", "alpha=0,0.1", *SMALL)
    assert code == 4 and "results through a link" in err and files(outside) == before


def test_a_link_for_the_stacks_removes_nothing(results, call):
    """What is left of stacks is removed; a link could name somebody's home instead."""
    home = Path("home")
    (home / "photos").mkdir(parents=True)
    (home / "photos" / "one").write_text("dear")
    (home / ("a" * 12)).mkdir()
    stacks = results / "runs" / ".stacks"
    stacks.symlink_to(home.absolute())
    assert call("train", "alpha=0.2", *SMALL)[0] == 4
    stacks.unlink()
    stacks.mkdir()
    (stacks / ("b" * 12)).symlink_to((home / "photos").absolute())
    assert call("train", "alpha=0.2", *SMALL)[0] == 4
    (stacks / ("b" * 12)).unlink()
    (stacks / ("b" * 12)).mkdir()
    (stacks / ("b" * 12) / "rows").symlink_to(home.absolute())
    (home / "runs" / "taken").mkdir(parents=True)
    assert call("train", "alpha=0.2", *SMALL)[0] == 4
    assert (home / "photos" / "one").read_text() == "dear"
    assert (home / ("a" * 12)).is_dir() and (home / "runs" / "taken").is_dir()


def test_folders_in_the_place_of_stacks_that_are_not_stacks_stay(results, call):
    mine = results / "runs" / ".stacks" / "photos"
    mine.mkdir(parents=True)
    assert call("train", "alpha=0.2", *SMALL)[0] == 0 and mine.is_dir()


def test_links_inside_and_a_results_folder_that_is_a_link_are_followed(results, call):
    results.rename("elsewhere")
    results.symlink_to("elsewhere")
    [path] = results.glob("runs/*-a0-*/history.csv")
    path.rename(results / "runs" / "history.csv")
    path.symlink_to("../history.csv")
    assert call("report", NAME, "--verify")[0] == 0


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(StorageError, match=r"result\.json: is neither a file nor a folder"):
        check_links(tmp_path, tmp_path)


def test_a_folder_whose_name_begins_alike_is_outside(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results-2").mkdir()
    (tmp_path / "results" / "link").symlink_to(tmp_path / "results-2")
    with pytest.raises(StorageError, match="leads out"):
        check_links(tmp_path / "results", tmp_path / "results" / "link")


@pytest.mark.parametrize(
    ("name", "plain"),
    [("mnist5k-mlp-augment+dropout-a1e-05-s0-0a1b2c3d", True), ("rösti", True), ("a b", False), ("-a", True)]
    + [(name, False) for name in ("", ".", "..", ".a", "a/b", "/a", "a\\b", "a\0", "a\n", None, 3)],
)
def test_plain_names_are_no_paths(name, plain):
    assert is_plain_name(name) is plain


def test_the_folder_of_all_runs_may_be_on_another_disk(tmp_path):
    """Its runs may not lead further."""
    elsewhere, results = tmp_path / "disk", tmp_path / "results"
    (elsewhere / "one").mkdir(parents=True)
    results.mkdir()
    (results / "runs").symlink_to(elsewhere)
    check_links(results, results / "runs" / "one")
    (tmp_path / "other").mkdir()
    (elsewhere / "two").symlink_to(tmp_path / "other")
    with pytest.raises(StorageError, match="leads out of"):
        check_links(results, results / "runs" / "two")
