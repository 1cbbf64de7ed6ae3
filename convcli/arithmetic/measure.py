"""One layer over one input: everything that can be said of it, and how each number comes about."""

from __future__ import annotations

from dataclasses import dataclass

from convcli.arithmetic.arguments import Pair, Sides
from convcli.arithmetic.cost import macs, parameters
from convcli.arithmetic.layers import CONVOLUTIONS, Layer
from convcli.arithmetic.shapes import output_channels, output_shape, resolved_groups
from convcli.arithmetic.sizes import Axis, formula


@dataclass(frozen=True, slots=True)
class Measured:
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


def measure(layer: Layer, size: Pair, channels: int | None = None) -> Measured:
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
    return Measured(
        layer=layer,
        size=size,
        channels=channels,
        padding=window.sides(size),
        output=output,
        dropped=window.dropped(size),
        params=params,
        macs=products,
    )


def size_formula(axis: Axis) -> str:
    """The formula of an output size, in letters.

    >>> size_formula(Axis(size=5, kernel=3))
    'floor((i + before + after - d*(k - 1) - 1) / s) + 1'
    """
    if axis.transposed:
        return "(i - 1)*s - before - after + d*(k - 1) + op + 1"
    rounding = "ceil" if axis.ceil_mode else "floor"
    return f"{rounding}((i + before + after - d*(k - 1) - 1) / s) + 1"


def size_working(axis: Axis) -> str:
    """The formula with its numbers put in, and the result.

    >>> size_working(Axis(size=32, kernel=3, stride=2, before=1, after=1))
    'floor((32 + 1 + 1 - 1*(3 - 1) - 1) / 2) + 1 = 16'
    """
    if axis.ceil_mode:
        rounded_up = -(-axis.slack // axis.stride) + 1
        if rounded_up != axis.output:
            reason = "less 1: the last window would start in the padding"
            return f"{formula(axis)} = {rounded_up}, {reason} = {axis.output}"
    return f"{formula(axis)} = {axis.output}"


def cost_workings(measured: Measured) -> dict[str, str]:
    """How a convolution's parameters and MACs come about, where its channels are known."""
    layer, channels = measured.layer, measured.channels
    if channels is None or layer.op not in CONVOLUTIONS:
        return {}
    maps = output_channels(layer, channels)
    height, width = layer.window.kernel
    weights = f"{maps}*({channels}/{resolved_groups(layer, channels)})*{height}*{width}"
    rows, columns = measured.size if layer.op == "tconv" else measured.output
    bias = f" + {maps}" if layer.bias else ""
    return {
        "params": f"{weights}{bias} = {measured.params:,}",
        "MACs": f"{weights} * {rows}*{columns} = {measured.macs:,}",
    }
