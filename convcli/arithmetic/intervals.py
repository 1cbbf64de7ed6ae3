"""Which positions of an input an output depends on, along one axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple, TypeAlias

from convcli.arithmetic.geometry import Axis

Interval: TypeAlias = tuple[int, int] | None  # (first, last) position; None where there is none


class Parts(NamedTuple):
    """An axis divided into equal parts, which share a position where they must; one output each.

    Part i of n covers the positions floor(i·size / n) to ceil((i + 1)·size / n), as in PyTorch.
    """

    size: int
    outputs: int

    @property
    def dropped(self) -> int:
        """Positions that no part covers: none."""
        return 0

    def bounds(self, part: int) -> range:
        """The positions that a part covers."""
        return range(part * self.size // self.outputs, -(-(part + 1) * self.size // self.outputs))


AxisMap: TypeAlias = Axis | Parts  # how the outputs of an operation depend on its input


def input_interval(axis: AxisMap, interval: Interval) -> Interval:
    """The input positions that an interval of outputs depends on, padding included.

    >>> input_interval(Axis(size=8, kernel=3, stride=2, before=1, after=1), (0, 1))
    (-1, 3)
    """
    if interval is None:
        return None
    first, last = interval
    if isinstance(axis, Parts):
        return axis.bounds(first).start, axis.bounds(last).stop - 1
    if not axis.transposed:
        start = first * axis.stride - axis.before
        return start, start + (last - first) * axis.stride + axis.effective_kernel - 1
    # The pattern repeats after stride times dilation outputs, so those near the ends are enough.
    period = axis.stride * axis.dilation
    near = range(first, min(first + period, last + 1))
    far = range(max(last - period + 1, first), last + 1)
    inputs = (contributing_inputs(axis, output) for output in chain(near, far))
    return span((found[0], found[-1]) for found in inputs if found)


def contributing_inputs(axis: Axis, output: int) -> range:
    """The inputs i of a transposed convolution that add to an output: output + p = i·s + d·t."""
    position = output + axis.before
    common = math.gcd(axis.stride, axis.dilation)
    if position % common:
        return range(0)
    period = axis.dilation // common
    first = position // common * pow(axis.stride // common, -1, period) if period > 1 else 0
    lowest = -(-(position - axis.effective_kernel + 1) // axis.stride)
    start = lowest + (first - lowest) % period
    return range(start, position // axis.stride + 1, period)


def span(intervals: Iterable[Interval]) -> Interval:
    """The interval from the first to the last position of several.

    >>> span([(2, 3), None, (0, 1)])
    (0, 3)
    """
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return min(first for first, _ in known), max(last for _, last in known)
