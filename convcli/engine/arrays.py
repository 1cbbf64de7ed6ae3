"""The arrays that the engine accepts, and the dtypes of sums and results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.values import as_number
from convcli.errors import ArgumentError, ShapeError

Array: TypeAlias = NDArray[Any]


def as_numbers(value: ArrayLike, what: str) -> Array:
    """Take whatever `np.asarray` takes, as long as it holds real numbers.

    Raises
    ------
    ArgumentError
        For text, objects, ragged lists and complex numbers.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"{what} is no array of numbers: {error}") from None
    if array.dtype.kind not in "buif":
        raise ArgumentError(f"{what} must hold real numbers, not {array.dtype}")
    return array


def as_real(value: ArrayLike, what: str) -> Array:
    """As `as_numbers`, in float32 or float64: integers, bool and float16 become float32."""
    array = as_numbers(value, what)
    if array.dtype.kind == "f" and array.dtype.itemsize >= 8:
        return np.asarray(array, np.float64)
    return np.asarray(array, np.float32)


def as_batch(array: Array, what: str = "x") -> Array:
    """View (C, H, W) as a batch of one; let (N, C, H, W) pass.

    Raises
    ------
    ShapeError
        For any other number of axes, and for axes of no length.
    """
    if array.ndim not in (3, 4):
        raise ShapeError(f"{what} must be (C, H, W) or (N, C, H, W), not {array.shape}")
    if 0 in array.shape[-3:]:
        raise ShapeError(f"{what} is empty: its shape is {array.shape}")
    return array if array.ndim == 4 else array[np.newaxis]


def like_batch(result: Array, x: Array) -> Array:
    """Undo `as_batch`: drop the batch axis of the result where `x` has none."""
    return result if x.ndim == 4 else result[0]


def as_filters(weight: ArrayLike, c_in: int, groups: int) -> Array:
    """Take a layer's weights, (C_out, C_in / groups, kh, kw), and hold them to the input.

    Raises
    ------
    ShapeError
        Where groups do not divide the channels, or the weights do not fit them.
    """
    filters = as_real(weight, "weight")
    if filters.ndim != 4 or 0 in filters.shape:
        raise ShapeError(f"weight must be (C_out, C_in / groups, kh, kw), not {filters.shape}")
    count = as_number(groups, "groups", least=1)
    if c_in % count or len(filters) % count:
        raise ShapeError(
            f"{count} groups do not divide {c_in} input and {len(filters)} output channels"
        )
    if filters.shape[1] != c_in // count:
        raise ShapeError(
            f"weight takes {filters.shape[1]} channels a group, "
            f"but the input has {c_in} in {count} groups"
        )
    return filters


def as_bias(bias: ArrayLike, c_out: int) -> Array:
    """Take one number for each output channel.

    Raises
    ------
    ShapeError
        For any other shape.
    """
    offsets = as_real(bias, "bias")
    if offsets.shape != (c_out,):
        raise ShapeError(f"bias must have the shape ({c_out},), not {offsets.shape}")
    return offsets


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that sums are kept in: float32 for its own values and for 8 bits, else float64.

    Of 24 bits, 8 are the value's and 16 are left for the fractions of a sum.
    """
    fits = dtype.itemsize == 1 or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype(np.float32 if fits else np.float64)


def to_dtype(values: Array, dtype: np.dtype[Any]) -> Array:
    """Turn sums into the type of the result: integers rounded half to even, and clamped.

    Raises
    ------
    ArgumentError
        For sums that are NaN, which no integer is.

    Examples
    --------
    >>> to_dtype(np.array([-3.0, 0.5, 1.5, 300.0]), np.dtype(np.uint8))
    array([  0,   0,   2, 255], dtype=uint8)
    """
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    result = np.empty(values.shape, dtype)
    round_into(values.copy(), result)
    return result


def round_into(sums: Array, result: Array, bounds: tuple[float, float] | None = None) -> None:
    """Write sums into a result of any type, as `to_dtype`; the sums may be overwritten.

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
    limits = None if bounds is not None and _fits(bounds, kind) else clamp_limits(sums.dtype, kind)
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


def clamp_limits(sums: np.dtype[Any], result: np.dtype[Any]) -> tuple[Any, Any]:
    """The least and the most of a type of integers, as numbers that sums of this type can be.

    >>> clamp_limits(np.dtype(np.int16), np.dtype(np.uint8))
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
