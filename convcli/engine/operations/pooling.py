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


def _adaptive_avg_pool(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    values = inputs[0]
    for axis, count in enumerate(layer.size or (1, 1), start=1):
        parts = Parts(values.shape[axis], count)
        means = [values.take(parts.bounds(part), axis).mean(axis) for part in range(count)]
        values = np.stack(means, axis)
    return values


FUNCTIONS: dict[str, LayerFunction] = {
    "maxpool": _max_pool,
    "avgpool": _avg_pool,
    "globalavgpool": lambda _, inputs, __: inputs[0].mean(axis=(1, 2), keepdims=True),
    "adaptiveavgpool": _adaptive_avg_pool,
}
