"""The gradients of pools: by looking at every window, by small steps, and PyTorch's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import Array, Geometry, count_windows, geometries, reals, seeds, whole_numbers
from support.peers import require_peer

from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.engine.pooling_gradients import avg_pool2d_backward, max_pool2d_backward
from convcli.errors import ArgumentError, ShapeError

BACKWARD = (max_pool2d_backward, avg_pool2d_backward)
batches = st.sampled_from([(), (1,), (2,)])


def output_of(geometry: Geometry, *, ceil: bool) -> tuple[int, int]:
    rows, columns = (
        count_windows(size, kernel, stride, sides, dilation, ceil=ceil)
        for size, kernel, stride, sides, dilation in zip(
            *(geometry.size, geometry.kernel, geometry.stride, geometry.sides, geometry.dilation),
            strict=True,
        )
    )
    return rows, columns


def positions_of(geometry: Geometry, output: tuple[int, ...]) -> list[tuple[int, int]]:
    """The input positions under the window of an output, row by row."""
    found = []
    for tap in np.ndindex(geometry.kernel):
        row, column = (
            output[a] * geometry.stride[a] + tap[a] * geometry.dilation[a] - geometry.sides[a][0]
            for a in range(2)
        )
        if 0 <= row < geometry.size[0] and 0 <= column < geometry.size[1]:
            found.append((row, column))
    return found


def give_to_the_first_largest(grad: Array, x: Array, geometry: Geometry) -> Array:
    """The gradient of a maximum: look at each window, and find the first largest value."""
    found = np.zeros(x.shape)
    for index in np.ndindex(grad.shape):
        places = positions_of(geometry, index[-2:])
        if places:
            largest = max(x[(*index[:-2], *place)] for place in places)
            first = next(place for place in places if x[(*index[:-2], *place)] == largest)
            found[(*index[:-2], *first)] += grad[index]
    return found


@given(geometries(), seeds, batches, st.booleans(), st.sampled_from([2, 9]))
@settings(max_examples=50)
def test_a_maximum_has_the_gradient_of_its_window_the_first_of_several(
    geometry: Geometry, seed: int, batch: tuple[int, ...], ceil: bool, most: int
) -> None:
    output = output_of(geometry, ceil=ceil)
    assume(min(output) >= 1)
    x = whole_numbers(seed, *batch, 2, *geometry.size).clip(-1, most)  # ties
    grad = reals(seed + 1, *batch, 2, *output)
    found = max_pool2d_backward(grad, x, geometry.kernel, ceil_mode=ceil, **geometry.settings)
    assert found.dtype == np.float64
    assert_allclose(found, give_to_the_first_largest(grad, x, geometry), atol=1e-12)


@given(geometries(), seeds, batches, st.booleans(), st.booleans())
@settings(max_examples=50)
def test_an_average_is_linear_and_its_gradient_the_adjoint(
    geometry: Geometry, seed: int, batch: tuple[int, ...], ceil: bool, count_padding: bool
) -> None:
    output = output_of(geometry, ceil=ceil)
    assume(min(output) >= 1)
    asked = {**geometry.settings, "ceil_mode": ceil, "count_include_pad": count_padding}
    x, grad = reals(seed, *batch, 2, *geometry.size), reals(seed + 1, *batch, 2, *output)
    found = avg_pool2d_backward(grad, np.zeros_like(x), geometry.kernel, **asked)
    assert found.shape == x.shape
    # <g, J v> = <Jᵀ g, v> for each v decides what Jᵀ g is.
    for v in (x, reals(seed + 2, *x.shape), np.eye(1, x.size, seed % x.size).reshape(x.shape)):
        forward = (grad * avg_pool2d(v, geometry.kernel, **asked)).sum()
        assert_allclose((found * v).sum(), forward, rtol=1e-10, atol=1e-10)


@given(geometries(), seeds, st.booleans())
@settings(max_examples=40)
def test_the_gradient_of_a_maximum_is_what_a_small_step_changes(
    geometry: Geometry, seed: int, ceil: bool
) -> None:
    output = output_of(geometry, ceil=ceil)
    assume(min(output) >= 1)
    random = np.random.default_rng(seed)
    x = random.permutation(2.0 * np.arange(2 * np.prod(geometry.size)))  # no two are near
    x = x.reshape(2, *geometry.size)
    asked = {**geometry.settings, "ceil_mode": ceil}
    grad, step = reals(seed, 2, *output), reals(seed + 1, *x.shape).clip(-0.9, 0.9)
    seen = np.isfinite(max_pool2d(x, geometry.kernel, **asked))
    before, after = (
        max_pool2d(moved, geometry.kernel, **asked)[seen] for moved in (x - step, x + step)
    )
    found = (max_pool2d_backward(grad, x, geometry.kernel, **asked) * step).sum()
    assert_allclose(found, (grad[seen] * (after - before)).sum() / 2, rtol=1e-9, atol=1e-9)


# ---- PyTorch ----------------------------------------------------------------------------------


@st.composite
def torch_pools(draw: st.DrawFn) -> tuple[dict[str, Any], tuple[int, int]]:
    """Settings that torch allows: padding of at most half a kernel."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pool = {
        "kernel_size": kernel,
        "stride": draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        "padding": tuple(draw(st.integers(0, k // 2)) for k in kernel),
        "ceil_mode": draw(st.booleans()),
    }
    return pool, draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))


