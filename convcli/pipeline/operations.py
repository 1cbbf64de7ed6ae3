"""What a step does to a feature map, (H, W, C) -> (H, W, C): a convolution, or the engine's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.operations.convolution import group_count, output_channels
from convcli.engine.arrays import Array
from convcli.engine.filter2d import FilterPlan, FilterSettings, plan_filter, sum_dtype
from convcli.engine.operations import OPERATIONS
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
    layer = step.layer
    if layer.op in CONVOLUTIONS:
        return CONVOLUTIONS[layer.op](step, inputs[0], method)
    return OPERATIONS[layer.op](layer, inputs)


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
    depth = (
        (channels, maps // groups) if layer.operation.is_transposed else (maps, channels // groups)
    )
    return np.broadcast_to(matrix, (*depth, *matrix.shape)), groups


def _bias(step: Step) -> float:
    return step.kernel.bias if step.kernel is not None and step.layer.bias else 0.0


CONVOLUTIONS: dict[str, Callable[[Step, Array, str], Array]] = {
    "conv": convolve,
    "tconv": lambda step, values, _: convolve_transposed(step, values),
}
