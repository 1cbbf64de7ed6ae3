"""Convolutions on maps, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.operations.convolution import group_count
from convcli.engine.arrays import Array
from convcli.engine.conv2d import convolve
from convcli.engine.conv2d.problem import Finish
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.transposed import conv_transpose2d

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


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
