"""FFT: the product of two spectra is a circular correlation, whose wrapped part is cut off.

The region is transformed in tiles that overlap by what the kernel spans, and the part of each tile
that does not wrap around is kept (overlap-save). The cost hardly grows with the kernel. Rounding
errors are spread over all of a tile: up to about 1e-6 of the largest sum in float32, 1e-15 in
float64.
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
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.scratch import Scratch, split_range

TILE = (256, 1024)  # rows and values: larger ones leave the cache, smaller ones overlap more
TILE_OVERHEAD = 100  # of one more tile, in the unit of `fast_length`
MAX_TILE_VALUES = 1 << 21  # sums of a tile of several transforms
MAX_INTERLEAVED_REACH = 300  # values: a kernel that reaches further transforms planes of channels
# NumPy keeps single precision only where it has to scale, and is ten times as slow without: so both
# directions are scaled down, and the kernel's spectrum is scaled up.
FORWARD: Final = "forward"
BACKWARD: Final = "backward"


def fft_algorithm(problem: FilterProblem) -> Algorithm:
    """Three transforms: a tile's, the product's, and the kernel's once for all tiles."""
    lengths, step = tile_lengths(problem)
    (rows, values), (high, wide) = lengths, problem.extent
    clean = (rows - high + 1) * (values - (wide - 1) * step) / (rows * values)
    (sh, sw), reach = problem.window.stride, (wide - 1) * step
    # As many transforms along a row as keep the sums of a tile in the cache.
    transforms = max(MAX_TILE_VALUES // (rows * (values - reach) * (problem.channels // step)), 1)
    columns = max(transforms * (values - reach) // (step * sw), 1)
    spectrum = cache(lambda: _kernel_spectrum(problem, lengths, step))
    return Algorithm(
        Choice("fft", f"{problem.taps} taps cost more than three transforms"),
        problem.estimate_s(ffts=sh * sw / clean),
        problem.region_dtype,
        problem.sums,
        lambda: _make_fft_filter(problem, lengths, step, spectrum()),
        ((rows - high) // sh + 1, columns),
        copies=2,
        leaks_nonfinite=True,
    )


def tile_lengths(problem: FilterProblem) -> tuple[Pair, int]:
    """The (rows, values) of a tile, and the values from one tap of a row to the next.

    Channels stay interleaved where the kernel reaches few values: then they are nothing but
    pixels that the taps skip.
    """
    high, wide = problem.extent
    step = problem.channels if (wide - 1) * problem.channels <= MAX_INTERLEAVED_REACH else 1
    reach = (wide - 1) * step
    down = fast_length(problem.size[0] - high + 1, high - 1, max(TILE[0], 2 * high))
    length = problem.size[1] * step - reach  # of a row of the output
    across = fast_length(length, reach, max(TILE[1], 3 * reach))
    return (down, across), step


@lru_cache(maxsize=1024)  # asked for by every plan, whatever method it chooses
def fast_length(outputs: int, reach: int, limit: int) -> int:
    """The length of a transform that gives the outputs at the least cost, tile by tile.

    >>> fast_length(100, 14, 1024), fast_length(12_000, 42, 1024)
    (120, 750)
    """

    def cost(length: int) -> float:
        tiles = -(-outputs // (length - reach))
        return tiles * (length * (log2(length) + 8) + TILE_OVERHEAD)

    enough = min(outputs + reach, max(limit, reach + 1))
    return min((length for length in _smooth_numbers(enough) if length > reach), key=cost)


def _smooth_numbers(enough: int) -> Iterator[int]:
    """Lengths of fast transforms: even products of 2, 3 and 5, to the first that is enough."""
    for length in count(2, 2):
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            yield length
            if length >= enough:
                return


def _kernel_spectrum(problem: FilterProblem, lengths: Pair, step: int) -> Array:
    """The kernel's transform, its conjugate because a correlation does not turn the kernel."""
    dilated = np.zeros(lengths)
    (high, wide), (dh, dw) = problem.extent, problem.window.dilation
    dilated[:high:dh, : (wide - 1) * step + 1 : dw * step] = problem.kernel
    spectrum = np.fft.rfft2(dilated) * prod(lengths)
    return np.conj(spectrum).astype(np.result_type(problem.sums, np.complex64))


def _make_fft_filter(
    problem: FilterProblem, lengths: Pair, step: int, spectrum: Array
) -> TileFilter:
    scratch = Scratch()
    reach = (problem.extent[1] - 1) * step
    sh, sw = problem.window.stride

    def correlate_tile(tile: Array, sums: Array) -> None:
        """Correlate a tile of a plane; where it is smaller than the transforms, zeros follow."""
        values = scratch("values", lengths, problem.sums)
        values[: len(tile), : tile.shape[1]] = tile
        values[: len(tile), tile.shape[1] :] = 0
        first = scratch("first", spectrum.shape, spectrum.dtype)
        second = scratch("second", spectrum.shape, spectrum.dtype)
        np.fft.rfft(values[: len(tile)], norm=FORWARD, out=first[: len(tile)])
        first[len(tile) :] = 0
        np.fft.fft(first, axis=0, norm=FORWARD, out=second)
        np.multiply(second, spectrum, out=second)
        np.fft.ifft(second, axis=0, norm=BACKWARD, out=first)
        rows, columns = sums.shape
        np.fft.irfft(first[:rows], lengths[1], norm=BACKWARD, out=values[:rows])
        sums[...] = values[:rows, :columns]

    def correlate(region: Array) -> Array:
        channels = problem.channels // step  # planes that are transformed by themselves
        planes = region.reshape(len(region), -1, channels).transpose(2, 0, 1)
        height, width = len(region) - problem.extent[0] + 1, planes.shape[2] - reach
        sums = scratch("sums", (channels, height, width), problem.sums)
        for plane, plane_sums in zip(planes, sums, strict=True):
            for outputs in split_range(width, lengths[1] - reach):
                tile = plane[:, outputs.start : outputs.stop + reach]
                correlate_tile(tile, plane_sums[:, outputs])
        # Outputs of every position; the stride selects among them.
        return sums.transpose(1, 2, 0).reshape(height, -1, problem.channels)[::sh, ::sw]

    return correlate
