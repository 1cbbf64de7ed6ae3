"""The transposed convolution: a matrix product and col2im."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, as_number
from convcli.engine.arrays import Array, as_batch, as_bias, as_numbers, like_batch
from convcli.engine.hints import add_hint, transposed_hint
from convcli.engine.im2col import empty_target, overlap_add
from convcli.engine.integers import as_floats, check_sums, result_dtype
from convcli.engine.scratch import MAX_COLUMNS_BYTES, input_span, split_range
from convcli.errors import ShapeError


def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Array:
    """Transposed convolution: every input value adds the kernel, times itself, to the output.

    Parameters
    ----------
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_in, C_out / groups, kh, kw)
        As for the convolution whose transpose this is.
    bias : array_like, (C_out,), optional
    stride, padding, dilation, groups
        Of that convolution: the stride spreads the input out, the padding crops the output.
        "same" gives an output of `size * stride`.
    output_padding : int or (int, int)
        Rows and columns added at the bottom and on the right: fewer than stride or dilation.

    Returns
    -------
    ndarray, (C_out, oh, ow) or (N, C_out, oh, ow)
        `oh = (H - 1)·s - p_top - p_bottom + d(kh - 1) + output_padding + 1`. Its type is that of
        `conv2d`.

    Raises
    ------
    ShapeError, ArgumentError
        As in `conv2d`.

    Examples
    --------
    >>> conv_transpose2d([[[1.0, 2.0]]], [[[[1.0, 1.0, 1.0]]]], stride=(1, 2))
    array([[[1., 1., 3., 2., 2.]]])
    """
    with add_hint(transposed_hint, x, weight):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
        c_in = images.shape[1]
        filters = as_transposed_filters(weight, c_in, groups)
    weights = filters.astype(images.dtype, copy=False)
    c_out = groups * weights.shape[1]
    window = make_window(
        weights.shape[-2:], stride=stride, padding=padding, dilation=dilation, transposed=True,
        output_padding=output_padding,
    )  # fmt: skip
    offsets = None if bias is None else as_bias(bias, c_out)
    if array.dtype.kind in "iu":
        check_sums(array, swap_channels(filters, groups), offsets)
    maps = _conv_transpose(images, weights.reshape(groups, c_in // groups, -1), window)
    if offsets is not None:
        maps += offsets.astype(maps.dtype)[:, np.newaxis, np.newaxis]
    return like_batch(maps.astype(result_dtype(array, maps), copy=False), array)


def as_transposed_filters(weight: ArrayLike, c_in: int, groups: int) -> Array:
    """Return the weights of a transposed convolution, (C_in, C_out / groups, kh, kw), checked.

    Raises
    ------
    ShapeError
        For weights that do not fit the input's channels in these groups.
    """
    count = as_number(groups, "groups", least=1)
    filters = as_numbers(weight, "weight")
    if filters.ndim != 4 or 0 in filters.shape or len(filters) != c_in or c_in % count:
        raise ShapeError(
            f"weight must be (C_in, C_out / groups, kh, kw), with the {c_in} channels of the input "
            f"in {count} groups, not {filters.shape}"
        )
    return filters


def swap_channels(filters: Array, groups: int) -> Array:
    """View (C_in, C_out / groups, kh, kw) as (C_out, C_in / groups, kh, kw), and the other way.

    >>> swap_channels(np.zeros((4, 3, 1, 1)), 2).shape
    (6, 2, 1, 1)
    """
    count, depth, *taps = filters.shape
    grouped = filters.reshape(groups, count // groups, depth, *taps).swapaxes(1, 2)
    return grouped.reshape(groups * depth, count // groups, *taps)


def _conv_transpose(images: Array, weights: Array, window: Window) -> Array:
    """Multiply, then col2im, band by band: (N, C_in, H, W) -> (N, C_out, oh, ow).

    `weights` are (G, C_in/G, C_out/G·kh·kw).
    """
    n, _, height, width = images.shape
    taps = window.kernel[0] * window.kernel[1]
    c_out = len(weights) * weights.shape[2] // taps
    oh, ow = window.output((height, width))
    (top, _), (left, _) = window.pads((height, width))
    padded = empty_target((n, c_out), window, (height, width), (top + oh, left + ow), images.dtype)
    extent = effective_kernel(window.kernel[0], window.dilation[0])
    row_bytes = max(n, 1) * c_out * taps * width * images.itemsize  # of the columns of one row
    for rows in split_range(height, MAX_COLUMNS_BYTES // row_bytes):
        band = images[:, :, rows]
        length = band.shape[2] * band.shape[3]
        grouped = band.reshape(n, *weights.shape[:2], length)  # (N, G, C_in/G, L)
        windows = weights.swapaxes(-1, -2) @ grouped  # (N, G, C_out/G·kh·kw, L)
        windows = windows.reshape(n, c_out, *window.kernel, *band.shape[2:])
        overlap_add(padded[:, :, input_span(rows, window.stride[0], extent)], windows, window)
    return padded[:, :, top : top + oh, left : left + ow]
