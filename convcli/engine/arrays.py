"""What the engine accepts as an array, and in which type it computes."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.arguments import as_number
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
