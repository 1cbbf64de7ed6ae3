"""The shape that one layer makes of its inputs' shapes: (C, H, W), or (N,) once flat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from convcli.arithmetic.arguments import Sides
from convcli.arithmetic.layers import ACTIVATIONS, CONVOLUTIONS, POOLS, Layer
from convcli.errors import ShapeError

Shape: TypeAlias = tuple[int, ...]


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's output.

    Parameters
    ----------
    layer : Layer
    inputs : sequence of (C, H, W) or (N,)
        One, or as many as a join has; for `crop:like=NAME`, the input and then what it is like.

    Raises
    ------
    ShapeError
        For inputs that the layer cannot take, and where the output would be empty.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> output_shape(parse_layer("conv:7,s=2,p=3,c=64"), [(3, 224, 224)])
    (64, 112, 112)
    """
    if layer.op not in ANY_SHAPE and any(len(shape) != 3 for shape in inputs):
        raise ShapeError(f"{layer.op} needs a map of (C, H, W), not {format_shapes(inputs)}")
    return _RULES[layer.op](layer, inputs)


def output_channels(layer: Layer, channels: int) -> int:
    """How many maps a convolution makes of so many, its groups checked."""
    groups = resolved_groups(layer, channels)
    summed = layer.kernel_channels
    if summed is not None and summed * groups != channels:
        raise ShapeError(f"the kernel sums over {summed * groups} channels; the map has {channels}")
    out = channels if layer.channels is None else layer.channels
    if channels % groups or out % groups:
        raise ShapeError(
            f"{groups} groups do not divide {channels} input and {out} output channels"
        )
    return out


def resolved_groups(layer: Layer, channels: int) -> int:
    """The number of groups of a convolution over so many channels."""
    if layer.groups == "depthwise":
        return channels
    return layer.groups if isinstance(layer.groups, int) else 1


def with_kernel(layer: Layer, kernel_shape: Shape) -> Layer:
    """Put the shape of a real kernel in: its size as k, and what its axes say of the channels.

    Two axes filter each channel by itself, three sum the channels into one map, four are a layer's
    weights: (C_out, C_in, kh, kw), or (C_in, C_out, kh, kw) of a transposed convolution.
    """
    sized = replace(layer, kernel=(kernel_shape[-2], kernel_shape[-1]))
    if len(kernel_shape) == 2:
        return replace(sized, groups="depthwise") if layer.groups is None else sized
    outputs, summed = (1, 0) if layer.op == "tconv" else (0, 1)
    channels = 1 if len(kernel_shape) == 3 else kernel_shape[outputs]
    depth = kernel_shape[0] if len(kernel_shape) == 3 else kernel_shape[summed]
    if layer.channels not in (None, channels):
        raise ShapeError(f"c={layer.channels}, but the kernel makes {channels} channels")
    return replace(sized, channels=channels, kernel_channels=depth)


def crop_sides(layer: Layer, inputs: Sequence[Shape]) -> Sides:
    """The rows and columns that `crop` cuts off, ((top, bottom), (left, right)).

    To be like another map, an odd difference cuts one more at the far side.
    """
    if layer.margin is not None:
        (rows, columns) = layer.margin
        return (rows, rows), (columns, columns)
    rows, columns = (inputs[0][axis] - inputs[1][axis] for axis in (1, 2))
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def _convolved(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (output_channels(layer, channels), *layer.window.output((height, width)))


def _pooled(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (channels, *layer.window.output((height, width)))


def _cropped(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    (top, bottom), (left, right) = crop_sides(layer, inputs)
    size = (height - top - bottom, width - left - right)
    if min(size) < 1 or min(top, bottom, left, right) < 0:
        raise ShapeError(f"a {height}x{width} map cannot be cropped to {size[0]}x{size[1]}")
    return (channels, *size)


def _linear(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(inputs[0]) != 1:
        raise ShapeError(
            f"linear needs a flat input, not {format_shape(inputs[0])}; flatten it first"
        )
    return (layer.channels or 0,)


def _added(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(set(inputs)) > 1:
        raise ShapeError(f"add needs inputs of one shape, not {format_shapes(inputs)}")
    return inputs[0]


def _concatenated(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len({shape[1:] for shape in inputs}) > 1:
        raise ShapeError(f"concat needs inputs of one size, not {format_shapes(inputs)}")
    return (sum(shape[0] for shape in inputs), *inputs[0][1:])


def _unchanged(_: Layer, inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


def format_shape(shape: Shape) -> str:
    """Write a shape as `CxHxW`, or `N` once flat.

    >>> format_shape((3, 224, 224))
    '3x224x224'
    """
    return "x".join(map(str, shape))


def format_shapes(shapes: Iterable[Shape]) -> str:
    """Write several shapes, for a message."""
    return " and ".join(map(format_shape, shapes))


ANY_SHAPE = (*ACTIVATIONS, "bn", "dropout", "flatten", "linear", "add", "concat")

_RULES: dict[str, Callable[[Layer, Sequence[Shape]], Shape]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolved),
    **dict.fromkeys(POOLS, _pooled),
    **dict.fromkeys((*ACTIVATIONS, "bn", "dropout"), _unchanged),
    "globalavgpool": lambda _, inputs: (inputs[0][0], 1, 1),
    "adaptiveavgpool": lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
    "magnitude": lambda _, inputs: (1, *inputs[0][1:]),
    "flatten": lambda _, inputs: (math.prod(inputs[0]),),
    "linear": _linear,
    "crop": _cropped,
    "add": _added,
    "concat": _concatenated,
}
