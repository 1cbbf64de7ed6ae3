"""Every color and measure of the drawings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from convcli.engine.arrays import Array

Color: TypeAlias = tuple[int, int, int]
Ink: TypeAlias = Color | None  # None leaves it out

# Measures in pixels
CELL = 34  # a cell with a number in it
GAP = 28  # between panels
MARGIN = 20  # around a sheet
TITLE, TEXT, SMALL = 15, 12, 9  # font sizes
DASH = 4  # of a dashed line, and the gap after it
LINE = 18  # from one line of text to the next


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a drawing.

    Parameters
    ----------
    page, ink, faint : Color
        The background, text, and what is less important: outlines and padding.
    cell, output : Color
        An input's cell, and an output's.
    window, current : Color
        Cells under the window, and the output being computed.
    blank : Color
        An output that is not yet computed.
    negative, zero, positive : Color
        The ends and the middle of the scale for weights.
    missing : Color
        NaN, on no scale.
    """

    page: Color
    ink: Color
    faint: Color
    cell: Color
    output: Color
    window: Color
    current: Color
    blank: Color
    negative: Color
    zero: Color
    positive: Color
    missing: Color

    @property
    def window_on_padding(self) -> Color:
        """The window's color on padding and gaps: paler than on the input."""
        return mix(self.window, self.page, 0.5)


LIGHT = Theme(
    page=(255, 255, 255),
    ink=(33, 37, 41),
    faint=(98, 106, 114),
    cell=(208, 226, 246),
    output=(200, 236, 222),
    window=(245, 176, 98),
    current=(60, 179, 128),
    blank=(244, 246, 248),
    negative=(33, 102, 172),
    zero=(247, 247, 247),
    positive=(178, 24, 43),
    missing=(190, 70, 190),
)
DARK = Theme(
    page=(24, 27, 31),
    ink=(233, 236, 239),
    faint=(158, 166, 176),
    cell=(44, 72, 104),
    output=(34, 84, 66),
    window=(196, 120, 40),
    current=(46, 160, 110),
    blank=(38, 43, 49),
    negative=(67, 147, 215),
    zero=(58, 63, 69),
    positive=(214, 76, 84),
    missing=(200, 90, 200),
)
THEMES = {"light": LIGHT, "dark": DARK}


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture looks, whatever it shows.

    Parameters
    ----------
    theme : Theme
    scale : float
        Pixels of the picture for each of the measures above.
    is_transparent : bool
        Whether what lies behind the picture is seen, instead of the theme's page.
    """

    theme: Theme = LIGHT
    scale: float = 1.0
    is_transparent: bool = False


def mix(color: Color, other: Color, share: float) -> Color:
    """Mix two colors, `share` of them the other.

    >>> mix((0, 0, 0), (200, 100, 0), 0.5)
    (100, 50, 0)
    """
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def heat_map(weights: Array, largest: float, theme: Theme) -> Array:
    """Map weights of any shape to colors, (..., 3).

    Zero is neutral, `-largest` and `largest` are the ends.
    """
    import numpy as np  # the names of the themes are options of commands that start without it

    shares = np.minimum(np.abs(weights) / (largest or 1.0), 1.0)[..., np.newaxis]
    zero = np.array(theme.zero)
    ends = np.where(weights[..., np.newaxis] < 0, theme.negative, theme.positive)
    colors: Array = np.rint(zero + (ends - zero) * shares).astype(np.uint8)
    return colors


def ink_for(color: Color) -> Color:
    """Black or white, whichever has more contrast with a color: 4.58 at least.

    By the relative luminance of WCAG 2.2; where it is 0.179 both have the same contrast.
    """
    return (0, 0, 0) if luminance(color) > 0.179 else (255, 255, 255)


def luminance(color: Color) -> float:
    """The relative luminance of an sRGB color, 0 to 1 (WCAG 2.2).

    >>> luminance((255, 255, 255))
    1.0
    """
    red, green, blue = (
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
        for level in (channel / 255 for channel in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def gray_levels(values: Array, black: float, white: float) -> Array:
    """Values as gray levels, `black` at 0 and `white` at 255; mid-gray where both are equal.

    NaN is black.
    """
    import numpy as np

    if white <= black:
        return np.where(np.isnan(values), 0, 128).astype(np.uint8)
    # In float64 and scaled to at most 1, no difference overflows, and none is lost.
    exponent = -math.frexp(max(abs(black), abs(white)))[1]
    low, high = math.ldexp(black, exponent), math.ldexp(white, exponent)
    levels = values.astype(np.float64)  # in place from here: a map may fill much of the memory
    np.ldexp(np.clip(levels, black, white, out=levels), exponent, out=levels)
    levels -= low
    levels /= high - low
    levels *= 255
    np.rint(levels, out=levels)
    return np.asarray(np.nan_to_num(levels, copy=False), np.uint8)
