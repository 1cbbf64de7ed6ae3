"""Separable kernels: the product of a column and a row, which filter one after the other.

Each output takes kh + kw products instead of kh·kw. Both passes are products with a banded matrix,
as in `im2col`, and neither copies values: for the column, the rows of the band are the columns of
im2col; for the row, the inputs of several neighboring outputs are one slice of a row of the band.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer import as_integer_kernel
from convcli.engine.filter2d.integer_program import factorize_integers
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.scratch import Scratch

RANK_TOLERANCE = 1e-12  # relative to the largest weight: products of rounded factors, no more
TILE_VALUES = 300_000
LARGE_TILE_ROWS = 256  # of the output, under a kernel of many more rows
BLOCK_OUTPUTS = 16  # of one product
INTERLEAVED_OUTPUTS = 8  # likewise, where zeros keep interleaved channels apart
MIN_TRANSPOSED_TAPS = 12  # for fewer, transposing costs more than it saves
MAX_INTERLEAVED = 4  # channels: with more, multiplying those zeros costs more than small products


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
    (kh, kw), (sh, sw) = problem.window.kernel, problem.window.stride
    taps = f"2×{kh}" if kh == kw else f"{kh} + {kw}"
    rows, columns = (
        (block_outputs(problem) - 1) * stride + extent  # that one product reads
        for stride, extent in zip((sh, sw), problem.extent, strict=True)
    )
    # Down the columns first, over every padded column; then along the rows.
    products = rows * sw + columns * (problem.channels if is_interleaved(problem) else 1)
    tile_rows, tile_columns = problem.tile_size(TILE_VALUES)
    if problem.factors is not None:  # a tile reads all rows that the kernel spans, and these
        tile_rows = min(tile_rows, LARGE_TILE_ROWS)
    return Algorithm(
        Choice("separable", f"rank 1, {taps} taps instead of {kh * kw}"),
        problem.estimate_s(products=products, passes=sh * sw + 2 * is_transposed(problem)),
        problem.sums,
        problem.sums,
        lambda: _make_filter(problem),
        (-(-tile_rows // BLOCK_OUTPUTS) * BLOCK_OUTPUTS, tile_columns),
        copies=5 if problem.factors is None else 1,
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


def is_transposed(problem: FilterProblem) -> bool:
    """Whether the column sums are transposed, so that each channel is a separate plane.

    The row's matrix then needs no zeros between channels. The channels of the sums have to be
    interleaved again, which is cheap only when they are rounded to small integers.
    """
    least = MIN_TRANSPOSED_TAPS if problem.integer_output else 2 * MIN_TRANSPOSED_TAPS
    return 1 < problem.channels <= MAX_INTERLEAVED and problem.window.kernel[1] >= least


def is_interleaved(problem: FilterProblem) -> bool:
    """Whether the row filters interleaved channels, by a matrix with zeros between them."""
    return problem.channels <= MAX_INTERLEAVED and not is_transposed(problem)


def block_outputs(problem: FilterProblem) -> int:
    """Return the number of neighboring outputs of one product."""
    is_plane = is_transposed(problem) or problem.channels == 1
    return BLOCK_OUTPUTS if is_plane else INTERLEAVED_OUTPUTS


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


def _make_filter(problem: FilterProblem) -> TileFilter:
    scratch = Scratch()
    column, row = _factors(problem)
    channels, (high, wide), (sh, sw) = problem.channels, problem.extent, problem.window.stride

    def correlate(region: Array) -> Array:
        rows = region.reshape(len(region), -1)  # (rows, columns·C)
        height, columns = (len(rows) - high) // sh + 1, region.shape[1]
        width = (columns - wide) // sw + 1
        if is_transposed(problem):
            transposed = scratch("column sums", (rows.shape[1], height), rows.dtype)
            _filter_columns(problem, rows, column, transposed.T)
            planes = scratch("sums", (channels * height, width), rows.dtype)
            # Rows of all channels, one below the other: (C·height, columns).
            _filter_rows(problem, transposed.reshape(columns, -1).T, row, planes, channels=1)
            return planes.reshape(channels, height, width).transpose(1, 2, 0)
        column_sums = scratch("column sums", (height, rows.shape[1]), rows.dtype)
        _filter_columns(problem, rows, column, column_sums)
        sums = scratch("sums", (height, width, channels), rows.dtype)
        if is_interleaved(problem):
            _filter_rows(problem, column_sums, row, sums.reshape(height, -1), channels)
        else:
            _filter_pixels(problem, column_sums.reshape(height, columns, channels), row, sums)
        return sums

    return correlate


def _filter_columns(problem: FilterProblem, rows: Array, column: Array, out: Array) -> None:
    """Each product gives some rows: (outputs, rows read) @ (rows read, values)."""
    for weights, blocks, sums in _blocks(problem, column, rows, out, axis=0):
        if out.strides[0] < out.strides[1]:  # transposed: so is the product
            np.matmul(blocks.swapaxes(1, 2), weights.T, out=sums.swapaxes(1, 2))
        else:
            np.matmul(weights, blocks, out=sums)


def _filter_rows(
    problem: FilterProblem, rows: Array, row: Array, out: Array, channels: int
) -> None:
    """Each product gives some columns: (rows, values read) @ (values read, outputs·C)."""
    for weights, blocks, sums in _blocks(problem, row, rows, out, axis=1, unit=channels):
        apart = np.kron(weights, np.eye(channels, dtype=weights.dtype))  # channels stay apart
        np.matmul(blocks, apart.T, out=sums)


def _filter_pixels(problem: FilterProblem, pixels: Array, row: Array, out: Array) -> None:
    """The same for many channels: (outputs, pixels read) @ (pixels read, C) in each row."""
    for weights, blocks, sums in _blocks(problem, row, pixels, out, axis=1):
        np.matmul(weights, blocks, out=sums)


def _blocks(
    problem: FilterProblem, taps: Array, source: Array, target: Array, *, axis: int, unit: int = 1
) -> Iterator[tuple[Array, Array, Array]]:
    """Cut outputs along an axis into blocks of one length, and a shorter one for the rest.

    Yields the weights of a block, (outputs, inputs), and views of what the blocks read and write,
    (blocks, ...). What they read overlaps. `unit` values of the axis are one position.
    """
    stride, most = problem.window.stride[axis], block_outputs(problem)
    blocks, rest = divmod(target.shape[axis] // unit, most)
    for first, count, outputs in ((0, blocks, most), (blocks * most, 1, rest)):
        if count and outputs:
            weights = banded_taps(taps, outputs, stride, problem.window.dilation[axis])
            start = (slice(None),) * axis
            inputs = source[(*start, slice(first * stride * unit, None))]
            sums = target[(*start, slice(first * unit, None))]
            step = outputs * unit
            yield (
                weights,
                _view_blocks(inputs, axis, count, step * stride, weights.shape[1] * unit),
                _view_blocks(sums, axis, count, step, step),
            )


def _view_blocks(array: Array, axis: int, count: int, step: int, length: int) -> Array:
    """View `count` blocks of an axis, each `step` positions further on: (count, ...)."""
    shape = *array.shape[:axis], length, *array.shape[axis + 1 :]
    return as_strided(array, (count, *shape), (step * array.strides[axis], *array.strides))
