"""Documents as Markdown, whose figures are links to files."""

import re
from collections.abc import Mapping, Sequence

from lsbench.formatting import code, escape_markdown, image, pipe_table
from lsbench.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Emphasis,
    Facts,
    FigureRef,
    Item,
    Prose,
    Section,
    Strong,
    Styled,
    Table,
    Text,
    VerdictLabel,
    pieces,
    plain,
)


def render(content: Document, file: str) -> str:
    """The document as the file of this name."""
    about = [(Code(name), f", {text}") for name, text in content.files.items() if name != file]
    files = "; ".join(map(_text, about))
    blocks = [
        f"# {_text(content.title)}",
        _facts(content.facts) + (f"\n- Files: {files}" if files else ""),
        *(_block(section, 2) for section in content.sections),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _block(block: Block, level: int) -> str:
    """A block; empty for what Markdown leaves out. ``level`` is that of the next heading."""
    text = ""
    match block:
        case Prose():
            text = _text(block.text)
        case Bullets():
            text = _items(block.items)
        case Facts():
            text = _facts(block.values)
        case Table():
            rows = [[_one_line(plain(cell)) for cell in row] for row in block.rows]
            text = pipe_table(list(map(_one_line, block.header)), rows)
        case FigureRef():
            spec = block.spec
            alt = _one_line(f"{spec.title}. {spec.alt}")
            text = f"{image(alt, f'figures/{spec.name}.png')}\n\n{_text(spec.caption)}"
        case Section():
            blocks = list(filter(None, (_block(part, level + 1) for part in block.blocks)))
            text = "\n\n".join([f"{'#' * level} {_text(block.title)}", *blocks]) if blocks else ""
    return text


def _items(items: Sequence[Item], indent: str = "") -> str:
    lines = []
    for item in items:
        lines.append(f"{indent}- {_text(item.text)}")
        if item.items:
            lines.append(_items(item.items, f"{indent}  "))
    return "\n".join(lines)


def _facts(values: Mapping[str, Text]) -> str:
    return "\n".join(f"- {_text(name)}: {_text(value)}" for name, value in values.items())


def _text(text: Text) -> str:
    return "".join(map(_piece, pieces(text)))


def _piece(piece: str | Styled) -> str:
    text = _one_line(piece if isinstance(piece, str) else piece.text)
    match piece:
        case Code():
            return code(text)
        case Strong() | VerdictLabel():
            return f"**{escape_markdown(text)}**"
        case Emphasis():
            return f"*{escape_markdown(text)}*"
        case _:
            return escape_markdown(text)


def _one_line(text: str) -> str:
    """The text without line breaks, which could begin a block or end a row."""
    return re.sub(r"\s*\n\s*", " ", text)
