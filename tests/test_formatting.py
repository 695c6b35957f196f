import pytest

from lsbench.formatting import code, escape_markdown, image, pipe_table
from lsbench.report.page.markup import inline

HOSTILE = ["**_x_", "`c", "<b>d</b>", "[e](http://f)", "&lt;", "\\*g", "_h_", "*i* and **j**"]
PLAIN = [
    "weight_decay, α = 0.1",
    "+0.1 [−0.2, +0.3]",
    "<0.001",
    "model.hidden=[256, 64]",
    "p < 0.05 & n > 8 | x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_no_markup(text):
    rendered = inline(escape_markdown(text))
    assert rendered == text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert escape_markdown(text) != text


@pytest.mark.parametrize("text", PLAIN)
def test_text_that_is_no_markup_stays_readable(text):
    assert escape_markdown(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_emphasis_around_text_is_closed_where_it_was_opened(text):
    rendered = inline(f"**{escape_markdown(text)}** and *so* on")
    assert rendered.startswith("<strong>") and rendered.endswith("</strong> and <em>so</em> on")
    assert rendered.count("<strong>") == rendered.count("<em>") == 1


def test_a_table_keeps_its_columns_whatever_its_cells_hold():
    lines = pipe_table(["a|b", "c"], [["**d", "<i>"]]).splitlines()
    assert lines[0].split("|")[1:3] == [" a\\", "b  "] and lines[0].count("|") - lines[0].count("\\|") == 3
    assert "\\*\\*d" in lines[2] and "\\<i>" in lines[2]
    assert len({len(line) for line in lines}) == 1


def test_an_image_and_code_end_where_they_should():
    assert image("none, hidden=[8]](x) |", "a.png") == r"![none, hidden=\[8\]\](x) |](a.png)"
    assert code("a") == "`a`" and code("a `b` c") == "`` a `b` c ``"
