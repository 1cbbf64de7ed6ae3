"""im2col for filters: pad, columns, matmul, reshape, as in `conv2d`, but with less to copy.

The columns of im2col hold every value kh·kw times, and copying them costs more than multiplying
them. For stride and dilation 1, three things make them smaller. A row here is a padded row of a
band, its channels interleaved, so that the tap to the right is C values further on.

`unrolled`
    The number of taps of a row that get their own row of columns: the padded row, copied with a
    shift of 0, 1, 2, ... pixels.
`shifts`
    The other taps are the same copies, read some pixels further on: ceil(kw / unrolled) products,
    whose results are added with a shift.
`stacked`
    The number of output rows of one product. The windows of neighboring rows overlap, and as views
    they share their memory; what one row of weights does not read has a weight of zero there, so
    the weights form a band along the diagonal:

        k k k . . .
        . k k k . .      3 rows of weights, stacked 4
        . . k k k .
        . . . k k k
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.im2col import tap_index
from convcli.engine.scratch import MAX_COLUMNS_BYTES, Scratch, split_range
from convcli.records import NamedTuple

TILE_BYTES = 6_000_000  # large enough to let another thread work meanwhile, small enough to cache
COPIES = 8  # of a region: columns, products and sums


def im2col_algorithm(problem: FilterProblem) -> Algorithm:
    """One product of matrices, and the copies for its columns."""
    return (banded_im2col_algorithm if problem.is_dense else tap_im2col_algorithm)(problem)


def tap_im2col_algorithm(problem: FilterProblem) -> Algorithm:
    """im2col for any window, with rows of columns for the weights that are not zero only.

    They come in as many groups as the memory for columns needs.
    """
    window = problem.window
    # Where a stride takes the pixels of a row apart, each channel is copied by itself: the runs of
    # interleaved channels would be too short.
    axes = (0, 1, 2) if window.stride[1] > 1 else (1, 2, 0)  # of (C, oh, ow)

    def make_filter() -> TileFilter:
        scratch = Scratch()
        taps = np.argwhere(problem.kernel)
        weights = problem.kernel[tuple(taps.T)].astype(problem.sums)

        def correlate(region: Array) -> Array:
            size = window.output((region.shape[0], region.shape[1]))
            shape = [(problem.channels, *size)[axis] for axis in axes]
            length = prod(shape)
            sums = scratch("sums", (length,), problem.sums)
            sums[:] = 0
            planes = region.transpose(2, 0, 1)  # (C, rows, columns)
            count = max(MAX_COLUMNS_BYTES // max(sums.nbytes, 1), 1)
            columns = scratch("columns", (min(count, len(taps)), *shape), problem.sums)
            for group in split_range(len(taps), count):
                for row, (u, v) in zip(columns, taps[group], strict=False):
                    row[...] = planes[tap_index(u, v, window, size)].transpose(axes)
                matrix = columns[: len(taps[group])].reshape(-1, length)  # (taps, C·oh·ow)
                sums += weights[group] @ matrix
            return np.moveaxis(sums.reshape(shape), axes.index(0), 2)

        return correlate

    passes = prod(window.stride) + 2 * problem.taps
    return Algorithm(
        Choice("im2col", f"{problem.taps} taps, in bands"),
        problem.estimate_s(products=problem.taps, passes=passes),
        problem.sums,
        problem.sums,
        make_filter,
        problem.tile_size(),
        COPIES,
    )


class BandedLayout(NamedTuple):
    """The numbers `unrolled`, `shifts` and `stacked` that the module explains."""

    unrolled: int
    shifts: int
    stacked: int


def banded_layout(kernel: tuple[int, int]) -> BandedLayout:
    """Return the layout that was measured to be the fastest for a kernel of (kh, kw).

    >>> banded_layout((3, 3)), banded_layout((15, 15))
    (BandedLayout(unrolled=3, shifts=1, stacked=1), BandedLayout(unrolled=4, shifts=4, stacked=4))
    """
    kh, kw = kernel
    if kw == 1:
        return BandedLayout(1, 1, 8)
    if kh * kw <= 9:
        return BandedLayout(kw, 1, 1)
    if kw <= 5:
        return BandedLayout(1, kw, min(2, kh))
    unrolled = 2 if kw <= 8 else 3 if kw <= 12 else 4
    return BandedLayout(unrolled, -(-kw // unrolled), min(4, kh))


def banded_im2col_algorithm(problem: FilterProblem) -> Algorithm:
    """im2col with few copies, for stride and dilation 1."""
    layout = banded_layout(problem.window.kernel)
    unrolled, shifts, stacked = layout
    arrays = unrolled + shifts + (shifts > 1)  # columns, products and sums
    rows, columns = problem.tile_size(TILE_BYTES // (arrays * problem.sums.itemsize))
    products = shifts * (stacked - 1 + problem.window.kernel[0]) * unrolled
    return Algorithm(
        Choice("im2col", f"{problem.taps} taps, in bands"),
        problem.estimate_s(products=products, passes=unrolled + shifts),
        # Where nothing else copies the rows, reading a tile converts them.
        problem.sums if unrolled == 1 else problem.region_dtype,
        problem.sums,
        lambda: _make_banded_filter(problem, layout),
        (-(-rows // stacked) * stacked, columns),
        COPIES,
        leaks_nonfinite=True,
    )


def banded_weights(kernel: Array, layout: BandedLayout) -> Array:
    """The weights as one matrix, (shifts·stacked, (stacked + kh - 1)·unrolled).

    >>> banded_weights(np.array([[1, 2], [3, 4]]), BandedLayout(2, 1, 2))
    array([[1., 2., 3., 4., 0., 0.],
           [0., 0., 1., 2., 3., 4.]])
    """
    unrolled, shifts, stacked = layout
    kh = kernel.shape[0]
    weights = np.zeros((shifts, stacked, stacked + kh - 1, unrolled))
    for shift in range(shifts):
        taps = kernel[:, shift * unrolled : (shift + 1) * unrolled]
        for row in range(stacked):
            weights[shift, row, row : row + kh, : taps.shape[1]] = taps
    return weights.reshape(shifts * stacked, -1)


def _make_banded_filter(problem: FilterProblem, layout: BandedLayout) -> TileFilter:
    scratch = Scratch()
    weights = banded_weights(problem.kernel, layout).astype(problem.sums)
    unrolled, shifts, stacked = layout
    channels, kh, reach = problem.channels, problem.window.kernel[0], problem.extent[1] - 1
    step = unrolled * channels  # values from one shift to the next

    def unroll(rows: Array, blocks: int, read: int) -> Array:
        """Copy the rows with a shift of 0, 1, 2, ... pixels: (rows, unrolled, values)."""
        count = blocks * stacked + kh - 1
        if unrolled == 1 and len(rows) == count and rows.dtype == weights.dtype:
            return as_strided(rows, (count, 1, read), (rows.strides[0], *rows.strides))
        columns = scratch("columns", (count, unrolled, read), weights.dtype)
        for copy in range(unrolled):
            values = rows[:, copy * channels : copy * channels + read]
            columns[: len(rows), copy, : values.shape[1]] = values
            columns[: len(rows), copy, values.shape[1] :] = 0  # multiplied by a weight of 0
        columns[len(rows) :] = 0  # completes the last block
        return columns

    def correlate(region: Array) -> Array:
        height, width = len(region) - kh + 1, region.shape[1] - reach
        blocks, length = -(-height // stacked), width * channels
        read = length + (shifts - 1) * step
        columns = unroll(region.reshape(len(region), -1), blocks, read)
        windows = _overlapping_blocks(columns, blocks, stacked, weights.shape[1])
        products = scratch("products", (blocks, len(weights), read), weights.dtype)
        np.matmul(weights, windows, out=products)
        sums = products[:, :stacked, :length]
        if shifts > 1:
            total = scratch("sums", (blocks, stacked, length), weights.dtype)
            terms = _shifted_products(products, layout, step, length)
            sums = np.add.reduce(terms, axis=1, out=total)
        return sums.reshape(blocks * stacked, width, channels)[:height]

    return correlate


def _overlapping_blocks(columns: Array, blocks: int, stacked: int, taps: int) -> Array:
    """View the columns of each block of stacked rows, which overlap: (blocks, taps, values)."""
    per_row, per_copy, per_value = columns.strides
    return as_strided(
        columns,
        (blocks, taps, columns.shape[2]),
        (stacked * per_row, per_copy, per_value),
        writeable=False,
    )


def _shifted_products(products: Array, layout: BandedLayout, step: int, length: int) -> Array:
    """View what is added up, (blocks, shifts, stacked, values): each shift starts further on."""
    per_block, per_row, per_value = products.strides
    return as_strided(
        products,
        (len(products), layout.shifts, layout.stacked, length),
        (per_block, layout.stacked * per_row + step * per_value, per_row, per_value),
        writeable=False,
    )
