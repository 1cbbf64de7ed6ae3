"""The computation of one output: the window, the kernel, their products, and the sum."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.values import Pair, as_padding_mode, padding_value
from convcli.engine.arrays import Array, as_numbers, check_exact, largest_exact_value
from convcli.engine.im2col import im2col
from convcli.engine.padding import pad2d, source_positions
from convcli.engine.pooling import count_positions
from convcli.errors import OVERFLOW, ArgumentError, ShapeError

MAX_COLUMNS = 64  # of a columns matrix that can still be read


@dataclass(frozen=True, slots=True)
class Explanation:
    """One output value, and all that it is computed from.

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
        The values there: of one channel, or of all channels that are summed.
    is_padding : ndarray of bool, (kh, kw)
        True where they come from the padding.
    kernel : ndarray, (D, kh, kw)
        The weights as they are applied; ones for a pool.
    products : ndarray, (D, kh, kw)
        The products of both; for a maximum, the values.
    total : float
        The sum of the products; for a maximum, the largest value.
    bias : float
    divisor : int
        The sum's divisor: above 1 for an average only.
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
        return f"X[{_format_slice(self.rows)}, {_format_slice(self.columns)}]"


def explain_convolution(
    image: ArrayLike,
    kernel: ArrayLike,
    at: Pair,
    window: Window,
    *,
    padding_mode: str = "zero",
    bias: float | Array = 0.0,
    flip: bool = False,
) -> list[Explanation]:
    """Explain the outputs at one position: one for each channel, or for each map of a layer.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    kernel : array_like, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
    at : (row, column)
        Of the output.
    window : Window
        Its kernel size is that of `kernel`.
    padding_mode, bias, flip
        As in `filter2d`.

    Raises
    ------
    ArgumentError
        For a position that the output does not have.
    ShapeError
        For a kernel that sums over another number of channels.

    Examples
    --------
    >>> window = Window(kernel=(2, 2))
    >>> found = explain_convolution([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]], (0, 1), window)[0]
    >>> found.products.tolist(), found.value, found.slice_text
    ([[[2.0, 0.0], [0.0, 6.0]]], 8.0, 'X[0:2, 1:3]')
    """
    numbers = np.atleast_3d(as_numbers(image, "image"))
    pixels = numbers.astype(np.float64)
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if flip:
        weights = weights[..., ::-1, ::-1]
    rows, columns, values, is_padding = _look_up_window(pixels, at, window, padding_mode)
    check_exact(values, largest_exact_value(numbers.dtype, weights, bias), weights)
    if weights.ndim == 2:
        pairs = [(plane, weights[np.newaxis]) for plane in values[:, np.newaxis]]
    else:
        _check_channels(weights, len(values))
        pairs = [(values, summed) for summed in weights.reshape(-1, *weights.shape[-3:])]
    with np.errstate(over="ignore", invalid="ignore"):
        biases = np.broadcast_to(bias, len(pairs)).tolist()
        found = [
            Explanation(at, channel, rows, columns, inputs, is_padding, factors, inputs * factors,
                        float((inputs * factors).sum()), biases[channel])
            for channel, (inputs, factors) in enumerate(pairs)
        ]  # fmt: skip
    _check_finite([explanation.value for explanation in found])
    return found


def explain_pool(
    image: ArrayLike, at: Pair, window: Window, *, op: str, count_include_pad: bool = True
) -> list[Explanation]:
    """Explain a maximum or an average at one position: one for each channel.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    at : (row, column)
        Of the output.
    window : Window
    op : {"maxpool", "avgpool"}
    count_include_pad : bool
        As in `avg_pool2d`.
    """
    pixels = np.atleast_3d(as_numbers(image, "image")).astype(np.float64)
    rows, columns, values, is_padding = _look_up_window(pixels, at, window, "zero")
    if OPERATIONS[op].reduction == "max":
        values, divisor = np.where(is_padding, -np.inf, values), 1
        totals = values.max(axis=(1, 2))
    else:
        counts = (
            count_positions(axis, include_pad=count_include_pad)[index]
            for axis, index in zip(window.axes(pixels.shape[:2]), at, strict=True)
        )
        with np.errstate(over="ignore", invalid="ignore"):
            totals, divisor = values.sum(axis=(1, 2)), max(int(prod(counts)), 1)
        _check_finite(totals)
    ones = np.ones((1, *window.kernel))
    return [
        Explanation(at, channel, rows, columns, plane, is_padding, ones, plane, float(total),
                    0.0, divisor, op)
        for channel, (plane, total) in enumerate(zip(values[:, np.newaxis], totals, strict=True))
    ]  # fmt: skip


