"""Kernels of small whole numbers: sums of shifted rows, in integers.

A band lies flat in memory, row after row, channels side by side: the tap below is one row's length
on, the tap to the right one pixel's. So a sum over taps is a few additions of one long slice to
another, and a program of such steps is all that there is:

- equal weights in a line are summed by doubling: 2, 4, 8 taps take one addition each;
- 1 2 1 is two sums of neighbours, 1 4 6 4 1 four of them;
- of anything else, taps of one size are added up first, and multiplied once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from math import isqrt
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.scratch import Scratch

MAX_TAPS = 1024  # that are added up one by one: more are a matter for other methods

Operation: TypeAlias = Literal["add", "subtract", "multiply"]


class Tap(NamedTuple):
    """What a step gave, from some samples on; that of place 0 is the band itself."""

    place: int
    shift: int = 0

    def shifted(self, shift: int) -> Tap:
        """The same, so many samples on."""
        return Tap(self.place, self.shift + shift)


class Step(NamedTuple):
    """One pass over the band: two values added or subtracted, or one times a whole number."""

    operation: Operation
    left: Tap
    right: Tap | int


class IntegerProgram:
    """Steps that lead from a band to its sums.

    Examples
    --------
    >>> program = IntegerProgram()
    >>> program.result = line(program, Tap(0), [1, 2, 1], 1)
    >>> len(program.steps), program.run(np.array([0, 0, 1, 0, 0])).tolist()
    (2, [1, 2, 1])
    """

    def __init__(self, *, is_separable: bool = False) -> None:
        self.is_separable = is_separable  # goes down the columns first, then along the rows
        self.steps: list[Step] = []
        self.result = Tap(0)

    def add(self, left: Tap, right: Tap) -> Tap:
        """The sum of two values."""
        return self._step(Step("add", left, right))

    def subtract(self, left: Tap, right: Tap) -> Tap:
        """The first less the second."""
        return self._step(Step("subtract", left, right))

    def multiply(self, value: Tap, weight: int) -> Tap:
        """The value times a whole number; nothing to do for 1."""
        return value if weight == 1 else self._step(Step("multiply", value, weight))

    def _step(self, step: Step) -> Tap:
        self.steps.append(step)
        return Tap(len(self.steps))

    def run(self, band: Array, scratch: Scratch | None = None) -> Array:
        """The sums of a flat band, as far as they go, in its own type; steps may wrap around."""
        values = self._values(band, self.steps, scratch or Scratch())
        return values[self.result.place][self.result.shift :]

    def run_into(self, rows: Array, row: int, band: Array, scratch: Scratch) -> None:
        """As `run`, into rows, (rows, samples), that begin so many samples apart in the band.

        The last step writes them itself, where what it gives is the result.
        """
        if self.result != Tap(len(self.steps)) or not self.steps:
            rows[...] = rows_of(self.run(band, scratch), rows.shape, row)
            return
        *others, last = self.steps
        values = self._values(band, others, scratch)
        left, right = _operands(last, values)
        if isinstance(last.right, Tap):
            right = rows_of(right, rows.shape, row)
        _PASSES[last.operation](rows_of(left, rows.shape, row), right, out=rows)

    def _values(self, band: Array, steps: Sequence[Step], memory: Scratch) -> list[Array]:
        """What each of the first steps gives, behind the band itself."""
        values = [band]
        for step, buffer in zip(steps, self._buffers(), strict=False):
            left, right = _operands(step, values)
            out = memory(f"buffer {buffer}", band.shape, band.dtype)[: len(left)]
            values.append(_PASSES[step.operation](left, right, out=out))
        return values

    def _buffers(self) -> list[int]:
        """Which piece of memory each step writes to: one whose value nobody reads any more."""
        last_use = {self.result.place: len(self.steps)}
        for number, step in enumerate(self.steps):
            for place in _places(step):
                last_use[place] = max(number, last_use.get(place, 0))
        buffers: list[int] = []
        free: list[int] = []
        for number, step in enumerate(self.steps):
            done = {place for place in _places(step) if place and last_use[place] == number}
            here = _aligned(step) & done  # read and written at the same samples, so in place
            if here:
                buffers.append(buffers[min(here) - 1])
            else:
                buffers.append(free.pop() if free else len(set(buffers) | set(free)))
            free += [buffers[place - 1] for place in done - here]
        return buffers


_PASSES = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}


def rows_of(flat: Array, shape: tuple[int, int], row: int) -> Array:
    """View samples as rows, of which each begins so many samples behind the one before.

    >>> rows_of(np.arange(8), (2, 3), 5).tolist()
    [[0, 1, 2], [5, 6, 7]]
    """
    return as_strided(flat, shape, (row * flat.itemsize, flat.itemsize))


def _operands(step: Step, values: Sequence[Array]) -> tuple[Array, Any]:
    """What a step takes, as far as both go; a weight as a number of their type."""
    left = values[step.left.place][step.left.shift :]
    if not isinstance(step.right, Tap):
        return left, left.dtype.type(step.right)
    right = values[step.right.place][step.right.shift :]
    length = min(len(left), len(right))
    return left[:length], right[:length]


def program_of(weights: Array, row: int, pixel: int) -> IntegerProgram:
    """The shortest program for a matrix of whole numbers: as a column and a row, or tap by tap.

    Parameters
    ----------
    weights : ndarray of int64, (kh, kw)
    row, pixel : int
        The samples from a tap to the one below, and to the one on its right.
    """
    found = []
    factors = whole_factors(weights)
    if factors is None or np.count_nonzero(weights) <= MAX_TAPS:
        program = IntegerProgram()
        program.result = scattered(program, Tap(0), _taps(weights, row, pixel))
        found.append(program)
    if factors is not None:
        program = IntegerProgram(is_separable=min(weights.shape) > 1)
        narrowed = line(program, Tap(0), factors[0].tolist(), row)
        program.result = line(program, narrowed, factors[1].tolist(), pixel)
        found.append(program)
    return min(found, key=lambda one: len(one.steps))


def _taps(weights: Array, row: int, pixel: int) -> dict[int, int]:
    """The weights by the samples that they are ahead."""
    places = np.argwhere(weights).tolist()
    return {y * row + x * pixel: int(weights[y, x]) for y, x in places}


def whole_factors(weights: Array) -> tuple[Array, Array] | None:
    """The column and the row, of whole numbers, whose product a matrix is; None if it is none.

    >>> whole_factors(np.array([[2, 4], [-3, -6]]))
    (array([ 2, -3]), array([1, 2]))
    """
    rows = weights[weights.any(axis=1)]
    if len(rows) == 0:
        return None
    row = rows[0] // np.gcd.reduce(rows[0])
    first = np.flatnonzero(row)[0]
    column = weights[:, first] // row[first]
    return (column, row) if np.array_equal(np.outer(column, row), weights) else None


def line(program: IntegerProgram, value: Tap, weights: Sequence[int], step: int) -> Tap:
    """Weights in a line, so many samples apart, by the cheapest of three ways."""
    places = [place for place, weight in enumerate(weights) if weight]
    first, inner = places[0], list(weights[places[0] : places[-1] + 1])
    value = value.shifted(first * step)
    if len(set(inner)) == 1:
        return program.multiply(run_of(program, value, len(inner), step), inner[0])
    halved = _without_pair(inner)
    if halved is not None:
        trials = IntegerProgram(), IntegerProgram()
        line(trials[0], Tap(0), halved, step)
        scattered(trials[1], Tap(0), dict(enumerate(inner)))
        if len(trials[0].steps) + 1 < len(trials[1].steps):
            pairs = program.add(value, value.shifted(step))
            return line(program, pairs, halved, step)
    return scattered(program, value, {place * step: weight for place, weight in enumerate(inner)})


def run_of(program: IntegerProgram, value: Tap, count: int, step: int) -> Tap:
    """The sum of so many neighbours: sums of sums, or one neighbour more.

    >>> program = IntegerProgram()
    >>> program.result = run_of(program, Tap(0), 15, 1)
    >>> len(program.steps), program.run(np.ones(16, np.int16)).tolist()
    (5, [15, 15])
    """
    if count == 1:
        return value
    part = next((part for part in range(2, isqrt(count) + 1) if count % part == 0), None)
    if part is not None:
        parts = run_of(program, value, part, step)
        return run_of(program, parts, count // part, part * step)
    fewer = run_of(program, value, count - 1, step)
    return program.add(fewer, value.shifted((count - 1) * step))


def scattered(program: IntegerProgram, value: Tap, taps: Mapping[int, int]) -> Tap:
    """Any weights by their shifts: taps of one size are added first, and multiplied once."""
    by_size: dict[int, list[tuple[Tap, bool]]] = {}
    for shift, weight in taps.items():
        if weight:
            by_size.setdefault(abs(weight), []).append((value.shifted(shift), weight > 0))
    parts = []
    for size, members in by_size.items():
        total, is_positive = _signed_sum(program, members)
        parts.append((program.multiply(total, size), is_positive))
    total, is_positive = _signed_sum(program, parts)
    return total if is_positive else program.multiply(total, -1)


def _signed_sum(program: IntegerProgram, terms: Sequence[tuple[Tap, bool]]) -> tuple[Tap, bool]:
    """The sum of values, each with its sign, or minus that; and whether it is the sum itself."""
    added = [value for value, is_positive in terms if is_positive]
    taken = [value for value, is_positive in terms if not is_positive]
    if not added:
        return reduce(program.add, taken), False
    return reduce(program.subtract, taken, reduce(program.add, added)), True


def _without_pair(weights: Sequence[int]) -> list[int] | None:
    """The weights that give these when each is added to its neighbour: division by 1 1.

    >>> _without_pair([1, 3, 3, 1]), _without_pair([1, 2, 2])
    ([1, 2, 1], None)
    """
    quotient, rest = [], 0
    for weight in weights:
        rest = weight - rest
        quotient.append(rest)
    return quotient[:-1] if rest == 0 else None


def _places(step: Step) -> set[int]:
    return {one.place for one in (step.left, step.right) if isinstance(one, Tap)}


def _aligned(step: Step) -> set[int]:
    """What the step reads from its first sample on, and nowhere else."""
    values = [one for one in (step.left, step.right) if isinstance(one, Tap)]
    return {one.place for one in values if not one.shift} - {
        one.place for one in values if one.shift
    }
