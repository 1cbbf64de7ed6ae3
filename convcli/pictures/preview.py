"""Previews in the terminal: half blocks, two pixels to a character."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.pictures.panels import heat, number_text
from convcli.pictures.theme import LIGHT, Colour, ink_on

Values = NDArray[Any]

HALF_BLOCK = "▀"  # its ink is the upper pixel, its background the lower one
MOST_LINES = 60
RESET = "\x1b[0m"


def true_colour() -> bool:
    """Whether the terminal says that it has all colours; otherwise 256 are used."""
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")


def has_colours(stream: Any) -> bool:
    """Whether a preview can be shown: on a terminal that is not dumb, colours not unwanted."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return bool(stream is not None and stream.isatty() and wanted)


def side_by_side_preview(pictures: list[Values], columns: int, *, all_colours: bool) -> str:
    """Pictures beside each other as half blocks, to fit a terminal of so many columns.

    Parameters
    ----------
    pictures : list of ndarray of uint8, (h, w) or (h, w, 3)
    columns : int
    all_colours : bool
        True colour; otherwise the nearest of 256.
    """
    wide = max((columns - 2 * (len(pictures) - 1)) // len(pictures), 2)
    # A tall one is narrowed, so that it does not scroll away.
    tallest = max(one.shape[0] / one.shape[1] for one in pictures)
    wide = max(min(wide, int(2 * MOST_LINES / tallest)), 1)
    blocks = [half_blocks(_fitted(one, wide), all_colours=all_colours) for one in pictures]
    height = max(map(len, blocks))
    widths = [_fitted(one, wide).shape[1] for one in pictures]
    lines = []
    for row in range(height):
        parts = [
            block[row] if row < len(block) else " " * width
            for block, width in zip(blocks, widths, strict=True)
        ]
        lines.append("  ".join(parts))
    return "\n".join(lines)


def half_blocks(pixels: Values, *, all_colours: bool) -> list[str]:
    """Pixels, (h, w, 3) with h even, as lines of half blocks."""
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = (
            _code(38, tuple(ink), all_colours) + _code(48, tuple(ground), all_colours)
            for ink, ground in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        lines.append("".join(cell + HALF_BLOCK for cell in cells) + RESET)
    return lines


def coloured_cells(matrix: Values, *, all_colours: bool) -> str:
    """A kernel of two axes as cells with its numbers, zero neutral."""
    largest = float(np.abs(matrix).max())
    colours = heat(matrix, largest, LIGHT)
    words = [[number_text(float(weight)) for weight in row] for row in matrix]
    wide = max(len(word) for row in words for word in row) + 2
    lines = []
    for row, shades in zip(words, colours.tolist(), strict=True):
        cells = [
            f"{_code(38, ink_on(tuple(shade)), all_colours)}{_code(48, tuple(shade), all_colours)}"
            f"{word.center(wide)}"
            for word, shade in zip(row, shades, strict=True)
        ]
        lines.append("".join(cells) + RESET)
    return "\n".join(lines)


def _fitted(pixels: Values, wide: int) -> Values:
    """Pixels as (h, w, 3), no wider than so many columns, their height even."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    width = min(wide, max(image.width, 8))
    height = min(max(2 * round(image.height * width / image.width / 2), 2), 2 * MOST_LINES)
    kind = Image.Resampling.BOX if width < image.width else Image.Resampling.NEAREST
    return np.asarray(image.resize((width, height), kind))


def _code(layer: int, colour: Colour, all_colours: bool) -> str:
    """The sequence that sets ink (38) or background (48)."""
    if all_colours:
        red, green, blue = colour
        return f"\x1b[{layer};2;{red};{green};{blue}m"
    return f"\x1b[{layer};5;{_nearest(colour)}m"


def _nearest(colour: Colour) -> int:
    """The nearest of the 6x6x6 cube and the 24 greys of a 256-colour terminal.

    >>> _nearest((255, 0, 0)), _nearest((8, 8, 8))
    (196, 232)
    """
    levels = (0, 95, 135, 175, 215, 255)
    steps = [min(range(6), key=lambda step: abs(levels[step] - part)) for part in colour]
    cube = tuple(levels[step] for step in steps)
    grey = min(range(24), key=lambda step: abs(8 + 10 * step - sum(colour) / 3))
    shade = 8 + 10 * grey
    far_cube = sum((a - b) ** 2 for a, b in zip(cube, colour, strict=True))
    far_grey = sum((shade - part) ** 2 for part in colour)
    return 232 + grey if far_grey < far_cube else 16 + 36 * steps[0] + 6 * steps[1] + steps[2]
