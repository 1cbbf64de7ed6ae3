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
    name: str,
    description: str,
    *,
    syntax: str = "",
    torch: str | None = None,
    **rules: Any,
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
        name,
        "join",
        f"{name}:from=NAME+NAME",
        f"{name}:from=a+b",
        description,
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
)
