"""Separable kernels: a column times a row, so filter by the one, then by the other.

kh + kw products for each output instead of kh·kw. Both passes are products with a banded matrix, as
in `im2col`, and neither copies anything: down the columns, the rows of the band are the columns of
im2col; along the rows, what several neighbouring outputs read is one piece of the row.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer import as_integer_kernel
from convcli.engine.filter2d.integer_program import factorize_integers
from convcli.engine.filter2d.problem import Algorithm, BandFilter, FilterProblem, band_rows
from convcli.engine.scratch import Scratch

RANK_TOLERANCE = 1e-12  # relative to the largest weight: products of rounded factors, no more
BAND_VALUES = 300_000
BLOCK_OUTPUTS = 16  # of one product
INTERLEAVED_OUTPUTS = 8  # likewise, where zeros keep interleaved channels apart
MIN_TRANSPOSED_TAPS = 12  # from so many on, transposing pays
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
    whole = as_integer_kernel(problem.kernel)
    factors = None if whole is None else factorize_integers(whole.weights)
    if whole is not None and factors is not None:  # sums of halves and quarters stay exact
        factors = factors[0].astype(np.float64), factors[1] * whole.unit
    else:
        factors = factorize(problem.kernel)
    if factors is None:
        raise ValueError("the kernel is not separable")
    column, row = (factor.astype(problem.sums) for factor in factors)
    return Algorithm(
        problem.sums,
        problem.sums,
        lambda: _make_filter(problem, column, row),
        -(-band_rows(problem, BAND_VALUES) // BLOCK_OUTPUTS) * BLOCK_OUTPUTS,
        copies=5,
        leaks_nonfinite=True,
    )


def banded_taps(taps: Array, outputs: int, stride: int, dilation: int) -> Array:
    """The weights of so many neighbouring outputs as one matrix, (outputs, inputs).

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
    """Whether rows become columns in between, which gives each channel a plane of its own.

    Then no product has zeros that keep channels apart; but the channels of the sums are not
    interleaved, and making them so is cheap only on the way to small integers.
    """
    least = MIN_TRANSPOSED_TAPS if problem.integer_output else 2 * MIN_TRANSPOSED_TAPS
    return 1 < problem.channels <= MAX_INTERLEAVED and problem.window.kernel[1] >= least


def is_interleaved(problem: FilterProblem) -> bool:
    """Whether the products along the rows take interleaved channels, kept apart by zeros."""
    return problem.channels <= MAX_INTERLEAVED and not is_transposed(problem)


def block_outputs(problem: FilterProblem) -> int:
    """How many neighbouring outputs one product gives."""
    is_plane = is_transposed(problem) or problem.channels == 1
    return BLOCK_OUTPUTS if is_plane else INTERLEAVED_OUTPUTS


def _make_filter(problem: FilterProblem, column: Array, row: Array) -> BandFilter:
    scratch = Scratch()
    channels, width = problem.channels, problem.output[1]
    filter_rows = _filter_interleaved if is_interleaved(problem) else _filter_pixels

    def correlate(band: Array) -> Array:
        rows = band.reshape(len(band), -1)  # (rows, columns·C)
        height = (len(rows) - problem.extent[0]) // problem.window.stride[0] + 1
        if is_transposed(problem):
            column_sums = scratch("column sums", (rows.shape[1], height), rows.dtype)
            _filter_columns(problem, rows, column, column_sums.T)
            planes = scratch("sums", (channels * height, width), rows.dtype)
            _filter_transposed(problem, column_sums, row, planes)
            return planes.reshape(channels, height, width).transpose(1, 2, 0)
        column_sums = scratch("column sums", (height, rows.shape[1]), rows.dtype)
        _filter_columns(problem, rows, column, column_sums)
        sums = scratch("sums", (height, width * channels), rows.dtype)
        filter_rows(problem, column_sums, row, sums)
        return sums.reshape(height, width, channels)

    return correlate


