"""One layer of a network: its operation and settings, the shape that it makes, and its cost.

`convcli.arithmetic.notation` reads a layer from text (`conv:3,s=2,p=1`) and writes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.operations import OPERATIONS
from convcli.arithmetic.operations.operation import Operation
from convcli.arithmetic.values import NO_PADDING, Pair, Shape, Sides, format_shapes
from convcli.errors import ArgumentError, ShapeError


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
    argument : optional
        The operation's own argument, where it is none of the other fields.
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
    argument: Any = None
    like: str | None = None
    ceil: bool = False
    bias: bool = True
    count_padding: bool = True
    origin: Pair | None = None
    kernel_channels: int | None = None
    name: str | None = None
    sources: tuple[str, ...] = ()

    @property
    def operation(self) -> Operation:
        """The record of its operation."""
        return OPERATIONS[self.op]

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
            transposed=self.operation.is_transposed,
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
    operation = layer.operation
    if not operation.takes_flat and any(len(shape) != 3 for shape in inputs):
        raise ShapeError(f"{layer.op} needs a map of (C, H, W), not {format_shapes(inputs)}")
    return operation.shape(layer, inputs)


def with_kernel(layer: Layer, kernel_shape: Shape) -> Layer:
    """Put the shape of a real kernel in: its size as k, and what its axes say of the channels.

    Two axes filter each channel by itself, three sum the channels into one map, four are a layer's
    weights: (C_out, C_in, kh, kw), or (C_in, C_out, kh, kw) of a transposed convolution.
    """
    sized = replace(layer, kernel=(kernel_shape[-2], kernel_shape[-1]))
    if len(kernel_shape) == 2:
        return replace(sized, groups="depthwise") if layer.groups is None else sized
    outputs, summed = (1, 0) if layer.operation.is_transposed else (0, 1)
    channels = 1 if len(kernel_shape) == 3 else kernel_shape[outputs]
    depth = kernel_shape[0] if len(kernel_shape) == 3 else kernel_shape[summed]
    if layer.channels not in (None, channels):
        raise ShapeError(f"c={layer.channels}, but the kernel makes {channels} channels")
    return replace(sized, channels=channels, kernel_channels=depth)


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
        params = layer.operation.parameters(layer, shape)
        products = layer.operation.macs(layer, shape, output_shape(layer, [shape]))
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
