"""Joins: operations that make one map of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import Operation
from convcli.arithmetic.values import Shape, format_shapes
from convcli.errors import NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer


def as_maps(inputs: Sequence[Shape]) -> Sequence[Shape]:
    """Return the shapes of a join's inputs, those of flat values beside maps as (C, 1, 1)."""
    if all(len(shape) == 1 for shape in inputs):
        return inputs
    return [shape if len(shape) == 3 else (shape[0], 1, 1) for shape in inputs]


def _spread_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """The largest side along each axis; one channel, row or column spreads over those of others."""
    axes = list(zip(*as_maps(inputs), strict=True))
    output = tuple(map(max, axes))
    if any({*sides} - {1, most} for sides, most in zip(axes, output, strict=True)):
        raise ShapeError(
            f"{layer.op} needs inputs of one shape, or of one channel or one position to spread "
            f"over the others, not {format_shapes(inputs)}"
        )
    return output


def _concat_shape(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len({shape[1:] for shape in inputs}) > 1:
        raise ShapeError(f"concat needs inputs of one size, not {format_shapes(inputs)}")
    return (sum(shape[0] for shape in inputs), *inputs[0][1:])


def _check_two(layer: Layer) -> None:
    if len(layer.sources) != 2:
        raise NotationError(f"{layer.op} joins two layers, like {layer.operation.example}")


def _join(name: str, description: str, joined_by: str, **rules: Any) -> Operation:
    return Operation(
        name,
        "joins",
        description,
        syntax=f"{name}:from=NAME+NAME",
        example=f"{name}:from=a+b",
        field_effect="the union of its inputs', of equal jumps, unless there is one position",
        takes_flat=True,
        is_join=True,
        joined_by=joined_by,
        **rules,
    )


def _bound_sum(_: Layer, inputs: Sequence[Bound], __: Shape, epsilon: float) -> Bound:
    return inputs[0].plus(inputs[1:], epsilon)


def _bound_mean(_: Layer, inputs: Sequence[Bound], __: Shape, epsilon: float) -> Bound:
    return inputs[0].plus(inputs[1:], epsilon).scale(1 / len(inputs))


def _bound_product(_: Layer, inputs: Sequence[Bound], __: Shape, epsilon: float) -> Bound:
    return reduce(lambda product, bound: product.times(bound, epsilon), inputs)


def _no_bound(*_: Any) -> Bound:
    from convcli.arithmetic.bounds import NO_BOUND

    return NO_BOUND


_AT_EACH_POSITION: dict[str, Any] = {
    "shape_effect": "the larger side along each axis: one channel, row or column spreads",
    "shape": _spread_shape,
}

OPERATIONS = (
    _join("add", "the sum of several maps", "sum", bound=_bound_sum, **_AT_EACH_POSITION),
    _join(
        "mul",
        "the product of several maps, such as a map and a gate",
        "product",
        bound=_bound_product,
        **_AT_EACH_POSITION,
    ),
    _join(
        "sub",
        "the first map minus the second",
        "difference",
        check=_check_two,
        bound=_bound_sum,
        **_AT_EACH_POSITION,
    ),
    _join(
        "div",
        "the first map divided by the second",
        "quotient",
        check=_check_two,
        bound=_no_bound,
        **_AT_EACH_POSITION,
    ),
    _join("max", "the largest value of several maps", "choice", **_AT_EACH_POSITION),
    _join("min", "the smallest value of several maps", "choice", **_AT_EACH_POSITION),
    _join("mean", "the mean of several maps", "mean", bound=_bound_mean, **_AT_EACH_POSITION),
    _join(
        "concat",
        "the channels of several maps, one after the other",
        "choice",
        shape_effect="the channels of all",
        shape=_concat_shape,
    ),
)
