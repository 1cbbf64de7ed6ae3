"""What a method has to be: a recipe that turns a padded band of an image into its sums.

A band is (rows, columns, channels); its sums are the window's outputs for rows and columns. A
kernel of two axes filters each channel by itself. The recipes here go with any window; those of
`banded`, `factors`, `spectrum` and `additions` are faster where they fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, sum_dtype
from convcli.engine.im2col import tap
from convcli.engine.scratch import MAX_COLUMNS_BYTES, Scratch, split_range

BandFilter: TypeAlias = Callable[[Array], Array]  # (rows, columns, C) -> sums (oh, ow, C)
BandWriter: TypeAlias = Callable[[Array, Array], None]  # (rows, columns, C) into (oh, ow, C)

BAND_SAMPLES = 1 << 18  # output values of a band: its columns fit the memory that is kept for them

MIN_BANDS = 4
MIN_BAND_SAMPLES = 1 << 18  # of a band: to wake another thread for less takes longer than it saves

LAYER_SAMPLES = 1 << 21  # likewise of a layer, which cuts its bands into parts itself


class FilterProblem(NamedTuple):
    """What is to be computed.

    Parameters
    ----------
    kernel : ndarray of float64, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        As it is applied.
    shape : Window
        Without padding: bands come padded.
    image : dtype
        Of the image's values.
    size : (rows, columns)
        Of the padded image.
    channels : int
    bias : float
        What will be added to the sums.
    integer_output : bool
        Whether sums will be rounded, half to even, whatever they come in.
    """

    kernel: Array
    shape: Window
    image: np.dtype[Any]
    size: Pair
    channels: int
    bias: float = 0.0
    integer_output: bool = False

    @property
    def sums(self) -> np.dtype[Any]:
        """The type of floating point that its sums are kept in."""
        return sum_dtype(self.image)

    @property
    def extent(self) -> Pair:
        """The rows and columns that one output sees."""
        high, wide = map(effective_kernel, self.shape.kernel, self.shape.dilation)
        return high, wide

    @property
    def width(self) -> int:
        """The output's columns."""
        return (self.size[1] - self.extent[1]) // self.shape.stride[1] + 1

    @property
    def is_dense(self) -> bool:
        """Whether outputs and taps lie side by side: stride and dilation are 1."""
        return self.shape.stride == self.shape.dilation == (1, 1)


class Algorithm(NamedTuple):
    """How a method computes a task, band by band.

    Parameters
    ----------
    samples, sums : dtype
        What a band is to be gathered in, and what its sums come in.
    hire : callable
        Gives a function from a band to its sums, with scratch memory of its own: the sums of the
        band before are gone.
    rows : int
        How many rows of the output a band had best have.
    spreads : bool
        Whether one NaN or infinity reaches outputs whose window does not meet it.
    is_multithreaded : bool
        Whether it shares its work among threads itself.
    hire_writer : callable or None
        As `hire`, where it saves a copy to write the sums straight into rows of a result of their
        type. What is behind each other there is so in memory.
    """

    samples: np.dtype[Any]
    sums: np.dtype[Any]
    hire: Callable[[], BandFilter]
    rows: int
    leaks_nonfinite: bool = False
    is_multithreaded: bool = False
    hire_writer: Callable[[], BandWriter] | None = None


def band_rows(task: FilterProblem, samples: int = BAND_SAMPLES, least: int = MIN_BANDS) -> int:
    """The rows of a band of at most about so many output values.

    There are at least so many bands, for as many threads, unless they came out very small.
    """
    stride = task.shape.stride[0]
    row = task.channels * max(task.width, task.size[1] * stride)
    height = (task.size[0] - task.extent[0]) // stride + 1
    bands = min(height * row // MIN_BAND_SAMPLES, least) or 1
    rows = min(samples // row, -(-height // bands))
    # A band of few rows under a tall kernel would read more than it writes.
    return max(rows, task.extent[0] // stride, 1)


def tap_im2col_algorithm(task: FilterProblem) -> Algorithm:
    """im2col: a column for every output, a row for every weight that is not zero; one product.

    The rows come in as many groups as the memory for columns asks for.
    """
    taps = np.argwhere(task.kernel)
    weights = task.kernel[tuple(taps.T)].astype(task.sums)
    shape = task.shape

    def hire() -> BandFilter:
        scratch = Scratch()

        def correlate(band: Array) -> Array:
            size = shape.output((band.shape[0], band.shape[1]))
            length = size[0] * size[1] * task.channels
            sums = scratch("sums", (length,), task.sums)
            sums[:] = 0
            planes = band.transpose(2, 0, 1)  # (C, rows, columns)
            most = max(MAX_COLUMNS_BYTES // max(sums.nbytes, 1), 1)
            laid = scratch("laid", (min(most, len(taps)), *size, task.channels), task.sums)
            for group in split_range(len(taps), most):
                for row, (u, v) in zip(laid, taps[group], strict=False):
                    row[...] = planes[tap(u, v, shape, size)].transpose(1, 2, 0)
                columns = laid[: len(taps[group])].reshape(-1, length)  # (taps, oh·ow·C)
                sums += weights[group] @ columns
            return sums.reshape(*size, task.channels)

        return correlate

    return Algorithm(task.sums, task.sums, hire, band_rows(task))


def naive_algorithm(task: FilterProblem) -> Algorithm:
    """The nested loops of `conv2d_naive`, the ground truth."""

    def correlate(band: Array) -> Array:
        from convcli.engine.naive import conv2d_naive

        maps = conv2d_naive(
            band.transpose(2, 0, 1)[:, np.newaxis],
            task.kernel[np.newaxis, np.newaxis],
            stride=task.shape.stride,
            dilation=task.shape.dilation,
        )  # (C, 1, oh, ow)
        return maps[:, 0].transpose(1, 2, 0)

    return Algorithm(task.sums, task.sums, lambda: correlate, band_rows(task))


def conv2d_algorithm(task: FilterProblem, method: str) -> Algorithm:
    """A layer's weights, (C, kh, kw) or (C_out, C, kh, kw): sums over the channels."""
    filters = task.kernel if task.kernel.ndim == 4 else task.kernel[np.newaxis]

    def correlate(band: Array) -> Array:
        from convcli.engine.conv2d import conv2d

        maps = conv2d(
            band.transpose(2, 0, 1),
            filters,
            stride=task.shape.stride,
            dilation=task.shape.dilation,
            method=method,
        )  # (C_out, oh, ow)
        return maps.transpose(1, 2, 0)

    # Its maps are values of a band, too.
    samples = LAYER_SAMPLES * task.channels // max(len(filters), task.channels)
    return Algorithm(
        task.sums,
        task.sums,
        lambda: correlate,
        band_rows(task, samples, least=1),
        leaks_nonfinite=method == "winograd",
        is_multithreaded=True,
    )
