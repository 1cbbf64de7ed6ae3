"""Tiles of a filter: the parts of the output that are computed at a time, and what they read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, check_exact, largest_exact_value
from convcli.engine.filter2d.problem import FilterProblem
from convcli.engine.padding import PaddedImage, RowSource
from convcli.engine.scratch import Scratch, input_span, split_range

Tile: TypeAlias = tuple[slice, slice]  # rows and columns of the output


def split_output(output: Pair, size: Pair) -> Iterator[list[Tile]]:
    """Yield the tiles of each row of tiles, from the top.

    Parameters
    ----------
    output, size : (int, int)
        Rows and columns of the output, and of a tile.

    Examples
    --------
    >>> list(split_output((3, 2), (2, 2)))
    [[(slice(0, 2, None), slice(0, 2, None))], [(slice(2, 3, None), slice(0, 2, None))]]
    """
    for rows in split_range(output[0], size[0]):
        yield [(rows, columns) for columns in split_range(output[1], size[1])]


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
        self._weights = problem.bounding_weights
        self._limit = largest_exact_value(problem.dtype, self._weights, problem.bias)

    def read(self, tiles: Sequence[Tile]) -> Iterator[tuple[Tile, Array]]:
        """Yield tiles of one row of tiles, each with its region, (rows, columns, C).

        A region is valid until the next one. Its values of a row follow one another in memory; its
        rows may be apart. Where the image has them so, it is a view, which cannot be written to.

        Raises
        ------
        ArgumentError
            For integers of which a sum would not be exact.
        """
        problem, band = self._problem, None
        for tile in tiles:
            spans = map(input_span, tile, problem.window.stride, problem.extent)
            rows, columns = (range(span.start, span.stop) for span in spans)
            region = self._padded.view(rows, columns) if self._is_array else None
            if region is not None:
                region = region.transpose(1, 2, 0)
                region.flags.writeable = False
                values = problem.channels * region.itemsize, region.itemsize
                if region.dtype != self._dtype or region.strides[1:] != values:
                    region = None
            if region is None and self._is_array:
                region = self._copy(rows, columns)
            elif region is None:  # rows are read once for all tiles
                band = self._copy(rows, range(problem.size[1])) if band is None else band
                region = band[:, columns.start : columns.stop]
            if self._limit is not None:
                check_exact(region, self._limit, self._weights)
            yield tile, region

    def _copy(self, rows: range, columns: range) -> Array:
        shape = len(rows), len(columns), self._problem.channels
        region = self._scratch("region", shape, self._dtype)
        self._padded.copy_into(region.transpose(2, 0, 1), rows, columns)
        return region
