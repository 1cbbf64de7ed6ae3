"""Which method computes a filter, and why.

The cost of a method is worked out for one value of the output, in nanoseconds: what it multiplies
and what it moves, weighted by what those take. The weights were measured with NumPy's wheels on one
core with AVX2, over bands of rows of 12,000 samples; on another machine all of them change, but
little changes in which is the larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, window
from convcli.arithmetic.values import NO_PADDING, PaddingLike
from convcli.engine.arrays import Array, as_numbers, round_into
from convcli.engine.conv2d.plan import layer_method
from convcli.engine.filter2d.fft import fft_algorithm, tile_lengths
from convcli.engine.filter2d.im2col import banded_im2col_algorithm, banded_layout
from convcli.engine.filter2d.integer import integer_algorithm, integer_sums
from convcli.engine.filter2d.problem import (
    Algorithm,
    FilterProblem,
    conv2d_algorithm,
    naive_algorithm,
    tap_im2col_algorithm,
)
from convcli.engine.filter2d.separable import (
    MAX_INTERLEAVED_CHANNELS,
    is_transposed,
    separable_algorithm,
    separate,
    stacked,
)
from convcli.engine.padding import PaddedImage, numpy_mode
from convcli.engine.scratch import Scratch, split_range
from convcli.errors import ArgumentError, ShapeError
from convcli.parallel import parallel_for

METHODS = ("auto", "im2col", "separable", "fft", "naive")

PRODUCT = 0.006  # of a matrix product: one multiplication, for each byte of a value
PASS = 0.025  # one pass over an array, for each byte of a value
TRANSFORMS = 1.0  # three FFTs of a tile, for each byte of a value
EXACT = 0.5  # what the cost of exact sums counts: they may take twice as long as rounded ones
PICTURE = (3000, 4000)  # what `choose_method` has in mind: 8 bits, three channels


class Choice(NamedTuple):
    """A method, and in a few words why it was chosen."""

    method: str
    reason: str


class Candidate(NamedTuple):
    """A way to compute a task, and what one value of its output costs, in nanoseconds."""

    choice: Choice
    cost: float
    recipe: Callable[[], Algorithm]


def plan(task: FilterProblem, method: str) -> tuple[Choice, Algorithm]:
    """The method for a task, and its recipe; `auto` takes the cheapest."""
    if task.kernel.ndim > 2:
        return _layer(task, method)
    if method == "auto":
        best = min(candidates(task), key=lambda one: one.cost)
        return best.choice, best.recipe()
    return Choice(method, "asked for"), _RECIPES[method](task)


def fallback(task: FilterProblem) -> Algorithm:
    """A recipe that lets NaN and infinity reach no output whose window does not meet them."""
    return conv2d_algorithm(task, "im2col") if task.kernel.ndim > 2 else tap_im2col_algorithm(task)


def candidates(task: FilterProblem) -> list[Candidate]:
    """All the ways to compute a task with a kernel of two axes."""
    return [*_additions(task), *_factors(task), _columns(task), _spectrum(task)]


def check_method(method: str, kernel: ArrayLike) -> None:
    """Refuse a method that a kernel cannot take.

    Raises
    ------
    ArgumentError
        For an unknown method, a kernel that is not separable, and one that sums channels where
        the method filters each by itself.
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim > 2 and method in ("separable", "fft"):
        raise ArgumentError(f"method {method!r} takes a kernel of two axes, not {weights.ndim}")
    if method == "separable" and separate(weights) is None:
        raise ArgumentError("method 'separable' needs a kernel of rank 1; 'auto' finds out itself")


def choose_method(kernel: ArrayLike) -> str:
    """What `auto` uses for a kernel over a picture of 8 bits and three channels.

    `separable` for a column times a row, `fft` from so many weights on that three transforms are
    cheaper, `sums` for the additions that small whole numbers come to, `im2col` for the rest.

    >>> choose_method([[0, 1, 0], [1, -4, 1], [0, 1, 0]]), choose_method(np.ones((15, 15)))
    ('sums', 'separable')
    """
    return choose(kernel).method


