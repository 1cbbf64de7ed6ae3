"""A filter's plan: its settings checked, the algorithm with the least estimated cost chosen.

A plan is made from an image's shape and type alone, so that it can be shown before any pixel is
read, and run over every image of that shape: all frames of an animation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.values import MAX_KERNEL_SIDE
from convcli.engine.arrays import (
    Array,
    as_numbers,
)
from convcli.engine.filter2d.fft import fft_algorithm
from convcli.engine.filter2d.im2col import (
    im2col_algorithm,
    im2col_algorithms,
    tap_im2col_algorithm,
)
from convcli.engine.filter2d.integer import integer_algorithm, sum_bounds
from convcli.engine.filter2d.problem import (
    MAX_REGION_VALUES,
    Algorithm,
    Choice,
    FilterProblem,
    FilterSettings,
    TileFilter,
    make_problem,
)
from convcli.engine.filter2d.separable import factorize, separable_algorithm
from convcli.engine.filter2d.tiles import Tile, TileReader, split_output
from convcli.engine.padding import RowSource
from convcli.engine.rounding import round_into
from convcli.engine.scratch import Scratch
from convcli.errors import ArgumentError
from convcli.parallel import parallel_for
from convcli.records import NamedTuple

METHODS = ("auto", "im2col", "separable", "fft", "naive")
CHANNELWISE_METHODS = ("separable", "fft")  # of kernels of two axes alone
PICTURE = (3000, 4000)  # what `choose_method` plans for: 8 bits, three channels

TakeTile: TypeAlias = Callable[[Tile, Array], object]
TileWork: TypeAlias = tuple[TileFilter, TakeTile]  # of a region, and of what the first returns


class FilterPlan(NamedTuple):
    """A kernel over images of one shape and type, ready to run.

    Parameters
    ----------
    shape : tuple of int
        Of the result: (oh, ow), or (oh, ow, C).
    bounds : (float, float) or None
        What the sums, bias included, are sure to lie between; None where they may be anything.
    image_shape : tuple of int
    problem : FilterProblem
    algorithm : Algorithm
    fallback : Algorithm or None
        For tiles that read values that are not finite, where the algorithm would spread them.
    """

    shape: tuple[int, ...]
    bounds: tuple[float, float] | None
    image_shape: tuple[int, ...]
    problem: FilterProblem
    algorithm: Algorithm
    fallback: Algorithm | None

    @property
    def choice(self) -> Choice:
        """The method, and why."""
        return self.algorithm.choice

    @property
    def sums(self) -> np.dtype[Any]:
        """The type of the sums: float32 or float64, or an integer type where they are exact."""
        return self.algorithm.sums

    def scratch_bytes(self, threads: int) -> int:
        """About how many bytes the threads hold beside the image and the result."""
        height, width = map(min, self.algorithm.tile, self.shape[:2])
        (high, wide), (sh, sw) = self.problem.extent, self.problem.window.stride
        values = ((height - 1) * sh + high) * ((width - 1) * sw + wide) * self.problem.channels
        size = self.algorithm.region_dtype.itemsize + self.algorithm.copies * self.sums.itemsize
        tiles = -(-self.shape[0] // height) * -(-self.shape[1] // width)
        return values * size * min(threads, tiles)

    def with_whole_rows(self) -> FilterPlan:
        """Return the plan with tiles of about as many outputs, but in whole rows, as in a file.

        Rows of narrower tiles are read and written together, and several MB leave the cache
        between. Of few rows under a tall kernel, most of what a tile reads was read before.
        """
        (rows, columns), width = self.algorithm.tile, self.shape[1]
        as_tall = self.problem.extent[0] // self.problem.window.stride[0]
        least = max(min(as_tall, MAX_REGION_VALUES // (width * self.problem.channels)), 1)
        tile = max(rows * min(columns, width) // width, least), width
        return self._replace(algorithm=self.algorithm._replace(tile=tile))

    def can_run(self, image: Array | RowSource) -> bool:
        """Whether an image has the planned shape and type."""
        shape = self.image_shape
        if not isinstance(image, np.ndarray):
            height, width, channels = (*shape, 1)[:3]
            shape = channels, height, width
        # Of another byte order, each tile is converted.
        return image.shape == shape and image.dtype.newbyteorder("=") == self.problem.dtype

    def run(self, image: Array | RowSource, take: TakeTile) -> None:
        """Compute the sums, in tiles, in as many threads as `set_threads` says.

        Parameters
        ----------
        image : ndarray, (H, W) or (H, W, C)
            Of the planned shape and type.
        take : callable
            `take(tile, sums)` gets the rows and columns of a tile, slices of the output's, and its
            sums, (rows, columns, C). It is called in the thread that computed them, for the tiles
            in any order. The sums may be overwritten; they are valid only during the call.
        """
        self._run_tiles(image, lambda: (self._make_filter(), take))

    def run_into(self, image: Array | RowSource, result: Array) -> None:
        """As `run`, into (oh, ow[, C]) of any type: integers are rounded and clamped."""
        cube = result[:, :, np.newaxis] if result.ndim == 2 else result
        make_writer = self.algorithm.make_writer
        can_write = cube.dtype == self.sums and cube.flags.c_contiguous
        is_written = make_writer is not None and can_write and not np.any(self.problem.bias)

        def make_work() -> TileWork:
            if make_writer is not None and is_written:
                write = make_writer()
                return lambda region: region, lambda tile, region: write(region, cube[tile])
            scratch = Scratch()
            return self._make_filter(), lambda tile, sums: round_into(
                sums, cube[tile], self.bounds, scratch
            )

        self._run_tiles(image, make_work)

    def _make_filter(self) -> TileFilter:
        """Return the algorithm's filter, with the bias, and with the fallback where it leaks."""
        correlate = self.algorithm.make_filter()
        spare = self.fallback.make_filter() if self.fallback else None
        has_bias = np.any(self.problem.bias)
        if spare is None and not has_bias:
            return correlate

        def compute(region: Array) -> Array:
            leaks = spare is not None and not np.isfinite(region).all()
            sums = spare(region) if spare is not None and leaks else correlate(region)
            if has_bias:
                sums += np.asarray(self.problem.bias, sums.dtype)
            return sums

        return compute

    def _run_tiles(self, image: Array | RowSource, make_work: Callable[[], TileWork]) -> None:
        """Process the tiles: one at a time, or all of a row of tiles whose rows have to be read."""
        if not self.can_run(image):
            planned = f"{self.image_shape} of {self.problem.dtype}"
            raise ValueError(f"planned for {planned}, not {image.shape} of {image.dtype}")
        is_array = isinstance(image, np.ndarray)
        pixels = np.atleast_3d(image) if isinstance(image, np.ndarray) else image
        groups = list(split_output((self.shape[0], self.shape[1]), self.algorithm.tile))

        def make_worker() -> Callable[[list[Tile]], None]:
            reader = TileReader(self.problem, self.algorithm, pixels)
            compute, take = make_work()

            def run_tiles(tiles: list[Tile]) -> None:
                for tile, region in reader.read(tiles):
                    take(tile, compute(region))

            return run_tiles

        if self.algorithm.is_multithreaded:
            run_tiles = make_worker()
            for tiles in groups:
                run_tiles(tiles)
            return
        items = [[tile] for tiles in groups for tile in tiles] if is_array else groups
        parallel_for(make_worker, items)


