"""Kernels of whole numbers, or of whole numbers over one common divisor: sums without rounding."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convcli.engine.arrays import Array

MOST_DENOMINATOR = 12  # how many units the smallest weight may be: 3 in Kirsch's masks
MOST_WEIGHT = (1 << 15) - 1
SAME = 1e-15  # relative: what a double may be off a multiple of the unit
_TYPES: tuple[np.dtype[Any], ...] = (
    np.dtype(np.int16),
    np.dtype(np.uint16),
    np.dtype(np.int32),
)


class WholeKernel(NamedTuple):
    """A kernel as whole numbers and what one of them is worth.

    Parameters
    ----------
    weights : ndarray of int64, (kh, kw)
    unit : float
        What a weight of 1 stands for.
    divisor : int or None
        1 / unit, where that is a whole number.
    """

    weights: Array
    unit: float
    divisor: int | None


def whole_kernel(kernel: Array) -> WholeKernel | None:
    """Find the unit that all weights are whole multiples of; None where there is none.

    Examples
    --------
    >>> whole = whole_kernel(np.full((3, 3), 1 / 9))
    >>> whole.weights.tolist(), whole.divisor
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 9)
    >>> whole_kernel(np.array([[1.0, np.sqrt(2), 1.0]])) is None
    True
    """
    sizes = np.abs(kernel[kernel != 0])
    if len(sizes) == 0 or not np.isfinite(sizes).all():
        return None
    candidates = [sizes.min() / count for count in range(1, MOST_DENOMINATOR + 1)]
    if np.array_equal(kernel, np.rint(kernel)):
        candidates = [1.0]
    for unit in candidates:
        weights = np.rint(kernel / unit)
        if np.abs(weights).max() > MOST_WEIGHT:
            return None
        if np.all(np.abs(weights * unit - kernel) <= SAME * np.abs(kernel)):
            inverse = round(1 / unit)
            divisor = inverse if abs(inverse * unit - 1) <= SAME else None
            return WholeKernel(weights.astype(np.int64), float(unit), divisor)
    return None


def sum_bounds(weights: Array, image: np.dtype[Any]) -> tuple[int, int]:
    """The least and the largest sum that pixels of an integer type, and zeros, can have.

    >>> sum_bounds(np.array([[-1, 0, 2]]), np.dtype(np.uint8))
    (-255, 510)
    """
    lowest, highest = (0, 1) if image.kind == "b" else (np.iinfo(image).min, np.iinfo(image).max)
    positive, negative = int(weights.clip(0).sum()), int(weights.clip(None, 0).sum())
    return positive * lowest + negative * highest, positive * highest + negative * lowest


def exact_type(bounds: tuple[int, int]) -> np.dtype[Any] | None:
    """The smallest type of integers that holds all sums; steps on the way may wrap around.

    >>> exact_type((0, 40_000)), exact_type((-1, 40_000)), exact_type((0, 1 << 40))
    (dtype('uint16'), dtype('int32'), None)
    """
    for kind in _TYPES:
        if np.iinfo(kind).min <= bounds[0] and bounds[1] <= np.iinfo(kind).max:
            return kind
    return None
