"""The kernel of the bank, or of a family with parameters, that is nearest to given weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from convcli.errors import ArgumentError
from convcli.kernels import Kernel
from convcli.kernels.bank import Matrix, bank
from convcli.kernels.parametric import make_kernel
from convcli.records import NamedTuple

STARTS = 24  # values of a parameter, of one alone, from which its search starts
STARTS_OF_TWO = 12  # of each of two
DIGITS = 3  # of a parameter that is found
MAX_SIGMA = 12.0
CERTAIN = 2.0  # standard errors by which a kernel with more parameters must be nearer
ROUNDING = 1e-9  # relative


class Nearest(NamedTuple):
    """The nearest kernel.

    Parameters
    ----------
    name : str
        A SPEC.
    distance : float
        The root of the sum of the squared differences of the weights, over that of the squared
        weights that were given.
    """

    name: str
    distance: float


class Parameter(NamedTuple):
    """The values of a parameter that are searched, from `low` to `high`.

    Parameters
    ----------
    low, high : float
    is_angle : bool
        Whether they are spaced evenly, and not by a factor.
    """

    low: float
    high: float
    is_angle: bool = False

    def starts(self, count: int) -> list[float]:
        """Return so many values from which a search starts."""
        if self.is_angle:
            return [float(value) for value in np.arange(count) * (self.high - self.low) / count]
        return [float(value) for value in np.geomspace(self.low, self.high, count)]

    def step(self, value: float, share: float) -> float:
        """Return the value a step further; the shares of the first steps are 1 and -1."""
        if self.is_angle:
            return value + share * (self.high - self.low) / STARTS_OF_TWO
        factor = math.exp(math.log(self.high / self.low) * share / STARTS_OF_TWO)
        return min(max(value * factor, self.low), self.high)


SIGMA, AMOUNT = Parameter(0.2, MAX_SIGMA), Parameter(0.05, 10.0)
FULL_TURN, HALF_TURN = Parameter(0, 360, is_angle=True), Parameter(0, 180, is_angle=True)
# What is searched of the families; `box` and `ones` have the sizes that there are.
SEARCHED: tuple[tuple[str, tuple[Parameter, ...]], ...] = (
    ("gaussian", (SIGMA,)),
    ("gaussian", (SIGMA, SIGMA)),
    ("log", (Parameter(0.3, MAX_SIGMA / 2),)),
    ("motion", (Parameter(1.5, 31.0), HALF_TURN)),
    ("unsharp", (SIGMA, AMOUNT)),
    ("sharpen", (AMOUNT,)),
    ("disk", (Parameter(0.5, 15.0),)),
    ("sobel", (FULL_TURN,)),
)


def find_nearest(matrix: Matrix, errors: Matrix | None = None) -> Nearest | None:
    """Return the kernel with a name that is nearest to weights, their origin as by default.

    Of kernels that are as near within the errors, it is the one with the fewest parameters.

    Parameters
    ----------
    matrix : ndarray, (kh, kw)
    errors : ndarray, (kh, kw), optional
        The standard error of each weight.

    Returns
    -------
    Nearest or None
        None for weights that are all zero.
    """
    length = float(np.linalg.norm(matrix))
    if not (math.isfinite(length) and length > 0):
        return None
    uncertain = 0.0 if errors is None else float(np.linalg.norm(errors))
    tolerance = CERTAIN * uncertain / length + ROUNDING
    target = Kernel("", matrix)
    best: Nearest | None = None
    for candidates in (bank().values(), _sized(target), _searched(target)):
        for kernel in candidates:
            distance = measure_distance(target, kernel) / length
            if best is None or distance < best.distance - tolerance:
                best = Nearest(kernel.name, distance)
        if best is not None and best.distance <= tolerance:
            break  # no other is nearer
    return best


def measure_distance(first: Kernel, second: Kernel) -> float:
    """Return the root of the summed squared differences of two kernels, origin upon origin."""
    spans = []
    for axis in (0, 1):
        before = max(kernel.anchor[axis] for kernel in (first, second))
        after = max(kernel.size[axis] - kernel.anchor[axis] for kernel in (first, second))
        spans.append((before, before + after))
    canvas = np.zeros((spans[0][1], spans[1][1]))
    for kernel, sign in ((first, 1.0), (second, -1.0)):
        top, left = (span[0] - anchor for span, anchor in zip(spans, kernel.anchor, strict=True))
        height, width = kernel.size
        canvas[top : top + height, left : left + width] += sign * kernel.matrix
    return float(np.linalg.norm(canvas))


def _sized(target: Kernel) -> Iterator[Kernel]:
    """Yield the means and sums of the sizes up to that of the weights, and squares."""
    height, width = target.size
    sizes = {f"{side}" for side in range(1, min(height, width) + 1)}
    sizes |= {f"{height}x{width}", f"1x{width}", f"{height}x1"}
    for size in sorted(sizes):
        yield make_kernel(f"box:{size}")
        yield make_kernel(f"ones:{size}")


def _searched(target: Kernel) -> Iterator[Kernel]:
    """Yield the nearest kernel of each family, those with fewer parameters first."""
    for family, parameters in sorted(SEARCHED, key=lambda entry: len(entry[1])):
        found = _search(target, family, parameters)
        if found is not None:
            yield found


def _search(target: Kernel, family: str, parameters: Sequence[Parameter]) -> Kernel | None:
    """Return the nearest kernel of a family: the best of a grid, then by ever smaller steps."""
    count = STARTS if len(parameters) == 1 else STARTS_OF_TWO
    starts = product(*(parameter.starts(count) for parameter in parameters))
    distance, values = min((_measure(target, family, values), values) for values in starts)
    if math.isinf(distance):
        return None
    share = 0.5
    while share > 10.0**-DIGITS:
        for index, sign in product(range(len(parameters)), (1, -1)):
            moved = list(values)
            moved[index] = parameters[index].step(values[index], sign * share)
            nearer = _measure(target, family, moved)
            if nearer < distance:
                distance, values = nearer, tuple(moved)
                break
        else:
            share /= 2
    return make_kernel(_write_spec(family, values))


def _measure(target: Kernel, family: str, values: Sequence[float]) -> float:
    """Return the distance of a kernel from its parameters; infinity where there is none."""
    try:
        return measure_distance(target, make_kernel(_write_spec(family, values)))
    except ArgumentError:
        return math.inf


def _write_spec(family: str, values: Sequence[float]) -> str:
    """Return a SPEC whose parameters have few digits."""
    return ":".join([family, *(f"{value:.{DIGITS}g}" for value in values)])
