"""Nodes that move values, cut some off, add some at the sides, or resample a map."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from convcli.arithmetic.values import Shape
from convcli.networks.onnx.constants import MAX_RANK, Constant
from convcli.networks.onnx.folding import slice_range, split_sizes
from convcli.networks.onnx.model import Node
from convcli.networks.onnx.reader import (
    Call,
    Converter,
    Made,
    UnknownError,
    Value,
    as_axis,
    make_layer,
)
from convcli.networks.onnx.views import View

# ---- the same values in another shape or order --------------------------------------------------


def squeezed(node: Node, shape: Shape, axes: Any) -> Shape:
    """Return the shape that `Squeeze` makes."""
    axes = node.attributes.get("axes") if axes is None else axes
    if axes is None:
        return tuple(side for side in shape if side != 1)
    dropped = {as_axis(axis, len(shape)) for axis in axes}
    return tuple(side for axis, side in enumerate(shape) if axis not in dropped)


def unsqueezed(node: Node, shape: Shape, axes: Any) -> Shape:
    """Return the shape that `Unsqueeze` makes."""
    axes = node.attributes.get("axes", ()) if axes is None else axes
    rank = len(shape) + len(axes)
    added = {as_axis(axis, rank) for axis in axes}
    sides = iter(shape)
    return tuple(1 if axis in added else next(sides, 1) for axis in range(rank))


def reshaped(node: Node, shape: Shape, wanted: Any) -> Shape:
    """Return the shape that `Reshape` makes: 0 is the side as it was, -1 what is left."""
    keeps_zeros = node.attributes.get("allowzero", 0)
    sides = [int(side) for side in wanted or ()]
    sides = [
        shape[axis] if side == 0 and not keeps_zeros and axis < len(shape) else side
        for axis, side in enumerate(sides)
    ]
    known = math.prod(side for side in sides if side != -1)
    if sides.count(-1) == 1 and known > 0:
        sides[sides.index(-1)] = math.prod(shape) // known
    return tuple(sides)


def flattened(node: Node, shape: Shape, _: Any) -> Shape:
    """Return the shape that `Flatten` makes: two axes."""
    axis = node.attributes.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return math.prod(shape[:axis]), math.prod(shape[axis:])


def _view(function: Callable[[Node, Shape, Any], Shape]) -> Converter:
    """Return what converts a node that gives the values of its input another shape."""

    def convert(call: Call) -> Made:
        numbers, source = call.numbers(1), call.inputs[0] if call.inputs else None
        if source is None:
            raise UnknownError
        dims = source.dims if isinstance(source, Value) else source.shape
        sides = function(call.node, dims, numbers)
        if min(sides, default=1) < 0 or math.prod(sides) != math.prod(dims):
            call.reader.fail(call.node, f"the values of {dims} do not fill {sides}")
        if len(sides) > MAX_RANK:
            raise UnknownError
        if isinstance(source, Constant):
            return source.reshape(sides)
        view = source.view.reshape(sides)
        if view is None:
            source = call.map()
            view = source.view.reshape(sides)
        if view is None:
            raise UnknownError
        return source._replace(view=view)

    return convert


def _transpose(call: Call) -> Made:
    source = call.inputs[0] if call.inputs else None
    if source is None:
        raise UnknownError
    rank = len(source.dims if isinstance(source, Value) else source.shape)
    order = tuple(call.attribute("perm") or reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        call.reader.fail(call.node, f"{order} is no order of {rank} axes")
    if isinstance(source, Constant):
        return source.transpose(order)
    return source._replace(view=source.view.transpose(order))


VIEWS: dict[str, Converter] = {
    "Flatten": _view(flattened),
    "Reshape": _view(reshaped),
    "Squeeze": _view(squeezed),
    "Transpose": _transpose,
    "Unsqueeze": _view(unsqueezed),
}

# ---- maps ---------------------------------------------------------------------------------------


def _spatial_map(call: Call) -> Value:
    value = call.map()
    if len(value.dims) not in (3, 4) or value.dims[0] != call.batch:
        raise UnknownError
    return value


_PAD_MODES = {"reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _pad(call: Call) -> Value:
    value = _spatial_map(call)
    rank, mode = len(value.dims), call.attribute("mode", "constant")
    pads = (
        call.numbers(1) if call.opset >= 11 else call.attribute("pads", call.attribute("paddings"))
    )
    filler = call.numbers(2) if call.opset >= 11 else [call.attribute("value", 0.0)]
    axes = call.numbers(3) or range(rank)
    if pads is None or len(pads) != 2 * len(axes):
        raise UnknownError
    before, after = [0] * rank, [0] * rank
    for axis, first, last in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        before[axis], after[axis] = int(first), int(last)
    if any(before[:2] + after[:2]) or min(before + after) < 0:
        return _crop_by(call, value, before, after)
    sides = (_last_two(before, after, 0), _last_two(before, after, 1))
    if sides == ((0, 0), (0, 0)):
        return call.emit(make_layer("identity"), value)
    if mode == "constant":
        number = float((filler or [0.0])[0])
        name = "zero" if number == 0 else f"constant:{float(str(np.float32(number)))!r}"
    else:
        name = _PAD_MODES.get(mode, "")
    if not name:
        raise UnknownError
    return call.emit(make_layer("pad", margin=sides, mode=name), value)


def _last_two(before: Sequence[int], after: Sequence[int], axis: int) -> tuple[int, int]:
    """Return what is added before and after the rows (axis 0) or columns of a map."""
    if len(before) == 3:
        return (before[2], after[2]) if axis else (0, 0)
    return before[2 + axis], after[2 + axis]


def _crop_by(call: Call, value: Value, before: list[int], after: list[int]) -> Value:
    """Return what negative padding cuts off."""
    if any(before[:2] + after[:2]) or max(before + after) > 0:
        raise UnknownError
    sides = [tuple(-side for side in _last_two(before, after, axis)) for axis in (0, 1)]
    return call.emit(make_layer("crop", margin=tuple(sides)), value)


def _slice(call: Call) -> Value:
    value = call.map()
    if call.opset < 10:
        starts, ends = call.attribute("starts"), call.attribute("ends")
        axes, steps = call.attribute("axes"), None
    else:
        starts, ends, axes, steps = (call.numbers(place) for place in range(1, 5))
    if starts is None or ends is None:
        raise UnknownError
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    taken = [range(side) for side in value.dims]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        side = value.dims[axis]
        taken[axis] = slice_range(int(start), int(end), int(step), side)
    return _take(call, value, taken, call.node.name)


def _take(call: Call, value: Value, taken: Sequence[range], name: str) -> Value:
    """Return some positions of a map, along each axis those of a range."""
    dims, rank = value.dims, len(value.dims)
    if rank < 2 or dims[0] != call.batch or len(taken[0]) != dims[0] or rank > 4:
        raise UnknownError
    if any(len(positions) == 0 for positions in taken):
        raise UnknownError
    if any(positions.step < 1 for positions in taken if len(positions) > 1):
        raise UnknownError
    channels = taken[1]
    if len(channels) < dims[1]:
        layer = make_layer(
            "slice", channel_range=(channels[0], channels[-1] + 1),
            **({"step": channels.step} if len(channels) > 1 else {}),
        )  # fmt: skip
        value = call.emit(layer, value, name=name)
    if rank == 2:
        return value if len(channels) < dims[1] else call.emit(make_layer("identity"), value)
    rows = range(1) if rank == 3 else taken[2]
    return _take_positions(call, value, rows, taken[-1], name)


def _take_positions(call: Call, value: Value, rows: range, columns: range, name: str) -> Value:
    """Return some rows and columns: a crop, and a step by a pool of one position."""
    sizes, kept = value.shape[1:], value
    sides = tuple(
        (positions[0], size - positions[-1] - 1)
        for size, positions in zip(sizes, (rows, columns), strict=True)
    )
    if sides != ((0, 0), (0, 0)):
        kept = call.emit(make_layer("crop", margin=sides), kept, name=name)
    steps = tuple(positions.step if len(positions) > 1 else 1 for positions in (rows, columns))
    if steps != (1, 1):
        kept = call.emit(make_layer("maxpool", kernel=(1, 1), stride=steps), kept, name=name)
    if kept is value and value.layer == call.map().layer:
        return call.emit(make_layer("identity"), value, name=name)
    return kept


def _split(call: Call) -> list[Made]:
    value = call.map()
    axis = as_axis(call.attribute("axis", 0), len(value.dims))
    given = call.numbers(1)
    try:
        sizes = split_sizes(call.node, value.dims[axis], given)
    except ValueError as error:
        raise UnknownError from error
    result: list[Made] = []
    start = 0
    for size, name in zip(sizes, call.node.outputs, strict=True):
        if name not in call.reader.graph.used:
            result.append(Constant.of([]))
        else:
            taken = [range(side) for side in value.dims]
            taken[axis] = range(start, start + size)
            result.append(_take(call, value, taken, name))
        start += size
    return result


def _gather(call: Call) -> Value:
    """Take some neighbors along an axis; a single one without the axis."""
    value, indices = call.map(), call.constant(1)
    numbers = call.numbers(1)
    if indices is None or not numbers or len(indices.shape) > 1:
        raise UnknownError
    axis = as_axis(call.attribute("axis", 0), len(value.dims))
    side = value.dims[axis]
    places = [int(place) + side if place < 0 else int(place) for place in numbers]
    step = places[1] - places[0] if len(places) > 1 else 1
    positions = range(places[0], places[0] + step * len(places), step or 1)
    if list(positions) != places or min(places) < 0 or max(places) >= side:
        raise UnknownError
    taken = [range(size) for size in value.dims]
    taken[axis] = positions
    made = _take(call, value, taken, call.node.name)
    if indices.shape:
        return made
    view = made.view
    axes = tuple(factors for place, factors in enumerate(view.axes) if place != axis)
    return made._replace(view=View(view.factors, axes))


def _depth_to_space(call: Call) -> Value:
    is_dcr = call.attribute("mode", "DCR") == "DCR"
    layer = make_layer(
        "pixelshuffle", block=call.attribute("blocksize"), **({"dcr": True} if is_dcr else {})
    )
    return call.emit(layer, _spatial_map(call))


def _space_to_depth(call: Call) -> Value:
    is_dcr = call.attribute("mode", "DCR") == "DCR"
    layer = make_layer(
        "pixelunshuffle", block=call.attribute("blocksize"), **({"dcr": True} if is_dcr else {})
    )
    return call.emit(layer, _spatial_map(call))


CONVERTERS: dict[str, Converter] = {
    **VIEWS,
    "DepthToSpace": _depth_to_space,
    "Gather": _gather,
    "Pad": _pad,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
}
