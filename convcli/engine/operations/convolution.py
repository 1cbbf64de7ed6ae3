"""Convolutions on maps, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.arithmetic.operations.convolution import group_count
from convcli.engine.arrays import Array
from convcli.engine.conv2d import conv2d
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.transposed import conv_transpose2d

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _conv(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    return conv2d(
        inputs[0],
        weights["weight"],
        weights.get("bias"),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=group_count(layer, len(inputs[0])),
        padding_mode=layer.mode,
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


FUNCTIONS: dict[str, LayerFunction] = {"conv": _conv, "tconv": _tconv}