def choose(kernel: ArrayLike) -> Choice:
    """As `choose_method`, with the reason.

    >>> choose(np.ones((15, 15))).reason
    'exact in uint16: 10 passes instead of 225 taps'
    """
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    high, wide = weights.shape[-2:]
    channels = weights.shape[-3] if weights.ndim > 2 else 3
    shape = Window(kernel=(high, wide))
    task = FilterProblem(weights, shape, np.dtype(np.uint8), PICTURE, channels)
    if weights.ndim > 2:
        return _layer(task, "auto")[0]
    return min(candidates(task), key=lambda one: one.cost).choice


def _layer(task: FilterProblem, method: str) -> tuple[Choice, Algorithm]:
    """A layer's weights, (C, kh, kw) or (C_out, C, kh, kw)."""
    channels, *taps = task.kernel.shape[-3:]
    reason = f"{prod(taps)} taps in each of {channels} channels"
    if method == "auto":
        outputs = 1 if task.kernel.ndim == 3 else len(task.kernel)
        sizes = (1, channels, *task.size), (outputs, channels, *taps)
        found = layer_method(*sizes, task.shape, task.sums)
        method, reason = found.name, f"{reason}; {found.reason}"
    return Choice(method, reason), conv2d_algorithm(task, method)


def _additions(task: FilterProblem) -> list[Candidate]:
    exact = integer_sums(task)
    if exact is None:
        return []
    passes = len(exact.program.steps)
    method = "separable" if exact.program.is_separable else "sums"
    spared = f" instead of {_taps(task)} taps" if 0 < passes < _taps(task) else ""
    reason = f"exact in {exact.kind}: {passes} passes{spared}"
    scaling = 0 if exact.is_plain else 2 * task.sums.itemsize
    cost = EXACT * PASS * ((passes + 1) * exact.kind.itemsize + scaling)
    return [Candidate(Choice(method, reason), cost, lambda: integer_algorithm(task, exact))]


def _factors(task: FilterProblem) -> list[Candidate]:
    high, wide = task.shape.kernel
    if min(high, wide) == 1 or separate(task.kernel) is None:
        return []
    counts = f"2×{high}" if high == wide else f"{high} + {wide}"
    reason = f"rank 1, {counts} taps instead of {high * wide}"
    seen = [
        (stacked(task) - 1) * step + extent
        for step, extent in zip(task.shape.stride, task.extent, strict=True)
    ]
    # Down the columns first, over every padded column; then along the rows, channels apart.
    is_interleaved = task.channels <= MAX_INTERLEAVED_CHANNELS and not is_transposed(task)
    zeros = task.channels if is_interleaved else 1
    products = seen[0] * task.shape.stride[1] + seen[1] * zeros
    size = task.sums.itemsize
    cost = size * (PRODUCT * products + PASS * (_read(task) + 2 * is_transposed(task)))
    return [Candidate(Choice("separable", reason), cost, lambda: separable_algorithm(task))]


def _columns(task: FilterProblem) -> Candidate:
    taps, size = _taps(task), task.sums.itemsize
    choice = Choice("im2col", f"{taps} taps, in bands")
    if not task.is_dense:
        cost = size * (PASS * (_read(task) + 2 * taps) + PRODUCT * taps)
        return Candidate(choice, cost, lambda: tap_im2col_algorithm(task))
    made = banded_layout(task.shape.kernel)
    seen = (made.stacked - 1 + task.shape.kernel[0]) * made.unrolled
    moved = made.unrolled + made.shifts
    cost = size * (PRODUCT * made.shifts * seen + PASS * moved)
    return Candidate(choice, cost, lambda: banded_im2col_algorithm(task))


def _spectrum(task: FilterProblem) -> Candidate:
    (rows, samples), step = tile_lengths(task)
    reach = (task.extent[1] - 1) * step
    clean = (rows - task.extent[0] + 1) * (samples - reach) / (rows * samples)
    reason = f"{_taps(task)} taps cost more than three transforms"
    cost = task.sums.itemsize * TRANSFORMS * prod(task.shape.stride) / clean
    return Candidate(Choice("fft", reason), cost, lambda: fft_algorithm(task))


