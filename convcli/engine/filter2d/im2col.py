"""im2col for filters: pad, columns, matmul, reshape, as in `conv2d`, but with less to copy.

The columns of im2col hold every value kh·kw times, and copying them costs more than multiplying
them. Three things make them smaller. A row here is a padded row of a tile, its channels
interleaved, so that the tap to the right is C values further on (C·d with a dilation of d).

`unrolled`
    The number of taps of a row that get their own row of columns: the padded row, copied with a
    shift of 0, 1, 2, ... pixels. All of them are one copy of one view.
`shifts`, `step`
    The other taps are the same copies, read `step`, 2·`step`, ... pixels further on: as many
    products, whose results are added with a shift. The last of them ends with the kernel's last
    tap; those before may overlap, and the second of two weights for one tap is zero.
`stacked`
    The number of output rows of one product. The windows of neighboring rows overlap, and as views
    they share their memory; what one row of weights does not read has a weight of zero there, so
    the weights form a band along the diagonal:

        k k k . . .
        . k k k . .      3 rows of weights, stacked 4
        . . k k k .
        . . . k k k

A dilation of d rows splits a tile into d pictures of every d-th row. A stride down the rows moves
the band of weights by so many rows; one along the rows takes the channels apart, as the pixels of
a row no longer follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod

import numpy as np

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.blas import MAX_SMALL_PRODUCTS, Blas, find_blas
from convcli.engine.arrays import Array
from convcli.engine.filter2d.problem import Algorithm, Choice, FilterProblem, TileFilter
from convcli.engine.im2col import tap_index
from convcli.engine.scratch import MAX_COLUMNS_BYTES, Scratch, even_size, split_range
from convcli.records import NamedTuple

LINE_VALUES = 16  # of a line of the cache, of 4 bytes: rows begin with one
SMALL_PRODUCT_VALUES = 32  # a small product takes the values of a row by so many
MIN_SMALL_PRODUCT_VALUES = 512  # narrower products are not worth their calls
# Of a tile. Smaller ones make threads wait for Python's lock, larger ones leave the cache: measured
# with two threads and AVX2.
TILE_BYTES = 6_000_000
TILE_ROWS = 64
MAX_UNROLLED = 12
COPIES = 8  # of a tile's region, of the sums' type: columns, products and sums


class BandedRates(NamedTuple):
    """Nanoseconds of one thread for each float32 value, and the layouts that they are known for.

    Parameters
    ----------
    copy, add : float
        Of columns, and of products that are added with a shift.
    vector, vector_term : float
        Of a product of one row of weights: for each of its values, and each term of that.
    matrix, matrix_term, matrix_load : float
        Of a product of several rows: for each of its values; each term of that; and each term
        that is loaded, which all rows share.
    row_group : int
        The rows of weights that the kernel of the BLAS takes at a time.
    stacked : tuple of int
    """

    copy: float
    add: float
    vector: float
    vector_term: float
    matrix: float
    matrix_term: float
    matrix_load: float
    row_group: int
    stacked: tuple[int, ...]


# Measured on Zen 3 with OpenBLAS 0.3.31: what is due to each layout of a product, scaled so that
# whole filters relate to FFTs as they were measured to (`cost.AVX2`).
AVX2_RATES = BandedRates(0.18, 0.36, 0.36, 0.075, 0.29, 0.026, 0.16, 4, (1, 4, 8))
# Fitted to the ratios of whole filters to FFTs and to each other on a Xeon: small products, which
# are not packed, and two rows stacked, which were the fastest.
AVX512_RATES = BandedRates(0.08, 0.24, 0.25, 0.052, 0.1, 0.012, 0.05, 1, (2,))


class BandedLayout(NamedTuple):
    """The numbers `unrolled`, `shifts`, `step` and `stacked` that the module explains."""

    unrolled: int
    shifts: int
    step: int
    stacked: int


def im2col_algorithm(problem: FilterProblem) -> Algorithm:
    """The cheapest im2col."""
    return min(im2col_algorithms(problem), key=lambda found: found.cost_s)


def im2col_algorithms(problem: FilterProblem) -> list[Algorithm]:
    """im2col of every tap, where it can be, and of the taps whose weights are not zero."""
    banded, taps = banded_im2col_algorithm(problem), tap_im2col_algorithm(problem)
    return [taps] if banded is None else [banded, taps]


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
        Choice("im2col", f"{problem.taps} taps, tap by tap"),
        problem.estimate_s(products=problem.taps, passes=passes),
        problem.sums,
        problem.sums,
        make_filter,
        problem.tile_size(),
        COPIES,
        layout="tap by tap",
    )


def banded_im2col_algorithm(problem: FilterProblem) -> Algorithm | None:
    """im2col with few copies; None where rows are both strided and dilated."""
    window, blas = problem.window, find_blas()
    if 1 not in (window.stride[0], window.dilation[0]):
        return None
    layout = banded_layout(window, problem.output, blas)

    def make_filter() -> TileFilter:
        from convcli.engine.filter2d.banded import make_banded_filter

        return make_banded_filter(problem, layout)

    outputs = prod(problem.output) * problem.channels * problem.sums.itemsize / 4
    return Algorithm(
        Choice("im2col", f"{problem.taps} taps, in bands"),
        outputs * layout_s(window, layout, problem.output[1], blas),
        problem.region_dtype,
        problem.sums,
        make_filter,
        banded_tile(problem, layout, blas),
        COPIES,
        leaks_nonfinite=True,
        layout="in bands",
    )


@lru_cache(maxsize=64)
def banded_layout(window: Window, output: Pair, blas: Blas) -> BandedLayout:
    """Return the layout with the least estimated cost for an output of some rows and columns.

    >>> avx2, avx512 = Blas(), Blas("SkylakeX", 64, has_small_kernel=True)
    >>> banded_layout(Window((3, 3)), (1000, 1000), avx2)
    BandedLayout(unrolled=3, shifts=1, step=1, stacked=1)
    >>> banded_layout(Window((9, 9)), (1000, 1000), avx512)
    BandedLayout(unrolled=3, shifts=3, step=3, stacked=2)
    """
    height, width = output
    layouts = banded_layouts(window, height, blas)
    return min(layouts, key=lambda found: layout_s(window, found, width, blas))


def banded_layouts(window: Window, height: int, blas: Blas) -> Iterator[BandedLayout]:
    """Yield the layouts of a window that are worth an estimate."""
    width, stride, dilation = window.kernel[1], window.stride[1], window.dilation[1]
    for stacked in sorted({min(rows, height) for rows in _rates(blas).stacked}):
        yield BandedLayout(width, 1, 1, stacked)
        for unrolled in range(1, min(width - 1, MAX_UNROLLED) + 1):
            for step in range(unrolled, 0, -1):
                if (width - unrolled) % step == 0 and step * dilation % stride == 0:
                    yield BandedLayout(unrolled, (width - unrolled) // step + 1, step, stacked)
                    break


def layout_s(window: Window, layout: BandedLayout, width: int, blas: Blas) -> float:
    """Return the estimated seconds of one thread for each float32 value of an output of a width."""
    rates = _rates(blas)
    unrolled, shifts, step, stacked = layout
    rows = shifts * stacked
    terms = rows_seen(window, layout) * unrolled
    if rows == 1:
        product = rates.vector + terms * rates.vector_term
    else:
        groups = -(-rows // rates.row_group) * rates.row_group
        row = rates.matrix + terms * (rates.matrix_term + rates.matrix_load / groups)
        product = row * groups / stacked
    adds = rates.add * shifts if shifts > 1 else 0
    copies = rates.copy * unrolled * window.stride[0]
    seen = 1 + (shifts - 1) * step / width  # of a row, for each of its outputs
    return ((copies + product) * seen + adds) * 1e-9


def _rates(blas: Blas) -> BandedRates:
    return AVX512_RATES if blas.has_small_kernel else AVX2_RATES


def rows_seen(window: Window, layout: BandedLayout) -> int:
    """The rows under the windows of stacked outputs, every d-th with a dilation of d."""
    return (layout.stacked - 1) * window.stride[0] + window.kernel[0]


def banded_tile(problem: FilterProblem, layout: BandedLayout, blas: Blas) -> Pair:
    """Return the rows and columns of the output that a tile should have."""
    window, channels, (height, width) = problem.window, problem.channels, problem.output
    unrolled, shifts, step, stacked = layout
    (stride, across), high = window.stride, problem.extent[0]
    skipped = (shifts - 1) * step  # pixels between the first and the last shift
    most = TILE_BYTES // problem.sums.itemsize
    # For each value of a row: columns, products and sums of each row of the output.
    arrays = unrolled * stride + shifts + (shifts > 1)
    rows = min(max(TILE_ROWS, 2 * high // stride), height)
    row_values = most // (arrays * rows + unrolled * high) - skipped * channels
    small = MAX_SMALL_PRODUCTS // (shifts * stacked * rows_seen(window, layout) * unrolled)
    is_small = blas.has_small_kernel and small >= MIN_SMALL_PRODUCT_VALUES
    if is_small:
        row_values = min(row_values, small - skipped * channels)
    _, columns = problem.tile_size(row_values=max(row_values, 1) * across)
    if is_small:
        columns = max(columns - (columns + skipped) % SMALL_PRODUCT_VALUES, 1)
    elif columns < width:
        columns = -(-columns // LINE_VALUES) * LINE_VALUES
    pitch = -(-(columns + skipped) * channels // LINE_VALUES) * LINE_VALUES
    rows = max((most // pitch - unrolled * high) // arrays, high // stride, 1)
    for_threads, _ = problem.tile_size(most, row_values=columns * channels * across)
    block = stacked * window.dilation[0]
    return -(-even_size(height, min(rows, for_threads)) // block) * block, columns
