"""Activations, normalization, joins of several maps, and what moves values unchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations.operation import Key, Operation, key_table, size_key
from convcli.arithmetic.operations.windows import parts_axes
from convcli.arithmetic.values import Shape, Sides, format_shapes, parse_real
from convcli.errors import NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def elementwise(
    name: str, description: str, *, syntax: str = "", torch: str | None = None, **rules: Any
) -> Operation:
    """Return the record of a function of each value.

    Parameters
    ----------
    name, description : str
    syntax : str, optional
        The name, if left out.
    torch : str, optional
        The class in `torch.nn`; it takes the layer's argument, if there is one.
    **rules
        Other fields of `Operation`.
    """
    if torch is not None:
        rules["torch"] = lambda layer, *_: (
            f"nn.{torch}({'' if layer.argument is None else layer.argument})"
        )
    return Operation(
        name, "elementwise", syntax or name, name, description, takes_flat=True, **rules
    )


def _join(name: str, description: str, **rules: Any) -> Operation:
    return Operation(
        *(name, "join", f"{name}:from=NAME+NAME", f"{name}:from=a+b", description),
        field_effect="the union of its inputs', whose jumps must be equal",
        takes_flat=True,
        is_join=True,
        **rules,
    )


def _add_shape(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(set(inputs)) > 1:
        raise ShapeError(f"add needs inputs of one shape, not {format_shapes(inputs)}")
    return inputs[0]


def _concat_shape(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len({shape[1:] for shape in inputs}) > 1:
        raise ShapeError(f"concat needs inputs of one size, not {format_shapes(inputs)}")
    return (sum(shape[0] for shape in inputs), *inputs[0][1:])


def crop_margins(layer: Layer, inputs: Sequence[Shape]) -> Sides:
    """Return the rows and columns that `crop` cuts off, ((top, bottom), (left, right)).

    Of an odd difference to another map, the larger half is cut off the bottom and the right.
    """
    if layer.margin is not None:
        (rows, columns) = layer.margin
        return (rows, rows), (columns, columns)
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
    rows, columns = (
        Axis(size=size, kernel=1, before=-before, after=-after)
        for size, (before, after) in zip(inputs[0][1:], crop_margins(layer, inputs), strict=True)
    )
    return rows, columns


_SLOPE = Key(
    "slope", "argument", lambda text: parse_real(text, "the slope"), repr, "SLOPE", "0.01",
    "the slope below zero",
)  # fmt: skip

OPERATIONS = (
    elementwise("relu", "max(x, 0)", torch="ReLU", can_unpremultiply=True),
    elementwise(
        "leaky-relu",
        "x above zero, SLOPE times x below",
        syntax="leaky-relu[:SLOPE]",
        argument=_SLOPE,
        torch="LeakyReLU",
    ),
    elementwise("abs", "|x|"),
    elementwise("sigmoid", "1 / (1 + exp(-x))", torch="Sigmoid", is_bounded=True),
    elementwise("tanh", "tanh(x)", torch="Tanh", is_bounded=True),
    elementwise(
        "dropout",
        "values left out in training; nothing afterwards",
        torch="Dropout",
        is_for_images=False,
    ),
    Operation(
        *("bn", "normalization", "bn", "bn"),
        "a batch normalization: a learned scale and shift for each channel",
        parameters=lambda _, shape: 2 * shape[0],
        cost_formulas=lambda _, shape, __: {"params": f"2*{shape[0]}"},
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        *("magnitude", "reshaping", "magnitude", "magnitude"),
        "sqrt(x1^2 + x2^2 + ...) over the channels",
        shape_effect="1 channel",
        shape=lambda _, inputs: (1, *inputs[0][1:]),
    ),
    _join("add", "the sum of several maps", shape=_add_shape),
    _join(
        "concat",
        "the channels of several maps, one after the other",
        shape_effect="the channels of all",
        shape=_concat_shape,
    ),
    Operation(
        *("flatten", "reshaping", "flatten", "flatten"),
        "all values in one row, channel by channel",
        shape_effect="C*H*W values",
        field_effect="the whole map",
        shape=lambda _, inputs: (math.prod(inputs[0]),),
        axes=parts_axes,
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        *("crop", "reshaping", "crop:N|HxW or crop:like=NAME", "crop:2"),
        "N rows and columns cut off each side, or down to another map's size",
        shape_effect="N less on each side, or the size of NAME",
        field_effect="unchanged; start moves by N jumps",
        argument=size_key("margin", "margin", "", "what is cut off", what="the margin", least=0),
        keys=key_table("like"),
        check=_check_crop,
        shape=_crop_shape,
        axes=_crop_axes,
        can_unpremultiply=True,
    ),
)
