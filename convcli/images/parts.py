"""Functions of whole pictures, some rows at a time: what they hold on the way stays small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convcli.images.picture import Values

PART_VALUES = 1 << 20


def by_parts(function: Callable[..., Values], *arrays: Values) -> Values:
    """Apply a function of single pixels to arrays of the same rows.

    >>> by_parts(lambda one, other: one * other, np.ones((3, 2)), np.full((3, 1), 2.0)).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    height = len(arrays[0])
    most = max(PART_VALUES * height // max(arrays[0].size, 1), 1)
    first = function(*(array[:most] for array in arrays))
    if most >= height:
        return first
    made = np.empty((height, *first.shape[1:]), first.dtype)
    made[:most] = first
    for start in range(most, height, most):
        made[start : start + most] = function(*(array[start : start + most] for array in arrays))
    return made
