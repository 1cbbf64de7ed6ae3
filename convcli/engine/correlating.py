"""The ways to slide one kernel over a band of an image; each gives the same sums.

A band is (rows, columns, channels) and padded already; the result has the window's outputs for
rows and columns. A kernel of two axes filters each channel by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from convcli.arithmetic.sizes import Window, effective_kernel
from convcli.engine.arrays import Array
from convcli.engine.columns import tap
from convcli.engine.convolution import conv2d
from convcli.engine.naive import conv2d_naive
from convcli.engine.tiles import COLUMNS_BYTES, spans

Correlate: TypeAlias = Callable[[Array, Array, Window], Array]

RANK_TOLERANCE = 1e-12  # relative to the largest weight: products of rounded factors, no more


def by_columns(band: Array, kernel: Array, shape: Window) -> Array:
    """im2col: a column for every output, a row for every weight that is not zero; one product.

    The rows come in as many groups as the memory for columns asks for.
    """
    planes = band.transpose(2, 0, 1)  # (C, rows, columns)
    size = shape.output(planes.shape[1:])
    taps = np.argwhere(kernel)
    weights = kernel[tuple(taps.T)].astype(band.dtype)
    out = np.zeros(size[0] * size[1] * len(planes), band.dtype)
    for group in spans(len(taps), COLUMNS_BYTES // out.nbytes):
        columns = np.stack(
            [planes[tap(u, v, shape, size)].transpose(1, 2, 0) for u, v in taps[group]]
        )  # (taps, oh, ow, C)
        out += weights[group] @ columns.reshape(len(columns), -1)
    return out.reshape(*size, len(planes))


def by_factors(band: Array, kernel: Array, shape: Window) -> Array:
    """Separable: a kernel of rank 1 is a column times a row, so filter by the one, then the other.

    k + k products for each output instead of k·k.
    """
    factors = separate(kernel)
    if factors is None:
        raise ValueError("the kernel is not separable")
    column, row = factors
    along_rows = Window(
        kernel=(1, len(row)), stride=(1, shape.stride[1]), dilation=(1, shape.dilation[1])
    )
    along_columns = Window(
        kernel=(len(column), 1), stride=(shape.stride[0], 1), dilation=(shape.dilation[0], 1)
    )
    narrowed = by_columns(band, row[np.newaxis, :], along_rows)
    return by_columns(narrowed, column[:, np.newaxis], along_columns)


def by_spectrum(band: Array, kernel: Array, shape: Window) -> Array:
    """FFT: a product of spectra is a circular correlation; where it wraps around is cut off.

    Its cost hardly grows with the kernel. Rounding is spread over all of the band: up to about
    1e-6 of the largest sum in float32, 1e-15 in float64.
    """
    rows, columns = band.shape[:2]
    spread = np.zeros(tuple(map(effective_kernel, kernel.shape, shape.dilation)), band.dtype)
    spread[:: shape.dilation[0], :: shape.dilation[1]] = kernel
    lengths = (_fast_length(rows), _fast_length(columns))
    spectrum = np.conj(np.fft.rfft2(spread, lengths))
    out = np.empty((*shape.output((rows, columns)), band.shape[2]), band.dtype)
    ends = rows - spread.shape[0] + 1, columns - spread.shape[1] + 1
    for channel in range(band.shape[2]):
        sums = np.fft.irfft2(np.fft.rfft2(band[:, :, channel], lengths) * spectrum, lengths)
        out[:, :, channel] = sums[: ends[0] : shape.stride[0], : ends[1] : shape.stride[1]]
    return out


def by_loops(band: Array, kernel: Array, shape: Window) -> Array:
    """The nested loops of `conv2d_naive`, the ground truth."""
    maps = conv2d_naive(
        band.transpose(2, 0, 1)[:, np.newaxis],
        kernel[np.newaxis, np.newaxis],
        stride=shape.stride,
        dilation=shape.dilation,
    )  # (C, 1, oh, ow)
    return maps[:, 0].transpose(1, 2, 0)


def by_layer(band: Array, kernel: Array, shape: Window, *, method: str) -> Array:
    """A layer's weights, (C, kh, kw) or (C_out, C, kh, kw): sums over the channels."""
    maps = conv2d(
        band.transpose(2, 0, 1),
        kernel if kernel.ndim == 4 else kernel[np.newaxis],
        stride=shape.stride,
        dilation=shape.dilation,
        method=method,
    )  # (C_out, oh, ow)
    return maps.transpose(1, 2, 0)


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


def _fast_length(length: int) -> int:
    """The next length that the FFT splits into factors 2, 3 and 5.

    >>> _fast_length(1021)
    1024
    """
    best = 1 << (length - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            twos = threes << max((-(-length // threes) - 1).bit_length(), 0)
            best = min(best, twos)
            threes *= 3
        fives *= 5
    return best
