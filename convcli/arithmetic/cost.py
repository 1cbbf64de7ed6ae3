"""What a layer costs: parameters and multiply-accumulates.

MACs count the products of convolutions and linear layers; biases, normalisation, pools and
activations are not counted. Others count FLOPs (twice as many), or some of the rest.
"""

from __future__ import annotations

import math

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.shapes import Shape, output_channels, resolved_groups


def parameters(layer: Layer, shape: Shape) -> int:
    """Trained numbers of a layer over an input of `shape`.

    `c_out·(c_in/g)·kh·kw (+ c_out)` for a convolution, `n_in·n_out (+ n_out)` for a linear layer,
    `2·C` for a batch normalisation.

    >>> from convcli.arithmetic.notation import parse_layer
    >>> parameters(parse_layer("conv:3,c=64"), (3, 224, 224))
    1792
    """
    if layer.op == "bn":
        return 2 * shape[0]
    if layer.op == "linear" and layer.channels is not None:
        return layer.channels * (shape[0] + layer.bias)
    if layer.op in ("conv", "tconv"):
        return weights(layer, shape[0]) + layer.bias * output_channels(layer, shape[0])
    return 0


def macs(layer: Layer, shape: Shape, output: Shape) -> int:
    """Multiply-accumulates of a layer: its weights times the positions that each is used at.

    A convolution uses each at every output position, a transposed one at every input position.

    >>> from convcli.arithmetic.notation import parse_layer
    >>> macs(parse_layer("conv:3,p=1,c=64"), (3, 224, 224), (64, 224, 224))
    86704128
    """
    if layer.op == "linear" and layer.channels is not None:
        return layer.channels * shape[0]
    if layer.op == "conv":
        return weights(layer, shape[0]) * math.prod(output[1:])
    if layer.op == "tconv":
        return weights(layer, shape[0]) * math.prod(shape[1:])
    return 0


def weights(layer: Layer, channels: int) -> int:
    """The weights of a convolution over so many channels: `c_out·(c_in/g)·kh·kw`."""
    depth = channels // resolved_groups(layer, channels)
    return output_channels(layer, channels) * depth * math.prod(layer.window.kernel)
