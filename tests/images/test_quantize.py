"""Values to pixels: four policies, one rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from convcli.errors import ArgumentError
from convcli.images.color import resize, to_gray
from convcli.images.quantize import POLICIES, quantize
from convcli.images.write import fit_to_format

VALUES = np.array([-300.0, -128.5, -0.5, 0.5, 1.5, 127.0, 254.5, 255.5, 1000.0])


def test_clamp_cuts_off_and_rounds_half_to_even() -> None:
    ranged = quantize(VALUES, "clamp", 8)
    np.testing.assert_array_equal(ranged.pixels, [0, 0, 0, 0, 2, 127, 254, 255, 255])
    assert ranged.clipped == 4 / 9  # -0.5 rounds to 0, 255.5 to 256


def test_abs_takes_sizes() -> None:
    ranged = quantize(VALUES, "abs", 8)
    np.testing.assert_array_equal(ranged.pixels, [255, 128, 0, 0, 2, 127, 254, 255, 255])


@pytest.mark.parametrize(("depth", "white"), [(8, 255), (16, 65535)])
def test_what_lies_just_outside_counts_as_clipped(depth: int, white: int) -> None:
    rounded = np.array([-1.0, -0.5, 0.0, white, white + 0.4, white + 1.0])
    assert quantize(rounded, "clamp", depth).clipped == 2 / 6
    whole = np.array([-1, 0, white, white + 1], np.int64)
    assert quantize(whole, "clamp", depth).clipped == 2 / 4
    assert quantize(whole[1:3], "clamp", depth).note is None


@pytest.mark.parametrize("policy", ["clamp", "offset"])
def test_the_maximum_of_padding_alone_is_black(policy: str) -> None:
    quantized = quantize(np.array([-np.inf, 10.0]), policy, 8)
    assert quantized.pixels.tolist() == [0, 10 if policy == "clamp" else 138]
    assert quantized.clipped == 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_other_value_that_is_not_finite_is_quantized(value: float) -> None:
    with pytest.raises(ArgumentError, match="beyond what floating point holds"):
        quantize(np.array([value, 10.0]), "clamp", 8)


def test_offset_puts_zero_at_mid_gray() -> None:
    ranged = quantize(VALUES, "offset", 8)
    np.testing.assert_array_equal(ranged.pixels, [0, 0, 128, 128, 130, 255, 255, 255, 255])
    assert quantize(np.array([-32768.0, 0, 32767]), "offset", 16).pixels.tolist() == [
        0,
        32768,
        65535,
    ]


def test_rescale_stretches_from_the_least_to_the_largest() -> None:
    ranged = quantize(np.array([-2.0, 0.0, 2.0, 6.0]), "rescale", 8)
    np.testing.assert_array_equal(ranged.pixels, [0, 64, 128, 255])
    assert ranged.note == "rescaled -2..6 to 0..255"
    assert ranged.clipped == 0


@pytest.mark.parametrize(("depth", "gray"), [(8, 128), (16, 32768)])
def test_a_flat_map_is_rescaled_to_mid_gray(depth: int, gray: int) -> None:
    ranged = quantize(np.full((2, 2), 7.5), "rescale", depth)
    assert (ranged.pixels == gray).all()
    assert "7.5" in (ranged.note or "")


EDGE_POLICIES = ("offset", "abs", "rescale")


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [
        (-128, 127, "offset"),
        (-129, 127, "abs"),
        (-128, 128, "abs"),
        (-255, 255, "abs"),
        (-256, 0, "rescale"),
        (0, 256, "rescale"),
    ],
)
def test_the_policy_that_would_keep_everything_is_named(
    low: float, high: float, named: str
) -> None:
    values = np.array([low, 5.0, high], float)
    clipping = quantize(values, "clamp", 8).clipping
    assert f"--range {named} would keep them" in clipping.find_remedy(EDGE_POLICIES).describe()
    assert quantize(values, named, 8).clipped == 0
    assert "--range rescale would keep them" in clipping.find_remedy(["rescale"]).describe()
    assert clipping.describe().endswith("of the values lie outside 0..255 and were clipped")


@given(
    arrays(np.float64, 5, elements=st.floats(-1e6, 1e6)),
    st.sampled_from(["clamp", "abs", "offset"]),
    st.sampled_from([8, 16]),
)
def test_the_policy_that_is_named_clips_nothing(values: Any, policy: str, depth: int) -> None:
    found = quantize(values, policy, depth).clipping.find_remedy(EDGE_POLICIES)
    if found.share:
        assert quantize(values, str(found.remedy), depth).clipped == 0


@given(arrays(np.float64, (2, 7), elements=st.floats(-500, 500)))
def test_what_is_clipped_of_frames_is_that_of_all(values: Any) -> None:
    first, second = (quantize(frame, "clamp", 8).clipping for frame in values)
    whole = quantize(values, "clamp", 8).clipping
    merged = first.merge(second)
    assert merged.share == pytest.approx(whole.share)
    assert merged._replace(share=whole.share) == whole


@example(np.array([0.0, 1e-309]), "rescale", 8)
@given(
    arrays(np.float64, array_shapes(max_dims=3), elements=st.floats(-1e6, 1e6)),
    st.sampled_from(POLICIES),
    st.sampled_from([8, 16]),
)
def test_pixels_always_lie_in_their_range_and_keep_their_order(
    values: Any, policy: str, depth: int
) -> None:
    ranged = quantize(values, policy, depth)
    assert ranged.pixels.dtype == {8: np.uint8, 16: np.uint16}[depth]
    assert ranged.pixels.shape == values.shape
    assert 0 <= ranged.clipped <= 1
    measure = np.abs(values) if policy == "abs" else values
    order = np.argsort(measure, axis=None)
    assert (np.diff(ranged.pixels.flat[order].astype(int)) >= 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float64])
def test_the_gray_of_equal_channels_is_their_value(dtype: Any) -> None:
    values = np.stack([np.arange(200).astype(dtype).reshape(10, 20)] * 3, axis=2)
    np.testing.assert_allclose(to_gray(values)[..., 0], values[..., 0], rtol=1e-6)


def test_the_gray_of_two_channels_is_their_mean() -> None:
    np.testing.assert_allclose(to_gray(np.array([[[1.0, 4.0]]])), [[[2.5]]])


def test_gray_stays_as_it_is() -> None:
    values = np.array([[[3]], [[200]]], np.uint8)
    assert to_gray(values) is values


def test_resizing_goes_to_height_and_width_and_invents_no_extremes() -> None:
    values = np.zeros((8, 8, 2))
    values[:, 4:] = 100
    large = resize(values, (16, 24))
    assert large.shape == (16, 24, 2)
    assert (large.min(), large.max()) == (0, 100)
    np.testing.assert_allclose(resize(np.full((5, 7, 1), 42.0), (3, 2)), 42)


@pytest.mark.parametrize(
    ("shape", "image_format", "fits"),
    [((2, 2, 1), "PNG", True), ((2, 2, 1), "TIFF", True),
     ((2, 2, 1), "JPEG", False), ((2, 2, 3), "WEBP", False)],
)  # fmt: skip
def test_sixteen_bits_are_reduced_where_a_format_cannot_hold_them(
    shape: tuple[int, ...], image_format: str, fits: bool
) -> None:
    pixels, notes = fit_to_format(np.full(shape, 200 * 257, np.uint16), None, image_format)
    assert (pixels.dtype == np.uint16) == fits
    assert (notes == ()) == fits
    assert set(pixels.flat) == {200 * 257 if fits else 200}
