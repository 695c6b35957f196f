import re

import pytest

from lsbench.formatting import code, escape_markdown, image, pipe_table

HOSTILE = ["**_x_", "`c", "<b>d</b>", "[e](http://f)", "&lt;", "\\*g", "_h_", "*i* and **j**"]
PLAIN = [
    "weight_decay, α = 0.1",
    "+0.1 [−0.2, +0.3]",
    "<0.001",
    "model.hidden=[256, 64]",
    "p < 0.05 & n > 8 | x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_mark_is_escaped(text):
    escaped = escape_markdown(text)
    assert escaped != text
    assert re.sub(r"\\([\\`*_<&\]])", r"\1", escaped) == text


@pytest.mark.parametrize("text", PLAIN)
def test_text_that_is_no_markup_stays_readable(text):
    assert escape_markdown(text) == text


def test_a_table_keeps_its_columns_whatever_its_cells_hold():
    lines = pipe_table(["a|b", "c"], [["**d", "<i>"]]).splitlines()
    assert lines[0].split("|")[1:3] == [" a\\", "b  "] and lines[0].count("|") - lines[0].count("\\|") == 3
    assert "\\*\\*d" in lines[2] and "\\<i>" in lines[2]
    assert len({len(line) for line in lines}) == 1


def test_an_image_and_code_end_where_they_should():
    assert image("none, hidden=[8]](x) |", "a.png") == r"![none, hidden=\[8\]\](x) |](a.png)"
    assert code("a") == "`a`" and code("a `b` c") == "`` a `b` c ``"