def _taps(task: FilterProblem) -> int:
    return int(np.count_nonzero(task.kernel))


def _read(task: FilterProblem) -> int:
    """The input values for each value of the output."""
    return prod(task.shape.stride)


_RECIPES: dict[str, Callable[[FilterProblem], Algorithm]] = {
    "im2col": lambda task: _columns(task).recipe(),
    "separable": separable_algorithm,
    "fft": fft_algorithm,
    "naive": naive_algorithm,
}


Take: TypeAlias = Callable[[slice, Array], object]


class PreparedFilter(NamedTuple):
    """A kernel over an image: every setting checked, the method chosen, nothing computed yet.

    Parameters
    ----------
    shape : tuple of int
        Of the result: (oh, ow), or (oh, ow, C).
    sums : dtype
        The type that its sums come in: float32 or float64, or integers where they are exact.
    choice : Choice
        The method, and why.
    bias : float
        Added to every sum.
    padded : Padded
        The image.
    bounds : (float, float) or None
        What the sums, bias included, are sure to lie between; None where they may be anything.
    recipe : Recipe
        How a band is computed.
    fallback : Recipe or None
        For bands of values that are not finite, where the recipe would spread them.
    """

    shape: tuple[int, ...]
    sums: np.dtype[Any]
    choice: Choice
    bias: float
    padded: PaddedImage
    bounds: tuple[float, float] | None
    recipe: Algorithm
    fallback: Algorithm | None

    def run(self, take: Take, rows: slice | None = None) -> None:
        """Compute the sums, in bands of rows, in as many threads as `set_threads` says.

        Parameters
        ----------
        take : callable
            `take(rows, sums)` gets a band's rows, a slice of the output's, and its sums,
            (rows, ow, C). It is called in the thread that computed them, for the bands in any
            order. The sums are its to overwrite, and gone after the call.
        rows : slice, optional
            Which rows of the output; all where left out.
        """
        self._share(lambda: self._hire(take), rows)

    def run_into(self, result: Array, rows: slice | None = None) -> None:
        """As `run`, into an array, (rows, ow, C), of any type: rounded and clamped for integers."""
        first = (rows or slice(None)).indices(self.padded.output[0])[0]

        def part(rows: slice) -> Array:
            return result[rows.start - first : rows.stop - first]

        writer = self.recipe.hire_writer
        writes = result.dtype == self.sums and result.flags.c_contiguous and not self.bias
        if writer is None or not writes:
            self.run(lambda rows, sums: round_into(sums, part(rows), self.bounds), rows)
            return

        def hire() -> Callable[[slice], None]:
            gather, write = self._gatherer(), writer()
            return lambda rows: write(gather(rows), part(rows))

        self._share(hire, rows)

    def _share(self, hire: Callable[[], Callable[[slice], None]], rows: slice | None) -> None:
        bands = list(self.bands(rows))
        if self.recipe.is_multithreaded:  # it has threads of its own
            work = hire()
            for band in bands:
                work(band)
        else:
            parallel_for(hire, bands)

    def bands(self, rows: slice | None = None) -> Iterator[slice]:
        """How the rows of the output are cut; it does not depend on the number of threads."""
        height = self.padded.output[0]
        first, end, _ = (rows or slice(None)).indices(height)
        for band in split_range(height, self.recipe.rows):
            part = slice(max(band.start, first), min(band.stop, end))
            if part.start < part.stop:
                yield part

    def _hire(self, take: Take) -> Callable[[slice], None]:
        """A worker for one thread, with scratch memory of its own."""
        gather = self._gatherer()
        correlate = self.recipe.hire()
        spare = self.fallback.hire() if self.fallback else None

        def work(rows: slice) -> None:
            band = gather(rows)
            leaks_nonfinite = spare is not None and not np.isfinite(band).all()
            sums = spare(band) if spare is not None and leaks_nonfinite else correlate(band)
            if self.bias:
                sums += sums.dtype.type(self.bias)
            take(rows, sums)

        return work

    def _gatherer(self) -> Callable[[slice], Array]:
        """Gives the padded band that some rows of the output see."""
        scratch = Scratch()
        columns, channels = self.padded.size[1], self.padded.pixels.shape[2]

        def gather(rows: slice) -> Array:
            shape = (self.padded.height(rows), columns, channels)
            band = scratch("band", shape, self.recipe.samples)
            self.padded.gather(rows, band)
            return band

        return gather


