"""Normalizations on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.arithmetic.operations.normalization import ALL_AXES, normalized_axes
from convcli.engine.arrays import Array
from convcli.engine.operations import LayerFunction, Weights

if TYPE_CHECKING:
    from convcli.arithmetic.layers import Layer

MAX_ADDED_CHANNELS = 9  # of neighboring channels; sums of more are differences of running sums
POWERS_BY_ROOTS = {0.5, 0.75, 1.0}  # which are many times faster than any power


def _axes(layer: Layer, x: Array) -> tuple[int, ...]:
    return (0,) if x.ndim == 1 else tuple(map(ALL_AXES.index, normalized_axes(layer)))


def _batch_norm(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    """Return (x - mean) / sqrt(variance + eps), scaled and shifted, for each channel."""
    x = inputs[0]
    factor, offset = (_spread(one.astype(x.dtype), x) for one in channel_factors(layer, weights))
    result: Array = x * factor
    result += offset
    return result


def channel_factors(norm: Layer, weights: Weights) -> tuple[Array, Array]:
    """Return what `bn` or `affine` multiplies each channel by, and adds to it, in float64."""
    arrays = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    scale, shift = arrays.get("scale", np.ones(1)), arrays.get("shift", np.zeros(1))
    if norm.op == "bn":
        scale = scale / np.sqrt(arrays["variance"] + norm.value("eps"))
        shift = shift - arrays["mean"] * scale
    factor, offset = np.broadcast_arrays(scale, shift)
    return factor, offset


def _spread(values: Array, x: Array) -> Array:
    """Return one value for each channel as an array that spreads over the positions of `x`."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))


def _scale(x: Array, weights: Weights) -> Array:
    """Multiply each channel by the scale and add the shift, where there are some; in place."""
    if "scale" in weights:
        x *= _spread(weights["scale"], x).astype(x.dtype, copy=False)
    if "shift" in weights:
        x += _spread(weights["shift"], x).astype(x.dtype, copy=False)
    return x


def standardize(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    """Return `(x - mean) / sqrt(variance + eps)`, of the mean and the variance along axes.

    >>> standardize(np.array([1.0, 3.0]), (0,), 0).tolist()
    [-1.0, 1.0]
    """
    centered: Array = x - x.mean(axes, np.float64, keepdims=True).astype(x.dtype)
    with np.errstate(all="ignore"):  # squares that overflow are summed again in float64
        variances = np.square(centered).mean(axes, np.float64, keepdims=True)
        if not np.isfinite(variances).all():
            variances = np.square(centered, dtype=np.float64).mean(axes, keepdims=True)
        centered *= (1 / np.sqrt(variances + eps)).astype(x.dtype)
    return centered


def _layer_norm(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    x, axes = inputs[0], _axes(layer, inputs[0])
    result = standardize(x, axes, layer.value("eps"))
    sides = [side if axis in axes else 1 for axis, side in enumerate(x.shape)]
    if "scale" in weights:
        result *= weights["scale"].astype(x.dtype, copy=False).reshape(sides)
    if "shift" in weights:
        result += weights["shift"].astype(x.dtype, copy=False).reshape(sides)
    return result


def _group_norm(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    x = inputs[0]
    groups = x.reshape(layer.value("count"), -1)
    result = standardize(groups, (1,), layer.value("eps")).reshape(x.shape)
    return _scale(result, weights)


def _instance_norm(layer: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    return _scale(standardize(inputs[0], (1, 2), layer.value("eps")), weights)


def _affine(_: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    return _scale(inputs[0].copy(), weights)


def _softmax(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    x, axes = inputs[0], _axes(layer, inputs[0])
    with np.errstate(all="ignore"):  # infinite values
        shifted: Array = x - x.max(axes, keepdims=True)
        powers: Array = np.exp(shifted)
        sums = powers.sum(axes, keepdims=True)
        if layer.value("log"):  # of powers that are too small for the type, too
            shifted -= np.log(sums)
            return shifted
        powers /= sums
    return powers


def _local_response_norm(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    """Divide by (bias + alpha·mean)^beta, of the mean of the squares of N channels around each."""
    x, count = inputs[0], layer.value("neighbors")
    with np.errstate(all="ignore"):  # squares that overflow are summed again in float64
        sums = _sum_neighbors(np.square(x), count)
        if not np.isfinite(sums[-1]).all() or not np.isfinite(sums).all():
            sums = _sum_neighbors(np.square(x, dtype=np.float64), count)
        sums *= sums.dtype.type(layer.value("alpha") / count)
        sums += sums.dtype.type(layer.value("constant"))
        return np.asarray(x / _power(sums, layer.value("beta"))).astype(x.dtype, copy=False)


def _sum_neighbors(squares: Array, count: int) -> Array:
    """Return the sums of `count` channels around each; what is beyond the ends counts as 0."""
    channels = len(squares)
    before, after = min(count // 2, channels), min((count - 1) // 2, channels)
    if count > MAX_ADDED_CHANNELS:
        running = np.zeros((channels + 1, *squares.shape[1:]), np.float64)
        np.cumsum(squares, axis=0, out=running[1:])
        places = np.arange(channels)
        ends = np.minimum(places + after + 1, channels), np.maximum(places - before, 0)
        return np.asarray(running[ends[0]] - running[ends[1]]).astype(squares.dtype)
    sums = squares.copy()
    for distance in range(1, before + 1):
        sums[distance:] += squares[:-distance]
    for distance in range(1, after + 1):
        sums[:-distance] += squares[distance:]
    return sums


def _power(values: Array, exponent: float) -> Array:
    if exponent not in POWERS_BY_ROOTS:
        return np.asarray(values**exponent)
    if exponent == 1:
        return values
    roots: Array = np.sqrt(values)
    if exponent == 0.75:
        roots *= np.sqrt(roots)
    return roots


FUNCTIONS: dict[str, LayerFunction] = {
    "bn": _batch_norm,
    "layernorm": _layer_norm,
    "groupnorm": _group_norm,
    "instancenorm": _instance_norm,
    "lrn": _local_response_norm,
    "softmax": _softmax,
    "affine": _affine,
}