def plan_filter(
    shape: Sequence[int],
    dtype: DTypeLike,
    kernel: ArrayLike,
    settings: FilterSettings = FilterSettings(),  # noqa: B008  # it is frozen
    *,
    integer_output: bool = False,
) -> FilterPlan:
    """Plan a kernel over images of a shape and a type; what is raised is as in `filter2d`.

    The kernel must be one that the method can take, as `check_method` says.

    Parameters
    ----------
    shape : (H, W) or (H, W, C)
    dtype : dtype
    kernel : array_like
        As in `filter2d`; with `groups`, (C_out, C / groups, kh, kw).
    settings : FilterSettings
    integer_output : bool
        Whether the caller rounds the sums, half to even: then they may be rounded integers already.

    Examples
    --------
    >>> plan = plan_filter((4, 4), np.float64, np.ones((3, 3)), FilterSettings(padding="valid"))
    >>> plan.shape, plan.choice.method
    ((2, 2), 'im2col')
    >>> plan.run(np.ones((4, 4)), lambda tile, sums: print(tile[0], sums[:, :, 0].tolist()))
    slice(0, 2, None) [[9.0, 9.0], [9.0, 9.0]]
    """
    image_shape = tuple(shape)
    problem = make_problem(image_shape, dtype, kernel, settings, integer_output=integer_output)
    algorithm = choose_algorithm(problem, settings.method)
    fallback = None
    if problem.dtype.kind == "f" and algorithm.leaks_nonfinite:
        if problem.factors is not None:
            fallback = algorithm._replace(make_filter=_refuse_nonfinite)
        else:
            fallback = tap_im2col_algorithm(problem)
    channels = {2: image_shape[2:], 3: (), 4: problem.kernel.shape[:1]}[problem.kernel.ndim]
    output = *problem.output, *channels
    return FilterPlan(output, _sum_bounds(problem), image_shape, problem, algorithm, fallback)


