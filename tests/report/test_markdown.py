"""Documents as Markdown."""

import pytest

from lsbench.report.document import (
    Bullets,
    Code,
    Details,
    Document,
    Emphasis,
    Facts,
    FigureRef,
    Item,
    Link,
    Prose,
    Section,
    Strong,
    Table,
    VerdictLabel,
)
from lsbench.report.markdown import render

HOSTILE = "*x* <b>y</b> `z` [u](http://v)\n\n# w"
ESCAPED = r"\*x\* \<b>y\</b> \`z\` [u\](http://v) # w"


def render_blocks(*blocks):
    text = render(Document("", "title", {}, (Section("part", blocks),)), "report.md")
    return text.partition("## part\n\n")[2].removesuffix("\n")


def test_a_document_has_its_facts_and_the_other_files_below_the_title():
    files = {"report.md": "this", "runs.csv": "one row per run"}
    text = render(Document("kind", "a_title", {"Runs": "3"}, (), files), "report.md")
    assert text == "# a_title\n\n- Runs: 3\n- Files: `runs.csv`, one row per run\n"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (Prose(("a ", Code("b"), Strong("c"), Emphasis("d"), Link("e", "f"))), "a `b`**c***d*e"),
        (Prose((VerdictLabel("supported"), ": g")), "**supported**: g"),
        (Bullets((Item("a", (Item("b", (Item("c"),)),)), Item("d"))), "- a\n  - b\n    - c\n- d"),
        (Facts({"a": "b", "c": (Code("d`e"),)}), "- a: b\n- c: `` d`e ``"),
        (Section("a", (Section("b", (Prose("c"),)),)), "### a\n\n#### b\n\nc"),
        (Table("", ["a", "b"], [["c", (Link("d", "e"),)]]), "|   a |   b |\n| --- | --: |\n| c   |   d |"),
    ],
)
def test_each_block_has_its_form(block, text):
    assert render_blocks(block) == text


def test_details_and_sections_that_hold_nothing_else_are_left_out():
    assert render_blocks(Section("a", (Details("b", (Prose("c"),)),)), Prose("d")) == "d"


def test_text_in_any_block_cannot_become_markup(spec):
    styled = (Strong(HOSTILE), Emphasis(HOSTILE), VerdictLabel(HOSTILE), Link(HOSTILE, "x"))
    table = Table(HOSTILE, [HOSTILE], [[HOSTILE], [(Strong(HOSTILE),)]])
    blocks = (
        Prose(HOSTILE),
        Prose(styled),
        Bullets((Item(HOSTILE, (Item(HOSTILE),)),)),
        Facts({HOSTILE: HOSTILE}),
        Section(HOSTILE, (table,)),
    )
    text = render(Document("", HOSTILE, {HOSTILE: HOSTILE}, (Section(HOSTILE, blocks),)), "report.md")
    assert text.count(ESCAPED) >= 13
    assert not any(part in text.replace(ESCAPED, "") for part in ("<b>", "*x*", "`z`", "](http", "\n# w"))
    assert f"### {ESCAPED}\n" in text


def test_a_figure_is_an_image_with_its_content_in_words(spec):
    figure = spec()
    assert render_blocks(FigureRef(figure)) == "![Title. ](figures/training.png)\n\n"
