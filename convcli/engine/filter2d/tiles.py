"""Tiles of a filter: the parts of the output that are computed at a time, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, check_exact, largest_exact_value
from convcli.engine.filter2d.problem import Algorithm, FilterProblem
from convcli.engine.padding import PaddedImage, RowSource
from convcli.engine.scratch import Scratch, input_span, row_pitch, split_range

Bound = TypeVar("Bound")
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


def bind_once(bind: Callable[[Array], Bound]) -> Callable[[Array], Bound]:
    """Return a function that calls `bind` once for regions of one shape in one place in memory.

    What is bound must refer to the region, so that its memory has no other use.
    """
    known: dict[tuple[int, tuple[int, ...]], Bound] = {}

    def find(region: Array) -> Bound:
        key = region.__array_interface__["data"][0], region.shape
        if key not in known:
            known[key] = bind(region)
        return known[key]

    return find


class TileReader:
    """Reads the padded pixels that tiles depend on, in memory of its own.

    Parameters
    ----------
    problem : FilterProblem
    algorithm : Algorithm
        Whose regions these are.
    image : ndarray, (H, W, C), or RowSource, (C, H, W)
    """

    def __init__(
        self, problem: FilterProblem, algorithm: Algorithm, image: Array | RowSource
    ) -> None:
        self._problem, self._dtype = problem, algorithm.region_dtype
        self._is_copied = algorithm.copies_regions
        self._is_array = isinstance(image, np.ndarray)
        planes = image.transpose(2, 0, 1) if isinstance(image, np.ndarray) else image
        self._padded = PaddedImage(planes, problem.pads, problem.padding_mode)
        self._scratch = Scratch()
        self._weights = problem.bounding_weights
        self._limit = largest_exact_value(problem.dtype, self._weights, problem.bias)

    def read(self, tiles: Sequence[Tile]) -> Iterator[tuple[Tile, Array]]:
        """Yield tiles of one row of tiles, each with its region, (rows, columns, C).

        A region is valid until the next one. Its values of a row follow one another in memory; its
        rows may be apart. Where the image has them so, and the algorithm needs no copy, it is a
        view, which cannot be written to.

        Raises
        ------
        ArgumentError
            For integers of which a sum would not be exact.
        """
        problem, band = self._problem, None
        for tile in tiles:
            spans = map(input_span, tile, problem.window.stride, problem.extent)
            rows, columns = (range(span.start, span.stop) for span in spans)
            region = None
            if self._is_array:
                region = None if self._is_copied else self._view(rows, columns)
            elif len(tiles) > 1:  # rows are read once for all tiles
                band = self._read_band(rows) if band is None else band
                region = self._cut_band(band, columns)
            if region is None:
                region = self._allocate(len(rows), len(columns))
                self._padded.copy_into(region.transpose(2, 0, 1), rows, columns)
            if self._limit is not None:
                check_exact(region, self._limit, self._weights)
            yield tile, region

    def _view(self, rows: range, columns: range) -> Array | None:
        """View a region of the image; None where it has to be copied."""
        inside = self._padded.view(rows, columns)
        if inside is None:
            return None
        region = inside.transpose(1, 2, 0)
        values = region.shape[2] * region.itemsize, region.itemsize
        if region.dtype != self._dtype or region.strides[1:] != values:
            return None
        region.flags.writeable = False
        return region

    def _read_band(self, rows: range) -> Array:
        """Read whole rows, in the image's type if it holds what is beyond the border."""
        problem = self._problem
        shape = len(rows), problem.size[1], problem.channels
        band = self._scratch("band", shape, problem.region_dtype)
        self._padded.copy_into(band.transpose(2, 0, 1), rows, range(problem.size[1]))
        return band

    def _cut_band(self, band: Array, columns: range) -> Array:
        """Return columns of a band: a view where the algorithm takes one."""
        part = band[:, columns.start : columns.stop]
        if part.dtype == self._dtype and not self._is_copied:
            return part
        region = self._allocate(len(part), len(columns))
        np.copyto(region, part)
        return region

    def _allocate(self, rows: int, columns: int) -> Array:
        pitch = values = columns * self._problem.channels
        if self._is_copied and self._dtype.kind == "f":  # for BLAS; integers are one flat array
            pitch = row_pitch(values, self._dtype.itemsize)
        memory = self._scratch("region", (rows, pitch), self._dtype)
        return memory[:, :values].reshape(rows, columns, -1)
