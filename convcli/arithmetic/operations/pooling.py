"""Pools: each output is the largest value or the mean of a region of one channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import (
    CEIL,
    NO_PAD,
    WINDOW_FIELD_EFFECT,
    Operation,
    key_table,
    parts_axes,
    size_key,
    torch_size,
    window_operation,
)
from convcli.arithmetic.values import Shape

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer


def _bound_mean(layer: Layer, inputs: Sequence[Bound], shape: Shape, epsilon: float) -> Bound:
    region = shape[1:] if layer.kernel is None else layer.kernel
    return inputs[0].sum(1, math.prod(region), epsilon)


# How a pool makes one value of a region, and what follows.
_MAX: dict[str, Any] = {"reduction": "max"}
_MEAN: dict[str, Any] = {"reduction": "mean", "bound": _bound_mean}
_TORCH = {"max": "Max", "mean": "Avg"}


def _window_torch(layer: Layer, shape: Shape, _: Shape) -> str:
    from convcli.arithmetic.framework_rules import check_rules

    check_rules(layer, shape, "torch")
    rows, columns = layer.window.pads((shape[1], shape[2]))
    settings: dict[str, tuple[Any, Any]] = {
        "stride": (layer.stride, layer.kernel),
        "padding": ((rows[0], columns[0]), (0, 0)),
        "dilation": (layer.dilation, (1, 1)),
        "ceil_mode": (layer.ceil, False),
        "count_include_pad": (layer.count_padding, True),
    }
    keywords = [
        f"{name}={torch_size(value) if isinstance(value, tuple) else value}"
        for name, (value, default) in settings.items()
        if value != default
    ]
    arguments = ", ".join([torch_size(layer.window.kernel), *keywords])
    return f"nn.{_TORCH[layer.operation.reduction or '']}Pool2d({arguments})"


def _window_pool(name: str, description: str, rules: dict[str, Any], **more: Any) -> Operation:
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
        torch=_window_torch,
        keeps_level=True,
        **rules,
        **more,
    )


def _parts_torch(layer: Layer, *_: Any) -> str:
    name = _TORCH[layer.operation.reduction or ""]
    return f"nn.Adaptive{name}Pool2d({torch_size(layer.size or (1, 1))})"


_GLOBAL: dict[str, Any] = {"shape_effect": "1x1", "field_effect": "the whole input"}
_ADAPTIVE: dict[str, Any] = {
    "shape_effect": "NxN or HxW",
    "field_effect": "grows to the part's share of the map",
    "argument": size_key("size", "size", "", "the output's size", what="the output size"),
}


def _pool_of_parts(name: str, description: str, **rules: Any) -> Operation:
    if "argument" in rules:
        rules |= {"syntax": f"{name}:N|HxW", "example": f"{name}:7"}
        rules["needs"] = f"its output size, like {name}:7"
    return Operation(
        name,
        "pooling",
        description,
        shape=lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
        axes=parts_axes,
        torch=_parts_torch,
        keeps_level=True,
        filters_alpha=True,
        **rules,
    )


OPERATIONS = (
    _window_pool(
        "maxpool",
        "the largest value of each window",
        _MAX,
        flags=(CEIL,),
        can_be_infinite=True,
    ),
    _window_pool("avgpool", "the mean of each window", _MEAN, flags=(CEIL, NO_PAD)),
    _pool_of_parts("globalmaxpool", "the largest value of each channel", **_MAX, **_GLOBAL),
    _pool_of_parts("globalavgpool", "the mean of each channel", **_MEAN, **_GLOBAL),
    _pool_of_parts(
        "adaptivemaxpool",
        "the largest values of N by N parts of the map, of equal size or nearly",
        **_MAX,
        **_ADAPTIVE,
    ),
    _pool_of_parts(
        "adaptiveavgpool",
        "the means of N by N parts of the map, of equal size or nearly",
        **_MEAN,
        **_ADAPTIVE,
    ),
)
