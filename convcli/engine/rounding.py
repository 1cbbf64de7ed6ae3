"""Sums -> the type of a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import ArgumentError


def sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that sums are kept in: float32 for its own values and for 8 bits, else float64.

    Of 24 bits, 8 are the value's and 16 are left for the fractions of a sum.
    """
    fits = dtype.itemsize == 1 or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype(np.float32 if fits else np.float64)


def as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Turn sums into the type of the result: integers rounded half to even, and clamped.

    Raises
    ------
    ArgumentError
        For sums that are NaN, which no integer is.

    Examples
    --------
    >>> as_type(np.array([-3.0, 0.5, 1.5, 300.0]), np.dtype(np.uint8))
    array([  0,   0,   2, 255], dtype=uint8)
    """
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    result = np.empty(values.shape, dtype)
    round_into(values.copy(), result)
    return result


def round_into(sums: Array, result: Array, bounds: tuple[float, float] | None = None) -> None:
    """Write sums into a result of any type, as `as_type`; the sums may be overwritten.

    Parameters
    ----------
    sums, result : ndarray
        Of one shape.
    bounds : (float, float), optional
        What the sums are sure to lie between: spares looking for NaN, and clamping where they fit.
    """
    kind = result.dtype
    if kind.kind not in "iu":
        result[...] = sums
        return
    is_float = sums.dtype.kind == "f"
    if is_float and bounds is None and np.isnan(sums.sum()) and np.isnan(sums).any():
        raise ArgumentError(f"a sum is NaN, which {kind} cannot hold; give out_dtype=float")
    limits = None if bounds is not None and _fits(bounds, kind) else clamps(sums.dtype, kind)
    beyond = None
    if is_float:
        if limits is not None:  # in place: on the way to another type it takes twice as long
            if int(limits[1]) < np.iinfo(kind).max:  # which no float is
                beyond = sums > limits[1]
            np.clip(sums, *limits, out=sums)
            limits = None
        np.rint(sums, out=sums)
    for part, target in _parts(sums, result):
        if limits is None:
            np.copyto(target, part, casting="unsafe")
        else:
            np.clip(part, *limits, out=target, casting="unsafe")
    if beyond is not None:
        result[beyond] = np.iinfo(kind).max


def _parts(sums: Array, result: Array) -> Iterator[tuple[Array, Array]]:
    """Sums whose channels are planes go one by one: their rows are the longest runs to copy."""
    if sums.ndim < 3 or sums.strides[2] <= sums.strides[1]:
        yield sums, result
        return
    for channel in range(sums.shape[2]):
        yield sums[:, :, channel], result[:, :, channel]


def _fits(bounds: tuple[float, float], kind: np.dtype[Any]) -> bool:
    """Whether what lies between the bounds, rounded, is within a type, by some margin."""
    limits = np.iinfo(kind)
    return limits.min - 0.25 < bounds[0] and bounds[1] < limits.max + 0.25 and limits.bits < 32


def clamps(sums: np.dtype[Any], result: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the most of a type of integers, as numbers that sums of this type can be.

    >>> clamps(np.dtype(np.int16), np.dtype(np.uint8))
    (np.int16(0), np.int16(255))
    """
    bounds = np.iinfo(result)
    if sums.kind in "iu":
        own = np.iinfo(sums)
        return sums.type(max(bounds.min, own.min)), sums.type(min(bounds.max, own.max))
    highest = sums.type(bounds.max)
    if int(highest) > bounds.max:  # the bounds of many bits lie between two floats
        highest = np.nextafter(highest, sums.type(0))
    return sums.type(bounds.min), highest
