"""The operations of the notation on feature maps, except convolutions.

A function takes the layer and its inputs, (H, W, C) each: several for a join; for `crop:like=NAME`,
the input and the output of that layer. float32 stays float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convcli.arithmetic.operations import Parts
from convcli.arithmetic.operations.elementwise import NEGATIVE_SLOPE
from convcli.arithmetic.operations.reshaping import crop_margins
from convcli.engine.arrays import Array, as_real

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

MapFunction: TypeAlias = Callable[["Layer", Sequence[Array]], Array]


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


def combine(maps: Sequence[Array], how: str) -> Array:
    """Combine maps of one shape: their sum, mean, max, magnitude, or the direction of two."""
    if how == "direction":
        return direction(*maps)
    if how == "magnitude":
        return np.sqrt(combine([values * values for values in maps], "sum"))
    join = np.maximum if how == "max" else np.add
    total = maps[0].copy()
    for values in maps[1:]:
        join(total, values, out=total)
    return total / np.asarray(len(maps), total.dtype) if how == "mean" else total


def direction(x: Array, y: Array) -> Array:
    """Return the direction of gradients, in degrees from 0 to below 360; 0 where there is none.

    It counts as `sobel:ANGLE` does: counter-clockwise from the x axis as seen on the screen.

    Parameters
    ----------
    x, y : ndarray
        The slopes to the right and downwards, as `sobel-x` and `sobel-y` have them.

    Examples
    --------
    >>> direction(np.array([1.0, 0.0, -1.0, 1.0, 0.0]), np.array([0.0, -1.0, 0.0, 1.0, 0.0]))
    array([  0.,  90., 180., 315.,   0.])
    """
    angles: Array = np.degrees(np.arctan2(0.0 - y, x + 0.0))  # no -0.0, which is 180 degrees
    angles[angles < 0] += 360
    angles[angles >= 360] = 0  # of the least below 0
    return angles


def elementwise(function: Callable[[Array], Array]) -> MapFunction:
    """Return a function of a layer and its inputs that applies a function to each value."""
    return lambda _, inputs: function(inputs[0])


def _window_settings(layer: Layer) -> dict[str, Any]:
    return {
        "kernel_size": layer.window.kernel,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "ceil_mode": layer.ceil,
    }


def _max_pool(layer: Layer, inputs: Sequence[Array]) -> Array:
    from convcli.engine.pooling import max_pool2d

    return max_pool2d(inputs[0].transpose(2, 0, 1), **_window_settings(layer)).transpose(1, 2, 0)


def _avg_pool(layer: Layer, inputs: Sequence[Array]) -> Array:
    from convcli.engine.pooling import avg_pool2d

    planes, settings = inputs[0].transpose(2, 0, 1), _window_settings(layer)
    return avg_pool2d(planes, count_include_pad=layer.count_padding, **settings).transpose(1, 2, 0)


def _adaptive_avg_pool(layer: Layer, inputs: Sequence[Array]) -> Array:
    values = inputs[0]
    for axis, count in enumerate(layer.size or (1, 1)):
        parts = Parts(values.shape[axis], count)
        means = [values.take(parts.bounds(part), axis).mean(axis) for part in range(count)]
        values = np.stack(means, axis)
    return values


def _magnitude(_: Layer, inputs: Sequence[Array]) -> Array:
    squares: Array = (inputs[0] * inputs[0]).sum(axis=2, keepdims=True)
    return np.sqrt(squares)


def _crop(layer: Layer, inputs: Sequence[Array]) -> Array:
    height, width = inputs[0].shape[:2]
    shapes = [(values.shape[2], *values.shape[:2]) for values in inputs]
    (top, bottom), (left, right) = crop_margins(layer, shapes)
    return inputs[0][top : height - bottom, left : width - right]


OPERATIONS: dict[str, MapFunction] = {
    "relu": elementwise(lambda x: np.maximum(x, 0)),
    "leaky-relu": lambda layer, inputs: leaky_relu(
        inputs[0], NEGATIVE_SLOPE if layer.argument is None else layer.argument
    ),
    "abs": elementwise(np.abs),
    "sigmoid": elementwise(sigmoid),
    "tanh": elementwise(np.tanh),
    "magnitude": _magnitude,
    "maxpool": _max_pool,
    "avgpool": _avg_pool,
    "globalavgpool": lambda _, inputs: inputs[0].mean(axis=(0, 1), keepdims=True),
    "adaptiveavgpool": _adaptive_avg_pool,
    "crop": _crop,
    "add": lambda _, inputs: combine(inputs, "sum"),
    "concat": lambda _, inputs: np.concatenate(inputs, axis=2),
}
