"""The linear layer: each output is a sum of all inputs times weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.operations import KEYS, NO_BIAS, Operation, key_table
from convcli.arithmetic.operations.convolution import bias_term, with_bias
from convcli.arithmetic.values import Shape, format_shape
from convcli.errors import ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _weights(layer: Layer, shape: Shape) -> dict[str, Shape]:
    outputs = layer.channels or 0
    return {"weight": (outputs, shape[0])} | with_bias(layer, outputs)


def _shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(inputs[0]) != 1:
        raise ShapeError(
            f"linear needs a flat input, not {format_shape(inputs[0])}; flatten it first"
        )
    return (layer.channels or 0,)


def _cost_formulas(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    weights = f"{output[0]}*{shape[0]}"
    return {"params": weights + bias_term(layer, output), "MACs": weights}


def _torch(layer: Layer, shape: Shape, output: Shape) -> str:
    return f"nn.Linear({shape[0]}, {output[0]}{'' if layer.bias else ', bias=False'})"


OPERATIONS = (
    Operation(
        "linear",
        "linear",
        "a fully connected layer: each output is a weighted sum of all inputs",
        syntax="linear:N",
        example="linear:1000",
        shape_effect="N values, of a flat input",
        field_effect="that of all inputs together",
        argument=KEYS["c"],
        needs="its number of outputs, like linear:1000",
        keys=key_table("c"),
        flags=(NO_BIAS,),
        defaults={"c": ""},
        shape=_shape,
        weights=_weights,
        macs=lambda layer, shape, _: (layer.channels or 0) * shape[0],
        cost_formulas=_cost_formulas,
        takes_flat=True,
        needs_weights=lambda _: True,
        is_for_images=False,
        torch=_torch,
    ),
)
