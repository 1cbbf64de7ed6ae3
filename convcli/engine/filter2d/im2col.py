"""Dense kernels: pad, columns, matmul, reshape, as `convolution` has it, with less to copy.

The columns of im2col hold every sample kh·kw times, and copying them costs more than multiplying
them. Three things make them smaller; a row here is a padded row of a band, its channels side by
side, so that the tap to the right is C samples on.

`unrolled`
    Only so many of the kw taps of a row get a row of columns of their own: the padded row, copied
    with a shift of 0, 1, 2, ... pixels.
`shifts`
    The other taps are the same copies seen some pixels further on: ceil(kw / unrolled) products,
    whose results are added with a shift.
`stacked`
    So many rows of the output come out of one product. The windows of neighbouring rows overlap,
    and as views they share their memory; what one row of weights does not see has a weight of zero
    there, so the weights form a band along the diagonal:

        k k k . . .
        . k k k . .      3 rows of weights, stacked 4
        . . k k k .
        . . . k k k
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.filter2d.problem import Algorithm, BandFilter, FilterProblem, band_rows
from convcli.engine.scratch import Scratch

BAND_BYTES = 6_000_000  # enough to let another thread work meanwhile, little enough for the cache


class BandedLayout(NamedTuple):
    """How the columns are laid out; the module says what the numbers are."""

    unrolled: int
    shifts: int
    stacked: int


def banded_layout(kernel: tuple[int, int]) -> BandedLayout:
    """The layout that was measured to be the fastest for a kernel of (kh, kw).

    >>> banded_layout((3, 3)), banded_layout((15, 15))
    (BandedLayout(unrolled=3, shifts=1, stacked=1), BandedLayout(unrolled=4, shifts=4, stacked=4))
    """
    high, wide = kernel
    if wide == 1:
        return BandedLayout(1, 1, 8)
    if high * wide <= 9:
        return BandedLayout(wide, 1, 1)
    if wide <= 5:
        return BandedLayout(1, wide, min(2, high))
    unrolled = 2 if wide <= 8 else 3 if wide <= 12 else 4
    return BandedLayout(unrolled, -(-wide // unrolled), min(4, high))


def banded_im2col_algorithm(task: FilterProblem) -> Algorithm:
    """im2col with few copies, for stride and dilation 1."""
    plan = banded_layout(task.shape.kernel)
    weights = banded_weights(task.kernel, plan).astype(task.sums)
    copies = plan.unrolled + plan.shifts + (plan.shifts > 1)  # columns, products and their sums
    rows = band_rows(task, BAND_BYTES // (copies * weights.itemsize))
    rows = -(-rows // plan.stacked) * plan.stacked
    samples = task.sums if plan.unrolled == 1 else task.image  # where nothing else copies the rows
    return Algorithm(
        samples, task.sums, lambda: _worker(task, plan, weights), rows, leaks_nonfinite=True
    )


def banded_weights(kernel: Array, plan: BandedLayout) -> Array:
    """The weights as one matrix, (shifts·stacked, (stacked + kh - 1)·unrolled).

    >>> banded_weights(np.array([[1, 2], [3, 4]]), BandedLayout(2, 1, 2))
    array([[1., 2., 3., 4., 0., 0.],
           [0., 0., 1., 2., 3., 4.]])
    """
    high = kernel.shape[0]
    weights = np.zeros((plan.shifts, plan.stacked, plan.stacked + high - 1, plan.unrolled))
    for shift in range(plan.shifts):
        taps = kernel[:, shift * plan.unrolled : (shift + 1) * plan.unrolled]
        for row in range(plan.stacked):
            weights[shift, row, row : row + high, : taps.shape[1]] = taps
    return weights.reshape(plan.shifts * plan.stacked, -1)


def _worker(task: FilterProblem, plan: BandedLayout, weights: Array) -> BandFilter:
    scratch = Scratch()
    pixel, reach = task.channels, plan.unrolled * task.channels
    length = task.width * pixel  # samples of a row of the output
    seen = length + (plan.shifts - 1) * reach  # and with what the shifted sums need

    def unroll(band: Array, blocks: int) -> Array:
        """Copy the rows with a shift of 0, 1, 2, ... pixels: (rows, unrolled, samples)."""
        rows = band.reshape(len(band), -1)
        most = blocks * plan.stacked + task.kernel.shape[0] - 1
        if plan.unrolled == 1 and len(rows) == most:
            return rows.reshape(most, 1, seen)
        columns = scratch("columns", (most, plan.unrolled, seen), weights.dtype)
        for place in range(plan.unrolled):
            taken = rows[:, place * pixel : place * pixel + seen]
            columns[: len(rows), place, : taken.shape[1]] = taken
            columns[: len(rows), place, taken.shape[1] :] = 0  # its weights are 0
        columns[len(rows) :] = 0  # makes the last block whole
        return columns

    def correlate(band: Array) -> Array:
        height = len(band) - task.kernel.shape[0] + 1
        blocks = -(-height // plan.stacked)
        windows = _windows(unroll(band, blocks), blocks, plan.stacked, weights.shape[1])
        products = scratch("products", (blocks, len(weights), seen), weights.dtype)
        np.matmul(weights, windows, out=products)
        sums = products[:, : plan.stacked, :length]
        if plan.shifts > 1:
            total = scratch("sums", (blocks, plan.stacked, length), weights.dtype)
            sums = np.add.reduce(_shifted(products, plan, reach, length), axis=1, out=total)
        return sums.reshape(blocks * plan.stacked, task.width, pixel)[:height]

    return correlate


def _windows(columns: Array, blocks: int, stacked: int, taps: int) -> Array:
    """The columns of each block of stacked rows, (blocks, taps, samples): a view, they overlap."""
    per_row, per_copy, per_sample = columns.strides
    return as_strided(
        columns,
        (blocks, taps, columns.shape[2]),
        (stacked * per_row, per_copy, per_sample),
        writeable=False,
    )


def _shifted(products: Array, plan: BandedLayout, reach: int, length: int) -> Array:
    """What is to be added up, (blocks, shifts, stacked, samples): each shift begins further on."""
    per_block, per_row, per_sample = products.strides
    return as_strided(
        products,
        (len(products), plan.shifts, plan.stacked, length),
        (per_block, plan.stacked * per_row + reach * per_sample, per_row, per_sample),
        writeable=False,
    )
