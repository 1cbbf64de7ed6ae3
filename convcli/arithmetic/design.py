"""A stack of layers for a budget.

The search starts from the cheapest stack with the receptive field and the output size asked for.
A stage is a run of blocks up to the next stride above 1. The stages get as many channels as the
budget allows, each about twice as many as the one before. While the stack uses less than 98 % of
the parameters (90 % where channels are multiples of a number), a block is added to every stage, and
the channels are chosen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from typing import TypeAlias

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.shortest_stack import (
    ALL_BLOCKS,
    BLOCKS,
    COMMON_BLOCKS,
    DILATED_BLOCKS,
    BlockSpec,
    Budget,
    Cost,
    Effort,
    block_cost,
    channel_step,
    cheapest_stack,
)
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, ConvError, LimitError

# Shares of the parameters: a stack that uses them gets no more blocks.
MIN_USED, MIN_USED_IN_STEPS = 0.98, 0.9  # by any number of channels; by their multiples
EXTRA_BLOCKS = range(33)  # blocks added to every stage, as far as they are tried


MAX_LENGTHENING = 2  # by which a stack without dilation may be longer than one with it

_Specs: TypeAlias = tuple[BlockSpec, ...]


class InfeasibleError(ConvError):
    """No stack keeps the budget; the message names the bound that fails.

    Parameters
    ----------
    message : str
    needed : int, optional
        How many parameters or MACs the cheapest stack needs.
    """

    def __init__(self, message: str, needed: int | None = None) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True, slots=True)
class _Stack:
    """Blocks with the channels of their stages, applied to an input of a given shape."""

    block: str
    shape: Shape
    specs: _Specs
    channels: tuple[int, ...] = ()  # of each stage

    @property
    def stages(self) -> tuple[int, ...]:
        """The index of the stage of each block; a stride above 1 starts a stage."""
        return tuple(accumulate((spec.stride > 1 for spec in self.specs[1:]), initial=0))

    @property
    def cost(self) -> Cost:
        """The parameters and MACs of all blocks together."""
        shape, params, macs = self.shape, 0, 0
        for spec, stage in zip(self.specs, self.stages, strict=True):
            cost = block_cost(self.block, spec, shape, self.channels[stage])
            params, macs = params + cost.params, macs + cost.macs
            shape = (self.channels[stage], *spec.output((shape[1], shape[2])))
        return Cost(params, macs)

    def with_channels(self, channels: Sequence[int]) -> _Stack:
        """Return the stack with other channels, one number for each stage."""
        return replace(self, channels=tuple(channels))

    def layers(self) -> list[Layer]:
        """Return the layers of all blocks, in order."""
        blocks = zip(self.specs, self.stages, strict=True)
        build = BLOCKS[self.block]
        return [layer for spec, stage in blocks for layer in build(spec, self.channels[stage])]


def design(shape: Shape, budget: Budget, *, block: str = "plain") -> Walk:
    """Design a stack of layers that keeps a budget.

    Parameters
    ----------
    shape : (C, H, W)
        The input's shape.
    budget : Budget
    block : {"plain", "bottleneck", "separable"}

    Raises
    ------
    InfeasibleError
        If no stack of such blocks keeps the budget; the message says by how much which bound fails.

    Examples
    --------
    >>> found = design((3, 32, 32), Budget(params=10_000, field=20))
    >>> found.params, found.output, found.layers[-1].receptive_field
    (9908, (26, 4, 4), (31, 31))
    """
    check_multiple(budget)
    if block not in BLOCKS:
        raise ArgumentError(f"block {block!r} is none of {', '.join(BLOCKS)}")
    stacks = []
    for count, specs in product(EXTRA_BLOCKS, _Search(shape, budget, block).candidates()):
        stack = _widen(_Stack(block, shape, _deepen(specs, count)), budget)
        if stack is not None:
            stacks.append(stack)
            if stack.cost.params >= min_used(budget) * budget.params:
                break
    # There is one at least: of the cheapest specs without extra blocks, some keep all bounds.
    best = max(stacks, key=lambda stack: stack.cost.params)
    return walk(best.layers(), shape, name=block)


def min_used(budget: Budget) -> float:
    """Return the share of the parameters of which a stack is full."""
    return MIN_USED if budget.multiple_of == 1 else MIN_USED_IN_STEPS


def check_multiple(budget: Budget) -> None:
    """Check that the width asked for is a multiple of what channels are multiples of."""
    if budget.width is not None and budget.width % budget.multiple_of:
        raise ArgumentError(f"a width of {budget.width} is no multiple of {budget.multiple_of}")


class _Search:
    """The cheapest stacks of blocks for a budget, and the work that it took to find them."""

    def __init__(self, shape: Shape, budget: Budget, block: str) -> None:
        self.shape, self.budget, self.block = shape, budget, block
        self.effort = Effort()

    def candidates(self) -> set[_Specs]:
        """Return the cheapest stacks: those without dilation, unless they are much longer."""
        shortest = (
            self.budget.field + 1
        ).bit_length() - 1  # with dilation, of fields 3, 7, 15, ...
        refused, found = None, set[_Specs]()
        try:
            found = self._cheapest_specs((COMMON_BLOCKS, ALL_BLOCKS))
        except InfeasibleError as error:
            refused = error
        length = min(map(len, found), default=0)
        if found and length <= MAX_LENGTHENING * shortest:
            return found
        try:
            dilated = self._cheapest_specs((DILATED_BLOCKS,))
        except (InfeasibleError, LimitError) as error:
            if refused is None:
                return found
            needed = error.needed if isinstance(error, InfeasibleError) else None
            if needed is not None and refused.needed is not None and needed < refused.needed:
                raise
            raise refused from None
        return dilated if not found or min(map(len, dilated)) * MAX_LENGTHENING < length else found

    def _cheapest_specs(self, choices: Sequence[_Specs]) -> set[_Specs]:
        """Return the cheapest stacks in parameters and in MACs, and that within both bounds.

        They are of the first choice of blocks of which one is within the limit.
        """
        shape, budget, block = self.shape, self.budget, self.block
        windows = "3x3, stride 1 to 3, padding 0 or 1"
        if choices[-1] is DILATED_BLOCKS:
            windows = "3x3, stride 1 or 2, dilated without holes"
        stacks: set[_Specs] = set()
        for objective, name in (("params", "parameters"), ("macs", "MACs")):
            limit = getattr(budget, objective)
            if limit is None:
                return stacks
            found = self._cheapest((objective, limit), replace(budget, macs=None), choices)
            if found is None:
                raise InfeasibleError(
                    f"size: no 3x3 windows of stride 1 to 3 and padding 0 or 1 take "
                    f"{shape[1]}x{shape[2]} to {'x'.join(map(str, budget.output or ()))}"
                )
            lowest, specs = found
            if lowest > limit:
                raise InfeasibleError(
                    f"{name}: the cheapest stack of {block} units ({windows}) "
                    f"that does it has {len(specs)} of them and needs {lowest:,} {name}, "
                    f"{lowest - limit:,} over the budget of {limit:,}",
                    lowest,
                )
            stacks.add(specs)
        found = self._cheapest(("params", budget.params), budget, choices)
        if found is None or found[0] > budget.params:
            needs = "more" if found is None else f"{found[0]:,}"
            raise InfeasibleError(
                "parameters and MACs: each budget can be kept by itself, but within "
                f"{budget.macs:,} MACs the cheapest stack of {block} units needs {needs} "
                f"parameters, and {budget.params:,} are allowed"
            )
        return stacks | {found[1]}

    def _cheapest(
        self, goal: tuple[str, int], budget: Budget, choices: Sequence[_Specs]
    ) -> tuple[int, _Specs] | None:
        """Return the cheapest stack of the first choice of blocks with one within the limit.

        If there is none, it is the cheapest of the last choice. The goal is what is minimized, and
        its limit.
        """
        objective, limit = goal
        for specs in choices:
            found = cheapest_stack(
                self.block, self.shape, budget, objective, specs, effort=self.effort
            )
            if found is not None and found[0] <= limit:
                break
        return found


def _deepen(specs: _Specs, count: int) -> _Specs:
    """Return the blocks with `count` more, of stride 1, at the end of every stage."""
    deeper: list[BlockSpec] = []
    for index, spec in enumerate(specs):
        deeper.append(spec)
        ends_stage = index + 1 == len(specs) or specs[index + 1].stride > 1
        deeper += [BlockSpec(stride=1)] * (count if ends_stage else 0)
    return tuple(deeper)


def _widen(stack: _Stack, budget: Budget) -> _Stack | None:
    """Return the stack with as many channels as the budget allows, or None if it allows none."""
    stages, step = stack.stages[-1] + 1, channel_step(stack.block, budget)

    def with_scale(scale: int) -> _Stack:
        """Return the stack with channels that double from stage to stage.

        The width asked for is the first stage's; otherwise the last stage has half of `scale`.
        """
        if budget.width is not None:
            return stack.with_channels([budget.width << stage for stage in range(stages)])
        wanted = (scale << stage >> stages for stage in range(stages))
        return stack.with_channels([max(count // step * step, step) for count in wanted])

    widest, first = with_scale(0), 1  # where the first stage has the width asked for
    if not budget.allows(widest.cost):
        return None
    if budget.width is None:
        widest, first = with_scale(largest(lambda scale: budget.allows(with_scale(scale).cost))), 0
    for stage in reversed(range(first, stages)):
        widest = _widen_stage(widest, stage, budget)
    return widest


def _widen_stage(stack: _Stack, stage: int, budget: Budget) -> _Stack:
    """Return the stack with as many channels in one stage as the rest of the budget allows.

    They are at most those of the next stage.
    """
    channels, step = stack.channels, channel_step(stack.block, budget)

    def with_more(count: int) -> _Stack:
        more = (*channels[:stage], channels[stage] + count * step, *channels[stage + 1 :])
        return stack.with_channels(more)

    def fits(count: int) -> bool:
        wider = with_more(count)
        is_narrow = wider.channels[stage] <= min(wider.channels[stage:])
        return is_narrow and budget.allows(wider.cost)

    return with_more(largest(fits))


def largest(is_allowed: Callable[[int], bool]) -> int:
    """Return the largest number that is allowed, where all numbers from 0 up to it are.

    >>> largest(lambda number: number < 100)
    99
    """
    above = 1
    while is_allowed(above):
        above *= 2
    low = above // 2  # allowed, or 0
    while above - low > 1:
        middle = (low + above) // 2
        low, above = (middle, above) if is_allowed(middle) else (low, middle)
    return low
