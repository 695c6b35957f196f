"""What every page has: head, style, script, a heading with its facts, sections and figures.

A page needs no other file and asks the network for nothing; its policy forbids both.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from lsbench import __version__
from lsbench.report.figures.spec import FigureSpec
from lsbench.report.page import markup, svg


def document(
    *,
    kind: str,
    title: str,
    facts: Mapping[str, str],
    contents: Sequence[str],
    sections: Sequence[str],
    beside: str,
) -> bytes:
    """A page of ``sections``, which are HTML, under a heading with ``facts`` and links to the sections whose
    titles are in ``contents``; ``beside`` says in Markdown which files lie beside it."""
    source = files(__package__)
    script = source.joinpath("page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {
        "kind": escape(kind),
        "title": escape(title),
        "version": __version__,
        "style": source.joinpath("page.css").read_text().strip(),
        "script": script,
        "script_hash": f"sha256-{digest}",
        "facts": markup.facts(facts),
        "contents": _contents(contents),
        "sections": "\n".join(sections),
        "beside": markup.inline(beside),
    }
    return Template(source.joinpath("page.html").read_text()).substitute(values).encode()


def section(title: str, content: str) -> str:
    return f'<section id="{anchor(title)}">\n<h2>{escape(title)}</h2>\n{content}\n</section>'


def _contents(titles: Sequence[str]) -> str:
    items = (f'<li><a href="#{anchor(title)}">{escape(title)}</a></li>' for title in titles)
    return f'<nav aria-label="Contents"><ul>{"".join(items)}</ul></nav>'


def anchor(title: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in title.lower())


def figure(plate: FigureSpec, drawn: bytes) -> str:
    """A heading, the panels beside or below one another, the legend, and the figure in words."""
    panels = "".join(svg.panels(drawn, plate.name, plate.size))
    alt = escape(plate.alt)
    return (
        f"<h3>{escape(plate.title)}</h3><figure>"
        f'<div class="panels" role="img" aria-label="{alt}">{panels}</div>{markup.legend(plate.legend)}'
        f"<figcaption>{escape(plate.caption)}</figcaption>"
        f"<details><summary>In words</summary><p>{alt}</p></details></figure>"
    )
