"""Where the panels of a figure lie, in points (1/72 inch) from its upper left corner."""

Box = tuple[float, float, float, float]  # left, top, width, height

Size = tuple[int, int]  # of a panel with its title and labels: width, height

WIDTH, HEIGHT = SIZE = 240, 210  # as most panels have it
LEFT, RIGHT, TOP, BOTTOM = 52, 17, 14, 38  # what lies around its axes
PANEL_TITLE = 12  # a line of its title
TITLE = 26  # the figure's own title, above the panels
LEGEND = 15  # a row of the legend, below them


def columns(panels: int) -> int:
    """How many panels stand side by side."""
    return 2 if panels == 4 else min(panels, 3)


def rows(panels: int) -> int:
    """How many rows of panels there are."""
    return -(-panels // columns(panels))


def box(place: int, panels: int, size: Size = SIZE) -> Box:
    """The panel at ``place`` of ``panels``, from 0, with its title and labels."""
    row, column = divmod(place, columns(panels))
    width, height = size
    return column * width, TITLE + row * height, width, height


def inner(place: int, panels: int, title_lines: int, size: Size = SIZE) -> Box:
    """Its axes."""
    left, top, width, height = box(place, panels, size)
    above = TOP + PANEL_TITLE * title_lines
    return left + LEFT, top + above, width - LEFT - RIGHT, height - above - BOTTOM
