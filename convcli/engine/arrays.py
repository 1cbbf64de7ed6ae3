"""The arrays that the engine accepts, and the dtypes of sums and results."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.values import as_number
from convcli.errors import ArgumentError, ShapeError

Array: TypeAlias = NDArray[Any]

MAX_EXACT = 1 << 53  # up to which float64 holds every whole number
# The largest weight of a map: products of smaller ones come near the numbers that a float holds
# with fewer digits, or not at all.
MIN_WEIGHT = {np.dtype(np.float32): 1e-30, np.dtype(np.float64): 1e-280}


def as_numbers(value: ArrayLike, what: str) -> Array:
    """Return an array of real numbers, of whatever `np.asarray` takes.

    Raises
    ------
    ArgumentError
        For text, objects, ragged lists and complex numbers.
    """
    try:
        array = np.asarray(value)
    except ArgumentError:  # of what cannot be written out
        raise
    except ValueError as error:
        raise ArgumentError(f"{what} is no array of numbers: {error}") from None
    if array.dtype.kind not in "buif":
        raise ArgumentError(f"{what} must hold real numbers, not {array.dtype}")
    return array


def as_real(value: ArrayLike, what: str) -> Array:
    """Return an array as `as_numbers` does, but float64, or float32 for any other dtype."""
    array = as_numbers(value, what)
    is_double = array.dtype.kind == "f" and array.dtype.itemsize >= 8
    return np.asarray(array, np.float64 if is_double else np.float32)


def as_batch(array: Array, what: str = "x") -> Array:
    """Return (C, H, W) as a batch of one, (N, C, H, W) as it is.

    Raises
    ------
    ShapeError
        For any other number of axes, and for axes of length zero.
    """
    if array.ndim not in (3, 4):
        raise ShapeError(f"{what} must be (C, H, W) or (N, C, H, W), not {array.shape}")
    if 0 in array.shape[-3:]:
        raise ShapeError(f"{what} is empty: its shape is {array.shape}")
    return array if array.ndim == 4 else array[np.newaxis]


def like_batch(result: Array, x: Array) -> Array:
    """Undo `as_batch`: drop the batch axis of a result if `x` has none."""
    return result if x.ndim == 4 else result[0]


def as_filters(weight: ArrayLike, c_in: int, groups: int) -> Array:
    """Return a layer's weights, (C_out, C_in / groups, kh, kw), checked against the input.

    Raises
    ------
    ShapeError
        For groups that do not divide the channels, or weights that do not fit them.
    """
    filters = as_numbers(weight, "weight")
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
    """Return one number for each output channel, (C_out,).

    Raises
    ------
    ShapeError
        For any other shape.
    """
    offsets = as_numbers(bias, "bias")
    if offsets.shape != (c_out,):
        raise ShapeError(f"bias must have the shape ({c_out},), not {offsets.shape}")
    return offsets


def sum_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of sums: float32 for float32, float16 and 8 bits, else float64.

    Of the 24 bits of a float32, 8 hold the value and 16 the fraction of a sum.
    """
    fits = dtype.itemsize == 1 or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype(np.float32 if fits else np.float64)


def check_weights(weights: Array, sums: np.dtype[Any]) -> None:
    """Check that a kernel's weights, of two to four axes, are not too small for a dtype of sums.

    Raises
    ------
    ArgumentError
        If all weights of a map are so small that its sums would lose digits.
    """
    maps = weights.reshape(len(weights) if weights.ndim == 4 else 1, -1)
    largest = np.abs(maps).max(axis=1)
    least = largest.min(initial=np.inf, where=largest > 0)
    if least < MIN_WEIGHT[sums]:
        raise ArgumentError(
            f"the largest weight of a kernel is {least:g}, and {sums}, the type of these sums, "
            f"loses digits of weights below {MIN_WEIGHT[sums]:g}; multiply them, or --normalize"
        )


def largest_exact_value(
    dtype: np.dtype[Any], weights: Array, bias: float | Array = 0.0
) -> float | None:
    """Return the largest absolute value of an input of which all sums are exact, or None.

    None stands for any value: sums of a type of few bits cannot lose digits, and those of floats,
    or with weights that are not whole numbers, are rounded in any case.

    Parameters
    ----------
    dtype : dtype
        Of the input.
    weights : ndarray
        Of two to four axes, as those of a filter.
    bias : float or ndarray, (C_out,)
        Added to every sum.
    """
    if dtype.kind not in "iu" or dtype.itemsize < 4 or not np.array_equal(weights, weights.round()):
        return None
    maps = np.abs(weights).reshape(len(weights) if weights.ndim == 4 else 1, -1)
    limit = max(
        (MAX_EXACT - float(np.abs(bias).max())) / max(float(maps.sum(axis=1).max()), 1.0), 0.0
    )
    limits = np.iinfo(dtype)
    return None if max(-int(limits.min), int(limits.max)) <= limit else limit


def as_exact_floats(values: Array) -> Array:
    """Return numbers as float64, none of which is rounded.

    Raises
    ------
    ArgumentError
        For whole numbers beyond what float64 holds exactly.

    Examples
    --------
    >>> as_exact_floats(np.array([1, 2]))
    array([1., 2.])
    """
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8 and values.size:
        largest = max(abs(int(values.min())), abs(int(values.max())))
        if largest > MAX_EXACT:
            raise ArgumentError(
                f"its whole number {largest:,} would be rounded: the largest that is held "
                f"exactly is {MAX_EXACT:,}"
            )
    return values.astype(np.float64)


def check_exact(values: Array, limit: float | None, weights: Array) -> None:
    """Check that sums of whole numbers are exact.

    Parameters
    ----------
    values : ndarray
        That a filter sees.
    limit : float or None
        From `largest_exact_value`.
    weights : ndarray

    Raises
    ------
    ArgumentError
        If a sum may be one that float64 cannot hold.
    """
    if limit is None or values.size == 0:
        return
    largest = max(-float(values.min()), float(values.max()))
    if largest > limit:
        axes = tuple(range(weights.ndim - 3 if weights.ndim == 4 else 0, weights.ndim))
        reach = largest * float(np.abs(weights).sum(axis=axes).max())
        raise ArgumentError(
            f"sums of its whole numbers may reach {reach:.3g}, and float64 holds them exactly up "
            f"to 2^53 = {float(MAX_EXACT):.3g}; convert it to float64 if they may be rounded"
        )
