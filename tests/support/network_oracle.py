"""What a network sees of its input, by marking it: no formula, windows slid and taps listed.

Along one axis, a map is a list of sets of marks (bits of an integer): the input positions that each
output depends on. A window operation lays its taps on the padded list, place after place; a
transposed one paints its taps for every position. Padding carries a mark of its own, so that an
output which met none is known to be in the open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod
from typing import NamedTuple

from hypothesis import assume
from hypothesis import strategies as st
from support.oracles import PADDING_NAMES, count_windows, sides_of_axis, span

from convcli.arithmetic.layers import Layer

Marks = int
Seen = tuple[int, int] | None  # first and last input position

PADDING: Marks = 1  # the mark of what is no input; input position i has bit i + 1
WINDOWS = ("conv", "maxpool", "avgpool")
JOINS = ("add", "concat")
UNCHANGED = ("relu", "abs", "tanh", "sigmoid", "leaky-relu", "bn", "dropout", "magnitude")


class EmptyMapError(Exception):
    """Nothing is left of a map."""


class Sides(NamedTuple):
    before: int
    after: int


@dataclass(frozen=True)
class Step:
    """What was done to one map along one axis, its padding or margin in numbers."""

    sides: Sides
    dropped: int


# ---- one operation -----------------------------------------------------------------------------


def slide(cells: list[Marks], layer: Layer, axis: int, sides: Sides) -> tuple[list[Marks], int]:
    """Lay the window's taps on the padded cells, place after place; and what is left over."""
    kernel, stride, gap = _numbers(layer, axis)
    padded = [PADDING] * sides.before + cells + [PADDING] * sides.after
    places = count_windows(len(cells), kernel, stride, sides, gap, ceil=layer.ceil)
    reach = span(kernel, gap)
    if layer.ceil and not places and reach - len(padded) < stride:
        places = 1  # the only window, over less than it spans
    padded += [PADDING] * reach * stride  # where a pool rounds up
    out, end = [], 0
    for start in range(0, places * stride, stride):
        out.append(_union(padded[start + tap] for tap in range(0, reach, gap)))
        end = start + reach
    return out, max(sides.before + len(cells) + sides.after - end, 0)


def paint(cells: list[Marks], layer: Layer, axis: int, sides: Sides) -> list[Marks]:
    """Paint the taps once for every cell; beyond the ends there is padding that paints, too."""
    kernel, stride, gap = _numbers(layer, axis)
    reach, extra = span(kernel, gap), layer.output_padding[axis]
    beyond = reach + extra
    wide = [PADDING] * beyond + cells + [PADDING] * beyond
    canvas = [0] * (len(wide) * stride + reach)
    for place, marks in enumerate(wide):
        for tap in range(0, reach, gap):
            canvas[place * stride + tap] |= marks
    first = beyond * stride
    last = first + (len(cells) - 1) * stride + reach + extra
    return canvas[first + sides.before : max(last - sides.after, 0)]


def parts(cells: list[Marks], count: int) -> list[Marks]:
    """The cells that meet each of `count` equal parts of the whole."""
    out = []
    for part in range(count):
        low, high = Fraction(part * len(cells), count), Fraction((part + 1) * len(cells), count)
        met = [marks for place, marks in enumerate(cells) if place + 1 > low and place < high]
        out.append(_union(met))
    return out


# ---- a network ---------------------------------------------------------------------------------


