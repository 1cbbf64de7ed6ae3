"""Rounding: the one place where sums become integers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, starmap
from operator import ge
from typing import Any

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.scratch import Scratch, split_range
from convcli.errors import ArgumentError

# Of a row, copied together where they lie apart in memory: each takes a line of the cache.
MAX_APART_VALUES = 384
INT16 = np.dtype(np.int16)


def round_into(
    sums: Array,
    result: Array,
    bounds: tuple[float, float] | None = None,
    scratch: Scratch | None = None,
) -> None:
    """Write sums into a result of any dtype; the sums may be overwritten.

    They are rounded half to even and clamped, where the result holds integers.

    Parameters
    ----------
    sums, result : ndarray, (rows, columns, C), or of any one shape
        In memory, the axes of the sums may have any order; those of the result have this one.
    bounds : (float, float), optional
        The smallest and largest possible sum: spares the search for NaN, and clamping where the
        result holds both.
    scratch : Scratch, optional
        Memory that the caller keeps from one part of a result to the next.

    Raises
    ------
    ArgumentError
        For sums that are NaN, where the result holds integers.

    Examples
    --------
    >>> result = np.empty(4, np.uint8)
    >>> round_into(np.array([-3.0, 0.5, 1.5, 300.0]), result)
    >>> result
    array([  0,   0,   2, 255], dtype=uint8)
    """
    dtype = result.dtype
    if dtype.kind not in "iu":
        _copy(sums, result)
        return
    fits = bounds is not None and _is_within(bounds, dtype)
    if sums.dtype.kind != "f":
        _copy(sums, result, None if fits else clamp_limits(sums.dtype, dtype))
        return
    if bounds is None and np.isnan(sums.sum()) and np.isnan(sums).any():
        raise ArgumentError(f"a sum is NaN, which {dtype} cannot hold; give out_dtype=float")
    rounded, limits, overflow = dtype, None, None
    if not fits and dtype.itemsize == 1 and bounds is not None and _is_within(bounds, INT16):
        rounded, limits = INT16, clamp_limits(INT16, dtype)  # clamped faster than floats
    elif not fits:
        least, largest = clamp_limits(sums.dtype, dtype)
        if int(largest) < np.iinfo(dtype).max:  # no float equals the largest integer
            overflow = sums > largest
        np.clip(sums, least, largest, out=sums)
    is_direct = rounded == dtype and _is_ordered(sums)
    integers = result if is_direct else _empty_like(sums, rounded, scratch or Scratch())
    np.rint(sums, out=integers, casting="unsafe")
    if not is_direct:
        _copy(integers, result, limits)
    if overflow is not None:
        result[overflow] = np.iinfo(dtype).max


def _is_ordered(sums: Array) -> bool:
    """Whether the values of the last axis are the nearest to each other, and so on."""
    return all(starmap(ge, pairwise(sums.strides)))


def _empty_like(sums: Array, dtype: np.dtype[Any], scratch: Scratch) -> Array:
    """Return scratch memory of a type, with the axes in the order that they have in the sums."""
    if _is_ordered(sums):
        return scratch("rounded", sums.shape, dtype)
    order = sorted(range(sums.ndim), key=lambda axis: -sums.strides[axis])
    memory = scratch("rounded", [sums.shape[axis] for axis in order], dtype)
    return memory.transpose(np.argsort(order))


def _copy(values: Array, target: Array, limits: tuple[Any, Any] | None = None) -> None:
    """Copy values into a target of any type, clamped to limits if there are any."""
    for part, place in _parts(values, target):
        if limits is None:
            np.copyto(place, part, casting="unsafe")
        else:
            np.clip(part, *limits, out=place, casting="unsafe")


def _parts(values: Array, target: Array) -> Iterator[tuple[Array, Array]]:
    """Cut values and their target into parts that are copied fast: long runs, or few lines."""
    if values.ndim != 3 or values.strides[0] >= max(values.strides[1:]):
        yield values, target
    elif values.strides[2] > values.strides[1]:  # channels that are planes in memory
        yield from zip(np.moveaxis(values, 2, 0), np.moveaxis(target, 2, 0), strict=True)
    else:
        for columns in split_range(values.shape[1], MAX_APART_VALUES // values.shape[2]):
            yield values[:, columns], target[:, columns]


def _is_within(bounds: tuple[float, float], dtype: np.dtype[Any]) -> bool:
    """Whether everything between the bounds, once rounded, fits a dtype by some margin."""
    limits = np.iinfo(dtype)
    return limits.min - 0.25 < bounds[0] and bounds[1] < limits.max + 0.25 and limits.bits < 32


@cache
def clamp_limits(sums: np.dtype[Any], result: np.dtype[Any]) -> tuple[Any, Any]:
    """The smallest and largest value of an integer dtype, in the dtype of the sums.

    >>> clamp_limits(np.dtype(np.int16), np.dtype(np.uint8))
    (np.int16(0), np.int16(255))
    """
    limits = np.iinfo(result)
    if sums.kind in "iu":
        own = np.iinfo(sums)
        return sums.type(max(limits.min, own.min)), sums.type(min(limits.max, own.max))
    largest = sums.type(limits.max)
    if int(largest) > limits.max:  # the limits of many bits lie between two floats
        largest = np.nextafter(largest, sums.type(0))
    return sums.type(limits.min), largest
