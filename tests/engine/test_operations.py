from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import reals, seeds
from support.peers import require_peer

from convcli.arithmetic.layers import Layer, activations
from convcli.arithmetic.notation import parse_layer
from convcli.engine.arrays import Array
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.engine.operations.elementwise import leaky_relu, sigmoid


def run(layer: Layer, x: Array) -> Array:
    return find_function(layer.operation)(layer, [x], NO_WEIGHTS)


def apply(name: str, x: Array) -> Array:
    return run(Layer(op=name), x)


@pytest.mark.peers
@pytest.mark.parametrize("text", ["relu", "leaky-relu", "leaky-relu:0.3", "sigmoid", "tanh"])
def test_the_code_for_pytorch_is_the_same_function(text: str) -> None:
    nn = require_peer("torch.nn")
    torch = require_peer("torch")
    layer, x = parse_layer(text), reals(3, 4, 5, 2)
    code = layer.operation.torch(layer, x.shape, x.shape)
    expected = eval(code, {"nn": nn})(torch.from_numpy(x)).numpy()
    assert_allclose(run(layer, x), expected, rtol=1e-6)


@pytest.mark.parametrize("name", activations())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay_and_so_does_the_shape(name: str, dtype: type[np.floating[Any]]) -> None:
    x = np.abs(reals(1, 2, 3, 4)).astype(dtype)
    result = apply(name, x)
    assert result.dtype == dtype
    assert result.shape == x.shape


@pytest.mark.parametrize("name", activations())
def test_nothing_overflows_and_the_input_is_left_alone(name: str) -> None:
    x = np.array([-np.inf, -1e30, 0, 1e30, np.inf], np.float32)
    x = x[2:] if name in ("log", "sqrt") else x
    copy = x.copy()
    assert not np.isnan(apply(name, x)).any()
    assert_array_equal(x, copy)


@given(seeds)
def test_rectifying_is_doing_nothing_to_the_positive(seed: int) -> None:
    x = reals(seed, 20)
    assert_allclose(apply("relu", x) - apply("relu", -x), x)
    assert_allclose(apply("relu", x) + apply("relu", -x), apply("abs", x))
    assert_allclose(leaky_relu(x), np.where(x > 0, x, 0.01 * x))


@given(seeds)
def test_a_sigmoid_is_symmetric_about_a_half(seed: int) -> None:
    x = 5 * reals(seed, 20)
    assert_allclose(sigmoid(x) + sigmoid(-x), np.ones(20))
    assert_allclose(sigmoid(x), 1 / (1 + np.exp(-x)), atol=1e-15)


@pytest.mark.parametrize("name", ["leaky-relu", "sigmoid", "neg", "square", "relu6"])
def test_whole_numbers_are_numbers_too(name: str) -> None:
    whole = np.array([-100, 0, 3])
    assert_allclose(apply(name, whole), apply(name, whole.astype(float)))


def test_a_slope_is_that_below_zero() -> None:
    layer = Layer(op="leaky-relu").with_values(negative_slope=0.5)
    assert_allclose(run(layer, np.array([-2.0, 2.0])), [-1, 2])
