"""Normalizations: values put on a common scale, and learned scales and shifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.operations import (
    AxisMap,
    Flag,
    Key,
    Operation,
    WholeAxis,
    key_table,
    parse_limited,
    refuse_torch,
)
from convcli.arithmetic.values import Shape, format_real, parse_number, parse_real
from convcli.errors import NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer

ALL_AXES = "chw"
AXES = ("c", "h", "w", "hw", ALL_AXES)  # that a mean or a sum is taken over
MIN_EPS = 1e-30  # that the bound of errors counts with


def _parse_axes(text: str) -> str:
    if text not in AXES:
        raise NotationError(f"axes must be one of {', '.join(AXES)}, not {text!r}")
    return text


_AXES = Key(
    "axes", "axes", _parse_axes, str, "|".join(AXES), ALL_AXES,
    "the axes of a mean: channels, height, width; of flat values, the only one", initial=ALL_AXES,
)  # fmt: skip
_SOFTMAX_AXES = _AXES._replace(
    default="c", description="the axes of a sum: channels, height, width", initial="c"
)
_EPS = Key(
    "eps", "eps", partial(parse_limited, what="eps", least=0), format_real, "EPS", "1e-05",
    "what is added to the variance", initial=1e-5,
)  # fmt: skip
_NO_SCALE = Flag("noscale", "noscale", True, "have no learned scale")
_NO_SHIFT = Flag("noshift", "noshift", True, "have no learned shift")
_FIXED = Flag("fixed", "fixed", True, "have numbers that are not learned")
_LOG = Flag("log", "log", True, "return the logarithms of the shares")
_AFFINE = Flag("affine", "affine", True, "have a learned scale and shift for each channel")
_GROUPS = Key(
    "groups", "count", partial(parse_number, what="the groups", least=1), str, "N", "",
    "the groups of channels",
)  # fmt: skip

# ---- the axes of a mean or a sum -----------------------------------------------------------------


def normalized_axes(layer: Layer) -> str:
    """Return the axes that the mean or the sum of a layer over a map is taken over."""
    fixed = {"groupnorm": ALL_AXES, "instancenorm": "hw"}
    return str(fixed.get(layer.op) or layer.value("axes"))


def _map_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[AxisMap, AxisMap] | None:
    """Every output depends on whole rows or columns beside its own position."""
    axes, shape = normalized_axes(layer), inputs[0]
    if len(shape) == 1 or axes == "c":
        return None
    rows, columns = (
        WholeAxis(size, size, has_own=True) if letter in axes else Axis(size=size, kernel=1)
        for letter, size in zip("hw", shape[1:], strict=True)
    )
    return rows, columns


def _normalized_shape(layer: Layer, shape: Shape) -> Shape:
    """Return the shape of the axes of a mean; that of flat values has one."""
    sides = dict(zip(ALL_AXES, shape, strict=True)) if len(shape) == 3 else {}
    return tuple(sides[letter] for letter in normalized_axes(layer)) if sides else shape


# ---- learned scales and shifts -------------------------------------------------------------------


def _has(layer: Layer) -> tuple[str, ...]:
    """Return which of scale and shift a layer has."""
    flags = {flag.name for flag in layer.operation.flags if layer.value(flag.field)}
    if _AFFINE in layer.operation.flags:
        return ("scale", "shift") if "affine" in flags else ()
    return tuple(name for name in ("scale", "shift") if f"no{name}" not in flags)


def _channel_arrays(layer: Layer, shape: Shape) -> dict[str, Shape]:
    return dict.fromkeys(_has(layer), shape[:1])


def _affine_arrays(layer: Layer, shape: Shape, *, are_fixed: bool) -> dict[str, Shape]:
    return _channel_arrays(layer, shape) if layer.value("fixed") == are_fixed else {}


def _position_arrays(layer: Layer, shape: Shape) -> dict[str, Shape]:
    return dict.fromkeys(_has(layer), _normalized_shape(layer, shape))


def _cost_formulas(layer: Layer, shape: Shape, _: Shape) -> dict[str, str]:
    arrays = layer.operation.weights(layer, shape)
    if not arrays:
        return {}
    sides = "*".join(map(str, next(iter(arrays.values()))))
    return {"params": sides if len(arrays) == 1 else f"{len(arrays)}*{sides}"}


# ---- shapes and bounds ---------------------------------------------------------------------------


def _group_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    channels, groups = inputs[0][0], layer.value("count")
    if channels % groups:
        raise ShapeError(f"{groups} groups do not divide {channels} channels")
    return inputs[0]


def _bound(layer: Layer, inputs: Sequence[Bound], shape: Shape, epsilon: float) -> Bound:
    """Of values minus their mean, divided by the square root of their variance and eps."""
    count = math.prod(_normalized_shape(layer, shape))
    centered = inputs[0].sum(1, 1, epsilon)  # a mean that is summed in float64
    slope = 2 / math.sqrt(max(layer.value("eps"), MIN_EPS))
    return centered.within(math.sqrt(count), epsilon, slope=slope)


def _bound_softmax(layer: Layer, inputs: Sequence[Bound], shape: Shape, epsilon: float) -> Bound:
    count = math.prod(_normalized_shape(layer, shape))
    if layer.value("log"):  # each value minus the logarithm of a sum, which is as large
        return inputs[0].sum(2, count, epsilon, math.log(count))
    return inputs[0]._replace(largest=1.0).sum(1, count, epsilon)


def _bound_lrn(layer: Layer, inputs: Sequence[Bound], _: Shape, epsilon: float) -> Bound:
    """Of x / (bias + alpha·mean)^beta, whose slope is 1 + 2·beta at most where the bias is 1."""
    beta, least = layer.value("beta"), max(layer.value("constant"), MIN_EPS)
    return inputs[0].curve((1 + 2 * abs(beta)) / least**beta, epsilon)


# ---- code for PyTorch ----------------------------------------------------------------------------


def _code(name: str, *positional: object, **keywords: tuple[object, object]) -> str:
    """Return the code of a module; a keyword has its value and its default."""
    named = [f"{key}={value!r}" for key, (value, default) in keywords.items() if value != default]
    return f"nn.{name}({', '.join([*map(str, positional), *named])})"


def _channel_torch(layer: Layer, shape: Shape, _: Shape) -> str:
    arrays = _has(layer)
    if len(arrays) == 1:
        return refuse_torch(layer)
    eps, affine = (layer.value("eps"), 1e-5), bool(arrays)
    if layer.op == "groupnorm":
        return _code("GroupNorm", layer.value("count"), shape[0], eps=eps, affine=(affine, True))
    if layer.op == "instancenorm":
        return _code("InstanceNorm2d", shape[0], eps=eps, affine=(affine, False))
    name = "BatchNorm1d" if len(shape) == 1 else "BatchNorm2d"
    return _code(name, shape[0], eps=eps, affine=(affine, True))


def _layer_torch(layer: Layer, shape: Shape, _: Shape) -> str:
    arrays, sides = _has(layer), _normalized_shape(layer, shape)
    if arrays == ("shift",) or shape[len(shape) - len(sides) :] != sides:
        return refuse_torch(layer)
    if len(shape) == 3 and normalized_axes(layer) in ("c", "h"):
        return refuse_torch(layer)
    return _code(
        "LayerNorm",
        list(sides),
        eps=(layer.value("eps"), 1e-5),
        elementwise_affine=(bool(arrays), True),
        bias=(arrays != ("scale",), True),
    )


def _lrn_torch(layer: Layer, *_: Any) -> str:
    return _code(
        "LocalResponseNorm",
        layer.value("neighbors"),
        alpha=(layer.value("alpha"), 1e-4),
        beta=(layer.value("beta"), 0.75),
        k=(layer.value("constant"), 1.0),
    )


def _softmax_torch(layer: Layer, shape: Shape, _: Shape) -> str:
    axes = normalized_axes(layer)
    if len(shape) == 3 and len(axes) > 1:
        return refuse_torch(layer)
    name = "LogSoftmax" if layer.value("log") else "Softmax"
    return f"nn.{name}(dim={-1 if len(shape) == 1 else ALL_AXES.index(axes) - 3})"


_LRN_ALPHA = Key(
    "alpha", "alpha", partial(parse_real, what="alpha"), format_real, "ALPHA", "0.0001",
    "the weight of the mean", initial=1e-4,
)  # fmt: skip
_LRN_BETA = Key(
    "beta", "beta", partial(parse_real, what="beta"), format_real, "BETA", "0.75", "the exponent",
    initial=0.75,
)  # fmt: skip
_LRN_BIAS = Key(
    "bias", "constant", partial(parse_real, what="bias"), format_real, "BIAS", "1",
    "what is added to the mean", initial=1.0,
)  # fmt: skip
_NEIGHBORS = Key(
    "neighbors", "neighbors", partial(parse_number, what="the channels", least=1), str, "N", "",
    "the channels of a mean",
)  # fmt: skip

# The rules of what divides by the square root of a variance.
_STANDARD: dict[str, Any] = {
    "axes": _map_axes,
    "bound": _bound,
    "cost_formulas": _cost_formulas,
    "needs_weights": lambda layer: bool(_has(layer)),
    "is_bounded": True,
    "is_homogeneous": False,
    "alpha_refusal": "its mean and variance would count hidden colors",
}
_WHOLE_MAP = "the whole map"

OPERATIONS = (
    Operation(
        "bn",
        "normalization",
        "a batch normalization: values of each channel by a stored mean and variance",
        keys=key_table() | {"eps": _EPS},
        flags=(_NO_SCALE, _NO_SHIFT),
        weights=_channel_arrays,
        statistics=lambda _, shape: {"mean": shape[:1], "variance": shape[:1]},
        cost_formulas=_cost_formulas,
        needs_weights=lambda _: True,
        torch=_channel_torch,
        takes_flat=True,
    ),
    Operation(
        "layernorm",
        "normalization",
        "values of the whole map, or along the axes, by their mean and variance",
        field_effect=f"{_WHOLE_MAP}, or the axes",
        keys=key_table() | {"axes": _AXES, "eps": _EPS},
        flags=(_NO_SCALE, _NO_SHIFT),
        weights=_position_arrays,
        torch=_layer_torch,
        takes_flat=True,
        **_STANDARD,
    ),
    Operation(
        "groupnorm",
        "normalization",
        "values of each of N groups of channels by their mean and variance",
        syntax="groupnorm:N",
        example="groupnorm:4",
        field_effect=_WHOLE_MAP,
        argument=_GROUPS,
        needs="its groups of channels, like groupnorm:32",
        keys=key_table() | {"eps": _EPS},
        flags=(_NO_SCALE, _NO_SHIFT),
        shape=_group_shape,
        weights=_channel_arrays,
        torch=_channel_torch,
        takes_flat=True,
        **_STANDARD,
    ),
    Operation(
        "instancenorm",
        "normalization",
        "values of each channel by their mean and variance",
        field_effect=_WHOLE_MAP,
        keys=key_table() | {"eps": _EPS},
        flags=(_AFFINE,),
        weights=_channel_arrays,
        torch=_channel_torch,
        **_STANDARD,
    ),
    Operation(
        "lrn",
        "normalization",
        "x / (bias + alpha * m)^beta, of the mean m of the squares of N neighboring channels",
        syntax="lrn:N",
        example="lrn:5",
        argument=_NEIGHBORS,
        needs="its channels, like lrn:5",
        keys=key_table() | {"alpha": _LRN_ALPHA, "beta": _LRN_BETA, "bias": _LRN_BIAS},
        bound=_bound_lrn,
        is_homogeneous=False,
        torch=_lrn_torch,
    ),
    Operation(
        "softmax",
        "normalization",
        "exp(x) divided by its sum over the channels, or along the axes",
        field_effect="unchanged; the axes, where they are not the channels",
        keys=key_table() | {"axes": _SOFTMAX_AXES},
        flags=(_LOG,),
        axes=_map_axes,
        bound=_bound_softmax,
        is_bounded=True,
        is_homogeneous=False,
        torch=_softmax_torch,
        takes_flat=True,
    ),
    Operation(
        "affine",
        "normalization",
        "a learned scale and shift for each channel",
        keys=key_table(),
        flags=(_NO_SCALE, _NO_SHIFT, _FIXED),
        weights=partial(_affine_arrays, are_fixed=False),
        statistics=partial(_affine_arrays, are_fixed=True),
        cost_formulas=_cost_formulas,
        needs_weights=lambda layer: bool(_has(layer)),
        takes_flat=True,
    ),
)  # fmt: skip
