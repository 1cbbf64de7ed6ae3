"""Elementwise operations and joins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Shape
from convcli.networks.onnx.constants import Array, Constant
from convcli.networks.onnx.layout import CHANNELS, find_letters
from convcli.networks.onnx.normalizations import as_real
from convcli.networks.onnx.reader import (
    Call,
    Converter,
    MisfitError,
    UnknownError,
    Value,
    as_axis,
    make_layer,
)

# ---- functions of each value --------------------------------------------------------------------


def on_values(call: Call, layer: Layer) -> Value:
    """Apply a function of each value, whatever order they have."""
    value = call.value()
    return call.emit(layer, value, view=value.view)


def _each(op: str, **values: Any) -> Converter:
    return lambda call: on_values(call, make_layer(op, **values))


def _with_attributes(op: str, **defaults: tuple[str, float]) -> Converter:
    """Return what converts to an operation with settings: attribute -> setting, default."""

    def convert(call: Call) -> Value:
        values = {
            field: as_real(call.attribute(name, default))
            for name, (field, default) in defaults.items()
        }
        return on_values(call, make_layer(op, **values))

    return convert


def _gelu(call: Call) -> Value:
    is_tanh = call.attribute("approximate", "none") == "tanh"
    return on_values(call, make_layer("gelu", **({"tanh": True} if is_tanh else {})))


def _clip(call: Call) -> Value:
    if call.opset < 11:
        bounds = call.attribute("min", -math.inf), call.attribute("max", math.inf)
    else:
        low, high = call.numbers(1), call.numbers(2)
        bounds = (low or [-math.inf])[0], (high or [math.inf])[0]
    return _clipped(call, *bounds)


def _clipped(call: Call, low: float, high: float) -> Value:
    low, high = _bound(low), _bound(high)
    if (low, high) == (0, math.inf):
        return on_values(call, make_layer("relu"))
    if (low, high) == (0, 6):
        return on_values(call, make_layer("relu6"))
    if not low <= high:
        raise UnknownError
    return on_values(call, make_layer("clip", bounds=(low, high)))


def _bound(value: float) -> float:
    if math.isnan(value):
        raise UnknownError
    if abs(value) >= float(np.finfo(np.float32).max):
        return math.copysign(math.inf, value)
    return as_real(value)


def _prelu(call: Call) -> Value:
    value, slope = call.map(), call.constant(1)
    if slope is None:
        raise UnknownError
    if slope.size == 1:
        return call.emit(make_layer("prelu"), value, weights={"slope": slope.reshape((1,))})
    channels = as_channels(slope, value)
    layer = make_layer("prelu", channelwise=True)
    return call.emit(layer, value, weights={"slope": channels})


def _power(call: Call) -> Value:
    exponents = call.numbers(1)
    known = {1.0: "identity", 2.0: "square", 0.5: "sqrt"}
    if exponents is None or len(exponents) != 1 or float(exponents[0]) not in known:
        raise UnknownError
    return on_values(call, make_layer(known[float(exponents[0])]))


def _swish(call: Call) -> Value:
    if call.attribute("alpha", 1.0) != 1:
        raise UnknownError
    return on_values(call, make_layer("silu"))


def _dropout(call: Call) -> Value:
    if any(call.numbers(2) or ()):  # it drops values, at random
        raise UnknownError
    return on_values(call, make_layer("dropout"))


def _quantize(call: Call) -> Value:
    """Return the values before they are rounded, for a node that takes that back."""
    name = call.node.outputs[0]
    takers = call.reader.takers[name]
    if {node.op for node in takers} != {"DequantizeLinear"} or any(
        node.inputs[1:] != call.node.inputs[1:] for node in takers
    ):
        raise UnknownError
    if name in call.reader.graph.outputs:
        raise UnknownError
    call.reader.notes["quantization of maps is left out: their values are not rounded"] = None
    return call.value()


def _dequantize(call: Call) -> Value:
    maker = call.reader.makers.get(call.node.inputs[0])
    if maker is None or maker.op != "QuantizeLinear":
        raise UnknownError
    return on_values(call, make_layer("identity"))


def _cast(call: Call) -> Value:
    import onnx

    kinds = onnx.TensorProto
    if call.attribute("to") not in (kinds.FLOAT, kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE):
        raise UnknownError
    return on_values(call, make_layer("identity"))


# ---- joins --------------------------------------------------------------------------------------


def as_channels(constant: Constant, value: Value) -> Constant:
    """Return an array that has one value a channel of a tensor, as (C,).

    Raises
    ------
    UnknownError
        If it has others.
    """
    rank = len(value.dims)
    padded = (1,) * (rank - len(constant.shape)) + constant.shape
    letters = find_letters(value)
    is_right = len(padded) == rank and all(
        side == (size if axis == CHANNELS else 1)
        for side, size, axis in zip(padded, value.dims, letters, strict=True)
    )
    if not is_right or constant.size != value.shape[0]:
        raise UnknownError
    return constant.reshape(value.shape[:1])


def _legacy(call: Call, constant: Constant, dims: Shape) -> Constant:
    """Return the second input of a node of set 6, which says at which axis it stands."""
    axis = call.attribute("axis")
    if call.opset >= 7 or not call.attribute("broadcast", 0) or axis is None:
        return constant
    return constant.reshape((*constant.shape, *(1,) * (len(dims) - axis - len(constant.shape))))


def _join(op: str) -> Converter:
    """Return what converts a node of two inputs and more, of which one may be known."""

    def convert(call: Call) -> Value:
        _check_spread(call)
        values = [value for value in call.inputs if isinstance(value, Value)]
        if len(values) == len(call.inputs) > 1:
            return _join_values(call, op)
        if len(call.inputs) == 1:
            return on_values(call, make_layer("identity"))
        if len(call.inputs) != 2 or op not in _WITH_CONSTANT:
            raise UnknownError
        return _WITH_CONSTANT[op](call)

    return convert


def _check_spread(call: Call) -> None:
    """Check that the inputs spread over each other, which those of set 6 did in another way."""
    if call.opset < 7:
        return
    shapes = [
        value.dims if isinstance(value, Value) else value.shape
        for value in call.inputs
        if value is not None
    ]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        texts = " and ".join(map(str, dict.fromkeys(shapes)))
        raise MisfitError(f"{texts} do not spread over each other") from None


def _join_values(call: Call, op: str) -> Value:
    values = [call.value(place) for place in range(len(call.inputs))]
    layer = make_layer(op)
    first = values[0]
    if all(value.view == first.view and value.shape == first.shape for value in values):
        return call.emit(layer, *values, view=first.view)
    try:
        dims = np.broadcast_shapes(*(value.dims for value in values))
    except ValueError as error:
        raise UnknownError from error
    plain = [_aligned(call, place, len(dims)) for place in range(len(values))]
    if layer.operation.shape(layer, [value.shape for value in plain]) != call.reader.shape_of(dims):
        raise UnknownError
    return call.emit(layer, *plain, dims=dims)


def _aligned(call: Call, place: int, rank: int) -> Value:
    """Return an input with as many axes as the largest; ONNX aligns the last."""
    value = call.value(place)
    missing = rank - len(value.dims)
    if missing:
        view = value.view.reshape((1,) * missing + value.dims)
        value = value if view is None else value._replace(view=view)
    return call.reader.as_plain(value, call.node.inputs[place])


def _constant_and_value(call: Call) -> tuple[Value, Constant, bool]:
    """Return the input that a layer makes, the one that is known, and whether it is the first."""
    is_first = isinstance(call.inputs[0], Constant)
    constant = call.constant(0 if is_first else 1)
    if constant is None:
        raise UnknownError
    value = call.value(1 if is_first else 0)
    return value, _legacy(call, constant, value.dims), is_first


def _with_affine(
    role: str, function: Callable[[Array], Array] | None = None
) -> Callable[[Call], Value]:
    """Return what converts arithmetic with a known input to a scale or a shift of each channel."""

    def convert(call: Call) -> Value:
        value, constant, is_first = _constant_and_value(call)
        if is_first and function is not None:
            return _from_constant(call, value, constant)
        if function is not None:
            constant = constant.map(function)
        return _affine(call, value, constant, role, can_learn=function is None)

    return convert


def _from_constant(call: Call, value: Value, constant: Constant) -> Value:
    """Return `constant - x`: -x, shifted."""
    if call.node.op != "Sub":
        raise UnknownError
    name = call.node.name
    negative = call.emit(make_layer("neg"), value, view=value.view, name=f"{name}_neg")
    return _affine(call, negative, constant, "shift", can_learn=False)


def _affine(call: Call, value: Value, constant: Constant, role: str, *, can_learn: bool) -> Value:
    """Add a scale or a shift by a number, or by one a channel."""
    fixed = not (can_learn and constant.roots)
    without = {"noshift": True} if role == "scale" else {"noscale": True}
    if constant.size == 1:
        channels = constant.derive(
            value.shape[:1], lambda x: np.full(value.shape[:1], x.reshape(-1)[0])
        )
        rank = max(len(value.dims), len(constant.shape))
        if rank > len(value.dims):
            raise UnknownError
    else:
        channels = as_channels(constant, value)
        if (
            role == "shift"
            and can_learn
            and call.reader.add_bias(call.node.inputs, value, channels)
        ):
            return value
    layer = make_layer("affine", **without, **({"fixed": True} if fixed else {}))
    return call.emit(layer, value, weights={role: channels}, view=value.view)


def _largest_with(call: Call) -> Value:
    _, constant, _ = _constant_and_value(call)
    return _clipped_by(call, constant, is_least=True)


def _smallest_with(call: Call) -> Value:
    _, constant, _ = _constant_and_value(call)
    return _clipped_by(call, constant, is_least=False)


def _clipped_by(call: Call, constant: Constant, *, is_least: bool) -> Value:
    if constant.size != 1 or not isinstance(call.inputs[0], Value):
        raise UnknownError
    bound = float(constant.load().reshape(-1)[0])
    return _clipped(call, bound, math.inf) if is_least else _clipped(call, -math.inf, bound)


def _concat(call: Call) -> Value:
    values = [call.map(place) for place in range(len(call.inputs))]
    rank, axis = len(values[0].dims), call.attribute("axis", 1)
    if len(values) == 1:
        return on_values(call, make_layer("identity"))
    if any(len(value.dims) != rank or value.dims[:1] != (call.batch,) for value in values):
        raise UnknownError
    if as_axis(axis, rank) != 1 or rank not in (2, 3, 4):
        raise UnknownError
    channels = sum(value.dims[1] for value in values)
    dims = (values[0].dims[0], channels, *values[0].dims[2:])
    return call.emit(make_layer("concat"), *values, dims=dims)


_WITH_CONSTANT: dict[str, Callable[[Call], Value]] = {
    "add": _with_affine("shift"),
    "mul": _with_affine("scale"),
    "sub": _with_affine("shift", np.negative),
    "div": _with_affine("scale", lambda x: 1 / x),
    "max": _largest_with,
    "min": _smallest_with,
}

CONVERTERS: dict[str, Converter] = {
    "Abs": _each("abs"),
    "Add": _join("add"),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "DequantizeLinear": _dequantize,
    "Div": _join("div"),
    "Dropout": _dropout,
    "Elu": _with_attributes("elu", alpha=("alpha", 1.0)),
    "Exp": _each("exp"),
    "Gelu": _gelu,
    "HardSigmoid": _with_attributes("hardsigmoid", alpha=("alpha", 0.2), beta=("beta", 0.5)),
    "HardSwish": _each("hardswish"),
    "Identity": _each("identity"),
    "LeakyRelu": _with_attributes("leaky-relu", alpha=("negative_slope", 0.01)),
    "Log": _each("log"),
    "Max": _join("max"),
    "Mean": _join("mean"),
    "Min": _join("min"),
    "Mish": _each("mish"),
    "Mul": _join("mul"),
    "Neg": _each("neg"),
    "PRelu": _prelu,
    "Pow": _power,
    "QuantizeLinear": _quantize,
    "Relu": _each("relu"),
    "Selu": _with_attributes(
        "selu",
        alpha=("alpha", 1.67326319217681884765625),
        gamma=("gamma", 1.05070102214813232421875),
    ),
    "Sigmoid": _each("sigmoid"),
    "Softplus": _each("softplus"),
    "Sqrt": _each("sqrt"),
    "Sub": _join("sub"),
    "Sum": _join("add"),
    "Swish": _swish,
    "Tanh": _each("tanh"),
}
