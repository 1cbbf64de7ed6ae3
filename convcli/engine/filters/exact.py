"""Kernels of whole numbers over images of whole numbers: additions, and one scaling."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.filters.additions import MOST_TAPS, Program, program_of, rows_of, whole_factors
from convcli.engine.filters.integers import WholeKernel, exact_type, sum_bounds, whole_kernel
from convcli.engine.filters.recipes import Correlate, Recipe, Task, Write, band_rows
from convcli.engine.scratch import Scratch

BAND_SAMPLES = 1_200_000


class ExactSums(NamedTuple):
    """A kernel as additions in a type that holds every sum.

    Parameters
    ----------
    whole : WholeKernel
    program : Program
    kind : dtype
        Of the additions.
    rounds : bool
        Whether the sums come divided and rounded, as integers.
    """

    whole: WholeKernel
    program: Program
    kind: np.dtype[Any]
    rounds: bool

    @property
    def is_plain(self) -> bool:
        """Whether the sums are the kernel's own, not multiples of them."""
        return self.whole.unit == 1


def exact_sums(task: Task) -> ExactSums | None:
    """Work out the additions; None for an image or a kernel that is not of whole numbers."""
    if task.image.kind not in "bui" or task.image.itemsize > 2 or not task.is_dense:
        return None
    whole = whole_kernel(task.kernel)
    if whole is None:
        return None
    if np.count_nonzero(whole.weights) > MOST_TAPS and whole_factors(whole.weights) is None:
        return None
    lowest, highest = sum_bounds(whole.weights, task.image)
    if whole.unit == 1 and task.bias.is_integer():
        offset = int(task.bias)
        lowest, highest = lowest + min(offset, 0), highest + max(offset, 0)
    rounds = task.rounds and whole.divisor is not None and whole.divisor > 1 and task.bias == 0
    kind = exact_type((lowest, highest + (whole.divisor or 0) * rounds))
    if kind is None:
        return None
    program = program_of(whole.weights, task.size[1] * task.channels, task.channels)
    return ExactSums(whole, program, kind, rounds)


def by_additions(task: Task, exact: ExactSums) -> Recipe:
    """Sums of long slices, exact in integers; then the unit, if it is not 1."""
    is_plain = exact.is_plain and task.bias.is_integer()
    in_integers = exact.rounds or is_plain
    return Recipe(
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


def _worker(task: Task, exact: ExactSums, *, in_integers: bool) -> Correlate:
    scratch = Scratch()
    pixel = task.channels

    def correlate(band: Array) -> Array:
        height = len(band) - task.extent[0] + 1
        flat = exact.program.run(band.reshape(-1), scratch)
        if len(flat) == 0:
            return flat
        rows = rows_of(flat, (height, task.width * pixel), task.size[1] * pixel)
        sums = rows.reshape(height, task.width, pixel)
        if exact.rounds:
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


def _writer(task: Task, exact: ExactSums) -> Write:
    scratch = Scratch()

    def write(band: Array, target: Array) -> None:
        rows = target.reshape(len(target), -1)
        exact.program.run_into(rows, task.size[1] * task.channels, band.reshape(-1), scratch)

    return write
