"""Reshaping: operations that cut off, combine or reorder the positions or channels of a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations import Operation, key_table, parts_axes, size_key
from convcli.arithmetic.values import Shape, Sides
from convcli.errors import NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


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


OPERATIONS = (
    Operation(
        "magnitude",
        "reshaping",
        "sqrt(x1^2 + x2^2 + ...) over the channels",
        shape_effect="1 channel",
        shape=lambda _, inputs: (1, *inputs[0][1:]),
    ),
    Operation(
        "flatten",
        "reshaping",
        "all values in one row, channel by channel",
        shape_effect="C*H*W values",
        field_effect="the whole map",
        shape=lambda _, inputs: (math.prod(inputs[0]),),
        axes=parts_axes,
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        "crop",
        "reshaping",
        "N rows and columns cut off each side, or down to another map's size",
        syntax="crop:N|HxW or crop:like=NAME",
        example="crop:2",
        shape_effect="N less on each side, or the size of NAME",
        field_effect="unchanged; start moves by N jumps",
        argument=size_key("margin", "margin", "", "what is cut off", what="the margin", least=0),
        keys=key_table("like"),
        check=_check_crop,
        shape=_crop_shape,
        axes=_crop_axes,
        filters_alpha=True,
    ),
)
