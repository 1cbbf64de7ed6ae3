"""Integers in layers: summed in float64, and results in a type that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from convcli.engine.arrays import Array, check_exact, largest_exact_value

MAX_EXACT_FLOAT32 = 1 << 24  # up to which float32 holds every whole number


def as_floats(array: Array) -> Array:
    """Return real numbers in the type of their sums: float32 for float32 and float16, else float64.

    Integers and bool are summed in float64, which is exact up to 2^53.
    """
    is_single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.asarray(array, np.float32 if is_single else np.float64)


def result_dtype(x: Array, *sums: Array) -> np.dtype[Any]:
    """The type of results for an input: float32 for integers and bool, else that of its sums.

    It is float64 for integers of which a sum is beyond 2^24, to which float32 is exact.
    """
    if x.dtype.kind == "f":
        return sums[0].dtype
    largest = max((max(-part.min(), part.max()) for part in sums if part.size), default=0)
    return np.dtype(np.float64 if largest > MAX_EXACT_FLOAT32 else np.float32)


def check_sums(x: Array, weights: Array, bias: Array | None = None) -> None:
    """Check that sums of whole numbers are exact in float64, whatever the input is.

    Parameters
    ----------
    x : ndarray
    weights : ndarray, (C_out, C_in / groups, kh, kw)
    bias : ndarray, (C_out,), optional

    Raises
    ------
    ArgumentError
        For integers, with weights that are whole numbers, of which a sum may be beyond 2^53.
    """
    if x.dtype.kind not in "iu":
        return
    factors = weights.astype(np.float64)
    offset = 1.0  # 2^53 may be a larger sum that was rounded
    if bias is not None:
        offset += float(np.abs(bias.astype(np.float64)).max(initial=0))
    # Of the widest type, as weights may be large where the values of the input are not.
    check_exact(x, largest_exact_value(np.dtype(np.int64), factors, offset), factors)
