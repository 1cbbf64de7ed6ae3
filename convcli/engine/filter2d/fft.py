"""FFT: a product of spectra is a circular correlation; where it wraps around is cut off.

The band goes through in tiles that overlap by what the kernel reaches, and each tile's clean part
is kept (overlap-save). The cost hardly grows with the kernel. Rounding is spread over all of a
tile: up to about 1e-6 of the largest sum in float32, 1e-15 in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import count
from math import log2, prod
from typing import Final

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.filter2d.problem import Algorithm, BandFilter, FilterProblem
from convcli.engine.scratch import Scratch, split_range

TILE = (256, 1024)  # rows and samples: larger ones leave the cache, smaller ones overlap more
OVERHEAD = 100  # of one more tile, in the same unit
WIDEST_REACH = 300  # samples: of a kernel that reaches further, each channel is a plane of its own
# NumPy keeps single precision only where it has to scale, and is ten times as slow without: so both
# ways are scaled down, and the kernel's spectrum is scaled up.
FORWARD: Final = "forward"
BACK: Final = "backward"


def fft_algorithm(task: FilterProblem) -> Algorithm:
    """Three transforms: a tile's, the product's, and the kernel's once for all."""
    lengths, step = tile_lengths(task)
    rows = (lengths[0] - task.extent[0]) // task.shape.stride[0] + 1
    spectrum = cache(lambda: _kernel_spectrum(task, lengths, step))  # not for a plan alone
    return Algorithm(
        task.image,
        task.sums,
        lambda: _worker(task, lengths, step, spectrum()),
        rows,
        leaks_nonfinite=True,
    )


def tile_lengths(task: FilterProblem) -> tuple[Pair, int]:
    """The (rows, samples) of a tile, and the samples from one tap of a row to the next.

    Channels stay side by side where the kernel reaches few samples: then they are nothing but
    pixels that the taps pass over.
    """
    high, wide = task.extent
    step = task.channels if (wide - 1) * task.channels <= WIDEST_REACH else 1
    reach = (wide - 1) * step
    down = fast_length(task.size[0] - high + 1, high - 1, max(TILE[0], 2 * high))
    length = task.size[1] * step - reach  # of a row of the output
    across = fast_length(length, reach, max(TILE[1], 3 * reach))
    return (down, across), step


@lru_cache(maxsize=1024)  # every plan asks, whatever method it comes to
def fast_length(outputs: int, reach: int, most: int) -> int:
    """The length of a transform that gives so many outputs at the least cost, tile by tile.

    >>> fast_length(100, 14, 1024), fast_length(12_000, 42, 1024)
    (120, 750)
    """

    def cost(length: int) -> float:
        tiles = -(-outputs // (length - reach))
        return tiles * (length * (log2(length) + 8) + OVERHEAD)

    enough = min(outputs + reach, max(most, reach + 1))
    return min((one for one in _products(enough) if one > reach), key=cost)


def _products(enough: int) -> Iterator[int]:
    """Lengths of fast transforms, even products of 2, 3 and 5, to the first that is enough."""
    for length in count(2, 2):
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            yield length
            if length >= enough:
                return


def _kernel_spectrum(task: FilterProblem, lengths: Pair, step: int) -> Array:
    """The kernel's transform, its conjugate because a correlation does not turn the kernel."""
    spread = np.zeros(lengths)
    (high, wide), (down, along) = task.extent, task.shape.dilation
    spread[:high:down, : (wide - 1) * step + 1 : along * step] = task.kernel
    spectrum = np.fft.rfft2(spread) * prod(lengths)
    return np.conj(spectrum).astype(np.result_type(task.sums, np.complex64))


def _worker(task: FilterProblem, lengths: Pair, step: int, spectrum: Array) -> BandFilter:
    scratch = Scratch()
    reach = (task.extent[1] - 1) * step
    down, along = task.shape.stride

    def transform(tile: Array, sums: Array) -> None:
        """Correlate a tile of a plane; where it is smaller than the transforms, zeros follow."""
        values = scratch("values", lengths, task.sums)
        values[: len(tile), : tile.shape[1]] = tile
        values[: len(tile), tile.shape[1] :] = 0
        first = scratch("first", spectrum.shape, spectrum.dtype)
        second = scratch("second", spectrum.shape, spectrum.dtype)
        np.fft.rfft(values[: len(tile)], norm=FORWARD, out=first[: len(tile)])
        first[len(tile) :] = 0
        np.fft.fft(first, axis=0, norm=FORWARD, out=second)
        np.multiply(second, spectrum, out=second)
        np.fft.ifft(second, axis=0, norm=BACK, out=first)
        rows, columns = sums.shape
        np.fft.irfft(first[:rows], lengths[1], norm=BACK, out=values[:rows])
        sums[...] = values[:rows, :columns]

    def correlate(band: Array) -> Array:
        channels = task.channels // step  # planes that are transformed by themselves
        planes = band.reshape(len(band), -1, channels).transpose(2, 0, 1)
        height, width = len(band) - task.extent[0] + 1, planes.shape[2] - reach
        sums = scratch("sums", (channels, height, width), task.sums)
        for plane, made in zip(planes, sums, strict=True):
            for outputs in split_range(width, lengths[1] - reach):
                seen = slice(outputs.start, outputs.stop + reach)
                transform(plane[:, seen], made[:, outputs])
        made = sums.transpose(1, 2, 0).reshape(height, -1, task.channels)
        return made[::down, ::along]

    return correlate
