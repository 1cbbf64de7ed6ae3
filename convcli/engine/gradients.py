"""The gradients of a convolution, and the transposed convolution: matrix products and col2im."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, Pair, as_number
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_real, like_batch
from convcli.engine.im2col import as_columns, empty_target, overlap_add
from convcli.engine.padding import pad2d
from convcli.engine.scratch import MAX_COLUMNS_BYTES, input_span, split_plane, split_range
from convcli.errors import ShapeError


def conv2d_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv2d`, with zero padding, for the gradient of its output.

    Parameters
    ----------
    grad : array_like, (C_out, oh, ow) or (N, C_out, oh, ow)
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_out, C_in / groups, kh, kw)
    stride, padding, dilation, groups
        As in `conv2d`.

    Returns
    -------
    dx, dweight, dbias : ndarray
        With the shapes of `x`, `weight` and `(C_out,)`. With `y = W @ columns(x)` they are
        `col2im(Wᵀ @ grad)`, `grad @ columnsᵀ` and the sum of `grad`.

    Raises
    ------
    ShapeError
        For shapes that do not match.

    Examples
    --------
    >>> dx, dweight, dbias = conv2d_backward([[[1.0, 1.0]]], [[[1.0, 2.0, 3.0]]], [[[[5.0, 7.0]]]])
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[[5.0, 12.0, 7.0]]], [[[[3.0, 5.0]]]], [2.0])
    """
    array = as_real(x, "x")
    images = as_batch(array)
    n, c_in, height, width = images.shape
    filters = as_filters(weight, c_in, groups).astype(images.dtype, copy=False)
    window = make_window(filters.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    output = window.output((height, width))
    grads = as_batch(as_real(grad, "grad"), "grad").astype(images.dtype, copy=False)
    if grads.shape != (n, len(filters), *output):
        raise ShapeError(f"grad must have the shape {(n, len(filters), *output)}")
    sides = window.pads((height, width))
    padded = pad2d(images, sides)  # (N, C_in, H + p, W + p)
    weights = filters.reshape(groups, len(filters) // groups, -1)  # (G, C_out/G, C_in/G·kh·kw)
    dpadded, dweights = np.zeros_like(padded), np.zeros_like(weights)
    for image, rows, columns, inputs in _tiles(padded, window, output):
        tile = grads[image, :, rows, columns]  # (C_out, rows, columns)
        flat = tile.reshape(*weights.shape[:2], -1)  # (G, C_out/G, L)
        matrix = as_columns(padded[inputs], window)  # (1, C_in·kh·kw, L)
        dweights += flat @ matrix.reshape(groups, -1, flat.shape[2]).swapaxes(1, 2)
        windows = weights.swapaxes(1, 2) @ flat  # (G, C_in/G·kh·kw, L)
        windows = windows.reshape(1, c_in, *window.kernel, *tile.shape[1:])
        overlap_add(dpadded[inputs], windows, window)
    (top, _), (left, _) = sides
    dx = dpadded[:, :, top : top + height, left : left + width]
    return like_batch(dx, array), dweights.reshape(filters.shape), grads.sum(axis=(0, 2, 3))


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
        `oh = (H - 1)·s - p_top - p_bottom + d(kh - 1) + output_padding + 1`.

    Raises
    ------
    ShapeError, ArgumentError
        As in `conv2d`.

    Examples
    --------
    >>> conv_transpose2d([[[1.0, 2.0]]], [[[[1.0, 1.0, 1.0]]]], stride=(1, 2))
    array([[[1., 1., 3., 2., 2.]]])
    """
    array = as_real(x, "x")
    images = as_batch(array)
    c_in = images.shape[1]
    count = as_number(groups, "groups", least=1)
    weights = as_real(weight, "weight").astype(images.dtype, copy=False)
    if weights.ndim != 4 or 0 in weights.shape or len(weights) != c_in or c_in % count:
        raise ShapeError(
            f"weight must be (C_in, C_out / groups, kh, kw), with the {c_in} channels of the input "
            f"in {count} groups, not {weights.shape}"
        )
    c_out = count * weights.shape[1]
    window = make_window(
        weights.shape[-2:], stride=stride, padding=padding, dilation=dilation, transposed=True,
        output_padding=output_padding,
    )  # fmt: skip
    maps = _conv_transpose(images, weights.reshape(count, c_in // count, -1), window)
    if bias is not None:
        maps += as_bias(bias, c_out).astype(maps.dtype)[:, np.newaxis, np.newaxis]
    return like_batch(maps, array)


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


def _tiles(
    padded: Array, window: Window, output: Pair
) -> Iterator[tuple[int, slice, slice, tuple[slice, ...]]]:
    """Split the output into tiles with small columns matrices.

    Yields the image, the output's rows and columns, and the index of their inputs in `padded`.
    """
    height, width = map(effective_kernel, window.kernel, window.dilation)
    column_bytes = padded.shape[1] * window.kernel[0] * window.kernel[1] * padded.itemsize
    for n in range(len(padded)):
        for rows, columns in split_plane(*output, MAX_COLUMNS_BYTES // column_bytes):
            input_rows = input_span(rows, window.stride[0], height)
            input_columns = input_span(columns, window.stride[1], width)
            yield n, rows, columns, (slice(n, n + 1), slice(None), input_rows, input_columns)
