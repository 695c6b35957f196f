"""Documents as HTML pages that need no other file and make no request: their policy forbids both.

The templates escape every text (Jinja2's autoescape). Only the style sheet, the script and the figures' SVG
elements, all made by this package, enter the page unescaped.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lsbench import __version__
from lsbench.report import document
from lsbench.report.document import Document, Table, pieces, plain
from lsbench.report.figures.files import PageFigure

NUMBER = re.compile(r"[<+−-]?\d+(\.\d+)?(e[+-]?\d+)?(?=[\s†%]|$)")


def render(content: Document, figures: Mapping[str, PageFigure], file: str) -> bytes:
    """The page, called ``file``; ``figures`` holds the SVG elements of each figure by its name."""
    environment = _environment()
    style, script = (_package_file(environment, f"page.{kind}") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("page.html").render(
        document=content,
        provenance=document.PROVENANCE,
        figures=figures,
        files={name: about for name, about in content.files.items() if name != file},
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        style=Markup(style.strip()),
        version=__version__,
    )
    return page.encode()


def anchor(title: str) -> str:
    """The id of the section called ``title``."""
    return "".join(character if character.isalnum() else "-" for character in title.lower())


def numeric_columns(table: Table) -> list[bool]:
    """For each column, True if it holds numbers, which are set to the right."""
    return [_is_numeric([plain(row[index]) for row in table.rows]) for index in range(len(table.header))]


def _is_numeric(column: Sequence[str]) -> bool:
    """True if there are numbers in the column, and besides them only words without digits ("baseline")."""
    others = [text for text in column if not NUMBER.match(text)]
    return len(others) < len(column) and not any(re.search(r"\d", text) for text in others)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lsbench.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"anchor": anchor, "numeric_columns": numeric_columns, "pieces": pieces}
    environment.filters["last_word"] = lambda label: label.rpartition(" ")[2]
    environment.filters["svg"] = Markup
    for kind in (*document.PIECES, *document.BLOCKS):
        environment.tests[kind.__name__] = lambda value, kind=kind: isinstance(value, kind)
    return environment


def _package_file(environment: Environment, name: str) -> str:
    assert environment.loader
    return environment.loader.get_source(environment, name)[0]
