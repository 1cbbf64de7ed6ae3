"""Separable kernels: the product of a column and a row, which filter one after the other.

Each output takes kh + kw products instead of kh·kw. Both passes are products with a banded matrix,
as in `im2col`, and neither copies values. Down the columns, the rows of the region are the columns
of im2col. The pass along the rows has two forms:

`flat`
    The inputs of several neighboring values of a row are one slice of it. Where channels are
    interleaved, the taps of one of them skip the others, and are multiplied by zeros there.
`turned`
    The first product gives its result turned: a column of all sums after the other, (columns, C,
    rows). The pass along the rows is then another one down columns, without zeros; the sums are
    turned back when they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.blas import MAX_SMALL_PRODUCTS, find_blas
from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer import as_integer_kernel
from convcli.engine.filter2d.integer_program import factorize_integers
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.filter2d.tiles import bind_once
from convcli.engine.scratch import Scratch, row_pitch
from convcli.records import NamedTuple

RANK_TOLERANCE = 1e-12  # relative to the largest weight: products of rounded factors, no more
# Of a tile: smaller ones make threads wait for Python's lock. Measured with two threads and AVX2.
TILE_VALUES = 288 << 10
ROW_VALUES = 3 << 10  # of a flat row
TURNED_VALUES = 576  # of a column of turned sums, its channels side by side
PACKING_PASSES = 7  # over what both products read and write, where BLAS packs it; AMD with AVX2
LARGE_TILE_ROWS = 256  # of the output, under a kernel of many more rows
MAX_FLAT_REACH = 100  # values: a longer row of interleaved channels has too many zeros
MAX_FLAT_CHANNELS = 4


_Product: TypeAlias = tuple[Array, Array, Array]  # of the first two, and where it goes


class SeparableLayout(NamedTuple):
    """How the two passes are cut into products.

    Parameters
    ----------
    down, along : int
        The neighboring outputs of one product in a column, and in a row: values where it is flat.
    is_turned : bool
        Whether the sums of the columns come out turned.
    """

    down: int
    along: int
    is_turned: bool


def separable_layout(problem: FilterProblem) -> SeparableLayout:
    """Return the layout that was measured to be the fastest.

    For BLAS with a kernel for small products on a Xeon with AVX-512, else on an AMD EPYC with AVX2.
    """
    channels, (high, wide) = problem.channels, problem.extent
    can_be_flat = channels == 1 or problem.window.stride[1] == 1
    reach = (wide - 1) * channels
    if find_blas().has_small_kernel and can_be_flat and channels <= MAX_FLAT_CHANNELS:
        is_small = 4 * (high + 3) * (ROW_VALUES + reach) <= MAX_SMALL_PRODUCTS
        if channels == 1 or reach <= MAX_FLAT_REACH:
            return SeparableLayout(4 if is_small else 16, 32, is_turned=False)
    if channels == 1:
        return SeparableLayout(8 if high <= 16 else 16, 16, is_turned=False)
    # Few taps are faster as a product of a vector and a matrix.
    return SeparableLayout(16, 1 if wide <= 16 else 16, is_turned=True)


def factorize(kernel: Array) -> tuple[Array, Array] | None:
    """Split a kernel of rank 1 into the column and the row whose outer product it is.

    The row is one of the kernel's own, so whole numbers stay whole where they can.

    Parameters
    ----------
    kernel : ndarray, (kh, kw)

    Returns
    -------
    (column, row) : ndarray, (kh,) and (kw,); None for a kernel of another rank.

    Examples
    --------
    >>> factorize(np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0]]))
    (array([0.5, 1. ]), array([2., 4., 2.]))
    >>> factorize(np.eye(2)) is None
    True
    """
    top, left = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    pivot = kernel[top, left]
    if pivot == 0:
        return None
    column, row = kernel[:, left] / pivot, kernel[top]
    tolerance = RANK_TOLERANCE * abs(pivot)
    if np.abs(np.outer(column, row) - kernel).max() > tolerance:
        return None
    return column, row


def separable_algorithm(problem: FilterProblem) -> Algorithm:
    """Down the columns, then along the rows."""
    (kh, kw), (sh, sw), (high, wide) = problem.window.kernel, problem.window.stride, problem.extent
    taps = f"2×{kh}" if kh == kw else f"{kh} + {kw}"
    down, along, is_turned = layout = separable_layout(problem)
    tap_step = 1 if is_turned else problem.channels  # zeros between the taps of a flat row
    # Down the columns first, over every padded column; then along the rows.
    products = ((down - 1) * sh + high) * sw + (along - 1) * sw + (wide - 1) * tap_step + 1
    more_passes = 2 * is_turned if find_blas().has_small_kernel else PACKING_PASSES
    row_values = ROW_VALUES
    if is_turned:
        rows = min(-(-TURNED_VALUES // problem.channels), problem.output[0])
        rows = -(-rows // down) * down
        row_values = TILE_VALUES // rows
    tile_rows, tile_columns = problem.tile_size(TILE_VALUES, row_values=row_values)
    if problem.factors is not None:  # a tile reads all rows that the kernel spans, and these
        tile_rows = min(tile_rows, LARGE_TILE_ROWS)
    return Algorithm(
        Choice("separable", f"rank 1, {taps} taps instead of {kh * kw}"),
        problem.estimate_s(products=products, passes=sh * sw + more_passes),
        problem.sums,
        problem.sums,
        lambda: _make_filter(problem, layout),
        (max(tile_rows // down, 1) * down, tile_columns),
        copies=4 if problem.factors is None else 1,
        copies_regions=True,
        leaks_nonfinite=True,
    )


def banded_taps(taps: Array, outputs: int, stride: int, dilation: int) -> Array:
    """The weights of neighboring outputs as one matrix, (outputs, inputs).

    >>> banded_taps(np.array([1, 2]), 3, stride=2, dilation=1)
    array([[1, 2, 0, 0, 0, 0],
           [0, 0, 1, 2, 0, 0],
           [0, 0, 0, 0, 1, 2]])
    """
    extent = dilation * (len(taps) - 1) + 1
    weights = np.zeros((outputs, (outputs - 1) * stride + extent), taps.dtype)
    for output, row in enumerate(weights):
        row[output * stride : output * stride + extent : dilation] = taps
    return weights


def _factors(problem: FilterProblem) -> tuple[Array, Array]:
    """The column and the row, in the type of the sums."""
    if problem.factors is not None:
        return problem.factors[0].astype(problem.sums), problem.factors[1].astype(problem.sums)
    whole = as_integer_kernel(problem.kernel)
    factors = None if whole is None else factorize_integers(whole.weights)
    if whole is not None and factors is not None:  # sums of halves and quarters stay exact
        factors = factors[0].astype(np.float64), factors[1] * whole.unit
    else:
        factors = factorize(problem.kernel)
    if factors is None:
        raise ValueError("the kernel is not separable")
    return factors[0].astype(problem.sums), factors[1].astype(problem.sums)


def _make_filter(problem: FilterProblem, layout: SeparableLayout) -> TileFilter:
    scratch = Scratch()
    column, row = _factors(problem)
    (high, wide), channels = problem.extent, problem.channels
    (sh, sw), (dh, dw) = problem.window.stride, problem.window.dilation
    down = _Taps(column, sh, dh, layout.down)

    def bind(region: Array) -> tuple[list[_Product], Array]:
        """Return the products of a region, and where their sums are."""
        rows, columns, _ = region.shape
        height, width = (rows - high) // sh + 1, (columns - wide) // sw + 1
        source = region.reshape(rows, columns * channels)
        if layout.is_turned:
            turned = scratch("column sums", (columns, channels * height), problem.sums)
            sums = scratch("sums", (width, channels * height), problem.sums)
            along = _Taps(row, sw, dw, layout.along)
            products = [
                *_turned_products(down, source, turned.reshape(-1, height)),
                *_column_products(along, turned, sums),
            ]
            return products, sums.reshape(width, channels, height).transpose(2, 0, 1)
        pitch = row_pitch(columns * channels, problem.sums.itemsize)
        column_sums = scratch("column sums", (height, pitch), problem.sums)[:, : columns * channels]
        sums = scratch("sums", (height, width * channels), problem.sums)
        along = _Taps(row, sw, dw * channels, layout.along)
        products = [
            *_column_products(down, source, column_sums),
            *_row_products(along, column_sums, sums),
        ]
        return products, sums.reshape(height, width, channels)

    find = bind_once(bind)

    def correlate(region: Array) -> Array:
        products, sums = find(region)
        for left, right, out in products:
            np.matmul(left, right, out)
        return sums

    return correlate


class _Taps(NamedTuple):
    """Taps of a pass: their distance, that of the outputs, and the outputs of one product."""

    weights: Array
    stride: int
    dilation: int
    outputs: int


def _column_products(taps: _Taps, rows: Array, out: Array) -> Iterator[_Product]:
    """Each product gives some rows: (outputs, rows read) @ (rows read, values)."""
    yield from _blocks(taps, rows, out, axis=0)


def _turned_products(taps: _Taps, rows: Array, out: Array) -> Iterator[_Product]:
    """Each product gives some columns of `out`: (values, rows read) @ (rows read, outputs)."""
    for weights, blocks, sums in _blocks(taps, rows, out.T, axis=0):
        yield blocks.swapaxes(1, 2), np.ascontiguousarray(weights.T), sums.swapaxes(1, 2)


def _row_products(taps: _Taps, rows: Array, out: Array) -> Iterator[_Product]:
    """Each product gives some columns: (rows, values read) @ (values read, outputs)."""
    for weights, blocks, sums in _blocks(taps, rows, out, axis=1):
        yield blocks, np.ascontiguousarray(weights.T), sums


def _blocks(
    taps: _Taps, source: Array, target: Array, *, axis: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Cut outputs along an axis into blocks of one length, and a shorter one for the rest.

    Yields the weights of a block, (outputs, inputs), and views of what the blocks read and write,
    (blocks, ...). What they read overlaps.
    """
    blocks, rest = divmod(target.shape[axis], taps.outputs)
    for first, count, outputs in ((0, blocks, taps.outputs), (blocks * taps.outputs, 1, rest)):
        if count and outputs:
            weights = banded_taps(taps.weights, outputs, taps.stride, taps.dilation)
            start = (slice(None),) * axis
            inputs = source[(*start, slice(first * taps.stride, None))]
            sums = target[(*start, slice(first, None))]
            yield (
                weights,
                _view_blocks(inputs, axis, count, outputs * taps.stride, weights.shape[1]),
                _view_blocks(sums, axis, count, outputs, outputs),
            )


def _view_blocks(array: Array, axis: int, count: int, step: int, length: int) -> Array:
    """View `count` blocks of an axis, each `step` positions further on: (count, ...)."""
    shape = *array.shape[:axis], length, *array.shape[axis + 1 :]
    return as_strided(array, (count, *shape), (step * array.strides[axis], *array.strides))
