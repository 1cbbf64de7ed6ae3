"""An encoder and a decoder for a budget, as U-Net has them.

The encoder halves its maps level by level, and doubles their channels; the decoder doubles them
again, beside what the encoder had at each level (O. Ronneberger, P. Fischer and T. Brox, "U-Net",
2015). The output has the size of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from convcli.arithmetic.design import InfeasibleError, check_multiple, largest, min_used
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.network import walk
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.shortest_stack import BLOCKS, BlockSpec, Budget, Cost, channel_step
from convcli.arithmetic.values import Shape
from convcli.errors import ArgumentError

MAX_BLOCKS = 4  # of a level, on each way
MAX_LEVELS = 8
MIN_SIDE = 2  # of the deepest maps


@dataclass(frozen=True, slots=True)
class _Network:
    """An encoder and a decoder of so many blocks a level.

    Parameters
    ----------
    block : str
    shape : (C, H, W)
    blocks : int
        Of each level, in the encoder and in the decoder.
    channels : tuple of int
        Of each level; the last is the deepest.
    """

    block: str
    shape: Shape
    blocks: int
    channels: tuple[int, ...]

    def layers(self) -> list[Layer]:
        """Return all layers, in order."""
        deepest = len(self.channels) - 1
        layers: list[Layer] = []
        for level, channels in enumerate(self.channels):
            if level:
                is_odd = self._is_odd(level - 1)
                layers.append(Layer("maxpool", kernel=(2, 2), stride=(2, 2), ceil=is_odd))
            layers += self._build_blocks(channels)
            if level < deepest:
                layers[-1] = layers[-1]._replace(name=f"level{level}")
        for level in reversed(range(deepest)):
            layers += self._join(level)
            layers += self._build_blocks(self.channels[level])
        return layers

    def _build_blocks(self, channels: int) -> list[Layer]:
        return BLOCKS[self.block](BlockSpec(stride=1), channels) * self.blocks

    def _is_odd(self, level: int) -> bool:
        """Whether a side of a level's maps is odd: halved and doubled, it is larger by one."""
        return any(-(-side >> level) % 2 for side in self.shape[1:])

    def _join(self, level: int) -> list[Layer]:
        """Return the layers that double the maps, and put them beside the encoder's."""
        encoder, decoder = f"level{level}", f"up{level}"
        up = Layer("tconv", kernel=(2, 2), stride=(2, 2), channels=self.channels[level])
        ends = [up]
        if self._is_odd(level):
            ends.append(Layer("crop", like=encoder))
        ends[-1] = ends[-1]._replace(name=decoder)
        return [*ends, Layer("concat", sources=(encoder, decoder))]

    def walk(self) -> Walk:
        """Walk through it."""
        return walk(self.layers(), self.shape, name=self.block)


def design_encoder_decoder(shape: Shape, budget: Budget, *, block: str = "plain") -> Walk:
    """Design an encoder and a decoder that keep a budget.

    Of those with the receptive field asked for, it is the one of the fewest layers that uses nearly
    all of the parameters (see `min_used`); where none does, the one that uses the most.

    Parameters
    ----------
    shape : (C, H, W)
        The input's shape; the output has its size.
    budget : Budget
    block : {"plain", "bottleneck", "separable"}

    Raises
    ------
    InfeasibleError
        If none keeps the budget.

    Examples
    --------
    >>> found = design_encoder_decoder((3, 64, 64), Budget(params=100_000, field=60))
    >>> found.output[1:], found.params <= 100_000, found.layers[-1].receptive_field >= (60, 60)
    ((64, 64), True, True)
    """
    check_multiple(budget)
    if block not in BLOCKS:
        raise ArgumentError(f"block {block!r} is none of {', '.join(BLOCKS)}")
    if budget.output not in (None, (shape[1], shape[2])):
        raise ArgumentError("an encoder and a decoder end at the size of the input")
    best: Walk | None = None
    for network in _candidates(shape, budget, block):
        found = _widen(network, budget)
        if found is not None and (best is None or found.params > best.params):
            best = found
        if best is not None and best.params >= min_used(budget) * budget.params:
            return best
    if best is None:
        raise InfeasibleError(
            f"no encoder and decoder of up to {MAX_LEVELS} levels with {MAX_BLOCKS} {block} units "
            f"each keeps this budget with a receptive field of {budget.field}"
        )
    return best


def _candidates(shape: Shape, budget: Budget, block: str) -> Iterator[_Network]:
    """Yield the narrowest networks with the receptive field, the shortest first."""
    step = channel_step(block, budget) if budget.width is None else budget.width
    levels = [
        count for count in range(2, MAX_LEVELS + 1) if min(shape[1:]) > MIN_SIDE << (count - 2)
    ]
    networks = [
        _Network(block, shape, blocks, (step,) * count)
        for blocks, count in product(range(1, MAX_BLOCKS + 1), levels)
    ]
    networks.sort(key=lambda network: len(network.layers()))
    for network in networks:
        if min(network.walk().layers[-1].receptive_field) >= budget.field:
            yield network


def _widen(network: _Network, budget: Budget) -> Walk | None:
    """Return the network with as many channels as the budget allows, or None if it allows none."""
    step, levels = channel_step(network.block, budget), range(len(network.channels))

    def allows(wider: _Network) -> bool:
        found = wider.walk()
        return budget.allows(Cost(found.params, found.macs))

    def with_width(width: int) -> _Network:
        return replace(network, channels=tuple(width << level for level in levels))

    if budget.width is not None:
        widest = with_width(budget.width)
        return widest.walk() if allows(widest) else None
    width = largest(lambda count: count == 0 or allows(with_width(count * step))) * step
    if not width:
        return None
    widest = with_width(width)
    for level in reversed(levels):  # what is left goes to the deepest first
        widest = _widen_level(widest, level, step, allows)
    return widest.walk()


def _widen_level(
    network: _Network, level: int, step: int, allows: Callable[[_Network], bool]
) -> _Network:
    """Return the network with as many channels in one level as are allowed."""
    channels = network.channels

    def with_more(count: int) -> _Network:
        more = channels[level] + count * step
        return replace(network, channels=(*channels[:level], more, *channels[level + 1 :]))

    return with_more(largest(lambda count: allows(with_more(count))))
