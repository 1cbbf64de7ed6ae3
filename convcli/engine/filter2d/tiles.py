"""Tiles of a filter: the parts of the output that are computed at a time, and what they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, check_exact, largest_exact_value
from convcli.engine.filter2d.problem import FilterProblem
from convcli.engine.padding import PaddedImage, RowSource
from convcli.engine.scratch import Scratch, input_span, split_range

Tile: TypeAlias = tuple[slice, slice]  # rows and columns of the output


def split_output(output: Pair, size: Pair, rows: slice | None = None) -> Iterator[list[Tile]]:
    """Yield the tiles of each row of tiles, from the top: those of some rows of the output.

    Parameters
    ----------
    output, size : (int, int)
        Rows and columns of the output, and of a tile. Where tiles begin depends on nothing else.
    rows : slice, optional
        All where left out.

    Examples
    --------
    >>> list(split_output((3, 2), (2, 2), slice(1, 3)))
    [[(slice(1, 2, None), slice(0, 2, None))], [(slice(2, 3, None), slice(0, 2, None))]]
    """
    first, end, _ = (rows or slice(None)).indices(output[0])
    for down in split_range(output[0], size[0]):
        part = slice(max(down.start, first), min(down.stop, end))
        if part.start < part.stop:
            yield [(part, across) for across in split_range(output[1], size[1])]


class TileReader:
    """Reads the padded pixels that tiles depend on, in memory of its own.

    Parameters
    ----------
    problem : FilterProblem
    dtype : dtype
        Of what is read.
    image : ndarray, (H, W, C), or RowSource, (C, H, W)
    """

    def __init__(
        self, problem: FilterProblem, dtype: np.dtype[Any], image: Array | RowSource
    ) -> None:
        self._problem, self._dtype = problem, dtype
        self._is_array = isinstance(image, np.ndarray)
        planes = image.transpose(2, 0, 1) if isinstance(image, np.ndarray) else image
        self._padded = PaddedImage(planes, problem.pads, problem.padding_mode)
        self._scratch = Scratch()
        self._band_rows: range | None = None  # of a `RowSource`, whose rows are read once
        self._weights = problem.bounding_weights
        self._limit = largest_exact_value(problem.dtype, self._weights, problem.bias)

    def read(self, tile: Tile) -> Array:
        """Return the (rows, columns, C) of a tile, valid until the next one is read.

        The values of a row follow one another in memory; its rows may be apart. Where the image has
        them so, they are a view of it, so they must not be written to.

        Raises
        ------
        ArgumentError
            For integers of which a sum would not be exact.
        """
        rows, columns = (self._input_range(part, axis) for axis, part in enumerate(tile))
        if self._is_array:
            region = self._view(rows, columns)
            if region is None:
                region = self._copy(rows, columns)
        else:
            region = self._read_band(rows)[:, columns.start : columns.stop]
        if self._limit is not None:
            check_exact(region, self._limit, self._weights)
        return region

    def _input_range(self, outputs: slice, axis: int) -> range:
        window = self._problem.window
        span = input_span(outputs, window.stride[axis], self._problem.extent[axis])
        return range(span.start, span.stop)

    def _view(self, rows: range, columns: range) -> Array | None:
        """View pixels, where all of them lie in an image of that type and layout."""
        planes = self._padded.view(rows, columns)
        if planes is None or planes.dtype != self._dtype:
            return None
        region = planes.transpose(1, 2, 0)
        channels, size = region.shape[2], region.itemsize
        if region.strides[1:] != (channels * size, size):
            return None
        region.flags.writeable = False
        return region

    def _copy(self, rows: range, columns: range) -> Array:
        shape = len(rows), len(columns), self._problem.channels
        region = self._scratch("region", shape, self._dtype)
        self._padded.copy_into(region.transpose(2, 0, 1), rows, columns)
        return region

    def _read_band(self, rows: range) -> Array:
        """Return whole padded rows: those of a row of tiles are the same."""
        if rows != self._band_rows:
            self._copy(rows, range(self._problem.size[1]))
            self._band_rows = rows
        shape = len(rows), self._problem.size[1], self._problem.channels
        return self._scratch("region", shape, self._dtype)
