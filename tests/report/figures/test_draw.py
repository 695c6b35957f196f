import io
import re

import numpy as np
from matplotlib.image import imread

from lsbench.report.figures.draw import draw
from lsbench.report.figures.sweep_figures import KINDS, figure_specs

from ...records import make_results


def test_text_stays_text_and_metadata_name_only_the_source(drawing):
    text = drawing.svg.decode()
    assert "<text" in text and "the source" in text and "<dc:date>" not in text
    assert b"the source" in drawing.png


def test_every_figure_of_a_report_is_the_same_bytes_each_time(tmp_path, sweep, traces):
    records = sweep(seeds=range(2), alphas=[0.0, 0.1], methods=["none"])
    traces(tmp_path, records)
    specs = list(figure_specs(make_results(records, tmp_path / "mine")))
    assert [spec.kind for spec in specs] == list(KINDS)
    for spec in specs:
        drawing = draw(spec, "s")
        assert drawing == draw(spec, "s") and drawing.png.startswith(b"\x89PNG")
        assert b"$" not in drawing.svg  # a tick label that needs its mathematics parsed


def test_long_titles_are_cut_and_panels_stay_inside(spec):
    drawing = draw(spec(count=4, title="dropout=0.3, " * 12), "s")
    image = imread(io.BytesIO(drawing.png))
    assert "…" in drawing.svg.decode() and "…" in drawing.panels[0]
    frame = np.concatenate([image[:, :2].ravel(), image[:, -2:].ravel(), image[-2:].ravel()])
    assert frame.min() == 1.0  # nothing is drawn at the edges


def test_each_panel_is_an_element_with_its_own_text_only(drawing):
    assert len(drawing.panels) == 2
    for panel in drawing.panels:
        assert panel.startswith('<svg width="240pt" height="210pt" viewBox="0 0 240 210"')
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", panel)
        assert "none: α &lt; 1 &amp; more" in texts and "epoch" in texts
        assert not {"as trained", "Title: mnist5k, mlp"} & set(texts)  # the page has its own


def test_each_line_style_of_the_legend_has_a_key(drawing):
    trained, scaled = drawing.keys
    assert "stroke-dasharray" in scaled and "stroke-dasharray" not in trained
    assert "#ffffff" in scaled and "#ffffff" not in trained


def test_no_two_ids_on_a_page_are_equal_and_every_reference_has_a_target(drawing):
    elements = [*drawing.panels, *drawing.keys]
    ids = []
    for element in elements:
        defined = re.findall(r'\bid="([^"]+)"', element)
        used = re.findall(r'href="#([^"]+)"', element) + re.findall(r"url\(#([^)]+)\)", element)
        assert used and set(used) == set(defined)
        ids += defined
    assert len(set(ids)) == len(ids)


def test_no_element_of_the_page_names_the_network(drawing):
    assert not any("http" in element for element in (*drawing.panels, *drawing.keys))
