"""The bound of an operation: nothing that it makes is larger, or differs by more."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from convcli.arithmetic.bounds import Bound
from convcli.arithmetic.layers import OPERATIONS, output_shape
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import find_function

LARGEST = (0.01, 1.0, 60.0)
ERRORS = (1e-6, 1e-3)
OF_EACH_VALUE = [
    *(
        operation.example
        for operation in OPERATIONS.values()
        if operation.family == "elementwise" and operation.name not in ("prelu", "log")
    ),
    *("leaky-relu:3", "leaky-relu:-2", "elu:2.5", "selu:alpha=3,gamma=0.5", "gelu:tanh"),
    *("hardsigmoid:alpha=2", "softplus:beta=0.2", "clip:-3:-1", "clip:5:7"),
]
OF_FLAT_MAPS = [
    *("layernorm:noscale,noshift", "layernorm:axes=c,eps=0.1,noscale,noshift", "instancenorm"),
    *(
        "groupnorm:2,noscale,noshift",
        "softmax",
        "softmax:axes=hw",
        "softmax:log",
        "lrn:3",
        "lrn:3,alpha=2,beta=1",
    ),
    *("avgpool:2", "globalavgpool", "adaptiveavgpool:2", "maxpool:2", "magnitude", "log"),
]


def run(text: str, x: Array) -> Array:
    layer = parse_layer(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return find_function(layer.operation)(layer, [x], {})


def bound_of(text: str, bound: Bound) -> Bound:
    layer = parse_layer(text)
    return layer.operation.bound(layer, [bound], (4, 6, 6), 0.0)


@pytest.mark.parametrize("text", OF_EACH_VALUE)
@pytest.mark.parametrize("largest", LARGEST)
@pytest.mark.parametrize("error", ERRORS)
def test_values_differ_by_no_more_than_the_bound_says(
    text: str, largest: float, error: float
) -> None:
    x = np.linspace(-largest, largest, 20_001)
    x = np.abs(x) if parse_layer(text).op == "sqrt" else x
    bound = bound_of(text, Bound(largest, error))
    found, near = run(text, x), run(text, np.clip(x + error, -largest, largest))
    assert np.abs(found).max() <= bound.largest * (1 + 1e-9)
    assert np.abs(found - near).max() <= bound.error * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("text", OF_FLAT_MAPS)
@pytest.mark.parametrize("largest", LARGEST)
@pytest.mark.parametrize("error", ERRORS)
def test_a_flat_map_differs_by_no_more_than_the_bound_says(
    text: str, largest: float, error: float
) -> None:
    noise = np.random.default_rng(1).uniform(-error, 0, (4, 6, 6))
    noise[:, :2] = 0
    x = largest + noise
    bound = bound_of(text, Bound(largest, error))
    layer, found = parse_layer(text), run(text, x)
    assert found.shape == output_shape(layer, [x.shape])
    assert np.abs(found).max() <= bound.largest * (1 + 1e-9)
    assert np.ptp(found, axis=(1, 2)).max() <= bound.error * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("text", OF_FLAT_MAPS)
def test_rounding_alone_makes_a_bound_that_is_small(text: str) -> None:
    layer = parse_layer(text)
    bound = layer.operation.bound(layer, [Bound(255.0, 0.0)], (3, 4000, 6000), 1e-7)
    assert 0 <= bound.error < 0.5
    assert math.isfinite(bound.largest)
