"""Text output: matrices side by side, explanations, and previews in the terminal's half blocks."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.engine.explain import Explanation
from convcli.pictures.panels import format_cell, heat_colors
from convcli.pictures.theme import LIGHT, Color, ink_for

Values = NDArray[Any]


def format_number(value: float) -> str:
    """A number with up to six digits, and no minus before a zero."""
    return f"{value + 0.0:.6g}"


def format_rows(plane: Values, marked: Values | None = None) -> list[str]:
    """The rows of a matrix, its columns flush right; marked numbers stand in brackets."""
    words = [
        [
            f"({format_number(value)})"
            if marked is not None and marked[row, column]
            else format_number(value)
            for column, value in enumerate(values)
        ]
        for row, values in enumerate(plane.tolist())
    ]
    wide = max(len(word) for row in words for word in row)
    return ["  ".join(word.rjust(wide) for word in row) for row in words]


def join_side_by_side(
    blocks: Sequence[tuple[str, Sequence[str]]], signs: Sequence[str], width: int | None = None
) -> str:
    """Titled blocks of lines beside each other, a sign between them at half height.

    Where they are wider than `width` they stand one below the other.

    >>> print(join_side_by_side([("a", ["1", "2", "3"]), ("b", ["4"])], ["+"]))
    a   b
    1   4
    2 +
    3
    """
    wides = [max(len(title), *map(len, lines)) for title, lines in blocks]
    if width is not None and sum(wides) + sum(len(sign) + 2 for sign in signs) > width:
        heads = ["", *(f"{sign} " for sign in signs)]
        titled = [f"{head}{title}" for head, (title, _) in zip(heads, blocks, strict=True)]
        return _one_by_one(
            [(one, list(lines)) for one, (_, lines) in zip(titled, blocks, strict=True)]
        )
    height = max(len(lines) for _, lines in blocks)
    parts: list[list[str]] = []
    for place, (title, lines) in enumerate(blocks):
        wide = max(len(title), *map(len, lines))
        parts.append([one.ljust(wide) for one in (title, *lines, *[""] * (height - len(lines)))])
        if place < len(signs):
            middle = (height - 1) // 2 + 1
            parts.append([f" {signs[place] if row == middle else ' ' * len(signs[place])} "
                          for row in range(height + 1)])  # fmt: skip
    return "\n".join("".join(row).rstrip() for row in zip_longest(*parts, fillvalue=""))


def format_explanation(
    trace: Explanation, *, show_channel: bool = False, width: int | None = None
) -> str:
    """A trace as one would write it down: window, kernel, products, and the sum.

    With `show_channel` the output's channel stands beside its row and column; nothing is wider than
    `width`, as far as its numbers allow.
    """
    channel = f",{trace.channel}" if show_channel else ""
    head = f"Y[{trace.at[0]},{trace.at[1]}{channel}]"
    if trace.op == "maxpool":
        blocks = [_window_block(trace, channel) for channel in range(len(trace.window))]
        head += f" = max({trace.slice_text}) = {format_number(trace.value)}"
        return f"{head}\n\n{_one_by_one(blocks)}"
    if trace.op == "avgpool":
        blocks = [_window_block(trace, channel) for channel in range(len(trace.window))]
        total = f"{format_number(trace.total)} / {trace.divisor}"
        return (
            f"{head} = mean({trace.slice_text}) = {total} = {format_number(trace.value)}"
            f"\n\n{_one_by_one(blocks)}"
        )
    planes = [
        join_side_by_side(
            [
                _window_block(trace, channel),
                (
                    "W" if len(trace.window) == 1 else f"W[{channel}]",
                    format_rows(trace.kernel[channel]),
                ),
                ("products", format_rows(trace.products[channel])),
            ],
            ["*", "="],
            width,
        )
        for channel in range(len(trace.window))
    ]
    bias = f" + {format_number(trace.bias)}" if trace.bias else ""
    head += f" = sum(W * {trace.slice_text}){bias} = {format_number(trace.value)}"
    total = f"{_sum(trace)}{bias} = {format_number(trace.value)}"
    if width is not None:
        total = textwrap.fill(total, width, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join([head, *planes, total])


def format_matrices(columns_matrix: Values, weights: Values, product: Values) -> str:
    """im2col at work: the flattened kernels, the columns matrix, and their product."""
    return join_side_by_side(
        [
            (f"W  {_size(weights)}", format_rows(weights)),
            (f"columns  {_size(columns_matrix)}", format_rows(columns_matrix)),
            (f"Y  {_size(product)}", format_rows(product)),
        ],
        ["@", "="],
    )


def _window_block(trace: Explanation, channel: int) -> tuple[str, list[str]]:
    title = trace.slice_text if len(trace.window) == 1 else f"channel {channel}"
    return title, format_rows(trace.window[channel], trace.is_padding)


def _one_by_one(blocks: Sequence[tuple[str, list[str]]]) -> str:
    return "\n\n".join("\n".join([title, *lines]) for title, lines in blocks)


def _sum(trace: Explanation) -> str:
    """The products as a sum, a negative one in brackets."""
    words = [format_number(value) for value in trace.products.ravel().tolist()]
    return " + ".join(f"({word})" if word.startswith("-") else word for word in words)


def _size(matrix: Values) -> str:
    return "x".join(map(str, matrix.shape))


HALF_BLOCK = "▀"  # its ink is the upper pixel, its background the lower one
MAX_PREVIEW_LINES = 60
RESET = "\x1b[0m"


def has_true_color() -> bool:
    """Whether the terminal says that it has all colours; otherwise 256 are used."""
    return os.environ.get("COLORTERM", "") in ("truecolor", "24bit")


def has_colors(stream: Any) -> bool:
    """Whether a preview can be shown: on a terminal that is not dumb, colours not unwanted."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return bool(stream is not None and stream.isatty() and wanted)


