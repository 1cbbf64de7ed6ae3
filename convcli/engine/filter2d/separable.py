"""Separable kernels: a column times a row, so filter by the one, then by the other.

k + k products for each output instead of k·k. Both are products with a banded matrix, as in
`banded`, and neither copies anything: rows of samples are the columns of im2col for a kernel that
is one column, and for a row, what so many neighbouring outputs see is one piece of the row.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer import whole_kernel
from convcli.engine.filter2d.integer_program import whole_factors
from convcli.engine.filter2d.problem import Algorithm, BandFilter, FilterProblem, band_rows
from convcli.engine.scratch import Scratch

RANK_TOLERANCE = 1e-12  # relative to the largest weight: products of rounded factors, no more
BAND_SAMPLES = 300_000
STACKED = 16  # outputs of one product
STACKED_APART = 8  # likewise, where zeros keep the channels apart
TURNED_TAPS = 12  # from so many on, turning pays
MAX_INTERLEAVED_CHANNELS = 4  # with more, multiplying zeros costs more than small products


def separate(kernel: Array) -> tuple[Array, Array] | None:
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
    >>> separate(np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0]]))
    (array([0.5, 1. ]), array([2., 4., 2.]))
    >>> separate(np.eye(2)) is None
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


def separable_algorithm(task: FilterProblem) -> Algorithm:
    """Separable: along the columns, then along the rows."""
    whole = whole_kernel(task.kernel)
    factors = None if whole is None else whole_factors(whole.weights)
    if whole is not None and factors is not None:  # sums of halves and quarters stay exact
        factors = factors[0].astype(np.float64), factors[1] * whole.unit
    else:
        factors = separate(task.kernel)
    if factors is None:
        raise ValueError("the kernel is not separable")
    column, row = (factor.astype(task.sums) for factor in factors)
    rows = -(-band_rows(task, BAND_SAMPLES) // STACKED) * STACKED
    return Algorithm(
        task.sums, task.sums, lambda: _worker(task, column, row), rows, leaks_nonfinite=True
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
    for output, weights_of_one in enumerate(weights):
        weights_of_one[output * stride : output * stride + extent : dilation] = taps
    return weights


def _worker(task: FilterProblem, column: Array, row: Array) -> BandFilter:
    scratch = Scratch()
    along = _along_pixels if task.channels > MAX_INTERLEAVED_CHANNELS else _along_rows

    def correlate(band: Array) -> Array:
        rows = band.reshape(len(band), -1)  # (rows, columns·C)
        height = (len(rows) - task.extent[0]) // task.shape.stride[0] + 1
        if is_transposed(task):
            turned = scratch("narrowed", (rows.shape[1], height), rows.dtype)
            _down_columns(task, rows, column, turned.T)
            planes = scratch("sums", (task.channels * height, task.width), rows.dtype)
            _along_turned(task, turned, row, planes)
            return planes.reshape(task.channels, height, task.width).transpose(1, 2, 0)
        narrowed = scratch("narrowed", (height, rows.shape[1]), rows.dtype)
        _down_columns(task, rows, column, narrowed)
        sums = scratch("sums", (height, task.width * task.channels), rows.dtype)
        along(task, narrowed, row, sums)
        return sums.reshape(height, task.width, task.channels)

    return correlate


def is_transposed(task: FilterProblem) -> bool:
    """Whether to turn rows into columns in between, which gives each channel a plane of its own.

    Then no product has zeros that keep channels apart; but whoever wants the channels side by side
    has to put them there, which is cheap on the way to small integers alone.
    """
    least = TURNED_TAPS if task.integer_output else 2 * TURNED_TAPS
    return 1 < task.channels <= MAX_INTERLEAVED_CHANNELS and task.shape.kernel[1] >= least


def _down_columns(task: FilterProblem, rows: Array, column: Array, out: Array) -> None:
    """Each product gives some rows: (outputs, rows seen) @ (rows seen, samples)."""
    stride = task.shape.stride[0]
    for first, count, outputs in _blocks(len(out), stacked(task)):
        weights = banded_taps(column, outputs, stride, task.shape.dilation[0])
        per_row, per_sample = rows.strides
        seen = as_strided(
            rows[first * stride :],
            (count, weights.shape[1], rows.shape[1]),
            (outputs * stride * per_row, per_row, per_sample),
            writeable=False,
        )
        made = as_strided(
            out[first:],
            (count, outputs, rows.shape[1]),
            (outputs * out.strides[0], *out.strides),
        )
        if out.strides[0] < out.strides[1]:  # turned: so is the product
            np.matmul(seen.swapaxes(1, 2), weights.T, out=made.swapaxes(1, 2))
        else:
            np.matmul(weights, seen, out=made)


def _along_turned(task: FilterProblem, turned: Array, row: Array, planes: Array) -> None:
    """Along the rows of what is turned: (rows of all channels, pixels seen) @ (seen, outputs)."""
    stride, pixel = task.shape.stride[1], len(planes)  # one value of each row of each channel
    pixels = turned.reshape(-1, pixel)
    for first, count, outputs in _blocks(task.width, stacked(task)):
        weights = banded_taps(row, outputs, stride, task.shape.dilation[1])
        per_pixel, per_value = pixels.strides
        seen = as_strided(
            pixels[first * stride :],
            (count, pixel, weights.shape[1]),
            (outputs * stride * per_pixel, per_value, per_pixel),
            writeable=False,
        )
        made = as_strided(
            planes[:, first:],
            (count, pixel, outputs),
            (outputs * per_value, planes.strides[0], per_value),
        )
        np.matmul(seen, weights.T, out=made)


def _along_rows(task: FilterProblem, rows: Array, row: Array, out: Array) -> None:
    """Each product gives some columns: (rows, samples seen) @ (samples seen, outputs·C)."""
    pixel, stride = task.channels, task.shape.stride[1]
    for first, count, outputs in _blocks(task.width, stacked(task)):
        taps = banded_taps(row, outputs, stride, task.shape.dilation[1])
        weights = np.kron(taps.T, np.eye(pixel, dtype=taps.dtype))  # channels stay apart
        per_row, per_sample = rows.strides
        seen = as_strided(
            rows[:, first * stride * pixel :],
            (count, len(rows), len(weights)),
            (outputs * stride * pixel * per_sample, per_row, per_sample),
            writeable=False,
        )
        made = as_strided(
            out[:, first * pixel :],
            (count, len(rows), outputs * pixel),
            (outputs * pixel * per_sample, out.strides[0], per_sample),
        )
        np.matmul(seen, weights, out=made)


def _along_pixels(task: FilterProblem, rows: Array, row: Array, out: Array) -> None:
    """The same for many channels: (outputs, pixels seen) @ (pixels seen, C) in each row."""
    pixel, stride = task.channels, task.shape.stride[1]
    for first, count, outputs in _blocks(task.width, stacked(task)):
        weights = banded_taps(row, outputs, stride, task.shape.dilation[1])
        per_row, per_sample = rows.strides
        seen = as_strided(
            rows[:, first * stride * pixel :],
            (len(rows), count, weights.shape[1], pixel),
            (per_row, outputs * stride * pixel * per_sample, pixel * per_sample, per_sample),
            writeable=False,
        )
        made = out[:, first * pixel : (first + count * outputs) * pixel]
        made[...] = (weights @ seen).reshape(len(rows), -1)


def stacked(task: FilterProblem) -> int:
    """How many outputs one product gives."""
    return STACKED if is_transposed(task) or task.channels == 1 else STACKED_APART


def _blocks(length: int, most: int) -> list[tuple[int, int, int]]:
    """Cut outputs into blocks: where some begin, how many they are, and how long each is.

    >>> _blocks(19, 8)
    [(0, 2, 8), (16, 1, 3)]
    """
    count, rest = divmod(length, most)
    whole = [(0, count, most)] if count else []
    return [*whole, (count * most, 1, rest)] if rest else whole
