"""The blocks of a designed stack, and the cheapest stack that reaches a field and a size."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from convcli.arithmetic.layers import Layer, output_shape
from convcli.arithmetic.values import Pair, Shape
from convcli.errors import LimitError

BOTTLENECK_FACTOR = 4  # by which its middle has fewer channels


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """A block of a stack but for its channels: the settings of its one 3x3 window.

    Parameters
    ----------
    stride : int
    is_padded : bool
        With as much as the window reaches to each side.
    dilation : int
    """

    stride: int
    is_padded: bool = True
    dilation: int = 1

    @property
    def padding(self) -> int:
        """The padding on each side."""
        return self.dilation if self.is_padded else 0

    def output(self, size: Pair) -> Pair:
        """Return the output's (height, width); below 1 if the window does not fit."""
        reach = 2 * (self.padding - self.dilation)
        height, width = ((side + reach - 1) // self.stride + 1 for side in size)
        return height, width


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-accumulates."""

    params: int
    macs: int


def plain(spec: BlockSpec, channels: int) -> list[Layer]:
    """Return a 3x3 convolution."""
    return _window(spec, channels)


def bottleneck(spec: BlockSpec, channels: int) -> list[Layer]:
    """Return 1x1 to a quarter of the channels, 3x3, and 1x1 back."""
    narrow = max(channels // BOTTLENECK_FACTOR, 1)
    return [*_activated(narrow), *_window(spec, narrow), *_activated(channels)]


def separable(spec: BlockSpec, channels: int) -> list[Layer]:
    """Return 3x3 over each channel by itself, then 1x1 over all."""
    return [*_window(spec, None, groups="depthwise"), *_activated(channels)]


BLOCKS: dict[str, Callable[[BlockSpec, int], list[Layer]]] = {
    "plain": plain,
    "bottleneck": bottleneck,
    "separable": separable,
}


@lru_cache(maxsize=1 << 16)
def block_cost(block: str, spec: BlockSpec, shape: Shape, channels: int) -> Cost:
    """Return the cost of one block over an input of (C, H, W).

    >>> block_cost("plain", BlockSpec(stride=1), (3, 32, 32), 64).params
    1792
    """
    params = macs = 0
    for layer in BLOCKS[block](spec, channels):
        output = output_shape(layer, [shape])
        params += layer.operation.parameters(layer, shape)
        macs += layer.operation.macs(layer, shape, output)
        shape = output
    return Cost(params, macs)


def _window(spec: BlockSpec, channels: int | None, groups: str | None = None) -> list[Layer]:
    sides = (spec.padding, spec.padding)
    return _activated(
        channels,
        (3, 3),
        stride=(spec.stride, spec.stride),
        padding=(sides, sides),
        dilation=(spec.dilation, spec.dilation),
        groups=groups,
    )


def _activated(channels: int | None, kernel: Pair = (1, 1), **settings: Any) -> list[Layer]:
    return [Layer(op="conv", kernel=kernel, channels=channels, **settings), Layer(op="relu")]


COMMON_BLOCKS = (BlockSpec(stride=1), BlockSpec(stride=2))  # tried first
ALL_BLOCKS = tuple(
    BlockSpec(stride=stride, is_padded=is_padded)
    for stride in (1, 2, 3)
    for is_padded in (True, False)
)
MAX_FIELD = 16_384
# Each dilation is twice that of the layer before, as in A. van den Oord et al., "WaveNet" (2016).
DILATED_BLOCKS = (
    *COMMON_BLOCKS,
    *(BlockSpec(stride=1, dilation=1 << power) for power in range(1, MAX_FIELD.bit_length() - 1)),
)
MIN_MAP_SIDE = 4  # of the last map, unless its size is given
MAX_STATES = 700_000  # of all searches for one design

Score: TypeAlias = tuple[int, int]  # what is minimized, and what only has a limit


@dataclass(frozen=True, slots=True, order=True)
class State:
    """The last map of a stack; a receptive field above the wanted one counts as that."""

    size: Pair
    jump: int
    field: int
    channels: int
    has_blocks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The limits of a stack, and what it must reach.

    Parameters
    ----------
    params : int
        The largest number of parameters.
    field : int
        The smallest receptive field.
    macs : int, optional
        The largest number of multiply-accumulates.
    output : (height, width), optional
        The size of the last map.
    width : int, optional
        The channels of the first maps; they double with each stride above 1.
    multiple_of : int
        The channels of all maps are multiples of it.
    """

    params: int
    field: int
    macs: int | None = None
    output: Pair | None = None
    width: int | None = None
    multiple_of: int = 1

    def allows(self, cost: Cost) -> bool:
        """Whether a cost is within the limits."""
        return cost.params <= self.params and (self.macs is None or cost.macs <= self.macs)


class Effort:
    """The states that all searches for one design have come to."""

    def __init__(self) -> None:
        self._states = 0

    def add(self) -> None:
        """Count one more.

        Raises
        ------
        LimitError
            If there are too many.
        """
        self._states += 1
        if self._states > MAX_STATES:
            raise LimitError("this size and receptive field leave too many stacks to search")


def cheapest_stack(
    block: str,
    shape: Shape,
    budget: Budget,
    objective: str,
    specs: Sequence[BlockSpec],
    *,
    effort: Effort | None = None,
) -> tuple[int, tuple[BlockSpec, ...]] | None:
    """Find the stack of the lowest cost that reaches a budget's receptive field and size.

    Its maps have as few channels as they can, or, where a width is given, that many, doubled by
    each stride above 1: no stack of these blocks is cheaper. The search is exhaustive (Dijkstra's,
    with the Pareto front of both parts of the score for every state), so None proves that there is
    no such stack.

    Parameters
    ----------
    block : str
        A key of `BLOCKS`.
    shape : (C, H, W)
        The input's.
    budget : Budget
        Without a size of the last map, any from 4x4 (or the input's own, if it is smaller).
    objective : {"params", "macs"}
        The cost that is minimized; the MACs are kept within `budget.macs`.
    specs : sequence of BlockSpec
        `COMMON_BLOCKS`, `ALL_BLOCKS` or `DILATED_BLOCKS`. Of the last, what neighboring taps of a
        window depend on overlaps by half, so that no input is left out in between.

    effort : Effort, optional
        Of this search and of those before it.

    Raises
    ------
    LimitError
        If the search would take too long.
    """
    effort = effort or Effort()
    if budget.field > MAX_FIELD:
        raise LimitError(
            f"a receptive field of {budget.field} is too large: the most is {MAX_FIELD}"
        )
    start = State((shape[1], shape[2]), 1, 1, shape[0], has_blocks=False)
    # Of stacks of one score, the largest field first, so that dilations double one by one.
    sign = -1 if specs is DILATED_BLOCKS else 0
    queue: list[tuple[Score, int, State]] = [((0, 0), 0, start)]
    best: dict[State, int] = {}  # second parts, of those with a lower first part
    previous: dict[tuple[Score, State], tuple[Score, State, BlockSpec]] = {}
    while queue:
        score, _, state = heapq.heappop(queue)
        if state in best and score[1] >= best[state]:
            continue
        best[state] = score[1]
        is_goal = budget.output in (None, state.size) and state.field >= budget.field
        if is_goal and state.has_blocks:
            return score[0], _path_to((score, state), previous)
        for spec, after in _successors(state, specs, budget, start, channel_step(block, budget)):
            cost = block_cost(block, spec, (state.channels, *state.size), after.channels)
            macs = 0 if budget.macs is None else cost.macs
            total = (score[0] + getattr(cost, objective), score[1] + macs)
            if budget.macs is not None and total[1] > budget.macs:
                continue
            if after not in best or total[1] < best[after]:
                effort.add()
                previous.setdefault((total, after), (score, state, spec))
                heapq.heappush(queue, (total, sign * after.field, after))
    return None


def _successors(
    state: State, specs: Sequence[BlockSpec], budget: Budget, start: State, step: int
) -> Iterator[tuple[BlockSpec, State]]:
    smallest = budget.output or tuple(min(MIN_MAP_SIDE, side) for side in start.size)
    for spec in specs:
        size = spec.output(state.size)
        if size[0] < smallest[0] or size[1] < smallest[1]:
            continue
        if spec.dilation > 1 and (
            2 * spec.dilation * state.jump > state.field + 1 or spec.dilation >= min(state.size)
        ):
            continue
        field = min(state.field + 2 * spec.dilation * state.jump, budget.field)
        channels = step
        if budget.width is not None:
            doubled = state.channels * (2 if spec.stride > 1 else 1)
            channels = doubled if state.has_blocks else budget.width
        yield spec, State(size, state.jump * spec.stride, field, channels)


def channel_step(block: str, budget: Budget) -> int:
    """Return the fewest channels of a map, and by how many more there may be."""
    narrower = BOTTLENECK_FACTOR if block == "bottleneck" and budget.multiple_of > 1 else 1
    return budget.multiple_of * narrower


def _path_to(
    end: tuple[Score, State], previous: dict[tuple[Score, State], tuple[Score, State, BlockSpec]]
) -> tuple[BlockSpec, ...]:
    specs = []
    while end in previous:
        score, state, spec = previous[end]
        specs.append(spec)
        end = (score, state)
    return tuple(reversed(specs))
