"""NaN in what is filtered: held to loops over windows, for every method."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convcli.engine.filter2d.missing import filter_missing
from convcli.engine.filter2d.plan import METHODS, plan_filter
from convcli.engine.filter2d.problem import FilterSettings
from convcli.errors import ArgumentError
from convcli.kernels import load_kernel

Array = NDArray[Any]
NUMPY_MODES = {
    "replicate": "edge", "reflect": "reflect", "circular": "wrap", "symmetric": "symmetric"
}  # fmt: skip


def pad(image: Array, pads: tuple[int, int], mode: str) -> Array:
    sides = [(pads[0], pads[0]), (pads[1], pads[1]), (0, 0)]
    if mode in NUMPY_MODES:
        numpy_mode: Any = NUMPY_MODES[mode]
        return np.pad(image, sides, numpy_mode)
    value = 0.0 if mode == "zero" else float(mode.partition(":")[2])
    return np.pad(image, sides, constant_values=value)


def loop(
    image: Array, kernel: Array, nan: str, stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """Each window of a padded image, (H, W, C), under (maps, C, kh, kw) by Python's own numbers."""
    maps, channels, high, wide = kernel.shape
    rows = (len(image) - dilation[0] * (high - 1) - 1) // stride[0] + 1
    columns = (image.shape[1] - dilation[1] * (wide - 1) - 1) // stride[1] + 1
    result = np.empty((rows, columns, maps))
    for row, column, number in np.ndindex(rows, columns, maps):
        products, used, has_nan = [], [], False
        for channel, down, across in np.ndindex(channels, high, wide):
            place = row * stride[0] + down * dilation[0], column * stride[1] + across * dilation[1]
            value, weight = (
                float(image[*place, channel]),
                float(kernel[number, channel, down, across]),
            )
            if math.isnan(value):
                has_nan = True
            else:
                products.append(weight * value)
                used.append(weight)
        total, left = math.fsum(kernel[number].flat), math.fsum(used)
        if not has_nan:
            result[row, column, number] = math.fsum(products)
        elif nan == "keep" or abs(left) < 1e-12:
            result[row, column, number] = math.nan
        else:
            result[row, column, number] = math.fsum(products) * total / left
    return result


def expand(kernel: Array, channels: int) -> Array:
    """A kernel of two or three axes as (maps, C, kh, kw)."""
    if kernel.ndim == 2:
        return np.eye(channels)[:, :, np.newaxis, np.newaxis] * kernel
    return kernel.reshape(-1, *kernel.shape[-3:])


def channelwise_loop(image: Array, kernel: Array, *given: Any) -> Array:
    """A kernel of two axes sees a channel alone, also where that is NaN."""
    planes = [
        loop(image[:, :, channel : channel + 1], kernel[np.newaxis, np.newaxis], *given)
        for channel in range(image.shape[2])
    ]
    return np.concatenate(planes, axis=2)


