"""Elementwise operations on arrays."""

from __future__ import annotations

import numpy as np

from convcli.arithmetic.operations.elementwise import NEGATIVE_SLOPE
from convcli.engine.arrays import Array, as_real
from convcli.engine.operations import LayerFunction, on_each_value


def leaky_relu(x: Array, slope: float = NEGATIVE_SLOPE) -> Array:
    """Return `x` above zero, `slope·x` below.

    >>> leaky_relu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    values = as_real(x, "x")
    return np.where(values > 0, values, values * np.asarray(slope, values.dtype))


def sigmoid(x: Array) -> Array:
    """Return `1 / (1 + exp(-x))`, by tanh so that nothing overflows.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    values = as_real(x, "x")
    half = np.asarray(0.5, values.dtype)
    result: Array = half * (1 + np.tanh(half * values))
    return result


FUNCTIONS: dict[str, LayerFunction] = {
    "relu": on_each_value(lambda x: np.maximum(x, 0)),
    "leaky-relu": lambda layer, inputs, _: leaky_relu(
        inputs[0], NEGATIVE_SLOPE if layer.argument is None else layer.argument
    ),
    "abs": on_each_value(np.abs),
    "sigmoid": on_each_value(sigmoid),
    "tanh": on_each_value(np.tanh),
    "dropout": on_each_value(lambda x: x),
}
