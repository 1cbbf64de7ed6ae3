"""Pools: each output is the largest value or the mean of a region of one channel."""

from __future__ import annotations

from typing import Any

from convcli.arithmetic.operations import (
    CEIL,
    NO_PAD,
    WINDOW_FIELD_EFFECT,
    Operation,
    key_table,
    parts_axes,
    size_key,
    window_operation,
)


def _window_pool(name: str, description: str, **rules: Any) -> Operation:
    return window_operation(
        name,
        "pooling",
        description,
        example=f"{name}:3,s=2,p=1",
        shape_effect="floor((i + p - d*(k - 1) - 1) / s) + 1 on each side; with ceil, ceil(...)",
        field_effect=WINDOW_FIELD_EFFECT,
        keys=key_table("k", "s", "p", "d"),
        defaults={"s": "k"},
        implied=lambda layer: {} if layer.kernel is None else {"stride": layer.kernel},
        shape=lambda layer, inputs: (inputs[0][0], *layer.window.output(inputs[0][1:])),
        **rules,
    )


def _pool_of_parts(name: str, description: str, **rules: Any) -> Operation:
    return Operation(
        name,
        "pooling",
        description,
        shape=lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
        axes=parts_axes,
        filters_alpha=True,
        **rules,
    )


OPERATIONS = (
    _window_pool(
        "maxpool",
        "the largest value of each window",
        flags=(CEIL,),
        reduction="max",
        can_be_infinite=True,
    ),
    _window_pool("avgpool", "the mean of each window", flags=(CEIL, NO_PAD), reduction="mean"),
    _pool_of_parts(
        "globalavgpool",
        "the mean of each channel",
        shape_effect="1x1",
        field_effect="the whole input",
    ),
    _pool_of_parts(
        "adaptiveavgpool",
        "the means of N by N parts of the map, of equal size or nearly",
        syntax="adaptiveavgpool:N|HxW",
        example="adaptiveavgpool:7",
        shape_effect="NxN or HxW",
        field_effect="grows to the part's share of the map",
        argument=size_key("size", "size", "", "the output's size", what="the output size"),
        needs="its output size, like adaptiveavgpool:7",
    ),
)
