"""A drawn figure taken apart into its panels, for a page that holds several and has colours of its own."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from lsbench.report.figures.layout import SIZE, Box, Size, box

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
REFERENCE = re.compile(r"url\(#([^)]+)\)")
LONG = re.compile(r"(\d\.\d\d)\d+")
UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
# What takes the page's colours, so that a figure can be read on a dark page too.
COLOURS = {
    "#000000": "currentColor",
    "#0072b2": "var(--blue)",
    "#737373": "var(--grey)",
    "#e3e3e3": "var(--grid)",
    "#ffffff": "var(--paper)",
}


def panels(svg: bytes, prefix: str, size: Size = SIZE) -> list[str]:
    """The panels of a figure of drawing.py, each of this ``size`` and an SVG element by itself, with neither
    legend nor heading.

    ``prefix`` keeps their ids from those of other figures on the page.
    """
    root = ET.fromstring(svg)
    named = {name: part for part in root.iter() if (name := part.get("id"))}
    axes = [part for name, part in named.items() if name.startswith("axes_")]
    boxes = [box(place, len(axes), size) for place in range(len(axes))]
    return [_panel(part, named, boxes[place], f"{prefix}-{place}-") for place, part in enumerate(axes)]


def _panel(axes: ET.Element, named: dict[str, ET.Element], place: Box, prefix: str) -> str:
    left, top, width, height = place
    panel = ET.Element("svg", {"viewBox": f"{left:g} {top:g} {width:g} {height:g}", "aria-hidden": "true"})
    here = {name for part in axes.iter() if (name := part.get("id"))}
    used = {name for part in axes.iter() for name in _references(part)}
    defs = ET.SubElement(panel, "defs")
    defs.extend(_copy(named[name], used, prefix) for name in sorted(used - here))
    panel.extend(_inside(axes, used, prefix))
    return ET.tostring(panel, encoding="unicode")


def _references(part: ET.Element) -> Iterator[str]:
    """The ids of what ``part`` uses: a marker by its link, a clipping path by its address in an attribute."""
    for name, value in part.items():
        if name == HREF:
            yield value.removeprefix("#")
        else:
            yield from REFERENCE.findall(value)


def _copy(part: ET.Element, used: set[str], prefix: str) -> ET.Element:
    """``part`` without namespaces, with the page's colours and font, and with no id but what is ``used``."""
    copy = ET.Element(part.tag.removeprefix(SVG))
    copy.text = part.text.strip() if part.text else None
    for name, value in part.items():
        if name == "id" and value in used:
            copy.set("id", prefix + value)
        elif name == HREF:
            copy.set("href", f"#{prefix}{value[1:]}")
        elif name == "style":
            copy.set("style", _style(value))
        elif name != "id" and not UNTURNED.fullmatch(value):
            short = LONG.sub(r"\1", " ".join(value.split()))
            copy.set(name, REFERENCE.sub(rf"url(#{prefix}\1)", short))
    copy.extend(_inside(part, used, prefix))
    return copy


def _inside(part: ET.Element, used: set[str], prefix: str) -> Iterator[ET.Element]:
    """Copies of what ``part`` holds; groups that only group give way to what they hold."""
    for child in part:
        copy = _copy(child, used, prefix)
        if copy.tag == "g" and not copy.attrib:
            yield from copy
        else:
            yield copy


def _style(style: str) -> str:
    """Without the figure's font: the page has its own."""
    rules = [rule.split(": ", 1) for rule in style.split("; ") if not rule.startswith("font-family")]
    return ";".join(f"{name}:{COLOURS.get(value, value)}" for name, value in rules)
