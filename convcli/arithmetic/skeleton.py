"""The skeleton of a stack: the cheapest strides that reach a receptive field and a size."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.blocks import Cost, Unit, cost
from convcli.arithmetic.shapes import Shape
from convcli.errors import LimitError

# Halving as it is mostly done; and whatever else 3x3 windows do, where that is not enough.
USUAL = (Unit(stride=1), Unit(stride=2))
EVERY = tuple(Unit(stride=stride, padding=padding) for stride in (1, 2, 3) for padding in (1, 0))
LEAST_MAP = 4  # how small a map may get where no size was asked for
MOST_FIELD = 16_384
MOST_STATES = 400_000

Weigh: TypeAlias = Callable[[Cost], int]


@dataclass(frozen=True, slots=True, order=True)
class State:
    """Where a stack stands; its receptive field counts no further than it is asked for."""

    size: Pair
    jump: int
    field: int
    channels: int
    begun: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a stack must keep and reach.

    Parameters
    ----------
    params : int
        The most parameters.
    field : int
        The least receptive field.
    macs : int, optional
        The most multiply-accumulates.
    output : (height, width), optional
        The size to end at.
    width : int, optional
        The channels of the first maps; they double where the map is halved.
    """

    params: int
    field: int
    macs: int | None = None
    output: Pair | None = None
    width: int | None = None

    def holds(self, spent: Cost) -> bool:
        """Whether a cost is within it."""
        return spent.params <= self.params and (self.macs is None or spent.macs <= self.macs)


def cheapest(
    block: str, shape: Shape, budget: Budget, weigh: Weigh, units: Sequence[Unit]
) -> tuple[int, tuple[Unit, ...]] | None:
    """The least cost of any stack that reaches a budget's receptive field and size, and its units.

    Its maps have one channel, or, where a width is asked for, that many, more by each stride: no
    stack of these units is cheaper. The search is exhaustive (Dijkstra's), so None is a proof that
    no stack of them reaches the size.

    Parameters
    ----------
    block : str
        A key of `BLOCKS`.
    shape : (C, H, W)
        The input's.
    budget : Budget
        Without a size to end at, any from 4x4 on will do (or the input's own, if it is smaller).
    weigh : callable
        What of a unit's cost counts.
    units : sequence of Unit
        `USUAL` or `EVERY`.

    Raises
    ------
    LimitError
        For a receptive field or a size that would take too long.
    """
    if budget.field > MOST_FIELD:
        raise LimitError(
            f"a receptive field of {budget.field} is too large: the most is {MOST_FIELD}"
        )
    start = State((shape[1], shape[2]), 1, 1, shape[0], begun=False)
    best: dict[State, int] = {start: 0}
    came_from: dict[State, tuple[State, Unit]] = {}
    queue = [(0, start)]
    while queue:
        spent, state = heapq.heappop(queue)
        arrived = budget.output in (None, state.size) and state.field >= budget.field
        if arrived and state.begun:
            return spent, _units_to(state, came_from)
        for unit, follower in _steps(state, units, budget, start):
            price = cost(block, unit, (state.channels, *state.size), follower.channels)
            total = spent + weigh(price)
            if total < best.get(follower, total + 1):
                best[follower] = total
                came_from[follower] = (state, unit)
                heapq.heappush(queue, (total, follower))
        if len(best) > MOST_STATES:
            raise LimitError("this size and receptive field leave too many stacks to search")
    return None


def _steps(
    state: State, units: Sequence[Unit], budget: Budget, start: State
) -> Iterator[tuple[Unit, State]]:
    least = budget.output or (min(LEAST_MAP, start.size[0]), min(LEAST_MAP, start.size[1]))
    for unit in units:
        size = unit.output(state.size)
        if size[0] < least[0] or size[1] < least[1]:
            continue
        seen = min(state.field + 2 * state.jump, budget.field)
        channels = 1
        if budget.width is not None:
            channels = state.channels * unit.stride if state.begun else budget.width
        yield unit, State(size, state.jump * unit.stride, seen, channels)


def _units_to(state: State, came_from: dict[State, tuple[State, Unit]]) -> tuple[Unit, ...]:
    units = []
    while state in came_from:
        state, unit = came_from[state]
        units.append(unit)
    return tuple(reversed(units))
