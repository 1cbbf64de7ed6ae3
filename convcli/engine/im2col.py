"""im2col and col2im: padded array -> matrix of columns, and back.

Each column of the matrix is one window laid flat, so a convolution becomes one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, effective_kernel, window
from convcli.arithmetic.values import PaddingLike, Pair, as_number
from convcli.engine.arrays import Array, as_batch, as_numbers, like_batch
from convcli.engine.padding import pad2d
from convcli.engine.scratch import Scratch
from convcli.errors import ShapeError


def im2col(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Lay every window of `x` flat, as a column.

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
    array = as_numbers(x, "x")
    images = as_batch(array)
    shape = window(kernel_size, stride=stride, padding=padding, dilation=dilation)
    shape.output(images.shape[-2:])  # raises where no window fits
    padded = pad2d(images, shape.sides(images.shape[-2:]))
    laid = as_columns(padded, shape)
    # One row of windows side by side may be a view of what it was made of.
    return like_batch(laid if laid.flags.writeable else laid.copy(), array)


def windows(padded: Array, shape: Window) -> Array:
    """View the windows of an array that is padded already: (..., kh, kw, oh, ow)."""
    *leading, height, width = padded.shape
    *steps, down, across = padded.strides
    (kh, kw), (sh, sw), (dh, dw) = shape.kernel, shape.stride, shape.dilation
    oh = (height - effective_kernel(kh, dh)) // sh + 1
    ow = (width - effective_kernel(kw, dw)) // sw + 1
    return as_strided(
        padded,
        (*leading, kh, kw, oh, ow),
        (*steps, dh * down, dw * across, sh * down, sw * across),
        writeable=False,
    )


def as_columns(padded: Array, shape: Window) -> Array:
    """Lay the windows of an array that is padded already flat: (N, C·kh·kw, oh·ow)."""
    laid = windows(padded, shape)
    n, c, kh, kw, oh, ow = laid.shape
    return laid.reshape(n, c * kh * kw, oh * ow)


def im2col_windows(padded: Array, shape: Window, scratch: Scratch) -> Array:
    """Lay windows flat in scratch memory: (G, C, ...) -> (G, C·kh·kw, oh·ow)."""
    if shape.kernel == shape.stride == (1, 1):
        return padded.reshape(*padded.shape[:2], -1)
    taken = windows(padded, shape)
    laid = scratch("columns", taken.shape, padded.dtype)
    np.copyto(laid, taken)
    groups, c, kh, kw, oh, ow = taken.shape
    return laid.reshape(groups, c * kh * kw, oh * ow)


def im2col_rows(padded: Array, shape: Window, scratch: Scratch) -> Array:
    """Lay each row of an array flat, once: (G, C, ...) -> (G, oh, kh·C·kw, ow).

    A row's columns are C·kw rows of `ow` values. One row's stand above the next one's, so those of
    a window's kh rows are already a matrix, and that of the next window begins inside it.
    """
    along = replace(shape, kernel=(1, shape.kernel[1]), stride=(1, shape.stride[1]))
    taken = windows(padded, along)[:, :, 0].transpose(0, 3, 1, 2, 4)  # (G, rows, C, kw, ow)
    laid = scratch("columns", taken.shape, padded.dtype)
    np.copyto(laid, taken)
    groups, rows, c, kw, ow = taken.shape
    kh, step = shape.kernel[0], shape.stride[0]
    group, row, _, column, value = laid.strides
    return as_strided(
        laid,
        (groups, (rows - kh) // step + 1, kh * c * kw, ow),
        (group, step * row, column, value),
    )


def col2im(
    columns: ArrayLike,
    shape: Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
) -> Array:
    """Put columns back where `im2col` took them from; what overlaps adds up.

    It is the adjoint of `im2col`: `(im2col(x) * columns).sum() == (x * col2im(columns)).sum()`.

    Parameters
    ----------
    columns : array_like, (C·kh·kw, oh·ow) or (N, C·kh·kw, oh·ow)
    shape : (C, H, W) or (N, C, H, W)
        The shape to come back to.
    kernel_size, stride, padding, dilation
        As in `im2col`.

    Raises
    ------
    ShapeError
        Where the columns are not those of an array of that shape.

    Examples
    --------
    >>> col2im(np.ones((4, 2)), (1, 2, 3), 2)
    array([[[1., 2., 1.],
            [1., 2., 1.]]])
    """
    matrix = as_numbers(columns, "columns")
    made = window(kernel_size, stride=stride, padding=padding, dilation=dilation)
    if len(shape) not in (3, 4):
        raise ShapeError(f"shape must be (C, H, W) or (N, C, H, W), not {tuple(shape)}")
    *batch, c, height, width = (as_number(side, "shape", least=1) for side in shape)
    oh, ow = made.output((height, width))
    expected = (*batch, c * made.kernel[0] * made.kernel[1], oh * ow)
    if matrix.shape != expected:
        raise ShapeError(f"columns of {tuple(shape)} have the shape {expected}, not {matrix.shape}")
    windows = matrix.reshape(*(batch or [1]), c, *made.kernel, oh, ow)
    (top, _), (left, _) = made.sides((height, width))
    padded = empty_target(
        windows.shape[:2], made, (oh, ow), (top + height, left + width), matrix.dtype
    )
    overlap_add(padded, windows, made)
    summed = padded[:, :, top : top + height, left : left + width]
    return summed if batch else summed[0]


def empty_target(
    leading: Sequence[int], shape: Window, output: Pair, end: Pair, kind: np.dtype[Any]
) -> Array:
    """Zeros for `overlap_add`, as far as the last windows reach and at least to `end`."""
    extents = map(effective_kernel, shape.kernel, shape.dilation)
    reached = (
        max((count - 1) * step + extent, least)
        for count, step, extent, least in zip(output, shape.stride, extents, end, strict=True)
    )
    return np.zeros((*leading, *reached), kind)


def overlap_add(padded: Array, windows: Array, shape: Window) -> None:
    """Add (N, C, kh, kw, oh, ow) windows into a padded (N, C, ...) array where they were taken.

    The one loop is over the window's taps, each of which adds a whole plane at once; over the
    positions, where there are fewer of them.
    """
    *_, kh, kw, oh, ow = windows.shape
    if oh * ow < kh * kw:
        turned = Window(kernel=(oh, ow), stride=shape.dilation, dilation=shape.stride)
        for i, j in product(range(oh), range(ow)):
            padded[tap(i, j, turned, (kh, kw))] += windows[..., i, j]
        return
    for u, v in product(range(kh), range(kw)):
        padded[tap(u, v, shape, (oh, ow))] += windows[:, :, u, v]


def tap(u: int, v: int, shape: Window, output: Pair) -> tuple[EllipsisType, slice, slice]:
    """Index, in a padded array, what the window's tap (u, v) meets over all output positions."""
    first_row, first_column = u * shape.dilation[0], v * shape.dilation[1]
    (sh, sw), (oh, ow) = shape.stride, output
    return (
        ...,
        slice(first_row, first_row + (oh - 1) * sh + 1, sh),
        slice(first_column, first_column + (ow - 1) * sw + 1, sw),
    )
