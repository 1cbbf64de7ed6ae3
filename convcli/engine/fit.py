"""The kernel that turned one picture into another, by least squares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.values import Pair, as_pair, format_shape
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.normal_equations import Equations, Rails, Scale, Solution, Sums, solve
from convcli.errors import ArgumentError, LimitError, ShapeError

Pairs: TypeAlias = Sequence[tuple[Array, Array]]

MAX_UNKNOWNS = 1024  # weights of a kernel: the matrix of the equations has their square
MAX_PASSES = 6
CONVERGED = 1e-9  # relative change of the weights, after which no pass follows
UNCERTAIN = 1e-2  # change relative to the standard errors, likewise
MAX_PRODUCTS = 3e10  # of a pass over all pairs; of what would take more, a part is taken
PRODUCTS_PER_COLUMN = 20  # that take as long as filling in a column of one unknown
ROUNDING_VARIANCE = 1 / 12  # of whole numbers, in their units
MARGIN_DEVIATIONS = 3.0  # of noise, inside the rails
MAX_MARGIN = 0.1  # of the distance between the rails
QUANTUM = 2.0**-44  # of the largest weight; smaller differences are rounding errors of the sums


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A kernel found by least squares: AFTER is BEFORE correlated with it, plus the bias.

    Parameters
    ----------
    kernel : ndarray of float64, (kh, kw)
        As it is applied by correlation, its origin where that of a `Kernel` is by default.
    errors : ndarray of float64, (kh, kw), or None
        The standard error of each weight; None where there are no more pixels than unknowns.
    bias : float
        In the units of AFTER; 0 if none was asked for.
    bias_error : float or None
        Its standard error.
    rms : float
        The root of the mean squared residual, in the units of AFTER.
    explained : float
        The share of AFTER's variance that the kernel explains; below 0 where its mean would do
        better.
    pixels : int
        Values of AFTER that were used; each channel of a pixel counts.
    clipped : int
        Those that were left out, as the picture's type may have clipped them.
    total : int
        Those that there are, without the border; of a large picture, a part is taken.
    """

    kernel: Array
    errors: Array | None
    bias: float
    bias_error: float | None
    rms: float
    explained: float
    pixels: int
    clipped: int
    total: int


def fit_kernel(
    before: ArrayLike | Sequence[Array],
    after: ArrayLike | Sequence[Array],
    size: int | Pair,
    *,
    bias: bool = False,
) -> Fit:
    """Return the kernel that turns one picture into another, by least squares.

    The border, whose padding is not known, is left out. So are the pixels that a type of 8 or 16
    bits without a sign clips, 0 and 255: where the kernel that was found says at or beyond them.

    Parameters
    ----------
    before, after : array_like, (H, W) or (H, W, C)
        Or lists of such arrays, for several pairs; one kernel fits all of them, and all channels.
        `after` has the same size, or is smaller by the kernel's size less one ("valid").
    size : int or (kh, kw)
        Of the kernel.
    bias : bool
        Whether a number is added to every sum.

    Raises
    ------
    ArgumentError
        If `before` tells fewer weights apart than there are, with what it lacks; for NaN and
        infinity.
    ShapeError
        If the sizes do not fit each other.
    LimitError
        For a kernel of more than `MAX_UNKNOWNS` weights.

    Examples
    --------
    >>> before = np.array([[1, 0, 0, 2], [0, 0, 1, 0], [3, 0, 0, 1]])
    >>> after = before[:, 1:] - before[:, :-1]
    >>> fit_kernel(before, after, (1, 2)).kernel.round(6) + 0.0
    array([[-1.,  1.]])
    """
    return fit_pairs(_as_pairs(before, after), as_pair(size, "size"), bias=bias)


def fit_pairs(pairs: Pairs, size: Pair, *, bias: bool = False) -> Fit:
    """Return the kernel for pairs of arrays, which are gone through several times.

    Parameters and errors are those of `fit_kernel`.
    """
    check_fit_size(size)
    fitting = _Fitting(pairs, size, has_bias=bias)
    return fitting.run()


def check_fit_size(size: Pair) -> None:
    """Raise `LimitError` for a kernel of too many weights."""
    if math.prod(size) > MAX_UNKNOWNS:
        raise LimitError(
            f"a kernel of {format_shape(size)} has {math.prod(size):,} weights, and at most "
            f"{MAX_UNKNOWNS:,} are fitted"
        )


