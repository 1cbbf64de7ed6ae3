"""Kernels of whole numbers, or of whole numbers over one common divisor: sums without rounding."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer_program import (
    MAX_TAPS,
    IntegerProgram,
    program_of,
    rows_of,
    whole_factors,
)
from convcli.engine.filter2d.problem import (
    Algorithm,
    BandFilter,
    BandWriter,
    FilterProblem,
    band_rows,
)
from convcli.engine.scratch import Scratch

MAX_DENOMINATOR = 12  # how many units the smallest weight may be: 3 in Kirsch's masks
MAX_WEIGHT = (1 << 15) - 1
RELATIVE_TOLERANCE = 1e-15  # relative: what a double may be off a multiple of the unit
_TYPES: tuple[np.dtype[Any], ...] = (
    np.dtype(np.int16),
    np.dtype(np.uint16),
    np.dtype(np.int32),
)


class WholeKernel(NamedTuple):
    """A kernel as whole numbers and what one of them is worth.

    Parameters
    ----------
    weights : ndarray of int64, (kh, kw)
    unit : float
        What a weight of 1 stands for.
    divisor : int or None
        1 / unit, where that is a whole number.
    """

    weights: Array
    unit: float
    divisor: int | None


def whole_kernel(kernel: Array) -> WholeKernel | None:
    """Find the unit that all weights are whole multiples of; None where there is none.

    Examples
    --------
    >>> whole = whole_kernel(np.full((3, 3), 1 / 9))
    >>> whole.weights.tolist(), whole.divisor
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 9)
    >>> whole_kernel(np.array([[1.0, np.sqrt(2), 1.0]])) is None
    True
    """
    sizes = np.abs(kernel[kernel != 0])
    if len(sizes) == 0 or not np.isfinite(sizes).all():
        return None
    candidates = [sizes.min() / count for count in range(1, MAX_DENOMINATOR + 1)]
    if np.array_equal(kernel, np.rint(kernel)):
        candidates = [1.0]
    for unit in candidates:
        weights = np.rint(kernel / unit)
        if np.abs(weights).max() > MAX_WEIGHT:
            return None
        if np.all(np.abs(weights * unit - kernel) <= RELATIVE_TOLERANCE * np.abs(kernel)):
            inverse = round(1 / unit)
            divisor = inverse if abs(inverse * unit - 1) <= RELATIVE_TOLERANCE else None
            return WholeKernel(weights.astype(np.int64), float(unit), divisor)
    return None


def sum_bounds(weights: Array, image: np.dtype[Any]) -> tuple[int, int]:
    """The least and the largest sum that pixels of an integer type, and zeros, can have.

    >>> sum_bounds(np.array([[-1, 0, 2]]), np.dtype(np.uint8))
    (-255, 510)
    """
    lowest, highest = (0, 1) if image.kind == "b" else (np.iinfo(image).min, np.iinfo(image).max)
    positive, negative = int(weights.clip(0).sum()), int(weights.clip(None, 0).sum())
    return positive * lowest + negative * highest, positive * highest + negative * lowest


def smallest_type(bounds: tuple[int, int]) -> np.dtype[Any] | None:
    """The smallest type of integers that holds all sums; steps on the way may wrap around.

    >>> smallest_type((0, 40_000)), smallest_type((-1, 40_000)), smallest_type((0, 1 << 40))
    (dtype('uint16'), dtype('int32'), None)
    """
    for kind in _TYPES:
        if np.iinfo(kind).min <= bounds[0] and bounds[1] <= np.iinfo(kind).max:
            return kind
    return None


BAND_SAMPLES = 1_200_000


class IntegerSums(NamedTuple):
    """A kernel as additions in a type that holds every sum.

    Parameters
    ----------
    whole : WholeKernel
    program : Program
    kind : dtype
        Of the additions.
    integer_output : bool
        Whether the sums come divided and rounded, as integers.
    """

    whole: WholeKernel
    program: IntegerProgram
    kind: np.dtype[Any]
    integer_output: bool

    @property
    def is_plain(self) -> bool:
        """Whether the sums are the kernel's own, not multiples of them."""
        return self.whole.unit == 1


