"""Numbers and sums as text, and previews in the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from typing import Any

import numpy as np
from PIL import Image

from convcli.engine.arrays import Array
from convcli.pictures.theme import LIGHT, Color, heat_map, ink_for

MINUS = "\N{MINUS SIGN}"
MAX_PLAIN = 10_000_000  # from which on numbers in pictures have an exponent
CELL_LETTERS = 6  # of a number in a cell without its sign; more where the largest needs them
CELL_DIGITS = 3  # of the largest number, that are seen in any case
HALF_BLOCK = "▀"  # the foreground is the upper pixel, the background the lower one
RESET = "\x1b[0m"
MAX_PREVIEW_LINES = 60
MAX_FORMULA_LINES = 3
MIN_PREVIEW_COLUMNS = 8  # to which a smaller picture may be enlarged
# Of a 256-color terminal, after the 16 that users set: a cube of 6x6x6, and grays.
CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
GRAYS = [(level, level, level) for level in range(8, 248, 10)]
COLORS_256 = np.array([*product(CUBE_LEVELS, repeat=3), *GRAYS])


def format_number(value: float) -> str:
    """Format a number for a line of text, with up to six digits, and no minus before a zero."""
    return f"{value + 0.0:.6g}"


def format_cell(value: float) -> str:
    """Format a number for a picture: with four or five digits, and all before the decimal point.

    Its minus is as wide as a plus. Those of seven digits and more, and the tiniest, have an
    exponent.

    >>> format_cell(3.0), format_cell(0.0625), format_cell(-12345678.0), format_cell(-4e-7)
    ('3', '0.0625', '−1.2346e7', '−4e−7')
    """
    return _format_digits(value, 5 if abs(value) >= 1 else 4)


def _format_digits(value: float, digits: int) -> str:
    """Format a number with so many digits, and all before the decimal point."""
    size = abs(value)
    is_whole = size < MAX_PLAIN and (value == int(value) or size >= 10**digits - 0.5)
    text = f"{value:.0f}" if is_whole else f"{value:.{digits}g}"
    digits_alone, mark, exponent = text.partition("e")
    if mark:
        text = f"{digits_alone}e{int(exponent)}"
    return "0" if text == "-0" else text.replace("-", MINUS).replace("inf", "∞")


def format_sides(*sides: int) -> str:
    """Format a size for a picture.

    >>> format_sides(3, 224, 224)
    '3×224×224'
    """
    return "×".join(map(str, sides))


def format_cells(matrix: Array) -> list[list[str]]:
    """Format each number of a matrix for a cell: small ones as fine as the largest needs it.

    >>> format_cells(np.array([[0.0625, 0.0002394], [0.1592, -1.965e-5]]))
    [['0.0625', '0.0002'], ['0.1592', '−2e−5']]
    """
    largest = float(np.max(np.abs(matrix), initial=0.0, where=np.isfinite(matrix)))
    limit = max(len(_format_digits(largest, CELL_DIGITS)), CELL_LETTERS)
    return [[_format_short(value, limit) for value in row] for row in matrix.tolist()]


def _format_short(value: float, limit: int) -> str:
    """Format a number for a cell, with fewer digits where it has more letters than a limit."""
    text = format_cell(value)
    for digits in (3, 2, 1):
        if len(text.lstrip(MINUS)) <= limit:
            break
        text = _format_digits(value, digits)
    return text


@dataclass(frozen=True, slots=True)
class Formula:
    """What one output is computed from: a sum, or a maximum or mean of a list.

    Parameters
    ----------
    terms : tuple of str
        What is added, as `format_terms` writes it, or what is compared or averaged.
    result : str
        What follows the sign of equality.
    reduction : str
        "max" or "mean"; empty for a sum.

    Examples
    --------
    >>> str(Formula(("3 × 2", "4"), "10")), str(Formula(("3", "4"), "4", "max"))
    ('3 × 2 + 4 = 10', 'max(3, 4) = 4')
    """

    terms: tuple[str, ...]
    result: str
    reduction: str = ""

    def __str__(self) -> str:
        return " ".join(self._split(self.terms))

    def fold(
        self,
        width: float,
        measure: Callable[[str], float] = len,
        max_lines: int = MAX_FORMULA_LINES,
    ) -> list[str]:
        """Fold it between its terms into lines, of so many at most.

        Where it needs more, terms are left out in the middle, and their number is said.

        Parameters
        ----------
        width : float
            The most of a line, in units of `measure`; one term alone may be wider.
        measure : callable
            Returns the width of a text: of characters where left out.
        max_lines : int

        Examples
        --------
        >>> Formula(("2",) * 50, "100").fold(24)
        ['2 + 2 + 2 + 2 + 2 + 2', '+ … 39 more terms … + 2', '+ 2 + 2 + 2 + 2 = 100']
        """
        widths = {part: measure(part) for part in self._split(self.terms)}
        space = measure("a a") - measure("aa")

        def wrap(kept: int) -> list[str]:
            lines: list[str] = []
            used = 0.0
            for part in self._split(self._keep(kept)):
                needed = widths[part] if part in widths else measure(part)
                if lines and used + space + needed <= width:
                    lines[-1] += f" {part}"
                    used += space + needed
                else:
                    lines.append(part)
                    used = needed
            return lines

        count = len(self.terms)
        if len(lines := wrap(count)) <= max_lines:
            return lines
        least, most = min(2, count), count - 1  # of terms that are kept
        while least < most:
            middle = (least + most + 1) // 2
            least, most = (middle, most) if len(wrap(middle)) <= max_lines else (least, middle - 1)
        return wrap(least)

    def _keep(self, kept: int) -> tuple[str, ...]:
        """So many terms, from both ends, and what is said in place of the others."""
        left_out = len(self.terms) - kept
        if left_out <= 0:
            return self.terms
        head, tail = -(-kept // 2), kept // 2
        return (
            *self.terms[:head],
            f"… {left_out} more terms …",
            *self.terms[len(self.terms) - tail :],
        )

    def _split(self, terms: Sequence[str]) -> list[str]:
        """The parts between which a line may end: each with the sign before or after it."""
        if not self.reduction:
            first, *others = terms or ("0",)
            return [first, *(f"+ {term}" for term in others), f"= {self.result}"]
        parts = [f"{term}," for term in terms[:-1]] + [f"{term})" for term in terms[-1:]] or [")"]
        return [f"{self.reduction}({parts[0]}", *parts[1:], f"= {self.result}"]


def format_terms(
    values: Iterable[float],
    weights: Iterable[float] | None = None,
    format_value: Callable[[float], str] = format_cell,
) -> list[str]:
    """Format the terms of a sum, negative numbers in brackets: products, or values alone.

    >>> format_terms([3.0, 1.5], [1.0, 2.0]), format_terms([3.0])
    (['3 × 1', '1.5 × 2'], ['3'])
    """

    def bracket(value: float) -> str:
        text = format_value(value)
        return f"({text})" if value < 0 else text

    if weights is None:
        return [bracket(value) for value in values]
    return [f"{bracket(a)} × {bracket(b)}" for a, b in zip(values, weights, strict=True)]


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
    texts = [[text.replace(MINUS, "-") for text in row] for row in format_cells(matrix)]
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