def torch_gradient(pool: str, x: Array, grad_of: Any, asked: dict[str, Any]) -> tuple[Any, Any]:
    torch = require_peer("torch")
    values = torch.from_numpy(x).requires_grad_()
    pooled = getattr(torch.nn.functional, pool)(values, **asked)
    grad = grad_of(*pooled.shape)
    (found,) = torch.autograd.grad(pooled, [values], torch.from_numpy(grad))
    return grad, found.numpy()


@pytest.mark.peers
@given(torch_pools(), st.tuples(st.integers(1, 3), st.integers(1, 3)), seeds, st.booleans())
@settings(max_examples=40)
def test_the_gradient_of_a_maximum_is_torchs(
    pool: Any, dilation: tuple[int, int], seed: int, with_nan: bool
) -> None:
    asked, size = pool
    asked["dilation"] = dilation
    assume(
        all(d * (k - 1) < s for d, k, s in zip(dilation, asked["kernel_size"], size, strict=True))
    )
    x = np.round(reals(seed, 2, 3, *size))  # ties
    x[np.abs(x) > 2] = -np.inf
    if with_nan:
        x[x == 2] = np.nan
    grad, expected = torch_gradient("max_pool2d", x, lambda *s: reals(seed + 1, *s), asked)
    assert_allclose(max_pool2d_backward(grad, x, **asked), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.peers
@given(torch_pools(), st.booleans(), seeds)
@settings(max_examples=40)
def test_the_gradient_of_an_average_is_torchs(pool: Any, count_padding: bool, seed: int) -> None:
    asked, size = pool
    asked["count_include_pad"] = count_padding
    x = reals(seed, 2, 3, *size)
    grad, expected = torch_gradient("avg_pool2d", x, lambda *s: reals(seed + 1, *s), asked)
    assert_allclose(avg_pool2d_backward(grad, x, **asked), expected, rtol=1e-5, atol=1e-9)


# ---- examples on paper -------------------------------------------------------------------------


def test_a_window_of_padding_alone_has_no_gradient_to_give() -> None:
    for backward in BACKWARD:
        grad = np.arange(1.0, 17).reshape(1, 4, 4)
        found = backward(grad, [[[-7.0]]], 2, stride=2, padding=4)
        share = 1 if backward is max_pool2d_backward else 4
        assert_allclose(found, [[[grad[0, 2, 2] / share]]])


def test_what_is_the_least_of_its_type_is_a_maximum_too() -> None:
    for x in (
        np.full((1, 2, 2), -np.inf),
        np.full((1, 2, 2), -128, np.int8),
        np.zeros((1, 2, 2), bool),
    ):
        found = max_pool2d_backward(np.ones((1, 2, 2)), x, 2, stride=1, padding=((1, 0), (1, 0)))
        assert_array_equal(found, [[[4, 0], [0, 0]]])


def test_large_integers_are_told_apart() -> None:
    x = np.array([[[2**62, 2**62 + 1, 2**62 + 1, -5]]])
    assert_array_equal(max_pool2d_backward([[[3.0]]], x, (1, 4)), [[[0, 3, 0, 0]]])


@pytest.mark.parametrize("backward", BACKWARD)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.float16, np.float32)],
)
def test_a_gradient_has_the_type_of_the_image(backward: Any, dtype: Any, result: Any) -> None:
    found = backward(np.ones((1, 1, 1)), np.ones((1, 2, 2), dtype), 2)
    assert found.dtype == result


@pytest.mark.parametrize("backward", BACKWARD)
def test_arguments_are_left_alone(backward: Any) -> None:
    grad, x = reals(1, 2, 1, 3, 3), reals(2, 2, 1, 4, 4)
    kept = grad.copy(), x.copy()
    backward(grad, x, 2, stride=1)[...] = 9
    assert_array_equal(grad, kept[0])
    assert_array_equal(x, kept[1])
    assert backward(np.ones((0, 1, 3, 3)), np.ones((0, 1, 4, 4)), 2, stride=1).shape == (0, 1, 4, 4)


@pytest.mark.parametrize("backward", BACKWARD)
def test_what_does_not_fit_is_refused(backward: Any) -> None:
    for shape in [(1, 3, 3), (2, 2, 2), (2, 1, 2, 2), (1, 1, 4)]:
        with pytest.raises(ShapeError, match=r"grad must have the shape \(1, 1, 2, 2\)"):
            backward(np.ones(shape), np.ones((1, 4, 4)), 2)
    with pytest.raises(ShapeError, match="the output would be empty"):
        backward(np.ones((1, 1, 1)), np.ones((1, 2, 2)), 3)
    with pytest.raises(ArgumentError, match="stride must be at least 1, not 0"):
        backward(np.ones((1, 1, 1)), np.ones((1, 2, 2)), 2, stride=0)
