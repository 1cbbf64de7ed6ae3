"""Convolutions on maps, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.operations.convolution import group_count
from convcli.engine.arrays import Array
from convcli.engine.conv2d import convolve
from convcli.engine.conv2d.problem import ConvMethod, Finish, choose_conv_method
from convcli.engine.cost import ConvSize
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.transposed import conv_transpose2d

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from convcli.arithmetic.layers import Layer
    from convcli.arithmetic.values import Shape


def run_conv(
    layer: Layer, inputs: Sequence[Array], weights: Weights, finish: Finish | None = None
) -> Array:
    """Return the output of `conv`, of which `finish` has changed every part in place."""
    return convolve(
        inputs[0],
        weights["weight"],
        weights.get("bias"),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=group_count(layer, len(inputs[0])),
        padding_mode=layer.mode,
        finish=finish,
    )


def plan_conv(layer: Layer, shape: Shape, output: Shape, dtype: np.dtype[Any]) -> ConvMethod:
    """Return the method by which `run_conv` computes an output, both of (C, H, W)."""
    channels, *_ = shape
    maps, height, width = output
    groups = group_count(layer, channels)
    size = ConvSize(1, channels, maps, (height, width), layer.window, groups, dtype)
    return choose_conv_method(size)


def _tconv(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    return conv_transpose2d(
        inputs[0],
        weights["weight"],
        weights.get("bias"),
        stride=layer.stride,
        padding=layer.padding,
        output_padding=layer.output_padding,
        dilation=layer.dilation,
        groups=group_count(layer, len(inputs[0])),
    )


FUNCTIONS: dict[str, LayerFunction] = {"conv": run_conv, "tconv": _tconv}
