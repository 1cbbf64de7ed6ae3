"""Reshaping operations on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.operations.reshaping import crop_margins
from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _magnitude(_: Layer, inputs: Sequence[Array], __: Weights) -> Array:
    squares: Array = (inputs[0] * inputs[0]).sum(axis=0, keepdims=True)
    return np.sqrt(squares)


def _crop(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    height, width = inputs[0].shape[1:]
    (top, bottom), (left, right) = crop_margins(layer, [values.shape for values in inputs])
    return inputs[0][:, top : height - bottom, left : width - right]


FUNCTIONS: dict[str, LayerFunction] = {
    "magnitude": _magnitude,
    "crop": _crop,
    "flatten": lambda _, inputs, __: inputs[0].reshape(-1),
}
