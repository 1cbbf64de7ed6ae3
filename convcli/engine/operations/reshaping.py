"""Reshaping operations on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.operations.reshaping import channel_range, crop_margins
from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights
from convcli.engine.padding import pad2d

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def _magnitude(_: Layer, inputs: Sequence[Array], __: Weights) -> Array:
    squares: Array = (inputs[0] * inputs[0]).sum(axis=0, keepdims=True)
    return np.sqrt(squares)


def _crop(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    height, width = inputs[0].shape[1:]
    (top, bottom), (left, right) = crop_margins(layer, [values.shape for values in inputs])
    return inputs[0][:, top : height - bottom, left : width - right]


def _slice(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    taken = channel_range(layer, len(inputs[0]))
    return inputs[0][taken.start : taken.stop : taken.step]


def _shuffle_channels(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    channels, height, width = inputs[0].shape
    groups = inputs[0].reshape(layer.value("groups"), -1, height, width)
    return groups.swapaxes(0, 1).reshape(channels, height, width)


def _shuffle_pixels(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    side = layer.value("block")
    channels, height, width = inputs[0].shape
    if layer.value("dcr"):
        blocks = inputs[0].reshape(side, side, -1, height, width).transpose(2, 3, 0, 4, 1)
    else:
        blocks = inputs[0].reshape(-1, side, side, height, width).transpose(0, 3, 1, 4, 2)
    return blocks.reshape(channels // side**2, height * side, width * side)


def _unshuffle_pixels(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    side = layer.value("block")
    channels, height, width = inputs[0].shape
    blocks = inputs[0].reshape(channels, height // side, side, width // side, side)
    order = (2, 4, 0, 1, 3) if layer.value("dcr") else (0, 2, 4, 1, 3)
    return blocks.transpose(order).reshape(channels * side**2, height // side, width // side)


FUNCTIONS: dict[str, LayerFunction] = {
    "magnitude": _magnitude,
    "flatten": lambda _, inputs, __: inputs[0].reshape(-1),
    "reshape": lambda layer, inputs, _: inputs[0].reshape(layer.value("shape")),
    "crop": _crop,
    "pad": lambda layer, inputs, _: pad2d(inputs[0], layer.margin or 0, layer.mode),
    "slice": _slice,
    "channelshuffle": _shuffle_channels,
    "pixelshuffle": _shuffle_pixels,
    "pixelunshuffle": _unshuffle_pixels,
}
