"""A stack of layers for a budget.

The search starts from the cheapest stack with the receptive field and the output size asked for.
A stage is a run of blocks up to the next stride above 1. The stages get as many channels as the
budget allows, each about twice as many as the one before. While the stack uses less than 99 % of
the parameters, a block is added to every stage, and the channels are chosen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import Walk, walk
from convcli.arithmetic.shortest_stack import (
    ALL_BLOCKS,
    BLOCKS,
    COMMON_BLOCKS,
    BlockSpec,
    Budget,
    Cost,
    block_cost,
    cheapest_stack,
)
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, ConvError

MIN_USED = 0.99  # share of the parameters: a stack that uses it gets no more blocks
OBJECTIVE = "the fewest layers that use 99 % of the parameters; where none do, the most parameters"
EXTRA_BLOCKS = range(33)  # blocks added to every stage, as far as they are tried


class InfeasibleError(ConvError):
    """No stack keeps the budget; the message names the bound that fails."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """Blocks with the channels of their stages, applied to an input of a given shape."""

    block: str
    shape: Shape
    specs: tuple[BlockSpec, ...]
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
    if block not in BLOCKS:
        raise ArgumentError(f"block {block!r} is none of {', '.join(BLOCKS)}")
    stacks = []
    for count, specs in product(EXTRA_BLOCKS, _cheapest_specs(shape, budget, block)):
        stack = _widen(_Stack(block, shape, _deepen(specs, count)), budget)
        if stack is not None:
            stacks.append(stack)
            if stack.cost.params >= MIN_USED * budget.params:
                break
    # There is one at least: of the cheapest specs without extra blocks, some keep all bounds.
    best = max(stacks, key=lambda stack: stack.cost.params)
    return walk(best.layers(), shape, name=block)


def _cheapest_specs(shape: Shape, budget: Budget, block: str) -> set[tuple[BlockSpec, ...]]:
    """Return the cheapest stacks in parameters and in MACs, and that within both bounds."""
    stacks: set[tuple[BlockSpec, ...]] = set()
    for objective, name in (("params", "parameters"), ("macs", "MACs")):
        limit = getattr(budget, objective)
        if limit is None:
            return stacks
        found = _cheapest(objective, limit, shape, replace(budget, macs=None), block)
        if found is None:
            raise InfeasibleError(
                f"size: no 3x3 windows of stride 1 to 3 and padding 0 or 1 take "
                f"{shape[1]}x{shape[2]} to {'x'.join(map(str, budget.output or ()))}"
            )
        lowest, specs = found
        if lowest > limit:
            raise InfeasibleError(
                f"{name}: the cheapest stack of {block} units (3x3, stride 1 to 3, padding 0 or 1) "
                f"that does it has {len(specs)} of them and needs {lowest:,} {name}, "
                f"{lowest - limit:,} over the budget of {limit:,}"
            )
        stacks.add(specs)
    found = _cheapest("params", budget.params, shape, budget, block)
    if found is None or found[0] > budget.params:
        needs = "more" if found is None else f"{found[0]:,}"
        raise InfeasibleError(
            f"parameters and MACs: each budget can be kept by itself, but within {budget.macs:,} "
            f"MACs the cheapest stack of {block} units needs {needs} parameters, and "
            f"{budget.params:,} are allowed"
        )
    return stacks | {found[1]}


def _cheapest(
    objective: str, limit: int, shape: Shape, budget: Budget, block: str
) -> tuple[int, tuple[BlockSpec, ...]] | None:
    """Return the cheapest stack of common blocks, or of any if that is over the limit."""
    for specs in (COMMON_BLOCKS, ALL_BLOCKS):
        found = cheapest_stack(block, shape, budget, objective, specs)
        if found is not None and found[0] <= limit:
            break
    return found


def _deepen(specs: tuple[BlockSpec, ...], count: int) -> tuple[BlockSpec, ...]:
    """Return the blocks with `count` more, of stride 1, at the end of every stage."""
    deeper: list[BlockSpec] = []
    for index, spec in enumerate(specs):
        deeper.append(spec)
        ends_stage = index + 1 == len(specs) or specs[index + 1].stride > 1
        deeper += [BlockSpec(stride=1)] * (count if ends_stage else 0)
    return tuple(deeper)


def _widen(stack: _Stack, budget: Budget) -> _Stack | None:
    """Return the stack with as many channels as the budget allows, or None if it allows none."""
    stages = stack.stages[-1] + 1

    def with_scale(scale: int) -> _Stack:
        """Return the stack with channels that double from stage to stage.

        The width asked for is the first stage's; otherwise the last stage has half of `scale`.
        """
        if budget.width is not None:
            return stack.with_channels([budget.width << stage for stage in range(stages)])
        return stack.with_channels([max(scale << stage >> stages, 1) for stage in range(stages)])

    widest, first = with_scale(0), 1  # where the first stage has the width asked for
    if not budget.allows(widest.cost):
        return None
    if budget.width is None:
        widest, first = with_scale(_largest(lambda scale: budget.allows(with_scale(scale).cost))), 0
    for stage in reversed(range(first, stages)):
        widest = _widen_stage(widest, stage, budget)
    return widest


def _widen_stage(stack: _Stack, stage: int, budget: Budget) -> _Stack:
    """Return the stack with as many channels in one stage as the rest of the budget allows.

    They are at most those of the next stage.
    """
    channels = stack.channels

    def with_more(count: int) -> _Stack:
        more = (*channels[:stage], channels[stage] + count, *channels[stage + 1 :])
        return stack.with_channels(more)

    def fits(count: int) -> bool:
        wider = with_more(count)
        is_narrow = wider.channels[stage] <= min(wider.channels[stage:])
        return is_narrow and budget.allows(wider.cost)

    return with_more(_largest(fits))


def _largest(is_allowed: Callable[[int], bool]) -> int:
    """Return the largest number that is allowed, where all numbers from 0 up to it are.

    >>> _largest(lambda number: number < 100)
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
