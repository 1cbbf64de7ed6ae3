"""What each operation of the notation does to a feature map, (H, W, C) -> (H, W, C)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from convcli.arithmetic.layers import Layer, crop_margins, group_count, output_channels
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.filter2d import FilterPlan, FilterSettings, plan_filter, sum_dtype
from convcli.engine.operations import ACTIVATIONS
from convcli.errors import ArgumentError
from convcli.kernels import Kernel
from convcli.pipeline.plan import Step


def apply_step(step: Step, inputs: Sequence[Array], method: str) -> Array:
    """The output of one layer.

    Parameters
    ----------
    step : Step
    inputs : sequence of ndarray, (H, W, C)
        One, or as many as a join has; for `crop:like=NAME`, the input and then what it is like.
    method : str
        How a convolution is computed.
    """
    layer, values = step.layer, inputs[0]
    if layer.op == "conv":
        return convolve(step, values, method)
    if layer.op == "tconv":
        return convolve_transposed(step, values)
    if layer.op in ACTIVATIONS:
        return ACTIVATIONS[layer.op](values)
    return _OTHERS[layer.op](layer, inputs)


def convolve(step: Step, values: Array, method: str) -> Array:
    """A kernel over a map: sums in floating point, in the image's own units."""
    plan = plan_step(step, values.shape, values.dtype, method)
    sums = np.empty(plan.shape, sum_dtype(values.dtype))
    plan.run_into(values, sums)
    return np.atleast_3d(sums)


def plan_step(
    step: Step,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    method: str,
    *,
    integer_output: bool = False,
) -> FilterPlan:
    """Plan a convolution over a map, (H, W[, C]); `integer_output` where its sums are rounded."""
    height, width, channels = (*shape, 1)[:3]
    layer = step.layer
    weights, groups = _weights(step, channels)
    if groups > 1 and method in ("separable", "fft"):
        raise ArgumentError(
            f"method {method!r} filters each channel by itself; "
            f"layer {format_layer(layer)!r} sums over some"
        )
    settings = FilterSettings(
        bias=_bias(step),
        stride=layer.stride,
        padding=layer.window.sides((height, width)),
        padding_mode=layer.mode,
        dilation=layer.dilation,
        flip=step.flip,
        method=method,
        groups=groups,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that are beyond its type
        return plan_filter(shape, dtype, weights, settings, integer_output=integer_output)


def convolve_transposed(step: Step, values: Array) -> Array:
    """A transposed convolution over a map."""
    from convcli.engine.gradients import conv_transpose2d

    layer, channels = step.layer, values.shape[2]
    weights, groups = _weights(step, channels)
    if weights.ndim == 2:  # each channel by itself
        weights = np.broadcast_to(weights, (channels, 1, *weights.shape))
        groups = channels
    elif weights.ndim == 3:  # all channels into one map
        weights = weights[:, np.newaxis]
    maps: Array = conv_transpose2d(
        values.transpose(2, 0, 1),
        weights,
        stride=layer.stride,
        padding=layer.padding,
        output_padding=layer.output_padding,
        dilation=layer.dilation,
        groups=groups,
    ).transpose(1, 2, 0)
    return np.asarray(maps + np.asarray(_bias(step), maps.dtype))


def combined(maps: Sequence[Array], how: str) -> Array:
    """Several maps of one shape as one: their sum, mean, largest value or length."""
    if how == "magnitude":
        return np.sqrt(combined([one * one for one in maps], "sum"))
    join = np.maximum if how == "max" else np.add
    total = maps[0].copy()
    for one in maps[1:]:
        join(total, one, out=total)
    return total / np.asarray(len(maps), total.dtype) if how == "mean" else total


def _weights(step: Step, channels: int) -> tuple[Array, int]:
    """The weights of a convolution over so many channels, and its groups.

    A kernel of two axes that filters each channel by itself stays as it is, with one group; in any
    other grouping it stands for every pair of an input and an output channel.
    """
    layer, matrix = step.layer, cast("Kernel", step.kernel).matrix
    groups = group_count(layer, channels)
    maps = output_channels(layer, channels)
    if matrix.ndim > 2:
        return matrix, groups
    if groups == channels == maps:
        return matrix, 1
    depth = (channels, maps // groups) if layer.op == "tconv" else (maps, channels // groups)
    return np.broadcast_to(matrix, (*depth, *matrix.shape)), groups


def _bias(step: Step) -> float:
    return step.kernel.bias if step.kernel is not None and step.layer.bias else 0.0


def _pooled(layer: Layer, inputs: Sequence[Array]) -> Array:
    from convcli.engine.pooling import avg_pool2d, max_pool2d

    planes = inputs[0].transpose(2, 0, 1)
    settings: dict[str, Any] = {
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "ceil_mode": layer.ceil,
    }
    if layer.op == "maxpool":
        return max_pool2d(planes, layer.window.kernel, **settings).transpose(1, 2, 0)
    counted = layer.count_padding
    pooled = avg_pool2d(planes, layer.window.kernel, count_include_pad=counted, **settings)
    return pooled.transpose(1, 2, 0)


def _adaptive(layer: Layer, inputs: Sequence[Array]) -> Array:
    """The mean of each of `size` parts, which share a row or column where they must.

    Part i of o covers floor(i·n / o) to ceil((i + 1)·n / o), as in PyTorch.
    """
    values = inputs[0]
    for axis, parts in enumerate(cast("Pair", layer.size)):
        length = values.shape[axis]
        bounds = [(i * length // parts, -(-(i + 1) * length // parts)) for i in range(parts)]
        means = [values.take(range(*bound), axis).mean(axis) for bound in bounds]
        values = np.stack(means, axis)
    return values


def _global(_: Layer, inputs: Sequence[Array]) -> Array:
    mean: Array = inputs[0].mean(axis=(0, 1), keepdims=True)
    return mean


def _length(_: Layer, inputs: Sequence[Array]) -> Array:
    squares: Array = (inputs[0] * inputs[0]).sum(axis=2, keepdims=True)
    return np.sqrt(squares)


def _cropped(layer: Layer, inputs: Sequence[Array]) -> Array:
    height, width = inputs[0].shape[:2]
    (top, bottom), (left, right) = crop_margins(
        layer, [one.transpose(2, 0, 1).shape for one in inputs]
    )
    return inputs[0][top : height - bottom, left : width - right]


def _added(_: Layer, inputs: Sequence[Array]) -> Array:
    return combined(inputs, "sum")


def _concatenated(_: Layer, inputs: Sequence[Array]) -> Array:
    return np.concatenate(inputs, axis=2)


_OTHERS: dict[str, Callable[[Layer, Sequence[Array]], Array]] = {
    "maxpool": _pooled,
    "avgpool": _pooled,
    "globalavgpool": _global,
    "adaptiveavgpool": _adaptive,
    "magnitude": _length,
    "crop": _cropped,
    "add": _added,
    "concat": _concatenated,
}
