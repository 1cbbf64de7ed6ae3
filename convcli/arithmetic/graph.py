"""The graph of a network: which layer takes whose output, and what an output depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from convcli.arithmetic.intervals import Interval, input_interval, span
from convcli.arithmetic.layers import Layer
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair
from convcli.errors import NotationError, did_you_mean

if TYPE_CHECKING:
    from convcli.arithmetic.network import Walk

INPUT = -1  # the place of the network's own input, before the first layer


def input_indices(layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """For each layer, the places of the layers whose outputs it takes; `INPUT` is the network's.

    `crop:like=NAME` has the layer that it is to be like as its second.

    Raises
    ------
    NotationError
        For a name that no earlier layer has, and for one given twice.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> input_indices([parse_layer("conv:3,name=a"), parse_layer("add:from=a+input")])
    [(-1,), (0, -1)]
    """
    places = {"input": INPUT}
    found = []
    for place, layer in enumerate(layers):
        names = (*layer.sources, *([layer.like] if layer.like else []))
        for name in names:
            if name not in places:
                hint = did_you_mean(name, places)
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


Region: TypeAlias = tuple[Interval, Interval]  # (first, last) row, (first, last) column


def backtrace(walk: Walk, place: int, at: Pair) -> dict[int, Region]:
    """The areas that one output of a map sees, for every map on its way and for the input.

    Parameters
    ----------
    walk : Walk
    place : int
        The layer whose output it is.
    at : (row, column)

    Returns
    -------
    dict
        By the layer's place; `INPUT` (-1) is the network's input. What lies below 0 or beyond a
        map's end is padding.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> found = backtrace(walk(["conv:3,p=1", "maxpool:2"], (1, 8, 8)), 1, (0, 0))
    >>> found[-1]
    ((-1, 2), (-1, 2))
    """
    seen: dict[int, Region] = {place: ((at[0], at[0]), (at[1], at[1]))}
    for user in range(place, -1, -1):
        if user not in seen:
            continue
        report = walk.layers[user]
        layer = report.layer
        region = seen[user]
        axes = layer.operation.axes(layer, report.inputs)
        if axes is not None:
            region = input_interval(axes[0], region[0]), input_interval(axes[1], region[1])
        # What crop takes the size of does not matter for its values.
        for source in report.places if layer.operation.is_join else report.places[:1]:
            known = seen.get(source, (None, None))
            seen[source] = span((known[0], region[0])), span((known[1], region[1]))
    return seen
