"""filter2d: every method gives the same, and the right, numbers; what is true of filters."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import ANY_KERNEL, BLUR, LAPLACIAN, layouts, modes
from support.oracles import (
    MODES,
    Geometry,
    convolve,
    filter_channels,
    geometries,
    pixels,
    reals,
    scipy_convolve,
    scipy_correlate,
    seeds,
    whole_numbers,
)

from convcli.engine.filter2d import filter2d
from convcli.engine.filter2d.plan import METHODS
from convcli.errors import ShapeError

SOBEL = np.outer([1, 2, 1], [-1, 0, 1])


@given(geometries(), seeds, layouts, modes, st.booleans())
@settings(max_examples=300)
def test_all_methods_agree_with_the_loops(
    geometry: Geometry, seed: int, channels: tuple[int, ...], mode: str, flip: bool
) -> None:
    image = whole_numbers(seed, *geometry.size, *channels)
    kernel = whole_numbers(seed + 1, *geometry.kernel)
    applied = kernel[::-1, ::-1] if flip else kernel
    expected = filter_channels(image, applied, mode=mode, **geometry.numbers) + 2.5
    asked = {"bias": 2.5, "padding_mode": mode, "flip": flip, **geometry.settings}
    for method in ANY_KERNEL:
        result = filter2d(image, kernel, method=method, **asked)
        assert result.shape == (*geometry.output, *channels)
        assert_allclose(result, expected, atol=1e-9, err_msg=method)


@given(geometries(), seeds, layouts, modes, st.booleans())
def test_a_kernel_of_rank_one_is_a_column_times_a_row(
    geometry: Geometry, seed: int, channels: tuple[int, ...], mode: str, flip: bool
) -> None:
    image = whole_numbers(seed, *geometry.size, *channels)
    column, row = whole_numbers(seed + 1, geometry.kernel[0]), reals(seed, geometry.kernel[1])
    column[0] = 3  # not all zero
    kernel = np.outer(column, row)
    asked = {"padding_mode": mode, "flip": flip, **geometry.settings}
    result = filter2d(image, kernel, method="separable", **asked)
    applied = kernel[::-1, ::-1] if flip else kernel
    expected = filter_channels(image, applied, mode=mode, **geometry.numbers)
    assert_allclose(result, expected, atol=1e-9)
    assert_allclose(filter2d(image, kernel, **asked), expected, atol=1e-9)


@given(seeds, st.integers(1, 8), st.integers(1, 8), modes, layouts)
def test_same_is_scipys(seed: int, kh: int, kw: int, mode: str, channels: tuple[int, ...]) -> None:
    image, kernel = whole_numbers(seed, 6, 5, *channels), whole_numbers(seed + 1, kh, kw)
    for name in ("same", "same-lower"):
        result = filter2d(image, kernel, padding=name, padding_mode=mode)
        planes = np.atleast_3d(image).transpose(2, 0, 1)
        expected = np.stack(
            [scipy_correlate(plane, kernel, mode, lower=name == "same-lower") for plane in planes],
            axis=-1,
        )
        assert_allclose(np.atleast_3d(result), expected, atol=1e-9)


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_a_flipped_kernel_is_scipys_convolution(seed: int, kh: int, kw: int) -> None:
    image, kernel = whole_numbers(seed, 6, 7), whole_numbers(seed + 1, kh, kw)
    # where a kernel is even, what SciPy calls the same is the lower one
    for ours, theirs in (("full", "full"), ("same-lower", "same"), ("valid", "valid")):
        result = filter2d(image, kernel, padding=ours, padding_mode="zero", flip=True)
        assert_allclose(result, scipy_convolve(image, kernel, theirs), atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_a_kernel_wider_than_the_image_meets_it_again_and_again(mode: str, method: str) -> None:
    image = whole_numbers(1, 2, 3)
    kernel = np.outer(np.arange(1, 12), np.arange(-8, 9))
    result = filter2d(image, kernel, padding_mode=mode, method=method)
    assert_allclose(result, scipy_correlate(image, kernel, mode), atol=1e-9)


@given(geometries(largest_kernel=3), seeds, st.integers(1, 3), modes, st.booleans())
@settings(max_examples=80)
def test_a_kernel_of_more_axes_sums_over_the_channels(
    geometry: Geometry, seed: int, channels: int, mode: str, flip: bool
) -> None:
    image = whole_numbers(seed, *geometry.size, channels)
    weights = whole_numbers(seed + 1, 2, channels, *geometry.kernel)
    applied = weights[..., ::-1, ::-1] if flip else weights
    maps = convolve(image.transpose(2, 0, 1)[np.newaxis], applied, mode=mode, **geometry.numbers)[0]
    asked = {"padding_mode": mode, "flip": flip, **geometry.settings}
    for method in ("auto", "im2col", "naive"):
        layer = filter2d(image, weights, method=method, bias=1.5, **asked)
        assert layer.shape == (*geometry.output, 2)
        assert_allclose(layer, maps.transpose(1, 2, 0) + 1.5)
        one = filter2d(image, weights[0], method=method, **asked)
        assert one.shape == geometry.output
        assert_allclose(one, maps[0])


def test_a_plane_is_an_image_of_one_channel() -> None:
    image, kernel = whole_numbers(1, 4, 5), whole_numbers(2, 1, 3, 3)
    assert_allclose(filter2d(image, kernel), filter2d(image[:, :, np.newaxis], kernel[0])[:, :, 0])
    assert filter2d(image, kernel[np.newaxis]).shape == (4, 5, 1)


@pytest.mark.parametrize("method", ["im2col", "separable", "fft"])
@pytest.mark.parametrize("shape", [(700, 500), (300, 400, 3), (3, 120_000), (120_000, 3)])
def test_bands_leave_no_seam(method: str, shape: tuple[int, ...]) -> None:
    image = pixels(1, *shape).astype(np.float64)
    kernel = np.outer([1, 2, 4, 2, 1, -3], [1, -5, 2])
    planes = np.atleast_3d(image).transpose(2, 0, 1)
    expected = np.stack([scipy_correlate(plane, kernel, "reflect") for plane in planes], axis=-1)
    result = filter2d(image, kernel, padding_mode="reflect", method=method)
    assert_allclose(np.atleast_3d(result), expected, atol=1e-6)


@pytest.mark.parametrize("method", ["im2col", "separable", "fft"])
def test_bands_of_a_strided_and_dilated_kernel_leave_no_seam(method: str) -> None:
    image = pixels(1, 1500, 1100).astype(np.float64)
    kernel = np.outer([1, 2, 4], [1, -5, 2])
    spread = np.zeros((7, 5))
    spread[::3, ::2] = kernel
    everywhere = scipy_correlate(image, spread, "circular")
    result = filter2d(
        image, kernel, dilation=(3, 2), stride=2, padding=(3, 2), padding_mode="circular",
        method=method,
    )  # fmt: skip
    assert_allclose(result, everywhere[::2, ::2], atol=1e-6)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "zero"])
@pytest.mark.parametrize("kernel", [SOBEL, SOBEL.T, LAPLACIAN, [[1, -1]], [[1, 0], [0, -1]]])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_a_constant_image_has_no_edges(mode: str, kernel: Any, dtype: Any) -> None:
    image = np.full((5, 6), 201, dtype)
    for method in ANY_KERNEL:
        edges = filter2d(image, kernel, padding_mode=mode, method=method)
        assert_allclose(edges, np.zeros((5, 6)), atol=1e-3)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "zero"])
def test_a_mean_of_equals_is_the_same(mode: str) -> None:
    image = np.full((4, 7), 200, np.uint8)
    assert_array_equal(filter2d(image, BLUR, padding_mode=mode), image)
    assert_array_equal(filter2d(image, np.full((5, 4), 1 / 20), padding_mode=mode), image)


def test_beyond_the_border_it_is_dark_with_zeros() -> None:
    blurred = filter2d(np.full((3, 3), 160, np.uint8), BLUR, padding_mode="zero")
    assert_array_equal(blurred, [[90, 120, 90], [120, 160, 120], [90, 120, 90]])


@given(seeds, st.integers(0, 3), st.integers(0, 3), modes, st.sampled_from(ANY_KERNEL))
def test_identity_is_identity(seed: int, up: int, left: int, mode: str, method: str) -> None:
    kernel = np.zeros((2 * up + 1, 2 * left + 1))
    kernel[up, left] = 1
    for dtype in (np.uint8, np.uint16):
        image = pixels(seed, 4, 5, 3, dtype=dtype)
        assert_array_equal(filter2d(image, kernel, padding_mode=mode, method=method), image)
    grid = whole_numbers(seed, 4, 5)
    assert_allclose(filter2d(grid, kernel, padding_mode=mode, method=method), grid, atol=1e-9)


@given(seeds, st.integers(-6, 6), st.integers(-6, 6), st.sampled_from(ANY_KERNEL), st.booleans())
def test_a_circular_shift_of_the_image_shifts_the_result(
    seed: int, down: int, right: int, method: str, flip: bool
) -> None:
    image, kernel = whole_numbers(seed, 5, 6, 2), whole_numbers(seed + 1, 3, 4)
    asked: dict[str, Any] = {"padding_mode": "circular", "method": method, "flip": flip}
    shifted = filter2d(np.roll(image, (down, right), (0, 1)), kernel, **asked)
    expected = np.roll(filter2d(image, kernel, **asked), (down, right), (0, 1))
    assert_allclose(shifted, expected, atol=1e-9)


@given(geometries(), seeds, modes, st.sampled_from(ANY_KERNEL))
def test_filters_are_linear(geometry: Geometry, seed: int, mode: str, method: str) -> None:
    x, y = whole_numbers(seed, *geometry.size), whole_numbers(seed + 1, *geometry.size)
    k, m = whole_numbers(seed + 2, *geometry.kernel), whole_numbers(seed + 3, *geometry.kernel)
    asked = {"padding_mode": mode, "method": method, **geometry.settings}
    once = filter2d(x, k, **asked)
    assert_allclose(filter2d(3 * x - y, k, **asked), 3 * once - filter2d(y, k, **asked), atol=1e-8)
    assert_allclose(filter2d(x, 3 * k - m, **asked), 3 * once - filter2d(x, m, **asked), atol=1e-8)


def test_a_point_shows_the_kernel_turned_and_flip_turns_it_back() -> None:
    point = np.zeros((5, 5))
    point[2, 2] = 1
    kernel = np.arange(1.0, 10).reshape(3, 3)
    assert_allclose(filter2d(point, kernel)[1:4, 1:4], kernel[::-1, ::-1])
    assert_allclose(filter2d(point, kernel, flip=True)[1:4, 1:4], kernel)


def test_bright_to_the_right_is_positive() -> None:
    assert_allclose(filter2d(np.array([[0.0, 0, 1, 1]]), [[-1, 0, 1]]), [[0, 1, 1, 0]])


def test_an_even_kernel_looks_ahead_and_lower_looks_back() -> None:
    image = np.array([[1.0, 2, 4]])
    assert_allclose(filter2d(image, [[0, 1]]), [[2, 4, 4]])
    assert_allclose(filter2d(image, [[1, 0]], padding="same-lower"), [[1, 1, 2]])


@pytest.mark.parametrize(("size", "first"), [(6, 1), (5, 0)])
def test_stride_two_samples_even_images_at_odd_pixels(size: int, first: int) -> None:
    image = np.arange(size)[np.newaxis].astype(float)
    assert_allclose(filter2d(image, [[0, 1, 0]], stride=2), image[:, first::2])


def test_a_kernel_of_zeros_gives_the_bias() -> None:
    for method in ANY_KERNEL:
        gray = filter2d(pixels(1, 3, 4), np.zeros((3, 3)), bias=128, method=method)
        assert_array_equal(gray, np.full((3, 4), 128))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_each_map_of_a_layers_weights_may_have_a_bias_of_its_own(dtype: Any) -> None:
    image = pixels(1, 9, 8, 2).astype(dtype)
    weights, biases = whole_numbers(3, 4, 2, 3, 3), np.array([0.0, 7, -2, 1])
    plain = filter2d(image, weights, out_dtype=np.float64)
    found = filter2d(image, weights, bias=biases, out_dtype=np.float64)
    assert_array_equal(found, plain + biases)
    pixels_out = filter2d(image, weights, bias=biases, out_dtype=np.uint8)
    assert_array_equal(pixels_out, (plain + biases).clip(0, 255))


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [(np.ones((3, 3)), np.ones(1)), (np.ones((2, 1, 3, 3)), np.ones(3))],
)
def test_a_bias_for_other_maps_is_refused(kernel: Any, bias: Any) -> None:
    with pytest.raises(ShapeError, match="bias must"):
        filter2d(np.ones((5, 5)), kernel, bias=bias)
