"""Padding: array -> padded array."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.values import NO_PADDING, PADDING_MODES, PaddingLike, as_padding
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.scratch import input_span
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


class PaddedImage:
    """An image as it looks with its padding, of which any rows can be had.

    Parameters
    ----------
    pixels : ndarray, (H, W, C)
    shape : Window
    mode : str
        What stands beyond the border.

    Attributes
    ----------
    output : (int, int)
        Rows and columns of the output.
    size : (int, int)
        Rows and columns with the padding.
    extent : int
        The rows that one output row sees.
    """

    def __init__(self, pixels: Array, shape: Window, mode: str) -> None:
        size = pixels.shape[0], pixels.shape[1]
        (top, bottom), (left, right) = shape.sides(size)
        self.pixels = pixels
        self.output = shape.output(size)
        self.extent = effective_kernel(shape.kernel[0], shape.dilation[0])
        self._stride = shape.stride[0]
        self._left = left
        self._from_rows = padded_positions(size[0], top, bottom, mode)
        self._from_columns = padded_positions(size[1], left, right, mode)
        self.size = len(self._from_rows), len(self._from_columns)
        self._beyond = np.r_[0:left, left + size[1] : self.size[1]]  # columns of padding alone
        self._sides = self._from_columns[self._beyond]

    def height(self, rows: slice) -> int:
        """How many padded rows these rows of the output see."""
        seen = input_span(rows, self._stride, self.extent)
        return int(seen.stop - seen.start)

    def gather(self, rows: slice, band: Array) -> None:
        """Write what these rows of the output see into a band, (height, columns, C)."""
        positions = self._from_rows[input_span(rows, self._stride, self.extent)]
        inner = band[:, self._left : self._left + self.pixels.shape[1]]
        for start, stop, first in _runs(positions):
            inner[start:stop] = self.pixels[first : first + stop - start]
        if positions.min() < 0:
            inner[positions < 0] = 0
        if len(self._beyond):
            band[:, self._beyond] = inner[:, self._sides]
            band[:, self._beyond[self._sides < 0]] = 0


def _runs(positions: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Cut positions into runs that follow each other: their bounds, and where they begin.

    >>> list(_runs(np.array([-1, 0, 0, 1, 2])))
    [(1, 2, 0), (2, 5, 0)]
    """
    if positions[0] >= 0 and positions[-1] - positions[0] == len(positions) - 1:
        yield 0, len(positions), int(positions[0])  # the image's own rows, as nearly always
        return
    cuts = np.flatnonzero(np.diff(positions) != 1) + 1
    bounds = [0, *cuts.tolist(), len(positions)]
    for start, stop in pairwise(bounds):
        if positions[start] < 0:
            start += 1  # noqa: PLW2901  # -1, of a row of zeros, is followed by row 0
        if start < stop:
            yield start, stop, int(positions[start])


def copy_padded(array: Array, rows: range, columns: range, target: Array) -> None:
    """Copy these rows and columns of the last two axes; zeros where there are none.

    >>> target = np.empty((2, 3))
    >>> copy_padded(np.array([[1.0, 2.0], [3.0, 4.0]]), range(-1, 1), range(0, 6, 2), target)
    >>> target
    array([[0., 0., 0.],
           [1., 0., 0.]])
    """
    (in_rows, of_rows), (in_columns, of_columns) = (
        clip_range(positions, size)
        for positions, size in zip((rows, columns), array.shape[-2:], strict=True)
    )
    target[..., : in_rows.start, :] = 0
    target[..., in_rows.stop :, :] = 0
    target[..., in_rows, : in_columns.start] = 0
    target[..., in_rows, in_columns.stop :] = 0
    target[..., in_rows, in_columns] = array[..., of_rows, of_columns]


def clip_range(positions: range, size: int) -> tuple[slice, slice]:
    """Which of the ascending positions lie in `range(size)`, and as a slice of it.

    >>> clip_range(range(-3, 9, 2), 4)
    (slice(2, 4, None), slice(1, 4, 2))
    """
    step = positions.step
    first = min(max(-(positions.start // step), 0), len(positions))
    stop = min(max(-((positions.start - size) // step), first), len(positions))
    if first == stop:
        return slice(first, first), slice(0, 0, step)
    inside = positions[first:stop]
    return slice(first, stop), slice(inside[0], inside[-1] + 1, step)
