"""Pools: the largest or the mean value of every window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.arguments import PaddingLike, Pair, Sides
from convcli.arithmetic.sizes import Axis, Window, window
from convcli.engine.arrays import Array, as_batch, as_numbers, as_real, like_batch
from convcli.engine.columns import tap


def max_pool2d(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Array:
    """The largest value of every window.

    Parameters
    ----------
    x : array_like, (C, H, W) or (N, C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        The kernel size where left out.
    padding : int, (ph, pw), ((top, bottom), (left, right)) or a name
        Padding never wins: it is -inf (for integers, the least that their type holds).
    dilation : int or (int, int)
    ceil_mode : bool
        Round the output size up; the last window must start inside the input or the padding
        before it.

    Returns
    -------
    ndarray, (C, oh, ow) or (N, C, oh, ow)
        Of the type of `x`.

    Raises
    ------
    ShapeError
        Where no window fits.

    Examples
    --------
    >>> max_pool2d([[[1, 5, 2, 0], [3, 4, 9, 8]]], 2)
    array([[[5, 9]]])
    """
    array = as_numbers(x, "x")
    images = as_batch(array)
    shape = _pool_window(kernel_size, stride, padding, dilation, ceil_mode)
    lowest = -np.inf if array.dtype.kind == "f" else _lowest(array)
    padded, output = _padded(images, shape, lowest)
    taps = (padded[tap(u, v, shape, output)] for u, v in _taps(shape))
    largest = next(taps).copy()
    for values in taps:
        np.maximum(largest, values, out=largest)
    return like_batch(largest, array)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """The mean of every window.

    Parameters
    ----------
    x, kernel_size, stride, padding, dilation, ceil_mode
        As in `max_pool2d`; padding is zero.
    count_include_pad : bool
        Whether the divisor counts padding. What lies beyond the padded input, where `ceil_mode`
        lets a window reach, never counts.

    Returns
    -------
    ndarray, (C, oh, ow) or (N, C, oh, ow)
        float64 for a float64 `x`, float32 for any other. A window of padding alone gives 0.

    Raises
    ------
    ShapeError
        Where no window fits.

    Examples
    --------
    >>> avg_pool2d(np.arange(1.0, 17).reshape(1, 4, 4), 3, stride=2, ceil_mode=True)
    array([[[ 6. ,  7.5],
            [12. , 13.5]]])
    """
    array = as_real(x, "x")
    images = as_batch(array)
    shape = _pool_window(kernel_size, stride, padding, dilation, ceil_mode)
    padded, output = _padded(images, shape, 0)
    taps = (padded[tap(u, v, shape, output)] for u, v in _taps(shape))
    total = next(taps).copy()
    for values in taps:
        total += values
    rows, columns = (_counts(axis, count_include_pad) for axis in shape.axes(images.shape[-2:]))
    return like_batch(total / np.maximum(np.outer(rows, columns), 1).astype(total.dtype), array)


def _pool_window(
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: PaddingLike,
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> Window:
    return window(
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def _padded(images: Array, shape: Window, value: float) -> tuple[Array, Pair]:
    """Pad with `value` as far as the last windows reach; also the output's size."""
    size = images.shape[-2:]
    output = shape.output(size)
    sides: Sides = tuple(  # type: ignore[assignment]  # two axes, two pairs
        (axis.before, max(axis.after, _reach(axis) - axis.before - axis.size))
        for axis in shape.axes(size)
    )
    return np.pad(images, ((0, 0), (0, 0), *sides), constant_values=value), output


def _reach(axis: Axis) -> int:
    """Where the last window ends, counted from the start of the padded input."""
    return (axis.output - 1) * axis.stride + axis.effective_kernel


def _counts(axis: Axis, count_include_pad: bool) -> Array:
    """How many positions of each window count along one axis: (outputs,)."""
    starts = np.arange(axis.output) * axis.stride - axis.before
    positions = starts[:, np.newaxis] + np.arange(axis.kernel) * axis.dilation
    first, end = 0, axis.size
    if count_include_pad:
        first, end = -axis.before, axis.size + axis.after
    counted: Array = ((positions >= first) & (positions < end)).sum(axis=1)
    return counted


def _taps(shape: Window) -> product[Pair]:
    return product(range(shape.kernel[0]), range(shape.kernel[1]))


def _lowest(array: Array) -> int:
    return 0 if array.dtype.kind == "b" else int(np.iinfo(array.dtype).min)
