"""Kernels of small whole numbers as programs: sums of shifted rows, in integers.

A region is flat in memory, row after row, channels interleaved: the tap below is one row's length
further on, the tap to the right one pixel's. So a sum over taps is a few additions of one long
slice to another, and a program of such instructions is all that is needed:

- equal weights in a line are summed by doubling: 2, 4, 8 taps take one addition each;
- 1 2 1 is two sums of neighbors, 1 4 6 4 1 four of them;
- of anything else, taps of one absolute weight are added up first, and multiplied once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import accumulate
from math import isqrt
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.arrays import Array
from convcli.engine.scratch import Scratch
from convcli.records import NamedTuple

MAX_TAPS = 1024  # that are added up one by one: for more, other methods are faster

Operation: TypeAlias = Literal["add", "subtract", "multiply"]
Ufunc: TypeAlias = Callable[[Array, Any, Array], object]  # left, right, and where the result goes
Step: TypeAlias = tuple[Ufunc, Array, Any, Array]


class Tap(NamedTuple):
    """The result of an instruction, from 1, or 0 for the region; read some values further on."""

    source: int
    shift: int = 0

    def shift_by(self, shift: int) -> Tap:
        """Return the same result, read `shift` values further on."""
        return Tap(self.source, self.shift + shift)


class Instruction(NamedTuple):
    """One pass over the region: two taps added or subtracted, or one times a whole number."""

    operation: Operation
    left: Tap
    right: Tap | int

    @property
    def taps(self) -> list[Tap]:
        """The taps that the instruction reads."""
        return [self.left, self.right] if isinstance(self.right, Tap) else [self.left]


class BoundProgram(NamedTuple):
    """A program for a flat region, which the steps read.

    Parameters
    ----------
    steps : list of (ufunc, left, right, out)
    sums : ndarray
        Flat, as far as they reach: in the memory of the last step, or of the region.
    """

    steps: list[Step]
    sums: Array


def run_steps(steps: Iterable[Step]) -> None:
    """Run the steps of a program, one call each."""
    for ufunc, left, right, out in steps:
        ufunc(left, right, out)


class IntegerProgram:
    """The instructions that compute the sums of a region.

    Examples
    --------
    >>> program = IntegerProgram()
    >>> program.result = add_line(program, Tap(0), [1, 2, 1], 1)
    >>> len(program.instructions), program.run(np.array([0, 0, 1, 0, 0])).tolist()
    (2, [1, 2, 1])
    """

    def __init__(self, *, is_separable: bool = False) -> None:
        self.is_separable = is_separable  # down the columns first, then along the rows
        self.instructions: list[Instruction] = []
        self.result = Tap(0)

    def add(self, left: Tap, right: Tap) -> Tap:
        """Append a sum of two taps."""
        return self._append(Instruction("add", left, right))

    def subtract(self, left: Tap, right: Tap) -> Tap:
        """Append a difference of two taps."""
        return self._append(Instruction("subtract", left, right))

    def multiply(self, tap: Tap, weight: int) -> Tap:
        """Append a tap times a whole number; nothing for 1."""
        return tap if weight == 1 else self._append(Instruction("multiply", tap, weight))

    def _append(self, instruction: Instruction) -> Tap:
        self.instructions.append(instruction)
        return Tap(len(self.instructions))

    def bind(self, region: Array, scratch: Scratch) -> BoundProgram:
        """Return the program as steps in scratch memory, for whatever a flat region holds then.

        Intermediate results may wrap around.
        """
        results, steps = [region], list[Step]()
        for instruction, buffer in zip(self.instructions, self._buffers(), strict=True):
            left, right = _operands(instruction, results)
            out = scratch(f"buffer {buffer}", region.shape, region.dtype)[: len(left)]
            steps.append((_UFUNCS[instruction.operation], left, right, out))
            results.append(out)
        return BoundProgram(steps, results[self.result.source][self.result.shift :])

    def run(self, region: Array) -> Array:
        """Compute the sums of a flat region, as far as they reach, in its own type."""
        bound = self.bind(region, Scratch())
        run_steps(bound.steps)
        return bound.sums

    def _buffers(self) -> list[int]:
        """The buffer that each instruction writes to: one whose content is not read any more."""
        last_use = {self.result.source: len(self.instructions)}
        for number, instruction in enumerate(self.instructions):
            for tap in instruction.taps:
                last_use[tap.source] = max(number, last_use.get(tap.source, 0))
        buffers: list[int] = []
        free: list[int] = []
        for number, instruction in enumerate(self.instructions):
            read = {tap.source for tap in instruction.taps}
            done = {source for source in read if source and last_use[source] == number}
            # Read at the positions that are written, and nowhere else: computed in place.
            in_place = done - {tap.source for tap in instruction.taps if tap.shift}
            if in_place:
                buffers.append(buffers[min(in_place) - 1])
            else:
                buffers.append(free.pop() if free else len(set(buffers) | set(free)))
            free += [buffers[source - 1] for source in done - in_place]
        return buffers


_UFUNCS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}


def view_rows(flat: Array, shape: tuple[int, int], row: int) -> Array:
    """View values as rows that start every `row` values.

    >>> view_rows(np.arange(8), (2, 3), 5).tolist()
    [[0, 1, 2], [5, 6, 7]]
    """
    return as_strided(flat, shape, (row * flat.itemsize, flat.itemsize))


def _operands(instruction: Instruction, results: Sequence[Array]) -> tuple[Array, Any]:
    """Return what an instruction combines: two arrays of equal length, or an array and a number."""
    left = results[instruction.left.source][instruction.left.shift :]
    if not isinstance(instruction.right, Tap):
        return left, left.dtype.type(instruction.right)
    right = results[instruction.right.source][instruction.right.shift :]
    length = min(len(left), len(right))
    return left[:length], right[:length]


def build_program(weights: Array, row: int, pixel: int) -> IntegerProgram:
    """The shorter program for a matrix of whole numbers: as a column and a row, or tap by tap.

    Parameters
    ----------
    weights : ndarray of int64, (kh, kw)
    row, pixel : int
        The values from a tap to the one below, and to the one on its right.
    """
    factors, taps = factorize_integers(weights), np.count_nonzero(weights)
    separable = None
    if factors is not None:
        separable = IntegerProgram(is_separable=min(weights.shape) > 1)
        column_sums = add_line(separable, Tap(0), factors[0].tolist(), row)
        separable.result = add_line(separable, column_sums, factors[1].tolist(), pixel)
        # Taps one by one take an addition each, but for the first.
        if taps > MAX_TAPS or len(separable.instructions) < taps - 1:
            return separable
    program = IntegerProgram()
    shifts = {y * row + x * pixel: int(weights[y, x]) for y, x in np.argwhere(weights).tolist()}
    program.result = add_taps(program, Tap(0), shifts)
    if separable is not None and len(separable.instructions) < len(program.instructions):
        return separable
    return program


def factorize_integers(weights: Array) -> tuple[Array, Array] | None:
    """The column and the row, of whole numbers, whose outer product a matrix is; None without.

    >>> factorize_integers(np.array([[2, 4], [-3, -6]]))
    (array([ 2, -3]), array([1, 2]))
    """
    rows = weights[weights.any(axis=1)]
    if len(rows) == 0:
        return None
    row = rows[0] // np.gcd.reduce(rows[0])
    first = np.flatnonzero(row)[0]
    column = weights[:, first] // row[first]
    return (column, row) if np.array_equal(np.outer(column, row), weights) else None


def add_line(program: IntegerProgram, tap: Tap, weights: Sequence[int], step: int) -> Tap:
    """Add up taps in a line, `step` values apart, by the cheapest of three ways."""
    positions = [position for position, weight in enumerate(weights) if weight]
    first, inner = positions[0], list(weights[positions[0] : positions[-1] + 1])
    tap = tap.shift_by(first * step)
    if len(set(inner)) == 1:
        return program.multiply(add_run(program, tap, len(inner), step), inner[0])
    halved = _divide_by_pair(inner)
    if halved is not None:
        trials = IntegerProgram(), IntegerProgram()
        add_line(trials[0], Tap(0), halved, step)
        add_taps(trials[1], Tap(0), dict(enumerate(inner)))
        if len(trials[0].instructions) + 1 < len(trials[1].instructions):
            pairs = program.add(tap, tap.shift_by(step))
            return add_line(program, pairs, halved, step)
    return add_taps(program, tap, {index * step: weight for index, weight in enumerate(inner)})


def add_run(program: IntegerProgram, tap: Tap, count: int, step: int) -> Tap:
    """Add up `count` neighbors: as sums of sums, or as one neighbor more.

    >>> program = IntegerProgram()
    >>> program.result = add_run(program, Tap(0), 15, 1)
    >>> len(program.instructions), program.run(np.ones(16, np.int16)).tolist()
    (5, [15, 15])
    """
    if count == 1:
        return tap
    part = next((part for part in range(2, isqrt(count) + 1) if count % part == 0), None)
    if part is not None:
        parts = add_run(program, tap, part, step)
        return add_run(program, parts, count // part, part * step)
    fewer = add_run(program, tap, count - 1, step)
    return program.add(fewer, tap.shift_by((count - 1) * step))


def add_taps(program: IntegerProgram, tap: Tap, weights: Mapping[int, int]) -> Tap:
    """Add up any taps, by their shifts: those of one absolute weight first, multiplied once."""
    by_size: dict[int, list[tuple[Tap, bool]]] = {}
    for shift, weight in weights.items():
        if weight:
            by_size.setdefault(abs(weight), []).append((tap.shift_by(shift), weight > 0))
    parts = []
    for size, members in by_size.items():
        total, is_positive = _add_signed(program, members)
        parts.append((program.multiply(total, size), is_positive))
    total, is_positive = _add_signed(program, parts)
    return total if is_positive else program.multiply(total, -1)


def _add_signed(program: IntegerProgram, terms: Sequence[tuple[Tap, bool]]) -> tuple[Tap, bool]:
    """The sum of taps, each with its sign, or minus that; and whether it is the sum itself."""
    added = [tap for tap, is_positive in terms if is_positive]
    subtracted = [tap for tap, is_positive in terms if not is_positive]
    if not added:
        return reduce(program.add, subtracted), False
    return reduce(program.subtract, subtracted, reduce(program.add, added)), True


def _divide_by_pair(weights: Sequence[int]) -> list[int] | None:
    """The weights that give these when each is added to its neighbor: division by 1 1.

    >>> _divide_by_pair([1, 3, 3, 1]), _divide_by_pair([1, 2, 2])
    ([1, 2, 1], None)
    """
    *quotient, rest = accumulate(weights, lambda rest, weight: weight - rest)
    return quotient if rest == 0 else None
