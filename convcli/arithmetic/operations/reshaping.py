"""Reshaping: operations that cut off, combine or reorder the positions or channels of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations import (
    AxisMap,
    Flag,
    Key,
    Operation,
    key_table,
    refuse_torch,
    whole_axes,
)
from convcli.arithmetic.values import (
    Shape,
    Sides,
    format_padding,
    format_shape,
    padding_value,
    parse_number,
    parse_sides,
)
from convcli.errors import ArgumentError, NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer

_TORCH_PADS = {
    "zero": "Zero", "reflect": "Reflection", "replicate": "Replication", "circular": "Circular"
}  # fmt: skip

# ---- rows and columns ----------------------------------------------------------------------------


_CUT_SIDES = Key(
    "margin", "margin", partial(parse_sides, what="the margin"), format_padding, "N|HxW|T.B.L.R",
    "", "what is cut off",
)  # fmt: skip
_ADDED_SIDES = Key(
    "margin", "margin", partial(parse_sides, what="the padding"), format_padding, "N|HxW|T.B.L.R",
    "", "what is added",
)  # fmt: skip


def crop_margins(layer: Layer, inputs: Sequence[Shape]) -> Sides:
    """Return the rows and columns that `crop` cuts off, ((top, bottom), (left, right)).

    Of an odd difference to another map, the larger half is cut off the bottom and the right.
    """
    if layer.margin is not None:
        return layer.margin
    rows, columns = (inputs[0][axis] - inputs[1][axis] for axis in (1, 2))
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def _check_crop(layer: Layer) -> None:
    if (layer.margin is None) == (layer.like is None):
        raise NotationError("crop needs either a margin, like crop:2, or like=NAME")


def _crop_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    (top, bottom), (left, right) = crop_margins(layer, inputs)
    size = (height - top - bottom, width - left - right)
    if min(size) < 1 or min(top, bottom, left, right) < 0:
        raise ShapeError(f"a {height}x{width} map cannot be cropped to {size[0]}x{size[1]}")
    return (channels, *size)


def _crop_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Axis, Axis]:
    """Return a window of one position, over a map with negative padding."""
    (top, bottom), (left, right) = crop_margins(layer, inputs)
    return _padded_axes(inputs[0], ((-top, -bottom), (-left, -right)))


def _padded_axes(shape: Shape, sides: Sides) -> tuple[Axis, Axis]:
    rows, columns = (
        Axis(size=size, kernel=1, before=before, after=after)
        for size, (before, after) in zip(shape[1:], sides, strict=True)
    )
    return rows, columns


def _crop_torch(layer: Layer, *_: Shape) -> str:
    if layer.margin is None:
        return refuse_torch(layer)
    (top, bottom), (left, right) = layer.margin
    return f"nn.ZeroPad2d({(-left, -right, -top, -bottom)})"


def _pad_sides(layer: Layer) -> Sides:
    if layer.margin is None:
        raise ArgumentError("pad needs a padding, like pad:1")
    return layer.margin


def _pad_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    rows, columns = _padded_axes(inputs[0], _pad_sides(layer))
    return inputs[0][0], rows.output, columns.output


def _bound_pad(layer: Layer, inputs: Sequence[Bound], *_: Any) -> Bound:
    largest = max(inputs[0].largest, abs(padding_value(layer.mode) or 0))
    return inputs[0]._replace(largest=largest)


def _pad_torch(layer: Layer, *_: Shape) -> str:
    (top, bottom), (left, right) = _pad_sides(layer)
    sides, value = (left, right, top, bottom), padding_value(layer.mode)
    if layer.mode in _TORCH_PADS:
        return f"nn.{_TORCH_PADS[layer.mode]}Pad2d({sides})"
    if value is None:
        raise ArgumentError(f"PyTorch has no {layer.mode} padding")
    return f"nn.ConstantPad2d({sides}, {value!r})"


# ---- channels ------------------------------------------------------------------------------------


def _parse_range(text: str) -> tuple[int, int | None]:
    """Read `A..B`, of which either may be left out."""
    first, dots, last = text.partition("..")
    if not dots or not all(side.isdecimal() and side.isascii() for side in (first, last) if side):
        raise NotationError(f"slice takes channels A..B, like 0..16, ..16 or 16.., not {text!r}")
    start, stop = (parse_number(side, "a channel") if side else None for side in (first, last))
    if stop is not None and stop <= (start or 0):
        raise NotationError(f"slice takes channels from A to before B, and {text} are none")
    return start or 0, stop


def _format_range(channels: tuple[int, int | None]) -> str:
    start, stop = channels
    return f"{start or ''}..{'' if stop is None else stop}"


def _slice_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels = inputs[0][0]
    taken = channel_range(layer, channels)
    if not taken or taken.stop > channels:
        text = _format_range(layer.value("channel_range"))
        raise ShapeError(f"channels {text} do not lie in those of {format_shape(inputs[0])}")
    return (len(taken), *inputs[0][1:])


def channel_range(layer: Layer, channels: int) -> range:
    """Return the channels that `slice` takes of an input with so many."""
    start, stop = layer.value("channel_range")
    return range(start, channels if stop is None else stop, layer.value("step"))


def _shuffle_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    groups = layer.value("groups")
    if inputs[0][0] % groups:
        raise ShapeError(f"{groups} groups do not divide {inputs[0][0]} channels")
    return inputs[0]


_CHANNELS = Key(
    "channels", "channel_range", _parse_range, _format_range, "A..B", "",
    "the channels, counted from 0; left out, from the first, or to the last",
)  # fmt: skip
_STEP = Key(
    "step", "step", partial(parse_number, what="step", least=1), str, "N", "1",
    "the distance between channels", initial=1,
)  # fmt: skip
_GROUPS = Key(
    "g", "groups", partial(parse_number, what="g", least=1), str, "G", "", "the groups of channels"
)  # fmt: skip

# ---- positions and channels ----------------------------------------------------------------------

_DCR = Flag(
    "dcr", "dcr", True, "count a block's positions before the channels, as ONNX does by default"
)
_BLOCK = Key(
    "block", "block", partial(parse_number, what="the block's side", least=1), str, "R", "",
    "the rows and columns of a block",
)  # fmt: skip


def _pixelshuffle_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    (channels, height, width), side = inputs[0], layer.value("block")
    if channels % side**2:
        raise ShapeError(
            f"blocks of {side}x{side} take a multiple of {side**2} channels, not {channels}"
        )
    return channels // side**2, height * side, width * side


def _pixelunshuffle_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    (channels, height, width), side = inputs[0], layer.value("block")
    if height % side or width % side:
        raise ShapeError(f"blocks of {side}x{side} do not divide a map of {height}x{width}")
    return channels * side**2, height // side, width // side


def _block_axes(
    layer: Layer, inputs: Sequence[Shape], *, transposed: bool
) -> tuple[AxisMap, AxisMap]:
    side = layer.value("block")
    rows, columns = (
        Axis(size=size, kernel=side, stride=side, transposed=transposed) for size in inputs[0][1:]
    )
    return rows, columns


def _block_torch(layer: Layer, module: str) -> str:
    if layer.value("dcr"):
        raise ArgumentError(f"PyTorch's {module} has no order dcr")
    return f"nn.{module}({layer.value('block')})"


# ---- shapes --------------------------------------------------------------------------------------


def _parse_new_shape(text: str) -> Shape:
    sides = text.split("x")
    if len(sides) not in (1, 3):
        raise NotationError(f"reshape takes a shape CxHxW, like 64x7x7, or N, not {text!r}")
    return tuple(parse_number(side, "a side of the shape", least=1) for side in sides)


def _reshape_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    shape: Shape = layer.value("shape")
    if math.prod(shape) != math.prod(inputs[0]):
        given, taken = (f"{format_shape(one)} = {math.prod(one)}" for one in (inputs[0], shape))
        raise ShapeError(f"{given} values cannot be reshaped to {taken}")
    return shape


def _reshape_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[AxisMap, AxisMap] | None:
    """Return the whole map, unless every position stays where it is."""
    is_same = layer.value("shape")[1:] == inputs[0][1:] != ()
    return None if is_same else whole_axes(layer, inputs)


def _reshape_torch(_: Layer, shape: Shape, output: Shape) -> str:
    modules = ["nn.Flatten()"] if len(shape) == 3 else []
    if len(output) == 3:
        modules.append(f"nn.Unflatten(1, {output})")
    return ",\n    ".join(modules or ["nn.Identity()"])


_NO_ALPHA = "channels that become pixels have none of their own"

OPERATIONS = (
    Operation(
        "magnitude",
        "reshaping",
        "sqrt(x1^2 + x2^2 + ...) over the channels",
        shape_effect="1 channel",
        shape=lambda _, inputs: (1, *inputs[0][1:]),
        bound=lambda _, inputs, shape, epsilon: inputs[0].plus(
            [inputs[0]] * (shape[0] - 1), epsilon
        ),
    ),
    Operation(
        "flatten",
        "reshaping",
        "all values in one row, channel by channel",
        shape_effect="C*H*W values",
        field_effect="the whole map",
        shape=lambda _, inputs: (math.prod(inputs[0]),),
        axes=whole_axes,
        torch=lambda *_: "nn.Flatten()",
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        "reshape",
        "reshaping",
        "the same values in another shape, in the same order",
        syntax="reshape:CxHxW|N",
        example="reshape:84x4x10",
        shape_effect="CxHxW, or N values in one row",
        field_effect="the whole map, unless height and width stay",
        argument=Key(
            "shape", "shape", _parse_new_shape, format_shape, "CxHxW|N", "", "the output's shape"
        ),
        needs="the output's shape, like reshape:64x7x7",
        shape=_reshape_shape,
        axes=_reshape_axes,
        torch=_reshape_torch,
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        "crop",
        "reshaping",
        "N rows and columns cut off each side, or down to another map's size",
        syntax="crop:N|HxW|T.B.L.R or crop:like=NAME",
        example="crop:2",
        shape_effect="N less on each side, or the size of NAME",
        field_effect="unchanged; start moves by N jumps",
        argument=_CUT_SIDES,
        keys=key_table("like"),
        check=_check_crop,
        shape=_crop_shape,
        axes=_crop_axes,
        torch=_crop_torch,
        keeps_level=True,
        filters_alpha=True,
    ),
    Operation(
        "pad",
        "reshaping",
        "N rows and columns added on each side",
        syntax="pad:N|HxW|T.B.L.R",
        example="pad:0.1.2.3,mode=reflect",
        shape_effect="N more on each side",
        field_effect="unchanged; start moves back by N jumps",
        argument=_ADDED_SIDES,
        needs="a padding, like pad:1",
        keys=key_table("mode"),
        shape=_pad_shape,
        axes=lambda layer, inputs: _padded_axes(inputs[0], _pad_sides(layer)),
        torch=_pad_torch,
        bound=_bound_pad,
        filters_alpha=True,
    ),
    Operation(
        "slice",
        "reshaping",
        "channels A to before B, or every STEP-th of them",
        syntax="slice:A..B",
        example="slice:2..6",
        shape_effect="B - A channels",
        argument=_CHANNELS,
        needs="channels, like slice:0..16 or slice:16..",
        keys=key_table() | {"step": _STEP},
        shape=_slice_shape,
        keeps_level=True,
        takes_flat=True,
    ),
    Operation(
        "channelshuffle",
        "reshaping",
        "the channels of G groups by turns",
        syntax="channelshuffle:G",
        example="channelshuffle:4",
        argument=_GROUPS,
        needs="its groups, like channelshuffle:4",
        shape=_shuffle_shape,
        torch=lambda layer, *_: f"nn.ChannelShuffle({layer.groups})",
        keeps_level=True,
    ),
    Operation(
        "pixelshuffle",
        "reshaping",
        "each position's channels as R by R positions of fewer channels",
        syntax="pixelshuffle:R",
        example="pixelshuffle:2",
        shape_effect="C / R^2 channels; R times the height and width",
        field_effect="unchanged; the jump is divided by R",
        argument=_BLOCK,
        needs="the side of a block, like pixelshuffle:2",
        flags=(_DCR,),
        shape=_pixelshuffle_shape,
        axes=partial(_block_axes, transposed=True),
        torch=lambda layer, *_: _block_torch(layer, "PixelShuffle"),
        keeps_level=True,
        alpha_refusal=_NO_ALPHA,
    ),
    Operation(
        "pixelunshuffle",
        "reshaping",
        "R by R positions as one position of more channels",
        syntax="pixelunshuffle:R",
        example="pixelunshuffle:2",
        shape_effect="C * R^2 channels; height and width divided by R",
        field_effect="grows by R - 1 jumps; the jump is multiplied by R",
        argument=_BLOCK,
        needs="the side of a block, like pixelunshuffle:2",
        flags=(_DCR,),
        shape=_pixelunshuffle_shape,
        axes=partial(_block_axes, transposed=False),
        torch=lambda layer, *_: _block_torch(layer, "PixelUnshuffle"),
        keeps_level=True,
        alpha_refusal=_NO_ALPHA,
    ),
)
