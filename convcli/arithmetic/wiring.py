"""A stack or network of layers: which layer takes whose output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer
from convcli.errors import NotationError, suggestion

INPUT = -1  # the place of the network's own input, before the first layer


def sources(layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """For each layer, the places of the layers whose outputs it takes; `INPUT` is the network's.

    `crop:like=NAME` has the layer that it is to be like as its second.

    Raises
    ------
    NotationError
        For a name that no earlier layer has, and for one given twice.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> sources([parse_layer("conv:3,name=a"), parse_layer("add:from=a+input")])
    [(-1,), (0, -1)]
    """
    places = {"input": INPUT}
    found = []
    for place, layer in enumerate(layers):
        names = (*layer.sources, *([layer.like] if layer.like else []))
        for name in names:
            if name not in places:
                hint = suggestion(name, places)
                raise NotationError(
                    f"layer {format_layer(layer)!r}: no layer before it is named {name!r}{hint}"
                )
        before = () if layer.sources else (place - 1,)
        found.append((*before, *(places[name] for name in names)))
        if layer.name in places:
            raise NotationError(f"layer {format_layer(layer)!r}: its name is taken already")
        if layer.name is not None:
            places[layer.name] = place
    return found


def last_uses(inputs: Sequence[Sequence[int]]) -> Mapping[int, int]:
    """The last layer that takes each place's output, after which it can be let go.

    >>> last_uses([(-1,), (0, -1), (0,)])
    {-1: 1, 0: 2}
    """
    return {place: user for user, places in enumerate(inputs) for place in places}
