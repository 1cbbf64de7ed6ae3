"""Kernels of whole numbers, or of whole numbers over one divisor: exact sums of integers.

Over an image of small integers, the sums are additions in an integer type that holds all of them,
and at most one scaling at the end.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.filter2d.integer_program import (
    MAX_TAPS,
    IntegerProgram,
    Step,
    Ufunc,
    build_program,
    factorize_integers,
    run_steps,
    view_rows,
)
from convcli.engine.filter2d.problem import (
    Algorithm,
    Choice,
    FilterProblem,
    TileFilter,
    TileWriter,
)
from convcli.engine.filter2d.tiles import bind_once
from convcli.engine.scratch import Scratch
from convcli.records import NamedTuple

# Of a tile, and of one of its rows: smaller tiles cost more calls, larger ones leave the cache.
# Measured on a core with AVX2 and 512 kB of second-level cache.
TILE_VALUES = 600_000
ROW_VALUES = 6_000
MAX_DENOMINATOR = 12  # how many units the smallest weight may be: 3 in Kirsch's masks
MAX_WEIGHT = (1 << 15) - 1
MIN_UNIT = float(np.finfo(np.float32).tiny)  # smaller ones lose digits as float32
TOLERANCE = 1e-15  # relative: what a double may be off a multiple of the unit
_TYPES = np.dtype(np.int16), np.dtype(np.uint16), np.dtype(np.int32)


class IntegerKernel(NamedTuple):
    """A kernel as whole numbers.

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


def as_integer_kernel(kernel: Array) -> IntegerKernel | None:
    """Find the unit that all weights are whole multiples of; None where there is none.

    Examples
    --------
    >>> found = as_integer_kernel(np.full((3, 3), 1 / 9))
    >>> found.weights.tolist(), found.divisor
    ([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 9)
    >>> as_integer_kernel(np.array([[1.0, np.sqrt(2), 1.0]])) is None
    True
    """
    sizes = np.abs(kernel[kernel != 0])
    if len(sizes) == 0 or not np.isfinite(sizes).all():
        return None
    candidates = [sizes.min() / count for count in range(1, MAX_DENOMINATOR + 1)]
    if np.array_equal(kernel, np.rint(kernel)):
        candidates = [1.0]
    for unit in candidates:
        if unit < MIN_UNIT or sizes.max() > unit * (MAX_WEIGHT + 0.5):
            return None
        weights = np.rint(kernel / unit)
        if np.all(np.abs(weights * unit - kernel) <= TOLERANCE * np.abs(kernel)):
            inverse = round(1 / unit)
            divisor = inverse if abs(inverse * unit - 1) <= TOLERANCE else None
            return IntegerKernel(weights.astype(np.int64), float(unit), divisor)
    return None


def sum_bounds(weights: Array, dtype: np.dtype[Any]) -> tuple[float, float]:
    """The least and the largest sum that pixels of an integer type can have: of integers, exact.

    >>> sum_bounds(np.array([[-1, 0, 2]]), np.dtype(np.uint8))
    (-255, 510)
    """
    lowest, highest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    positive, negative = weights.clip(0).sum().item(), weights.clip(None, 0).sum().item()
    return positive * lowest + negative * highest, positive * highest + negative * lowest


def smallest_dtype(bounds: tuple[float, float]) -> np.dtype[Any] | None:
    """The smallest type of integers that holds all sums; intermediate results may wrap around.

    >>> smallest_dtype((0, 40_000)), smallest_dtype((-1, 40_000)), smallest_dtype((0, 1 << 40))
    (dtype('uint16'), dtype('int32'), None)
    """
    for dtype in _TYPES:
        if np.iinfo(dtype).min <= bounds[0] and bounds[1] <= np.iinfo(dtype).max:
            return dtype
    return None


class IntegerSums(NamedTuple):
    """A kernel as additions of integers.

    Parameters
    ----------
    kernel : IntegerKernel
    program : IntegerProgram
    dtype : dtype
        Of the additions: holds every sum.
    is_divided : bool
        Whether the sums are divided and rounded as integers, too.
    """

    kernel: IntegerKernel
    program: IntegerProgram
    dtype: np.dtype[Any]
    is_divided: bool

    def build_program(self, region: Array) -> IntegerProgram:
        """The additions over a region, (rows, columns, C)."""
        _, columns, channels = region.shape
        return build_program(self.kernel.weights, columns * channels, channels)


def plan_integer_sums(problem: FilterProblem) -> IntegerSums | None:
    """Work out the additions; None for an image or a kernel that is not of whole numbers."""
    if problem.dtype.kind not in "bui" or problem.dtype.itemsize > 2 or not problem.is_dense:
        return None
    if not problem.holds_padding:
        return None
    kernel = as_integer_kernel(problem.kernel)
    if kernel is None:
        return None
    weights, unit, divisor = kernel
    if np.count_nonzero(weights) > MAX_TAPS and factorize_integers(weights) is None:
        return None
    lowest, highest = sum_bounds(weights, problem.dtype)
    if unit == 1 and isinstance(problem.bias, float) and problem.bias.is_integer():
        offset = int(problem.bias)
        lowest, highest = lowest + min(offset, 0), highest + max(offset, 0)
    is_divided = problem.integer_output and (divisor or 0) > 1 and problem.bias == 0
    dtype = smallest_dtype((lowest, highest + (divisor or 0) * is_divided))
    if dtype is None:
        return None
    program = build_program(weights, problem.size[1] * problem.channels, problem.channels)
    return IntegerSums(kernel, program, dtype, is_divided)