@settings(max_examples=60)
@given(data=st.data())
def test_nan_is_kept_or_skipped_as_in_a_loop(data: st.DataObject) -> None:
    axes = data.draw(st.sampled_from([2, 2, 2, 3, 4]))
    channels = data.draw(st.integers(1, 3))
    shape = {2: (), 3: (channels,), 4: (2, channels)}[axes]
    size = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    generator = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    kernel = generator.integers(-2, 6, (*shape, *size)).astype(float)
    kernel[..., 0, 0] += 9  # no sum is zero
    method = data.draw(st.sampled_from(METHODS if axes == 2 else ("auto", "naive")))
    if method == "separable":
        kernel = np.outer(kernel[:, 0] + 7, kernel[0] + 7)
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    image = generator.normal(100, 20, (*generator.integers(5, 12, 2), channels)).astype(dtype)
    image[generator.random(image.shape) < data.draw(st.sampled_from([0, 0.02, 0.3, 1]))] = np.nan
    stride = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
    dilation = data.draw(st.sampled_from([(1, 1), (1, 1), (2, 1)]))
    pads = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    mode = data.draw(st.sampled_from([*NUMPY_MODES, "zero", "constant:5"]))
    nan = data.draw(st.sampled_from(["keep", "skip"]))
    bias = data.draw(st.sampled_from([0.0, 3.5]))
    padded = pad(image.astype(float), pads, mode)
    extent = [step * (side - 1) + 1 for step, side in zip(dilation, size, strict=True)]
    assume(padded.shape[0] >= extent[0] and padded.shape[1] >= extent[1])
    problem = FilterSettings(bias, stride, pads, mode, dilation, method=method, nan=nan)
    plan = plan_filter(image.shape, image.dtype, kernel, problem)
    found = filter_missing(plan, image)
    given_windows = nan, stride, dilation
    if axes == 2:
        expected = channelwise_loop(padded, kernel, *given_windows) + bias
    else:
        expected = loop(padded, expand(kernel, channels), *given_windows) + bias
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    scale = float(np.nanmax(np.abs(expected), initial=1.0))
    tolerance = 2e-5 if dtype != np.float64 else 1e-9
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("method", METHODS)
def test_what_sees_no_nan_is_as_without(method: str) -> None:
    generator = np.random.default_rng(3)
    image = generator.normal(size=(40, 30, 2)).astype(np.float32)
    hurt = image.copy()
    hurt[20, 15, 1] = np.nan
    kernel = np.outer([1.0, 2, 1], [1.0, 2, 1])
    for nan in ("keep", "skip"):
        plan = plan_filter(image.shape, image.dtype, kernel, FilterSettings(method=method, nan=nan))
        found, whole = filter_missing(plan, hurt), filter_missing(plan, image)
        is_near = np.zeros(image.shape, bool)
        is_near[19:22, 14:17, 1] = True
        np.testing.assert_allclose(found[~is_near], whole[~is_near], rtol=0, atol=1e-5)
        assert np.isnan(found[is_near]).all() == (nan == "keep")


def test_a_window_sees_nan_under_a_weight_of_0() -> None:
    image = np.ones((3, 3, 1))
    image[1, 1] = np.nan
    kernel = np.ones((3, 3))
    kernel[1, 1] = 0
    for nan, expected in (("keep", math.nan), ("skip", 8.0)):
        plan = plan_filter(image.shape, float, kernel, FilterSettings(padding="valid", nan=nan))
        np.testing.assert_array_equal(filter_missing(plan, image), [[[expected]]])


def test_weights_that_are_left_and_cancel_are_nan() -> None:
    image = np.array([np.nan, 2.0, 5.0])[np.newaxis, :, np.newaxis]
    for weights in ([3.0, 1.0, -1.0], [3.0, 0.1 + 0.2, -0.3]):
        settings_ = FilterSettings(padding="valid", nan="skip")
        plan = plan_filter(image.shape, float, [weights], settings_)
        assert np.isnan(filter_missing(plan, image)).all()


def test_a_large_separable_kernel_refuses_nan() -> None:
    kernel = load_kernel("box:1003")
    image = np.ones((4, 4, 1))
    plan = plan_filter(image.shape, float, kernel.matrix, FilterSettings(nan="keep"))
    np.testing.assert_allclose(filter_missing(plan, image), image)
    image[0, 0] = np.nan
    with pytest.raises(ArgumentError, match="more than 1001 a side"):
        filter_missing(plan, image)


def test_groups_see_their_own_channels() -> None:
    image = np.ones((3, 3, 4))
    image[1, 1, 0] = np.nan
    kernel = np.ones((2, 2, 3, 3))
    problem = FilterSettings(padding="valid", groups=2, nan="keep")
    found = filter_missing(plan_filter(image.shape, float, kernel, problem), image)
    assert np.isnan(found).ravel().tolist() == [True, False]
    skipped = filter_missing(
        plan_filter(image.shape, float, kernel, problem._replace(nan="skip")), image
    )
    np.testing.assert_allclose(skipped.ravel(), [18, 18])