def _filter_columns(problem: FilterProblem, rows: Array, column: Array, out: Array) -> None:
    """Each product gives some rows: (outputs, rows read) @ (rows read, values)."""
    stride = problem.window.stride[0]
    for first, count, outputs in _blocks(len(out), block_outputs(problem)):
        weights = banded_taps(column, outputs, stride, problem.window.dilation[0])
        per_row, per_value = rows.strides
        blocks = as_strided(
            rows[first * stride :],
            (count, weights.shape[1], rows.shape[1]),
            (outputs * stride * per_row, per_row, per_value),
            writeable=False,
        )
        sums = as_strided(
            out[first:],
            (count, outputs, rows.shape[1]),
            (outputs * out.strides[0], *out.strides),
        )
        if out.strides[0] < out.strides[1]:  # transposed: so is the product
            np.matmul(blocks.swapaxes(1, 2), weights.T, out=sums.swapaxes(1, 2))
        else:
            np.matmul(weights, blocks, out=sums)


def _filter_transposed(
    problem: FilterProblem, column_sums: Array, row: Array, planes: Array
) -> None:
    """Along transposed rows: (rows of all channels, pixels read) @ (pixels read, outputs)."""
    stride, per_plane_row = problem.window.stride[1], len(planes)
    pixels = column_sums.reshape(-1, per_plane_row)  # a value of each row of each channel
    for first, count, outputs in _blocks(problem.output[1], block_outputs(problem)):
        weights = banded_taps(row, outputs, stride, problem.window.dilation[1])
        per_pixel, per_value = pixels.strides
        blocks = as_strided(
            pixels[first * stride :],
            (count, per_plane_row, weights.shape[1]),
            (outputs * stride * per_pixel, per_value, per_pixel),
            writeable=False,
        )
        sums = as_strided(
            planes[:, first:],
            (count, per_plane_row, outputs),
            (outputs * per_value, planes.strides[0], per_value),
        )
        np.matmul(blocks, weights.T, out=sums)


def _filter_interleaved(problem: FilterProblem, rows: Array, row: Array, out: Array) -> None:
    """Each product gives some columns: (rows, values read) @ (values read, outputs·C)."""
    channels, stride = problem.channels, problem.window.stride[1]
    for first, count, outputs in _blocks(problem.output[1], block_outputs(problem)):
        taps = banded_taps(row, outputs, stride, problem.window.dilation[1])
        weights = np.kron(taps.T, np.eye(channels, dtype=taps.dtype))  # channels stay apart
        per_row, per_value = rows.strides
        blocks = as_strided(
            rows[:, first * stride * channels :],
            (count, len(rows), len(weights)),
            (outputs * stride * channels * per_value, per_row, per_value),
            writeable=False,
        )
        sums = as_strided(
            out[:, first * channels :],
            (count, len(rows), outputs * channels),
            (outputs * channels * per_value, out.strides[0], per_value),
        )
        np.matmul(blocks, weights, out=sums)


def _filter_pixels(problem: FilterProblem, rows: Array, row: Array, out: Array) -> None:
    """The same for many channels: (outputs, pixels read) @ (pixels read, C) in each row."""
    channels, stride = problem.channels, problem.window.stride[1]
    for first, count, outputs in _blocks(problem.output[1], block_outputs(problem)):
        weights = banded_taps(row, outputs, stride, problem.window.dilation[1])
        per_row, per_value = rows.strides
        per_pixel = channels * per_value
        blocks = as_strided(
            rows[:, first * stride * channels :],
            (len(rows), count, weights.shape[1], channels),
            (per_row, outputs * stride * per_pixel, per_pixel, per_value),
            writeable=False,
        )
        sums = out[:, first * channels : (first + count * outputs) * channels]
        sums[...] = (weights @ blocks).reshape(len(rows), -1)


def _blocks(length: int, outputs: int) -> list[tuple[int, int, int]]:
    """Cut outputs into blocks: where some start, how many they are, and how long each is.

    >>> _blocks(19, 8)
    [(0, 2, 8), (16, 1, 3)]
    """
    count, rest = divmod(length, outputs)
    whole = [(0, count, outputs)] if count else []
    return [*whole, (count * outputs, 1, rest)] if rest else whole
