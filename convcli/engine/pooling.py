"""Pooling: the largest or the mean value of every window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_batch, as_numbers, like_batch
from convcli.engine.hints import add_hint, pool_hint
from convcli.engine.integers import as_floats, check_sums, result_dtype
from convcli.engine.padding import clip_range
from convcli.engine.scratch import Scratch, split_range
from convcli.parallel import parallel_for

MAX_PART_BYTES = 1 << 20  # of one part's rows, once combined


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
        Padding is never the largest: it is -inf, or the smallest integer of the dtype.
    dilation : int or (int, int)
    ceil_mode : bool
        Round the output size up; the last window must start inside the input or the padding
        before it.

    Returns
    -------
    ndarray, (C, oh, ow) or (N, C, oh, ow)
        Of the dtype of `x`.

    Raises
    ------
    ShapeError
        Where no window fits.

    Examples
    --------
    >>> max_pool2d([[[1, 5, 2, 0], [3, 4, 9, 8]]], 2)
    array([[[5, 9]]])
    """
    with add_hint(pool_hint, x, kernel_size):
        array = as_numbers(x, "x")
        images = as_batch(array)
    window = make_pool_window(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    return like_batch(_pool(images, window, np.maximum, smallest_value(array.dtype)), array)


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
        Count padding in the divisor. Positions beyond the padded input, which windows reach with
        `ceil_mode`, never count.

    Returns
    -------
    ndarray, (C, oh, ow) or (N, C, oh, ow)
        float64 for a float64 `x`, else float32; float64 for integers too where a mean is beyond
        2^24. Integers are summed in float64. A window of padding alone gives 0.

    Raises
    ------
    ShapeError
        Where no window fits.
    ArgumentError
        For integers of which a sum may be beyond 2^53, to which float64 is exact.

    Examples
    --------
    >>> avg_pool2d(np.arange(1.0, 17).reshape(1, 4, 4), 3, stride=2, ceil_mode=True)
    array([[[ 6. ,  7.5],
            [12. , 13.5]]])
    """
    with add_hint(pool_hint, x, kernel_size):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
    window = make_pool_window(kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)
    axes = window.axes(images.shape[-2:])
    counts = window_divisors(axes, include_pad=count_include_pad).astype(images.dtype)
    check_sums(array, np.array([[float(window.kernel[0] * window.kernel[1])]]))
    means = _pool(images, window, np.add, 0, counts)
    return like_batch(means.astype(result_dtype(array, means), copy=False), array)


def make_pool_window(
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: PaddingLike,
    dilation: int | Sequence[int],
    *,
    ceil_mode: bool,
) -> Window:
    """Make the window of a pool: it steps by its own size where no stride is given."""
    return make_window(
        kernel_size,
        stride=kernel_size if stride is None else stride,
        padding=padding,
        dilation=dilation,
        ceil_mode=ceil_mode,
    )


def window_divisors(axes: tuple[Axis, Axis], *, include_pad: bool) -> Array:
    """The divisors of averages, at least 1: (oh, ow)."""
    rows, columns = (count_positions(axis, include_pad=include_pad) for axis in axes)
    divisors: Array = np.maximum(np.outer(rows, columns), 1)
    return divisors


def _pool(
    images: Array,
    window: Window,
    combine: np.ufunc,
    fill: float,
    divisors: Array | None = None,
) -> Array:
    """Combine the rows of every window, then their columns: kh + kw steps instead of kh·kw.

    Parameters
    ----------
    images : ndarray, (N, C, H, W)
    window : Window
    combine : ufunc
        Of two values.
    fill : float
        The value of padding.
    divisors : ndarray, (oh, ow), optional

    Returns
    -------
    ndarray, (N, C, oh, ow)
    """
    rows, columns = window.axes(images.shape[-2:])
    oh, ow = window.output(images.shape[-2:])
    pooled = np.empty((*images.shape[:2], oh, ow), images.dtype)

    def make_worker() -> Callable[[_Part], None]:
        scratch = Scratch()

        def work(part: _Part) -> None:
            image, planes, outputs = part
            source, target = images[image, planes], pooled[image, planes, outputs]
            combined = scratch("rows", (*target.shape[:2], columns.size), images.dtype)
            row_taps = _tap_positions(range(outputs.start, outputs.stop), rows)
            _combine_taps(source, row_taps, combine, fill, combined)
            column_taps = _tap_positions(range(ow), columns)
            _combine_taps(
                combined.swapaxes(1, 2), column_taps, combine, fill, target.swapaxes(1, 2)
            )
            if divisors is not None:
                target /= divisors[outputs]

        return work

    # Groups of planes, and large planes in groups of rows.
    row_bytes = columns.size * images.itemsize
    max_rows = min(max(MAX_PART_BYTES // row_bytes, 1), oh)
    groups = split_range(images.shape[1], MAX_PART_BYTES // (row_bytes * max_rows))
    parallel_for(
        make_worker, product(range(len(images)), groups, split_range(oh, max_rows)), is_short=True
    )
    return pooled


_Part: TypeAlias = tuple[int, slice, slice]  # an image, planes of it, rows of the output


def _combine_taps(
    source: Array, taps: list[range], combine: np.ufunc, fill: float, target: Array
) -> None:
    """Combine, for each row of the target, the rows of the source under its taps.

    Parameters
    ----------
    source : ndarray, (C, H, W)
    taps : list of range
        For each tap, the source's row for each row of the target; maybe outside of the source.
    combine, fill
        As in `_pool`.
    target : ndarray, (C, oh, W)
    """
    clipped = [clip_range(rows, source.shape[1]) for rows in taps]
    count = target.shape[1]
    # The first tap is the last to enter the source, the last tap the first to leave it.
    first = clipped[0][0].start
    stop = max(clipped[-1][0].stop, first)
    if first < stop:
        planes, outputs, further = source, target, 0
        if source.shape[1] == count * taps[0].step and _is_even(source) and _is_even(target):
            # All planes as one: what is wrong where two meet is an edge, which is computed next.
            planes, outputs = (array.reshape(-1, array.shape[2]) for array in (source, target))
            further = count * (len(target) - 1)
        inner = [range(r[first], r.start + (stop + further) * r.step, r.step) for r in taps]
        parts = [planes[..., rows.start : rows.stop : rows.step, :] for rows in inner]
        _combine(parts, combine, outputs[..., first : stop + further, :])
    for edge in (slice(0, first), slice(stop, count)):
        target[:, edge] = fill
        for (inside, _), rows in zip(clipped, taps, strict=True):
            start, end = max(inside.start, edge.start), min(inside.stop, edge.stop)
            if start < end:
                part, under = target[:, start:end], rows[start:end]
                combine(part, source[:, under.start : under.stop : under.step], out=part)


def _is_even(planes: Array) -> bool:
    """Whether the rows of all planes follow one another at equal distances in memory."""
    return bool(planes.strides[0] == planes.shape[1] * planes.strides[1])


def _combine(values: list[Array], combine: np.ufunc, target: Array) -> None:
    first, *rest = values
    if not rest:
        target[...] = first
        return
    combine(first, rest[0], out=target)
    for other in rest[1:]:
        combine(target, other, out=target)


def _tap_positions(outputs: range, axis: Axis) -> list[range]:
    """The input positions under each tap, for these outputs."""
    offsets = (tap * axis.dilation - axis.before for tap in range(axis.kernel))
    start, stop, step = outputs.start * axis.stride, outputs.stop * axis.stride, axis.stride
    return [range(start + offset, stop + offset, step) for offset in offsets]


def count_positions(axis: Axis, *, include_pad: bool) -> Array:
    """The number of positions in each window that an average counts along one axis: (outputs,)."""
    starts = np.arange(axis.output) * axis.stride - axis.before
    positions = starts[:, np.newaxis] + np.arange(axis.kernel) * axis.dilation
    counts: Array = is_counted(axis, positions, include_pad=include_pad).sum(axis=1)
    return counts


def is_counted(axis: Axis, positions: Array, *, include_pad: bool) -> Array:
    """Return for each position along an axis whether an average counts it."""
    first, end = (-axis.before, axis.size + axis.after) if include_pad else (0, axis.size)
    found: Array = (positions >= first) & (positions < end)
    return found


def smallest_value(dtype: np.dtype[Any]) -> float:
    """The smallest value of a dtype."""
    if dtype.kind == "f":
        return -np.inf
    return 0 if dtype.kind == "b" else int(np.iinfo(dtype).min)
