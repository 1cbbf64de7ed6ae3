"""Image -> padded bands: the rows that a part of the output sees, gathered into scratch memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.engine.arrays import Array
from convcli.engine.padding import padded_positions
from convcli.engine.scratch import input_span


class Padded:
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
