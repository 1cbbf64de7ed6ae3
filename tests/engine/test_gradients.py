from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import (
    MODES,
    Geometry,
    geometries,
    pairs,
    reals,
    seeds,
    transposes,
    whole_numbers,
)
from support.peers import require_peer

from convcli.engine.conv2d import conv2d
from convcli.engine.gradients import conv2d_backward, conv_transpose2d_backward
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import ArgumentError, ShapeError
from convcli.parallel import set_threads

channels = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
batches = st.sampled_from([(), (1,), (2,)])
NUMBERS = ("number", "pair", "sides")
MB = 1 << 20


# ---- gradients ---------------------------------------------------------------------------------


@given(geometries(), seeds, channels, batches, st.sampled_from([*MODES, "constant:2", "edge"]))
def test_gradients_are_what_a_small_step_changes(
    geometry: Geometry, seed: int, counts: tuple[int, int, int], batch: tuple[int, ...], mode: str
) -> None:
    groups, depth, filters = counts
    asked = {"groups": groups, "padding_mode": mode, **geometry.settings}
    x = reals(seed, *batch, groups * depth, *geometry.size)
    weight = reals(seed + 1, groups * filters, depth, *geometry.kernel)
    bias = reals(seed + 2, groups * filters)
    grad = reals(seed + 3, *batch, groups * filters, *geometry.output)
    gradients = conv2d_backward(grad, x, weight, **asked)
    # A convolution is linear in each argument, so a central difference is exact for any step.
    for place, (argument, gradient) in enumerate(zip((x, weight, bias), gradients, strict=True)):
        assert gradient.shape == argument.shape
        step = reals(seed + 4 + place, *argument.shape)
        loss = []
        for sign in (1, -1):
            moved = [x, weight, bias]
            moved[place] = argument + sign * step
            loss.append((conv2d(*moved, **asked) * grad).sum())
        assert_allclose((loss[0] - loss[1]) / 2, (gradient * step).sum(), rtol=1e-9, atol=1e-9)


def test_each_gradient_is_a_finite_difference() -> None:
    asked: dict[str, Any] = {
        "stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2), "groups": 2,
    }  # fmt: skip
    x, weight, bias = reals(1, 2, 2, 4, 5), reals(2, 4, 1, 2, 3), reals(3, 4)
    grad = reals(4, *conv2d(x, weight, **asked).shape)
    gradients = conv2d_backward(grad, x, weight, **asked)
    arguments = (x, weight, bias)
    for argument, gradient in zip(arguments, gradients, strict=True):
        for index in np.ndindex(argument.shape):
            kept = argument[index]
            argument[index] = kept + 1e-3
            above = (conv2d(*arguments, **asked) * grad).sum()
            argument[index] = kept - 1e-3
            below = (conv2d(*arguments, **asked) * grad).sum()
            argument[index] = kept
            assert_allclose((above - below) / 2e-3, gradient[index], rtol=1e-6, atol=1e-8)


@pytest.mark.peers
@given(geometries(), seeds, channels)
@settings(max_examples=60)
def test_gradients_are_torchs(geometry: Geometry, seed: int, counts: tuple[int, int, int]) -> None:
    torch = require_peer("torch")
    groups, depth, filters = counts
    x = reals(seed, 2, groups * depth, *geometry.size)
    weight = reals(seed + 1, groups * filters, depth, *geometry.kernel)
    grad = reals(seed + 2, 2, groups * filters, *geometry.output)
    inputs = [torch.from_numpy(a).requires_grad_() for a in (x, weight, np.zeros(len(weight)))]
    (top, bottom), (left, right) = geometry.sides
    maps = torch.nn.functional.conv2d(
        torch.nn.functional.pad(inputs[0], (left, right, top, bottom)),
        *inputs[1:],
        stride=geometry.stride,
        dilation=geometry.dilation,
        groups=groups,
    )
    expected = torch.autograd.grad(maps, inputs, torch.from_numpy(grad))
    gradients = conv2d_backward(grad, x, weight, groups=groups, **geometry.settings)
    for gradient, theirs in zip(gradients, expected, strict=True):
        assert_allclose(gradient, theirs.numpy(), rtol=1e-5, atol=1e-9)


def test_gradients_keep_the_type_of_the_image() -> None:
    x, weight = np.ones((1, 3, 3), np.float32), np.ones((1, 1, 2, 2))
    for gradient in conv2d_backward(np.ones((1, 2, 2)), x, weight):
        assert gradient.dtype == np.float32
    for gradient in conv2d_backward(np.ones((1, 2, 2)), x.astype(np.float64), weight):
        assert gradient.dtype == np.float64


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 2, 2), (2, 1, 2, 2), (1, 1, 4)])
def test_a_gradient_has_the_shape_of_the_output(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"grad must have the shape \(1, 1, 2, 2\)"):
        conv2d_backward(np.ones(shape), np.ones((1, 3, 3)), np.ones((1, 1, 2, 2)))


