"""The gradients of pools: to the largest value of every window, or spread over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_batch, as_numbers, like_batch
from convcli.engine.gradients import as_gradient
from convcli.engine.hints import add_hint, pool_hint
from convcli.engine.im2col import tap_index
from convcli.engine.integers import as_floats, result_dtype
from convcli.engine.pooling import make_pool_window, smallest_value, window_divisors


def max_pool2d_backward(
    grad: ArrayLike,
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Array:
    """Return the gradient of `max_pool2d` for the gradient of its output.

    Parameters
    ----------
    grad : array_like, (C, oh, ow) or (N, C, oh, ow)
    x : array_like, (C, H, W) or (N, C, H, W)
    kernel_size, stride, padding, dilation, ceil_mode
        As in `max_pool2d`.

    Returns
    -------
    ndarray
        Of the shape of `x`. The gradient of an output goes to the largest value of its window, to
        the first of several (row by row), and to the last NaN, as in PyTorch; to none where the
        window lies in padding alone.

    Raises
    ------
    ShapeError
        For shapes that do not match, and where no window fits.

    Examples
    --------
    >>> max_pool2d_backward([[[1.0, 2.0]]], [[[1, 5, 9, 9], [3, 4, 0, 8]]], 2)
    array([[[0., 1., 2., 0.],
            [0., 0., 0., 0.]]], dtype=float32)
    """
    array, images = _as_images(x, kernel_size)
    window = make_pool_window(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    grads = _as_grads(grad, images, window)
    rows, columns = window.axes(images.shape[2:])
    reaches = _reach(rows), _reach(columns)
    padded = np.full((*images.shape[:2], *reaches), smallest_value(images.dtype), images.dtype)
    inside = (
        slice(rows.before, rows.before + rows.size),
        slice(columns.before, columns.before + columns.size),
    )
    padded[:, :, inside[0], inside[1]] = images
    chosen = _choose_largest(padded, window, (rows, columns))
    dpadded = np.zeros(padded.shape, grads.dtype)
    for tap, (u, v) in enumerate(product(*map(range, window.kernel))):
        dpadded[tap_index(u, v, window, grads.shape[2:])] += np.where(chosen == tap, grads, 0)
    dx = dpadded[:, :, inside[0], inside[1]]
    return like_batch(dx.astype(result_dtype(array, dx), copy=False), array)


def avg_pool2d_backward(
    grad: ArrayLike,
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] | None = None,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Return the gradient of `avg_pool2d` for the gradient of its output.

    Parameters
    ----------
    grad : array_like, (C, oh, ow) or (N, C, oh, ow)
    x : array_like, (C, H, W) or (N, C, H, W)
        Its values have no influence.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad
        As in `avg_pool2d`.

    Returns
    -------
    ndarray
        Of the shape of `x`: every position of a window has an equal share of its gradient.

    Raises
    ------
    ShapeError
        For shapes that do not match, and where no window fits.

    Examples
    --------
    >>> avg_pool2d_backward([[[2.0, 4.0]]], [[[1, 5, 9]]], (1, 2), stride=1)
    array([[[1., 3., 2.]]], dtype=float32)
    """
    array, images = _as_images(x, kernel_size)
    window = make_pool_window(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    grads = _as_grads(grad, images, window)
    rows, columns = window.axes(images.shape[2:])
    divisors = window_divisors((rows, columns), include_pad=count_include_pad)
    shares = grads / divisors.astype(grads.dtype)
    spread = _spread(_spread(shares, columns).swapaxes(2, 3), rows).swapaxes(2, 3)
    return like_batch(spread.astype(result_dtype(array, spread), copy=False), array)


def _as_images(x: ArrayLike, kernel_size: int | Sequence[int]) -> tuple[Array, Array]:
    """Return the input as an array, and that as (N, C, H, W)."""
    with add_hint(pool_hint, x, kernel_size):
        array = as_numbers(x, "x")
        return array, as_batch(array)


def _as_grads(grad: ArrayLike, images: Array, window: Window) -> Array:
    """Return the gradient of a pool's output, (N, C, oh, ow), in the type of its sums."""
    height, width = images.shape[2:]
    grads = as_gradient(grad, (*images.shape[:2], *window.output((height, width))))
    return grads.astype(as_floats(images[:0]).dtype, copy=False)


def _choose_largest(padded: Array, window: Window, axes: tuple[Axis, Axis]) -> Array:
    """Return the tap, counted row by row, under which each window has its largest value.

    Parameters
    ----------
    padded : ndarray, (N, C, ...)
        As far as windows reach; padding is the smallest value of the type.
    window : Window
    axes : (Axis, Axis)

    Returns
    -------
    ndarray of int, (N, C, oh, ow)
    """
    output = axes[0].output, axes[1].output
    first_rows, first_columns = map(_first_inside, axes)  # so padding is never the first largest
    chosen = np.empty((*padded.shape[:2], *output), np.intp)
    chosen[...] = first_rows[:, np.newaxis] * window.kernel[1] + first_columns
    largest = np.full(chosen.shape, smallest_value(padded.dtype), padded.dtype)
    for tap, (u, v) in enumerate(product(*map(range, window.kernel))):
        values = padded[tap_index(u, v, window, output)]
        is_larger = values > largest
        if padded.dtype.kind == "f":
            is_larger |= np.isnan(values)
        np.copyto(largest, values, where=is_larger)
        np.copyto(chosen, tap, where=is_larger)
    return chosen


def _first_inside(axis: Axis) -> Array:
    """The first tap of each window that lies inside the input or after it: (outputs,)."""
    starts = np.arange(axis.output) * axis.stride - axis.before
    taps: Array = np.clip(-(starts // axis.dilation), 0, axis.kernel - 1)
    return taps


def _reach(axis: Axis) -> int:
    """The positions up to the end of the input or of the last window, padding before included."""
    last = (axis.output - 1) * axis.stride + axis.effective_kernel
    return max(last, axis.before + axis.size)


def _spread(shares: Array, axis: Axis) -> Array:
    """Add what windows have along the last axis to the positions under them: (..., size)."""
    padded = np.zeros((*shares.shape[:-1], _reach(axis)), shares.dtype)
    span = (axis.output - 1) * axis.stride + 1
    for tap in range(axis.kernel):
        first = tap * axis.dilation
        padded[..., first : first + span : axis.stride] += shares
    return padded[..., axis.before : axis.before + axis.size]
