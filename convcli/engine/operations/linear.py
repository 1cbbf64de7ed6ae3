"""The linear layer on flat values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _linear(_: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    values: Array = weights["weight"] @ inputs[0]
    return values + weights["bias"] if "bias" in weights else values


FUNCTIONS: dict[str, LayerFunction] = {"linear": _linear}