def align(before: Array, after: Array, size: Pair) -> tuple[Array, Array]:
    """Return a picture, (H, W, C), and the value after of each of its windows, without the border.

    Raises
    ------
    ShapeError
        If the sizes do not fit each other.
    ArgumentError
        For NaN and infinity.
    """
    planes = []
    for name, array in (("before", before), ("after", after)):
        if array.ndim not in (2, 3) or 0 in array.shape:
            raise ShapeError(f"{name} must be (H, W) or (H, W, C), not {array.shape}")
        if not (np.isfinite(array.min()) and np.isfinite(array.max())):
            raise ArgumentError(f"{name} holds NaN or infinity, which fits nothing")
        planes.append(array.reshape(*array.shape[:2], -1))
    first, second = planes
    if first.shape[2] != second.shape[2]:
        raise ShapeError(f"before has {first.shape[2]} channels, after {second.shape[2]}")
    frame, other = format_shape(first.shape[:2]), format_shape(second.shape[:2])
    if any(side < extent for side, extent in zip(first.shape, size, strict=False)):
        raise ShapeError(f"before is {frame}, smaller than a kernel of {format_shape(size)}")
    height, width = (side - extent + 1 for side, extent in zip(first.shape, size, strict=False))
    if second.shape[:2] == first.shape[:2]:
        top, left = (size[0] - 1) // 2, (size[1] - 1) // 2
        return first, second[top : top + height, left : left + width]
    if second.shape[:2] == (height, width):
        return first, second
    raise ShapeError(
        f"before is {frame} (HxW) and after {other}: it must have the same size, or be "
        f"{format_shape((height, width))}, without a border"
    )


class _Fitting:
    """A fit by several passes over pairs of pictures.

    The first pass fits what is between the rails, the values that were clipped; the following ones
    correct rounding errors, and take what the kernel found so far puts between the rails. That is
    a choice by BEFORE alone, so noise in AFTER does not bias it.
    """

    def __init__(self, pairs: Pairs, size: Pair, *, has_bias: bool) -> None:
        self.pairs, self.size, self.has_bias = pairs, size, has_bias
        self.unknowns = math.prod(size) + has_bias
        source, target = align(*pairs[0], size)
        self.scales = Scale.of(source, is_centered=has_bias), Scale.of(target, is_centered=False)
        self.total = 0
        self.rails: list[Rails] = []  # of each pair

    def run(self) -> Fit:
        """Return what was found."""
        model = np.zeros(self.unknowns)
        sums = self._gather(model, [], has_gram=True)
        solution = self._solve_first(sums)
        model = model + solution.values
        for _ in range(MAX_PASSES - 1):
            has_rails = any(map(_has_rail, self.rails))
            following = self._gather(model, self._narrow(sums, solution), has_gram=has_rails)
            if not has_rails:
                following.gram = sums.gram
            corrected = solve(following)
            if corrected.rank < self.unknowns or following.count < self.unknowns:
                break
            sums, solution, model = following, corrected, model + corrected.values
            errors = np.sqrt(_mean_square(sums, solution) * solution.variances)
            enough = np.maximum(CONVERGED * np.abs(model).max(), UNCERTAIN * errors)
            if (np.abs(solution.values) <= enough).all():
                break
        return self._make_fit(model, sums, solution)

    def iterate_equations(self) -> Iterator[Equations]:
        """Yield the equations of each pair."""
        for before, after in self.pairs:
            source, target = align(before, after, self.size)
            yield Equations(source, target, self.size, self.has_bias, self.scales)

    def _gather(self, model: Array, rails: Sequence[Rails], *, has_gram: bool) -> Sums:
        """Return the sums over all pairs; those of the first pass find the rails, and the total."""
        sums = Sums.zeros(self.unknowns)
        cost = self.unknowns * (self.unknowns + PRODUCTS_PER_COLUMN)
        max_positions = int(MAX_PRODUCTS / cost / len(self.pairs))
        for index, equations in enumerate(self.iterate_equations()):
            if not rails:
                self.total += equations.target.size
                self.rails.append(_find_rails(equations.target))
            between = rails[index] if rails else self.rails[index]
            with np.errstate(over="ignore", invalid="ignore"):
                equations.add_to(sums, model, between, max_positions, has_gram=has_gram)
        if not (np.isfinite(sums.gram).all() and np.isfinite(sums.squares)):
            raise ArgumentError("its values differ so much that their products overflow")
        return sums

    def _narrow(self, sums: Sums, solution: Solution) -> list[Rails]:
        """Return rails with a margin of the noise, within which a prediction is not clipped."""
        if not any(map(_has_rail, self.rails)):
            return self.rails
        variance = _mean_square(sums, solution) * self.scales[1].size ** 2
        noise = max(variance - ROUNDING_VARIANCE, 0.0)
        deviation = MARGIN_DEVIATIONS * math.sqrt(noise)
        return [
            Rails(rails.low, rails.high, 0.5 + min(deviation, MAX_MARGIN * _distance(rails)))
            for rails in self.rails
        ]

    def _solve_first(self, sums: Sums) -> Solution:
        """Return the solution, or raise with what the pictures lack for one."""
        if not sums.count:
            raise ArgumentError(
                "all values after are clipped, at the smallest or the largest of their type, "
                "and say nothing of the sums"
            )
        solution = solve(sums)
        if solution.rank < self.unknowns:
            raise ArgumentError(_describe_lack(self, sums, solution))
        return solution

    def _make_fit(self, model: Array, sums: Sums, solution: Solution) -> Fit:
        source, target = self.scales
        weights = math.prod(self.size)
        factor = target.size / source.size
        if not 0 < factor < math.inf or not np.isfinite(model * factor).all():
            raise ArgumentError("the weights are beyond what floating point holds")
        bias_of = np.full(self.unknowns, -source.center / source.size)  # of scaled values
        bias_of[weights:] = 1.0
        mean_square = _mean_square(sums, solution)
        freedom = sums.count - self.unknowns
        errors, bias_error = None, None
        if freedom > 0:
            # The solution is that of scaled equations: so is the variance of their residuals.
            deviation = math.sqrt(mean_square * sums.count / freedom)
            variances = solution.variances[:weights].reshape(self.size)
            errors = np.sqrt(variances) * deviation * factor
            if self.has_bias:
                bias_error = deviation * math.sqrt(solution.spread(bias_of)) * target.size
            model = _round_exact(model, errors / factor)
        return Fit(
            kernel=(model[:weights] * factor).reshape(self.size),
            errors=errors,
            bias=float(bias_of @ model) * target.size if self.has_bias else 0.0,
            bias_error=bias_error,
            rms=math.sqrt(mean_square) * target.size,
            explained=_explained(mean_square, sums.variation / sums.count),
            pixels=sums.count,
            clipped=sums.left_out,
            total=self.total,
        )


