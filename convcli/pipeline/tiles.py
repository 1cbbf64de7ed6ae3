"""Run a network in tiles, on exactly the parts of every map that a tile of the output depends on.

For a tile of the output, the part of every earlier map that it depends on is found backwards, a
layer after the other, along the rows and along the columns. Then every layer runs on its part: at
the borders of the map with the padding that it has there, inside with the neighbors themselves. So
the result is that of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import input_interval
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import INPUT, format_layer
from convcli.arithmetic.operations import AxisMap, Resampling
from convcli.arithmetic.values import NO_PADDING, Pair, Shape, padding_value
from convcli.engine.arrays import Array
from convcli.engine.padding import source_positions
from convcli.errors import ArgumentError, LimitError
from convcli.pipeline.network.execute import run_schedule
from convcli.pipeline.network.schedule import Schedule, Slices, Task, View
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pipeline.network.weights import PreparedWeights

MAX_TILES = 1 << 16
MAX_STRETCHES = 1 << 19  # of all tiles along the rows and along the columns
_IDENTITY = Layer("identity")
_SHIFTS = ("pad", "crop")  # whose outputs are inputs and padding: there is nothing to compute

_AxisMaps: TypeAlias = tuple[AxisMap, AxisMap] | None  # None: each output on its own position
Span: TypeAlias = Pair  # the first and the last position of a part, along one axis


class Stretch(NamedTuple):
    """What a task takes and makes along one axis, so that some of its outputs are known.

    Parameters
    ----------
    inputs : tuple of (first, last)
        The part of each input.
    outputs : (first, last)
        That it computes of them; maybe more than are needed.
    pads : (before, after)
        The padding of the input's part; of a transposed convolution, what is cut off the output.
    extra : int
        The output padding.
    positions : ndarray, optional
        Of the first input's part, those that its padded part consists of; None if `pads` say it.
    resampling : Resampling, optional
        Of the input's part, where the axis is resampled.
    """

    inputs: tuple[Span, ...]
    outputs: Span
    pads: Pair = (0, 0)
    extra: int = 0
    positions: Array | None = None
    resampling: Resampling | None = None


class AxisTile(NamedTuple):
    """A tile along one axis.

    Parameters
    ----------
    spans : mapping
        The part of every map, by the index of the layer.
    stretches : mapping
        Of every task, by its layer's index.
    """

    spans: Mapping[int, Span]
    stretches: Mapping[int, Stretch]


class TilePlan:
    """The tiles of an output.

    Parameters
    ----------
    schedule : Schedule
        For one output.
    tile : int
        The side of a tile, in positions of the network's first input.

    Attributes
    ----------
    rows, columns : list of AxisTile

    Raises
    ------
    ArgumentError
        If a layer depends on its whole input, or has a flat output, with its name.
    LimitError
        For more than `MAX_TILES` tiles.
    """

    def __init__(self, schedule: Schedule, tile: int) -> None:
        self.schedule = schedule
        axes = {task.number: _find_axes(task, schedule.shapes) for task in schedule.tasks}
        output, source = schedule.shapes[schedule.targets[0]], schedule.shapes[INPUT]
        sides = [max(tile * output[axis] // source[axis], 1) for axis in (1, 2)]
        counts = [-(-output[axis + 1] // side) for axis, side in enumerate(sides)]
        if prod(counts) > MAX_TILES or sum(counts) * len(schedule.tasks) > MAX_STRETCHES:
            raise LimitError(
                f"{prod(counts):,} tiles of {tile} are too many: the most is {MAX_TILES:,}, and "
                "less for a network of many layers; take larger ones"
            )
        self.rows, self.columns = (
            [
                plan_axis(schedule, axes, axis, (first, min(first + side, output[axis]) - 1))
                for first in range(0, output[axis], side)
            ]
            for axis, side in zip((1, 2), sides, strict=True)
        )

    @property
    def count(self) -> int:
        """The number of tiles."""
        return len(self.rows) * len(self.columns)

    @property
    def overlap(self) -> Pair:
        """The most rows and columns of the first input that a tile shares with the next."""
        rows, columns = (
            [one.spans[INPUT][1] - other.spans[INPUT][0] + 1 for one, other in pairwise(tiles)]
            for tiles in (self.rows, self.columns)
        )
        return max(0, *rows, 0), max(0, *columns, 0)

    def peak_values(self) -> int:
        """Return the most values that a tile takes at a time, as `Schedule.peak_values`."""
        rows, columns = (
            {index: max(size_of(tile.spans[index]) for tile in tiles) for index in tiles[0].spans}
            for tiles in (self.rows, self.columns)
        )
        shapes = {
            index: (shape[0], rows[index], columns[index]) if index in rows else shape
            for index, shape in self.schedule.shapes.items()
        }
        return self.schedule._replace(shapes=shapes).peak_values()

    def middle_schedule(self) -> Schedule:
        """Return the schedule of the tile in the middle, as large as most are."""
        middle = self.rows[len(self.rows) // 2], self.columns[len(self.columns) // 2]
        return self._tile_schedule(*middle)

    def run(self, inputs: Mapping[int, Array], weights: PreparedWeights) -> Array:
        """Return the output.

        Parameters
        ----------
        inputs, weights
            As in `run_schedule`.
        """
        target = self.schedule.targets[0]
        output = np.empty(self.schedule.shapes[target], np.result_type(*inputs.values()))
        for rows, columns in product(self.rows, self.columns):
            parts = {
                index: values[(slice(None), *_slices(rows.spans[index], columns.spans[index]))]
                for index, values in inputs.items()
                if index in rows.spans
            }
            tile = self._tile_schedule(rows, columns)
            place = _slices(rows.spans[target], columns.spans[target])
            output[(slice(None), *place)] = run_schedule(tile, parts, weights)[target]
        return output

    def _tile_schedule(self, rows: AxisTile, columns: AxisTile) -> Schedule:
        """Return the schedule of one tile: its tasks run on parts, with their own padding."""
        shapes = {
            index: (self.schedule.shapes[index][0], size_of(span), size_of(columns.spans[index]))
            for index, span in rows.spans.items()
        }
        tasks = tuple(_cut_task(task, rows, columns) for task in self.schedule.tasks)
        return self.schedule._replace(tasks=tasks, shapes=shapes)


def plan_axis(
    schedule: Schedule, axes: Mapping[int, _AxisMaps], axis: int, outputs: Span
) -> AxisTile:
    """Find the part of every map that some positions of the output depend on, along one axis.

    Parameters
    ----------
    schedule : Schedule
    axes : mapping
        How the outputs of every task depend on its inputs, by its layer's index.
    axis : int
        1 for the rows, 2 for the columns.
    outputs : (first, last)
    """
    spans, stretches = {schedule.targets[0]: outputs}, {}
    for task in reversed(schedule.tasks):
        shapes = [schedule.shapes[index] for index in (*task.inputs, *task.like)]
        both = axes[task.number]
        found = find_stretch(task.layer, both and both[axis - 1], spans[task.output])
        # What a join spreads over the other inputs has one position.
        is_join = task.layer.operation.is_join
        parts = tuple(
            (0, 0) if is_join and shape[axis] == 1 else found.inputs[0]
            for shape in shapes[: len(task.inputs)]
        )
        stretches[task.number] = found._replace(inputs=parts)
        for index, (first, last) in zip(task.inputs, parts, strict=True):
            known = spans.get(index, (first, last))
            spans[index] = min(known[0], first), max(known[1], last)
    return AxisTile(spans, stretches)


def find_stretch(layer: Layer, axis: AxisMap | None, outputs: Span) -> Stretch:
    """Return what a layer takes and makes along one axis, so that some outputs are known."""
    if isinstance(axis, Resampling):
        return _of_resampling(axis, outputs)
    if not isinstance(axis, Axis):
        return Stretch((outputs,), outputs)
    if not axis.transposed:
        return _of_window(axis, layer.mode, outputs)
    return _of_transposed(axis, outputs) if layer.operation.is_window else _of_block(axis, outputs)


def size_of(span: Span) -> int:
    """Return the number of positions of a part."""
    return span[1] - span[0] + 1


def _of_window(axis: Axis, mode: str, outputs: Span) -> Stretch:
    size, stride, before = axis.size, axis.stride, axis.before
    # Windows of padding alone are computed with those between them and the map.
    first = min(outputs[0], (size - 1 + before) // stride)
    last = max(outputs[1], -((axis.effective_kernel - 1 - before) // stride))
    start, stop = first * stride - before, last * stride - before + axis.effective_kernel - 1
    if padding_value(mode) is None and (start < 0 or stop >= size):  # values of the map itself
        sources = source_positions(np.arange(start, stop + 1), size, mode)
        part = int(sources.min()), int(sources.max())
        return Stretch((part,), (first, last), positions=sources - part[0])
    # With `ceil`, the last window may reach beyond the padding: not even a pool's mean counts that.
    padded_stop = min(stop, size - 1 + axis.after)
    after = max(padded_stop - (size - 1), 0)
    if axis.ceil_mode and last * stride - before >= size:
        after += stride  # a last window that starts in the padding is left out: not this one
    pads = max(-start, 0), after
    return Stretch(((max(start, 0), min(stop, size - 1)),), (first, last), pads)


def _of_transposed(axis: Axis, outputs: Span) -> Stretch:
    first, last = (output + axis.before for output in outputs)
    found = input_interval(axis, outputs) or (axis.size - 1, 0)
    # Each input starts `stride` further on: so what is cut off before the outputs is not negative.
    start = min(max(min(found[0], first // axis.stride), 0), axis.size - 1)
    stop = min(last // axis.stride, axis.size - 1)
    whole = (stop - start) * axis.stride + axis.effective_kernel
    before = first - start * axis.stride
    after = whole - before - size_of(outputs)
    return Stretch(((start, stop),), outputs, (before, max(after, 0)), max(-after, 0))


def _of_block(axis: Axis, outputs: Span) -> Stretch:
    """Of an operation that makes `stride` outputs of every input, from it and its neighbors."""
    found = input_interval(axis, outputs) or (axis.size - 1, 0)
    start, stop = max(found[0], 0), min(found[1], axis.size - 1)
    return Stretch(((start, stop),), (start * axis.stride, (stop + 1) * axis.stride - 1))


def _of_resampling(axis: Resampling, outputs: Span) -> Stretch:
    taps = input_interval(axis, outputs) or (0, 0)
    start, stop = (min(max(tap, 0), axis.size - 1) for tap in taps)
    first = axis.first + outputs[0] * axis.step - start * axis.denominator
    part = axis._replace(size=size_of((start, stop)), outputs=size_of(outputs), first=first)
    return Stretch(((start, stop),), outputs, resampling=part)


def _find_axes(task: Task, shapes: Mapping[int, Shape]) -> _AxisMaps:
    """Return how the outputs of a task depend on its inputs, which are to be cut into parts."""
    before = [shapes[index] for index in (*task.inputs, *task.like)]
    layer = task.layer
    axes = layer.operation.axes(layer, before)
    is_map = all(len(shape) == 3 for shape in (*before, shapes[task.output]))
    if is_map and (axes is None or all(isinstance(axis, Axis | Resampling) for axis in axes)):
        return axes
    text = format_layer(layer._replace(name=None, sources=()))
    raise ArgumentError(
        f"layer {task.name} ({text}) depends on its whole input, of which a tile is a part: "
        "run without tiles, or ask for a layer before it"
    )


def _cut_task(task: Task, tile_rows: AxisTile, tile_columns: AxisTile) -> Task:
    """Return a task that makes a tile's part of its output from the parts of its inputs."""
    layer = task.layer
    rows, columns = tile_rows.stretches[task.number], tile_columns.stretches[task.number]
    pads, view_pads = (rows.pads, columns.pads), NO_PADDING
    if layer.op in _SHIFTS:
        layer, view_pads = _IDENTITY._replace(mode=layer.mode), pads
    elif layer.op == "reshape":  # of channels alone: positions stay
        sides = size_of(rows.outputs), size_of(columns.outputs)
        layer = layer.with_values(shape=(layer.value("shape")[0], *sides))
    elif layer.operation.is_window:
        layer = layer.with_values(padding=pads, output_padding=(rows.extra, columns.extra))
    inputs = tuple(
        _slices(
            _within(rows.inputs[number], tile_rows.spans[index]),
            _within(columns.inputs[number], tile_columns.spans[index]),
        )
        for number, index in enumerate(task.inputs)
    )
    output = _slices(
        _within(tile_rows.spans[task.output], rows.outputs),
        _within(tile_columns.spans[task.output], columns.outputs),
    )
    resampling = None
    if rows.resampling is not None and columns.resampling is not None:
        resampling = rows.resampling, columns.resampling
    view = View(inputs, (rows.positions, columns.positions), view_pads, output, resampling)
    return task._replace(layer=layer, like=(), view=view)


def _within(part: Span, whole: Span) -> Span:
    """Return where a part lies in another."""
    return part[0] - whole[0], part[1] - whole[0]


def _slices(rows: Span, columns: Span) -> Slices:
    return slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1)
