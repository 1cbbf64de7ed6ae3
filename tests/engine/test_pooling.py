from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import (
    Geometry,
    count_windows,
    geometries,
    onnx_run,
    reals,
    seeds,
    whole_numbers,
)
from support.peers import require_peer

from convcli.engine import pooling
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.errors import ArgumentError, ShapeError
from convcli.parallel import set_threads

POOLS = (max_pool2d, avg_pool2d)
batches = st.sampled_from([(), (1,), (2,)])


def output_by_counting(geometry: Geometry, *, ceil: bool) -> tuple[int, int]:
    rows, columns = (
        count_windows(
            geometry.size[a],
            geometry.kernel[a],
            geometry.stride[a],
            geometry.sides[a],
            geometry.dilation[a],
            ceil=ceil,
        )
        for a in range(2)
    )
    return rows, columns


def pool_by_looking(
    x: Any, geometry: Geometry, *, ceil: bool, mean: bool, count_padding: bool = True
) -> Any:
    """Look at every position that every window meets, and say what it is."""
    out = np.zeros((*x.shape[:-2], *output_by_counting(geometry, ceil=ceil)))
    for index in np.ndindex(out.shape):
        values, counted = [], 0
        for tap in np.ndindex(geometry.kernel):
            inside = within = True
            place = []
            for a in range(2):
                before, after = geometry.sides[a]
                p = index[a - 2] * geometry.stride[a] + tap[a] * geometry.dilation[a] - before
                place.append(p)
                inside &= 0 <= p < geometry.size[a]
                within &= -before <= p < geometry.size[a] + after
            values += [x[(*index[:-2], *place)]] if inside else []
            counted += within if count_padding else inside
        out[index] = sum(values) / max(counted, 1) if mean else max(values, default=-np.inf)
    return out


@given(geometries(), seeds, batches, st.booleans(), st.booleans())
def test_pools_are_what_one_sees_by_looking(
    geometry: Geometry, seed: int, batch: tuple[int, ...], ceil: bool, count_padding: bool
) -> None:
    x = whole_numbers(seed, *batch, 2, *geometry.size)
    asked = {**geometry.settings, "ceil_mode": ceil}
    size = output_by_counting(geometry, ceil=ceil)
    if min(size) < 1:
        for pool in POOLS:
            with pytest.raises(ShapeError):
                pool(x, geometry.kernel, **asked)
        return
    largest = max_pool2d(x, geometry.kernel, **asked)
    assert largest.shape == (*batch, 2, *size)
    assert_allclose(largest, pool_by_looking(x, geometry, ceil=ceil, mean=False))
    mean = avg_pool2d(x, geometry.kernel, count_include_pad=count_padding, **asked)
    assert mean.shape == (*batch, 2, *size)
    assert_allclose(
        mean, pool_by_looking(x, geometry, ceil=ceil, mean=True, count_padding=count_padding)
    )


@given(geometry=geometries(), seed=seeds, ceil=st.booleans(), cut=st.integers(1, 400))
def test_pools_in_parts_of_any_size_lose_nothing(
    *, geometry: Geometry, seed: int, ceil: bool, cut: int
) -> None:
    assume(min(output_by_counting(geometry, ceil=ceil)) >= 1)
    x = reals(seed, 2, 3, *geometry.size).astype(np.float32)
    asked = {**geometry.settings, "ceil_mode": ceil}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooling, "MAX_PART_BYTES", cut)
        largest = max_pool2d(x, geometry.kernel, **asked)
        mean = avg_pool2d(x, geometry.kernel, **asked)
    exact = pool_by_looking(x.astype(np.float64), geometry, ceil=ceil, mean=False)
    assert_array_equal(largest, exact)
    assert largest.dtype == mean.dtype == np.float32
    exact = pool_by_looking(x.astype(np.float64), geometry, ceil=ceil, mean=True)
    assert_allclose(mean, exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(3, 20, 40, 33), (2, 300, 400)])
@pytest.mark.parametrize("pool", POOLS)
def test_threads_change_no_bit(pool: Any, size: tuple[int, ...]) -> None:
    x = reals(1, *size).astype(np.float32)
    alone = pool(x, 3, stride=2, padding=1)
    set_threads(3)
    try:
        for _ in range(3):
            assert_array_equal(pool(x, 3, stride=2, padding=1), alone)
    finally:
        set_threads(1)


# ---- the frameworks ----------------------------------------------------------------------------


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


