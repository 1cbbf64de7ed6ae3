"""A filter's plan: its settings checked, the algorithm with the least estimated cost chosen.

A plan is made from an image's shape and type alone, so that it can be shown before any pixel is
read, and run over every image of that shape: all frames of an animation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.geometry import window
from convcli.arithmetic.values import NO_PADDING, Sides
from convcli.engine.arrays import Array, as_numbers, round_into
from convcli.engine.conv2d.problem import choose_layer_method
from convcli.engine.cost import LOOP_S, PASS_S, filter_s
from convcli.engine.filter2d.fft import fft_algorithm, tile_lengths
from convcli.engine.filter2d.im2col import (
    banded_im2col_algorithm,
    banded_layout,
    tap_im2col_algorithm,
)
from convcli.engine.filter2d.integer import integer_algorithm, plan_integer_sums
from convcli.engine.filter2d.problem import (
    Algorithm,
    FilterProblem,
    FilterSettings,
    conv2d_algorithm,
    naive_algorithm,
)
from convcli.engine.filter2d.separable import (
    block_outputs,
    factorize,
    is_interleaved,
    is_transposed,
    separable_algorithm,
)
from convcli.engine.padding import PaddedImage, check_padding_mode
from convcli.engine.scratch import Scratch, input_span, split_range
from convcli.errors import ArgumentError, ShapeError
from convcli.parallel import get_threads, parallel_for

METHODS = ("auto", "im2col", "separable", "fft", "naive")
PICTURE = (3000, 4000)  # what `choose_method` plans for: 8 bits, three channels
EXACT_PREFERENCE = 0.5  # exact sums may cost twice as much as rounded ones

TakeBand: TypeAlias = Callable[[slice, Array], object]


class Choice(NamedTuple):
    """A method, and in a few words why it was chosen."""

    method: str
    reason: str


class Candidate(NamedTuple):
    """A way to compute a problem: what it costs, and how to make its algorithm."""

    choice: Choice
    cost_s: float
    make_algorithm: Callable[[], Algorithm]
    preference: float = 1.0  # the cost counts so much


class FilterPlan(NamedTuple):
    """A kernel over images of one shape and type, ready to run.

    Parameters
    ----------
    shape : tuple of int
        Of the result: (oh, ow), or (oh, ow, C).
    choice : Choice
        The method, and why.
    cost_s : float
        The estimated seconds that one thread needs.
    bounds : (float, float) or None
        What the sums, bias included, are sure to lie between; None where they may be anything.
    image_shape : tuple of int
    problem : FilterProblem
    sides : ((top, bottom), (left, right))
        The padding.
    padding_mode : str
    algorithm : Algorithm
    fallback : Algorithm or None
        For bands of values that are not finite, where the algorithm would spread them.
    """

    shape: tuple[int, ...]
    choice: Choice
    cost_s: float
    bounds: tuple[float, float] | None
    image_shape: tuple[int, ...]
    problem: FilterProblem
    sides: Sides
    padding_mode: str
    algorithm: Algorithm
    fallback: Algorithm | None

    @property
    def sums(self) -> np.dtype[Any]:
        """The type of the sums: float32 or float64, or an integer type where they are exact."""
        return self.algorithm.sums

    def scratch_bytes(self, threads: int) -> int:
        """About how much memory so many threads hold beside the image and the result."""
        rows = min(self.algorithm.rows, self.shape[0])
        values = len(self._input_rows(slice(0, rows))) * self.problem.size[1]
        size = self.algorithm.band_dtype.itemsize + self.algorithm.copies * self.sums.itemsize
        bands = -(-self.shape[0] // rows)
        return values * self.problem.channels * size * min(threads, bands)

    def run(self, image: Array, take: TakeBand, rows: slice | None = None) -> None:
        """Compute the sums, in bands of rows, in as many threads as `set_threads` says.

        Parameters
        ----------
        image : ndarray, (H, W) or (H, W, C)
            Of the planned shape and type.
        take : callable
            `take(rows, sums)` gets a band's rows, a slice of the output's, and its sums,
            (rows, ow, C). It is called in the thread that computed them, for the bands in any
            order. The sums may be overwritten; they are valid only during the call.
        rows : slice, optional
            Which rows of the output; all where left out.
        """
        padded = self._padded(image)

        def make_worker() -> Callable[[slice], None]:
            gather, correlate = self._make_gather(padded), self.algorithm.make_filter()
            spare = self.fallback.make_filter() if self.fallback else None

            def work(rows: slice) -> None:
                band = gather(rows)
                leaks = spare is not None and not np.isfinite(band).all()
                sums = spare(band) if spare is not None and leaks else correlate(band)
                if self.problem.bias:
                    sums += sums.dtype.type(self.problem.bias)
                take(rows, sums)

            return work

        self._run_bands(make_worker, rows)

    def run_into(self, image: Array, result: Array, rows: slice | None = None) -> None:
        """As `run`, into (rows, ow[, C]) of any type: integers are rounded and clamped."""
        first = (rows or slice(None)).indices(self.shape[0])[0]
        cube = result[:, :, np.newaxis] if result.ndim == 2 else result

        def part(rows: slice) -> Array:
            return cube[rows.start - first : rows.stop - first]

        make_writer = self.algorithm.make_writer
        can_write = cube.dtype == self.sums and cube.flags.c_contiguous and not self.problem.bias
        if make_writer is None or not can_write:
            self.run(image, lambda rows, sums: round_into(sums, part(rows), self.bounds), rows)
            return
        padded = self._padded(image)

        def make_worker() -> Callable[[slice], None]:
            gather, write = self._make_gather(padded), make_writer()
            return lambda rows: write(gather(rows), part(rows))

        self._run_bands(make_worker, rows)

    def run_bands(self, image: Array, dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
        """Yield rows and their result, from the top, each computed when it is asked for.

        As many bands at a time as there are threads: for images that do not fit the memory.
        """
        bands = list(self.bands())
        for group in split_range(len(bands), get_threads()):
            rows = slice(bands[group][0].start, bands[group][-1].stop)
            result = np.empty((rows.stop - rows.start, *self.shape[1:]), dtype)
            self.run_into(image, result, rows)
            yield rows, result

    def bands(self, rows: slice | None = None) -> Iterator[slice]:
        """How the rows of the output are cut; it does not depend on the number of threads."""
        first, end, _ = (rows or slice(None)).indices(self.shape[0])
        for band in split_range(self.shape[0], self.algorithm.rows):
            part = slice(max(band.start, first), min(band.stop, end))
            if part.start < part.stop:
                yield part

    def _run_bands(self, make_worker: Callable[[], Callable[[slice], None]], rows: Any) -> None:
        bands = list(self.bands(rows))
        if self.algorithm.is_multithreaded:
            work = make_worker()
            for band in bands:
                work(band)
        else:
            parallel_for(make_worker, bands)

    def _padded(self, image: Array) -> PaddedImage:
        dtype = image.dtype.newbyteorder("=")  # a file's own order is changed band by band
        if image.shape != self.image_shape or dtype != self.problem.dtype:
            planned = f"{self.image_shape} of {self.problem.dtype}"
            raise ValueError(f"planned for {planned}, not {image.shape} of {image.dtype}")
        planes = np.atleast_3d(image).transpose(2, 0, 1)  # (C, H, W)
        return PaddedImage(planes, self.sides, self.padding_mode)

    def _make_gather(self, padded: PaddedImage) -> Callable[[slice], Array]:
        """A function that copies the padded rows which some rows of the output see."""
        scratch = Scratch()
        columns, channels = self.problem.size[1], self.problem.channels

        def gather(rows: slice) -> Array:
            seen = self._input_rows(rows)
            band = scratch("band", (len(seen), columns, channels), self.algorithm.band_dtype)
            padded.copy_into(band.transpose(2, 0, 1), seen, range(columns))
            return band

        return gather

    def _input_rows(self, rows: slice) -> range:
        span = input_span(rows, self.problem.window.stride[0], self.problem.extent[0])
        return range(span.start, span.stop)


def plan_filter(
    shape: Sequence[int],
    dtype: DTypeLike,
    kernel: ArrayLike,
    settings: FilterSettings = FilterSettings(),  # noqa: B008  # it is frozen
    *,
    integer_output: bool = False,
) -> FilterPlan:
    """Plan a kernel over images of a shape and a type; what is raised is as in `filter2d`.

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
    >>> plan.run(np.ones((4, 4)), lambda rows, sums: print(rows, sums[:, :, 0].tolist()))
    slice(0, 2, None) [[9.0, 9.0], [9.0, 9.0]]
    """
    image_shape = tuple(shape)
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    _check_shapes(image_shape, weights, settings.groups)
    bias = float(as_numbers(settings.bias, "bias"))
    if settings.flip:
        weights = weights[..., ::-1, ::-1]
    check_method(settings.method, weights)
    opened = window(
        weights.shape[-2:],
        stride=settings.stride,
        padding=settings.padding,
        dilation=settings.dilation,
    )
    check_padding_mode(settings.padding_mode)
    height, width, channels = (*image_shape, 1)[:3]
    sides = opened.sides((height, width))
    output = opened.output((height, width))
    problem = FilterProblem(
        weights,
        replace(opened, padding=NO_PADDING),
        np.dtype(dtype),
        (sum(sides[0]) + height, sum(sides[1]) + width),
        channels,
        bias,
        integer_output,
        settings.groups,
    )
    chosen = choose_candidate(problem, settings.method)
    algorithm = chosen.make_algorithm()
    fallback = None
    if problem.dtype.kind == "f" and algorithm.leaks_nonfinite:
        is_layer = weights.ndim > 2
        fallback = (
            conv2d_algorithm(problem, "im2col") if is_layer else tap_im2col_algorithm(problem)
        )
    axes = {2: image_shape[2:], 3: (), 4: weights.shape[:1]}[weights.ndim]
    return FilterPlan(
        (*output, *axes),
        chosen.choice,
        chosen.cost_s,
        _sum_bounds(problem),
        image_shape,
        problem,
        sides,
        settings.padding_mode,
        algorithm,
        fallback,
    )


def _check_shapes(image: tuple[int, ...], weights: Array, groups: int) -> None:
    if len(image) not in (2, 3) or 0 in image:
        raise ShapeError(f"image must be (H, W) or (H, W, C) and not empty, not {image}")
    if weights.ndim not in (2, 3, 4) or 0 in weights.shape:
        raise ShapeError(
            f"kernel must be (kh, kw), (C, kh, kw) or (C_out, C, kh, kw), not {weights.shape}"
        )
    channels = (*image, 1)[2]
    if weights.ndim > 2 and weights.shape[-3] * groups != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def _sum_bounds(problem: FilterProblem) -> tuple[float, float] | None:
    """The least and the largest sum of integers; None for floats, and far from what floats hold."""
    dtype = problem.dtype
    if dtype.kind == "f":
        return None
    kernel = problem.kernel
    maps = kernel.reshape(len(kernel) if kernel.ndim == 4 else 1, -1)
    lowest, highest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    with np.errstate(over="ignore", invalid="ignore"):
        positive, negative = maps.clip(0, None).sum(axis=1), maps.clip(None, 0).sum(axis=1)
        least = float((positive * lowest + negative * highest).min()) + problem.bias
        largest = float((positive * highest + negative * lowest).max()) + problem.bias
    limit = float(np.finfo(np.float32).max)
    return (least, largest) if -limit < least and largest < limit else None


def check_method(method: str, kernel: ArrayLike) -> None:
    """Raise `ArgumentError` for a method that a kernel cannot take.

    That is an unknown method, `separable` for a kernel that is not, and `separable` or `fft` for
    one that sums over channels, where they filter each by itself.
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim > 2 and method in ("separable", "fft"):
        raise ArgumentError(f"method {method!r} takes a kernel of two axes, not {weights.ndim}")
    if method == "separable" and factorize(weights) is None:
        raise ArgumentError("method 'separable' needs a kernel of rank 1; 'auto' finds out itself")


