"""Intervals of positions, and which positions of earlier maps an interval of outputs depends on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations import AxisMap, Parts, Resampling, WholeAxis
from convcli.arithmetic.values import Pair, map_size
from convcli.errors import ArgumentError

if TYPE_CHECKING:
    from convcli.arithmetic.reports import LayerReport, Walk

Interval: TypeAlias = tuple[int, int] | None  # (first, last) position; None where there is none
Region: TypeAlias = tuple[Interval, Interval]  # of rows, of columns


def span(intervals: Iterable[Interval]) -> Interval:
    """Return the interval from the first to the last position of several.

    >>> span([(2, 3), None, (0, 1)])
    (0, 3)
    """
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return min(first for first, _ in known), max(last for _, last in known)


def input_interval(axis: AxisMap, interval: Interval) -> Interval:
    """Return the input positions that an interval of outputs depends on, padding included.

    >>> input_interval(Axis(size=8, kernel=3, stride=2, before=1, after=1), (0, 1))
    (-1, 3)
    """
    if interval is None:
        return None
    first, last = interval
    if isinstance(axis, WholeAxis):
        return span([(0, axis.size - 1), interval if axis.has_own else None])
    if isinstance(axis, Parts):
        return axis.bounds(first).start, axis.bounds(last).stop - 1
    if isinstance(axis, Resampling):  # of which an output on a position takes less than one beside
        outputs = {first, min(first + 1, last), max(last - 1, first), last}
        return span((axis.bounds(output)[0], axis.bounds(output)[-1]) for output in outputs)
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
    """Return the inputs i that a transposed convolution adds to an output v: v + p = i·s + d·t."""
    position = output + axis.before
    common = math.gcd(axis.stride, axis.dilation)
    if position % common:
        return range(0)
    period = axis.dilation // common
    first = position // common * pow(axis.stride // common, -1, period) if period > 1 else 0
    lowest = -(-(position - axis.effective_kernel + 1) // axis.stride)
    start = lowest + (first - lowest) % period
    return range(start, position // axis.stride + 1, period)


def clip_positions(positions: range, size: int) -> range:
    """Return those of some ascending positions that lie in `range(size)`.

    >>> clip_positions(range(-3, 9, 2), 4)
    range(1, 5, 2)
    """
    first = min(max(-(positions.start // positions.step), 0), len(positions))
    stop = min(max(-((positions.start - size) // positions.step), first), len(positions))
    return positions[first:stop]


def backtrace(walk: Walk, index: int, at: Pair) -> dict[int, Region]:
    """Return the regions of the earlier maps and of the input that one output depends on.

    Parameters
    ----------
    walk : Walk
    index : int
        Of the layer whose output it is.
    at : (row, column)

    Returns
    -------
    dict
        By the index of the layer; `INPUT` (-1) is the network's input. Positions below 0 or beyond
        the end of a map are padding.

    Raises
    ------
    ArgumentError
        If what the output depends on is unknown.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> found = backtrace(walk(["conv:3,p=1", "maxpool:2"], (1, 8, 8)), 1, (0, 0))
    >>> found[-1]
    ((-1, 2), (-1, 2))
    """
    if walk.layers[index].fields is None:
        raise ArgumentError(
            f"what the outputs of layer {index + 1} ({walk.layers[index].name}) depend on "
            "is unknown, since a layer before is"
        )
    regions: dict[int, Region] = {index: ((at[0], at[0]), (at[1], at[1]))}
    for user in range(index, -1, -1):
        if user in regions:
            report = walk.layers[user]
            # Of the map whose size crop takes, no value is used.
            is_join = report.layer.operation.is_join
            for source, size in zip(report.indices, report.inputs, strict=is_join):
                rows, columns = _region_of_input(report, map_size(size), regions[user])
                known = regions.get(source, (None, None))
                regions[source] = span((known[0], rows)), span((known[1], columns))
                if not is_join:
                    break
    return regions


def _region_of_input(report: LayerReport, size: Pair, region: Region) -> Region:
    """Return the region of an input of (height, width) that a region of the output depends on."""
    axes = report.layer.operation.axes(report.layer, report.inputs)
    if axes is not None:
        return input_interval(axes[0], region[0]), input_interval(axes[1], region[1])
    rows, columns = (
        (0, 0) if side == 1 < output and interval is not None else interval
        for side, output, interval in zip(size, map_size(report.output), region, strict=True)
    )
    return rows, columns


def contains(outer: Interval, inner: Interval) -> bool:
    """Return whether an interval holds another."""
    if inner is None or outer is inner:
        return True
    return outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1]


def clip(interval: Interval, bounds: Interval) -> Interval:
    """Return the part of an interval that lies in another."""
    if interval is None or bounds is None:
        return None
    first, last = max(interval[0], bounds[0]), min(interval[1], bounds[1])
    return (first, last) if first <= last else None


def merge(intervals: Iterable[Pair]) -> list[Pair]:
    """Return intervals as those apart, in order.

    >>> merge([(5, 6), (0, 2), (3, 4), (8, 9)])
    [(0, 6), (8, 9)]
    """
    merged: list[Pair] = []
    for first, last in sorted(intervals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged
