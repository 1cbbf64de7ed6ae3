"""One layer of a network: its operation and settings, the shape that it makes, and its cost.

`convcli.arithmetic.notation` reads a layer from text (`conv:3,s=2,p=1`) and writes it back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.values import NO_PADDING, Pair, Shape, Sides, format_shape, format_shapes
from convcli.errors import ArgumentError, ShapeError


class Operation(NamedTuple):
    """What an operation of the notation takes.

    Parameters
    ----------
    own : str or None
        The key that a first bare value fills: `conv:3` is `conv:k=3`.
    keys, flags : tuple of str
        The keys and flags that it knows, in the order in which they are written.
    """

    own: str | None = None
    keys: tuple[str, ...] = ("name", "from")
    flags: tuple[str, ...] = ()


_POOL_KEYS = ("k", "s", "p", "d", "name", "from")

OPERATIONS: dict[str, Operation] = {
    "conv": Operation(
        "k", ("k", "kernel", "s", "p", "d", "g", "c", "mode", "name", "from"), ("nobias",)
    ),
    "tconv": Operation(
        "k", ("k", "kernel", "s", "p", "d", "g", "op", "c", "name", "from"), ("nobias",)
    ),
    "maxpool": Operation("k", _POOL_KEYS, ("ceil",)),
    "avgpool": Operation("k", _POOL_KEYS, ("ceil", "nopad")),
    "globalavgpool": Operation(),
    "adaptiveavgpool": Operation("size", ("size", "name", "from")),
    "relu": Operation(),
    "leaky-relu": Operation(),
    "abs": Operation(),
    "sigmoid": Operation(),
    "tanh": Operation(),
    "magnitude": Operation(),
    "bn": Operation(),
    "flatten": Operation(),
    "linear": Operation("c", ("c", "name", "from"), ("nobias",)),
    "dropout": Operation(),
    "crop": Operation("margin", ("margin", "like", "name", "from")),
    "add": Operation(),
    "concat": Operation(),
}

ACTIVATIONS = ("relu", "leaky-relu", "abs", "sigmoid", "tanh")
POOLS = ("maxpool", "avgpool")
CONVOLUTIONS = ("conv", "tconv")
JOINS = ("add", "concat")
ENDS_OF_MAPS = ("globalavgpool", "adaptiveavgpool", "flatten")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; a field that its operation does not have keeps its default.

    Parameters
    ----------
    op : str
        A key of `OPERATIONS`.
    kernel : (int, int), optional
        The window's height and width; unknown as long as only `spec` is.
    spec : str, optional
        The SPEC of a real kernel (`kernel=` in the notation).
    stride, dilation, output_padding : (int, int)
        As in `Window`.
    padding : str or ((top, bottom), (left, right))
        As in `Window`.
    mode : str
        The padding mode.
    groups : int or "depthwise", optional
        Groups of channels; left out, 1, or one a channel where a kernel has two axes.
    channels : int, optional
        Output channels, or the outputs of `linear`; left out, the input's.
    size : (int, int), optional
        The output's size, for `adaptiveavgpool`.
    margin : (int, int), optional
        What `crop` cuts off each side.
    like : str, optional
        The layer to whose size `crop` cuts.
    ceil, bias, count_padding : bool
        Round a pool's size up; have a bias; count padding in an average's divisor.
    origin : (row, column), optional
        Of a real kernel, where its file sets one.
    kernel_channels : int, optional
        The input channels (of a group) that a real kernel sums over; None where it filters each by
        itself.
    name : str, optional
        The name under which other layers take this one's output.
    sources : tuple of str
        The names of the inputs; empty for the layer before.
    """

    op: str
    kernel: Pair | None = None
    spec: str | None = None
    stride: Pair = (1, 1)
    padding: str | Sides = NO_PADDING
    dilation: Pair = (1, 1)
    output_padding: Pair = (0, 0)
    mode: str = "zero"
    groups: int | str | None = None
    channels: int | None = None
    size: Pair | None = None
    margin: Pair | None = None
    like: str | None = None
    ceil: bool = False
    bias: bool = True
    count_padding: bool = True
    origin: Pair | None = None
    kernel_channels: int | None = None
    name: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def window(self) -> Window:
        """The window of a convolution or a pool.

        Raises
        ------
        ArgumentError
            Where the layer has no window, or one of unknown size.
        """
        if self.kernel is None:
            raise ArgumentError(f"{self.op}: the size of its window is not known")
        return Window(
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            ceil_mode=self.ceil,
            transposed=self.op == "tconv",
            output_padding=self.output_padding,
            origin=self.origin,
        )


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    """The shape of a layer's output.

    Parameters
    ----------
    layer : Layer
    inputs : sequence of (C, H, W) or (N,)
        One, or as many as a join has; for `crop:like=NAME`, the input and then what it is like.

    Raises
    ------
    ShapeError
        For inputs that the layer cannot take, and where the output would be empty.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> output_shape(parse_layer("conv:7,s=2,p=3,c=64"), [(3, 224, 224)])
    (64, 112, 112)
    """
    if layer.op not in ANY_SHAPE and any(len(shape) != 3 for shape in inputs):
        raise ShapeError(f"{layer.op} needs a map of (C, H, W), not {format_shapes(inputs)}")
    return _RULES[layer.op](layer, inputs)


