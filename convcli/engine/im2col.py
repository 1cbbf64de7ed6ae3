"""im2col and col2im: padded array -> matrix of columns, and back.

Each column of the matrix is one window, flattened, so a convolution becomes one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, Pair, as_number
from convcli.engine.arrays import Array, as_batch, as_numbers, like_batch
from convcli.engine.hints import add_hint, pool_hint
from convcli.engine.padding import pad2d
from convcli.errors import ArgumentError, ShapeError


def im2col(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Flatten every window of `x` into a column.

    Parameters
    ----------
    x : array_like, (C, H, W) or (N, C, H, W)
    kernel_size, stride, dilation : int or (int, int)
    padding : int, (ph, pw), ((top, bottom), (left, right)) or a name
        Padded with zeros.

    Returns
    -------
    ndarray, (C·kh·kw, oh·ow) or (N, C·kh·kw, oh·ow)
        Rows run over channels, then over the window's rows and columns; columns over the output's
        positions, row by row. The type is that of `x`.

    Raises
    ------
    ShapeError
        Where no window fits.

    Examples
    --------
    >>> im2col([[[1, 2, 3], [4, 5, 6]]], 2)
    array([[1, 2],
           [2, 3],
           [4, 5],
           [5, 6]])
    """
    with add_hint(pool_hint, x, kernel_size):
        array = as_numbers(x, "x")
        images = as_batch(array)
    window = make_window(kernel_size, stride=stride, padding=padding, dilation=dilation)
    window.output(images.shape[-2:])  # raises where no window fits
    columns = as_columns(pad2d(images, window.pads(images.shape[-2:])), window)
    # One row of windows side by side may be a view of the input.
    return like_batch(columns if columns.flags.writeable else columns.copy(), array)


def view_windows(padded: Array, window: Window) -> Array:
    """View the windows of a padded array: (..., kh, kw, oh, ow)."""
    *leading, height, width = padded.shape
    *steps, per_row, per_column = padded.strides
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    oh = (height - effective_kernel(kh, dh)) // sh + 1
    ow = (width - effective_kernel(kw, dw)) // sw + 1
    return as_strided(
        padded,
        (*leading, kh, kw, oh, ow),
        (*steps, dh * per_row, dw * per_column, sh * per_row, sw * per_column),
        writeable=False,
    )


def as_columns(padded: Array, window: Window) -> Array:
    """Flatten the windows of a padded array: (N, C·kh·kw, oh·ow)."""
    windows = view_windows(padded, window)
    n, c, kh, kw, oh, ow = windows.shape
    return windows.reshape(n, c * kh * kw, oh * ow)


def col2im(
    columns: ArrayLike,
    shape: Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Add columns back to where `im2col` took them from; overlaps add up.

    It is the adjoint of `im2col`: `(im2col(x) * columns).sum() == (x * col2im(columns)).sum()`.

    Parameters
    ----------
    columns : array_like, (C·kh·kw, oh·ow) or (N, C·kh·kw, oh·ow)
    shape : (C, H, W) or (N, C, H, W)
        Of the result.
    kernel_size, stride, padding, dilation
        As in `im2col`.

    Returns
    -------
    ndarray
        Floats keep their type; integers and bool are summed in 64 bits, as `np.sum` does.

    Raises
    ------
    ShapeError
        Where the columns are not those of an array of that shape.
    ArgumentError
        For integers of which a sum may not fit 64 bits.

    Examples
    --------
    >>> col2im(np.ones((4, 2)), (1, 2, 3), 2)
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    matrix = as_numbers(columns, "columns")
    window = make_window(kernel_size, stride=stride, padding=padding, dilation=dilation)
    if len(shape) not in (3, 4):
        raise ShapeError(f"shape must be (C, H, W) or (N, C, H, W), not {tuple(shape)}")
    *batch, c, height, width = (as_number(side, "shape", least=1) for side in shape)
    oh, ow = window.output((height, width))
    expected = (*batch, c * window.kernel[0] * window.kernel[1], oh * ow)
    if matrix.shape != expected:
        raise ShapeError(f"columns of {tuple(shape)} have the shape {expected}, not {matrix.shape}")
    windows = matrix.reshape(*(batch or [1]), c, *window.kernel, oh, ow)
    (top, _), (left, _) = window.pads((height, width))
    dtype = _sum_type(matrix, window.kernel[0] * window.kernel[1])
    padded = empty_target(windows.shape[:2], window, (oh, ow), (top + height, left + width), dtype)
    overlap_add(padded, windows, window)
    summed = padded[:, :, top : top + height, left : left + width]
    return summed if batch else summed[0]


def _sum_type(values: Array, count: int) -> np.dtype[Any]:
    """The type of the sums of so many values."""
    if values.dtype.kind == "f":
        return values.dtype
    dtype = np.dtype(np.uint64 if values.dtype.kind == "u" else np.int64)
    limits = np.iinfo(dtype)
    if values.size and values.dtype.itemsize == dtype.itemsize:
        least, most = int(values.min()) * count, int(values.max()) * count
        if least < limits.min or most > limits.max:
            raise ArgumentError(
                f"sums of its {values.dtype} may not fit 64 bits; convert columns to float64"
            )
    return dtype


def empty_target(
    leading: Sequence[int], window: Window, output: Pair, end: Pair, dtype: np.dtype[Any]
) -> Array:
    """Zeros for `overlap_add`, as far as the last windows reach and at least to `end`."""
    extents = map(effective_kernel, window.kernel, window.dilation)
    sizes = (
        max((count - 1) * stride + extent, least)
        for count, stride, extent, least in zip(output, window.stride, extents, end, strict=True)
    )
    return np.zeros((*leading, *sizes), dtype)


def overlap_add(padded: Array, windows: Array, window: Window) -> None:
    """Add (N, C, kh, kw, oh, ow) windows into a padded (N, C, ...) array where they were taken.

    The one loop is over the window's taps, each of which adds a whole plane at once; over the
    positions, where there are fewer of them.
    """
    *_, kh, kw, oh, ow = windows.shape
    if oh * ow < kh * kw:
        swapped = Window(kernel=(oh, ow), stride=window.dilation, dilation=window.stride)
        for i, j in product(range(oh), range(ow)):
            padded[tap_index(i, j, swapped, (kh, kw))] += windows[..., i, j]
        return
    for u, v in product(range(kh), range(kw)):
        padded[tap_index(u, v, window, (oh, ow))] += windows[:, :, u, v]


def tap_index(u: int, v: int, window: Window, output: Pair) -> tuple[EllipsisType, slice, slice]:
    """Index, in a padded array, the values under the tap (u, v) over all output positions."""
    first_row, first_column = u * window.dilation[0], v * window.dilation[1]
    (sh, sw), (oh, ow) = window.stride, output
    return (
        ...,
        slice(first_row, first_row + (oh - 1) * sh + 1, sh),
        slice(first_column, first_column + (ow - 1) * sw + 1, sw),
    )
