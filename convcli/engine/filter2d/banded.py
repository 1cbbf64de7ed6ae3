"""im2col with few copies, as `im2col` lays it out."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arithmetic.geometry import Window
from convcli.engine.arrays import Array
from convcli.engine.filter2d.im2col import BandedLayout, rows_seen
from convcli.engine.filter2d.problem import FilterProblem, TileFilter
from convcli.engine.scratch import Scratch, row_pitch
from convcli.records import NamedTuple


def banded_weights(kernel: Array, layout: BandedLayout, stride: int = 1) -> Array:
    """The weights as one matrix, (shifts·stacked, ((stacked - 1)·stride + kh)·unrolled).

    >>> banded_weights(np.array([[1, 2], [3, 4]]), BandedLayout(2, 1, 1, 2))
    array([[1., 2., 3., 4., 0., 0.],
           [0., 0., 1., 2., 3., 4.]])
    """
    unrolled, shifts, step, stacked = layout
    kh = kernel.shape[0]
    weights = np.zeros((shifts, stacked, (stacked - 1) * stride + kh, unrolled))
    for shift in range(shifts):
        new = 0 if shift == 0 else unrolled - step  # the taps before are those of the last shift
        taps = kernel[:, shift * step + new : shift * step + unrolled]
        for row in range(stacked):
            weights[shift, row, row * stride : row * stride + kh, new:] = taps
    return weights.reshape(shifts * stacked, -1)


class _Views(NamedTuple):
    """Views of scratch arrays, for tiles of one shape.

    Parameters
    ----------
    columns : ndarray, (rows, unrolled, planes, values)
        Of the rows of one phase: every d-th with a dilation of d.
    windows : ndarray, (blocks, terms, values)
        The columns of each block of stacked rows, which overlap.
    products : ndarray, (blocks, shifts·stacked, phases, values)
    terms : list of ndarray, (blocks, stacked, phases, planes, values)
        The products that add up, one for each shift.
    total : ndarray, (blocks, stacked, phases, planes, values)
    sums : ndarray, (oh, ow, C)
        The products of a single shift, or else the total.
    """

    columns: Array
    windows: Array
    products: Array
    terms: list[Array]
    total: Array
    sums: Array


def make_banded_filter(problem: FilterProblem, layout: BandedLayout) -> TileFilter:
    """Return a function of the padded pixels of a tile, whose rows may be apart in memory."""
    scratch = Scratch()
    views: dict[tuple[int, ...], _Views] = {}
    window = problem.window
    phases = window.dilation[0]
    weights = banded_weights(problem.kernel, layout, window.stride[0]).astype(problem.sums)

    def correlate(region: Array) -> Array:
        found = views.get(region.shape)
        if found is None:
            found = views[region.shape] = _make_views(problem, layout, region.shape, scratch)
        columns = found.columns
        for phase in range(phases):
            rows = region[phase::phases]
            columns[: len(rows)] = _shifted_rows(rows, columns.shape, window)
            if len(rows) < len(columns):
                columns[len(rows) :] = 0  # completes the last block
            np.matmul(weights, found.windows, out=found.products[:, :, phase])
        if layout.shifts > 1:
            np.add(found.terms[0], found.terms[1], out=found.total)
            for term in found.terms[2:]:
                np.add(found.total, term, out=found.total)
        return found.sums

    return correlate


def _shifted_rows(rows: Array, columns: tuple[int, ...], window: Window) -> Array:
    """View rows of pixels once for each tap that is unrolled: (rows, unrolled, planes, values)."""
    per_row, per_pixel, per_channel = rows.strides
    stride, dilation = window.stride[1], window.dilation[1]
    per_value = per_channel if stride == 1 else stride * per_pixel
    return as_strided(
        rows,
        (len(rows), *columns[1:]),
        (per_row, dilation * per_pixel, per_channel, per_value),
        writeable=False,
    )


def _make_views(
    problem: FilterProblem, layout: BandedLayout, shape: tuple[int, ...], scratch: Scratch
) -> _Views:
    window, dtype = problem.window, problem.sums
    unrolled, shifts, step, stacked = layout
    (sh, sw), (phases, dw) = window.stride, window.dilation
    height, width = (
        (length - extent) // stride + 1
        for length, extent, stride in zip(shape, problem.extent, window.stride, strict=False)
    )
    # Interleaved channels are pixels that the taps skip.
    planes, channels = (1, shape[2]) if sw == 1 else (shape[2], 1)
    skipped = step * dw * channels // sw  # values from one shift to the next
    length = width * channels
    read = length + (shifts - 1) * skipped
    pitch = row_pitch(planes * read, dtype.itemsize)
    blocks = -(-height // (stacked * phases))
    seen = rows_seen(window, layout)

    count = (blocks - 1) * stacked * sh + seen
    columns = scratch("columns", (count, unrolled, pitch), dtype)
    apart = pitch if shifts > 1 else read * planes  # sums without gaps are rounded the fastest
    products = scratch("products", (blocks, shifts, stacked, phases, apart), dtype)
    values = products[..., : planes * read]
    by_plane = values.reshape(*values.shape[:-1], planes, read)
    total = products
    if shifts > 1:
        total = scratch("total", (blocks, stacked, phases, planes, length), dtype)
    rows = total.reshape(-1, planes, length)[:height]
    return _Views(
        columns[..., : planes * read].reshape(count, unrolled, planes, read),
        as_strided(
            columns,
            (blocks, seen * unrolled, planes * read),
            (stacked * sh * columns.strides[0], *columns.strides[1:]),
        ),
        values.reshape(blocks, shifts * stacked, phases, -1),
        [
            by_plane[:, shift, ..., shift * skipped : shift * skipped + length]
            for shift in range(shifts)
        ],
        total,
        rows.reshape(height, width, -1) if sw == 1 else rows.swapaxes(1, 2),
    )