def _mean_square(sums: Sums, solution: Solution) -> float:
    """Return the mean squared residual of the solution, of scaled values."""
    squares = sums.squares - float(sums.moment @ solution.values)
    return max(squares, 0.0) / sums.count


def _round_exact(model: Array, errors: Array) -> Array:
    """Round what was found to where the sums are exact, if its errors lie below that."""
    largest = float(np.abs(model).max())
    quantum = QUANTUM * 2.0 ** math.frexp(largest)[1] if largest else 0.0
    if not float(errors.max()) < quantum:
        return model
    return np.asarray(np.round(model / quantum) * quantum + 0.0)


def _explained(mean_square: float, variation: float) -> float:
    """Return the share of a variance that residuals leave explained."""
    if variation > 0:
        return 1.0 - mean_square / variation
    return 1.0 if mean_square == 0 else 0.0


def _as_pairs(before: Any, after: Any) -> list[tuple[Array, Array]]:
    """Return the arrays of `fit_kernel` in pairs."""
    if _is_several(before) and _is_several(after):
        if len(before) != len(after):
            raise ShapeError(f"there are {len(before)} pictures before, and {len(after)} after")
        pairs = list(zip(before, after, strict=True))
    else:
        pairs = [(before, after)]
    return [(as_numbers(first, "before"), as_numbers(second, "after")) for first, second in pairs]


def _is_several(value: Any) -> bool:
    """Whether it is a list of arrays that are pictures."""
    is_list = isinstance(value, list | tuple) and len(value) > 0
    return is_list and all(isinstance(item, np.ndarray) and item.ndim > 1 for item in value)


def _find_rails(target: Array) -> Rails:
    """Return the values at which the target's type clips, where the target has any of them."""
    if target.dtype not in (np.uint8, np.uint16):
        return Rails()
    limits = np.iinfo(target.dtype)
    return Rails(
        limits.min if target.min() == limits.min else -math.inf,
        limits.max if target.max() == limits.max else math.inf,
    )


def _has_rail(rails: Rails) -> bool:
    return math.isfinite(rails.low) or math.isfinite(rails.high)


def _distance(rails: Rails) -> float:
    return rails.high - rails.low


def _describe_lack(fitting: _Fitting, sums: Sums, solution: Solution) -> str:
    """Return how many unknowns the pictures tell apart, and what they lack for all of them."""
    unknowns = f"{fitting.unknowns} {'unknowns' if fitting.has_bias else 'weights'}"
    if sums.count < fitting.unknowns:
        clipped = f", and {sums.left_out:,} more are clipped" if sums.left_out else ""
        return (
            f"{sums.count:,} values after are too few for {unknowns}{clipped}; "
            "give a larger picture, more pairs or a smaller kernel"
        )
    sources = [equations.source for equations in fitting.iterate_equations()]
    if all((source == source[:1]).all() for source in sources):
        what = "all rows before are alike"
        if all((source == source[:, :1]).all() for source in sources):
            what = "the picture before is of one value"
    elif all((source == source[:, :1]).all() for source in sources):
        what = "all columns before are alike"
    else:
        what = "the picture before is too smooth, or repeats itself"
    return (
        f"{what}, which tells {solution.rank} of {unknowns} apart; "
        "give a picture with more detail, more pairs or a smaller kernel"
    )
