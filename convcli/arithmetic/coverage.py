"""Which positions of the input the outputs of a map really depend on, along one axis.

The receptive field of an output counts what lies between its first and its last position, padding
included. What it depends on is less: of padding, on nothing; of rows that a stride drops or a crop
cuts off, on nothing either, though a window after them reaches there; and a dilated window leaves
holes. As long as windows leave none, what an output depends on is its window within the positions
that reach the map at all; otherwise it is followed position by position.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeAlias

from convcli.arithmetic.fields import Fields, fields_of_input
from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import Interval, clip, contains, merge, span
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.operations import AxisMap, Resampling, WholeAxis
from convcli.arithmetic.positions import bits_of, follow_positions, union_of, width_of
from convcli.arithmetic.receptive_field import ReceptiveField, have_one_jump
from convcli.arithmetic.values import Pair, Shape, map_size
from convcli.records import NamedTuple

MAX_STEPS = 1 << 21  # of following single positions; beyond, what is between them counts as well
STEP_BITS = 1 << 9  # of a set of positions that one step takes


class Seen(NamedTuple):
    """What the outputs of a map depend on.

    Parameters
    ----------
    reach : (first, last), optional
        The positions of the input that reach the map's windows.
    live : (first, last), optional
        The outputs that depend on any; None if none does.
    constant : (first, last), optional
        What every live output depends on besides the window that slides.
    masks : tuple of int, optional
        The positions of each output, as bits, where they are not its window within `reach`.
    """

    reach: Interval
    live: Interval
    constant: Interval = None
    masks: tuple[int, ...] | None = None

    @classmethod
    def of_input(cls, size: int) -> Seen:
        """Return that of the input itself."""
        return cls((0, size - 1), (0, size - 1))

    def coverage(self, field: ReceptiveField) -> int:
        """Return the largest number of positions of the input that an output depends on."""
        if self.masks is not None:
            return max(mask.bit_count() for mask in self.masks)
        if self.live is None or self.reach is None:
            return 0
        (first, last), count = self.live, len(field.phases)
        if self.constant is None and count == 1 and field.phases[0] is not None:
            return self._count_of_one_phase(field.phases[0], field.step)
        outputs = {first, last}
        for index, phase in enumerate(field.phases[: last - first + 1 if first == 0 else None]):
            if phase is None:
                outputs.add(min(max(index, first), last))
                continue
            # The overlap grows until the window reaches an end, then shrinks; so does what it adds
            # to the constant.
            start, end = self.constant or self.reach
            bounds = {self.reach[0] - phase[0], self.reach[1] - phase[1]}
            bounds |= {start - 1 - phase[1], end + 1 - phase[0]}
            lowest, highest = -(-(first - index) // count), (last - index) // count
            if lowest > highest:
                continue
            for bound in bounds:
                for period in (bound // field.step, bound // field.step + 1):
                    outputs.add(index + min(max(period, lowest), highest) * count)
        return max(self._count_at(field, output) for output in outputs)

    def _count_of_one_phase(self, phase: Pair, step: int) -> int:
        """As `coverage`, of windows alike without a constant."""
        (start, end), (first, last), most = self.reach or (0, -1), self.live or (0, -1), 0
        # The overlap grows until the window reaches an end, then shrinks.
        for bound in ((start - phase[0]) // step, (end - phase[1]) // step):
            for output in (bound, bound + 1):
                shift = (first if output < first else min(output, last)) * step
                count = min(phase[1] + shift, end) - max(phase[0] + shift, start) + 1
                most = max(most, count)
        return most

    def _count_at(self, field: ReceptiveField, output: int) -> int:
        return sum(last - first + 1 for first, last in self.intervals(field, output))

    def intervals(self, field: ReceptiveField, output: int) -> list[Pair]:
        """Return the positions that an output depends on, as intervals apart; without masks."""
        if self.live is None or not self.live[0] <= output <= self.live[1]:
            return []
        window = clip(field.window_at(output), self.reach)
        return merge(filter(None, (window, self.constant)))


Branch: TypeAlias = tuple[Seen, ReceptiveField, int]  # of a join, with its number of positions
SeenPair: TypeAlias = tuple[Seen, Seen]  # along the rows, along the columns


class MapState(NamedTuple):
    """What is known of the output of a layer, or of an input: see `LayerReport`."""

    shape: Shape
    fields: Fields | Any  # None if they are unknown
    seen: SeenPair | Any
    is_map: bool
    input_size: Pair
    origins: frozenset[str]  # the names of the inputs that it depends on

    @classmethod
    def of_input(cls, shape: Shape, name: str) -> MapState:
        """Return that of an input of the network."""
        height, width = size = map_size(shape)
        rows = Seen.of_input(height)
        seen = rows, rows if height == width else Seen.of_input(width)
        return cls(shape, fields_of_input(), seen, True, size, frozenset([name]))


class CoverageOfWalk:
    """Follows what the outputs of each layer depend on, with a bound on the time of a walk."""

    def __init__(self) -> None:
        self._steps = 0
        # Of repeated layers after which the sets of positions are the same.
        self._known: dict[tuple[int, AxisMap], tuple[tuple[int, ...], tuple[int, ...]]] = {}
        self._holes: dict[int, tuple[tuple[int, ...], bool]] = {}
        self._last: tuple[SeenPair, Fields, Pair] | None = None  # what was counted last

    def of_layer(
        self,
        layer: Layer,
        axes: tuple[AxisMap, AxisMap] | None,
        took: Sequence[MapState],
        output: Shape,
        fields: Fields,
    ) -> SeenPair:
        """Return what the outputs of a layer depend on, along both axes.

        Parameters
        ----------
        layer : Layer
        axes : (AxisMap, AxisMap), optional
        took : sequence of MapState
            The maps that it takes.
        output : Shape
        fields : Fields
            Of the outputs.
        """
        is_join = layer.operation.is_join
        if axes is None and not is_join and (len(took[0].shape) == len(output) or len(output) != 3):
            return took[0].seen
        inputs = [one.shape for one in took]
        before: list[Fields] = [one.fields for one in took]
        seen: list[SeenPair] = [one.seen for one in took]
        if axes is None or is_join:
            sizes, outputs = list(map(map_size, inputs)), map_size(output)
            along_rows, along_columns = (
                [
                    (one[side], field[side], size[side])
                    for one, field, size in zip(seen, before, sizes, strict=True)
                ]
                for side in (0, 1)
            )
            rows = self.join(along_rows, fields[0], outputs[0])
            is_square = along_rows == along_columns and outputs[0] == outputs[1]
            return _pair(
                rows, rows if is_square else self.join(along_columns, fields[1], outputs[1])
            )
        rows = self.after(seen[0][0], before[0][0], axes[0], fields[0])
        if fields[0] is fields[1] and axes[0] == axes[1] and seen[0][0] == seen[0][1]:
            return rows, rows
        return _pair(rows, self.after(seen[0][1], before[0][1], axes[1], fields[1]))

    def count(self, seen: SeenPair, fields: Fields) -> Pair:
        """Return the largest number of rows and of columns that an output depends on."""
        if self._last is not None and self._last[0] is seen and self._last[1] is fields:
            return self._last[2]
        rows = seen[0].coverage(fields[0])
        is_square = seen[0] is seen[1] and fields[0] is fields[1]
        counts = rows, rows if is_square else seen[1].coverage(fields[1])
        self._last = seen, fields, counts
        return counts

    def has_holes(self, seen: SeenPair) -> bool:
        """Return whether an output depends on nothing of some positions between others."""
        if seen[0].masks is seen[1].masks is None:
            return False
        for masks in (seen[0].masks, seen[1].masks):
            if masks is not None:
                if id(masks) not in self._holes:
                    has_holes = any(width_of(mask) > mask.bit_count() for mask in masks)
                    self._holes[id(masks)] = masks, has_holes
                if self._holes[id(masks)][1]:
                    return True
        return False

    def after(
        self, seen: Seen, before: ReceptiveField, axis: AxisMap, field: ReceptiveField
    ) -> Seen:
        """Return what the outputs of an operation over a map depend on.

        Parameters
        ----------
        seen : Seen
            Of the map.
        before, field : ReceptiveField
            Of the map and of the outputs.
        axis : AxisMap
        """
        if seen.live is None:
            return seen
        found = _follow_windows(seen, before, axis, field) if seen.masks is None else None
        if found is not None:
            return found
        outputs = axis.output if isinstance(axis, Axis) else axis.outputs
        taps = axis.kernel if isinstance(axis, Axis) else -(-2 * axis.size // outputs)
        masks = self._masks(seen, before, axis.size, outputs * taps)
        if masks is None:
            return _widen(seen, outputs)
        known = self._known.get((id(masks), axis))
        if known is None:
            found_masks = tuple(follow_positions(masks, axis, outputs))
            known = masks, masks if found_masks == masks else found_masks
            self._known[id(masks), axis] = known
        return _simplify(known[1], field)

    def join(self, branches: Sequence[Branch], field: ReceptiveField, outputs: int) -> Seen:
        """Return what the outputs of a join depend on.

        Parameters
        ----------
        branches : sequence of (Seen, ReceptiveField, int)
            With the number of positions of each; one is spread over all.
        field : ReceptiveField
            Of the outputs.
        outputs : int
            Their number.
        """
        if all(branch == branches[0] for branch in branches) and branches[0][2] == outputs:
            return branches[0][0]
        if all(seen.masks is None for seen, *_ in branches):
            found = _join_windows(branches, outputs)
            if found is not None:
                return found
        joined = [0] * outputs
        for seen, before, size in branches:
            masks = self._masks(seen, before, size, outputs)
            if masks is None:
                return _widen(Seen(span(one.reach for one, *_ in branches), (0, 0)), outputs)
            spread = masks * outputs if size == 1 < outputs else masks
            joined = [mask | other for mask, other in zip(joined, spread, strict=True)]
        return _simplify(tuple(joined), field)

    def _masks(
        self, seen: Seen, field: ReceptiveField, size: int, lookups: int
    ) -> tuple[int, ...] | None:
        """Return the positions of each output as bits; None if that would take too long."""
        bits = 0 if seen.reach is None else max(seen.reach[1], *(seen.constant or (0,)))
        self._steps += (size + lookups) * (1 + bits // STEP_BITS)
        if self._steps > MAX_STEPS:
            return None
        if seen.masks is not None:
            return seen.masks
        return tuple(
            sum(bits_of(interval) for interval in seen.intervals(field, output))
            for output in range(size)
        )


def _pair(rows: Seen, columns: Seen) -> SeenPair:
    """Return both; where no row is seen, no column is, either."""
    if rows.live is None or columns.live is None:
        return Seen(None, None), Seen(None, None)
    return rows, columns


def _follow_windows(
    seen: Seen, before: ReceptiveField, axis: AxisMap, field: ReceptiveField
) -> Seen | None:
    """Return what windows without holes depend on; None if that cannot be told without masks."""
    if isinstance(axis, WholeAxis) and axis.outputs > 1:
        return _follow_whole(seen, before, axis)
    live = _live_outputs(seen, before, axis)
    if live is None:
        return None
    if live[0] > live[1]:
        return Seen(None, None)
    if not field.slides:
        constant = span((seen.constant, clip(before.window_at(0), seen.reach)))
        return Seen(seen.reach, live, constant)
    first, last = field.window_at(live[0]), field.window_at(live[1])
    reach = clip(first and last and (first[0], last[1]), seen.reach)
    return None if reach is None else Seen(reach, live, seen.constant)


def _follow_whole(seen: Seen, before: ReceptiveField, axis: WholeAxis) -> Seen | None:
    is_whole = seen.live == (0, axis.size - 1) and _is_gapless(before, 1, axis.size)
    if not is_whole:
        return None
    window = clip(span((before.window_at(0), before.window_at(axis.size - 1))), seen.reach)
    constant = merge(filter(None, (window, seen.constant)))
    if len(constant) != 1:
        return None
    live = seen.live if axis.has_own else (0, axis.outputs - 1)
    return Seen(seen.reach, live, constant[0])


def _live_outputs(seen: Seen, before: ReceptiveField, axis: AxisMap) -> Pair | None:
    """Return the first and the last output that depends on anything.

    None if windows leave holes, or if those at the border of the map do.
    """
    live = seen.live or (0, -1)
    is_whole = live == (0, axis.size - 1)
    if not isinstance(axis, Axis):
        has_one_tap = isinstance(axis, Resampling) and axis.taps not in ("linear", "cubic")
        is_known = is_whole and (has_one_tap or _is_gapless(before, 1, axis.size))
        return (0, axis.outputs - 1) if is_known else None
    kernel, stride, pad = axis.effective_kernel, axis.stride, axis.before
    outputs = axis.output
    if axis.transposed:
        is_dense = axis.dilation == 1 and axis.kernel >= stride
        if not is_dense or not (axis.kernel == stride or _is_gapless(before, 1, axis.size)):
            return None
        first, last = live[0] * stride - pad, live[1] * stride + kernel - 1 - pad
    else:
        is_dense = axis.dilation == 1
        if not is_dense:
            end = (outputs - 1) * stride - pad + kernel
            is_dense = is_whole and pad <= 0 and end <= axis.size
        if axis.kernel > 1 and not (is_dense and _is_gapless(before, axis.dilation, axis.size)):
            is_hit = is_whole and axis.dilation <= axis.size  # every window has a tap on the map
            if not (is_hit and _sees_all(seen, before)):
                return None
        first, last = -(-(live[0] + pad - kernel + 1) // stride), (live[1] + pad) // stride
    return max(first, 0), min(last, outputs - 1)


def _sees_all(seen: Seen, field: ReceptiveField) -> bool:
    """Return whether each live output depends on all positions that any does."""
    if len(field.phases) > 1 or seen.live is None or seen.reach is None:
        return False
    first, last = field.window_at(seen.live[0]), field.window_at(seen.live[1])
    if first is None or last is None:
        return not field.slides
    return last[0] <= seen.reach[0] and seen.reach[1] <= first[1]


def _is_gapless(field: ReceptiveField, distance: int, outputs: int) -> bool:
    """Return whether windows of outputs so far apart touch, and always move forward."""
    if outputs == 1 or not field.slides:
        return True
    if len(field.phases) == 1:
        phase = field.phases[0]
        return phase is not None and distance * field.step <= phase[1] - phase[0] + 1
    for output in range(min(len(field.phases), outputs - 1)):
        window, following = field.window_at(output), field.window_at(output + 1)
        if window is None or following is None:
            return False
        if following[0] < window[0] or following[1] < window[1]:
            return False
        reached = field.window_at(output + distance)
        if output + distance < outputs and (reached is None or reached[0] > window[1] + 1):
            return False
    return True


def _join_windows(branches: Sequence[Branch], outputs: int) -> Seen | None:
    """Return the union of branches without masks; None if it has to be followed with them."""
    live = [branch for branch in branches if branch[0].live is not None]
    maps = [(seen, field) for seen, field, size in live if size > 1 or outputs == 1]
    spread = [seen.intervals(field, 0) for seen, field, size in live if 1 == size < outputs]
    constants = merge(
        (*chain(*spread), *(seen.constant for seen, _ in maps if seen.constant is not None))
    )
    whole = 0, outputs - 1
    if constants and (len(constants) > 1 or any(seen.live != whole for seen, _ in maps)):
        return None
    constant = constants[0] if constants else None
    windows = [(seen, field) for seen, field in maps if field.slides]
    if not windows:
        return Seen(constant, whole if constants else None, constant)
    return _join_sliding(windows, constant, outputs)


def _join_sliding(
    windows: Sequence[tuple[Seen, ReceptiveField]], constant: Interval, outputs: int
) -> Seen | None:
    """Return the union of windows that slide, where they are one window at each output."""
    period = min(math.lcm(*(len(field.phases) for _, field in windows)), outputs)
    if not have_one_jump([field for _, field in windows]):  # of resampled maps
        period = outputs
    largest = max(windows, key=lambda window: window[1].receptive_field)
    others = [window for window in windows if not _is_inside(window, largest, period)]
    seen = largest[0]
    if any((one.reach, one.live) != (seen.reach, seen.live) for one, _ in others):
        return None
    fields = [largest[1], *(field for _, field in others)]
    for output in range(period if others else 0):
        found = [field.window_at(output) for field in fields]
        if len(merge(filter(None, found))) > 1:
            return None
    return Seen(seen.reach, seen.live, constant)


def _is_inside(
    window: tuple[Seen, ReceptiveField], larger: tuple[Seen, ReceptiveField], period: int
) -> bool:
    """Return whether what each output depends on in one branch it depends on in another, too."""
    (seen, field), (whole, around) = window, larger
    return window is larger or (
        contains(whole.reach, seen.reach)
        and contains(whole.live, seen.live)
        and all(
            contains(around.window_at(output), field.window_at(output)) for output in range(period)
        )
    )


def _simplify(masks: tuple[int, ...], field: ReceptiveField) -> Seen:
    """Return sets of positions as windows without holes, where they are that."""
    union = union_of(masks)
    if not union:
        return Seen(None, None)
    reach = (union & -union).bit_length() - 1, union.bit_length() - 1
    live = [output for output, mask in enumerate(masks) if mask]
    found = Seen(reach, (live[0], live[-1]))
    if field.constant is None and all(
        mask == sum(map(bits_of, found.intervals(field, output)))
        for output, mask in enumerate(masks)
    ):
        return found
    return Seen(reach, found.live, masks=masks)


def _widen(seen: Seen, outputs: int) -> Seen:
    """Return at least what the outputs depend on, where to follow each position takes too long."""
    if seen.live is None:
        return seen
    constant = seen.constant if seen.masks is None else None
    return Seen(seen.reach, (0, outputs - 1), constant)