def choose_method(kernel: ArrayLike) -> Choice:
    """What `auto` uses for a kernel over a picture of 8 bits and three channels, and why.

    `separable` for a column times a row, `fft` from so many weights on that three transforms are
    cheaper, `sums` for the additions that small whole numbers come to, `im2col` for the rest.

    >>> choose_method([[0, 1, 0], [1, -4, 1], [0, 1, 0]]).method
    'sums'
    >>> choose_method(np.ones((15, 15)))
    Choice(method='separable', reason='exact in uint16: 10 passes instead of 225 taps')
    """
    weights = as_numbers(kernel, "kernel")
    channels = weights.shape[-3] if weights.ndim > 2 else 3
    return plan_filter((*PICTURE, channels), np.uint8, weights).choice


def choose_candidate(problem: FilterProblem, method: str) -> Candidate:
    """The way to compute a problem; for `auto` the cheapest."""
    if problem.kernel.ndim > 2:
        return _conv2d(problem, method)
    if method == "auto":
        return min(candidates(problem), key=lambda found: found.cost_s * found.preference)
    make = {"im2col": _im2col, "separable": _separable, "fft": _fft, "naive": _naive}[method]
    return make(problem)._replace(choice=Choice(method, "asked for"))


def candidates(problem: FilterProblem) -> list[Candidate]:
    """All ways to compute a problem with a kernel of two axes that `auto` chooses from."""
    found = [_integer(problem)]
    if min(problem.window.kernel) > 1 and factorize(problem.kernel) is not None:
        found.append(_separable(problem))
    return [*filter(None, found), _im2col(problem), _fft(problem)]


