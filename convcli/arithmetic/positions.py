"""Sets of positions along one axis, as the bits of a number: what outputs depend on."""

from __future__ import annotations

from collections.abc import Iterable

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import contributing_inputs
from convcli.arithmetic.operations import AxisMap, Parts, Resampling, WholeAxis
from convcli.arithmetic.receptive_field import taps_within
from convcli.arithmetic.values import Pair


def follow_positions(masks: tuple[int, ...], axis: AxisMap, outputs: int) -> Iterable[int]:
    """Return the positions of each output as bits, from those of the map."""
    if isinstance(axis, WholeAxis):
        whole = union_of(masks)
        own = masks if axis.has_own else (0,) * outputs
        return (whole | mask for mask in own)
    return (union_of(masks[tap] for tap in taps_of(axis, output)) for output in range(outputs))


def taps_of(axis: Axis | Parts | Resampling, output: int) -> Iterable[int]:
    """Return the positions of a map that an output is made of, without padding."""
    if isinstance(axis, Axis):
        if axis.transposed:
            taps = contributing_inputs(axis, output)
        else:
            start = output * axis.stride - axis.before
            taps = range(start, start + axis.effective_kernel, axis.dilation)
    else:
        taps = axis.bounds(output)
        taps = taps_within(taps, axis.size) if isinstance(axis, Resampling) else taps
    return (tap for tap in taps if 0 <= tap < axis.size)


def union_of(masks: Iterable[int]) -> int:
    """Return the positions that any of several sets holds."""
    union = 0
    for mask in masks:
        union |= mask
    return union


def width_of(mask: int) -> int:
    """Return the number of positions from the first to the last."""
    return mask.bit_length() - (mask & -mask).bit_length() + 1 if mask else 0


def bits_of(interval: Pair) -> int:
    """Return the positions of an interval."""
    first, last = interval
    return ((1 << (last - first + 1)) - 1) << first
