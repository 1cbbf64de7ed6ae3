"""Joins: operations that make one map of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import Operation
from convcli.arithmetic.values import Shape, format_shapes
from convcli.errors import ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _join(name: str, description: str, **rules: Any) -> Operation:
    return Operation(
        name,
        "joins",
        description,
        syntax=f"{name}:from=NAME+NAME",
        example=f"{name}:from=a+b",
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


OPERATIONS = (
    _join("add", "the sum of several maps", shape=_add_shape),
    _join(
        "concat",
        "the channels of several maps, one after the other",
        shape_effect="the channels of all",
        shape=_concat_shape,
    ),
)
