"""Activations: one function of each value. float32 stays float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convcli.engine.arrays import Array, as_real

NEGATIVE_SLOPE = 0.01  # the slope of leaky-relu below zero, as in PyTorch


def relu(x: Array) -> Array:
    """`max(x, 0)`."""
    return np.maximum(x, 0)


def leaky_relu(x: Array) -> Array:
    """`x` above zero, `0.01·x` below.

    >>> leaky_relu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    values = as_real(x, "x")
    return np.where(values > 0, values, values * np.asarray(NEGATIVE_SLOPE, values.dtype))


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))`, written with tanh so that nothing overflows.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    values = as_real(x, "x")
    half = np.asarray(0.5, values.dtype)
    result: Array = half * (1 + np.tanh(half * values))
    return result


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": relu,
    "leaky-relu": leaky_relu,
    "abs": np.abs,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
}
