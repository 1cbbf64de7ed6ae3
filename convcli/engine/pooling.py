"""Pools: the largest or the mean value of every window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Axis, Window, window
from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_batch, as_numbers, as_real, like_batch
from convcli.engine.padding import clip_range
from convcli.engine.scratch import Scratch, split_range
from convcli.parallel import parallel_for

_PART_BYTES = 1 << 20  # what the rows of one part may take once they are combined


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
    largest = _pooled(images, shape, np.maximum, lowest)
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
    rows, columns = (_counts(axis, count_include_pad) for axis in shape.axes(images.shape[-2:]))
    counts = np.maximum(np.outer(rows, columns), 1).astype(images.dtype)
    return like_batch(_pooled(images, shape, np.add, 0, counts), array)


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


def _pooled(
    images: Array,
    shape: Window,
    combine: np.ufunc,
    beyond: float,
    divisors: Array | None = None,
) -> Array:
    """Combine the rows of every window, then what is left of its columns: kh + kw instead of kh·kw.

    Parameters
    ----------
    images : ndarray, (N, C, H, W)
    shape : Window
    combine : ufunc
        Of two values.
    beyond : float
        What stands beyond the border.
    divisors : ndarray, (oh, ow), optional

    Returns
    -------
    ndarray, (N, C, oh, ow)
    """
    rows, columns = shape.axes(images.shape[-2:])
    oh, ow = shape.output(images.shape[-2:])
    pooled = np.empty((*images.shape[:2], oh, ow), images.dtype)

    def hire() -> Callable[[_Part], None]:
        scratch = Scratch()

        def work(part: _Part) -> None:
            image, planes, outputs = part
            source, target = images[image, planes], pooled[image, planes, outputs]
            narrowed = scratch("rows", (*target.shape[:2], columns.size), images.dtype)
            asked = range(outputs.start, outputs.stop)
            _combine_rows(source, _taken(asked, rows), combine, beyond, narrowed)
            sideways = _taken(range(ow), columns), combine, beyond, target.swapaxes(1, 2)
            _combine_rows(narrowed.swapaxes(1, 2), *sideways)
            if divisors is not None:
                target /= divisors[outputs]

        return work

    parallel_for(hire, _parts(pooled.shape, columns.size * images.itemsize))
    return pooled


_Part: TypeAlias = tuple[int, slice, slice]  # an image, planes of it, rows of the output


def _parts(output: tuple[int, ...], row_bytes: int) -> list[_Part]:
    """Cut the output into groups of planes, and planes that are large into rows."""
    images, planes, oh, _ = output
    rows = min(max(_PART_BYTES // row_bytes, 1), oh)
    groups = split_range(planes, _PART_BYTES // (row_bytes * rows))
    return list(product(range(images), groups, split_range(oh, rows)))


def _combine_rows(
    source: Array, taken: list[range], combine: np.ufunc, beyond: float, target: Array
) -> None:
    """Combine, for each row of the target, the rows of the source that its taps take."""
    found = [clip_range(rows, source.shape[1]) for rows in taken]
    count = target.shape[1]
    # The first tap is the last to come inside, the last one the first to leave.
    first = found[0][0].start
    stop = max(found[-1][0].stop, first)
    if first < stop:
        inner = [rows[first:stop] for rows in taken]
        if source.shape[1] == count * taken[0].step and _stacked(source) and _stacked(target):
            # All planes as one: what comes out wrong at the seams is an edge, and comes next.
            further = count * (len(target) - 1)
            inner = [range(one.start, one.stop + further * one.step, one.step) for one in inner]
            _combine(
                [source.reshape(-1, source.shape[2])[_slice(one)] for one in inner],
                combine,
                target.reshape(-1, target.shape[2])[first : further + stop],
            )
        else:
            _combine([source[:, _slice(one)] for one in inner], combine, target[:, first:stop])
    for edge in (slice(0, first), slice(stop, count)):
        target[:, edge] = beyond
        for (inside, _), rows in zip(found, taken, strict=True):
            start, end = max(inside.start, edge.start), min(inside.stop, edge.stop)
            if start < end:
                part = target[:, start:end]
                combine(part, source[:, _slice(rows[start:end])], out=part)


def _stacked(planes: Array) -> bool:
    """Whether the rows of all planes follow one another evenly."""
    return bool(planes.strides[0] == planes.shape[1] * planes.strides[1])


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop, positions.step)


def _combine(values: list[Array], combine: np.ufunc, target: Array) -> None:
    first, *rest = values
    if not rest:
        target[...] = first
        return
    combine(first, rest[0], out=target)
    for others in rest[1:]:
        combine(target, others, out=target)


def _taken(outputs: range, axis: Axis) -> list[range]:
    """The input's positions that each tap meets, for these outputs."""
    shifts = (tap * axis.dilation - axis.before for tap in range(axis.kernel))
    step = axis.stride
    return [range(outputs.start * step + by, outputs.stop * step + by, step) for by in shifts]


def _counts(axis: Axis, count_include_pad: bool) -> Array:
    """How many positions of each window count along one axis: (outputs,)."""
    starts = np.arange(axis.output) * axis.stride - axis.before
    positions = starts[:, np.newaxis] + np.arange(axis.kernel) * axis.dilation
    first, end = 0, axis.size
    if count_include_pad:
        first, end = -axis.before, axis.size + axis.after
    counted: Array = ((positions >= first) & (positions < end)).sum(axis=1)
    return counted


def _lowest(array: Array) -> int:
    return 0 if array.dtype.kind == "b" else int(np.iinfo(array.dtype).min)
