"""What the outputs of a map see of the network's input, along one axis.

Receptive field, jump, start and effective padding as in A. Araujo, W. Norris and J. Sim,
"Computing Receptive Fields of Convolutional Neural Networks" (Distill, 2019), with intervals kept
for every phase: after a transposed convolution, neighbouring outputs do not see alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import AxisMap, Interval, Parts, contributing_inputs, span
from convcli.errors import LimitError, ShapeError

MAX_PHASES = 512  # of a transposed convolution: so far are its outputs told apart
MAX_PARTS = 1 << 16  # of an adaptive pool
MAX_LOOKUPS = 1 << 20  # at single outputs, to work out what all phases see


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What each output of a map sees, along one axis.

    Output `q·len(phases) + r` sees `phases[r]` moved on by `q·step` input positions.

    Parameters
    ----------
    phases : tuple of (first, last) or None
        Input positions; those below 0 or beyond the input's end are padding.
    step : int
        How far the input moves on while the outputs go through all phases.
    start : Fraction
        Where output 0 is centred.
    aligned : bool
        False where a join's branches are centred differently.

    Examples
    --------
    >>> axis = Axis(size=224, kernel=7, stride=2, before=3, after=3)
    >>> seen = ReceptiveField.of_input().after(axis)
    >>> seen.receptive_field, seen.jump, seen.start
    (7, Fraction(2, 1), Fraction(0, 1))
    """

    phases: tuple[Interval, ...]
    step: int
    start: Fraction
    aligned: bool = True

    @classmethod
    def of_input(cls) -> ReceptiveField:
        """The input itself: every position sees itself."""
        return cls(((0, 0),), 1, Fraction(0))

    @property
    def jump(self) -> Fraction:
        """Input positions from one output to the next."""
        return Fraction(self.step, len(self.phases))

    @property
    def receptive_field(self) -> int:
        """Input positions that an output sees: of the phase that sees most."""
        return max((seen[1] - seen[0] + 1 for seen in self.phases if seen is not None), default=0)

    @property
    def effective_padding(self) -> Fraction:
        """How far output 0 sees beyond the input: `(rf - 1)/2 - start`."""
        return Fraction(self.receptive_field - 1, 2) - self.start

    def at(self, output: int) -> Interval:
        """What one output sees."""
        turns, phase = divmod(output, len(self.phases))
        seen = self.phases[phase]
        if seen is None:
            return None
        return seen[0] + turns * self.step, seen[1] + turns * self.step

    def after(self, axis: AxisMap) -> ReceptiveField:
        """What the outputs of an operation over this map see."""
        if isinstance(axis, Parts):
            return self._after_parts(axis)
        return self._after_transposed(axis) if axis.transposed else self._after_window(axis)

    def coverage(self, size: int, outputs: int) -> int:
        """The most positions of an input of `size` that any of so many outputs sees.

        Less than the receptive field where that reaches beyond the input on both sides.
        """
        best = 0
        for phase, seen in enumerate(self.phases):
            if seen is None or phase >= outputs:
                continue
            last_turn = (outputs - 1 - phase) // len(self.phases)
            # The overlap grows until the last position seen meets the input's end, then shrinks.
            for bound in (-seen[0], size - 1 - seen[1]):
                for turn in (bound // self.step, bound // self.step + 1):
                    moved = min(max(turn, 0), last_turn) * self.step
                    first, last = max(seen[0] + moved, 0), min(seen[1] + moved, size - 1)
                    best = max(best, last - first + 1)
        return best

    def _seen_from(self, places: range) -> Interval:
        """What several outputs see together.

        After a turn through all phases everything has moved on, so only those near the ends count.
        """
        turn = len(self.phases) * places.step
        last = places.stop - 1 - (places.stop - 1 - places.start) % places.step
        if last - places.start <= 2 * turn:
            return span(map(self.at, places))
        near = range(places.start, places.start + turn, places.step)
        far = range(last, last - turn, -places.step)
        return span(map(self.at, chain(near, far)))

    def _after_parts(self, parts: Parts) -> ReceptiveField:
        """What the means of parts of the map see, as adaptive and global pools take them."""
        size, count = parts
        if size % count == 0:  # windows side by side
            side = size // count
            return self.after(Axis(size=size, kernel=side, stride=side))
        if count > MAX_PARTS:
            raise LimitError(
                f"a pool to {count} uneven parts is too large: the most is {MAX_PARTS}"
            )
        windows = [parts.bounds(part) for part in range(count)]
        phases = tuple(self._seen_from(window) for window in windows)
        jump = self.jump * Fraction(size, count)
        middle = Fraction(windows[0][-1], 2)
        # Parts of unequal size: after a turn through all of them the whole map is passed.
        return ReceptiveField(
            phases, math.ceil(jump * count), self.start + middle * self.jump, self.aligned
        )

    def _after_window(self, axis: Axis) -> ReceptiveField:
        """A window at v meets the positions v·s - p + d·t."""
        count = len(self.phases) // math.gcd(len(self.phases), axis.stride)
        _check_phases(count, min(axis.kernel, 2 * len(self.phases)))
        starts = (v * axis.stride - axis.before for v in range(count))
        phases = tuple(
            self._seen_from(range(start, start + axis.effective_kernel, axis.dilation))
            for start in starts
        )
        centre = Fraction(axis.effective_kernel - 1, 2) - axis.before
        step = self.jump * axis.stride * count
        return ReceptiveField(phases, int(step), self.start + centre * self.jump, self.aligned)

    def _after_transposed(self, axis: Axis) -> ReceptiveField:
        """Output v meets position i where v + p - i·s is one of the taps 0, d, 2d..."""
        count = len(self.phases) * axis.stride
        if count > MAX_PHASES:
            raise LimitError(f"upsampling by more than {MAX_PHASES} in all is not followed")
        phases = tuple(self._seen_from(contributing_inputs(axis, v)) for v in range(count))
        jump = self.jump / axis.stride
        centre = axis.before - Fraction(axis.effective_kernel - 1, 2)
        return ReceptiveField(phases, self.step, self.start + centre * jump, self.aligned)


def _check_phases(count: int, looks: int = 1) -> None:
    if count > max(MAX_PHASES, MAX_LOOKUPS // looks):
        raise LimitError("its outputs see in too many different ways to be told apart")


def union(branches: Sequence[ReceptiveField]) -> ReceptiveField:
    """What the outputs of a join see: the union of what the branches see.

    Raises
    ------
    ShapeError
        Where the branches' jumps differ, so that their outputs drift apart.
    """
    jumps = {branch.jump for branch in branches}
    if len(jumps) > 1:
        found = " and ".join(map(str, sorted(jumps)))
        raise ShapeError(f"its branches have different jumps, {found}: their outputs drift apart")
    count = math.lcm(*(len(branch.phases) for branch in branches))
    _check_phases(count)
    phases = tuple(span(branch.at(v) for branch in branches) for v in range(count))
    union = ReceptiveField(phases, int(branches[0].jump * count), branches[0].start)
    starts = {branch.start for branch in branches}
    aligned = len(starts) == 1 and all(branch.aligned for branch in branches)
    if len(starts) > 1:
        padding = max(branch.effective_padding for branch in branches)
        start = Fraction(union.receptive_field - 1, 2) - padding
        return ReceptiveField(phases, union.step, start, aligned=False)
    return ReceptiveField(phases, union.step, union.start, aligned)