def _integer(problem: FilterProblem) -> Candidate | None:
    sums = plan_integer_sums(problem)
    if sums is None:
        return None
    passes, taps = len(sums.program.steps), _taps(problem)
    method = "separable" if sums.program.is_separable else "sums"
    saved = f" instead of {taps} taps" if 0 < passes < taps else ""
    reason = f"exact in {sums.dtype}: {passes} passes{saved}"
    scaled = 0 if sums.is_unscaled else 2 * problem.sums.itemsize  # bytes
    cost = _outputs(problem) * PASS_S * ((passes + 1) * sums.dtype.itemsize + scaled)
    choice = Choice(method, reason)
    return Candidate(choice, cost, lambda: integer_algorithm(problem, sums), EXACT_PREFERENCE)


def _separable(problem: FilterProblem) -> Candidate:
    kh, kw = problem.window.kernel
    taps = f"2×{kh}" if kh == kw else f"{kh} + {kw}"
    sh, sw = problem.window.stride
    rows, columns = (
        (block_outputs(problem) - 1) * stride + extent  # that one product reads
        for stride, extent in zip((sh, sw), problem.extent, strict=True)
    )
    # Down the columns first, over every padded column; then along the rows.
    products = rows * sw + columns * (problem.channels if is_interleaved(problem) else 1)
    passes = sh * sw + 2 * is_transposed(problem)
    cost = filter_s(_outputs(problem), problem.sums.itemsize, products=products, passes=passes)
    choice = Choice("separable", f"rank 1, {taps} taps instead of {kh * kw}")
    return Candidate(choice, cost, lambda: separable_algorithm(problem))


