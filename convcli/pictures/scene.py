"""The contents of an animation, before any of it is drawn: cells, and what each frame marks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, format_padding, format_size
from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.pictures.text import Formula, format_cell, format_terms

MAX_SIDE_CELLS = 64  # cells along a side of the padded input
MAX_PLANES = 8  # channels of an input, one below the other
KINDS = ("input", "gap", "padding", "beyond")  # of a cell: the later of its row's and its column's

Texts: TypeAlias = tuple[tuple[str, ...], ...]  # of the cells of a grid, row by row


@dataclass(frozen=True, slots=True)
class Frame:
    """One output being computed.

    Parameters
    ----------
    at : (row, column)
        The output's position.
    taps : tuple of (row, column)
        The cells of the padded input under the window's taps, row by row.
    result : str
        The output's number; empty without numbers.
    formula : Formula, optional
        The sum of products, or what is compared or averaged. Where several channels are summed, its
        terms are their sums. None without numbers.
    products : tuple of grids of str
        The window's values times the weights: a grid of the kernel's size for each channel. None
        for a pool and without numbers.
    sums : tuple of str
        The sum of each grid of products.
    largest : frozenset of (row, column)
        The taps that hold the maximum that is taken.
    """

    at: Pair
    taps: tuple[Pair, ...]
    result: str = ""
    formula: Formula | None = None
    products: tuple[Texts, ...] = ()
    sums: tuple[str, ...] = ()
    largest: frozenset[Pair] = frozenset()


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole animation.

    Parameters
    ----------
    title : str
    kinds : tuple of tuples of str
        The kind of each cell of the padded input: "input", "padding", "gap" (what a transposed
        convolution puts between inputs) or "beyond" (what a ceil pool reaches past the padding).
    planes : tuple of grids of str
        The cells' numbers, a grid for each channel; empty texts without numbers.
    output : (height, width)
    frames : tuple of Frame
        In the order of the outputs, row by row.
    kernel : ndarray, (C, kh, kw), optional
        The weights as they are applied; None for a pool and without numbers.
    is_turned : bool
        Whether the weights are those that the user gave, turned by 180 degrees.
    unused : frozenset of (row, column)
        The cells that no window reaches.
    note : str
        What of a file is the input, such as a channel.
    is_complete : bool
        Whether each frame shows all outputs, those after its own, too.
    """

    title: str
    kinds: tuple[tuple[str, ...], ...]
    planes: tuple[Texts, ...]
    output: Pair
    frames: tuple[Frame, ...]
    kernel: Array | None = None
    is_turned: bool = False
    unused: frozenset[Pair] = frozenset()
    note: str = ""
    is_complete: bool = False


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of an animation, all from the engine.

    Parameters
    ----------
    padded : ndarray, (C, H, W)
        The padded input, of `padded_size`; of a transposed convolution spread out, zeros between.
        NaN where a cell does not count: an average leaves it out.
    results : ndarray, (oh, ow)
    kernel : ndarray, (C, kh, kw), optional
        The weights as they are applied; None for a pool.
    bias : float
        Added to every sum.
    is_turned : bool
        Whether the kernel is turned by 180 degrees.
    """

    padded: Array
    results: Array
    kernel: Array | None = None
    bias: float = 0.0
    is_turned: bool = False


def size_scene(layer: Layer, size: Pair, max_frames: int) -> Scene:
    """Return the scene of a layer over an input of (height, width), without numbers."""
    check_size(layer, size, max_frames)
    return make_scene(make_title(layer, size), size, layer.window, op=layer.op)


def check_size(layer: Layer, size: Pair, max_frames: int) -> None:
    """Raise for an animation too long or too large to look at, by arithmetic alone."""
    frames = math.prod(layer.window.output(size))
    if frames > max_frames:
        raise LimitError(
            f"the animation would have {frames:,} frames; --max-frames allows {max_frames:,}"
        )
    cells = [*map(padded_size, layer.window.axes(size))]
    if max(cells) > MAX_SIDE_CELLS:
        raise LimitError(
            f"a padded input of {cells[0]}x{cells[1]} cells is too large to draw: "
            f"the most is {MAX_SIDE_CELLS} a side"
        )


def make_title(layer: Layer, size: Pair, *, has_numbers: bool = False, bias: float = 0.0) -> str:
    """Return the operation, its settings where they are not the default, and the sizes.

    With numbers, the mode that those of the padding have is among them.
    """
    padding = format_padding(layer.window.pads(size))
    has_mode = has_numbers and layer.operation.family == "convolution"
    if has_mode and padding != "0" and not layer.operation.is_transposed:
        padding = f"{padding} ({layer.mode})"
    settings = (
        ("stride", format_size(layer.stride), "1"),
        ("padding", padding, "0"),
        ("dilation", format_size(layer.dilation), "1"),
        ("output padding", format_size(layer.output_padding), "0"),
    )
    texts = [f", {name} {text}" for name, text, default in settings if text != default]
    texts += [", ceil"] * layer.ceil + [f", bias {format_cell(bias)}"] * bool(bias)
    (height, width), (rows, columns) = layer.window.kernel, layer.window.output(size)
    title = f"{layer.op} {height}x{width}{''.join(texts)}: {size[0]}x{size[1]} → {rows}x{columns}"
    return re.sub(r"(?<=\d)x(?=\d)", "×", title)


def make_scene(
    title: str,
    size: Pair,
    window: Window,
    *,
    op: str = "conv",
    numbers: Numbers | None = None,
    note: str = "",
) -> Scene:
    """Return the scene of a window operation over an input of (height, width).

    The operation is "conv", "tconv", "maxpool" or "avgpool".
    """
    rows, columns = axes = window.axes(size)
    reduction = Layer(op=op).operation.reduction
    down, across = map(_kinds, axes)
    kinds = tuple(tuple(max(row, column, key=KINDS.index) for column in across) for row in down)
    outputs = tuple(product(range(rows.output), range(columns.output)))
    padded = np.full((1, len(down), len(across)), np.nan) if numbers is None else numbers.padded
    return Scene(
        title,
        kinds,
        tuple(map(_format_grid, padded)),
        (rows.output, columns.output),
        tuple(_make_frame(at, axes, reduction, numbers) for at in outputs),
        None if numbers is None else numbers.kernel,
        is_turned=numbers is not None and numbers.is_turned,
        unused=_find_unused(axes),
        note=note,
    )


def _format_grid(values: Array) -> Texts:
    """The numbers of a grid; empty where they are NaN."""
    return tuple(
        tuple("" if math.isnan(value) else format_cell(value) for value in row)
        for row in values.tolist()
    )


def _find_unused(axes: tuple[Axis, Axis]) -> frozenset[Pair]:
    """The cells of the padded input that no window has a tap on."""
    used = [{cell for at in range(axis.output) for cell in tap_cells(axis, at)} for axis in axes]
    cells = product(range(padded_size(axes[0])), range(padded_size(axes[1])))
    return frozenset(at for at in cells if at[0] not in used[0] or at[1] not in used[1])


def tap_cells(axis: Axis, output: int) -> range:
    """The cells along the padded input under the window's taps, at an output.

    >>> tap_cells(Axis(size=5, kernel=3, stride=2), 1)
    range(2, 5)
    """
    start = output * (1 if axis.transposed else axis.stride)
    return range(start, start + axis.effective_kernel, axis.dilation)


def padded_size(axis: Axis) -> int:
    """Cells along the padded input: as far as the last window reaches, at least to its end.

    >>> padded_size(Axis(size=5, kernel=3, before=1, after=1))
    7
    """
    reach = tap_cells(axis, axis.output - 1).stop
    return reach if axis.transposed else max(reach, axis.size + axis.before + axis.after)


def input_cells(axis: Axis) -> dict[int, int]:
    """The cells of the padded input that hold an input, each with the input's index.

    >>> input_cells(Axis(size=2, kernel=3, stride=2, before=1, after=1, transposed=True))
    {1: 0, 3: 1}
    """
    cells = range(padded_size(axis))
    return {cell: index for index, cell in enumerate(_input_range(axis)) if cell in cells}


def _input_range(axis: Axis) -> range:
    """The cell of every input, also of those that padding cuts off.

    A transposed convolution is one of stride 1 over its input spread out: s - 1 gaps between
    neighbors, and k_eff - 1 - p cells around (fewer than none cut the input off).
    """
    if not axis.transposed:
        return range(axis.before, axis.before + axis.size)
    first = axis.effective_kernel - 1 - axis.before
    return range(first, first + axis.size * axis.stride, axis.stride)


def _kinds(axis: Axis) -> list[str]:
    """The kind of each cell along an axis."""
    inputs, padded = _input_range(axis), axis.before + axis.size + axis.after
    return [
        "input" if cell in inputs
        else "gap" if inputs[0] < cell < inputs[-1]
        else "padding" if axis.transposed or cell < padded
        else "beyond"
        for cell in range(padded_size(axis))
    ]  # fmt: skip


def _make_frame(
    at: Pair, axes: tuple[Axis, Axis], reduction: str | None, numbers: Numbers | None
) -> Frame:
    rows, columns = map(tap_cells, axes, at)
    taps = tuple(product(rows, columns))
    if numbers is None:
        return Frame(at, taps)
    windows = numbers.padded[:, rows][:, :, columns]  # (C, kh, kw)
    result = format_cell(float(numbers.results[at]))
    if numbers.kernel is None:
        values = windows[0].ravel().tolist()
        texts = tuple(format_cell(value) for value in values if not math.isnan(value))
        is_largest = [reduction == "max" and value == numbers.results[at] for value in values]
        return Frame(
            at, taps, result, Formula(texts, result, reduction or ""),
            largest=frozenset(tap for tap, found in zip(taps, is_largest, strict=True) if found),
        )  # fmt: skip
    products = windows * numbers.kernel
    sums = products.sum(axis=(1, 2)).tolist()
    if len(windows) == 1:
        terms = format_terms(windows.ravel().tolist(), numbers.kernel.ravel().tolist())
    else:
        terms = format_terms(sums)
    terms += format_terms([numbers.bias]) if numbers.bias else []
    return Frame(
        at, taps, result, Formula(tuple(terms), result),
        tuple(map(_format_grid, products)), tuple(map(format_cell, sums)),
    )  # fmt: skip
