"""The contents of an animation, before any of it is drawn: cells, and what each frame marks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, format_padding, format_size
from convcli.engine.arrays import Array
from convcli.engine.filter2d import filter2d
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.engine.padding import pad2d
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import OVERFLOW, ArgumentError, LimitError
from convcli.kernels import Kernel
from convcli.pictures.text import format_cell

MAX_SIDE_CELLS = 64  # cells along a side of the padded input
KINDS = ("input", "gap", "padding", "beyond")  # of a cell: the later of its row's and its column's


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
    formula : str
        The sum of products, or what is compared or averaged, with its result.
    """

    at: Pair
    taps: tuple[Pair, ...]
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


def size_scene(layer: Layer, size: Pair, max_frames: int) -> Scene:
    """Return the scene of a layer over an input of (height, width), without numbers."""
    _check_size(layer, size, max_frames)
    return make_scene(_title(layer, size), size, layer.window, op=layer.op)


def numbers_scene(
    layer: Layer, plane: Array, kernel: Kernel | None, *, flip: bool, max_frames: int
) -> Scene:
    """Return the scene of a layer over an input, with the engine's numbers.

    Parameters
    ----------
    layer : Layer
        A convolution of `kernel`, or a pool.
    plane : ndarray of float64, (H, W)
    kernel : Kernel, optional
    flip : bool
        Turn the kernel by 180 degrees.
    max_frames : int

    Raises
    ------
    LimitError
        For more frames than that, or more cells than can be drawn.
    """
    _check_size(layer, plane.shape, max_frames)
    title = _title(layer, plane.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        if kernel is None:
            numbers = _pool_numbers(plane, layer)
        else:
            weights = np.asarray(kernel, np.float64)
            weights = weights[::-1, ::-1] if flip else weights
            numbers = _kernel_numbers(plane, layer, weights, float(kernel.bias))
            title = f"{kernel.name}, {title}"
    if np.isnan(numbers.results).any() or np.isposinf(numbers.results).any():
        raise ArgumentError(OVERFLOW)  # -inf is the maximum of padding alone
    return make_scene(title, plane.shape, layer.window, op=layer.op, numbers=numbers)


def _check_size(layer: Layer, size: Pair, max_frames: int) -> None:
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


def _title(layer: Layer, size: Pair) -> str:
    """The operation, its settings where they are not the default, and the sizes."""
    kernel, (rows, columns) = format_size(layer.window.kernel), layer.window.output(size)
    settings = (
        ("stride", format_size(layer.stride), "1"),
        ("padding", format_padding(layer.window.pads(size)), "0"),
        ("dilation", format_size(layer.dilation), "1"),
        ("output padding", format_size(layer.output_padding), "0"),
    )
    texts = "".join(f", {name} {text}" for name, text, default in settings if text != default)
    return f"{layer.op} {kernel}{texts}: {size[0]}x{size[1]} -> {rows}x{columns}"


def _kernel_numbers(plane: Array, layer: Layer, weights: Array, bias: float) -> Numbers:
    """The numbers of a convolution, or of a transposed one."""
    if layer.operation.is_transposed:
        results = conv_transpose2d(
            plane[np.newaxis], weights[np.newaxis, np.newaxis], stride=layer.stride,
            padding=layer.padding, output_padding=layer.output_padding, dilation=layer.dilation,
        )[0] + bias  # fmt: skip
        return Numbers(_spread(plane, layer, 0.0), results, weights[::-1, ::-1], bias)
    sides = layer.window.pads(plane.shape)
    results = filter2d(
        plane, weights, bias=bias, stride=layer.stride, padding=sides,
        padding_mode=layer.mode, dilation=layer.dilation,
    )  # fmt: skip
    return Numbers(pad2d(plane, sides, layer.mode), results, weights, bias)


def _pool_numbers(plane: Array, layer: Layer) -> Numbers:
    """The numbers of a pool; cells that an average does not count are NaN."""
    results = find_function(layer.operation)(layer, [plane[np.newaxis]], NO_WEIGHTS)[0]
    if layer.operation.reduction == "max":
        return Numbers(_spread(plane, layer, -np.inf), results)
    padded = _spread(plane, layer, 0.0 if layer.count_padding else np.nan)
    axes = layer.window.axes(plane.shape)
    rows, columns = (axis.before + axis.size + axis.after for axis in axes)
    padded[rows:] = padded[:, columns:] = np.nan
    return Numbers(padded, results)


def _spread(plane: Array, layer: Layer, fill: float) -> Array:
    """The padded input: (H, W) in the cells of the input, `fill` in all others."""
    axes = layer.window.axes(plane.shape)
    padded = np.full([*map(padded_size, axes)], fill)
    rows, columns = map(input_cells, axes)
    padded[np.ix_([*rows], [*columns])] = plane[np.ix_([*rows.values()], [*columns.values()])]
    return padded


def make_scene(
    title: str, size: Pair, window: Window, *, op: str = "conv", numbers: Numbers | None = None
) -> Scene:
    """Return the scene of a window operation over an input of (height, width).

    The operation is "conv", "tconv", "maxpool" or "avgpool".
    """
    rows, columns = axes = window.axes(size)
    reduction = Layer(op=op).operation.reduction
    down, across = map(_kinds, axes)
    kinds = tuple(tuple(max(row, column, key=KINDS.index) for column in across) for row in down)
    padded = np.full((len(kinds), len(kinds[0])), np.nan) if numbers is None else numbers.padded
    texts = tuple(
        tuple("" if math.isnan(value) else format_cell(value) for value in row)
        for row in padded.tolist()
    )
    frames = tuple(
        _make_frame(at, axes, reduction, numbers)
        for at in product(range(rows.output), range(columns.output))
    )
    return Scene(title, kinds, texts, (rows.output, columns.output), frames)


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
    operands = _format_operands(reduction, [float(numbers.padded[tap]) for tap in taps], numbers)
    result = format_cell(float(numbers.results[at]))
    return Frame(at, taps, result, f"{operands} = {result}")


def _format_operands(reduction: str | None, values: Sequence[float], numbers: Numbers) -> str:
    """Write what is computed: `max(1, 2)`, `mean(1, 2)` or `1·2 + 3·(-1)`."""
    if numbers.kernel is None:
        operands = ", ".join(format_cell(value) for value in values if not math.isnan(value))
        return f"{reduction}({operands})"
    terms = [
        f"{format_cell(value)}·{_bracket_negative(weight)}"
        for value, weight in zip(values, numbers.kernel.ravel().tolist(), strict=True)
    ]
    return " + ".join(terms + [_bracket_negative(numbers.bias)] * bool(numbers.bias))


def _bracket_negative(weight: float) -> str:
    return f"({format_cell(weight)})" if weight < 0 else format_cell(weight)
