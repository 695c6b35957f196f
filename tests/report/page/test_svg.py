import re
from xml.etree import ElementTree as ET

from lsbench.report.page import svg


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
