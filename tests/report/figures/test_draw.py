import io

import numpy as np
from matplotlib.image import imread

from lsbench.report.figures.draw import draw
from lsbench.report.figures.sweep_figures import KINDS, plates

from ...records import make_results


def test_text_stays_text_and_metadata_name_only_the_source(drawn):
    text = drawn["svg"].decode()
    assert "<text" in text and "the source" in text and "<dc:date>" not in text
    assert b"the source" in drawn["png"]


def test_every_figure_of_a_report_is_the_same_bytes_each_time(tmp_path, sweep, traces):
    records = sweep(seeds=range(2), alphas=[0.0, 0.1], methods=["none"])
    traces(tmp_path, records)
    found = list(plates(make_results(records, tmp_path / "mine")))
    assert [plate.kind for plate in found] == list(KINDS)
    for plate in found:
        files = draw(plate, "s")
        assert files == draw(plate, "s") and files["png"].startswith(b"\x89PNG")
        assert b"$" not in files["svg"]  # a tick that counts on mathematics being parsed


def test_long_titles_are_cut_and_panels_stay_inside(plate):
    files = draw(plate(count=4, title="dropout=0.3, " * 12), "s")
    image = imread(io.BytesIO(files["png"]))
    assert "…" in files["svg"].decode()
    frame = np.concatenate([image[:, :2].ravel(), image[:, -2:].ravel(), image[-2:].ravel()])
    assert frame.min() == 1.0  # nothing is drawn at the edges
