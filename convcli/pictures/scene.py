"""The contents of an animation, before any of it is drawn: cells, and what each frame marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.pictures.text import format_cell


@dataclass(frozen=True, slots=True)
class Frame:
    """One output being computed.

    Parameters
    ----------
    at : (row, column)
        The output's position.
    taps : tuple of (row, column)
        The cells of the padded input under the window's taps.
    corner, extent : (row, column), (height, width)
        The window's outline on the padded input; it includes what a dilated window skips.
    result : str
        The output's number; empty without numbers.
    formula : str
        The sum of products, or what is compared or averaged, with its result.
    """

    at: Pair
    taps: tuple[Pair, ...]
    corner: Pair
    extent: Pair
    result: str = ""
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole animation.

    Parameters
    ----------
    title : str
    kinds : tuple of tuples of str
        The kind of each cell of the padded input: "input", "padding", "gap" (what a transposed
        convolution puts between inputs) or "beyond" (what a ceil pool reaches past the padding).
    texts : tuple of tuples of str
        The cells' numbers; empty without numbers.
    output : (height, width)
    frames : tuple of Frame
        In the order of the outputs, row by row.
    """

    title: str
    kinds: tuple[tuple[str, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    output: Pair
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of an animation, all from the engine.

    Parameters
    ----------
    padded : ndarray
        The padded input, of `padded_size`; of a transposed convolution spread out, zeros between.
        NaN where a cell does not count: an average leaves it out.
    results : ndarray, (oh, ow)
    kernel : ndarray, (kh, kw), optional
        The weights as they are applied; None for a pool.
    bias : float
        Added to every sum.
    """

    padded: Array
    results: Array
    kernel: Array | None = None
    bias: float = 0.0


def make_scene(
    title: str, size: Pair, window: Window, *, op: str = "conv", numbers: Numbers | None = None
) -> Scene:
    """Return the scene of a window operation over an input of (height, width).

    Parameters
    ----------
    title : str
    size : (height, width)
    window : Window
    op : {"conv", "tconv", "maxpool", "avgpool"}
    numbers : Numbers, optional
    """
    rows, columns = axes = window.axes(size)
    kinds = tuple(
        tuple(_joint_kind(row, column) for column in _kinds(columns)) for row in _kinds(rows)
    )
    if numbers is None:
        texts = tuple(("",) * len(row) for row in kinds)
    else:
        texts = tuple(
            tuple("" if math.isnan(value) else format_cell(value) for value in row)
            for row in numbers.padded.astype(float).tolist()
        )
    frames = tuple(
        _make_frame(at, axes, op, numbers)
        for at in product(range(rows.output), range(columns.output))
    )
    return Scene(title, kinds, texts, (rows.output, columns.output), frames)


def padded_size(axis: Axis) -> int:
    """Cells along the padded input: as far as the last window reaches, at least to its end.

    >>> padded_size(Axis(size=5, kernel=3, before=1, after=1))
    7
    """
    step = 1 if axis.transposed else axis.stride
    reach = (axis.output - 1) * step + axis.effective_kernel
    return reach if axis.transposed else max(reach, axis.size + axis.before + axis.after)


def input_cells(axis: Axis) -> dict[int, int]:
    """The cells of the padded input that hold an input, each with the input's index.

    >>> input_cells(Axis(size=2, kernel=3, stride=2, before=1, after=1, transposed=True))
    {1: 0, 3: 1}
    """
    before, step = _spacing(axis)
    cells = range(padded_size(axis))
    return {
        before + index * step: index for index in range(axis.size) if before + index * step in cells
    }


def _spacing(axis: Axis) -> Pair:
    """The cell of the first input, and the cells from one input to the next.

    A transposed convolution is a convolution of stride 1 over its input spread out, with s - 1
    gaps between neighbors and k_eff - 1 - p cells around (fewer than none cut the input off).
    """
    if axis.transposed:
        return axis.effective_kernel - 1 - axis.before, axis.stride
    return axis.before, 1


def _kinds(axis: Axis) -> list[str]:
    """The kind of each cell along an axis."""
    before, step = _spacing(axis)
    inputs, gaps = input_cells(axis), range(before, before + (axis.size - 1) * step)
    padded = axis.before + axis.size + axis.after
    return [
        "input" if cell in inputs
        else "gap" if cell in gaps
        else "padding" if axis.transposed or cell < padded
        else "beyond"
        for cell in range(padded_size(axis))
    ]  # fmt: skip


def _joint_kind(row: str, column: str) -> str:
    """The kind of a cell, given those of its row and of its column."""
    return next((kind for kind in ("beyond", "padding", "gap") if kind in (row, column)), "input")


def _make_frame(at: Pair, axes: tuple[Axis, Axis], op: str, numbers: Numbers | None) -> Frame:
    top, left = (
        position * (1 if axis.transposed else axis.stride)
        for position, axis in zip(at, axes, strict=True)
    )
    taps = tuple(
        (top + u * axes[0].dilation, left + v * axes[1].dilation)
        for u, v in product(range(axes[0].kernel), range(axes[1].kernel))
    )
    extent = (axes[0].effective_kernel, axes[1].effective_kernel)
    if numbers is None:
        return Frame(at, taps, (top, left), extent)
    operands = _format_operands(op, [float(numbers.padded[tap]) for tap in taps], numbers)
    result = format_cell(float(numbers.results[at]))
    return Frame(at, taps, (top, left), extent, result, f"{operands} = {result}")


def _format_operands(op: str, values: Sequence[float], numbers: Numbers) -> str:
    """Write what is computed: `max(1, 2)`, `mean(1, 2)` or `1·2 + 3·(-1)`."""
    if numbers.kernel is None:
        name = "max" if op == "maxpool" else "mean"
        return (
            f"{name}({', '.join(format_cell(value) for value in values if not math.isnan(value))})"
        )
    terms = [
        f"{format_cell(value)}·{_bracket_negative(float(weight))}"
        for value, weight in zip(values, np.ravel(numbers.kernel), strict=True)
    ]
    return " + ".join([*terms, *([_bracket_negative(numbers.bias)] if numbers.bias else [])])


def _bracket_negative(weight: float) -> str:
    return f"({format_cell(weight)})" if weight < 0 else format_cell(weight)