def _im2col(problem: FilterProblem) -> Candidate:
    taps, kh = _taps(problem), problem.window.kernel[0]
    layout = banded_layout(problem.window.kernel)
    products = layout.shifts * (layout.stacked - 1 + kh) * layout.unrolled
    passes = layout.unrolled + layout.shifts
    make = banded_im2col_algorithm
    if not problem.is_dense:
        products, passes = taps, prod(problem.window.stride) + 2 * taps
        make = tap_im2col_algorithm
    cost = filter_s(_outputs(problem), problem.sums.itemsize, products=products, passes=passes)
    return Candidate(Choice("im2col", f"{taps} taps, in bands"), cost, lambda: make(problem))


def _fft(problem: FilterProblem) -> Candidate:
    (rows, values), step = tile_lengths(problem)
    high, wide = problem.extent
    clean = (rows - high + 1) * (values - (wide - 1) * step) / (rows * values)
    ffts = prod(problem.window.stride) / clean
    cost = filter_s(_outputs(problem), problem.sums.itemsize, ffts=ffts)
    choice = Choice("fft", f"{_taps(problem)} taps cost more than three transforms")
    return Candidate(choice, cost, lambda: fft_algorithm(problem))


def _naive(problem: FilterProblem) -> Candidate:
    cost = _outputs(problem) * prod(problem.window.kernel) * LOOP_S
    return Candidate(Choice("naive", ""), cost, lambda: naive_algorithm(problem))


def _conv2d(problem: FilterProblem, method: str) -> Candidate:
    """A layer's weights, (C, kh, kw) or (C_out, C, kh, kw)."""
    c_in, kh, kw = problem.kernel.shape[-3:]
    c_out = problem.kernel.size // (c_in * kh * kw)
    reason = f"{kh * kw} taps in each of {c_in} channels"
    cost = problem.kernel.size * prod(problem.output) * LOOP_S
    if method != "naive":
        found = choose_layer_method(
            (1, problem.channels, *problem.size),
            (c_out, c_in, kh, kw),
            problem.window,
            problem.sums,
            method=method,
            groups=problem.groups,
        )
        reason = f"{reason}; {found.reason}" if method == "auto" else reason
        method, cost = found.name, found.cost_s
    if problem.groups > 1:
        reason = f"a layer's weights, in {problem.groups} groups"
    return Candidate(Choice(method, reason), cost, lambda: conv2d_algorithm(problem, method))


def _taps(problem: FilterProblem) -> int:
    return int(np.count_nonzero(problem.kernel))


def _outputs(problem: FilterProblem) -> int:
    return prod(problem.output) * problem.channels