class Marked:
    """A network over a marked input, along one axis.

    Parameters
    ----------
    layers : sequence of Layer
        As `networks` makes them.
    size : int
    axis : int
    margin : int
        How far the input goes on, on both sides; its marks start at `-margin`.
    steps : sequence of Step, optional
        What another run did: its padding and its margins in numbers.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        size: int,
        axis: int,
        *,
        margin: int = 0,
        steps: Sequence[Step] | None = None,
    ) -> None:
        self.margin = margin
        self.maps = [[2 << place for place in range(size + 2 * margin)]]  # the input's first
        self.steps: list[Step] = []
        names = {"input": 0}
        for place, layer in enumerate(layers, start=1):
            took = [names[name] for name in layer.sources] or [place - 1]
            cells = [self.maps[one] for one in took]
            like = None if layer.like is None else self.maps[names[layer.like]]
            given = None if steps is None else steps[place - 1].sides
            self.maps.append(self._step(layer, axis, cells, like, given))
            if not self.maps[-1]:
                raise EmptyMapError
            if layer.name is not None:
                names[layer.name] = place

    def _step(
        self,
        layer: Layer,
        axis: int,
        cells: list[list[Marks]],
        like: list[Marks] | None,
        given: Sides | None,
    ) -> list[Marks]:
        first, dropped, sides = cells[0], 0, given or Sides(0, 0)
        if layer.op in (*WINDOWS, "tconv"):
            sides = given or _sides(layer, axis, len(first))
        elif layer.op == "crop":
            sides = given or _margins(layer, axis, first, like)
        if layer.op in WINDOWS:
            out, dropped = slide(first, layer, axis, sides)
        elif layer.op == "tconv":
            out = paint(first, layer, axis, sides)
        elif layer.op == "crop":
            out = first[sides.before : max(len(first) - sides.after, 0)]
        elif layer.op in JOINS:
            out = [_union(column) for column in zip(*cells, strict=False)]
        elif layer.op in ("globalavgpool", "flatten"):
            out = parts(first, 1)
        elif layer.op == "adaptiveavgpool" and layer.size is not None:
            out = parts(first, layer.size[axis])
        else:
            assert layer.op in UNCHANGED, layer.op
            out = first
        self.steps.append(Step(sides, dropped))
        return out

    def seen(self, place: int, output: int) -> Seen:
        """The first and last input position that an output sees; padding left out."""
        return self._ends(self.maps[place][output] & ~PADDING)

    def met_padding(self, place: int, output: int) -> bool:
        return bool(self.maps[place][output] & PADDING)

    def _ends(self, marks: Marks) -> Seen:
        if not marks:
            return None
        first, last = (marks & -marks).bit_length() - 2, marks.bit_length() - 2
        return first - self.margin, last - self.margin


@dataclass(frozen=True)
class InTheOpen:
    """A network over an input that goes on and on: what its outputs see, padding counted.

    Each layer's outputs are those of the network itself, but its padding is input, too.
    """

    own: Marked  # over the input as it is
    wide: Marked
    offsets: tuple[int, ...]  # where each map's output 0 is in the wide one
    jumps: tuple[Fraction, ...]
    period: int  # after so many outputs all is seen as before, moved on

    def seen(self, place: int, output: int) -> Seen:
        at = self.offsets[place] + output
        assert not self.wide.met_padding(place, at)
        return self.wide.seen(place, at)

    def receptive_field(self, place: int) -> int:
        """The widest that any output sees, over as many as there are different ones."""
        return max(_width(self.seen(place, output)) for output in range(self.period))


def in_the_open(layers: Sequence[Layer], size: int, axis: int) -> InTheOpen:
    """Run a network over its input, and over one that goes on at both ends."""
    own = Marked(layers, size, axis)
    jumps = tuple(_jumps(layers, axis))
    unit = lcm(*(jump.numerator for jump in jumps))
    period = prod(layer.stride[axis] for layer in layers if layer.op == "tconv")
    margin = unit * -(-60 // unit)
    while True:
        wide = Marked(layers, size, axis, margin=margin, steps=own.steps)
        offsets = tuple(int(margin / jump) for jump in jumps)
        found = InTheOpen(own, wide, offsets, jumps, period)
        if all(_is_open(found, place) for place in range(len(jumps))):
            return found
        margin *= 2
        assert margin < 100_000, "no open place was found"


def _is_open(found: InTheOpen, place: int) -> bool:
    first = found.offsets[place]
    end = first + max(len(found.own.maps[place]), found.period)
    return end <= len(found.wide.maps[place]) and not any(
        found.wide.met_padding(place, at) for at in range(first, end)
    )


def _jumps(layers: Sequence[Layer], axis: int) -> list[Fraction]:
    """Input positions from one output to the next, by multiplying strides."""
    jumps, names = [Fraction(1)], {"input": 0}
    for place, layer in enumerate(layers, start=1):
        before = jumps[names[layer.sources[0]] if layer.sources else place - 1]
        stride = layer.stride[axis] if layer.op in WINDOWS else 1
        jumps.append(before / layer.stride[axis] if layer.op == "tconv" else before * stride)
        if layer.name is not None:
            names[layer.name] = place
    return jumps


def _width(seen: Seen) -> int:
    return 0 if seen is None else seen[1] - seen[0] + 1


def _union(marks: object) -> Marks:
    union = 0
    for one in marks:  # type: ignore[attr-defined]
        union |= one
    return union


def _numbers(layer: Layer, axis: int) -> tuple[int, int, int]:
    assert layer.kernel is not None
    return layer.kernel[axis], layer.stride[axis], layer.dilation[axis]


def _sides(layer: Layer, axis: int, size: int) -> Sides:
    """A layer's padding in numbers; `same` by trying until the size is right."""
    if not isinstance(layer.padding, str):
        return Sides(*layer.padding[axis])
    kernel, stride, gap = _numbers(layer, axis)
    if layer.op != "tconv" or layer.padding not in ("same", "same-lower"):
        return Sides(*sides_of_axis(layer.padding, size, kernel, stride, gap))
    total, painted = 0, len(paint([PADDING] * size, layer, axis, Sides(0, 0)))
    while painted - total > size * stride:
        total += 1
    if painted < size * stride:
        raise EmptyMapError  # the kernel does not span the stride: no padding does it
    small, large = sorted((total // 2, total - total // 2))
    return Sides(small, large) if layer.padding == "same" else Sides(large, small)


def _margins(layer: Layer, axis: int, cells: list[Marks], like: list[Marks] | None) -> Sides:
    if layer.margin is not None:
        return Sides(*layer.margin[axis])
    more = len(cells) - len(like or [])
    if more < 0:
        raise EmptyMapError
    return Sides(more // 2, more - more // 2)


# ---- random networks ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A network that its input fits through."""

    layers: tuple[Layer, ...]
    size: tuple[int, int]

    @property
    def upsamples(self) -> bool:
        return any(layer.op == "tconv" for layer in self.layers)

    def keeps_all(self) -> bool:
        """Nothing of a map is lost in between: no gaps, no crops, nothing dropped."""
        plain = all(
            layer.op not in ("crop", "tconv") and (layer.kernel is None or _spans(layer))
            for layer in self.layers
        )
        runs = [Marked(self.layers, self.size[axis], axis) for axis in (0, 1)]
        return plain and not any(step.dropped for run in runs for step in run.steps)


def _spans(layer: Layer) -> bool:
    """Whether windows leave no gap, inside them or between them."""
    assert layer.kernel is not None
    gapless = all(k >= s for k, s in zip(layer.kernel, layer.stride, strict=True))
    return gapless and layer.dilation == (1, 1)


@st.composite
def windows(
    draw: st.DrawFn, *, ops: Sequence[str] = (*WINDOWS, "tconv"), largest: int = 4, step: int = 3
) -> Layer:
    """A convolution, pool or transposed convolution with any padding that it may have."""
    op = draw(st.sampled_from(ops))
    steps, sides = st.integers(1, step), st.integers(0, 3)
    kernel = (draw(st.integers(1, largest)), draw(st.integers(1, largest)))
    stride = (draw(steps), draw(steps))
    gap = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3), (2, 1)]))
    names = st.sampled_from([name for name in PADDING_NAMES if name != "full"] + ["full"])
    padding = draw(st.one_of(names, st.tuples(st.tuples(sides, sides), st.tuples(sides, sides))))
    extra = (0, 0)
    if op == "tconv":
        allowed = [max(pair) for pair in zip(stride, gap, strict=True)]
        extra = (draw(st.integers(0, allowed[0] - 1)), draw(st.integers(0, allowed[1] - 1)))
    return Layer(
        op=op,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=gap,
        output_padding=extra,
        ceil=op in ("maxpool", "avgpool") and draw(st.booleans()),
    )


