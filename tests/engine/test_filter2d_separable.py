"""Both layouts of a separable kernel, whatever the BLAS of the machine is."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.filter2d import plan_for
from support.oracles import (
    MODES,
    Geometry,
    assert_rounded,
    filter_channels,
    geometries,
    pixels,
    reals,
    scipy_correlate,
    seeds,
)

from convcli.blas import Blas
from convcli.engine.filter2d import filter2d, separable
from convcli.engine.scratch import row_pitch
from convcli.kernels import load_kernel

AVX2 = Blas("Haswell", 32, has_small_kernel=False)
AVX512 = Blas("SkylakeX", 64, has_small_kernel=True)


@pytest.fixture(params=[AVX2, AVX512], ids=lambda blas: blas.core)
def blas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Blas:
    """A BLAS that is taken for that of the machine."""
    found: Blas = request.param
    monkeypatch.setattr(separable, "find_blas", lambda: found)
    return found


@pytest.mark.usefixtures("blas")
@given(
    geometries(),
    seeds,
    st.sampled_from(MODES),
    st.sampled_from([1, 2, 3, 4, 5, 9]),
    st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_layout_agrees_with_the_loops(
    geometry: Geometry, seed: int, mode: str, channels: int, is_small: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if is_small:  # tiles, so that blocks end anywhere
            patch.setattr(separable, "TILE_VALUES", 60)
            patch.setattr(separable, "ROW_VALUES", 9 * channels)
        column, row = reals(seed, geometry.kernel[0]), reals(seed + 1, geometry.kernel[1])
        image, kernel = reals(seed + 2, *geometry.size, channels), np.outer(column, row)
        result = filter2d(
            image,
            kernel,
            stride=geometry.stride,
            dilation=geometry.dilation,
            padding=geometry.sides,
            padding_mode=mode,
            method="separable",
        )
    expected = filter_channels(
        image,
        kernel,
        stride=geometry.stride,
        dilation=geometry.dilation,
        sides=geometry.sides,
        mode=mode,
    )
    assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [0.8, 3.0])
def test_a_gaussian_is_scipys_to_the_last_level(dtype: Any, channels: int, sigma: float) -> None:
    weights = load_kernel(f"gaussian:{sigma}").matrix
    image = pixels(3, 70, 61, channels, dtype=np.uint8).astype(dtype)
    result = filter2d(image, weights, padding_mode="reflect")
    planes = [scipy_correlate(plane, weights, "reflect") for plane in image.transpose(2, 0, 1)]
    exact = np.stack(planes, axis=2)
    if dtype is np.float32:
        assert_allclose(result, exact, rtol=2e-6, atol=1e-3)
    else:
        assert_rounded(result, exact)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1, 1), (1, 60, 3), (60, 1, 3), (2, 3, 20)])
@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_pictures_of_a_pixel_a_row_or_a_column(shape: Any, mode: str) -> None:
    image, weights = pixels(1, *shape), load_kernel("gaussian:1.5").matrix
    sides = ((len(weights) // 2,) * 2,) * 2
    exact = filter_channels(image, weights, mode=mode, sides=sides)
    assert_rounded(filter2d(image, weights, padding_mode=mode, method="separable"), exact)


@pytest.mark.usefixtures("blas")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_sums_beyond_the_type_are_clamped(dtype: Any) -> None:
    largest = np.iinfo(dtype).max
    image = np.where(pixels(5, 40, 50, 3) > 127, largest, 0).astype(dtype)
    kernel = np.outer([-0.3, 1.7, -0.3], [0.1, 1.1, 0.1])
    exact = filter_channels(image, kernel, mode="zero", sides=((1, 1), (1, 1)))
    result = filter2d(image, kernel, padding_mode="zero", method="separable")
    assert_rounded(result, exact, near=0.05)
    assert result.min() == 0
    assert result.max() == largest


def test_the_layout_suits_the_blas(blas: Blas) -> None:
    weights = load_kernel("gaussian:2").matrix
    found = separable.separable_layout(plan_for(pixels(1, 99, 99, 3), weights).problem)
    assert found.is_turned == (not blas.has_small_kernel)
    plane = plan_for(pixels(1, 99, 99, 1), weights).problem
    assert not separable.separable_layout(plane).is_turned
    strided = plan_for(pixels(1, 99, 99, 3), weights, stride=2).problem
    assert separable.separable_layout(strided).is_turned


@pytest.mark.usefixtures("blas")
def test_tiles_of_few_rows_are_wide() -> None:
    weights = load_kernel("gaussian:2").matrix
    tiles = [
        plan_for(np.zeros((rows, columns, 3), np.uint8), weights, stride=2).algorithm.tile
        for rows, columns in ((16, 20_000), (5_000, 4_000))
    ]
    assert tiles[0][0] < tiles[1][0]
    assert tiles[0][1] > 8 * tiles[1][1]


def test_rows_are_whole_lines_and_never_pages_apart() -> None:
    for itemsize in (4, 8):
        for values in range(1, 5000, 7):
            pitch = row_pitch(values, itemsize)
            assert values <= pitch < values + 2 * 64 // itemsize
            assert pitch * itemsize % 64 == 0
            assert pitch * itemsize % 4096 != 0
