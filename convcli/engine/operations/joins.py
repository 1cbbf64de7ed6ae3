"""Joins on arrays: several maps made one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction


def combine(maps: Sequence[Array], how: str) -> Array:
    """Combine maps: their sum, mean, max, magnitude, or the direction of two.

    Axes of length 1 spread over those of other maps.
    """
    if how == "direction":
        return direction(*maps)
    if how == "magnitude":
        return np.sqrt(combine([values * values for values in maps], "sum"))
    if how == "mean":
        total = combine(maps, "sum")
        mean: Array = total / np.asarray(len(maps), total.dtype)
        return mean
    return accumulate(np.maximum if how == "max" else np.add, maps)


def accumulate(join: np.ufunc, maps: Sequence[Array]) -> Array:
    """Combine maps two by two, from the first on; axes of length 1 spread over those of others."""
    if len(maps) == 1:
        return maps[0].copy()
    total: Array = join(maps[0], maps[1])
    for values in maps[2:]:
        is_wider = np.broadcast_shapes(total.shape, values.shape) != total.shape
        total = join(total, values, out=None if is_wider else total)
    return total


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


def _as_maps(inputs: Sequence[Array]) -> Sequence[Array]:
    """Return flat values that are joined with maps as maps of one position."""
    if all(values.ndim == 1 for values in inputs):
        return inputs
    return [values if values.ndim == 3 else values[:, np.newaxis, np.newaxis] for values in inputs]


def _joined_by(join: np.ufunc) -> LayerFunction:
    def function(_: object, inputs: Sequence[Array], __: object) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):  # a quotient may be infinite or NaN
            return accumulate(join, _as_maps(inputs))

    return function


FUNCTIONS: dict[str, LayerFunction] = {
    "add": _joined_by(np.add),
    "mul": _joined_by(np.multiply),
    "sub": _joined_by(np.subtract),
    "div": _joined_by(np.divide),
    "max": _joined_by(np.maximum),
    "min": _joined_by(np.minimum),
    "mean": lambda _, inputs, __: combine(_as_maps(inputs), "mean"),
    "concat": lambda _, inputs, __: np.concatenate(inputs),
}