def output_channels(layer: Layer, channels: int) -> int:
    """How many maps a convolution makes of so many, its groups checked."""
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
    """The number of groups of a convolution over so many channels."""
    if layer.groups == "depthwise":
        return channels
    return layer.groups if isinstance(layer.groups, int) else 1


def with_kernel(layer: Layer, kernel_shape: Shape) -> Layer:
    """Put the shape of a real kernel in: its size as k, and what its axes say of the channels.

    Two axes filter each channel by itself, three sum the channels into one map, four are a layer's
    weights: (C_out, C_in, kh, kw), or (C_in, C_out, kh, kw) of a transposed convolution.
    """
    sized = replace(layer, kernel=(kernel_shape[-2], kernel_shape[-1]))
    if len(kernel_shape) == 2:
        return replace(sized, groups="depthwise") if layer.groups is None else sized
    outputs, summed = (1, 0) if layer.op == "tconv" else (0, 1)
    channels = 1 if len(kernel_shape) == 3 else kernel_shape[outputs]
    depth = kernel_shape[0] if len(kernel_shape) == 3 else kernel_shape[summed]
    if layer.channels not in (None, channels):
        raise ShapeError(f"c={layer.channels}, but the kernel makes {channels} channels")
    return replace(sized, channels=channels, kernel_channels=depth)


def crop_margins(layer: Layer, inputs: Sequence[Shape]) -> Sides:
    """The rows and columns that `crop` cuts off, ((top, bottom), (left, right)).

    To be like another map, an odd difference cuts one more at the far side.
    """
    if layer.margin is not None:
        (rows, columns) = layer.margin
        return (rows, rows), (columns, columns)
    rows, columns = (inputs[0][axis] - inputs[1][axis] for axis in (1, 2))
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def _convolved(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (output_channels(layer, channels), *layer.window.output((height, width)))


def _pooled(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (channels, *layer.window.output((height, width)))


def _cropped(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    (top, bottom), (left, right) = crop_margins(layer, inputs)
    size = (height - top - bottom, width - left - right)
    if min(size) < 1 or min(top, bottom, left, right) < 0:
        raise ShapeError(f"a {height}x{width} map cannot be cropped to {size[0]}x{size[1]}")
    return (channels, *size)


def _linear(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(inputs[0]) != 1:
        raise ShapeError(
            f"linear needs a flat input, not {format_shape(inputs[0])}; flatten it first"
        )
    return (layer.channels or 0,)


def _added(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len(set(inputs)) > 1:
        raise ShapeError(f"add needs inputs of one shape, not {format_shapes(inputs)}")
    return inputs[0]


def _concatenated(_: Layer, inputs: Sequence[Shape]) -> Shape:
    if len({shape[1:] for shape in inputs}) > 1:
        raise ShapeError(f"concat needs inputs of one size, not {format_shapes(inputs)}")
    return (sum(shape[0] for shape in inputs), *inputs[0][1:])


def _unchanged(_: Layer, inputs: Sequence[Shape]) -> Shape:
    return inputs[0]


ANY_SHAPE = (*ACTIVATIONS, "bn", "dropout", "flatten", "linear", "add", "concat")

_RULES: dict[str, Callable[[Layer, Sequence[Shape]], Shape]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolved),
    **dict.fromkeys(POOLS, _pooled),
    **dict.fromkeys((*ACTIVATIONS, "bn", "dropout"), _unchanged),
    "globalavgpool": lambda _, inputs: (inputs[0][0], 1, 1),
    "adaptiveavgpool": lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
    "magnitude": lambda _, inputs: (1, *inputs[0][1:]),
    "flatten": lambda _, inputs: (math.prod(inputs[0]),),
    "linear": _linear,
    "crop": _cropped,
    "add": _added,
    "concat": _concatenated,
}


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
    depth = channels // group_count(layer, channels)
    return output_channels(layer, channels) * depth * math.prod(layer.window.kernel)


class LayerSize(NamedTuple):
    """One window operation over one input.

    Parameters
    ----------
    layer : Layer
    size : (height, width)
        The input's.
    channels : int, optional
        The input's; None where they were not given.
    padding : ((top, bottom), (left, right))
    output, dropped : (int, int)
        The output's height and width; the rows and columns at the far ends of the padded input
        that no window reaches.
    params, macs : int, optional
        None where the channels were not given.
    """

    layer: Layer
    size: Pair
    channels: int | None
    padding: Sides
    output: Pair
    dropped: Pair
    params: int | None
    macs: int | None

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The operation along its rows and along its columns."""
        return self.layer.window.axes(self.size)


def measure(layer: Layer, size: Pair, channels: int | None = None) -> LayerSize:
    """Work out one window operation.

    Raises
    ------
    ShapeError
        Where the output would be empty, or groups do not divide the channels.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> measure(parse_layer("conv:3,s=2,p=1"), (224, 224)).output
    (112, 112)
    """
    window = layer.window
    output = window.output(size)
    params = products = None
    if channels is not None:
        shape = (channels, *size)
        params = parameters(layer, shape)
        products = macs(layer, shape, output_shape(layer, [shape]))
    return LayerSize(
        layer=layer,
        size=size,
        channels=channels,
        padding=window.sides(size),
        output=output,
        dropped=window.dropped(size),
        params=params,
        macs=products,
    )
