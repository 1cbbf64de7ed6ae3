"""Joins on arrays: several maps made one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction


def combine(maps: Sequence[Array], how: str) -> Array:
    """Combine maps of one shape: their sum, mean, max, magnitude, or the direction of two."""
    if how == "direction":
        return direction(*maps)
    if how == "magnitude":
        return np.sqrt(combine([values * values for values in maps], "sum"))
    join = np.maximum if how == "max" else np.add
    total = maps[0].copy()
    for values in maps[1:]:
        join(total, values, out=total)
    return total / np.asarray(len(maps), total.dtype) if how == "mean" else total


def direction(x: Array, y: Array) -> Array:
    """Return the direction of gradients, in degrees from 0 to below 360; 0 where there is none.

    It counts as `sobel:ANGLE` does: counter-clockwise from the x axis as seen on the screen.

    Parameters
    ----------
    x, y : ndarray
        The slopes to the right and downwards, as `sobel-x` and `sobel-y` have them.

    Examples
    --------
    >>> direction(np.array([1.0, 0.0, -1.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0, 1.0, 0.0]))
    array([  0.,  90., 180., 315.,   0.])
    """
    angles: Array = np.degrees(np.arctan2(0.0 - y, x + 0.0))  # no -0.0, which is 180 degrees
    angles[angles < 0] += 360
    angles[angles >= 360] = 0  # of the least below 0
    return angles


FUNCTIONS: dict[str, LayerFunction] = {
    "add": lambda _, inputs, __: combine(inputs, "sum"),
    "concat": lambda _, inputs, __: np.concatenate(inputs),
}