def integer_sums(task: FilterProblem) -> IntegerSums | None:
    """Work out the additions; None for an image or a kernel that is not of whole numbers."""
    if task.image.kind not in "bui" or task.image.itemsize > 2 or not task.is_dense:
        return None
    whole = whole_kernel(task.kernel)
    if whole is None:
        return None
    if np.count_nonzero(whole.weights) > MAX_TAPS and whole_factors(whole.weights) is None:
        return None
    lowest, highest = sum_bounds(whole.weights, task.image)
    if whole.unit == 1 and task.bias.is_integer():
        offset = int(task.bias)
        lowest, highest = lowest + min(offset, 0), highest + max(offset, 0)
    divides = whole.divisor is not None and whole.divisor > 1
    integer_output = task.integer_output and divides and task.bias == 0
    kind = smallest_type((lowest, highest + (whole.divisor or 0) * integer_output))
    if kind is None:
        return None
    program = program_of(whole.weights, task.size[1] * task.channels, task.channels)
    return IntegerSums(whole, program, kind, integer_output)


def integer_algorithm(task: FilterProblem, exact: IntegerSums) -> Algorithm:
    """Sums of long slices, exact in integers; then the unit, if it is not 1."""
    is_plain = exact.is_plain and task.bias.is_integer()
    in_integers = exact.integer_output or is_plain
    return Algorithm(
        exact.kind,
        exact.kind if in_integers else task.sums,
        lambda: _worker(task, exact, in_integers=in_integers),
        band_rows(task, BAND_SAMPLES),
        hire_writer=(lambda: _writer(task, exact)) if is_plain else None,
    )


def divide_to_even(sums: Array, divisor: int, scratch: Scratch) -> Array:
    """Divide integers, in place, to the nearest integer; a half to the even one.

    >>> divide_to_even(np.array([-3, -1, 1, 3, 4, 5, 6], np.int16), 2, Scratch())
    array([-2,  0,  0,  2,  2,  2,  3], dtype=int16)
    """
    kind = sums.dtype.type
    if divisor % 2:  # there are no halves
        np.add(sums, kind(divisor // 2), out=sums)
    else:
        is_odd = scratch("odd", sums.shape, sums.dtype)
        np.floor_divide(sums, kind(divisor), out=is_odd)
        np.bitwise_and(is_odd, kind(1), out=is_odd)
        np.add(sums, is_odd, out=sums)
        np.add(sums, kind(divisor // 2 - 1), out=sums)
    np.floor_divide(sums, kind(divisor), out=sums)
    return sums


def _worker(task: FilterProblem, exact: IntegerSums, *, in_integers: bool) -> BandFilter:
    scratch = Scratch()
    pixel = task.channels

    def correlate(band: Array) -> Array:
        height = len(band) - task.extent[0] + 1
        flat = exact.program.run(band.reshape(-1), scratch)
        if len(flat) == 0:
            return flat
        rows = rows_of(flat, (height, task.width * pixel), task.size[1] * pixel)
        sums = rows.reshape(height, task.width, pixel)
        if exact.integer_output:
            return divide_to_even(sums, exact.whole.divisor or 1, scratch)
        if in_integers:
            return sums
        values = scratch("values", sums.shape, task.sums)
        kind = values.dtype
        if exact.whole.divisor:
            np.divide(sums, kind.type(exact.whole.divisor), out=values, dtype=kind)
        else:
            np.multiply(sums, kind.type(exact.whole.unit), out=values, dtype=kind)
        return values

    return correlate


def _writer(task: FilterProblem, exact: IntegerSums) -> BandWriter:
    scratch = Scratch()

    def write(band: Array, target: Array) -> None:
        rows = target.reshape(len(target), -1)
        exact.program.run_into(rows, task.size[1] * task.channels, band.reshape(-1), scratch)

    return write
