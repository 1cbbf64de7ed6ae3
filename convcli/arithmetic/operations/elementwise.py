"""What keeps the size of the map: activations, normalization, and joins of several maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations.operation import Key, Operation
from convcli.arithmetic.values import Shape, format_shapes, parse_real
from convcli.errors import ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def elementwise(
    name: str, description: str, *, torch_class: str | None = None, **rules: Any
) -> Operation:
    """Make the record of a function of each value by itself.

    Parameters
    ----------
    torch_class : str, optional
        Its name in `torch.nn`.
    rules
        Others of `Operation`.
    """
    if torch_class is not None:
        rules["torch"] = lambda *_: f"nn.{torch_class}()"
    return Operation(name, "elementwise", description, takes_flat=True, **rules)


def _join(name: str, description: str, **rules: Any) -> Operation:
    return Operation(
        name,
        "join",
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


_SLOPE = Key(
    "slope",
    "argument",
    lambda text: parse_real(text, "the slope"),
    repr,
    "SLOPE",
    "0.01",
    "the slope below zero",
)

OPERATIONS = (
    elementwise("relu", "max(x, 0)", torch_class="ReLU", can_unpremultiply=True),
    elementwise(
        "leaky-relu",
        "x above zero, SLOPE times x below",
        syntax="leaky-relu[:SLOPE]",
        argument=_SLOPE,
        torch=lambda layer, *_: f"nn.LeakyReLU({'' if layer.argument is None else layer.argument})",
    ),
    elementwise("abs", "|x|"),
    elementwise("sigmoid", "1 / (1 + exp(-x))", torch_class="Sigmoid", is_bounded=True),
    elementwise("tanh", "tanh(x)", torch_class="Tanh", is_bounded=True),
    elementwise(
        "dropout",
        "values left out in training; nothing afterwards",
        torch_class="Dropout",
        is_for_images=False,
    ),
    Operation(
        "bn",
        "normalization",
        "a batch normalization: a learned scale and shift for each channel",
        parameters=lambda _, shape: 2 * shape[0],
        cost_formulas=lambda _, shape, __: {"params": f"2*{shape[0]}"},
        takes_flat=True,
        is_for_images=False,
    ),
    Operation(
        "magnitude",
        "reshaping",
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
)
