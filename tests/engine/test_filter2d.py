import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import (
    MODES,
    Geometry,
    assert_rounded,
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

from convcli.engine.filter2d import METHODS, choose_method, filter2d
from convcli.engine.filter2d.separable import separate
from convcli.errors import ArgumentError, ShapeError

modes = st.sampled_from(MODES)
layouts = st.sampled_from([(), (1,), (3,)])  # (H, W), or (H, W, C)
ANY_KERNEL = [method for method in METHODS if method != "separable"]
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
SOBEL = np.outer([1, 2, 1], [-1, 0, 1])
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
MB = 1 << 20


# ---- every method gives the same, and the right, numbers ---------------------------------------


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


# ---- what is true of filters -------------------------------------------------------------------


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
        grey = filter2d(pixels(1, 3, 4), np.zeros((3, 3)), bias=128, method=method)
        assert_array_equal(grey, np.full((3, 4), 128))


# ---- whole numbers: rounded half to even, and clamped ------------------------------------------


@given(
    geometries(),
    seeds,
    layouts,
    modes,
    st.tuples(
        st.sampled_from(ANY_KERNEL), st.sampled_from([np.uint8, np.int8, np.int16, np.uint16])
    ),
)
@settings(max_examples=300)
def test_whole_numbers_are_the_exact_sums_rounded_and_clamped(
    geometry: Geometry, seed: int, channels: tuple[int, ...], mode: str, way: tuple[str, Any]
) -> None:
    method, dtype = way
    image = pixels(seed, *geometry.size, *channels, dtype=dtype)
    kernel = reals(seed + 1, *geometry.kernel)
    kernel *= 1.5 / np.abs(kernel).sum()
    exact = filter_channels(image.astype(float), kernel, mode=mode, **geometry.numbers) + 3.25
    result = filter2d(
        image, kernel, bias=3.25, method=method, padding_mode=mode, **geometry.settings
    )
    assert result.dtype == dtype
    eight_bits = np.iinfo(dtype).bits == 8
    assert_rounded(result, exact, near=1e-3 if eight_bits else 0.2)


@pytest.mark.parametrize("method", METHODS)
def test_pixels_of_a_photograph_are_the_exact_sums_rounded_and_clamped(method: str) -> None:
    side = (30, 20) if method == "naive" else (300, 200)
    image = pixels(5, *side)
    spread = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    blur = np.outer(spread, spread) / spread.sum() ** 2
    for kernel in (blur, 9 * blur, -2 * blur):
        result = filter2d(image, kernel, method=method)
        assert_rounded(result, scipy_correlate(image, kernel, "replicate"))


@pytest.mark.parametrize("method", ["im2col", "separable", "fft"])
def test_sixteen_bits_are_the_exact_sums_rounded_and_clamped(method: str) -> None:
    image = pixels(5, 300, 200, dtype=np.uint16)
    spread = np.exp(-(np.arange(-6, 7) ** 2) / 8)
    blur = np.outer(spread, spread) / spread.sum() ** 2
    assert_rounded(filter2d(image, blur, method=method), scipy_correlate(image, blur, "replicate"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint64])
def test_a_half_goes_to_the_even_neighbour(method: str, dtype: Any) -> None:
    image = np.arange(8, dtype=dtype)[np.newaxis]
    assert_array_equal(filter2d(image, [[0.5]], method=method), [[0, 0, 1, 2, 2, 2, 3, 4]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
def test_what_a_type_cannot_hold_is_clamped(method: str, dtype: Any) -> None:
    bounds = np.iinfo(dtype)
    image = np.array([[bounds.max, bounds.min]], dtype)
    assert_array_equal(filter2d(image, [[4.0]], method=method), image)
    turned = np.array([[bounds.min, bounds.max if bounds.min else 0]], dtype)
    assert_array_equal(filter2d(image, [[-4.0]], method=method), turned)
    above = filter2d(image, [[1.0]], bias=2.0**40, method=method)
    below = filter2d(image, [[1.0]], bias=-(2.0**40), method=method)
    assert_array_equal(above, np.full((1, 2), bounds.max, dtype))
    assert_array_equal(below, np.full((1, 2), bounds.min, dtype))


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_sixty_four_bits_are_clamped_and_not_wrapped(dtype: Any) -> None:
    bounds = np.iinfo(dtype)
    result = filter2d(np.array([[1e30, -1e30, 5.0]]), [[1.0]], out_dtype=dtype)
    assert result.dtype == dtype
    assert int(result[0, 0]) > bounds.max - 2**12
    assert_array_equal(result[0, 1:], np.array([bounds.min, 5], dtype))


def test_large_integers_are_exact_where_a_double_is() -> None:
    for dtype in (np.int32, np.uint32, np.int64):
        image = np.array([[2**31 - 1, 2**31 - 2, 16777217]], dtype)
        assert_array_equal(filter2d(image, [[1.0]]), image)


def test_no_sum_is_clamped_before_it_is_complete() -> None:
    image = np.array([[255, 255, 255]], np.uint8)
    assert_array_equal(filter2d(image, [[1, 1, -1]]), image)
    assert_array_equal(filter2d(image, [[-1, -1, 3]]), image)
    assert_array_equal(filter2d(image, [[2.0]], bias=-500), [[10, 10, 10]])


# ---- types -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.bool_, np.float32),
        (np.uint8, np.uint8),
        (np.int16, np.int16),
        (np.uint16, np.uint16),
        (np.int64, np.int64),
        (np.float16, np.float16),
        (np.float32, np.float32),
        (np.float64, np.float64),
    ],
)
def test_an_image_keeps_its_type(dtype: Any, result: Any, method: str) -> None:
    image = np.ones((2, 2), dtype)
    filtered = filter2d(
        image, [[0.5, 0.25], [0.25, 0]], method="auto" if method == "separable" else method
    )
    assert filtered.dtype == result
    assert_allclose(filtered, np.ones((2, 2)), rtol=1e-6)


@pytest.mark.parametrize("out_dtype", [np.float32, "float64", np.int16, "uint16"])
def test_a_result_may_have_another_type(out_dtype: Any) -> None:
    result = filter2d(pixels(1, 4, 4), -3 * BLUR, out_dtype=out_dtype)
    assert result.dtype == np.dtype(out_dtype)
    exact = scipy_correlate(pixels(1, 4, 4), -3 * BLUR, "replicate")
    if result.dtype.kind == "f":
        assert_allclose(result, exact, rtol=1e-6)
    else:
        assert_rounded(result, exact)


def test_float64_is_computed_in_float64() -> None:
    image = np.array([[1.0, 1 + 1e-12]])
    for method in METHODS:
        assert_allclose(filter2d(image, [[1.0]], method=method), image, rtol=1e-14)
        assert filter2d(image.astype(np.float32), [[1.0]], method=method).dtype == np.float32


def test_the_image_and_the_kernel_are_left_alone() -> None:
    image, kernel = whole_numbers(1, 3, 3), np.ones((1, 1))
    before = image.copy()
    for method in METHODS:
        filter2d(image, kernel, method=method)[:] = 99
        assert_array_equal(image, before)
        assert_array_equal(kernel, [[1]])


def test_anything_like_an_array_is_taken() -> None:
    assert_allclose(filter2d([[1, 2, 3]], [[1, 1]], padding="valid"), [[3, 5]])
    upside_down = pixels(1, 6, 5, 3)[::-1, ::2, ::-1]
    assert_array_equal(filter2d(upside_down, BLUR), filter2d(upside_down.copy(), BLUR))
    assert_array_equal(
        filter2d(np.asfortranarray(upside_down), BLUR), filter2d(upside_down.copy(), BLUR)
    )


# ---- methods and memory ------------------------------------------------------------------------


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_a_kernel_of_rank_one_comes_apart(seed: int, kh: int, kw: int) -> None:
    kernel = np.outer(reals(seed, kh), reals(seed + 1, kw))
    factors = separate(kernel)
    assert factors is not None
    assert_allclose(np.outer(*factors), kernel, rtol=1e-10, atol=1e-14)


def test_auto_takes_the_fewest_products() -> None:
    assert choose_method(np.ones((5, 5))) == "separable"
    assert choose_method(np.eye(5)) == "sums"
    assert choose_method(np.ones((1, 5))) == "sums"
    assert choose_method(reals(1, 25, 25)) == "fft"
    assert choose_method(np.zeros((3, 3))) == "im2col"


@pytest.mark.parametrize(
    ("kernel", "method"),
    [
        ((15, 15), "im2col"),
        ((15, 15), "separable"),
        ((15, 15), "fft"),
        ((3, 15, 15), "im2col"),
        ((2, 3, 15, 15), "auto"),
    ],
)
def test_memory_does_not_grow_with_the_kernel(kernel: tuple[int, ...], method: str) -> None:
    image = np.full((600, 800, 3), 100, np.uint8)
    weights = np.full(kernel, 1 / 225, np.float32)
    tracemalloc.start()
    try:
        result = filter2d(image, weights, method=method)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_array_equal(result.ravel()[[0, -1]], [100 if len(kernel) == 2 else 255] * 2)
    assert peak < image.nbytes + result.nbytes + 64 * MB  # the columns would take 1.3 GB


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ANY_KERNEL)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (1, 2, 3)}, r"stride must be one number or two, not \(1, 2, 3\)"),
        ({"dilation": 2.0}, "dilation must be a whole number, not 2.0"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding 'some' is none of valid, same, same-lower, full"),
        ({"padding_mode": "mirror"}, "padding mode 'mirror' is none of zero, reflect, replicate"),
        ({"padding_mode": "mirror", "padding": 0}, "padding mode 'mirror' is none of zero"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(
    settings: dict[str, Any], message: str, method: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        filter2d(np.ones((4, 4)), np.ones((3, 3)), method=method, **settings)


def test_a_method_that_cannot_do_it_is_refused() -> None:
    image = np.ones((4, 4))
    with pytest.raises(ArgumentError, match="method 'fast' is none of auto, im2col, separable"):
        filter2d(image, BLUR, method="fast")
    for kernel in (LAPLACIAN, np.zeros((2, 2))):
        with pytest.raises(ArgumentError, match="method 'separable' needs a kernel of rank 1"):
            filter2d(image, kernel, method="separable")
    for method in ("separable", "fft"):
        with pytest.raises(ArgumentError, match=f"method '{method}' takes a kernel of two axes"):
            filter2d(image, np.ones((1, 3, 3)), method=method)


@pytest.mark.parametrize(
    ("image", "kernel", "message"),
    [
        ((4,), (3, 3), r"image must be .* not \(4,\)"),
        ((4, 4, 3, 1), (3, 3), r"image must be .* not \(4, 4, 3, 1\)"),
        ((0, 4), (3, 3), r"image must be .* not empty, not \(0, 4\)"),
        ((4, 4, 0), (3, 3), r"image must be .* not empty, not \(4, 4, 0\)"),
        ((4, 4), (3,), r"kernel must be \(kh, kw\), .* not \(3,\)"),
        ((4, 4), (0, 3), r"kernel must be \(kh, kw\), .* not \(0, 3\)"),
        ((4, 4), (1, 1, 1, 3, 3), r"kernel must be \(kh, kw\), .* not \(1, 1, 1, 3, 3\)"),
        ((4, 4), (3, 3, 3), "the kernel sums over 3 channels; the image has 1"),
        ((4, 4, 3), (2, 4, 3, 3), "the kernel sums over 4 channels; the image has 3"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both(
    image: Any, kernel: Any, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        filter2d(np.ones(image), np.ones(kernel))


def test_an_empty_result_is_refused_with_its_formula() -> None:
    with pytest.raises(ShapeError, match=r"empty: width floor\(\(2 \+ 0 \+ 0 - 1\*\(3 - 1\)"):
        filter2d(np.ones((5, 2)), BLUR, padding="valid")


def test_only_real_numbers_are_filtered() -> None:
    with pytest.raises(ArgumentError, match="image must hold real numbers, not <U1"):
        filter2d([["a"]], [[1]])
    with pytest.raises(ArgumentError, match="kernel must hold real numbers, not complex128"):
        filter2d([[1]], [[1j]])
    with pytest.raises(ArgumentError, match="kernel is no array of numbers"):
        filter2d([[1]], [[1], [2, 3]])


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("image", [np.uint8, np.float32, np.float64])
def test_what_is_beyond_a_wide_integer_is_its_largest(kind: Any, image: Any) -> None:
    values = np.array([[0, 1, 2]], image)
    limits = np.iinfo(kind)
    found = filter2d(values, [[1e30]], out_dtype=kind)
    np.testing.assert_array_equal(found, [[0, limits.max, limits.max]])
    found = filter2d(values, [[-1e30]], out_dtype=kind)
    np.testing.assert_array_equal(found, [[0, limits.min, limits.min]])