def integer_algorithm(problem: FilterProblem) -> Algorithm | None:
    """Sums of long slices, exact in integers; then times the unit, if it is not 1.

    None where the sums are not of whole numbers.
    """
    sums = plan_integer_sums(problem)
    if sums is None:
        return None
    is_unscaled = sums.kernel.unit == 1  # the sums are the kernel's own, not multiples of them
    is_final = is_unscaled and isinstance(problem.bias, float) and problem.bias.is_integer()
    is_integer = sums.is_divided or is_final
    passes, taps = len(sums.program.instructions), problem.taps
    saved = f" instead of {taps} taps" if 0 < passes < taps else ""
    # A pass over integers, counted in passes over floats; scaling takes two of those.
    size = sums.dtype.itemsize / problem.sums.itemsize
    return Algorithm(
        Choice(
            "separable" if sums.program.is_separable else "sums",
            f"exact in {sums.dtype}: {passes} passes{saved}",
        ),
        problem.estimate_s(passes=(passes + 1) * size + 2 * (not is_unscaled)),
        sums.dtype,
        sums.dtype if is_integer else problem.sums,
        partial(_make_filter, problem, sums, is_integer=is_integer),
        problem.tile_size(TILE_VALUES, row_values=ROW_VALUES),
        copies=5,
        copies_regions=True,
        preference=0.5,  # exact sums may take twice as long as rounded ones
        make_writer=partial(_make_writer, problem, sums) if is_final else None,
    )


def division_steps(sums: Array, divisor: int, scratch: Scratch) -> list[Step]:
    """The steps that divide integers, in place, to the nearest integer; a half to the even one.

    >>> sums = np.array([-3, -1, 1, 3, 4, 5, 6], np.int16)
    >>> run_steps(division_steps(sums, 2, Scratch()))
    >>> sums
    array([-2,  0,  0,  2,  2,  2,  3], dtype=int16)
    """
    number = sums.dtype.type
    divide = np.floor_divide, sums, number(divisor), sums
    if divisor % 2:  # there are no halves
        return [(np.add, sums, number(divisor // 2), sums), divide]
    is_odd = scratch("odd", sums.shape, sums.dtype)
    return [
        (np.floor_divide, sums, number(divisor), is_odd),
        (np.bitwise_and, is_odd, number(1), is_odd),
        (np.add, sums, is_odd, sums),
        (np.add, sums, number(divisor // 2 - 1), sums),
        divide,
    ]


def _make_filter(problem: FilterProblem, sums: IntegerSums, *, is_integer: bool) -> TileFilter:
    scratch = Scratch()
    divisor, unit = sums.kernel.divisor, sums.kernel.unit

    def bind(region: Array) -> tuple[list[Step], Array]:
        """Return the steps for a region, and the sums that they leave."""
        steps, flat = sums.build_program(region).bind(region.reshape(-1), scratch)
        if sums.is_divided:
            steps += division_steps(flat, divisor or 1, scratch)
        rows = _view_sums(flat, region, problem.extent)
        result = rows.reshape(len(rows), -1, problem.channels)
        if not is_integer:
            values = scratch("values", result.shape, problem.sums)
            scale, number = (np.divide, divisor) if divisor else (np.multiply, unit)
            scale_floats = partial(scale, dtype=values.dtype)
            steps.append((scale_floats, result, values.dtype.type(number), values))
            result = values
        return steps, result

    find = bind_once(bind)

    def correlate(region: Array) -> Array:
        steps, result = find(region)
        run_steps(steps)
        return result

    return correlate


def _make_writer(problem: FilterProblem, sums: IntegerSums) -> TileWriter:
    scratch = Scratch()

    def bind(region: Array) -> tuple[list[Step], tuple[Ufunc, Array, Any]]:
        """Return the steps for a region, and a last one that gives rows."""
        program = sums.build_program(region)
        steps, flat = program.bind(region.reshape(-1), scratch)
        ufunc: Ufunc = np.add
        left, right = flat, sums.dtype.type(0)
        if steps and program.result.source == len(steps):
            ufunc, left, right, _ = steps.pop()
            left = left[program.result.shift :]
            if isinstance(right, np.ndarray):
                right = _view_sums(right[program.result.shift :], region, problem.extent)
        return steps, (ufunc, _view_sums(left, region, problem.extent), right)

    find = bind_once(bind)

    def write(region: Array, target: Array) -> None:
        steps, (ufunc, left, right) = find(region)
        run_steps(steps)
        ufunc(left, right, target.reshape(left.shape))

    return write


def _view_sums(flat: Array, region: Array, extent: Pair) -> Array:
    """View flat sums of a region, which begin with the first window's, as (oh, ow·C)."""
    (rows, columns, channels), (high, wide) = region.shape, extent
    return view_rows(flat, (rows - high + 1, (columns - wide + 1) * channels), columns * channels)