_side = st.tuples(st.integers(0, 3), st.integers(0, 3))
crops = st.tuples(_side, _side).map(lambda margin: Layer(op="crop", margin=margin))
pointwise = st.sampled_from(["relu", "bn", "dropout", "abs"]).map(lambda op: Layer(op=op))


@st.composite
def joins(draw: st.DrawFn, tag: int, *, ops: Sequence[str]) -> list[Layer]:
    """Two branches of equal jumps from one map, the larger cropped to the smaller, and a join."""
    fork, ends = f"fork{tag}", (f"left{tag}", f"right{tag}")
    strides = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2)]))
    layers = [Layer(op="relu", name=fork)]
    for end in ends:
        window = draw(windows(ops=ops, step=1))
        inside = [window] if draw(st.booleans()) else []
        if strides != (1, 1):
            inside.append(draw(windows(ops=("conv", "maxpool")))._replace(stride=strides))
        first, *rest = [*inside, Layer(op="relu")]
        branch = [first._replace(sources=(fork,)), *rest]
        layers += [*branch[:-1], branch[-1]._replace(name=end)]
    larger, smaller = draw(st.permutations(ends))
    cropped = Layer(op="crop", like=smaller, name=f"cut{tag}", sources=(larger,))
    sources = tuple(draw(st.permutations([f"cut{tag}", smaller])))
    return [*layers, cropped, Layer(op=draw(st.sampled_from(JOINS)), sources=sources)]


@st.composite
def networks(
    draw: st.DrawFn, *, ops: Sequence[str] = (*WINDOWS, "tconv"), most: int = 5, branch: bool = True
) -> Case:
    """A random network, and an input that it takes."""
    size = (draw(st.integers(6, 26)), draw(st.integers(6, 26)))
    layers: tuple[Layer, ...] = ()
    for tag in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(["window"] * 5 + ["crop", "pointwise"] + ["join"] * 2))
        if kind == "join" and branch:
            more = draw(joins(tag, ops=ops))
        elif kind == "crop":
            more = [draw(crops)]
        elif kind == "pointwise":
            more = [draw(pointwise)]
        else:
            more = [draw(windows(ops=ops))]
        if _runs((*layers, *more), size):
            layers = (*layers, *more)
    assume(layers)
    return Case(layers, size)


def _runs(layers: tuple[Layer, ...], size: tuple[int, int]) -> bool:
    try:
        runs = [Marked(layers, size[axis], axis) for axis in (0, 1)]
    except EmptyMapError:
        return False
    jumps = [jump for axis in (0, 1) for jump in _jumps(layers, axis)]
    small = all(jump.numerator <= 12 and jump.denominator <= 12 for jump in jumps)
    return small and all(len(cells) < 150 for run in runs for cells in run.maps)
