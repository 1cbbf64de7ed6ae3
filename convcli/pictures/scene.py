"""What an animation shows, before any of it is drawn: cells, and what each step lights up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.values import Pair
from convcli.pictures.panels import format_cell

Values: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """One output being computed.

    Parameters
    ----------
    at : (row, column)
        Of the output.
    taps : tuple of (row, column)
        The cells of the padded input that the window's taps lie on.
    corner, extent : (row, column), (height, width)
        The window's outline on the padded input, holes included.
    result : str
        The output's number; empty without numbers.
    words : str
        The sum of products, or what is compared, in words.
    """

    at: Pair
    taps: tuple[Pair, ...]
    corner: Pair
    extent: Pair
    result: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole animation.

    Parameters
    ----------
    title : str
    kinds : tuple of tuples of str
        What each cell of the padded input is: "input", "padding", "gap" (what a transposed
        convolution puts between inputs) or "beyond" (what a ceil pool reaches past the padding).
    texts : tuple of tuples of str
        The cells' numbers; empty without numbers.
    output : (height, width)
    steps : tuple of Step
        In the order of the outputs, row by row.
    """

    title: str
    kinds: tuple[tuple[str, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    output: Pair
    steps: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of an animation, all of them the engine's.

    Parameters
    ----------
    padded : ndarray
        The padded input, of `padded_size`; of a transposed convolution spread out, zeros between.
        NaN where nothing counts: an average passes it over.
    results : ndarray, (oh, ow)
    kernel : ndarray, (kh, kw), optional
        The weights as they are applied; None for a pool.
    bias : float
        What every sum has added to it.
    """

    padded: Values
    results: Values
    kernel: Values | None = None
    bias: float = 0.0


def make_scene(
    title: str, size: Pair, shape: Window, *, op: str = "conv", numbers: Numbers | None = None
) -> Scene:
    """The scene of a window operation over an input of (height, width).

    Parameters
    ----------
    title : str
    size : (height, width)
    shape : Window
    op : {"conv", "tconv", "maxpool", "avgpool"}
    numbers : Numbers, optional
    """
    output = shape.output(size)
    axes = shape.axes(size)
    kinds = tuple(
        tuple(_joined(row, column) for column in _kinds(axes[1])) for row in _kinds(axes[0])
    )
    texts = tuple(
        tuple(
            "" if numbers is None else _cell_text(float(numbers.padded[row, column]))
            for column in range(len(kinds[0]))
        )
        for row in range(len(kinds))
    )
    steps = tuple(
        _step((row, column), axes, op, numbers)
        for row, column in product(range(output[0]), range(output[1]))
    )
    return Scene(title, kinds, texts, output, steps)


def padded_size(axis: Axis) -> int:
    """Cells along the padded input: as far as the last window reaches, at least to its end.

    >>> padded_size(Axis(size=5, kernel=3, before=1, after=1))
    7
    """
    step = 1 if axis.transposed else axis.stride
    reached = (axis.output - 1) * step + axis.effective_kernel
    return reached if axis.transposed else max(reached, axis.size + axis.before + axis.after)


def input_index(axis: Axis, place: int) -> int | None:
    """Which input lies in a cell of the padded input; None where none does.

    A transposed convolution is a convolution of stride 1 over its input spread out, with s - 1
    gaps between neighbours and k_eff - 1 - p cells around: every cell is a place of its output.
    """
    if not axis.transposed:
        inside = place - axis.before
        return inside if 0 <= inside < axis.size else None
    spread = place - (axis.effective_kernel - 1 - axis.before)
    inside, between = divmod(spread, axis.stride)
    return inside if between == 0 and 0 <= inside < axis.size else None


def _kinds(axis: Axis) -> Iterator[str]:
    for place in range(padded_size(axis)):
        if input_index(axis, place) is not None:
            yield "input"
        elif axis.transposed:
            spread = place - (axis.effective_kernel - 1 - axis.before)
            yield "gap" if 0 < spread < (axis.size - 1) * axis.stride else "padding"
        else:
            yield "padding" if place < axis.size + axis.before + axis.after else "beyond"


def _joined(row: str, column: str) -> str:
    """What a cell is, of what its row and its column are."""
    for kind in ("beyond", "padding", "gap"):
        if kind in (row, column):
            return kind
    return "input"


def _step(at: Pair, axes: tuple[Axis, Axis], op: str, numbers: Numbers | None) -> Frame:
    rows, columns = axes
    top = at[0] * (1 if rows.transposed else rows.stride)
    left = at[1] * (1 if columns.transposed else columns.stride)
    taps = tuple(
        (top + u * rows.dilation, left + v * columns.dilation)
        for u, v in product(range(rows.kernel), range(columns.kernel))
    )
    extent = (rows.effective_kernel, columns.effective_kernel)
    if numbers is None:
        return Frame(at, taps, (top, left), extent)
    words = _words(op, [float(numbers.padded[tap]) for tap in taps], numbers)
    result = format_cell(float(numbers.results[at]))
    return Frame(at, taps, (top, left), extent, result, f"{words} = {result}")


def _cell_text(value: float) -> str:
    return "" if math.isnan(value) else format_cell(value)


def _words(op: str, seen: Sequence[float], numbers: Numbers) -> str:
    """What is computed, in words."""
    if op == "maxpool":
        return f"max({', '.join(map(format_cell, seen))})"
    if numbers.kernel is None:
        return f"mean({', '.join(format_cell(value) for value in seen if not math.isnan(value))})"
    terms = [
        f"{format_cell(value)}·{_bracketed(float(weight))}"
        for value, weight in zip(seen, np.ravel(numbers.kernel), strict=True)
    ]
    bias = [_bracketed(numbers.bias)] if numbers.bias else []
    return " + ".join([*terms, *bias])


def _bracketed(weight: float) -> str:
    return f"({format_cell(weight)})" if weight < 0 else format_cell(weight)
