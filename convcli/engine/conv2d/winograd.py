"""Winograd's minimal filtering: fewer products for a layer's small kernels.

Along one axis, F(a, k) gives `a` outputs of a kernel of `k` taps for `t = a + k - 1` products
instead of `a·k`: `y = Aᵀ((G·w) * (Bᵀ·x))`, over two axes `Aᵀ((G·w·Gᵀ) * (Bᵀ·x·B))A`. Summed over
channels, each of the t·t products becomes a product of matrices. So do the transforms: that of a
whole tile, as one column, is the Kronecker product of those of its columns and of its rows.

S. Winograd, "Arithmetic complexity of computations" (1980); A. Lavin and S. Gray, "Fast algorithms
for convolutional neural networks" (2016), whose points and scaling these are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.conv2d.problem import ConvProblem, Part
from convcli.engine.conv2d.products import multiply_into
from convcli.engine.scratch import Scratch, even_size, split_range
from convcli.parallel import parallel_for
from convcli.records import NamedTuple

_POINTS = (0, 1, -1, 2, -2)
_BLOCK_BYTES = 2 << 20  # of the transformed part of an image
_BLOCK_FILTERS = 64  # computed at a time
_MIN_BLOCKS = 4  # of a layer, for as many threads
_MIN_BLOCK_ROWS = 4  # rows of tiles: narrower matrices are slow to multiply

_Block: TypeAlias = tuple[int, slice, slice, slice]  # an image, rows and columns of tiles, filters


class Transform(NamedTuple):
    """The matrices of F(a, k): `y = outputs @ ((weights @ w) * (inputs @ x))`.

    Attributes
    ----------
    inputs : ndarray, (t, t)
        Bᵀ, for t inputs.
    weights : ndarray, (t, k)
        G, for k weights.
    outputs : ndarray, (a, t)
        Aᵀ, to a outputs.
    """

    inputs: Array
    weights: Array
    outputs: Array


@cache
def transform(outputs: int, taps: int) -> Transform:
    """F(outputs, taps), by Lagrange's interpolation at 0, ±1, ±2 and infinity.

    Examples
    --------
    >>> transform(2, 3).inputs
    array([[-1.,  0.,  1.,  0.],
           [ 0.,  1.,  1.,  0.],
           [ 0., -1.,  1.,  0.],
           [ 0., -1.,  0.,  1.]])
    """
    finite = np.array(_POINTS[: outputs + taps - 2], float)
    others = [np.delete(finite, index) for index in range(len(finite))]
    scales = [np.prod(point - rest) for point, rest in zip(finite, others, strict=True)]
    of_inputs = np.zeros((len(finite) + 1,) * 2)
    for row, roots in zip(of_inputs, [*others, finite], strict=True):
        row[: len(roots) + 1] = np.atleast_1d(np.poly(roots))[::-1]
    of_weights = np.vander(finite, taps, increasing=True) / np.reshape(scales, (-1, 1))
    of_outputs = np.vander(finite, outputs, increasing=True).T
    return Transform(
        of_inputs,
        np.vstack([of_weights, np.eye(taps)[-1]]),
        np.column_stack([of_outputs, np.eye(outputs)[-1]]),
    )


def run_winograd(problem: ConvProblem, tile: Pair, maps: Array) -> list[Part]:
    """Fill `maps` by F(a, kh) along the columns and F(b, kw) along the rows.

    Parameters
    ----------
    problem : ConvProblem
        Of stride 1, dilation 1 and one group.
    tile : (int, int)
        a and b.
    maps : ndarray, (N, C_out, oh, ow)

    Returns
    -------
    list of Part
        Those with values that are not finite. The transforms spread NaN and infinity over their
        tiles, so another method has to find the outputs that they belong to.
    """
    plan = _Plan(problem, tile)
    # Where a worker meets the same filters once or all the time, it transforms them itself.
    weights = plan.transform_all_filters() if plan.revisits_filters else None
    nonfinite: list[Part] = []

    def make_worker() -> Callable[[_Block], None]:
        worker = _Worker(plan, weights, maps)
        return lambda block: nonfinite.extend(worker.fill(*block))

    parallel_for(make_worker, plan.blocks, is_short=True)
    return nonfinite


class _Plan:
    """The numbers and matrices of one layer's tiles.

    Attributes
    ----------
    inputs : (int, int)
        t and s: the rows and columns that a tile reads.
    of_inputs : ndarray, (t·s, t·s)
        The transform of a tile's inputs.
    of_filters : ndarray, (t·s, kh·kw)
        The transform of a filter.
    to_outputs : ndarray, (a·b, t·s)
        The transform to a tile's outputs.
    blocks : list
        What is computed at a time.
    revisits_filters : bool
        Whether blocks have several groups of filters, each used again after others.
    """

    def __init__(self, problem: ConvProblem, tile: Pair) -> None:
        self.problem, self.tile = problem, tile
        kh, kw = problem.window.kernel
        self.inputs = tile[0] + kh - 1, tile[1] + kw - 1
        self.of_inputs, self.of_filters, self.to_outputs = (
            np.kron(*matrices).astype(problem.images.dtype)
            for matrices in zip(transform(tile[0], kh), transform(tile[1], kw), strict=True)
        )
        self.blocks = self._blocks()
        filters = {block[3].start for block in self.blocks}
        self.revisits_filters = 1 < len(filters) < len(self.blocks)

    def _blocks(self) -> list[_Block]:
        images, c_in = self.problem.images.shape[:2]
        filters = list(split_range(len(self.problem.filters), _BLOCK_FILTERS))
        counts = [
            -(-size // side) for size, side in zip(self.problem.output, self.tile, strict=True)
        ]
        tile_bytes = self.problem.images.itemsize * len(self.of_filters) * c_in
        tiles = _BLOCK_BYTES // tile_bytes
        columns = even_size(counts[1], tiles // _MIN_BLOCK_ROWS)
        wanted = -(-_MIN_BLOCKS // max(images * len(filters), 1))
        rows = min(max(tiles // columns, 1), max(-(-counts[0] // wanted), _MIN_BLOCK_ROWS))
        rows = even_size(counts[0], rows)
        regions = split_range(counts[0], rows), split_range(counts[1], columns)
        return list(product(range(images), *regions, filters))

    def transform_all_filters(self) -> Array:
        """G·w·Gᵀ of every filter and channel: (t·s, C_out, C_in)."""
        c_out, c_in = self.problem.filters.shape[:2]
        weights = np.empty((len(self.of_filters), c_out, c_in), self.problem.filters.dtype)
        parallel_for(
            lambda: lambda part: self.transform_filters(part, weights[:, part]),
            split_range(c_out, _BLOCK_FILTERS),
            is_short=True,
        )
        return weights

    def transform_filters(self, part: slice, target: Array) -> None:
        """G·w·Gᵀ of some filters: into (t·s, filters, C_in)."""
        filters = self.problem.filters[part].reshape(-1, self.of_filters.shape[1])
        np.matmul(self.of_filters, filters.T, out=target.reshape(len(target), -1))


class _Worker:
    """Transforms, multiplies and transforms back, in its own scratch memory.

    Values are sorted by their position in a tile: those of one position are one row, over channels
    and tiles.
    """

    def __init__(self, plan: _Plan, weights: Array | None, maps: Array) -> None:
        self._plan, self._weights, self._maps = plan, weights, maps
        self._scratch = Scratch()
        self._inputs_of: tuple[int, slice, slice] | None = None
        self._filters_of: slice | None = None
        self._inputs = maps  # of no meaning before the first block

    def fill(self, image: int, rows: slice, columns: slice, filters: slice) -> list[Part]:
        """Compute one block; return it where something in it is not finite."""
        (oh, ow), (a, b) = self._plan.problem.output, self._plan.tile
        output_rows = slice(rows.start * a, min(rows.stop * a, oh))
        output_columns = slice(columns.start * b, min(columns.stop * b, ow))
        with np.errstate(all="ignore"):
            if self._inputs_of != (image, rows, columns):
                self._inputs = self._transform_inputs(image, rows, columns)
                self._inputs_of = image, rows, columns
            target = self._maps[image, filters, output_rows, output_columns]
            products = self._multiply(filters)
            if self._transform_into(target, products, rows.stop - rows.start, filters):
                return []
        if output_columns == slice(0, ow):
            return [Part(image, output_rows, output_columns, filters)]
        return [
            Part(image, slice(i, i + 1), output_columns, filters)
            for i in range(output_rows.start, output_rows.stop)
        ]

    def _transform_inputs(self, image: int, rows: slice, columns: slice) -> Array:
        """Bᵀ·x·B of these tiles: (t·s, C_in, tiles)."""
        plan, scratch = self._plan, self._scratch
        (a, b), (t, s) = plan.tile, plan.inputs
        under_rows = range(rows.start * a, (rows.stop - 1) * a + t)
        under_columns = range(columns.start * b, (columns.stop - 1) * b + s)
        padded = plan.problem.padded(image).region(under_rows, under_columns, scratch)
        per_channel, per_row, per_value = padded.strides
        counts = rows.stop - rows.start, columns.stop - columns.start
        shape = t, s, len(padded), *counts
        positions = scratch("positions", shape, padded.dtype)
        steps = per_row, per_value, per_channel, per_row * a, per_value * b
        np.copyto(positions, as_strided(padded, shape, steps, writeable=False))
        inputs = scratch("inputs", (t * s, positions[0, 0].size), padded.dtype)
        np.matmul(plan.of_inputs, positions.reshape(inputs.shape), out=inputs)
        return inputs.reshape(t * s, len(padded), -1)

    def _multiply(self, filters: slice) -> Array:
        """Sum over the channels: (t·s, C_out, tiles)."""
        count, _, tiles = self._inputs.shape
        shape = count, filters.stop - filters.start, tiles
        products = self._scratch("products", shape, self._inputs.dtype)
        multiply_into(products, self._transformed_filters(filters), self._inputs)
        return products

    def _transform_into(self, target: Array, products: Array, rows: int, filters: slice) -> bool:
        """Aᵀ·(...)·A of the products: into (C_out, rows, columns) of the maps.

        Return whether all of them are finite.
        """
        problem, (a, b), scratch = self._plan.problem, self._plan.tile, self._scratch
        c_out, columns = len(target), products.shape[2] // rows
        outputs = scratch("positions", (a * b, products[0].size), target.dtype)
        np.matmul(self._plan.to_outputs, products.reshape(len(products), -1), out=outputs)
        whole = target
        if target.shape[1:] != (rows * a, columns * b):  # the last tiles reach beyond the output
            whole = scratch("whole", (c_out, rows * a, columns * b), target.dtype)
        by_tile = outputs.reshape(a, b, c_out, rows, columns).transpose(2, 3, 0, 4, 1)
        np.copyto(whole.reshape(by_tile.shape), by_tile)
        if whole is not target:
            np.copyto(target, whole[:, : target.shape[1], : target.shape[2]])
        if problem.bias is not None:
            target += problem.bias[filters, np.newaxis, np.newaxis]
        if problem.finish is not None:
            problem.finish(target)
        flat = outputs.reshape(-1)
        return bool(np.isfinite(flat @ flat))

    def _transformed_filters(self, part: slice) -> Array:
        if self._weights is not None:
            return self._weights[:, part]
        filters = self._plan.problem.filters[part]
        shape = len(self._plan.of_filters), *filters.shape[:2]
        weights = self._scratch("weights", shape, filters.dtype)
        if self._filters_of != part:
            self._plan.transform_filters(part, weights)
            self._filters_of = part
        return weights
