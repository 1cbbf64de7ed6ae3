"""Numbers as text, and previews in the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product, repeat
from typing import Any

import numpy as np
from PIL import Image

from convcli.engine.arrays import Array
from convcli.pictures.theme import LIGHT, Color, heat_map, ink_for

HALF_BLOCK = "▀"  # the foreground is the upper pixel, the background the lower one
RESET = "\x1b[0m"
MAX_PREVIEW_LINES = 60
MIN_PREVIEW_COLUMNS = 8  # to which a smaller picture may be enlarged
# Of a 256-color terminal, after the 16 that users set: a cube of 6x6x6, and grays.
CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
GRAYS = [(level, level, level) for level in range(8, 248, 10)]
COLORS_256 = np.array([*product(CUBE_LEVELS, repeat=3), *GRAYS])


def format_number(value: float) -> str:
    """Format a number with up to six digits, and no minus before a zero."""
    return f"{value + 0.0:.6g}"


def format_cell(value: float) -> str:
    """Format one number for a cell, with four or five digits where it is not whole.

    >>> format_cell(3.0), format_cell(0.0625), format_cell(-1234567.0)
    ('3', '0.0625', '-1.2346e+06')
    """
    if abs(value) < 100_000 and value == int(value):
        return f"{int(value)}"
    return f"{value:.{5 if abs(value) >= 1 else 4}g}"


def format_cells(matrix: Array) -> list[list[str]]:
    """Format each number of a matrix for a cell."""
    return [[format_cell(value) for value in row] for row in matrix.tolist()]


def has_true_color() -> bool:
    """Whether the terminal says that it shows all colors; otherwise 256 are used."""
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")


def has_colors(stream: Any) -> bool:
    """Whether a stream is a terminal that shows colors, and the user wants them."""
    is_wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return bool(stream is not None and stream.isatty() and is_wanted)


def render_preview(pictures: list[Array], columns: int, *, true_color: bool) -> str:
    """Render pictures beside each other as half blocks, to fit a terminal.

    Parameters
    ----------
    pictures : list of ndarray of uint8, (h, w) or (h, w, 3)
    columns : int
        The terminal's width in characters.
    true_color : bool
        Use all colors; otherwise the nearest of 256.
    """
    width = max((columns - 2 * (len(pictures) - 1)) // len(pictures), 2)
    # Tall pictures are made narrower, so that they do not scroll out of view.
    tallest = max(picture.shape[0] / picture.shape[1] for picture in pictures)
    width = max(min(width, int(2 * MAX_PREVIEW_LINES / tallest)), 1)
    fitted = [_fit(picture, width) for picture in pictures]
    blocks = [render_half_blocks(pixels, true_color=true_color) for pixels in fitted]
    height = max(map(len, blocks))
    for block, pixels in zip(blocks, fitted, strict=True):
        block.extend([" " * pixels.shape[1]] * (height - len(block)))
    return "\n".join("  ".join(row) for row in zip(*blocks, strict=True))


def render_half_blocks(pixels: Array, *, true_color: bool) -> list[str]:
    """Render pixels, (h, w, 3) with h even, as lines of half blocks."""
    return [
        _render_cells(upper, lower, repeat(HALF_BLOCK), true_color)
        for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True)
    ]


def render_kernel(matrix: Array, *, true_color: bool) -> str:
    """Render a kernel of two axes as colored cells with its numbers, zero neutral."""
    colors = heat_map(matrix, float(np.abs(matrix).max()), LIGHT).tolist()
    texts = format_cells(matrix)
    width = max(len(text) for row in texts for text in row) + 2
    return "\n".join(
        _render_cells(map(ink_for, row), row, [text.center(width) for text in line], true_color)
        for row, line in zip(colors, texts, strict=True)
    )


def _render_cells(
    inks: Iterable[Color], grounds: Iterable[Color], texts: Iterable[str], true_color: bool
) -> str:
    """Render a line of texts, each with the color of its ink and of the ground behind it."""
    cells = (
        _escape_codes(ink, ground, true_color) + text
        for ink, ground, text in zip(inks, grounds, texts, strict=False)
    )
    return "".join(cells) + RESET


def _fit(pixels: Array, max_width: int) -> Array:
    """Resize pixels to (h, w, 3), no wider than so many columns, with an even height."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    width = min(max_width, max(image.width, MIN_PREVIEW_COLUMNS))
    height = min(max(2 * round(image.height * width / image.width / 2), 2), 2 * MAX_PREVIEW_LINES)
    method = Image.Resampling.BOX if width < image.width else Image.Resampling.NEAREST
    return np.asarray(image.resize((width, height), method))


def _escape_codes(foreground: Color, background: Color, true_color: bool) -> str:
    """The escape sequences that set foreground (38) and background (48)."""
    if true_color:
        return "".join(
            "\x1b[{};2;{};{};{}m".format(layer, *color)
            for layer, color in ((38, foreground), (48, background))
        )
    return f"\x1b[38;5;{_nearest(foreground)}m\x1b[48;5;{_nearest(background)}m"


def _nearest(color: Color) -> int:
    """The index of the nearest of a terminal's 256 colors.

    >>> _nearest((255, 0, 0)), _nearest((8, 8, 8))
    (196, 232)
    """
    distances = ((COLORS_256 - np.asarray(color)) ** 2).sum(axis=1)
    return 16 + int(distances.argmin())
