"""Documents as Markdown."""

import pytest

from lsbench.report import document as doc
from lsbench.report.markdown import render

HOSTILE = "*x* <b>y</b> `z` [u](http://v)\n\n# w"
ESCAPED = r"\*x\* \<b>y\</b> \`z\` [u\](http://v) # w"


def render_blocks(*blocks):
    text = render(doc.Document("", "title", {}, (doc.Section("part", blocks),)), "report.md")
    return text.partition("## part\n\n")[2].partition("\n\n## Provenance")[0]


def test_a_document_has_its_facts_and_the_other_files_at_the_end():
    files = {"report.md": "this", "runs.csv": "one row per run"}
    text = render(doc.Document("kind", "a_title", {"Runs": "3"}, (), files), "report.md")
    assert text == "# a_title\n\n## Provenance\n\n- Runs: 3\n- Files: `runs.csv`, one row per run\n"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (doc.Lead(("a", "b")), "a\n\nb"),
        (
            doc.Table("", ["a", "b", "c"], [["d", "e", "f"]], further=frozenset([1])),
            "|   a |   c |\n| --- | --: |\n| d   |   f |",
        ),
        (
            doc.Prose(("a ", doc.Code("b"), doc.Strong("c"), doc.Emphasis("d"), doc.Link("e", "f"))),
            "a `b`**c***d*e",
        ),
        (doc.Prose((doc.VerdictLabel("supported"), ": g")), "**supported**: g"),
        (
            doc.Bullets((doc.Item("a", (doc.Item("b", (doc.Item("c"),)),)), doc.Item("d"))),
            "- a\n  - b\n    - c\n- d",
        ),
        (doc.Facts({"a": "b", "c": (doc.Code("d`e"),)}), "- a: b\n- c: `` d`e ``"),
        (doc.Section("a", (doc.Section("b", (doc.Prose("c"),)),)), "### a\n\n#### b\n\nc"),
        (
            doc.Table("", ["a", "b"], [["c", (doc.Link("d", "e"),)]]),
            "|   a |   b |\n| --- | --: |\n| c   |   d |",
        ),
    ],
)
def test_each_block_has_its_form(block, text):
    assert render_blocks(block) == text


def test_details_and_sections_that_hold_nothing_else_are_left_out():
    assert render_blocks(doc.Section("a", (doc.Details("b", (doc.Prose("c"),)),)), doc.Prose("d")) == "d"


def test_text_in_any_block_cannot_become_markup(spec):
    styled = (doc.Strong(HOSTILE), doc.Emphasis(HOSTILE), doc.VerdictLabel(HOSTILE), doc.Link(HOSTILE, "x"))
    table = doc.Table(HOSTILE, [HOSTILE], [[HOSTILE], [(doc.Strong(HOSTILE),)]])
    blocks = (
        doc.Prose(HOSTILE),
        doc.Prose(styled),
        doc.Bullets((doc.Item(HOSTILE, (doc.Item(HOSTILE),)),)),
        doc.Facts({HOSTILE: HOSTILE}),
        doc.Section(HOSTILE, (table,)),
    )
    text = render(doc.Document("", HOSTILE, {HOSTILE: HOSTILE}, (doc.Section(HOSTILE, blocks),)), "report.md")
    assert text.count(ESCAPED) >= 13
    assert not any(part in text.replace(ESCAPED, "") for part in ("<b>", "*x*", "`z`", "](http", "\n# w"))
    assert f"### {ESCAPED}\n" in text


def test_a_figure_is_an_image_with_its_content_in_words(spec):
    figure = spec()
    assert render_blocks(doc.FigureRef(figure)) == "![Title. ](figures/training.png)\n\n"
