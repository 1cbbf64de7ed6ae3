"""The receptive field of the outputs of a map, along one axis.

Receptive field, jump, start and effective padding as in A. Araujo, W. Norris and J. Sim,
"Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019), with an interval for
each phase: after a transposed convolution, neighboring outputs depend on intervals of different
sizes, which repeat after some outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import Interval, contributing_inputs, span
from convcli.arithmetic.operations import AxisMap, Parts, Resampling, WholeAxis
from convcli.errors import LimitError, ShapeError
from convcli.records import NamedTuple

MAX_PHASES = 512  # of transposed convolutions
MAX_PARTS = 1 << 16  # of an adaptive pool or a resampling
MAX_LOOKUPS = 1 << 20  # of single intervals, for all phases together


class JumpError(ShapeError):
    """Maps that are joined, and whose positions lie differently far apart on the input."""


class ReceptiveField(NamedTuple):
    """The interval of the network's input that each output of a map depends on, along one axis.

    That of output `q·len(phases) + r` is `phases[r]`, shifted by `q·step`: it slides. Where each
    output also depends on one value of a whole map, as behind a gate, an interval that is the same
    for all comes to it.

    Parameters
    ----------
    phases : tuple of (first, last) or None
        Input positions; those below 0 or beyond the input's end are padding.
    step : int
        The distance on the input between outputs that are `len(phases)` apart; 0 where nothing
        slides.
    start : Fraction
        The center of what output 0 depends on, of what slides.
    aligned : bool
        Whether the branches of all joins before have the same center.
    constant : (first, last), optional
        The interval that every output depends on besides.
    is_resampled : bool
        Whether a map before was resampled, whose jump fits those of other maps only about.

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
    constant: Interval = None
    is_resampled: bool = False

    @classmethod
    def of_input(cls) -> ReceptiveField:
        """Return that of the input itself, where each position depends on itself."""
        return cls(((0, 0),), 1, Fraction(0))

    @classmethod
    def of_constant(cls, constant: Interval) -> ReceptiveField:
        """Return that of a map whose outputs all depend on the same interval, and nothing slides.

        >>> ReceptiveField.of_constant((0, 4)).at(7)
        (0, 4)
        """
        center = Fraction(0) if constant is None else Fraction(sum(constant), 2)
        return cls((None,), 0, center, constant=constant)

    @property
    def jump(self) -> Fraction:
        """The mean distance on the input between neighboring outputs."""
        return Fraction(self.step, len(self.phases))

    @property
    def slides(self) -> bool:
        """Whether an output depends on anything but `constant`."""
        return self.step != 0

    @property
    def receptive_field(self) -> int:
        """The number of input positions in the window that slides, in the largest phase."""
        phases = self.phases
        if len(phases) == 1 and phases[0] is not None:
            return phases[0][1] - phases[0][0] + 1
        return max((phase[1] - phase[0] + 1 for phase in phases if phase), default=0)

    @property
    def effective_padding(self) -> Fraction:
        """How far the field of output 0 reaches beyond the input: `(rf - 1)/2 - start`."""
        if not self.slides and self.constant is not None:
            return Fraction(-self.constant[0])
        return Fraction(self.receptive_field - 1, 2) - self.start

    def at(self, output: int) -> Interval:
        """Return the interval that one output depends on, from its first to its last position."""
        own = self.window_at(output)
        return own if self.constant is None else span((own, self.constant))

    def window_at(self, output: int) -> Interval:
        """Return the interval that one output depends on, of what slides."""
        periods, index = divmod(output, len(self.phases))
        phase, shift = self.phases[index], periods * self.step
        return None if phase is None else (phase[0] + shift, phase[1] + shift)

    def after(self, axis: AxisMap) -> ReceptiveField:
        """Return the receptive field of the outputs of an operation over this map."""
        if isinstance(axis, WholeAxis):
            return self._after_whole(axis)
        if not self.slides:
            return self
        if isinstance(axis, Parts):
            return self._after_parts(axis)
        if isinstance(axis, Resampling):
            return self._after_resampling(axis)
        return self._after_transposed(axis) if axis.transposed else self._after_window(axis)

    def _span_of(self, outputs: range) -> Interval:
        """Return the span of the intervals of several outputs.

        After a period of all phases every interval is shifted, so those near the ends are enough.
        """
        period = len(self.phases) * outputs.step
        last = outputs.stop - 1 - (outputs.stop - 1 - outputs.start) % outputs.step
        if last - outputs.start <= 2 * period:
            return span(map(self.window_at, outputs))
        near = range(outputs.start, outputs.start + period, outputs.step)
        far = range(last, last - period, -outputs.step)
        return span(map(self.window_at, chain(near, far)))

    def _after_whole(self, axis: WholeAxis) -> ReceptiveField:
        if axis.outputs == 1 and not axis.has_own:
            return self.after(Parts(axis.size, 1))
        constant = self._whole(axis.size)
        if axis.has_own:
            return self._replace(constant=constant)
        return ReceptiveField.of_constant(constant)

    def _whole(self, size: int) -> Interval:
        """Return the interval that all outputs of a map of this size together depend on."""
        return span((self._span_of(range(size)), self.constant))

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
        start = self.start + center * self.jump
        return self._replace(phases=phases, step=step, start=start)

    def _after_resampling(self, axis: Resampling) -> ReceptiveField:
        """Output v depends on the positions around first + v·step."""
        if axis.size == 1 < axis.outputs:
            return ReceptiveField.of_constant(self.at(0))
        bounds = [axis.bounds(output) for output in range(min(axis.period, MAX_PARTS))]
        scale = Fraction(axis.step, axis.denominator)
        # Twice the distance of the taps' center from where v·step would be, of all phases together.
        doubled = sum(taps[0] + taps[-1] for taps in bounds)
        center = Fraction(doubled, 2 * len(bounds)) - scale * Fraction(len(bounds) - 1, 2)
        jump = self.jump * scale
        ends = (axis.bounds(0), axis.bounds(axis.outputs - 1))
        count = axis.period * (
            len(self.phases) // math.gcd(len(self.phases), int(scale * axis.period))
        )
        if count < axis.outputs and all(taps[0] < axis.size and taps[-1] >= 0 for taps in ends):
            step = jump * count
        else:  # without a period, or one that the ends do not keep
            count = axis.outputs
            step = Fraction(math.ceil(jump * count))
        if count > MAX_PARTS:
            raise LimitError(f"resampled to {count} positions: the most is {MAX_PARTS}")
        phases = tuple(self._span_of(taps_within(axis.bounds(v), axis.size)) for v in range(count))
        start = self.start + center * self.jump
        return self._replace(phases=phases, step=int(step), start=start, is_resampled=True)

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
        start = self.start + center * self.jump
        return self._replace(phases=phases, step=int(step), start=start)

    def _after_window_of_one_phase(self, axis: Axis, first: int, last: int) -> ReceptiveField:
        """As `_after_window`, where no transposed convolution came before."""
        reach = axis.effective_kernel - 1
        left, right = -axis.before * self.step, (reach - axis.before) * self.step
        start = self.start if left == -right else self.start + Fraction(left + right, 2)
        phases = ((first + left, last + right),)
        return self._replace(phases=phases, step=self.step * axis.stride, start=start)

    def _after_transposed(self, axis: Axis) -> ReceptiveField:
        count = len(self.phases) * axis.stride
        if count > MAX_PHASES:
            raise LimitError(f"upsampling by more than {MAX_PHASES} in all is not followed")
        phases = tuple(self._span_of(contributing_inputs(axis, output)) for output in range(count))
        jump = self.jump / axis.stride
        center = axis.before - Fraction(axis.effective_kernel - 1, 2)
        return self._replace(phases=phases, start=self.start + center * jump)


