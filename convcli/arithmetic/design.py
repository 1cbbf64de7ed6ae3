"""A stack of layers for a budget.

The skeleton is the cheapest that reaches the receptive field and the size. Its stages are widened,
each twice as wide as the one before, for as long as the budget lasts; where that leaves more than
one percent of it, they are deepened, too.
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
    Objective,
    cheapest_stack,
    cost,
)
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError, ConvError

ENOUGH = 0.99  # of the budget: a stack that uses so much is not made deeper
OBJECTIVE = "the fewest layers that use 99 % of the parameters; where none do, the most parameters"
DEEPENINGS = range(33)  # more units tried in every stage


class InfeasibleError(ConvError):
    """A budget that no stack can keep, with the bound that fails."""


@dataclass(frozen=True, slots=True)
class _Stack:
    """Units with their channels, over an input."""

    block: str
    shape: Shape
    units: tuple[BlockSpec, ...]
    channels: tuple[int, ...]  # of each stage: the units from one stride above 1 to the next

    @property
    def stages(self) -> tuple[int, ...]:
        """The stage that each unit is in."""
        steps = list(accumulate(unit.stride > 1 for unit in self.units))
        return tuple(step - steps[0] for step in steps)

    @property
    def cost(self) -> Cost:
        shape, params, macs = self.shape, 0, 0
        for unit, stage in zip(self.units, self.stages, strict=True):
            spent = cost(self.block, unit, shape, self.channels[stage])
            params, macs = params + spent.params, macs + spent.macs
            shape = (self.channels[stage], *unit.output((shape[1], shape[2])))
        return Cost(params, macs)

    def with_channels(self, channels: Sequence[int]) -> _Stack:
        return _Stack(self.block, self.shape, self.units, tuple(channels))

    def layers(self) -> list[Layer]:
        build = BLOCKS[self.block]
        return [
            layer
            for unit, stage in zip(self.units, self.stages, strict=True)
            for layer in build(unit, self.channels[stage])
        ]


def design(shape: Shape, budget: Budget, *, block: str = "plain") -> Walk:
    """A stack that keeps a budget, walked through.

    Parameters
    ----------
    shape : (C, H, W)
        The input's.
    budget : Budget
    block : {"plain", "bottleneck", "separable"}
        What its units are.

    Raises
    ------
    InfeasibleError
        Where no stack of such units can do it: which bound fails, and by how much.

    Examples
    --------
    >>> found = design((3, 32, 32), Budget(params=10_000, field=20))
    >>> found.params, found.output, found.layers[-1].receptive_field
    (9908, (26, 4, 4), (31, 31))
    """
    if block not in BLOCKS:
        raise ArgumentError(f"block {block!r} is none of {', '.join(BLOCKS)}")
    best: _Stack | None = None
    skeletons = _skeletons(shape, budget, block)
    for more, units in product(DEEPENINGS, skeletons):
        stack = _widened(_Stack(block, shape, _deepened(units, more), ()), budget)
        if stack is not None and (best is None or stack.cost.params > best.cost.params):
            best = stack
        if best is not None and best.cost.params >= ENOUGH * budget.params:
            break
    if best is None:  # impossible: the skeletons keep the budgets as they are
        raise InfeasibleError("no stack was found for these budgets")
    return walk(best.layers(), shape, name=block)


def _skeletons(shape: Shape, budget: Budget, block: str) -> set[tuple[BlockSpec, ...]]:
    """The cheapest units in parameters and in MACs, once it is sure that each bound can be kept."""
    skeletons = {_within("parameters", budget.params, shape, budget, block=block)}
    if budget.macs is not None:
        skeletons.add(_within("MACs", budget.macs, shape, budget, block=block))
        skeletons.add(_within_both(shape, budget, block))
    return skeletons


def _within(
    what: str, most: int, shape: Shape, budget: Budget, *, block: str
) -> tuple[BlockSpec, ...]:
    """The cheapest units, if one bound allows them: the usual ones, or else any."""
    for units in (COMMON_BLOCKS, ALL_BLOCKS):
        found = cheapest_stack(block, shape, replace(budget, macs=None), _WEIGHTS[what], units)
        if found is not None and found[0][0] <= most:
            return found[1]
    if found is None:
        raise InfeasibleError(
            f"size: no 3x3 windows of stride 1 to 3 and padding 0 or 1 take "
            f"{shape[1]}x{shape[2]} to {'x'.join(map(str, budget.output or ()))}"
        )
    (least, _), units = found
    raise InfeasibleError(
        f"{what}: the cheapest stack of {block} units (3x3, stride 1 to 3, padding 0 or 1) that "
        f"does it has {len(units)} of them and needs {least:,} {what}, "
        f"{least - most:,} over the budget of {most:,}"
    )


def _within_both(shape: Shape, budget: Budget, block: str) -> tuple[BlockSpec, ...]:
    """Units that keep both budgets at once."""
    for units in (COMMON_BLOCKS, ALL_BLOCKS):
        found = cheapest_stack(block, shape, budget, lambda one: (one.params, one.macs), units)
        if found is not None and found[0][0] <= budget.params:
            return found[1]
    needs = "more" if found is None else f"{found[0][0]:,}"
    raise InfeasibleError(
        f"parameters and MACs: each budget can be kept by itself, but within {budget.macs:,} MACs "
        f"the cheapest stack of {block} units needs {needs} parameters, and {budget.params:,} "
        "are allowed"
    )


_WEIGHTS: dict[str, Objective] = {
    "parameters": lambda one: (one.params, 0),
    "MACs": lambda one: (one.macs, 0),
}


def _deepened(units: tuple[BlockSpec, ...], more: int) -> tuple[BlockSpec, ...]:
    """So many units more at the end of every stage."""
    deeper: list[BlockSpec] = []
    for place, unit in enumerate(units):
        deeper.append(unit)
        ends = place + 1 == len(units) or units[place + 1].stride > 1
        deeper += [BlockSpec(stride=1)] * (more if ends else 0)
    return tuple(deeper)


def _widened(stack: _Stack, budget: Budget) -> _Stack | None:
    """The stack with as many channels as the budget lasts for; None where it lasts for none."""
    stages = stack.stages[-1] + 1

    def at(scale: int) -> _Stack:
        """Channels that double from stage to stage, where the scale is large enough to halve."""
        if budget.width is not None:
            return stack.with_channels([budget.width << stage for stage in range(stages)])
        return stack.with_channels([max(scale << stage >> stages, 1) for stage in range(stages)])

    if not budget.holds(at(0).cost):
        return None
    widest = at(0)
    if budget.width is None:
        widest = at(_last(lambda scale: budget.holds(at(scale).cost)))
    for stage in reversed(range(stages)):
        if stage == 0 and budget.width is not None:
            break  # asked for as it is
        widest = _filled(widest, stage, budget)
    return widest


def _filled(stack: _Stack, stage: int, budget: Budget) -> _Stack:
    """One stage with what the budget has left, never wider than the stage after it."""
    start, channels = stack.channels[stage], list(stack.channels)
    ahead = channels[stage + 1] if stage + 1 < len(channels) else None

    def wider(by: int) -> _Stack:
        return stack.with_channels([*channels[:stage], start + by, *channels[stage + 1 :]])

    def fits(by: int) -> bool:
        return (ahead is None or start + by <= ahead) and budget.holds(wider(by).cost)

    return wider(_last(fits))


def _last(holds: Callable[[int], bool]) -> int:
    """The last number for which something holds that holds for 0 and, once it fails, for no more.

    >>> _last(lambda number: number < 100)
    99
    """
    above = 1
    while holds(above):
        above *= 2
    low = above // 2  # holds, or is 0
    while above - low > 1:
        middle = (low + above) // 2
        low, above = (middle, above) if holds(middle) else (low, middle)
    return low
