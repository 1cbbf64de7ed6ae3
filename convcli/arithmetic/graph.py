"""The graph of a network: which layer takes whose output, and what an output depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from convcli.arithmetic.geometry import Axis, Interval, contributing_inputs, span
from convcli.arithmetic.layers import CONVOLUTIONS, ENDS_OF_MAPS, POOLS, Layer, crop_margins
from convcli.arithmetic.notation import format_layer
from convcli.arithmetic.values import Pair
from convcli.errors import NotationError, did_you_mean

if TYPE_CHECKING:
    from convcli.arithmetic.network import LayerReport, Walk

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
        walked = walk.layers[user]
        sources = walked.places[:1] if walked.layer.op == "crop" else walked.places
        for source in sources:
            rows, columns = _before(walked, seen[user])
            known = seen.get(source, (None, None))
            seen[source] = (span((known[0], rows)), span((known[1], columns)))
    return seen


def _before(walked: LayerReport, area: Region) -> Region:
    """The area of a layer's input that an area of its output sees."""
    layer, shape = walked.layer, walked.inputs[0]
    if layer.op in (*CONVOLUTIONS, *POOLS):
        along_rows, along_columns = layer.window.axes((shape[1], shape[2]))
        return _under(along_rows, area[0]), _under(along_columns, area[1])
    if layer.op == "crop":
        (top, _), (left, _) = crop_margins(layer, walked.inputs)
        return _moved(area[0], top), _moved(area[1], left)
    if layer.op in ENDS_OF_MAPS and len(shape) == 3:
        parts = layer.size or (1, 1)
        return _parts(area[0], shape[1], parts[0]), _parts(area[1], shape[2], parts[1])
    return area


def _under(axis: Axis, interval: Interval) -> Interval:
    if interval is None:
        return None
    first, last = interval
    if not axis.transposed:
        start = first * axis.stride - axis.before
        return start, last * axis.stride - axis.before + axis.effective_kernel - 1
    # After stride times dilation outputs the pattern of who paints whom has come round.
    turn = axis.stride * axis.dilation
    near = range(first, min(first + turn, last + 1))
    far = range(max(last - turn + 1, first), last + 1)
    found = [seen for v in chain(near, far) if (seen := contributing_inputs(axis, v))]
    return (min(seen[0] for seen in found), max(seen[-1] for seen in found)) if found else None


def _moved(interval: Interval, by: int) -> Interval:
    return None if interval is None else (interval[0] + by, interval[1] + by)


def _parts(interval: Interval, size: int, parts: int) -> Interval:
    if interval is None:
        return None
    return interval[0] * size // parts, -(-(interval[1] + 1) * size // parts) - 1
