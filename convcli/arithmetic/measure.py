"""One layer over one input: everything that can be said of it."""

from __future__ import annotations

from typing import NamedTuple

from convcli.arithmetic.arguments import Pair, Sides
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.sizes import Axis


class Measured(NamedTuple):
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
        from convcli.arithmetic.cost import macs, parameters
        from convcli.arithmetic.shapes import output_shape

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
