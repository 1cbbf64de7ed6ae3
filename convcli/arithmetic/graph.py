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

Region: TypeAlias = tuple[Interval, Interval]  # (first, last) row, (first, last) column

INPUT = -1  # the index of the network's own input, before the first layer


def input_indices(layers: Sequence[Layer]) -> list[tuple[int, ...]]:
    """Return, for each layer, the indices of the layers whose outputs it takes.

    `INPUT` is the network's own. The second input of `crop:like=NAME` is that layer.

    Raises
    ------
    NotationError
        If no earlier layer has a name, or two have the same.

    Examples
    --------
    >>> from convcli.arithmetic.notation import parse_layer
    >>> input_indices([parse_layer("conv:3,name=a"), parse_layer("add:from=a+input")])
    [(-1,), (0, -1)]
    """
    by_name = {"input": INPUT}
    indices = []
    for index, layer in enumerate(layers):
        names = (*layer.sources, *([layer.like] if layer.like else []))
        for name in names:
            if name not in by_name:
                hint = did_you_mean(name, by_name)
                raise NotationError(
                    f"layer {format_layer(layer)!r}: no layer before it is named {name!r}{hint}"
                )
        before = () if layer.sources else (index - 1,)
        indices.append((*before, *(by_name[name] for name in names)))
        if layer.name in by_name:
            raise NotationError(f"layer {format_layer(layer)!r}: its name is taken already")
        if layer.name is not None:
            by_name[layer.name] = index
    return indices


def last_uses(inputs: Sequence[Sequence[int]]) -> Mapping[int, int]:
    """Return the index of the last layer that takes each output, which can be freed then.

    >>> last_uses([(-1,), (0, -1), (0,)])
    {-1: 1, 0: 2}
    """
    return {source: index for index, sources in enumerate(inputs) for source in sources}


def backtrace(walk: Walk, index: int, at: Pair) -> dict[int, Region]:
    """Return the regions of the earlier maps and of the input that one output depends on.

    Parameters
    ----------
    walk : Walk
    index : int
        Of the layer whose output it is.
    at : (row, column)

    Returns
    -------
    dict
        By the index of the layer; `INPUT` (-1) is the network's input. Positions below 0 or beyond
        the end of a map are padding.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> found = backtrace(walk(["conv:3,p=1", "maxpool:2"], (1, 8, 8)), 1, (0, 0))
    >>> found[-1]
    ((-1, 2), (-1, 2))
    """
    regions: dict[int, Region] = {index: ((at[0], at[0]), (at[1], at[1]))}
    for user in range(index, -1, -1):
        if user not in regions:
            continue
        report, (rows, columns) = walk.layers[user], regions[user]
        operation = report.layer.operation
        axes = operation.axes(report.layer, report.inputs)
        if axes is not None:
            rows, columns = input_interval(axes[0], rows), input_interval(axes[1], columns)
        # Of the map whose size crop takes, no value is used.
        for source in report.indices if operation.is_join else report.indices[:1]:
            known = regions.get(source, (None, None))
            regions[source] = span((known[0], rows)), span((known[1], columns))
    return regions
