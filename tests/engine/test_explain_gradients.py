"""Explained gradients are those of finite differences, of the library and of PyTorch."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from support.oracles import MODES, Geometry, geometries, pad, reals, seeds, whole_numbers
from support.peers import require_peer

from convcli.arithmetic.geometry import Window, window
from convcli.engine.explain_gradients import MAX_PRODUCTS, Gradients, explain_gradients
from convcli.engine.gradients import conv2d_backward
from convcli.errors import ArgumentError, LimitError, ShapeError

Array = NDArray[Any]
STEP = Fraction(1, 7)


def loss(image: Array, kernel: Array, grad: Array, geometry: Geometry, mode: str) -> Fraction:
    """The sum of grad * Y in fractions, window by window."""
    padded, total = pad(image, geometry.sides, mode), Fraction(0)
    for at in np.ndindex(*grad.shape):
        for tap in np.ndindex(*kernel.shape):
            place = tuple(
                at[axis] * geometry.stride[axis] + tap[axis] * geometry.dilation[axis]
                for axis in (0, 1)
            )
            total += grad[at] * kernel[tap] * Fraction(padded[place])
    return total


def as_fractions(numbers: Array) -> Array:
    return np.array([Fraction(int(number)) for number in numbers.flat]).reshape(numbers.shape)


def differences(values: Array, compute: Any) -> Array:
    """The exact derivative of a loss for each value, one at a time."""
    found = np.empty(values.shape, object)
    for at in np.ndindex(*values.shape):
        moved = values.copy()
        moved[at] += STEP
        found[at] = (compute(moved) - compute(values)) / STEP
    return found


@settings(max_examples=25)
@given(geometries(largest_kernel=3), seeds, st.sampled_from(MODES))
def test_gradients_are_the_finite_differences_of_the_loss(
    geometry: Geometry, seed: int, mode: str
) -> None:
    image, kernel = whole_numbers(seed, *geometry.size), whole_numbers(seed + 1, *geometry.kernel)
    grad = whole_numbers(seed + 2, *geometry.output)
    found = explain_gradients(
        image, kernel, list(np.ndindex(*image.shape)), window(geometry.kernel, **geometry.settings),
        grad=grad, padding_mode=mode,
    )  # fmt: skip
    x, w, g = map(as_fractions, (image, kernel, grad))
    by_input = differences(x, lambda moved: loss(moved, w, g, geometry, mode))
    by_weight = differences(w, lambda moved: loss(x, moved, g, geometry, mode))
    assert [one.value for one in found.inputs] == by_input.ravel().tolist()
    assert found.kernel.tolist() == by_weight.tolist()
    assert found.bias.tolist() == [grad.sum()]
    check_products(found, kernel, grad, pad(image, geometry.sides, mode), geometry)


def check_products(
    found: Gradients, kernel: Array, grad: Array, padded: Array, geometry: Geometry
) -> None:
    """Each product is of the very values that its indices name, and they add up."""
    for one in found.inputs:
        rows, columns = one.taps
        assert_array_equal(one.window[0], grad[np.ix_(*map(as_index, (rows[0], columns[0])))])
        assert_array_equal(one.kernel[0], kernel[np.ix_(*map(as_index, (rows[1], columns[1])))])
        assert_array_equal(one.products, one.window * one.kernel)
        assert one.value == one.products.sum()
    assert found.weights is not None
    assert list(found.weights) == list(np.ndindex(*kernel.shape))
    (top, _), (left, _) = geometry.sides
    for at, one in found.weights.items():
        rows_, columns_ = (np.array(positions) for positions in (one.rows, one.columns))
        assert_array_equal(one.window[0], padded[np.ix_(rows_ + top, columns_ + left)])
        assert_array_equal(one.kernel[0], grad)
        assert_array_equal(one.products, one.window * one.kernel)
        assert one.value == one.products.sum() == found.kernel[at]


def as_index(positions: Any) -> list[int]:
    return [int(position) for position in positions]


@settings(max_examples=40)
@given(geometries(largest_kernel=3), seeds, st.sampled_from(MODES), st.booleans())
def test_a_layer_s_gradients_are_those_of_the_library(
    geometry: Geometry, seed: int, mode: str, flip: bool
) -> None:
    x, weights = reals(seed, 2, *geometry.size), reals(seed + 1, 3, 2, *geometry.kernel)
    grad = reals(seed + 2, 3, *geometry.output)
    applied = weights[..., ::-1, ::-1] if flip else weights
    dx, dweight, dbias = conv2d_backward(grad, x, applied, padding_mode=mode, **geometry.settings)
    positions = [(0, 0), (geometry.size[0] - 1, geometry.size[1] - 1)]
    found = explain_gradients(
        x.transpose(1, 2, 0), weights, positions, window(geometry.kernel, **geometry.settings),
        grad=grad.transpose(1, 2, 0), padding_mode=mode, flip=flip,
    )  # fmt: skip
    expected = [dx[channel, row, column] for row, column in positions for channel in range(2)]
    assert_allclose([one.value for one in found.inputs], expected, atol=1e-9)
    assert [one.channel for one in found.inputs] == [0, 1] * 2
    assert_allclose(found.kernel, dweight, atol=1e-9)
    assert_allclose(found.bias, dbias, atol=1e-9)
    if found.weights is not None:
        summed = np.reshape([one.value for one in found.weights.values()], dweight.shape)
        assert_allclose(summed, dweight, atol=1e-9)


def test_a_kernel_over_channels_has_a_gradient_of_its_own_shape() -> None:
    x, kernel = reals(1, 4, 4, 2), reals(2, 2, 3, 3)
    found = explain_gradients(x, kernel, [(1, 1)], window(3))
    layer = explain_gradients(x, kernel[np.newaxis], [(1, 1)], window(3))
    assert found.kernel.shape == kernel.shape
    assert_allclose(found.kernel, layer.kernel[0])
    assert found.weights is not None
    assert list(found.weights) == list(np.ndindex(*kernel.shape))


def test_an_input_that_no_window_reaches_has_no_gradient() -> None:
    (found,) = explain_gradients(
        np.ones((4, 4)), np.ones((3, 3)), [(3, 0)], window(3, stride=2)
    ).inputs
    assert (found.window.shape, found.value) == ((1, 0, 1), 0.0)


def test_the_products_of_a_photo_s_weights_are_left_out() -> None:
    side = int((MAX_PRODUCTS / 9) ** 0.5) + 2  # with an output of side - 2 rows
    grid = np.ones((side, side))
    assert explain_gradients(grid, np.ones((3, 3)), [], window(3)).weights is not None
    found = explain_gradients(np.ones((side + 1, side + 1)), np.ones((3, 3)), [], window(3))
    assert found.weights is None
    assert found.kernel.tolist() == [[(side - 1) ** 2] * 3] * 3


def test_gradients_that_would_take_minutes_are_refused() -> None:
    with pytest.raises(LimitError, match="the sum of 2,159,077,536 products"):
        explain_gradients(np.ones((3000, 700)), np.ones((33, 33)), [(0, 0)], window(33))


def test_what_has_no_gradient_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"no input at 0,3: rows are 0\.\.2"):
        explain_gradients(np.ones((3, 3)), np.ones((2, 2)), [(0, 3)], window(2))
    with pytest.raises(ArgumentError, match="2 channels, each of which is filtered by itself"):
        explain_gradients(np.ones((3, 3, 2)), np.ones((2, 2)), [(0, 0)], window(2))
    with pytest.raises(ShapeError, match="must be 2x2, as the output, not 3x3"):
        explain_gradients(
            np.ones((3, 3)), np.ones((2, 2)), [(0, 0)], window(2), grad=np.ones((3, 3))
        )
    with pytest.raises(ShapeError, match="must be 2x2x4, as the output, not 2x2"):
        explain_gradients(
            np.ones((3, 3, 2)), np.ones((4, 2, 2, 2)), [], window(2), grad=np.ones((2, 2))
        )
    with pytest.raises(ShapeError, match="sums over 2 channels; the image has 1"):
        explain_gradients(np.ones((3, 3)), np.ones((2, 2, 2)), [], window(2))


@pytest.mark.peers
def test_gradients_are_those_of_pytorch() -> None:
    torch = require_peer("torch")
    settings_: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    x = torch.tensor(reals(1, 2, 6, 7), requires_grad=True)
    weight = torch.tensor(reals(2, 3, 2, 3, 2), requires_grad=True)
    y = torch.nn.functional.conv2d(x[None], weight, **settings_)[0]
    grad = reals(3, *y.shape)
    y.backward(torch.tensor(grad))
    positions = list(product(range(6), range(7)))
    found = explain_gradients(
        x.detach().numpy().transpose(1, 2, 0), weight.detach().numpy(), positions,
        window((3, 2), **settings_), grad=grad.transpose(1, 2, 0),
    )  # fmt: skip
    values = np.reshape([one.value for one in found.inputs], (6, 7, 2))
    assert_allclose(values, x.grad.numpy().transpose(1, 2, 0))
    assert_allclose(found.kernel, weight.grad.numpy())


def test_too_many_products_of_inputs_are_refused_before_any() -> None:
    wide = window(3, padding=2000)
    with pytest.raises(LimitError, match=r"sums of 5,767,202 products; the most is 2,000,000"):
        explain_gradients(np.ones((5, 5)), np.ones((3, 3)), [(0, 1)], wide, padding_mode="circular")


@pytest.mark.parametrize(("side", "named"), [(3, "products"), (1, "values")])
def test_outputs_that_would_fill_the_memory_are_refused(side: int, named: str) -> None:
    window = Window(kernel=(side, side), padding=((20_000, 20_000), (20_000, 20_000)))
    with pytest.raises(LimitError, match=named):
        explain_gradients(np.ones((5, 5)), np.ones((side, side)), [(0, 0)], window)
