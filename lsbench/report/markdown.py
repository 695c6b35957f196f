"""Documents as Markdown, whose figures are links to files."""

import re
from collections.abc import Mapping, Sequence

from lsbench.formatting import code, escape_markdown, image, pipe_table
from lsbench.report import document as doc


def render(content: doc.Document, file: str) -> str:
    """The document as the file of this name."""
    about = [(doc.Code(name), f", {text}") for name, text in content.files.items() if name != file]
    files = "; ".join(map(_text, about))
    blocks = [
        f"# {_text(content.title)}",
        *(_block(section, 2) for section in content.sections),
        f"## {doc.PROVENANCE}",
        _facts(content.facts) + (f"\n- Files: {files}" if files else ""),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _block(block: doc.Block, level: int) -> str:
    """A block; empty for what Markdown leaves out. ``level`` is that of the next heading."""
    text = ""
    match block:
        case doc.Prose():
            text = _text(block.text)
        case doc.Lead():
            text = "\n\n".join(map(_text, block.texts))
        case doc.Bullets():
            text = _items(block.items)
        case doc.Facts():
            text = _facts(block.values)
        case doc.Table():
            columns = [index for index in range(len(block.header)) if index not in block.further]
            rows = [[_one_line(doc.plain(row[index])) for index in columns] for row in block.rows]
            text = pipe_table([_one_line(block.header[index]) for index in columns], rows)
        case doc.FigureRef():
            spec = block.spec
            alt = _one_line(f"{spec.title}. {spec.alt}")
            text = f"{image(alt, f'figures/{spec.name}.png')}\n\n{_text(spec.caption)}"
        case doc.Section():
            blocks = list(filter(None, (_block(part, level + 1) for part in block.blocks)))
            text = "\n\n".join([f"{'#' * level} {_text(block.title)}", *blocks]) if blocks else ""
    return text


def _items(items: Sequence[doc.Item], indent: str = "") -> str:
    lines = []
    for item in items:
        lines.append(f"{indent}- {_text(item.text)}")
        if item.items:
            lines.append(_items(item.items, f"{indent}  "))
    return "\n".join(lines)


def _facts(values: Mapping[str, doc.Text]) -> str:
    return "\n".join(f"- {_text(name)}: {_text(value)}" for name, value in values.items())


def _text(text: doc.Text) -> str:
    return "".join(map(_piece, doc.pieces(text)))


def _piece(piece: str | doc.Styled) -> str:
    text = _one_line(piece if isinstance(piece, str) else piece.text)
    match piece:
        case doc.Code():
            return code(text)
        case doc.Strong() | doc.VerdictLabel():
            return f"**{escape_markdown(text)}**"
        case doc.Emphasis():
            return f"*{escape_markdown(text)}*"
        case _:
            return escape_markdown(text)


def _one_line(text: str) -> str:
    """The text without line breaks, which could begin a block or end a row."""
    return re.sub(r"\s*\n\s*", " ", text)
