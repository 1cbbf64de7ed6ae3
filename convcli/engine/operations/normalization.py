"""Normalizations on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _batch_norm(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    """(x - mean) / sqrt(variance + eps), scaled and shifted, for each channel."""
    factor = 1 / np.sqrt(weights["variance"] + layer.value("eps"))
    factor = (factor * weights["scale"]).astype(inputs[0].dtype)
    offset = (weights["shift"] - weights["mean"] * factor).astype(inputs[0].dtype)
    axes = (-1,) + (1,) * (inputs[0].ndim - 1)
    result: Array = inputs[0] * factor.reshape(axes) + offset.reshape(axes)
    return result


FUNCTIONS: dict[str, LayerFunction] = {"bn": _batch_norm}
