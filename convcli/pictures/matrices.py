"""Matrices of numbers as text, set side by side with a sign between them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from numpy.typing import NDArray

from convcli.engine.trace import Trace

Values = NDArray[Any]


def number(value: float) -> str:
    """A number with up to six digits, and no minus before a zero."""
    return f"{value + 0.0:.6g}"


def columns(plane: Values, marked: Values | None = None) -> list[str]:
    """The rows of a matrix, its columns flush right; marked numbers stand in brackets."""
    words = [
        [
            f"({number(value)})" if marked is not None and marked[row, column] else number(value)
            for column, value in enumerate(values)
        ]
        for row, values in enumerate(plane.tolist())
    ]
    wide = max(len(word) for row in words for word in row)
    return ["  ".join(word.rjust(wide) for word in row) for row in words]


def side_by_side(
    blocks: Sequence[tuple[str, Sequence[str]]], signs: Sequence[str], width: int | None = None
) -> str:
    """Titled blocks of lines beside each other, a sign between them at half height.

    Where they are wider than `width` they stand one below the other.

    >>> print(side_by_side([("a", ["1", "2", "3"]), ("b", ["4"])], ["+"]))
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


def traced(trace: Trace, *, told_apart: bool = False, width: int | None = None) -> str:
    """A trace as one would write it down: window, kernel, products, and the sum.

    With `told_apart` the output's channel stands beside its row and column; nothing is wider than
    `width`, as far as its numbers allow.
    """
    channel = f",{trace.channel}" if told_apart else ""
    head = f"Y[{trace.at[0]},{trace.at[1]}{channel}]"
    if trace.op == "maxpool":
        blocks = [_window_block(trace, channel) for channel in range(len(trace.window))]
        return f"{head} = max({trace.slice_text}) = {number(trace.value)}\n\n{_one_by_one(blocks)}"
    if trace.op == "avgpool":
        blocks = [_window_block(trace, channel) for channel in range(len(trace.window))]
        total = f"{number(trace.total)} / {trace.divisor}"
        return (
            f"{head} = mean({trace.slice_text}) = {total} = {number(trace.value)}"
            f"\n\n{_one_by_one(blocks)}"
        )
    planes = [
        side_by_side(
            [
                _window_block(trace, channel),
                (
                    "W" if len(trace.window) == 1 else f"W[{channel}]",
                    columns(trace.kernel[channel]),
                ),
                ("products", columns(trace.products[channel])),
            ],
            ["*", "="],
            width,
        )
        for channel in range(len(trace.window))
    ]
    bias = f" + {number(trace.bias)}" if trace.bias else ""
    head += f" = sum(W * {trace.slice_text}){bias} = {number(trace.value)}"
    total = f"{_sum(trace)}{bias} = {number(trace.value)}"
    if width is not None:
        total = textwrap.fill(total, width, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join([head, *planes, total])


def laid_out(columns_matrix: Values, weights: Values, product: Values) -> str:
    """im2col at work: the flattened kernels, the columns matrix, and their product."""
    return side_by_side(
        [
            (f"W  {_size(weights)}", columns(weights)),
            (f"columns  {_size(columns_matrix)}", columns(columns_matrix)),
            (f"Y  {_size(product)}", columns(product)),
        ],
        ["@", "="],
    )


def _window_block(trace: Trace, channel: int) -> tuple[str, list[str]]:
    title = trace.slice_text if len(trace.window) == 1 else f"channel {channel}"
    return title, columns(trace.window[channel], trace.is_padding)


def _one_by_one(blocks: Sequence[tuple[str, list[str]]]) -> str:
    return "\n\n".join("\n".join([title, *lines]) for title, lines in blocks)


def _sum(trace: Trace) -> str:
    """The products as a sum, a negative one in brackets."""
    words = [number(value) for value in trace.products.ravel().tolist()]
    return " + ".join(f"({word})" if word.startswith("-") else word for word in words)


def _size(matrix: Values) -> str:
    return "x".join(map(str, matrix.shape))
