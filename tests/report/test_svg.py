import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from lsbench.report import figures, svg
from lsbench.report.marks import SCALED, TRAINED, mark
from lsbench.report.plate import Panel, Plate


def plate(count=2, title="none: α < 1 & more"):
    epochs = pd.DataFrame({"epoch": range(1, 6), "select_nll": [5.0, 1.0, 0.5, 0.4, 0.3]})
    options = {"metric": "select_nll", "percent": False}
    panel = Panel(title, "over_epochs", ((mark(0, "none"), epochs), (mark(1, "x"), epochs)), options)
    return Plate("training", "training", "mnist5k, mlp", "Title", (panel,) * count, (TRAINED, SCALED), "", "")


@pytest.fixture(scope="module")
def drawn():
    return figures.draw(plate(), "the source")


def test_each_panel_is_an_element_of_its_own_with_its_text(drawn):
    panels = svg.panels(drawn["svg"], "one")
    assert len(panels) == 2
    for place, panel in enumerate(panels):
        root = ET.fromstring(panel)
        assert root.get("viewBox") == f"{240 * place} 26 240 210"
        texts = [text.text for text in root.iter("text")]
        assert "none: α < 1 & more" in texts and "epoch" in texts
        assert not {"as trained", "Title: mnist5k, mlp"} & set(texts)  # the page has its own


def test_no_two_ids_on_a_page_are_the_same_and_every_reference_is_met(drawn):
    panels = svg.panels(drawn["svg"], "one") + svg.panels(drawn["svg"], "two")
    everything = []
    for panel in panels:
        ids = re.findall(r'\bid="([^"]+)"', panel)
        used = set(re.findall(r'href="#([^"]+)"', panel)) | set(re.findall(r"url\(#([^)]+)\)", panel))
        assert used and used == set(ids)
        everything += ids
    assert len(set(everything)) == len(everything)


def test_colours_are_the_page_s_and_nothing_names_the_network(drawn):
    for panel in svg.panels(drawn["svg"], "one"):
        assert "#000000" not in panel and "currentColor" in panel
        assert "http" not in panel and "font-family" not in panel and "DejaVu" not in panel


def test_text_stays_text_and_metadata_name_only_the_source(drawn):
    text = drawn["svg"].decode()
    assert "<text" in text and "the source" in text and "<dc:date>" not in text
    assert b"the source" in drawn["png"]


def test_figures_are_the_same_bytes_each_time(drawn):
    assert figures.draw(plate(), "the source") == drawn


def test_long_titles_are_cut_and_panels_stay_inside():
    files = figures.draw(plate(count=4, title="dropout=0.3, " * 12), "s")
    image = imread(io.BytesIO(files["png"]))
    assert "…" in files["svg"].decode()
    frame = np.concatenate([image[:, :2].ravel(), image[:, -2:].ravel(), image[-2:].ravel()])
    assert frame.min() == 1.0  # nothing is drawn at the edges
