import io

import numpy as np
from matplotlib.image import imread

from lsbench.report.figures.drawing import draw


def test_text_stays_text_and_metadata_name_only_the_source(drawn):
    text = drawn["svg"].decode()
    assert "<text" in text and "the source" in text and "<dc:date>" not in text
    assert b"the source" in drawn["png"]


def test_figures_are_the_same_bytes_each_time(drawn, plate):
    assert draw(plate(), "the source") == drawn


def test_long_titles_are_cut_and_panels_stay_inside(plate):
    files = draw(plate(count=4, title="dropout=0.3, " * 12), "s")
    image = imread(io.BytesIO(files["png"]))
    assert "…" in files["svg"].decode()
    frame = np.concatenate([image[:, :2].ravel(), image[:, -2:].ravel(), image[-2:].ravel()])
    assert frame.min() == 1.0  # nothing is drawn at the edges
