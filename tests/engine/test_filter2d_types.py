"""filter2d: rounding, types, methods, memory, refusals."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.filter2d import ANY_KERNEL, BLUR, LAPLACIAN, layouts, modes
from support.oracles import (
    Geometry,
    assert_rounded,
    filter_channels,
    geometries,
    pixels,
    reals,
    scipy_correlate,
    seeds,
    whole_numbers,
)

from convcli.engine.filter2d import filter2d
from convcli.engine.filter2d.plan import METHODS, choose_method
from convcli.engine.filter2d.separable import factorize
from convcli.errors import ArgumentError, ShapeError

MB = 1 << 20


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
    geometry: Geometry,
    seed: int,
    channels: tuple[int, ...],
    mode: str,
    chosen: tuple[str, Any],
) -> None:
    method, dtype = chosen
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
def test_a_half_goes_to_the_even_neighbor(method: str, dtype: Any) -> None:
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


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_a_kernel_of_rank_one_comes_apart(seed: int, kh: int, kw: int) -> None:
    kernel = np.outer(reals(seed, kh), reals(seed + 1, kw))
    factors = factorize(kernel)
    assert factors is not None
    assert_allclose(np.outer(*factors), kernel, rtol=1e-10, atol=1e-14)


def test_auto_takes_the_fewest_products() -> None:
    assert choose_method(np.ones((5, 5))).method == "separable"
    assert choose_method(np.eye(5)).method == "sums"
    assert choose_method(np.ones((1, 5))).method == "sums"
    assert choose_method(reals(1, 25, 25)).method == "fft"
    assert choose_method(np.zeros((3, 3))).method == "im2col"


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


@pytest.mark.parametrize("method", ANY_KERNEL)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (1, 2, 3)}, r"stride must be one number or two, not \(1, 2, 3\)"),
        ({"dilation": 2.0}, "dilation must be a whole number, not 2.0"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding 'some' is none of valid, same, same-lower, full"),
        ({"padding_mode": "odd"}, "padding mode 'odd' is none of zero, reflect, replicate"),
        ({"padding_mode": "odd", "padding": 0}, "padding mode 'odd' is none of zero"),
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
