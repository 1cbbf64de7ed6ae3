"""Winograd's minimal filtering: fewer products for a layer's small kernels.

Along one axis, F(a, k) gives `a` outputs of a kernel of `k` taps for `t = a + k - 1` products
instead of `a·k`: `y = Aᵀ((G·w) * (Bᵀ·x))`, over two axes `Aᵀ((G·w·Gᵀ) * (Bᵀ·x·B))A`. Summed over
channels, each of the t·t products becomes a product of matrices, and so do the transforms.

S. Winograd, "Arithmetic complexity of computations" (1980); A. Lavin and S. Gray, "Fast algorithms
for convolutional neural networks" (2016), whose points and scaling these are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from math import isqrt
from typing import NamedTuple, TypeAlias

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.conv2d.problem import ConvProblem, Part
from convcli.engine.padding import copy_padded
from convcli.engine.scratch import Scratch, split_range
from convcli.parallel import parallel_for

TILES = {1: (1,), 3: (2, 4)}  # taps along an axis: how many outputs a tile may have there
_POINTS = (0, 1, -1, 2, -2)
_BLOCK_BYTES = 2 << 20  # what the transformed part of an image may take
_FILTERS = 64  # computed at a time
_BLOCKS = 4  # into so many a layer is cut at least, for as many threads ...
_ROWS = 4  # ... but with so many rows of tiles: what lies between two blocks is transformed twice


_Block: TypeAlias = tuple[int, slice, slice, slice]  # an image, rows and columns of tiles, filters


class Transform(NamedTuple):
    """The matrices of F(a, k): `y = after @ ((weights @ w) * (before @ x))`.

    Attributes
    ----------
    before : ndarray, (t, t)
        Bᵀ, for t inputs.
    weights : ndarray, (t, k)
        G, for k weights.
    after : ndarray, (a, t)
        Aᵀ, to a outputs.
    """

    before: Array
    weights: Array
    after: Array


@cache
def transform(outputs: int, taps: int) -> Transform:
    """F(outputs, taps), by Lagrange's interpolation at 0, ±1, ±2 and infinity.

    Examples
    --------
    >>> transform(2, 3).before
    array([[-1.,  0.,  1.,  0.],
           [ 0.,  1.,  1.,  0.],
           [ 0., -1.,  1.,  0.],
           [ 0., -1.,  0.,  1.]])
    """
    finite = np.array(_POINTS[: outputs + taps - 2], float)
    others = [np.delete(finite, place) for place in range(len(finite))]
    scales = [np.prod(point - rest) for point, rest in zip(finite, others, strict=True)]
    before = np.zeros((len(finite) + 1,) * 2)
    for row, roots in zip(before, [*others, finite], strict=True):
        row[: len(roots) + 1] = np.atleast_1d(np.poly(roots))[::-1]
    weights = np.vander(finite, taps, increasing=True) / np.reshape(scales, (-1, 1))
    after = np.vander(finite, outputs, increasing=True).T
    return Transform(
        before,
        np.vstack([weights, np.eye(taps)[-1]]),
        np.column_stack([after, np.eye(outputs)[-1]]),
    )


def run_winograd(layer: ConvProblem, tile: Pair, maps: Array) -> list[Part]:
    """Fill `maps` by F(a, kh) along the rows and F(b, kw) along the columns.

    Parameters
    ----------
    layer : Layer
        Of stride 1, dilation 1 and one group.
    tile : (int, int)
        a and b.
    maps : ndarray, (N, C_out, oh, ow)

    Returns
    -------
    list of Part
        Where a value came out as infinite or as no number. The transforms spread those over their
        tiles, so another method has to say which outputs they belong to.
    """
    plan = _Plan(layer, tile)
    # Where each worker meets the same filters once or all the time, it transforms them itself.
    weights = plan.transformed_filters() if plan.mixed else None
    spread: list[Part] = []

    def hire() -> Callable[[_Block], None]:
        worker = _Worker(plan, weights, maps)

        def work(block: _Block) -> None:
            spread.extend(worker.fill(*block))

        return work

    parallel_for(hire, plan.blocks)
    return spread


class _Plan:
    """The numbers and matrices of one layer's tiles."""

    def __init__(self, layer: ConvProblem, tile: Pair) -> None:
        self.layer, self.tile = layer, tile
        kh, kw = layer.window.kernel
        self.inputs = tile[0] + kh - 1, tile[1] + kw - 1
        kind = layer.images.dtype
        (
            (self.before, of_rows, self.after),
            (self.before_columns, of_columns, self.after_columns),
        ) = (
            [matrix.astype(kind) for matrix in transform(outputs, taps)]
            for outputs, taps in zip(tile, (kh, kw), strict=True)
        )
        self.of_filters = np.kron(of_rows, of_columns)  # (t·s, kh·kw)
        self.counts = -(-layer.output[0] // tile[0]), -(-layer.output[1] // tile[1])
        # How many tiles further on the last input of a tile lies.
        self.reach = (self.inputs[0] - 1) // tile[0], (self.inputs[1] - 1) // tile[1]
        self.blocks = self._blocks()
        filters = {block[3].start for block in self.blocks}
        self.mixed = 1 < len(filters) < len(self.blocks)

    def _blocks(self) -> list[_Block]:
        images, c_in = self.layer.images.shape[:2]
        filters = list(split_range(len(self.layer.filters), _FILTERS))
        most = _BLOCK_BYTES // (self.layer.images.itemsize * len(self.of_filters) * c_in)  # tiles
        columns = _even(self.counts[1], isqrt(2 * most))  # about as wide as high, in outputs
        rows = max(most // (columns + self.reach[1]) - self.reach[0], 1)
        wanted = -(-_BLOCKS // max(images * len(filters), 1))
        rows = _even(self.counts[0], min(rows, max(-(-self.counts[0] // wanted), _ROWS)))
        return list(
            product(
                range(images),
                split_range(self.counts[0], rows),
                split_range(self.counts[1], columns),
                filters,
            )
        )

    def transformed_filters(self) -> Array:
        """G·w·Gᵀ of every filter and channel: (t·s, C_out, C_in)."""
        c_out, c_in = self.layer.filters.shape[:2]
        weights = np.empty((len(self.of_filters), c_out, c_in), self.layer.filters.dtype)
        parallel_for(
            lambda: lambda part: self.transform(part, weights[:, part]),
            split_range(c_out, _FILTERS),
        )
        return weights

    def transform(self, part: slice, target: Array) -> None:
        """G·w·Gᵀ of some filters: into (t·s, filters, C_in)."""
        filters = self.layer.filters[part].reshape(-1, self.of_filters.shape[1])
        np.matmul(self.of_filters, filters.T, out=target.reshape(len(target), -1))


def _even(count: int, most: int) -> int:
    """Into what parts to cut a count, at most so large: all much alike."""
    return -(-count // -(-count // max(most, 1)))


class _Worker:
    """Transforms, multiplies and transforms back, in memory of its own.

    Inputs lie sorted by their place in a tile, each place's as one flat row over channels, rows of
    tiles and columns of tiles. What a tile shares with the next is then that row moved by one. The
    last of each row of tiles has no neighbour: what is computed there is never looked at.
    """

    def __init__(self, plan: _Plan, weights: Array | None, maps: Array) -> None:
        self._plan, self._weights, self._maps = plan, weights, maps
        self._scratch = Scratch()
        self._at: tuple[int, slice, slice] | None = None
        self._filters_at: slice | None = None
        self._values = maps  # of no meaning before the first block

    def fill(self, image: int, rows: slice, columns: slice, filters: slice) -> list[Part]:
        """Compute one block; gives it back where something in it is not finite."""
        (oh, ow), (a, b) = self._plan.layer.output, self._plan.tile
        down = slice(rows.start * a, min(rows.stop * a, oh))
        across = slice(columns.start * b, min(columns.stop * b, ow))
        with np.errstate(all="ignore"):
            if self._at != (image, rows, columns):
                self._values = self._transformed(image, rows, columns)
                self._at = image, rows, columns
            target = self._maps[image, filters, down, across]
            if self._restore(filters, rows.stop - rows.start, target):
                return []
        if across == slice(0, ow):
            return [Part(image, down, across, filters)]
        return [Part(image, slice(i, i + 1), across, filters) for i in range(down.start, down.stop)]

    def _transformed(self, image: int, rows: slice, columns: slice) -> Array:
        """Bᵀ·x·B of these tiles: (t·s, C_in, tiles)."""
        plan, pixels = self._plan, self._plan.layer.images[image]
        (top, left), (a, b), (t, s) = plan.layer.start, plan.tile, plan.inputs
        count = rows.stop - rows.start
        high, wide = count + plan.reach[0], columns.stop - columns.start + plan.reach[1]
        first, start = top + rows.start * a, left + columns.start * b
        # Each row of the tiles by itself: what is sorted next then lies in the longest runs.
        padded = self._scratch("padded", (a, len(pixels), high, wide * b), pixels.dtype)
        seen = range(start, start + wide * b)
        for i in range(a):
            copy_padded(pixels, range(first + i, first + high * a, a), seen, padded[i])
        values = self._scratch("values", (t, s, len(pixels) * high * wide), pixels.dtype)
        self._transform(padded, wide, values)
        return values.reshape(t * s, len(pixels), high * wide)[:, :, : count * wide]

    def _transform(self, padded: Array, wide: int, values: Array) -> None:
        """Bᵀ·x·B of all tiles: (a, C_in, rows of tiles, columns) -> (t, s, C_in·tiles)."""
        plan = self._plan
        (a, b), (t, s) = plan.tile, plan.inputs
        length = values.shape[2]
        places = self._scratch("places", (t, b, length), padded.dtype)
        np.copyto(places[:a], padded.reshape(a, length, b).swapaxes(1, 2))
        for i in range(a, t):
            further = i // a * wide
            np.copyto(places[i, :, : length - further], places[i % a, :, further:])
            places[i, :, length - further :] = 0
        halves = self._scratch("halves", (t, s, length), padded.dtype)
        np.matmul(plan.before, places.reshape(t, -1), out=halves.reshape(t, -1)[:, : b * length])
        for j in range(b, s):
            np.copyto(halves[:, j, : length - j // b], halves[:, j % b, j // b :])
            halves[:, j, length - j // b :] = 0
        np.matmul(plan.before_columns, halves, out=values)

    def _restore(self, filters: slice, count: int, target: Array) -> bool:
        """Multiply, and Aᵀ·(...)·A of the products: into (C_out, rows, ow) of the maps.

        Says whether all of them are finite.
        """
        plan = self._plan
        (a, b), (t, s) = plan.tile, plan.inputs
        c_out, tiles = len(target), self._values.shape[2]
        kind = target.dtype
        products = self._scratch("products", (t * s, c_out, tiles), kind)
        np.matmul(self._filters(filters), self._values, out=products)
        halves = self._scratch("halves", (a, s, c_out * tiles), kind)
        np.matmul(plan.after, products.reshape(t, -1), out=halves.reshape(a, -1))
        outputs = self._scratch("places", (a, c_out * tiles, b), kind)
        np.matmul(halves.swapaxes(1, 2), plan.after_columns.T, out=outputs)
        outputs = outputs.reshape(a, c_out, count, -1)
        for i in range(a):
            part = target[:, i::a]
            np.copyto(part, outputs[i, :, : part.shape[1], : part.shape[2]])
        if plan.layer.bias is not None:
            target += plan.layer.bias[filters, np.newaxis, np.newaxis]
        flat = outputs.reshape(-1)
        return bool(np.isfinite(flat @ flat))

    def _filters(self, part: slice) -> Array:
        if self._weights is not None:
            return self._weights[:, part]
        filters = self._plan.layer.filters[part]
        shape = len(self._plan.of_filters), *filters.shape[:2]
        weights = self._scratch("weights", shape, filters.dtype)
        if self._filters_at != part:
            self._plan.transform(part, weights)
            self._filters_at = part
        return weights
