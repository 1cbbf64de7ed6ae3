"""Padding: array -> padded array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.values import NO_PADDING, PADDING_MODES, PaddingLike, as_padding
from convcli.engine.arrays import Array, as_numbers
from convcli.errors import ArgumentError, ShapeError

_NUMPY_MODES: dict[str, Any] = {
    "zero": "constant",  # 0 0 | a b c | 0 0
    "reflect": "reflect",  # c b | a b c | b a
    "replicate": "edge",  # a a | a b c | c c
    "circular": "wrap",  # b c | a b c | a b
    "symmetric": "symmetric",  # b a | a b c | c b
}


def pad2d(x: ArrayLike, padding: PaddingLike, mode: str = "zero") -> Array:
    """Pad the last two axes.

    Parameters
    ----------
    x : array_like, (..., H, W)
    padding : int, (ph, pw), ((top, bottom), (left, right)) or "valid"
        In positions. The other names depend on a kernel, so they mean nothing here.
    mode : {"zero", "reflect", "replicate", "circular", "symmetric"}
        What stands beyond the border. Padding may be wider than the array: reflections and
        repetitions go on.

    Returns
    -------
    ndarray, (..., top + H + bottom, left + W + right)

    Raises
    ------
    ArgumentError
        For an unknown mode or a padding that depends on a kernel.

    Examples
    --------
    >>> pad2d([[1, 2, 3]], (0, 2), "reflect")
    array([[3, 2, 1, 2, 3, 2, 1]])
    """
    array = as_numbers(x, "x")
    numpys = numpy_mode(mode)
    sides = as_padding(padding)
    if sides == "valid":
        sides = NO_PADDING
    if isinstance(sides, str):
        raise ArgumentError(f"padding {sides!r} depends on a kernel: give it in numbers")
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise ShapeError(f"x must be (..., H, W) and not empty, not {array.shape}")
    if sides == NO_PADDING:
        return array
    leading = [(0, 0)] * (array.ndim - 2)
    return np.pad(array, [*leading, *sides], mode=numpys)


def padded_positions(size: int, before: int, after: int, mode: str) -> NDArray[np.intp]:
    """Where each position of a padded axis takes its value from; -1 where it is zero.

    Lets a caller pad a part of an array exactly as `pad2d` pads the whole.

    >>> padded_positions(3, 2, 1, "circular")
    array([1, 2, 0, 1, 2, 0])
    >>> padded_positions(3, 1, 1, "zero")
    array([-1,  0,  1,  2, -1])
    """
    positions = np.arange(size, dtype=np.intp)
    if mode == "zero":
        return np.pad(positions, (before, after), constant_values=-1)
    return np.pad(positions, (before, after), mode=numpy_mode(mode))


def numpy_mode(mode: str) -> Any:
    """NumPy's name of a padding mode."""
    if mode not in _NUMPY_MODES:
        raise ArgumentError(f"padding mode {mode!r} is none of {', '.join(PADDING_MODES)}")
    return _NUMPY_MODES[mode]