def render_preview(pictures: list[Values], columns: int, *, true_color: bool) -> str:
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
    wide = max(min(wide, int(2 * MAX_PREVIEW_LINES / tallest)), 1)
    blocks = [render_half_blocks(_fitted(one, wide), true_color=true_color) for one in pictures]
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


def render_half_blocks(pixels: Values, *, true_color: bool) -> list[str]:
    """Pixels, (h, w, 3) with h even, as lines of half blocks."""
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        cells = (
            _code(38, tuple(ink), true_color) + _code(48, tuple(ground), true_color)
            for ink, ground in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        lines.append("".join(cell + HALF_BLOCK for cell in cells) + RESET)
    return lines


def render_kernel(matrix: Values, *, true_color: bool) -> str:
    """A kernel of two axes as cells with its numbers, zero neutral."""
    largest = float(np.abs(matrix).max())
    colors = heat_colors(matrix, largest, LIGHT)
    words = [[format_cell(float(weight)) for weight in row] for row in matrix]
    wide = max(len(word) for row in words for word in row) + 2
    lines = []
    for row, shades in zip(words, colors.tolist(), strict=True):
        cells = [
            f"{_code(38, ink_for(tuple(shade)), true_color)}{_code(48, tuple(shade), true_color)}"
            f"{word.center(wide)}"
            for word, shade in zip(row, shades, strict=True)
        ]
        lines.append("".join(cells) + RESET)
    return "\n".join(lines)


def _fitted(pixels: Values, wide: int) -> Values:
    """Pixels as (h, w, 3), no wider than so many columns, their height even."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    width = min(wide, max(image.width, 8))
    height = min(max(2 * round(image.height * width / image.width / 2), 2), 2 * MAX_PREVIEW_LINES)
    kind = Image.Resampling.BOX if width < image.width else Image.Resampling.NEAREST
    return np.asarray(image.resize((width, height), kind))


def _code(layer: int, color: Color, true_color: bool) -> str:
    """The sequence that sets ink (38) or background (48)."""
    if true_color:
        red, green, blue = color
        return f"\x1b[{layer};2;{red};{green};{blue}m"
    return f"\x1b[{layer};5;{_nearest(color)}m"


def _nearest(color: Color) -> int:
    """The nearest of the 6x6x6 cube and the 24 greys of a 256-colour terminal.

    >>> _nearest((255, 0, 0)), _nearest((8, 8, 8))
    (196, 232)
    """
    levels = (0, 95, 135, 175, 215, 255)
    steps = [min(range(6), key=lambda step: abs(levels[step] - part)) for part in color]
    cube = tuple(levels[step] for step in steps)
    grey = min(range(24), key=lambda step: abs(8 + 10 * step - sum(color) / 3))
    shade = 8 + 10 * grey
    far_cube = sum((a - b) ** 2 for a, b in zip(cube, color, strict=True))
    far_grey = sum((shade - part) ** 2 for part in color)
    return 232 + grey if far_grey < far_cube else 16 + 36 * steps[0] + 6 * steps[1] + steps[2]