def test_a_batch_of_none_has_gradients_and_a_transpose() -> None:
    x, weight = np.ones((0, 2, 4, 4)), np.ones((3, 2, 3, 3))
    dx, dweight, dbias = conv2d_backward(np.ones((0, 3, 2, 2)), x, weight)
    assert dx.shape == x.shape
    assert_allclose(dweight, np.zeros_like(weight))
    assert_allclose(dbias, np.zeros(3))
    assert conv_transpose2d(np.ones((0, 3, 2, 2)), weight).shape == (0, 2, 4, 4)


# ---- of the transposed convolution -------------------------------------------------------------


@given(transposes(), seeds, channels, batches)
@settings(max_examples=50)
def test_gradients_of_the_transposed_are_what_a_small_step_changes(
    transpose: Any, seed: int, counts: tuple[int, int, int], batch: tuple[int, ...]
) -> None:
    asked, kernel, size = transpose
    groups, depth, filters = counts
    asked["groups"] = groups
    arguments = [
        reals(seed, *batch, groups * depth, *size),
        reals(seed + 1, groups * depth, filters, *kernel),
        reals(seed + 2, groups * filters),
    ]
    grad = reals(seed + 3, *conv_transpose2d(*arguments, **asked).shape)
    gradients = conv_transpose2d_backward(grad, *arguments[:2], **asked)
    for place, (argument, gradient) in enumerate(zip(arguments, gradients, strict=True)):
        assert gradient.shape == argument.shape
        step = reals(seed + 4 + place, *argument.shape)
        loss = []
        for sign in (1, -1):
            moved = [*arguments]
            moved[place] = argument + sign * step
            loss.append((conv_transpose2d(*moved, **asked) * grad).sum())
        assert_allclose((loss[0] - loss[1]) / 2, (gradient * step).sum(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["same", "same-lower", "valid", "full"])
def test_gradients_of_the_transposed_know_the_names_of_paddings(name: str) -> None:
    x, weight = whole_numbers(1, 2, 5, 6), whole_numbers(2, 2, 3, 4, 3)
    asked: dict[str, Any] = {"stride": (2, 1), "padding": name}
    step = whole_numbers(3, *x.shape)
    grad = whole_numbers(4, *conv_transpose2d(x, weight, **asked).shape)
    dx, dweight, _ = conv_transpose2d_backward(grad, x, weight, **asked)
    assert (grad * conv_transpose2d(step, weight, **asked)).sum() == (dx * step).sum()
    assert (grad * conv_transpose2d(x, weight, **asked)).sum() == (dweight * weight).sum()


@pytest.mark.peers
@given(transposes(), pairs(0, 2), seeds, channels)
@settings(max_examples=40)
def test_gradients_of_the_transposed_are_torchs(
    transpose: Any, padding: tuple[int, int], seed: int, counts: tuple[int, int, int]
) -> None:
    torch = require_peer("torch")
    asked, kernel, size = transpose
    groups, depth, filters = counts
    asked |= {"padding": padding, "groups": groups}
    arrays = (
        reals(seed, 2, groups * depth, *size),
        reals(seed + 1, groups * depth, filters, *kernel),
        reals(seed + 2, groups * filters),
    )
    inputs = [torch.from_numpy(array).requires_grad_() for array in arrays]
    try:
        maps = torch.nn.functional.conv_transpose2d(*inputs, **asked)
    except RuntimeError:  # an empty output
        assume(False)
    grad = reals(seed + 3, *maps.shape)
    expected = torch.autograd.grad(maps, inputs, torch.from_numpy(grad))
    found = conv_transpose2d_backward(grad, *arrays[:2], **asked)
    for gradient, theirs in zip(found, expected, strict=True):
        assert_allclose(gradient, theirs.numpy(), rtol=1e-5, atol=1e-9)


def test_threads_change_no_bit_of_a_gradient() -> None:
    x, weight = reals(1, 7, 3, 20, 21).astype(np.float32), reals(2, 5, 3, 3, 3)
    grad = reals(3, 7, 5, 18, 19)
    alone = conv2d_backward(grad, x, weight)
    set_threads(3)
    try:
        for mine, theirs in zip(conv2d_backward(grad, x, weight), alone, strict=True):
            assert_array_equal(mine, theirs)
    finally:
        set_threads(1)


def test_what_does_not_fit_the_transposed_is_refused() -> None:
    x, weight = np.ones((1, 2, 2)), np.ones((1, 3, 2, 2))
    for shape in [(1, 3, 3), (3, 2, 2), (2, 3, 3, 3), (3, 3)]:
        with pytest.raises(ShapeError, match="grad must"):
            conv_transpose2d_backward(np.ones(shape), x, weight)
    with pytest.raises(ShapeError, match="the 2 channels of the input"):
        conv_transpose2d_backward(np.ones((3, 3, 3)), np.ones((2, 2, 2)), weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"padding": "some"}, "padding 'some' is none of"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
    ],
)
def test_a_wrong_setting_of_a_gradient_is_refused(settings: dict[str, Any], message: str) -> None:
    x, weight = np.ones((2, 4, 4)), np.ones((2, 2, 3, 3))
    for backward in (conv2d_backward, conv_transpose2d_backward):
        with pytest.raises(ArgumentError, match=message):
            backward(np.ones((2, 2, 2)), x, weight, **settings)
