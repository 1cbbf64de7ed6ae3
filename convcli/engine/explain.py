"""What lies behind one output: the window, the kernel, their products, and the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.naive import source_index
from convcli.errors import ArgumentError, ShapeError


@dataclass(frozen=True, slots=True)
class Explanation:
    """One output value, and all that it was made of.

    Parameters
    ----------
    at : (row, column)
        The output's position.
    channel : int
        The output's channel.
    rows, columns : range
        The input positions that the window's rows and columns lie on; below 0 and from the input's
        size on they are padding.
    window : ndarray, (D, kh, kw)
        The values there: of one channel, or of all those that are summed.
    is_padding : ndarray of bool, (kh, kw)
        Which of them come from the padding.
    kernel : ndarray, (D, kh, kw)
        The weights as they are applied; ones for a pool.
    products : ndarray, (D, kh, kw)
        Their products; of a maximum, the values.
    total : float
        The sum of the products; of a maximum, the largest value.
    bias : float
    divisor : int
        What the sum is divided by: above 1 for an average alone.
    op : str
        "conv", "maxpool" or "avgpool".
    """

    at: Pair
    channel: int
    rows: range
    columns: range
    window: Array
    is_padding: Array
    kernel: Array
    products: Array
    total: float
    bias: float = 0.0
    divisor: int = 1
    op: str = "conv"

    @property
    def value(self) -> float:
        """The output."""
        return self.total / self.divisor + self.bias

    @property
    def slice_text(self) -> str:
        """The window as a slice of the input, `X[0:3, 1:4]`; with a step where it is dilated."""
        return f"X[{_slice(self.rows)}, {_slice(self.columns)}]"


def explain_convolution(
    image: ArrayLike,
    kernel: ArrayLike,
    at: Pair,
    shape: Window,
    *,
    padding_mode: str = "zero",
    bias: float = 0.0,
    flip: bool = False,
) -> list[Explanation]:
    """Trace the outputs at one position: one for each channel, or for each map of a layer.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    kernel : array_like, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
    at : (row, column)
        Of the output.
    shape : Window
        Its kernel size is that of `kernel`.
    padding_mode, bias, flip
        As in `filter2d`.

    Raises
    ------
    ShapeError
        For a position that the output does not have.

    Examples
    --------
    >>> window = Window(kernel=(2, 2))
    >>> trace = explain_convolution([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]], (0, 1), window)[0]
    >>> trace.products.tolist(), trace.value, trace.slice_text
    ([[[2.0, 0.0], [0.0, 6.0]]], 8.0, 'X[0:2, 1:3]')
    """
    pixels = np.atleast_3d(as_numbers(image, "image")).astype(np.float64)
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if flip:
        weights = weights[..., ::-1, ::-1]
    rows, columns = _positions(at, shape, (pixels.shape[0], pixels.shape[1]))
    window = _window(pixels, rows, columns, padding_mode)  # (C, kh, kw)
    is_padding = _beyond(rows, columns, pixels)
    if weights.ndim == 2:
        pairs = [(window[c : c + 1], weights[np.newaxis]) for c in range(pixels.shape[2])]
    else:
        if weights.shape[-3] != pixels.shape[2]:
            raise ShapeError(
                f"the kernel sums over {weights.shape[-3]} channels; "
                f"the image has {pixels.shape[2]}"
            )
        layers = weights if weights.ndim == 4 else weights[np.newaxis]
        pairs = [(window, one) for one in layers]
    return [
        Explanation(at, channel, rows, columns, seen, is_padding, weight, seen * weight,
              float((seen * weight).sum()), bias)
        for channel, (seen, weight) in enumerate(pairs)
    ]  # fmt: skip


def explain_pool(
    image: ArrayLike, at: Pair, shape: Window, *, op: str, count_include_pad: bool = True
) -> list[Explanation]:
    """Trace a maximum or an average at one position: one for each channel.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    at : (row, column)
        Of the output.
    shape : Window
    op : {"maxpool", "avgpool"}
    count_include_pad : bool
        As in `avg_pool2d`.
    """
    pixels = np.atleast_3d(as_numbers(image, "image")).astype(np.float64)
    size = (pixels.shape[0], pixels.shape[1])
    rows, columns = _positions(at, shape, size)
    is_padding = _beyond(rows, columns, pixels)
    window = _window(pixels, rows, columns, "zero")
    divisor = 1
    if op == "maxpool":
        window = np.where(is_padding, -np.inf, window)
    else:
        divisor = _divisor(rows, columns, shape, size, count_include_pad)
    ones = np.ones((1, *shape.kernel))
    return [
        Explanation(at, channel, rows, columns, seen[np.newaxis], is_padding, ones,
              seen[np.newaxis],
              float(seen.max() if op == "maxpool" else seen.sum()), 0.0, divisor, op)
        for channel, seen in enumerate(window)
    ]  # fmt: skip


def _positions(at: Pair, shape: Window, size: Pair) -> tuple[range, range]:
    """The input positions under the window at an output, along both axes."""
    output = shape.output(size)
    if not (0 <= at[0] < output[0] and 0 <= at[1] < output[1]):
        raise ArgumentError(
            f"there is no output at {at[0]},{at[1]}: "
            f"rows are 0..{output[0] - 1}, columns 0..{output[1] - 1}"
        )
    first = [
        place * axis.stride - axis.before for place, axis in zip(at, shape.axes(size), strict=True)
    ]
    rows, columns = (
        range(start, start + axis.effective_kernel, axis.dilation)
        for start, axis in zip(first, shape.axes(size), strict=True)
    )
    return rows, columns


def _window(pixels: Array, rows: Sequence[int], columns: Sequence[int], mode: str) -> Array:
    """The values at these positions, padding included: (C, kh, kw)."""
    height, width, channels = pixels.shape
    seen = np.zeros((channels, len(rows), len(columns)))
    for u, row in enumerate(rows):
        for v, column in enumerate(columns):
            inside = source_index(row, height, mode), source_index(column, width, mode)
            if None not in inside:
                seen[:, u, v] = pixels[inside]
    return seen


def _beyond(rows: Sequence[int], columns: Sequence[int], pixels: Array) -> Array:
    outside_rows = [not 0 <= row < pixels.shape[0] for row in rows]
    outside_columns = [not 0 <= column < pixels.shape[1] for column in columns]
    return np.logical_or.outer(outside_rows, outside_columns)


def _divisor(
    rows: Sequence[int], columns: Sequence[int], shape: Window, size: Pair, padded: bool
) -> int:
    """How many positions of an average count; what lies beyond the padding never does."""
    count = 1
    for places, axis in zip((rows, columns), shape.axes(size), strict=True):
        first, end = (-axis.before, axis.size + axis.after) if padded else (0, axis.size)
        count *= sum(first <= place < end for place in places)
    return max(count, 1)


def _slice(places: range) -> str:
    step = f":{places.step}" if places.step > 1 and len(places) > 1 else ""
    return f"{places[0]}:{places[-1] + 1}{step}"