@pytest.mark.peers
@given(torch_pools(), st.tuples(st.integers(1, 3), st.integers(1, 3)), seeds, batches)
def test_max_pool_is_torchs(
    pool: Any, dilation: tuple[int, int], seed: int, batch: tuple[int, ...]
) -> None:
    torch = require_peer("torch")
    asked, size = pool
    asked["dilation"] = dilation
    x = reals(seed, *batch, 2, *size)
    try:
        expected = torch.nn.functional.max_pool2d(torch.from_numpy(x), **asked).numpy()
    except RuntimeError:  # an empty output
        with pytest.raises(ShapeError):
            max_pool2d(x, **asked)
        return
    assert_array_equal(max_pool2d(x, **asked), expected)


@pytest.mark.peers
@given(torch_pools(), st.booleans(), seeds, batches)
def test_avg_pool_is_torchs(
    pool: Any, count_padding: bool, seed: int, batch: tuple[int, ...]
) -> None:
    torch = require_peer("torch")
    asked, size = pool
    asked["count_include_pad"] = count_padding
    x = reals(seed, *batch, 2, *size)
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(x), **asked).numpy()
    assert_allclose(avg_pool2d(x, **asked), expected, rtol=1e-5)


@pytest.mark.peers
@given(torch_pools(), st.tuples(*[st.integers(0, 1)] * 4), seeds)
@settings(max_examples=50)
def test_pools_are_onnx_runtimes(pool: Any, extra: tuple[int, ...], seed: int) -> None:
    asked, size = pool
    kernel, padding = asked["kernel_size"], asked["padding"]
    asked["dilation"] = 1
    # its padding may differ on all four sides, below the kernel
    top, left, bottom, right = (
        min(padding[place % 2] + more, kernel[place % 2] - 1) for place, more in enumerate(extra)
    )
    asked["padding"] = ((top, bottom), (left, right))
    attributes = {
        "kernel_shape": kernel,
        "strides": asked["stride"],
        "pads": (top, left, bottom, right),
        "ceil_mode": int(asked["ceil_mode"]),
    }
    x = reals(seed, 1, 2, *size).astype(np.float32)
    assert_allclose(max_pool2d(x, **asked), onnx_run("MaxPool", x, **attributes), rtol=1e-5)
    for count_padding in (True, False):
        expected = onnx_run("AveragePool", x, count_include_pad=int(count_padding), **attributes)
        mean = avg_pool2d(x, count_include_pad=count_padding, **asked)
        assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


# ---- examples on paper -------------------------------------------------------------------------


def test_the_mean_of_what_is_there_where_a_window_hangs_over() -> None:
    x = np.arange(1.0, 17).reshape(1, 4, 4)
    assert_allclose(avg_pool2d(x, 3, stride=2, ceil_mode=True), [[[6, 7.5], [12, 13.5]]])
    assert_allclose(avg_pool2d(x, 3, stride=2), [[[6]]])


def test_padding_counts_in_the_divisor_unless_left_out() -> None:
    ones = np.ones((1, 2, 2))
    assert_allclose(avg_pool2d(ones, 2, stride=2, padding=1), np.full((1, 2, 2), 0.25))
    left_out = avg_pool2d(ones, 2, stride=2, padding=1, count_include_pad=False)
    assert_allclose(left_out, np.ones((1, 2, 2)))


def test_a_pool_steps_by_its_own_size() -> None:
    x = whole_numbers(1, 1, 7, 9)
    for pool in POOLS:
        assert_allclose(pool(x, (2, 3)), pool(x, (2, 3), stride=(2, 3)))
        assert pool(x, (2, 3)).shape == (1, 3, 3)


def test_a_window_of_padding_alone() -> None:
    x = np.full((1, 1, 1), -7.0)
    largest = max_pool2d(x, 2, stride=2, padding=4)
    mean = avg_pool2d(x, 2, stride=2, padding=4, count_include_pad=False)
    assert_allclose(largest[0, 2, 2], -7)
    assert_allclose(mean[0, 2, 2], -7)
    assert np.isneginf(largest).sum() == 15
    assert (mean == 0).sum() == 15
    counted = avg_pool2d(x, 2, stride=2, padding=4)
    assert_allclose(counted[0, 2, 2], -7 / 4)
    assert (counted == 0).sum() == 15


