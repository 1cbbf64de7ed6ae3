"""The receptive field of the outputs of a map, along one axis.

Receptive field, jump, start and effective padding as in A. Araujo, W. Norris and J. Sim,
"Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019), with an interval for
each phase: after a transposed convolution, neighboring outputs depend on intervals of different
sizes, which repeat after some outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations import AxisMap, Parts, WholeAxis
from convcli.arithmetic.values import Pair
from convcli.errors import LimitError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.network import Walk

Interval: TypeAlias = tuple[int, int] | None  # (first, last) position; None where there is none
Region: TypeAlias = tuple[Interval, Interval]  # of rows, of columns

MAX_PHASES = 512  # of transposed convolutions
MAX_PARTS = 1 << 16  # of an adaptive pool
MAX_LOOKUPS = 1 << 20  # of single intervals, for all phases together


class ReceptiveField(NamedTuple):
    """The interval of the network's input that each output of a map depends on, along one axis.

    That of output `q·len(phases) + r` is `phases[r]`, shifted by `q·step`.

    Parameters
    ----------
    phases : tuple of (first, last) or None
        Input positions; those below 0 or beyond the input's end are padding.
    step : int
        The distance on the input between outputs that are `len(phases)` apart.
    start : Fraction
        The center of what output 0 depends on.
    aligned : bool
        Whether the branches of all joins before have the same center.

    Examples
    --------
    >>> axis = Axis(size=224, kernel=7, stride=2, before=3, after=3)
    >>> field = ReceptiveField.of_input().after(axis)
    >>> field.receptive_field, field.jump, field.start
    (7, Fraction(2, 1), Fraction(0, 1))
    """

    phases: tuple[Interval, ...]
    step: int
    start: Fraction
    aligned: bool = True

    @classmethod
    def of_input(cls) -> ReceptiveField:
        """Return that of the input itself, where each position depends on itself."""
        return cls(((0, 0),), 1, Fraction(0))

    @property
    def jump(self) -> Fraction:
        """The mean distance on the input between neighboring outputs."""
        return Fraction(self.step, len(self.phases))

    @property
    def receptive_field(self) -> int:
        """The number of input positions that an output depends on, in the largest phase."""
        return max((phase[1] - phase[0] + 1 for phase in self.phases if phase), default=0)

    @property
    def effective_padding(self) -> Fraction:
        """How far the field of output 0 reaches beyond the input: `(rf - 1)/2 - start`."""
        return Fraction(self.receptive_field - 1, 2) - self.start

    def at(self, output: int) -> Interval:
        """Return the interval that one output depends on."""
        periods, index = divmod(output, len(self.phases))
        phase, shift = self.phases[index], periods * self.step
        return None if phase is None else (phase[0] + shift, phase[1] + shift)

    def after(self, axis: AxisMap) -> ReceptiveField:
        """Return the receptive field of the outputs of an operation over this map."""
        if isinstance(axis, WholeAxis):
            axis = Parts(axis.size, 1)
        if isinstance(axis, Parts):
            return self._after_parts(axis)
        return self._after_transposed(axis) if axis.transposed else self._after_window(axis)

    def coverage(self, size: int, outputs: int) -> int:
        """Return the largest number of positions of an input that any of its outputs depends on.

        It is less than the receptive field where that reaches beyond the input on both sides.
        """
        largest = 0
        for index, phase in enumerate(self.phases[:outputs]):
            if phase is None:
                continue
            last_period = (outputs - 1 - index) // len(self.phases)
            # The overlap grows until the interval reaches the input's end, then shrinks.
            for bound in (-phase[0], size - 1 - phase[1]):
                for period in (bound // self.step, bound // self.step + 1):
                    shift = min(max(period, 0), last_period) * self.step
                    first, last = max(phase[0] + shift, 0), min(phase[1] + shift, size - 1)
                    largest = max(largest, last - first + 1)
        return largest

    def _span_of(self, outputs: range) -> Interval:
        """Return the span of the intervals of several outputs.

        After a period of all phases every interval is shifted, so those near the ends are enough.
        """
        period = len(self.phases) * outputs.step
        last = outputs.stop - 1 - (outputs.stop - 1 - outputs.start) % outputs.step
        if last - outputs.start <= 2 * period:
            return span(map(self.at, outputs))
        near = range(outputs.start, outputs.start + period, outputs.step)
        far = range(last, last - period, -outputs.step)
        return span(map(self.at, chain(near, far)))

    def _after_parts(self, parts: Parts) -> ReceptiveField:
        size, count = parts
        if size % count == 0:  # windows side by side
            side = size // count
            return self.after(Axis(size=size, kernel=side, stride=side))
        if count > MAX_PARTS:
            raise LimitError(
                f"a pool to {count} uneven parts is too large: the most is {MAX_PARTS}"
            )
        # Parts of unequal size: their period is the whole map.
        phases = tuple(self._span_of(parts.bounds(part)) for part in range(count))
        step = math.ceil(self.jump * size)
        center = Fraction(parts.bounds(0)[-1], 2)
        return ReceptiveField(phases, step, self.start + center * self.jump, self.aligned)

    def _after_window(self, axis: Axis) -> ReceptiveField:
        """Output v depends on the positions v·s - p + d·t."""
        if len(self.phases) == 1 and self.phases[0] is not None:
            return self._after_window_of_one_phase(axis, *self.phases[0])
        count = len(self.phases) // math.gcd(len(self.phases), axis.stride)
        _check_phases(count, min(axis.kernel, 2 * len(self.phases)))
        starts = (output * axis.stride - axis.before for output in range(count))
        phases = tuple(
            self._span_of(range(start, start + axis.effective_kernel, axis.dilation))
            for start in starts
        )
        center = Fraction(axis.effective_kernel - 1, 2) - axis.before
        step = self.jump * axis.stride * count
        return ReceptiveField(phases, int(step), self.start + center * self.jump, self.aligned)

    def _after_window_of_one_phase(self, axis: Axis, first: int, last: int) -> ReceptiveField:
        """As `_after_window`, where no transposed convolution came before."""
        reach = axis.effective_kernel - 1
        left, right = -axis.before * self.step, (reach - axis.before) * self.step
        start = self.start if left == -right else self.start + Fraction(left + right, 2)
        phases = ((first + left, last + right),)
        return ReceptiveField(phases, self.step * axis.stride, start, self.aligned)

    def _after_transposed(self, axis: Axis) -> ReceptiveField:
        count = len(self.phases) * axis.stride
        if count > MAX_PHASES:
            raise LimitError(f"upsampling by more than {MAX_PHASES} in all is not followed")
        phases = tuple(self._span_of(contributing_inputs(axis, output)) for output in range(count))
        jump = self.jump / axis.stride
        center = axis.before - Fraction(axis.effective_kernel - 1, 2)
        return ReceptiveField(phases, self.step, self.start + center * jump, self.aligned)


def _check_phases(count: int, lookups: int = 1) -> None:
    if count > max(MAX_PHASES, MAX_LOOKUPS // lookups):
        raise LimitError("its outputs see in too many different ways to be told apart")


def union(branches: Sequence[ReceptiveField]) -> ReceptiveField:
    """Return the receptive field of a join: the union of those of its branches.

    Raises
    ------
    ShapeError
        If the branches have different jumps, so that their outputs drift apart.
    """
    first = branches[0]
    if all(branch == first for branch in branches):
        return first
    if any(
        (branch.step, len(branch.phases)) != (first.step, len(first.phases)) for branch in branches
    ):
        _check_jumps(branches)
    count = math.lcm(*(len(branch.phases) for branch in branches))
    _check_phases(count)
    phases = tuple(span(branch.at(output) for branch in branches) for output in range(count))
    step, start = int(first.jump * count), first.start
    if all(branch.start == start for branch in branches):
        return ReceptiveField(phases, step, start, all(branch.aligned for branch in branches))
    padding = max(branch.effective_padding for branch in branches)
    size = ReceptiveField(phases, step, start).receptive_field
    return ReceptiveField(phases, step, Fraction(size - 1, 2) - padding, aligned=False)


def _check_jumps(branches: Sequence[ReceptiveField]) -> None:
    jumps = {branch.jump for branch in branches}
    if len(jumps) > 1:
        found = " and ".join(map(str, sorted(jumps)))
        raise ShapeError(f"its branches have different jumps, {found}: their outputs drift apart")


def input_interval(axis: AxisMap, interval: Interval) -> Interval:
    """Return the input positions that an interval of outputs depends on, padding included.

    >>> input_interval(Axis(size=8, kernel=3, stride=2, before=1, after=1), (0, 1))
    (-1, 3)
    """
    if interval is None:
        return None
    first, last = interval
    if not isinstance(axis, Axis):
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


def span(intervals: Iterable[Interval]) -> Interval:
    """Return the interval from the first to the last position of several.

    >>> span([(2, 3), None, (0, 1)])
    (0, 3)
    """
    known = [interval for interval in intervals if interval is not None]
    if not known:
        return None
    return min(first for first, _ in known), max(last for _, last in known)


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

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> found = backtrace(walk(["conv:3,p=1", "maxpool:2"], (1, 8, 8)), 1, (0, 0))
    >>> found[-1]
    ((-1, 2), (-1, 2))
    """
    regions: dict[int, Region] = {index: ((at[0], at[0]), (at[1], at[1]))}
    for user in range(index, -1, -1):
        if user not in regions:
            continue
        report, (rows, columns) = walk.layers[user], regions[user]
        operation = report.layer.operation
        axes = operation.axes(report.layer, report.inputs)
        if axes is not None:
            rows, columns = input_interval(axes[0], rows), input_interval(axes[1], columns)
        # Of the map whose size crop takes, no value is used.
        for source in report.indices if operation.is_join else report.indices[:1]:
            known = regions.get(source, (None, None))
            regions[source] = span((known[0], rows)), span((known[1], columns))
    return regions
