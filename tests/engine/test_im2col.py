from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import Geometry, geometries, pad, pixels, seeds, whole_numbers

from convcli.engine.im2col import col2im, im2col
from convcli.errors import ArgumentError, ShapeError

batches = st.sampled_from([(), (1,), (3,)])


@given(geometries(), seeds, st.integers(1, 3), batches)
def test_each_column_is_one_window_laid_flat(
    geometry: Geometry, seed: int, channels: int, batch: tuple[int, ...]
) -> None:
    x = whole_numbers(seed, *batch, channels, *geometry.size)
    columns = im2col(x, geometry.kernel, **geometry.settings)
    (kh, kw), (oh, ow) = geometry.kernel, geometry.output
    assert columns.shape == (*batch, channels * kh * kw, oh * ow)
    padded = pad(x, geometry.sides, "zero")
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    for i, j in np.ndindex(oh, ow):
        rows = [i * sh + u * dh for u in range(kh)]
        taps = [j * sw + v * dw for v in range(kw)]
        window = padded[..., rows, :][..., taps]
        assert_array_equal(columns[..., i * ow + j], window.reshape(*batch, -1))


@given(geometries(), seeds, st.integers(1, 3), batches)
def test_col2im_is_the_adjoint_of_im2col(
    geometry: Geometry, seed: int, channels: int, batch: tuple[int, ...]
) -> None:
    x = whole_numbers(seed, *batch, channels, *geometry.size)
    columns = im2col(x, geometry.kernel, **geometry.settings)
    other = whole_numbers(seed + 1, *columns.shape)
    back = col2im(other, x.shape, geometry.kernel, **geometry.settings)
    assert back.shape == x.shape
    assert_allclose((columns * other).sum(), (x * back).sum())


@given(geometries(forms=("number", "sides", "same")), seeds)
def test_what_overlaps_adds_up(geometry: Geometry, seed: int) -> None:
    x = whole_numbers(seed, 1, *geometry.size)
    ones = np.ones_like(x)
    settings = geometry.settings
    times = col2im(im2col(ones, geometry.kernel, **settings), x.shape, geometry.kernel, **settings)
    back = col2im(im2col(x, geometry.kernel, **settings), x.shape, geometry.kernel, **settings)
    assert_allclose(back, x * times)


@given(geometries(), seeds)
@settings(max_examples=25)
def test_the_columns_of_a_batch_are_those_of_its_images(geometry: Geometry, seed: int) -> None:
    x = whole_numbers(seed, 3, 2, *geometry.size)
    together = im2col(x, geometry.kernel, **geometry.settings)
    for image, columns in zip(x, together, strict=True):
        assert_array_equal(im2col(image, geometry.kernel, **geometry.settings), columns)
        back = col2im(columns, image.shape, geometry.kernel, **geometry.settings)
        assert back.shape == image.shape


def test_columns_of_a_matrix_that_fits_on_paper() -> None:
    x = np.arange(9).reshape(1, 3, 3)
    assert_array_equal(im2col(x, 2), [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])
    assert_array_equal(im2col(x, (1, 3)), [[0, 3, 6], [1, 4, 7], [2, 5, 8]])
    assert_array_equal(im2col(x, (1, 2), dilation=2), [[0, 3, 6], [2, 5, 8]])
    assert_array_equal(im2col(x, (2, 1), stride=(1, 2)), [[0, 2, 3, 5], [3, 5, 6, 8]])


def test_channels_are_the_slowest_rows() -> None:
    x = np.arange(8).reshape(2, 2, 2)
    assert_array_equal(im2col(x, 2).ravel(), range(8))


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int64, np.float16, np.float32, np.float64]
)
def test_columns_keep_the_type(dtype: Any) -> None:
    columns = im2col(np.ones((1, 3, 3), dtype), 2, padding=1)
    assert columns.dtype == dtype
    assert col2im(columns.astype(np.float32), (1, 3, 3), 2, padding=1).dtype == np.float32


@pytest.mark.parametrize("kernel", [1, (1, 3), 3])
def test_columns_are_a_copy(kernel: Any) -> None:
    x = np.ones((1, 3, 3))
    im2col(x, kernel)[:] = 0
    assert_array_equal(x, np.ones((1, 3, 3)))


def test_padding_is_zero_and_has_a_side_of_its_own() -> None:
    columns = im2col(np.ones((1, 1, 1)), 1, padding=((0, 1), (2, 0)))
    assert_array_equal(columns.reshape(2, 3), [[0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize("shape", [(), (3,), (3, 3), (1, 1, 1, 3, 3), (1, 0, 3), (0, 3, 3)])
def test_an_image_has_three_axes_and_a_batch_four(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as refusal:
        im2col(np.zeros(shape), 1)
    assert str(shape) in str(refusal.value)


def test_a_window_must_fit() -> None:
    with pytest.raises(ShapeError, match=r"empty: height floor\(\(2 \+ 0 \+ 0"):
        im2col(np.ones((1, 2, 5)), 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, "kernel size must be at least 1, not 0"),
        ({"stride": (1, 0)}, "stride must be at least 1, not 0"),
        ({"dilation": 0.5}, "dilation must be a whole number, not 0.5"),
        ({"padding": "some"}, "padding 'some' is none of"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(settings: dict[str, Any], message: str) -> None:
    asked = {"kernel_size": 2} | settings
    with pytest.raises(ArgumentError, match=message):
        im2col(pixels(0, 1, 4, 4), **asked)
    with pytest.raises(ArgumentError, match=message):
        col2im(np.ones((4, 9)), (1, 4, 4), **asked)


@pytest.mark.parametrize("shape", [(4, 3), (4, 9, 1), (3, 9), (1, 4, 9)])
def test_columns_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError) as refusal:
        col2im(np.ones(shape), (1, 4, 4), 2)
    assert f"have the shape (4, 9), not {shape}" in str(refusal.value)


def test_the_shape_to_come_back_to_has_three_axes_or_four() -> None:
    with pytest.raises(ShapeError, match=r"shape must be .* not \(4, 4\)"):
        col2im(np.ones((4, 9)), (4, 4), 2)
