"""Convolutions: each output is a sum of inputs of its window times weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import (
    NO_BIAS,
    WINDOW_FIELD_EFFECT,
    Operation,
    key_table,
    refuse_torch,
    torch_size,
    window_operation,
)
from convcli.arithmetic.values import NO_PADDING, Shape, padding_value
from convcli.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def output_channels(layer: Layer, channels: int) -> int:
    """Return the output channels of a convolution; raise if its groups do not divide them."""
    groups = group_count(layer, channels)
    summed = layer.kernel_channels
    if summed is not None and summed * groups != channels:
        raise ShapeError(f"the kernel sums over {summed * groups} channels; the map has {channels}")
    out = channels if layer.channels is None else layer.channels
    if channels % groups or out % groups:
        raise ShapeError(
            f"{groups} groups do not divide {channels} input and {out} output channels"
        )
    return out


def group_count(layer: Layer, channels: int) -> int:
    """Return the number of groups of a convolution over an input of `channels`."""
    if layer.groups == "depthwise":
        return channels
    return layer.groups if isinstance(layer.groups, int) else 1


def _shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (output_channels(layer, channels), *layer.window.output((height, width)))


def _weights(layer: Layer, shape: Shape) -> dict[str, Shape]:
    """The weights and biases: `c_out·(c_in/g)·kh·kw`, and `c_out`."""
    outputs, groups = output_channels(layer, shape[0]), group_count(layer, shape[0])
    channels = (outputs, shape[0] // groups)
    if layer.operation.is_transposed:
        channels = (shape[0], outputs // groups)
    return {"weight": (*channels, *layer.window.kernel)} | with_bias(layer, outputs)


def with_bias(layer: Layer, outputs: int) -> dict[str, Shape]:
    """Return the shape of the biases, if a layer has some."""
    return {"bias": (outputs,)} if layer.bias else {}


def _macs(layer: Layer, shape: Shape, output: Shape) -> int:
    used_at = shape[1:] if layer.operation.is_transposed else output[1:]
    return math.prod(_weights(layer, shape)["weight"]) * math.prod(used_at)


def _cost_formulas(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    depth = f"({shape[0]}/{group_count(layer, shape[0])})"
    weights = "*".join([str(output[0]), depth, *map(str, layer.window.kernel)])
    used_at = shape[1:] if layer.operation.is_transposed else output[1:]
    return {
        "params": weights + bias_term(layer, output),
        "MACs": f"{weights} * {'*'.join(map(str, used_at))}",
    }


def bias_term(layer: Layer, output: Shape) -> str:
    """Return the term of the biases in a formula of parameters."""
    return f" + {output[0]}" if layer.bias else ""


def _torch(layer: Layer, shape: Shape, output: Shape) -> str:
    if isinstance(layer.padding, str):
        return refuse_torch(layer)
    (top, bottom), (left, right) = layer.padding
    if (top, left) != (bottom, right):
        raise ArgumentError("PyTorch's Conv2d pads opposite sides alike")
    mode = "zero" if layer.padding == NO_PADDING else layer.mode
    if mode == "symmetric":
        raise ArgumentError("PyTorch's Conv2d has no symmetric padding")
    value = padding_value(mode)
    has_own_padding = not value
    settings = {
        "stride": (torch_size(layer.stride), "1"),
        "padding": (torch_size((top, left)) if has_own_padding else "0", "0"),
        "padding_mode": ("'zeros'" if value is not None else repr(mode), "'zeros'"),
        "dilation": (torch_size(layer.dilation), "1"),
        "groups": (str(group_count(layer, shape[0])), "1"),
        "bias": (str(layer.bias), "True"),
    }
    keywords = [
        f"{name}={value}" for name, (value, default) in settings.items() if value != default
    ]
    positional = [str(shape[0]), str(output[0]), torch_size(layer.window.kernel)]
    convolution = f"nn.Conv2d({', '.join(positional + keywords)})"
    if has_own_padding:
        return convolution
    return f"nn.ConstantPad2d({(left, right, top, bottom)}, {value!r}),\n    {convolution}"


def _torch_transposed(layer: Layer, shape: Shape, output: Shape) -> str:
    """The transposed convolution; what is cut off one side alone is a padding below zero."""
    (top, bottom), (left, right) = layer.window.pads((shape[1], shape[2]))
    rows, columns = min(top, bottom), min(left, right)
    settings = {
        "stride": (torch_size(layer.stride), "1"),
        "padding": (torch_size((rows, columns)), "0"),
        "output_padding": (torch_size(layer.output_padding), "0"),
        "groups": (str(group_count(layer, shape[0])), "1"),
        "bias": (str(layer.bias), "True"),
        "dilation": (torch_size(layer.dilation), "1"),
    }
    keywords = [
        f"{name}={value}" for name, (value, default) in settings.items() if value != default
    ]
    positional = [str(shape[0]), str(output[0]), torch_size(layer.window.kernel)]
    modules = [f"nn.ConvTranspose2d({', '.join(positional + keywords)})"]
    if (top, left) != (bottom, right):
        sides = (columns - left, columns - right, rows - top, rows - bottom)
        modules.append(f"nn.ZeroPad2d({sides})")
    return ",\n    ".join(modules)


def _convolution(name: str, description: str, **rules: Any) -> Operation:
    return window_operation(
        name,
        "convolution",
        description,
        flags=(NO_BIAS,),
        defaults={"p": "0; same with kernel=", "g": "1; depthwise with a kernel= of two axes"},
        implied=lambda layer: {} if layer.spec is None else {"padding": "same"},
        shape=_shape,
        weights=_weights,
        macs=_macs,
        cost_formulas=_cost_formulas,
        needs_kernel=True,
        needs_weights=lambda _: True,
        **rules,
    )


OPERATIONS = (
    _convolution(
        "conv",
        "a convolution: the sums of each window's products with the weights",
        example="conv:3,s=2,p=1,c=64",
        shape_effect="c channels; floor((i + p - d*(k - 1) - 1) / s) + 1 on each side",
        field_effect=WINDOW_FIELD_EFFECT,
        keys=key_table("k", "kernel", "s", "p", "d", "g", "c", "mode"),
        torch=_torch,
    ),
    _convolution(
        "tconv",
        "a transposed convolution: each input adds a multiple of the weights",
        example="tconv:4,s=2,p=1,c=8",
        shape_effect="c channels; (i - 1)*s - p + d*(k - 1) + op + 1 on each side",
        field_effect="grows by up to d*(k - 1) / s jumps; the jump is divided by s",
        keys=key_table("k", "kernel", "s", "p", "d", "g", "op", "c"),
        torch=_torch_transposed,
        is_transposed=True,
    ),
)
