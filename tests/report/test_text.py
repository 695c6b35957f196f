"""Blocks as text for a terminal."""

import pytest

from lsbench.report import document as doc
from lsbench.report.text import render

HEADER = ["method", "α", "Δ", "NLL"]
ROWS = [["none", "0", "—", "0.2"], [(doc.Strong("dropout"),), "0.1", "+0.30 [+0.10, +0.50]", "0.1"]]


def test_a_section_is_its_title_and_its_blocks():
    table = doc.Table("Comparison", HEADER, ROWS)
    text = render([doc.Section("digits", (table,)), doc.Prose(("the ", doc.Emphasis("end")))])
    assert text.splitlines() == [
        "digits",
        "",
        "method     α                    Δ  NLL",
        "--------------------------------------",
        "none       0                    —  0.2",
        "dropout  0.1  +0.30 [+0.10,+0.50]  0.1",
        "",
        "the end",
    ]


def test_a_table_that_is_too_wide_leaves_out_expendable_columns_in_their_order():
    rows = [["x" * 80, "0", "1" * 15, "0.2"]]
    assert render([doc.Table("", HEADER, rows, expendable=[["NLL"], ["α"]])]).split()[:3] == [
        "method",
        "α",
        "Δ",
    ]
    assert "Δ" not in render([doc.Table("", HEADER, rows, expendable=[["Δ"], ["NLL"]])])
    assert "NLL" in render([doc.Table("", HEADER, rows, expendable=[["Δ"], ["NLL"]])])


def test_a_block_for_pages_only_is_refused():
    with pytest.raises(TypeError, match="Details"):
        render([doc.Details("more", ())])