def _check_phases(count: int, lookups: int = 1) -> None:
    if count > max(MAX_PHASES, MAX_LOOKUPS // lookups):
        raise LimitError("its outputs see in too many different ways to be told apart")


def taps_within(taps: range, size: int) -> range:
    """Return taps; of those that lie beyond an end altogether, the position at the end."""
    if taps[-1] < 0:
        return range(1)
    return taps if taps[0] < size else range(size - 1, size)


def union(branches: Sequence[ReceptiveField], outputs: int | None = None) -> ReceptiveField:
    """Return the receptive field of a join: the union of those of its branches.

    Parameters
    ----------
    branches : sequence of ReceptiveField
    outputs : int, optional
        The number of outputs, by which jumps may differ of which one is that of a resampled map.

    Raises
    ------
    JumpError
        If the branches have different jumps, so that their outputs drift apart.
    """
    first = branches[0]
    if all(branch == first for branch in branches):
        return first
    constant = span(branch.constant for branch in branches)
    branches = [branch for branch in branches if branch.slides]
    if not branches:
        return ReceptiveField.of_constant(constant)
    first = min(branches, key=lambda branch: branch.is_resampled)
    is_resampled = any(branch.is_resampled for branch in branches)
    count = math.lcm(*(len(branch.phases) for branch in branches))
    if not have_one_jump(branches):
        if outputs is None or not is_resampled:
            raise JumpError(f"its branches have {_list_jumps(branches)}: their outputs drift apart")
        count = -(-outputs // len(first.phases)) * len(first.phases)  # each by itself
    _check_phases(count)
    phases = tuple(span(branch.window_at(output) for branch in branches) for output in range(count))
    joined = ReceptiveField(
        phases, int(first.jump * count), first.start, constant=constant, is_resampled=is_resampled
    )
    if have_one_jump(branches) and all(branch.start == first.start for branch in branches):
        return joined._replace(aligned=all(branch.aligned for branch in branches))
    padding = max(branch.effective_padding for branch in branches)
    start = Fraction(joined.receptive_field - 1, 2) - padding
    return joined._replace(start=start, aligned=False)


def have_one_jump(branches: Sequence[ReceptiveField]) -> bool:
    """Return whether all branches have the same jump."""
    step, count = branches[0].step, len(branches[0].phases)
    return all(branch.step * count == step * len(branch.phases) for branch in branches)


def distinct_jumps(branches: Sequence[ReceptiveField]) -> list[Fraction]:
    """Return the different jumps of branches, in order."""
    different = {(branch.step, len(branch.phases)): branch for branch in branches}
    return sorted({branch.jump for branch in different.values()})


def distinct_starts(branches: Sequence[ReceptiveField]) -> list[Fraction]:
    """Return the different starts of branches, in order."""
    # Most share one number, of which the identity is found out faster.
    return sorted({*{id(branch.start): branch.start for branch in branches}.values()})


def _list_jumps(branches: Sequence[ReceptiveField]) -> str:
    return f"different jumps, {' and '.join(map(str, distinct_jumps(branches)))}"


def union_at_one_position(branches: Sequence[ReceptiveField]) -> ReceptiveField:
    """Return the receptive field of a join of maps of one position, whatever their jumps.

    >>> coarse, fine = (ReceptiveField.of_input().after(Axis(8, size, size)) for size in (8, 4))
    >>> union_at_one_position([coarse, fine]).jump
    Fraction(8, 1)
    """
    sliding = [branch for branch in branches if branch.slides]
    if not sliding or have_one_jump(sliding):
        return union(branches)
    jump = max(branch.jump for branch in branches)
    own = span(branch.window_at(0) for branch in branches)
    center = Fraction(0) if own is None else Fraction(sum(own), 2)
    constant = span(branch.constant for branch in branches)
    return ReceptiveField((own,), math.ceil(jump), center, aligned=False, constant=constant)
