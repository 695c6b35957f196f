"""A sweep's results: computed once for all forms of its report."""

import cProfile
import json
import pstats
from pathlib import Path

from lsbench.analysis import results, selection, verdicts
from lsbench.report.publish import describe, publish
from lsbench.store import sweeps

from ..records import make_results, store_traces


def count_calls(function, *arguments):
    """The number of calls of each function, by name and file, while ``function`` runs."""
    profile = cProfile.Profile()
    profile.runcall(function, *arguments)
    stats = pstats.Stats(profile).stats
    return {(Path(file), name): calls for (file, _, name), (_, calls, *_) in stats.items()}


def store(results_dir, records):
    store_traces(results_dir, records)
    for record in records:
        (results_dir / "runs" / record["run"] / "result.json").write_text(json.dumps(record))
    names = tuple(record["run"] for record in records)
    sweeps.write_sweep(results_dir, sweeps.Sweep("mine", "lsbench compare", names))


def test_a_whole_report_computes_labels_choices_and_verdicts_once_a_part(sweep, tmp_path, sketched, capsys):
    first = sweep(alphas=[0.0, 0.1], seeds=range(3))
    store(tmp_path, first + sweep(alphas=[0.0, 0.1], seeds=range(3), data="cifar10"))
    for function in (publish, describe):
        calls = count_calls(function, str(tmp_path), "mine")
        assert calls[Path(selection.__file__), "choices"] == 2
        assert calls[Path(verdicts.__file__), "judge_cells"] == 2
        assert calls[Path(results.__file__), "labels"] == 2
    assert "p (Holm)" in (tmp_path / "mine" / "report.md").read_text()


def test_a_part_has_the_rows_of_its_data_set_and_model(sweep):
    loaded = make_results(sweep(seeds=range(3)) + sweep(seeds=range(2), model="cnn"))
    assert [part.title for part in loaded.parts] == ["mnist5k, cnn", "mnist5k, mlp"]
    for part, seeds in zip(loaded.parts, (2, 3), strict=True):
        assert len(part.runs) == 15 * seeds and len(part.cells) == len(part.rows) == 15
        assert set(part.runs["model"]) == set(part.cells["model"]) == {part.model}
        assert set(part.labels) == set(part.cells["cell"])
        assert part.judged is part.judged


def test_a_sweep_without_a_record_has_no_part():
    loaded = make_results([], missing=["gone"])
    assert loaded.parts == () and loaded.exit_code == 1
