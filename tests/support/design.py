"""What the tests of stacks share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from hypothesis import strategies as st
from support.oracles import count_windows

from convcli.arithmetic.design import InfeasibleError, design
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.shortest_stack import BLOCKS, Budget

Shape = tuple[int, int, int]
IMAGENET: Shape = (3, 224, 224)
blocks = st.sampled_from(sorted(BLOCKS))


def check(found: Walk, budget: Budget) -> None:
    assert found.params <= budget.params
    assert budget.macs is None or found.macs <= budget.macs
    assert min(found.layers[-1].receptive_field) >= budget.field
    assert budget.output is None or found.output[1:] == budget.output


@dataclass(frozen=True)
class Unit:
    stride: int
    padding: int


ANY = [Unit(stride, padding) for stride in (1, 2, 3) for padding in (0, 1)]


@dataclass(frozen=True)
class Stack:
    """A small stack, every map of so many channels, counted by hand."""

    units: tuple[Unit, ...]
    size: tuple[int, int]
    field: int
    params: int
    macs: int


def convolution(c_in: int, c_out: int, taps: int, places: int) -> tuple[int, int]:
    return c_out * c_in * taps + c_out, c_out * c_in * taps * places


def unit_costs(block: str, c_in: int, c_out: int, before: int, after: int) -> tuple[int, int]:
    """Parameters and products of one unit; `before` and `after` are the pixels of its maps."""
    if block == "plain":
        parts = [convolution(c_in, c_out, 9, after)]
    elif block == "separable":
        each = [convolution(1, 1, 9, after)] * c_in
        parts = [*each, convolution(c_in, c_out, 1, after)]
    else:
        narrow = max(c_out // 4, 1)
        parts = [convolution(c_in, narrow, 1, before), convolution(narrow, narrow, 9, after)]
        parts.append(convolution(narrow, c_out, 1, after))
    params, macs = (sum(part) for part in zip(*parts, strict=True))
    return params, macs


def small_stacks(
    block: str, shape: Shape, units: Sequence[Unit], most: int, widths: Sequence[int] = (1,)
) -> Iterator[Stack]:
    """Every stack of at most so many units."""
    queue = [(Stack((), (shape[1], shape[2]), 1, 0, 0), 1, shape[0])]
    while queue:
        stack, jump, channels = queue.pop()
        if stack.units:
            yield stack
        if len(stack.units) == most:
            continue
        for unit, width in product(units, widths):
            rows, columns = (
                count_windows(side, 3, unit.stride, (unit.padding, unit.padding))
                for side in stack.size
            )
            if not rows or not columns:
                continue
            area = stack.size[0] * stack.size[1]
            params, macs = unit_costs(block, channels, width, area, rows * columns)
            longer = Stack(
                (*stack.units, unit),
                (rows, columns),
                stack.field + 2 * jump,
                stack.params + params,
                stack.macs + macs,
            )
            queue.append((longer, jump * unit.stride, width))


def fits(stack: Stack, shape: Shape, budget: Budget) -> bool:
    least = (min(4, shape[1]), min(4, shape[2]))
    sized = (
        stack.size == budget.output
        if budget.output is not None
        else stack.size[0] >= least[0] and stack.size[1] >= least[1]
    )
    kept = stack.params <= budget.params and (budget.macs is None or stack.macs <= budget.macs)
    return sized and kept and stack.field >= budget.field


def refused(shape: Shape, budget: Budget, block: str) -> str | None:
    try:
        check(design(shape, budget, block=block), budget)
    except InfeasibleError as error:
        return str(error)
    return None
