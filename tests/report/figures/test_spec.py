"""Lines that can be distinguished with any colour vision, in grey print, and without colour."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from lsbench.report.figures.spec import COLOURS, DISTINCT, GREY, as_plain, as_scaled, line_style
from lsbench.report.figures.sweep_figures import MAX_METHODS

# Machado, Oliveira & Fernandes (2009), table 1, severity 1.0; they act on linear RGB.
SEEN = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
    "full": np.eye(3).tolist(),
}


def linear(colour):
    """Linear RGB of a hexadecimal sRGB colour (IEC 61966-2-1)."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE 1976 L*a*b* of linear RGB, for the white point D65."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(foreground, background):
    """The contrast ratio of WCAG 2."""
    bright, dark = sorted(
        (linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (foreground, background)), reverse=True
    )
    return (bright + 0.05) / (dark + 0.05)


def test_lab_agrees_with_published_values():
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.02)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.02)  # Lindbloom's calculator


@pytest.mark.parametrize("vision", SEEN)
def test_colours_differ_with_every_kind_of_colour_vision(vision):
    seen = {colour: lab(np.array(SEEN[vision]) @ linear(colour)) for colour in COLOURS}
    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(COLOURS, 2)}
    assert min(distances.values()) > 15  # 2.3 is just noticeable


def test_neighbours_differ_in_grey():
    lightness = [lab(linear(colour))[0] for colour in COLOURS]
    steps = [abs(a - b) for a, b in pairwise(lightness)]
    assert min(steps[:5]) > 12 and min(steps) > 6


def test_line_styles_differ_by_colour_or_marker_and_the_first_by_both():
    styles = [line_style(index, "") for index in range(DISTINCT)]
    assert len({(style.colour, style.marker) for style in styles}) == DISTINCT
    few = styles[: len(COLOURS)]
    assert len({line.marker for line in few}) == len({line.colour for line in few}) == len(few)
    assert max(MAX_METHODS.values()) <= DISTINCT


def test_the_three_states_of_a_line_differ_by_dashes_and_filling():
    line = line_style(0, "none")
    states = [line, as_scaled(line), as_plain(line)]
    assert len({state.dash for state in states}) == 3
    assert [state.hollow for state in states] == [False, True, True]
    assert {(state.colour, state.marker, state.label) for state in states} == {
        (line.colour, line.marker, "none")
    }


def test_lines_contrast_with_white_paper():
    assert min(contrast(colour, "#ffffff") for colour in COLOURS) > 2.2
    assert contrast(GREY, "#ffffff") > 4.5  # the keys of the legend, and the diagonal
