"""The blocks of a designed stack, and the cheapest stack that reaches a field and a size."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.values import Pair, Shape
from convcli.errors import LimitError

NARROWING = 4  # how much a bottleneck narrows its middle


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """One unit of a stack, its channels left open.

    Parameters
    ----------
    stride : int
    padding : int
        Of its one 3x3 window.
    """

    stride: int
    padding: int = 1

    def output(self, size: Pair) -> Pair:
        """The (height, width) that it makes; below 1 where its window does not fit."""
        height, width = ((side + 2 * self.padding - 3) // self.stride + 1 for side in size)
        return height, width


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-accumulates."""

    params: int
    macs: int


def plain(unit: BlockSpec, channels: int) -> list[Layer]:
    """A 3x3 convolution."""
    return [_window(unit, channels), Layer(op="relu")]


def bottleneck(unit: BlockSpec, channels: int) -> list[Layer]:
    """1x1 to a quarter of the channels, 3x3, 1x1 back."""
    narrow = max(channels // NARROWING, 1)
    return [*_pointwise(narrow), _window(unit, narrow), Layer(op="relu"), *_pointwise(channels)]


def separable(unit: BlockSpec, channels: int) -> list[Layer]:
    """3x3 over each channel by itself, then 1x1 across them."""
    return [_window(unit, None, groups="depthwise"), Layer(op="relu"), *_pointwise(channels)]


BLOCKS: dict[str, Callable[[BlockSpec, int], list[Layer]]] = {
    "plain": plain,
    "bottleneck": bottleneck,
    "separable": separable,
}


@lru_cache(maxsize=1 << 16)
def cost(block: str, unit: BlockSpec, shape: Shape, channels: int) -> Cost:
    """What one unit costs over an input of (C, H, W).

    >>> cost("plain", BlockSpec(stride=1), (3, 32, 32), 64).params
    1792
    """
    trained = products = 0
    for layer in BLOCKS[block](unit, channels):
        output = output_shape(layer, [shape])
        trained += layer.operation.parameters(layer, shape)
        products += layer.operation.macs(layer, shape, output)
        shape = output
    return Cost(trained, products)


def _window(unit: BlockSpec, channels: int | None, groups: str | None = None) -> Layer:
    sides = (unit.padding, unit.padding)
    return Layer(
        op="conv",
        kernel=(3, 3),
        stride=(unit.stride, unit.stride),
        padding=(sides, sides),
        channels=channels,
        groups=groups,
    )


def _pointwise(channels: int) -> list[Layer]:
    return [Layer(op="conv", kernel=(1, 1), channels=channels), Layer(op="relu")]


# Halving as it is mostly done; and whatever else 3x3 windows do, where that is not enough.
COMMON_BLOCKS = (BlockSpec(stride=1), BlockSpec(stride=2))
ALL_BLOCKS = tuple(
    BlockSpec(stride=stride, padding=padding) for stride in (1, 2, 3) for padding in (1, 0)
)
MIN_MAP_SIDE = 4  # how small a map may get where no size was asked for
MAX_FIELD = 16_384
MAX_STATES = 400_000

Score: TypeAlias = tuple[int, int]  # what counts, and what counts beside it
Objective: TypeAlias = Callable[[Cost], Score]


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


def cheapest_stack(
    block: str, shape: Shape, budget: Budget, weigh: Objective, units: Sequence[BlockSpec]
) -> tuple[Score, tuple[BlockSpec, ...]] | None:
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
        `COMMON_BLOCKS` or `ALL_BLOCKS`.

    Raises
    ------
    LimitError
        For a receptive field or a size that would take too long.
    """
    if budget.field > MAX_FIELD:
        raise LimitError(
            f"a receptive field of {budget.field} is too large: the most is {MAX_FIELD}"
        )
    start = State((shape[1], shape[2]), 1, 1, shape[0], begun=False)
    queue: list[tuple[Score, State]] = [((0, 0), start)]
    least: dict[State, int] = {}  # of the second cost, among what was cheaper in the first
    came_from: dict[tuple[Score, State], tuple[Score, State, BlockSpec]] = {}
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
        if len(came_from) > MAX_STATES:
            raise LimitError("this size and receptive field leave too many stacks to search")
    return None


def _steps(
    state: State, units: Sequence[BlockSpec], budget: Budget, start: State
) -> Iterator[tuple[BlockSpec, State]]:
    least = budget.output or (min(MIN_MAP_SIDE, start.size[0]), min(MIN_MAP_SIDE, start.size[1]))
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
    place: tuple[Score, State],
    came_from: dict[tuple[Score, State], tuple[Score, State, BlockSpec]],
) -> tuple[BlockSpec, ...]:
    units = []
    while place in came_from:
        label, state, unit = came_from[place]
        units.append(unit)
        place = (label, state)
    return tuple(reversed(units))