def explain_im2col(
    image: ArrayLike,
    kernel: ArrayLike,
    window: Window,
    *,
    padding_mode: str = "zero",
    bias: float | Array = 0.0,
    flip: bool = False,
) -> dict[str, Array]:
    """Return the flattened kernel, the columns matrix and their product, as im2col has them.

    Parameters
    ----------
    image : array_like, (H, W, C)
    kernel, window, padding_mode, bias, flip
        As in `explain_convolution`.

    Returns
    -------
    dict
        "weights", (C_out, C·kh·kw), "columns", (C·kh·kw, oh·ow), and "product", (C_out, oh·ow).

    Raises
    ------
    ArgumentError
        For several channels that are filtered each by itself, and for more than `MAX_COLUMNS`.
    ShapeError
        For a kernel that sums over another number of channels.
    """
    planes = np.moveaxis(as_numbers(image, "image"), 2, 0).astype(np.float64)
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim == 2 and len(planes) > 1:
        raise ArgumentError(
            f"it has {len(planes)} channels, each of which is filtered by itself; show one with "
            "--gray"
        )
    if weights.ndim > 2:
        _check_channels(weights, len(planes))
    padded = pad2d(planes, window.pads(planes.shape[1:]), padding_mode)
    matrix = im2col(padded, window.kernel, stride=window.stride, dilation=window.dilation)
    if matrix.shape[1] > MAX_COLUMNS:
        raise ArgumentError(
            f"its columns matrix is {matrix.shape[0]}x{matrix.shape[1]}; "
            f"the most that is shown is {MAX_COLUMNS} columns"
        )
    if flip:
        weights = weights[..., ::-1, ::-1]
    rows = weights.reshape(len(weights) if weights.ndim == 4 else 1, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        product = rows @ matrix + np.reshape(bias, (-1, 1))
    _check_finite(product)
    return {"weights": rows, "columns": matrix, "product": product}


def _check_finite(sums: ArrayLike) -> None:
    if not np.isfinite(sums).all():
        raise ArgumentError(OVERFLOW)


def _check_channels(weights: Array, channels: int) -> None:
    if weights.shape[-3] != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def _look_up_window(
    pixels: Array, at: Pair, window: Window, mode: str
) -> tuple[range, range, Array, Array]:
    """Look up the window at an output.

    Returns
    -------
    rows, columns : range
        The positions under its taps; outside the input is padding.
    values : ndarray, (C, kh, kw)
    is_padding : ndarray of bool, (kh, kw)
    """
    output = window.output(pixels.shape[:2])
    if not (0 <= at[0] < output[0] and 0 <= at[1] < output[1]):
        raise ArgumentError(
            f"there is no output at {at[0]},{at[1]}: "
            f"rows are 0..{output[0] - 1}, columns 0..{output[1] - 1}"
        )
    taps, sources, outside = [], [], []
    for axis, index in zip(window.axes(pixels.shape[:2]), at, strict=True):
        start = index * axis.stride - axis.before
        taps.append(range(start, start + axis.effective_kernel, axis.dilation))
        sources.append(source_positions(np.asarray(taps[-1]), axis.size, mode))
        outside.append([position not in range(axis.size) for position in taps[-1]])
    is_padding = np.logical_or.outer(*outside)
    values = np.moveaxis(pixels[np.ix_(*sources)], 2, 0)
    constant = padding_value(as_padding_mode(mode))
    if constant is not None:
        values = np.where(is_padding, constant, values)
    return taps[0], taps[1], values, is_padding


def _format_slice(positions: range) -> str:
    step = f":{positions.step}" if positions.step > 1 and len(positions) > 1 else ""
    return f"{positions[0]}:{positions[-1] + 1}{step}"
