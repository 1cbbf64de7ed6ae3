"""Pools: over windows, over parts of the map, and over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.intervals import Parts
from convcli.arithmetic.operations.convolution import window_axes
from convcli.arithmetic.operations.operation import (
    CEIL,
    KEYS,
    NO_PAD,
    Operation,
    key_table,
    size_key,
)
from convcli.arithmetic.values import Shape

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer


def parts_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Parts, Parts] | None:
    """Return the parts of the map that the outputs cover: `size` of them, or the whole map."""
    shape = inputs[0]
    if len(shape) == 1:
        return None
    rows, columns = layer.size or (1, 1)
    return Parts(shape[1], rows), Parts(shape[2], columns)


def _window_pool_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, height, width = inputs[0]
    return (channels, *layer.window.output((height, width)))


def _window_pool(name: str, description: str, **rules: Any) -> Operation:
    return Operation(
        *(name, "pooling", f"{name}:N|HxW", f"{name}:3,s=2,p=1", description),
        shape_effect="floor((i + p - d*(k - 1) - 1) / s) + 1 on each side; with ceil, ceil(...)",
        field_effect="grows by d*(k - 1) jumps; the jump is multiplied by s",
        argument=KEYS["k"],
        needs=f"a window size, like {name}:3",
        keys=key_table("k", "s", "p", "d"),
        defaults={"s": "k"},
        implied=lambda layer: {} if layer.kernel is None else {"stride": layer.kernel},
        shape=_window_pool_shape,
        axes=window_axes,
        is_window=True,
        can_unpremultiply=True,
        **rules,
    )


OPERATIONS = (
    _window_pool(
        "maxpool", "the largest value of each window", flags=(CEIL,), can_be_infinite=True
    ),
    _window_pool("avgpool", "the mean of each window", flags=(CEIL, NO_PAD)),
    Operation(
        *("globalavgpool", "pooling", "globalavgpool", "globalavgpool"),
        "the mean of each channel",
        shape_effect="1x1",
        field_effect="the whole input",
        shape=lambda _, inputs: (inputs[0][0], 1, 1),
        axes=parts_axes,
        ends_map=True,
        can_unpremultiply=True,
    ),
    Operation(
        *("adaptiveavgpool", "pooling", "adaptiveavgpool:N|HxW", "adaptiveavgpool:7"),
        "the means of N by N parts of the map, of equal size or nearly",
        shape_effect="NxN or HxW",
        field_effect="grows to the part's share of the map",
        argument=size_key("size", "size", "", "the output's size", what="the output size"),
        needs="its output size, like adaptiveavgpool:7",
        shape=lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
        axes=parts_axes,
        ends_map=True,
        can_unpremultiply=True,
    ),
)