def test_padding_never_wins() -> None:
    assert_array_equal(max_pool2d([[[-5]]], 3, stride=1, padding=1), [[[-5]]])
    assert_array_equal(max_pool2d(np.full((1, 1, 1), -3, np.int8), 3, padding=1), [[[-3]]])
    assert_array_equal(max_pool2d([[[-np.inf]]], 3, padding=1), [[[-np.inf]]])


@pytest.mark.parametrize(
    ("dtype", "lowest"), [(np.uint8, 0), (np.int8, -128), (np.int64, -(2**63)), (np.bool_, False)]
)
def test_padding_of_integers_is_the_least_that_their_type_holds(dtype: Any, lowest: int) -> None:
    pooled = max_pool2d(np.ones((1, 1, 1), dtype), 1, padding=1)
    assert_array_equal(pooled, [[[lowest] * 3, [lowest, 1, lowest], [lowest] * 3]])


@pytest.mark.parametrize(
    "dtype", [np.bool_, np.uint8, np.int64, np.float16, np.float32, np.float64]
)
def test_a_maximum_keeps_its_type(dtype: Any) -> None:
    pooled = max_pool2d(np.ones((1, 4, 4), dtype), 2, padding=1)
    assert pooled.dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.bool_, np.float32),
        (np.uint8, np.float32),
        (np.int64, np.float32),
    ],
)
def test_a_mean_of_integers_is_float32(dtype: Any, result: Any) -> None:
    x = np.array([[[0, 1], [1, 1]]], dtype)
    mean = avg_pool2d(x, 2)
    assert mean.dtype == result
    assert_allclose(mean, [[[0.75]]])


def test_a_maximum_of_what_is_no_number_is_none() -> None:
    x = np.array([[[1, np.nan, 3, 4]]])
    assert_array_equal(max_pool2d(x, (1, 2)), [[[np.nan, 4]]])


@given(geometries(forms=("valid",)), seeds)
@settings(max_examples=30)
def test_a_mean_lies_below_the_maximum_and_both_move_with_the_image(
    geometry: Geometry, seed: int
) -> None:
    x = whole_numbers(seed, 1, *geometry.size)
    largest = max_pool2d(x, geometry.kernel, **geometry.settings)
    mean = avg_pool2d(x, geometry.kernel, **geometry.settings)
    assert np.all(mean <= largest + 1e-9)
    assert_allclose(max_pool2d(2 * x + 5, geometry.kernel, **geometry.settings), 2 * largest + 5)
    assert_allclose(avg_pool2d(2 * x + 5, geometry.kernel, **geometry.settings), 2 * mean + 5)


def test_the_input_is_left_alone() -> None:
    x = np.ones((1, 2, 2))
    for pool in POOLS:
        pool(x, 1)[:] = 9
    assert_array_equal(x, np.ones((1, 2, 2)))


def test_one_pixel_is_its_own_pool() -> None:
    for pool in POOLS:
        assert_allclose(pool([[[3.0]]], 1), [[[3.0]]])


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(0, 6))
def test_no_padding_is_too_wide(size: int, kernel: int, stride: int, padding: int) -> None:
    x = whole_numbers(1, 1, size, size)
    assume(size + 2 * padding >= kernel)
    asked: dict[str, Any] = {"stride": stride, "padding": padding}
    bordered = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2), constant_values=-np.inf)
    assert_array_equal(max_pool2d(x, kernel, **asked), max_pool2d(bordered, kernel, stride=stride))


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, "kernel size must be at least 1, not 0"),
        ({"kernel_size": "2"}, "kernel size must be"),
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (1, 2, 3)}, r"stride must be one number or two, not \(1, 2, 3\)"),
        ({"padding": -1}, "padding must be at least 0, not -1"),
        ({"padding": "some"}, "padding 'some' is none of"),
        ({"dilation": 1.5}, "dilation must be a whole number, not 1.5"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(
    pool: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        pool(np.ones((1, 4, 4)), **({"kernel_size": 2} | settings))


@pytest.mark.parametrize("pool", POOLS)
def test_shapes_that_do_not_fit_are_refused(pool: Any) -> None:
    with pytest.raises(ShapeError, match=r"not \(4, 4\)"):
        pool(np.ones((4, 4)), 2)
    with pytest.raises(ShapeError, match="the output would be empty: height"):
        pool(np.ones((1, 1, 4)), 2)
    with pytest.raises(ArgumentError, match="x must hold real numbers"):
        pool([[["a"]]], 1)
