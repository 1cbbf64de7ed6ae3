"""Pools on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arithmetic.operations import Parts
from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.pooling import avg_pool2d, max_pool2d

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _window_settings(layer: Layer) -> dict[str, Any]:
    return {
        "kernel_size": layer.window.kernel,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "ceil_mode": layer.ceil,
    }


def _max_pool(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    return max_pool2d(inputs[0], **_window_settings(layer))


def _avg_pool(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    settings = _window_settings(layer)
    return avg_pool2d(inputs[0], count_include_pad=layer.count_padding, **settings)


def _adaptive_pool(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    """The largest value or the mean of each part of a map; of the whole, for a global pool."""
    reduce = np.max if layer.operation.reduction == "max" else np.mean
    if layer.size is None or layer.size == (1, 1):
        return np.asarray(reduce(inputs[0], axis=(1, 2), keepdims=True))
    values = inputs[0]
    for axis, count in enumerate(layer.size, start=1):
        parts = Parts(values.shape[axis], count)
        reduced = [reduce(values.take(parts.bounds(part), axis), axis) for part in range(count)]
        values = np.stack(reduced, axis)
    return values


FUNCTIONS: dict[str, LayerFunction] = {
    "maxpool": _max_pool,
    "avgpool": _avg_pool,
    "globalmaxpool": _adaptive_pool,
    "globalavgpool": _adaptive_pool,
    "adaptivemaxpool": _adaptive_pool,
    "adaptiveavgpool": _adaptive_pool,
}
