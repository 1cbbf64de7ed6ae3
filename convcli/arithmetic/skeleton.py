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

Label: TypeAlias = tuple[int, int]  # what counts, and what counts beside it
Weigh: TypeAlias = Callable[[Cost], Label]


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
) -> tuple[Label, tuple[Unit, ...]] | None:
    """The least cost of any stack that reaches a budget's receptive field and size, and its units.

    Its maps have one channel, or, where a width is asked for, that many, doubled by each stride
    above 1: no stack of these units is cheaper. The search is exhaustive (Dijkstra's, with the
    Pareto front of both costs for every state), so None is a proof that there is no such stack.

    Parameters
    ----------
    block : str
        A key of `BLOCKS`.
    shape : (C, H, W)
        The input's.
    budget : Budget
        Without a size to end at, any from 4x4 on will do (or the input's own, if it is smaller).
    weigh : callable
        What of a cost counts, and what counts beside it: the least of the first is found for which
        the second keeps its limit.
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
    queue: list[tuple[Label, State]] = [((0, 0), start)]
    least: dict[State, int] = {}  # of the second cost, among what was cheaper in the first
    came_from: dict[tuple[Label, State], tuple[Label, State, Unit]] = {}
    while queue:
        label, state = heapq.heappop(queue)
        if state in least and label[1] >= least[state]:
            continue
        least[state] = label[1]
        arrived = budget.output in (None, state.size) and state.field >= budget.field
        if arrived and state.begun:
            return label, _units_to((label, state), came_from)
        for unit, follower in _steps(state, units, budget, start):
            price = weigh(cost(block, unit, (state.channels, *state.size), follower.channels))
            total = (label[0] + price[0], label[1] + price[1])
            if budget.macs is not None and total[1] > budget.macs:
                continue
            if follower not in least or total[1] < least[follower]:
                came_from.setdefault((total, follower), (label, state, unit))
                heapq.heappush(queue, (total, follower))
        if len(came_from) > MOST_STATES:
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
            doubled = state.channels * (2 if unit.stride > 1 else 1)
            channels = doubled if state.begun else budget.width
        yield unit, State(size, state.jump * unit.stride, seen, channels)


def _units_to(
    place: tuple[Label, State],
    came_from: dict[tuple[Label, State], tuple[Label, State, Unit]],
) -> tuple[Unit, ...]:
    units = []
    while place in came_from:
        label, state, unit = came_from[place]
        units.append(unit)
        place = (label, state)
    return tuple(reversed(units))