def _refuse_nonfinite() -> TileFilter:
    """Return the filter of tiles in which a large separable kernel would spread NaN or infinity."""

    def refuse(_: Array) -> Array:
        raise ArgumentError(
            f"holds NaN or infinity, which kernels of more than {MAX_KERNEL_SIDE} a side cannot "
            "filter"
        )

    return refuse


def _sum_bounds(problem: FilterProblem) -> tuple[float, float] | None:
    """The least and the largest sum of integers; None for floats, and far from what floats hold."""
    if problem.dtype.kind == "f" or not problem.holds_padding:
        return None
    maps = problem.kernel if problem.kernel.ndim == 4 else [problem.bounding_weights]
    with np.errstate(over="ignore", invalid="ignore"):
        bounds = np.array([sum_bounds(weights, problem.dtype) for weights in maps])
        bounds += np.reshape(problem.bias, (-1, 1))
    least, largest = float(bounds[:, 0].min()), float(bounds[:, 1].max())
    limit = float(np.finfo(np.float32).max)
    return (least, largest) if -limit < least and largest < limit else None


def check_method(method: str, kernel: ArrayLike) -> None:
    """Raise `ArgumentError` for a method that a kernel cannot take.

    That is an unknown method, `separable` for a kernel that is not, and `separable` or `fft` for
    one that sums over channels, where they filter each by itself.
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    if getattr(kernel, "factors", None) is not None:
        if method not in ("auto", "separable"):
            raise ArgumentError(
                f"method {method!r} takes kernels of up to {MAX_KERNEL_SIDE} a side; larger ones "
                "are computed as a column and a row"
            )
        return
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim != 2 and method in CHANNELWISE_METHODS:
        raise ArgumentError(f"method {method!r} takes a kernel of two axes, not {weights.ndim}")
    if method == "separable" and weights.size and factorize(weights) is None:
        raise ArgumentError("method 'separable' needs a kernel of rank 1; 'auto' finds out itself")


def choose_method(kernel: ArrayLike) -> Choice:
    """Return the method of `auto` for a kernel over an 8-bit picture of 3 channels, and its reason.

    `separable` for a column times a row, `fft` where three transforms cost less than the
    weights, `sums` for additions of small whole numbers, `im2col` for the rest.

    >>> choose_method([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).method
    'sums'
    >>> choose_method(np.ones((15, 15)))
    Choice(method='separable', reason='exact in uint16: 10 passes instead of 225 taps')
    """
    if getattr(kernel, "factors", None) is not None:
        return plan_filter((*PICTURE, 3), np.uint8, kernel).choice
    weights = as_numbers(kernel, "kernel")
    channels = weights.shape[-3] if weights.ndim > 2 else 3
    return plan_filter((*PICTURE, channels), np.uint8, weights).choice


def choose_algorithm(problem: FilterProblem, method: str) -> Algorithm:
    """The way to compute a problem; for `auto` the cheapest."""
    if problem.factors is not None:
        return separable_algorithm(problem)
    if problem.kernel.ndim > 2 or method == "naive":
        from convcli.engine.filter2d.conv2d import conv2d_algorithm

        return conv2d_algorithm(problem, method)
    if method == "auto":
        return _cheapest(problem)
    make = {"im2col": im2col_algorithm, "separable": separable_algorithm, "fft": fft_algorithm}
    found = make[method](problem)
    reason = ", ".join(filter(None, ["asked for", found.layout]))
    return found._replace(choice=Choice(method, reason))


def candidates(problem: FilterProblem) -> list[Algorithm]:
    """All ways to compute a problem with a kernel of two axes that `auto` chooses from."""
    return [*_special_candidates(problem), *im2col_algorithms(problem), fft_algorithm(problem)]


def _cheapest(problem: FilterProblem) -> Algorithm:
    """Return the cheapest candidate; those that cannot be it are not worked out."""
    found = _special_candidates(problem)
    # An im2col has its products, columns and sums; and the tiles of an FFT overlap.
    least_im2col_s = problem.estimate_s(products=problem.taps, passes=2)
    least_fft_s = problem.estimate_s(ffts=1)
    for make, least_s in ((im2col_algorithm, least_im2col_s), (fft_algorithm, least_fft_s)):
        if all(least_s < _weighted_cost(other) for other in found):
            found.append(make(problem))
    return min(found, key=_weighted_cost)


def _special_candidates(problem: FilterProblem) -> list[Algorithm]:
    """Those for kernels of whole numbers and of rank 1."""
    is_separable = min(problem.window.kernel) > 1 and factorize(problem.kernel) is not None
    found = [
        integer_algorithm(problem),
        separable_algorithm(problem) if is_separable else None,
    ]
    return [algorithm for algorithm in found if algorithm is not None]


def _weighted_cost(algorithm: Algorithm) -> float:
    return algorithm.cost_s * algorithm.preference
