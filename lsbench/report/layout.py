"""Where the panels of a figure lie, in points (1/72 inch) from its upper left corner."""

WIDTH, HEIGHT = 240, 210  # of a panel with its title and labels
LEFT, RIGHT, BOTTOM = 52, 17, 38  # what lies around its axes
TOP, TITLE_LINE = 22, 12  # above them: with a title of one line, and for each further line
TITLE = 26  # the figure's own title, above the panels
LEGEND = 15  # a row of the legend, below them


def columns(panels: int) -> int:
    """How many panels stand side by side."""
    return min(panels, 3)


def rows(panels: int) -> int:
    return -(-panels // columns(panels))


def box(place: int, panels: int) -> tuple[float, float, float, float]:
    """Left, top, width and height of the panel at ``place`` of ``panels``, from 0."""
    row, column = divmod(place, columns(panels))
    return column * WIDTH, TITLE + row * HEIGHT, WIDTH, HEIGHT
