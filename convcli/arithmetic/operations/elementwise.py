"""Elementwise operations: each output is a function of the input at its position."""

from __future__ import annotations

from typing import Any

from convcli.arithmetic.operations import Key, Operation
from convcli.arithmetic.values import parse_real


def elementwise(
    name: str, description: str, *, torch: str | None = None, **rules: Any
) -> Operation:
    """Return the record of a function of each value.

    Parameters
    ----------
    name, description : str
    torch : str, optional
        The class in `torch.nn`; it takes the layer's argument, if there is one.
    **rules
        Other fields of `Operation`.
    """
    if torch is not None:
        rules["torch"] = lambda layer, *_: (
            f"nn.{torch}({'' if layer.argument is None else layer.argument})"
        )
    return Operation(name, "elementwise", description, takes_flat=True, **rules)


NEGATIVE_SLOPE = 0.01  # of leaky-relu, as in PyTorch
_SLOPE = Key(
    "slope", "argument", lambda text: parse_real(text, "the slope"), repr, "SLOPE",
    repr(NEGATIVE_SLOPE), "the slope below zero",
)  # fmt: skip

OPERATIONS = (
    elementwise("relu", "max(x, 0)", torch="ReLU"),
    elementwise(
        "leaky-relu",
        "x above zero, SLOPE times x below",
        syntax="leaky-relu[:SLOPE]",
        argument=_SLOPE,
        torch="LeakyReLU",
    ),
    elementwise("abs", "|x|"),
    elementwise(
        "sigmoid", "1 / (1 + exp(-x))", torch="Sigmoid", is_bounded=True, is_homogeneous=False
    ),
    elementwise("tanh", "tanh(x)", torch="Tanh", is_bounded=True, is_homogeneous=False),
    elementwise(
        "dropout",
        "values left out in training; nothing afterwards",
        torch="Dropout",
        is_for_images=False,
    ),
)
