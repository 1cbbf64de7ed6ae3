"""Normalizations: over channels, over positions, or over both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from convcli.networks.onnx.constants import Constant
from convcli.networks.onnx.layout import find_axes
from convcli.networks.onnx.reader import Call, Converter, UnknownError, Value, as_axis, make_layer

_AXES = ("c", "h", "w", "hw", "chw")  # that a layer may normalize over
STANDARD_EPS = 1e-18  # of the node MeanVarianceNormalization, which adds 1e-9 to the root


def as_real(value: float) -> float:
    """Return the shortest number that is the same float32, in which attributes are stored."""
    return float(str(np.float32(value)))


def _arrays(call: Call, *names: str) -> dict[str, Constant]:
    """Return the known inputs after the first by the names that a layer has for them."""
    arrays = {}
    for place, name in enumerate(names, start=1):
        constant = call.constant(place)
        if constant is None:
            raise UnknownError
        arrays[name] = constant
    return arrays


def _batch_norm(call: Call) -> Value:
    if call.attribute("training_mode", 0) or not call.attribute("spatial", 1):
        raise UnknownError
    layer = make_layer("bn", eps=as_real(call.attribute("epsilon", 1e-5)))
    arrays = _arrays(call, "scale", "shift", "mean", "variance")
    return call.emit(layer, call.map(), weights=arrays)


def _layer_norm(call: Call) -> Value:
    value, scale, shift = call.value(), call.constant(1), call.constant(2)
    rank = len(value.dims)
    axis = as_axis(call.attribute("axis", -1), rank)
    settings: dict[str, Any] = {"eps": as_real(call.attribute("epsilon", 1e-5))}
    if len(value.shape) == 3:
        settings["axes"] = find_axes(value, range(axis, rank), _AXES)
    elif math.prod(value.dims[axis:]) != value.shape[0]:
        raise UnknownError
    arrays = {}
    for name, constant in (("scale", scale), ("shift", shift)):
        if constant is None:
            settings[f"no{name}"] = True
        elif constant.shape != value.dims[axis:] or not value.view.reshape(value.dims):
            raise UnknownError
        else:
            arrays[name] = constant
    layer = make_layer("layernorm", **settings)
    if arrays:
        shape = layer.operation.weights(layer, value.shape)["scale"]
        is_in_order = value.view.is_plain or len(shape) == 1
        if not is_in_order:
            raise UnknownError
        arrays = {name: constant.reshape(shape) for name, constant in arrays.items()}
    return call.emit(layer, value, weights=arrays, view=value.view)


def _instance_norm(call: Call) -> Value:
    arrays = _arrays(call, "scale", "shift")
    eps = as_real(call.attribute("epsilon", 1e-5))
    value = call.value()
    grouped = _as_groups(call, value, arrays)
    if grouped is not None:
        layer = make_layer("groupnorm", count=value.dims[1], eps=eps, noscale=True, noshift=True)
        return call.emit(layer, grouped, view=value.view)
    value = call.map()
    if len(value.dims) not in (3, 4) or value.dims[0] != call.batch:
        raise UnknownError
    return call.emit(make_layer("instancenorm", eps=eps, affine=True), value, weights=arrays)


def _as_groups(call: Call, value: Value, arrays: dict[str, Constant]) -> Value | None:
    """Return the map whose groups of channels are the channels of the input, if they are.

    So PyTorch writes a normalization of groups, whose scales and shifts follow.
    """
    is_grouped = (
        value.view.is_plain
        and len(value.dims) == 3
        and len(value.shape) == 3
        and value.dims[0] == call.batch
        and value.dims[1] < value.shape[0]
        and value.shape[0] % value.dims[1] == 0
        and arrays["scale"].size == arrays["shift"].size == value.dims[1]
    )
    if not is_grouped or (arrays["scale"].load() != 1).any() or arrays["shift"].load().any():
        return None
    return value


def _group_norm(call: Call) -> Value:
    value, arrays = call.map(), _arrays(call, "scale", "shift")
    if len(value.dims) not in (3, 4) or arrays["scale"].shape != value.shape[:1]:
        raise UnknownError
    eps = as_real(call.attribute("epsilon", 1e-5))
    layer = make_layer("groupnorm", count=call.attribute("num_groups"), eps=eps)
    return call.emit(layer, value, weights=arrays)


def _standardize(call: Call) -> Value:
    """Convert a node that ONNX has, or the one that the parts of a normalization are taken for."""
    value = call.value()
    rank = len(value.dims)
    axes = [axis % rank for axis in call.attribute("axes", (0, 2, 3))]
    eps = as_real(call.attribute("epsilon", STANDARD_EPS))
    settings: dict[str, Any] = {"eps": eps, "noscale": True, "noshift": True}
    if len(value.shape) == 3:
        settings["axes"] = find_axes(value, axes, _AXES)
    elif math.prod(value.dims[axis] for axis in axes) != value.shape[0]:
        raise UnknownError
    return call.emit(make_layer("layernorm", **settings), value, view=value.view)


def _softmax(call: Call) -> Value:
    """Before set 13 the sum was over all axes from the given one on."""
    value = call.value()
    settings = {"log": True} if call.node.op == "LogSoftmax" else {}
    rank = len(value.dims)
    axis = as_axis(call.attribute("axis", 1 if call.opset < 13 else -1), rank)
    axes = range(axis, rank if call.opset < 13 else axis + 1)
    if len(value.shape) == 1:
        if math.prod(value.dims[place] for place in axes) != value.shape[0]:
            raise UnknownError
        return call.emit(make_layer("softmax", **settings), value, view=value.view)
    layer = make_layer("softmax", axes=find_axes(value, axes, _AXES), **settings)
    return call.emit(layer, value, view=value.view)


def _lrn(call: Call) -> Value:
    size = call.attribute("size")
    if size % 2 == 0:  # of which ONNX takes the further channel after, and PyTorch before
        raise UnknownError
    layer = make_layer(
        "lrn",
        neighbors=size,
        alpha=as_real(call.attribute("alpha", 1e-4)),
        beta=as_real(call.attribute("beta", 0.75)),
        constant=as_real(call.attribute("bias", 1.0)),
    )
    return call.emit(layer, call.map())


CONVERTERS: dict[str, Converter] = {
    "BatchNormalization": _batch_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax,
    "MeanVarianceNormalization": _standardize,
    "Softmax": _softmax,
}
