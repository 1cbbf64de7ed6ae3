"""Convolutions, linear layers and pools: their outputs depend on several positions each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations.operation import (
    CEIL,
    KEYS,
    NO_BIAS,
    NO_PAD,
    Operation,
    key_table,
    refuse_torch,
    size_key,
)
from convcli.arithmetic.values import Pair, Shape, format_shape
from convcli.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


class Parts(NamedTuple):
    """An axis divided into equal parts, which share a position where they must; one output each.

    Part i of n covers the positions floor(i·size / n) to ceil((i + 1)·size / n), as in PyTorch.
    """

    size: int
    outputs: int

    @property
    def dropped(self) -> int:
        """Positions that no part covers: none."""
        return 0

    def bounds(self, part: int) -> range:
        """Return the positions that a part covers."""
        return range(part * self.size // self.outputs, -(-(part + 1) * self.size // self.outputs))


AxisMap: TypeAlias = Axis | Parts  # how the outputs of an operation depend on its input


def output_channels(layer: Layer, channels: int) -> int:
    """Return the output channels of a window operation; raise if its groups do not divide them."""
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


def window_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Axis, Axis]:
    """Return the window of a layer over its input, along the rows and along the columns."""
    return layer.window.axes((inputs[0][1], inputs[0][2]))


def parts_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Parts, Parts] | None:
    """Return the parts of the map that the outputs cover: `size` of them, or the whole map."""
    shape = inputs[0]
    if len(shape) == 1:
        return None
    rows, columns = layer.size or (1, 1)
    return Parts(shape[1], rows), Parts(shape[2], columns)


def _shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (output_channels(layer, channels), *layer.window.output((height, width)))


def _weights(layer: Layer, shape: Shape) -> int:
    """The weights of a convolution: `c_out·(c_in/g)·kh·kw`."""
    depth = shape[0] // group_count(layer, shape[0])
    return output_channels(layer, shape[0]) * depth * math.prod(layer.window.kernel)


def _parameters(layer: Layer, shape: Shape) -> int:
    return _weights(layer, shape) + layer.bias * output_channels(layer, shape[0])


def _cost_formulas(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    depth = f"({shape[0]}/{group_count(layer, shape[0])})"
    weights = "*".join([str(output[0]), depth, *map(str, layer.window.kernel)])
    used_at = shape[1:] if layer.operation.is_transposed else output[1:]
    return {
        "params": weights + _bias_term(layer, output),
        "MACs": f"{weights} * {'*'.join(map(str, used_at))}",
    }


def _bias_term(layer: Layer, output: Shape) -> str:
    return f" + {output[0]}" if layer.bias else ""


def _torch(layer: Layer, shape: Shape, output: Shape) -> str:
    if isinstance(layer.padding, str):
        return refuse_torch(layer)
    (top, bottom), (left, right) = layer.padding
    if (top, left) != (bottom, right):
        raise ArgumentError("PyTorch's Conv2d pads opposite sides alike")
    settings = {
        "stride": (_torch_size(layer.stride), "1"),
        "padding": (_torch_size((top, left)), "0"),
        "dilation": (_torch_size(layer.dilation), "1"),
        "groups": (str(group_count(layer, shape[0])), "1"),
        "bias": (str(layer.bias), "True"),
    }
    keywords = [
        f"{name}={value}" for name, (value, default) in settings.items() if value != default
    ]
    positional = [str(shape[0]), str(output[0]), _torch_size(layer.window.kernel)]
    return f"nn.Conv2d({', '.join(positional + keywords)})"


def _torch_size(size: Pair) -> str:
    return str(size[0]) if size[0] == size[1] else str(size)


def _linear_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(inputs[0]) != 1:
        raise ShapeError(
            f"linear needs a flat input, not {format_shape(inputs[0])}; flatten it first"
        )
    return (layer.channels or 0,)


def _linear_cost_formulas(layer: Layer, shape: Shape, output: Shape) -> dict[str, str]:
    weights = f"{output[0]}*{shape[0]}"
    return {"params": weights + _bias_term(layer, output), "MACs": weights}


def _window(name: str, family: str, example: str, description: str, **rules: Any) -> Operation:
    """Return the record of an operation that moves a window."""
    return Operation(
        *(name, family, f"{name}:N|HxW", f"{name}:{example}", description),
        argument=KEYS["k"],
        needs=f"a window size, like {name}:3",
        shape=_shape,
        axes=window_axes,
        is_window=True,
        can_unpremultiply=True,
        **rules,
    )


def _convolution(name: str, example: str, description: str, **rules: Any) -> Operation:
    return _window(
        *(name, "convolution", example, description),
        flags=(NO_BIAS,),
        defaults={"p": "0; same with kernel=", "g": "1; depthwise with a kernel= of two axes"},
        implied=lambda layer: {} if layer.spec is None else {"padding": "same"},
        parameters=_parameters,
        cost_formulas=_cost_formulas,
        needs_kernel=True,
        **rules,
    )


def _window_pool(name: str, description: str, **rules: Any) -> Operation:
    return _window(
        *(name, "pooling", "3,s=2,p=1", description),
        shape_effect="floor((i + p - d*(k - 1) - 1) / s) + 1 on each side; with ceil, ceil(...)",
        field_effect=WINDOW_FIELD_EFFECT,
        keys=key_table("k", "s", "p", "d"),
        defaults={"s": "k"},
        implied=lambda layer: {} if layer.kernel is None else {"stride": layer.kernel},
        **rules,
    )


def _pool_of_parts(name: str, *texts: str, **rules: Any) -> Operation:
    return Operation(
        *(name, "pooling", *texts),
        shape=lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
        axes=parts_axes,
        can_unpremultiply=True,
        **rules,
    )


WINDOW_FIELD_EFFECT = "grows by d*(k - 1) jumps; the jump is multiplied by s"
OPERATIONS = (
    _convolution(
        *("conv", "3,s=2,p=1,c=64"),
        "a convolution: the sums of each window's products with the weights",
        shape_effect="c channels; floor((i + p - d*(k - 1) - 1) / s) + 1 on each side",
        field_effect=WINDOW_FIELD_EFFECT,
        keys=key_table("k", "kernel", "s", "p", "d", "g", "c", "mode"),
        macs=lambda layer, shape, output: _weights(layer, shape) * math.prod(output[1:]),
        torch=_torch,
    ),
    _convolution(
        *("tconv", "4,s=2,p=1,c=8"),
        "a transposed convolution: each input adds a multiple of the weights",
        shape_effect="c channels; (i - 1)*s - p + d*(k - 1) + op + 1 on each side",
        field_effect="grows by up to d*(k - 1) / s jumps; the jump is divided by s",
        keys=key_table("k", "kernel", "s", "p", "d", "g", "op", "c"),
        macs=lambda layer, shape, _: _weights(layer, shape) * math.prod(shape[1:]),
        is_transposed=True,
    ),
    Operation(
        *("linear", "linear", "linear:N", "linear:1000"),
        "a fully connected layer: each output is a weighted sum of all inputs",
        shape_effect="N values, of a flat input",
        field_effect="that of all inputs together",
        argument=KEYS["c"],
        needs="its number of outputs, like linear:1000",
        keys=key_table("c"),
        flags=(NO_BIAS,),
        defaults={"c": ""},
        shape=_linear_shape,
        parameters=lambda layer, shape: (layer.channels or 0) * (shape[0] + layer.bias),
        macs=lambda layer, shape, _: (layer.channels or 0) * shape[0],
        cost_formulas=_linear_cost_formulas,
        takes_flat=True,
        is_for_images=False,
    ),
    _window_pool(
        "maxpool", "the largest value of each window", flags=(CEIL,), can_be_infinite=True
    ),
    _window_pool("avgpool", "the mean of each window", flags=(CEIL, NO_PAD)),
    _pool_of_parts(
        *("globalavgpool", "globalavgpool", "globalavgpool", "the mean of each channel"),
        shape_effect="1x1",
        field_effect="the whole input",
    ),
    _pool_of_parts(
        *("adaptiveavgpool", "adaptiveavgpool:N|HxW", "adaptiveavgpool:7"),
        "the means of N by N parts of the map, of equal size or nearly",
        shape_effect="NxN or HxW",
        field_effect="grows to the part's share of the map",
        argument=size_key("size", "size", "", "the output's size", what="the output size"),
        needs="its output size, like adaptiveavgpool:7",
    ),
)
