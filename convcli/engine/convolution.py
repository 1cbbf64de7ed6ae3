"""conv2d: pad, columns, matmul, reshape.

Correlation, as every CNN framework has it: the kernel is not turned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.arguments import PaddingLike, Pair
from convcli.arithmetic.sizes import Window, effective_kernel, window
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_real, like_batch
from convcli.engine.columns import as_columns
from convcli.engine.naive import conv2d_naive
from convcli.engine.padding import pad2d
from convcli.engine.tiles import COLUMNS_BYTES, needed, tiles
from convcli.errors import ArgumentError

METHODS = ("auto", "im2col", "naive")


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zero",
    method: str = "auto",
) -> Array:
    """Convolve images with a layer's weights.

    Parameters
    ----------
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_out, C_in / groups, kh, kw)
    bias : array_like, (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "valid", "same", "same-lower" or "full"
    groups : int
        Channels are split into so many groups, each with filters of its own.
    padding_mode : {"zero", "reflect", "replicate", "circular", "symmetric"}
    method : {"auto", "im2col", "naive"}
        `auto` is `im2col`; `naive` is `conv2d_naive`.

    Returns
    -------
    ndarray, (C_out, oh, ow) or (N, C_out, oh, ow)
        float64 for a float64 `x`, float32 for any other.

    Raises
    ------
    ShapeError
        For shapes that do not fit each other, and where the output would be empty.
    ArgumentError
        For settings that no convolution has.

    Examples
    --------
    >>> conv2d([[[1, 2, 4]]], [[[[1, -1]]]])
    array([[[-1., -2.]]], dtype=float32)
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    if method == "naive":
        return conv2d_naive(
            x,
            weight,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=padding_mode,
        )
    array = as_real(x, "x")
    images = as_batch(array)
    filters = as_filters(weight, images.shape[1], groups).astype(images.dtype, copy=False)
    shape = window(filters.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    maps = convolve(images, filters, shape, groups, padding_mode)
    if bias is not None:
        maps += as_bias(bias, len(filters)).astype(maps.dtype)[:, np.newaxis, np.newaxis]
    return like_batch(maps, array)


def convolve(images: Array, filters: Array, shape: Window, groups: int, mode: str) -> Array:
    """Pad, columns, matmul, reshape: (N, C_in, H, W) -> (N, C_out, oh, ow)."""
    size = images.shape[-2:]
    oh, ow = shape.output(size)
    padded = pad2d(images, shape.sides(size), mode)  # (N, C_in, H + p, W + p)
    weights = filters.reshape(groups, len(filters) // groups, -1)  # (G, C_out/G, C_in/G·kh·kw)
    maps = np.empty((len(images), len(filters), oh, ow), images.dtype)
    for n, rows, columns, seen in positions(padded, shape, (oh, ow)):
        laid = as_columns(padded[seen], shape)[0]  # (C_in·kh·kw, L)
        product = weights @ laid.reshape(groups, -1, laid.shape[1])  # (G, C_out/G, L)
        maps[n, :, rows, columns] = product.reshape(maps[n, :, rows, columns].shape)
    return maps


def positions(
    padded: Array, shape: Window, output: Pair
) -> Iterator[tuple[int, slice, slice, tuple[slice, ...]]]:
    """Cut the output into tiles whose columns stay small.

    Yields the image, the output's rows and columns, and the index of what they see in `padded`.
    """
    height, width = map(effective_kernel, shape.kernel, shape.dilation)
    one_column = padded.shape[1] * shape.kernel[0] * shape.kernel[1] * padded.itemsize  # bytes
    for n in range(len(padded)):
        for rows, columns in tiles(*output, COLUMNS_BYTES // one_column):
            seen_rows = needed(rows, shape.stride[0], height)
            seen_columns = needed(columns, shape.stride[1], width)
            yield n, rows, columns, (slice(n, n + 1), slice(None), seen_rows, seen_columns)
