"""Convolution by nested loops: the ground truth for every other method.

Slow on purpose. It pads by computing the source of each position, so it shares neither padding nor
im2col with `conv2d`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, as_padding_mode, padding_value
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_numbers, like_batch
from convcli.engine.hints import add_hint, conv_hint
from convcli.engine.integers import as_floats, check_sums, result_dtype


def conv2d_naive(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zero",
) -> Array:
    """Convolve with loops alone; the result is that of `conv2d`.

    Parameters, shapes and errors are those of `conv2d`. Sums are kept in double precision.

    Examples
    --------
    >>> conv2d_naive([[[1, 2, 4]]], [[[[1, -1]]]])
    array([[[-1., -2.]]], dtype=float32)
    """
    with add_hint(conv_hint, x, weight, groups=groups):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
        n, c_in, height, width = images.shape
        filters = as_filters(weight, c_in, groups)
        c_out, depth, kh, kw = filters.shape
        window = make_window((kh, kw), stride=stride, padding=padding, dilation=dilation)
        (sh, sw), (dh, dw) = window.stride, window.dilation
        oh, ow = window.output((height, width))
    (top, _), (left, _) = window.pads((height, width))
    biases = np.zeros(c_out) if bias is None else as_bias(bias, c_out)
    check_sums(array, filters, biases)

    constant = padding_value(as_padding_mode(padding_mode)) or 0.0
    values, weights = images.tolist(), filters.tolist()
    maps = np.empty((n, c_out, oh, ow), images.dtype)
    for image, o, i, j in product(range(n), range(c_out), range(oh), range(ow)):
        first_channel = o // (c_out // groups) * depth
        rows = [source_index(i * sh + u * dh - top, height, padding_mode) for u in range(kh)]
        columns = [source_index(j * sw + v * dw - left, width, padding_mode) for v in range(kw)]
        total = float(biases[o])
        for (u, row), (v, column), c in product(enumerate(rows), enumerate(columns), range(depth)):
            is_inside = row is not None and column is not None
            value = values[image][first_channel + c][row][column] if is_inside else constant
            total += weights[o][c][u][v] * value
        maps[image, o, i, j] = total
    return like_batch(maps.astype(result_dtype(array, maps), copy=False), array)


def source_index(position: int, size: int, mode: str) -> int | None:
    """Return the input index whose value a padded position has; None for a constant.

    >>> [source_index(position, 3, "reflect") for position in range(-2, 5)]
    [2, 1, 0, 1, 2, 1, 0]
    """
    mode = as_padding_mode(mode)
    if padding_value(mode) is not None:
        return position if 0 <= position < size else None
    if mode == "replicate":
        return min(max(position, 0), size - 1)
    if mode == "circular":
        return position % size
    if mode == "symmetric":
        index = position % (2 * size)
        return min(index, 2 * size - 1 - index)
    period = max(2 * size - 2, 1)  # of a reflection
    index = position % period
    return min(index, period - index)
