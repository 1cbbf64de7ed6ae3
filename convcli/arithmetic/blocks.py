"""The units that a designed stack is made of: each steps its map on and widens what it sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from convcli.arithmetic.arguments import Pair
from convcli.arithmetic.cost import macs, parameters
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.shapes import Shape, output_shape

NARROWING = 4  # how much a bottleneck narrows its middle


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of a stack, its channels left open.

    Parameters
    ----------
    stride : int
    padding : int
        Of its one 3x3 window.
    """

    stride: int
    padding: int = 1

    def output(self, size: Pair) -> Pair:
        """The (height, width) that it makes; below 1 where its window does not fit."""
        height, width = ((side + 2 * self.padding - 3) // self.stride + 1 for side in size)
        return height, width


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and multiply-accumulates."""

    params: int
    macs: int


def plain(unit: Unit, channels: int) -> list[Layer]:
    """A 3x3 convolution."""
    return [_window(unit, channels), Layer(op="relu")]


def bottleneck(unit: Unit, channels: int) -> list[Layer]:
    """1x1 to a quarter of the channels, 3x3, 1x1 back."""
    narrow = max(channels // NARROWING, 1)
    return [*_pointwise(narrow), _window(unit, narrow), Layer(op="relu"), *_pointwise(channels)]


def separable(unit: Unit, channels: int) -> list[Layer]:
    """3x3 over each channel by itself, then 1x1 across them."""
    return [_window(unit, None, groups="depthwise"), Layer(op="relu"), *_pointwise(channels)]


BLOCKS: dict[str, Callable[[Unit, int], list[Layer]]] = {
    "plain": plain,
    "bottleneck": bottleneck,
    "separable": separable,
}


@lru_cache(maxsize=1 << 16)
def cost(block: str, unit: Unit, shape: Shape, channels: int) -> Cost:
    """What one unit costs over an input of (C, H, W).

    >>> cost("plain", Unit(stride=1), (3, 32, 32), 64).params
    1792
    """
    trained = products = 0
    for layer in BLOCKS[block](unit, channels):
        output = output_shape(layer, [shape])
        trained += parameters(layer, shape)
        products += macs(layer, shape, output)
        shape = output
    return Cost(trained, products)


def _window(unit: Unit, channels: int | None, groups: str | None = None) -> Layer:
    sides = (unit.padding, unit.padding)
    return Layer(
        op="conv",
        kernel=(3, 3),
        stride=(unit.stride, unit.stride),
        padding=(sides, sides),
        channels=channels,
        groups=groups,
    )


def _pointwise(channels: int) -> list[Layer]:
    return [Layer(op="conv", kernel=(1, 1), channels=channels), Layer(op="relu")]
