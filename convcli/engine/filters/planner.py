"""Which method computes a filter, and why.

The cost of a method is worked out for one value of the output, in nanoseconds: what it multiplies
and what it moves, weighted by what those take. The weights were measured with NumPy's wheels on one
core with AVX2, over bands of rows of 12,000 samples; on another machine all of them change, but
little changes in which is the larger.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window
from convcli.engine.arrays import as_numbers
from convcli.engine.filters.banded import by_banded_product, layout
from convcli.engine.filters.exact import by_additions, exact_sums
from convcli.engine.filters.factors import MOST_CHANNELS, by_factors, separate, stacked, turns
from convcli.engine.filters.recipes import Recipe, Task, by_columns, by_layer, by_loops
from convcli.engine.filters.spectrum import by_spectrum, tile_lengths
from convcli.engine.layers.method import layer_method
from convcli.errors import ArgumentError

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
    recipe: Callable[[], Recipe]


def plan(task: Task, method: str) -> tuple[Choice, Recipe]:
    """The method for a task, and its recipe; `auto` takes the cheapest."""
    if task.kernel.ndim > 2:
        return _layer(task, method)
    if method == "auto":
        best = min(candidates(task), key=lambda one: one.cost)
        return best.choice, best.recipe()
    return Choice(method, "asked for"), _RECIPES[method](task)


def fallback(task: Task) -> Recipe:
    """A recipe that lets NaN and infinity reach no output whose window does not meet them."""
    return by_layer(task, "im2col") if task.kernel.ndim > 2 else by_columns(task)


def candidates(task: Task) -> list[Candidate]:
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
    task = Task(weights, Window(kernel=(high, wide)), np.dtype(np.uint8), PICTURE, channels)
    if weights.ndim > 2:
        return _layer(task, "auto")[0]
    return min(candidates(task), key=lambda one: one.cost).choice


def _layer(task: Task, method: str) -> tuple[Choice, Recipe]:
    """A layer's weights, (C, kh, kw) or (C_out, C, kh, kw)."""
    channels, *taps = task.kernel.shape[-3:]
    reason = f"{prod(taps)} taps in each of {channels} channels"
    if method == "auto":
        outputs = 1 if task.kernel.ndim == 3 else len(task.kernel)
        sizes = (1, channels, *task.size), (outputs, channels, *taps)
        found = layer_method(*sizes, task.shape, task.sums)
        method, reason = found.name, f"{reason}; {found.reason}"
    return Choice(method, reason), by_layer(task, method)


def _additions(task: Task) -> list[Candidate]:
    exact = exact_sums(task)
    if exact is None:
        return []
    passes = len(exact.program.steps)
    method = "separable" if exact.program.is_separable else "sums"
    spared = f" instead of {_taps(task)} taps" if 0 < passes < _taps(task) else ""
    reason = f"exact in {exact.kind}: {passes} passes{spared}"
    scaling = 0 if exact.is_plain else 2 * task.sums.itemsize
    cost = EXACT * PASS * ((passes + 1) * exact.kind.itemsize + scaling)
    return [Candidate(Choice(method, reason), cost, lambda: by_additions(task, exact))]


def _factors(task: Task) -> list[Candidate]:
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
    zeros = task.channels if task.channels <= MOST_CHANNELS and not turns(task) else 1
    products = seen[0] * task.shape.stride[1] + seen[1] * zeros
    size = task.sums.itemsize
    cost = size * (PRODUCT * products + PASS * (_read(task) + 2 * turns(task)))
    return [Candidate(Choice("separable", reason), cost, lambda: by_factors(task))]


def _columns(task: Task) -> Candidate:
    taps, size = _taps(task), task.sums.itemsize
    choice = Choice("im2col", f"{taps} taps, in bands")
    if not task.is_dense:
        cost = size * (PASS * (_read(task) + 2 * taps) + PRODUCT * taps)
        return Candidate(choice, cost, lambda: by_columns(task))
    made = layout(task.shape.kernel)
    seen = (made.stacked - 1 + task.shape.kernel[0]) * made.unrolled
    moved = made.unrolled + made.shifts
    cost = size * (PRODUCT * made.shifts * seen + PASS * moved)
    return Candidate(choice, cost, lambda: by_banded_product(task))


def _spectrum(task: Task) -> Candidate:
    (rows, samples), step = tile_lengths(task)
    reach = (task.extent[1] - 1) * step
    clean = (rows - task.extent[0] + 1) * (samples - reach) / (rows * samples)
    reason = f"{_taps(task)} taps cost more than three transforms"
    cost = task.sums.itemsize * TRANSFORMS * prod(task.shape.stride) / clean
    return Candidate(Choice("fft", reason), cost, lambda: by_spectrum(task))


def _taps(task: Task) -> int:
    return int(np.count_nonzero(task.kernel))


def _read(task: Task) -> int:
    """The input values for each value of the output."""
    return prod(task.shape.stride)


_RECIPES: dict[str, Callable[[Task], Recipe]] = {
    "im2col": lambda task: _columns(task).recipe(),
    "separable": by_factors,
    "fft": by_spectrum,
    "naive": by_loops,
}
