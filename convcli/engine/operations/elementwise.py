"""Elementwise operations on arrays.

None overflows where its result does not, and what a function tends to at infinity it has there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.arithmetic.operations.elementwise import NEGATIVE_SLOPE
from convcli.engine.arrays import Array, as_real
from convcli.engine.operations import LayerFunction, Weights, on_each_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.arithmetic.layers import Layer

NORMAL_END = 40.0  # beyond which no part of the normal distribution is left in a float64
EXP_END = 750.0  # beyond which exp is infinite, and exp(-x) is 0
SOFTPLUS_END = 20.0  # beyond which mish(x) is x
NORMAL_FIT_END = 12.0  # up to which the tail is fitted; beyond, only its exponential matters
NORMAL_TERMS = {np.dtype(np.float32): 10, np.dtype(np.float64): 24}
MAX_BLOCK_VALUES = 1 << 15  # so that the arrays in between stay in the cache


def leaky_relu(x: Array, slope: float = NEGATIVE_SLOPE) -> Array:
    """Return `x` above zero, `slope·x` below.

    >>> leaky_relu(np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    values = as_real(x, "x")
    return np.where(values > 0, values, values * np.asarray(slope, values.dtype))


def sigmoid(x: Array) -> Array:
    """Return `1 / (1 + exp(-x))`, by tanh so that nothing overflows.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    values = as_real(x, "x")
    half = np.asarray(0.5, values.dtype)
    result: Array = half * (1 + np.tanh(half * values))
    return result


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return `x` above zero, `alpha·(exp(x) - 1)` below."""
    below = np.expm1(np.minimum(x, 0))
    below *= x.dtype.type(alpha)
    return np.where(x > 0, x, below)


def silu(x: Array) -> Array:
    """Return `x / (1 + exp(-x))`."""
    values: Array = np.maximum(x, x.dtype.type(-EXP_END))
    divisors: Array = np.negative(values)
    np.exp(divisors, out=divisors)
    divisors += 1
    divisors[...] = values / divisors
    return divisors


def mish(x: Array) -> Array:
    """Return `x·tanh(log(1 + exp(x)))`: with `w = exp(x)` and `n = w·(w + 2)`, `x·n / (n + 2)`."""
    powers: Array = np.exp(np.clip(x, -EXP_END, SOFTPLUS_END))
    powers *= powers + 2
    powers /= powers + 2
    powers *= np.maximum(x, x.dtype.type(-EXP_END))
    return powers


def softplus(x: Array, beta: float = 1.0) -> Array:
    """Return `log(1 + exp(beta·x)) / beta`: `max(x, 0) + log(1 + exp(-beta·|x|)) / beta`."""
    bend: Array = np.abs(x)
    bend *= x.dtype.type(-beta)
    np.exp(bend, out=bend)
    np.log1p(bend, out=bend)
    bend /= x.dtype.type(beta)
    bend += np.maximum(x, 0)
    return bend


def hardsigmoid(x: Array, alpha: float = 1 / 6, beta: float = 0.5) -> Array:
    """Return `alpha·x + beta`, between 0 and 1."""
    values: Array = x * x.dtype.type(alpha)
    values += x.dtype.type(beta)
    return np.clip(values, 0, 1, out=values)


def hardswish(x: Array) -> Array:
    """Return `x·min(max(x/6 + 1/2, 0), 1)`."""
    values = hardsigmoid(x)
    values *= np.maximum(x, -3)
    return values


def gelu(x: Array) -> Array:
    """Return `x` times the share of the normal distribution below `x`: `max(x, 0) - |x|·tail`.

    >>> gelu(np.array([-1.0, 0.0, 1.0, 1e30])).round(6).tolist()
    [-0.158655, 0.0, 0.841345, 1e+30]
    """
    result: Array = np.maximum(x, 0, order="C")
    values, results = x.reshape(-1), result.reshape(-1)
    for start in range(0, x.size, MAX_BLOCK_VALUES):
        block = slice(start, start + MAX_BLOCK_VALUES)
        size = np.minimum(np.abs(values[block]), x.dtype.type(NORMAL_END))
        results[block] -= size * _normal_tail(size)
    return result


def _normal_tail(size: Array) -> Array:
    """Return the share of the normal distribution above values of 0 or more.

    It is exp(-x²/2) times a function that changes slowly, for which there is a sum of Chebyshev
    polynomials of 1 / (1 + x/2).
    """
    places: Array = 1 / (1 + np.minimum(size, size.dtype.type(NORMAL_FIT_END)) / 2)
    least = 1 / (1 + NORMAL_FIT_END / 2)
    places -= size.dtype.type((1 + least) / 2)
    places *= size.dtype.type(4 / (1 - least))  # twice the argument of the polynomials
    first, *rest = _tail_coefficients(NORMAL_TERMS[size.dtype], least)
    now, before = np.zeros_like(places), np.zeros_like(places)
    for coefficient in reversed(rest):  # Clenshaw's recurrence
        before *= -1
        before += places * now
        before += size.dtype.type(coefficient)
        now, before = before, now
    places *= now
    places /= 2
    places -= before
    places += size.dtype.type(first)
    places *= np.exp(size * size * size.dtype.type(-0.5))
    return places


@cache
def _tail_coefficients(count: int, least: float) -> tuple[float, ...]:
    """Return the coefficients of Chebyshev polynomials for the slow part of the normal tail."""
    angles = [math.pi * (index + 0.5) / count for index in range(count)]
    values = []
    for angle in angles:
        place = (1 + least) / 2 + (1 - least) / 2 * math.cos(angle)
        size = 2 / place - 2
        values.append(math.exp(size * size / 2) * math.erfc(size / math.sqrt(2)) / 2)
    return tuple(
        (2 if number else 1) / count
        * math.fsum(v * math.cos(number * angle) for v, angle in zip(values, angles, strict=True))
        for number in range(count)
    )  # fmt: skip


def gelu_by_tanh(x: Array) -> Array:
    """Return the approximation `x/2·(1 + tanh(sqrt(2/pi)·(x + 0.044715·x³)))`."""
    values: Array = np.clip(x, -NORMAL_END, NORMAL_END)
    values *= 1 + values * values * x.dtype.type(0.044715)
    values *= x.dtype.type(math.sqrt(2 / math.pi))
    np.tanh(values, out=values)
    values += 1
    values *= np.maximum(x, x.dtype.type(-NORMAL_END)) / 2
    return values


def _prelu(_: Layer, inputs: Sequence[Array], weights: Weights) -> Array:
    x, slopes = inputs[0], weights["slope"]
    slopes = slopes.astype(x.dtype, copy=False).reshape(-1, *[1] * (x.ndim - 1))
    return np.where(x > 0, x, x * slopes)


def _clip(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
    values = as_real(inputs[0], "x")
    low, high = map(values.dtype.type, layer.value("bounds"))
    return np.asarray(np.clip(values, low, high))


def _on_reals(function: Callable[..., Array], *settings: str) -> LayerFunction:
    """Return the function of an operation on each value, which takes settings of the layer.

    What is beyond a type's range becomes infinite, and what is undefined NaN, without a warning.
    """

    def run(layer: Layer, inputs: Sequence[Array], _: Weights) -> Array:
        with np.errstate(all="ignore"):
            return function(as_real(inputs[0], "x"), *map(layer.value, settings))

    return run


def _gelu(x: Array, is_tanh: Any) -> Array:
    return gelu_by_tanh(x) if is_tanh else gelu(x)


def _selu(x: Array, alpha: float, gamma: float) -> Array:
    values = elu(x, alpha)
    values *= x.dtype.type(gamma)
    return values


FUNCTIONS: dict[str, LayerFunction] = {
    "relu": on_each_value(lambda x: np.maximum(x, 0)),
    "relu6": on_each_value(partial(np.clip, a_min=0, a_max=6)),
    "leaky-relu": _on_reals(leaky_relu, "negative_slope"),
    "prelu": _prelu,
    "elu": _on_reals(elu, "alpha"),
    "selu": _on_reals(_selu, "alpha", "gamma"),
    "gelu": _on_reals(_gelu, "tanh"),
    "silu": _on_reals(silu),
    "mish": _on_reals(mish),
    "hardswish": _on_reals(hardswish),
    "hardsigmoid": _on_reals(hardsigmoid, "alpha", "beta"),
    "sigmoid": on_each_value(sigmoid),
    "tanh": on_each_value(np.tanh),
    "softplus": _on_reals(softplus, "beta"),
    "abs": on_each_value(np.abs),
    "neg": _on_reals(np.negative),
    "exp": _on_reals(np.exp),
    "log": _on_reals(np.log),
    "sqrt": _on_reals(np.sqrt),
    "square": _on_reals(np.square),
    "clip": _clip,
    "identity": on_each_value(lambda x: x),
    "dropout": on_each_value(lambda x: x),
}