def prepare_filter(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    bias: float = 0.0,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = "same",
    padding_mode: str = "replicate",
    dilation: int | Sequence[int] = 1,
    flip: bool = False,
    method: str = "auto",
    integer_output: bool = False,
) -> PreparedFilter:
    """Check what `filter2d` takes, and plan it; the parameters and what is raised are the same.

    `integer_output` says that the caller will round the sums, half to even, whatever they come in:
    then they may come rounded already, as integers.

    Examples
    --------
    >>> prepared = prepare_filter(np.ones((4, 4)), np.ones((3, 3)), padding="valid")
    >>> prepared.shape, prepared.choice.method
    ((2, 2), 'im2col')
    >>> prepared.run(lambda rows, sums: print(rows, sums[:, :, 0].tolist()))
    slice(0, 2, None) [[9.0, 9.0], [9.0, 9.0]]
    """
    pixels, weights = as_numbers(image, "image"), as_numbers(kernel, "kernel").astype(np.float64)
    _check_axes(pixels, weights)
    offset = float(as_numbers(bias, "bias"))
    if flip:
        weights = weights[..., ::-1, ::-1]
    check_method(method, weights)
    shape = window(weights.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    cube = np.atleast_3d(pixels)  # (H, W, C)
    numpy_mode(padding_mode)  # refuse an unknown one before any work
    padded = PaddedImage(cube, shape, padding_mode)
    task = FilterProblem(
        weights,
        replace(shape, padding=NO_PADDING),
        pixels.dtype,
        padded.size,
        cube.shape[2],
        offset,
        integer_output,
    )
    choice, recipe = plan(task, method)
    spare = fallback(task) if pixels.dtype.kind == "f" and recipe.leaks_nonfinite else None
    bounds = _bounds(weights, pixels.dtype, offset)
    has_channels = {2: pixels.ndim == 3, 3: False, 4: True}[weights.ndim]
    channels = {2: cube.shape[2], 3: 1, 4: len(weights)}[weights.ndim]
    size = (*padded.output, channels) if has_channels else padded.output
    return PreparedFilter(size, recipe.sums, choice, offset, padded, bounds, recipe, spare)


def _check_axes(pixels: Array, weights: Array) -> None:
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ShapeError(f"image must be (H, W) or (H, W, C) and not empty, not {pixels.shape}")
    if weights.ndim not in (2, 3, 4) or 0 in weights.shape:
        raise ShapeError(
            f"kernel must be (kh, kw), (C, kh, kw) or (C_out, C, kh, kw), not {weights.shape}"
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if weights.ndim > 2 and weights.shape[-3] != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def _bounds(weights: Array, image: np.dtype[Any], bias: float) -> tuple[float, float] | None:
    """The least and the largest sum of integers; None for floats, and far from what floats hold."""
    if image.kind == "f":
        return None
    maps = weights if weights.ndim == 4 else weights[np.newaxis]
    lowest, highest = (0, 1) if image.kind == "b" else (np.iinfo(image).min, np.iinfo(image).max)
    with np.errstate(over="ignore", invalid="ignore"):
        added = maps.clip(0, None).reshape(len(maps), -1).sum(axis=1)
        taken = maps.clip(None, 0).reshape(len(maps), -1).sum(axis=1)
        least = float((added * lowest + taken * highest).min()) + bias
        largest = float((added * highest + taken * lowest).max()) + bias
    most = float(np.finfo(np.float32).max)
    return (least, largest) if -most < least and largest < most else None
