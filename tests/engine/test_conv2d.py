import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.oracles import (
    MODES,
    SCIPY_MODES,
    Geometry,
    convolve,
    geometries,
    onnx_run,
    reals,
    scipy_correlate,
    seeds,
    whole_numbers,
)
from support.peers import require_peer

import convcli.engine.conv2d.problem as parts
from convcli.arithmetic.geometry import Window
from convcli.engine.conv2d import METHODS, conv2d
from convcli.engine.conv2d import im2col as laying
from convcli.engine.conv2d.plan import shares_rows
from convcli.engine.naive import conv2d_naive, source_index
from convcli.errors import ArgumentError, ShapeError
from convcli.parallel import set_threads

modes = st.sampled_from(MODES)
channels = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
batches = st.sampled_from([(), (1,), (2,)])
MB = 1 << 20
ALWAYS = tuple(method for method in METHODS if method != "winograd")  # whatever the layer


def layer(
    geometry: Geometry, seed: int, groups: int, depth: int, filters: int, *batch: int
) -> tuple[Any, Any, Any]:
    """Whole numbers for an input, weights of so many filters a group, and a bias."""
    x = whole_numbers(seed, *batch, groups * depth, *geometry.size)
    weight = whole_numbers(seed + 1, groups * filters, depth, *geometry.kernel)
    return x, weight, whole_numbers(seed + 2, groups * filters)


# ---- conv2d is the loops -----------------------------------------------------------------------


@given(geometries(), seeds, channels, batches, modes)
@settings(max_examples=400)
def test_conv2d_is_the_loops(
    geometry: Geometry,
    seed: int,
    counts: tuple[int, int, int],
    batch: tuple[int, ...],
    mode: str,
) -> None:
    groups = counts[0]
    x, weight, bias = layer(geometry, seed, *counts, *batch)
    expected = convolve(
        x if batch else x[np.newaxis], weight, groups=groups, mode=mode, **geometry.numbers
    )
    expected += bias[:, np.newaxis, np.newaxis]
    result = conv2d(
        x,
        weight,
        bias,
        groups=groups,
        padding_mode=mode,
        **geometry.settings,
    )
    assert result.shape == (*batch, len(weight), *geometry.output)
    assert_allclose(result, expected if batch else expected[0])


@given(geometries(largest_kernel=3), seeds, channels, batches, modes)
@settings(max_examples=40)
def test_the_ground_truth_is_true(
    geometry: Geometry,
    seed: int,
    counts: tuple[int, int, int],
    batch: tuple[int, ...],
    mode: str,
) -> None:
    groups = counts[0]
    x, weight, bias = layer(geometry, seed, *counts, *batch)
    asked = {"groups": groups, "padding_mode": mode, **geometry.settings}
    loops = conv2d_naive(x, weight, bias, **asked)
    expected = convolve(
        x if batch else x[np.newaxis], weight, groups=groups, mode=mode, **geometry.numbers
    )
    expected += bias[:, np.newaxis, np.newaxis]
    assert_allclose(loops, expected if batch else expected[0])
    for method in ALWAYS:
        assert_allclose(conv2d(x, weight, bias, method=method, **asked), loops)


@given(seeds, st.integers(1, 9), st.integers(1, 9), modes)
def test_same_is_scipys(seed: int, kh: int, kw: int, mode: str) -> None:
    x, weight = whole_numbers(seed, 5, 4), whole_numbers(seed + 1, kh, kw)
    for name in ("same", "same-lower"):
        maps = conv2d(
            x[np.newaxis], weight[np.newaxis, np.newaxis], padding=name, padding_mode=mode
        )
        assert_allclose(maps[0], scipy_correlate(x, weight, mode, lower=name == "same-lower"))


@pytest.mark.parametrize("mode", SCIPY_MODES)
def test_a_kernel_wider_than_the_image_meets_it_again_and_again(mode: str) -> None:
    x, weight = whole_numbers(5, 2, 3), whole_numbers(6, 11, 17)
    maps = conv2d(x[np.newaxis], weight[np.newaxis, np.newaxis], padding="same", padding_mode=mode)
    assert_allclose(maps[0], scipy_correlate(x, weight, mode))


# ---- what is true of convolution ---------------------------------------------------------------


@given(geometries(), seeds, modes)
@settings(max_examples=40)
def test_convolution_is_linear_in_the_image_and_in_the_weights(
    geometry: Geometry, seed: int, mode: str
) -> None:
    x, weight, bias = layer(geometry, seed, 1, 2, 2)
    y, other, _ = layer(geometry, seed + 7, 1, 2, 2)
    asked = {"padding_mode": mode, **geometry.settings}
    of_x, of_y = conv2d(x, weight, **asked), conv2d(y, weight, **asked)
    assert_allclose(conv2d(3 * x - 2 * y, weight, **asked), 3 * of_x - 2 * of_y)
    of_other = conv2d(x, other, **asked)
    assert_allclose(conv2d(x, 3 * weight - 2 * other, **asked), 3 * of_x - 2 * of_other)
    with_bias = conv2d(x, weight, bias, **asked)
    assert_allclose(with_bias - of_x, np.broadcast_to(bias[:, None, None], of_x.shape))


@given(seeds, st.integers(-5, 5), st.integers(-5, 5), st.sampled_from(["same", "same-lower"]))
def test_a_circular_shift_of_the_image_shifts_the_map(
    seed: int, down: int, right: int, name: str
) -> None:
    x, weight = whole_numbers(seed, 2, 5, 6), whole_numbers(seed + 1, 3, 2, 3, 4)
    asked: dict[str, Any] = {"padding": name, "padding_mode": "circular"}
    shifted = conv2d(np.roll(x, (down, right), (1, 2)), weight, **asked)
    assert_allclose(shifted, np.roll(conv2d(x, weight, **asked), (down, right), (1, 2)))


@given(seeds, st.sampled_from([1, 3, 5]), modes)
def test_identity_is_identity(seed: int, side: int, mode: str) -> None:
    x = whole_numbers(seed, 3, 4, 5)
    weight = np.zeros((3, 3, side, side))
    weight[range(3), range(3), side // 2, side // 2] = 1
    assert_allclose(conv2d(x, weight, padding="same", padding_mode=mode), x)


def test_correlation_does_not_turn_the_kernel() -> None:
    x = np.zeros((1, 3, 3))
    x[0, 1, 1] = 1
    weight = np.arange(9.0).reshape(1, 1, 3, 3)
    assert_allclose(conv2d(x, weight, padding=1)[0], weight[0, 0, ::-1, ::-1])


def test_groups_keep_their_channels_to_themselves() -> None:
    x = np.stack([np.full((2, 2), value) for value in (1.0, 10.0, 100.0, 1000.0)])
    weight = np.array([[1, 2], [1, 0], [3, 4], [0, 1]], float)[:, :, np.newaxis, np.newaxis]
    maps = conv2d(x, weight, groups=2)
    assert_allclose(maps[:, 0, 0], [21, 1, 4300, 1000])


def test_depthwise_filters_each_channel_by_itself() -> None:
    x, weight = whole_numbers(1, 3, 4, 4), whole_numbers(2, 3, 1, 2, 2)
    together = conv2d(x, weight, groups=3)
    for channel in range(3):
        alone = conv2d(x[channel : channel + 1], weight[channel : channel + 1])
        assert_allclose(together[channel], alone[0])


def test_stride_takes_every_so_many_results() -> None:
    x, weight = whole_numbers(1, 1, 9, 8), whole_numbers(2, 1, 1, 3, 2)
    every = conv2d(x, weight)
    assert_allclose(conv2d(x, weight, stride=(2, 3)), every[:, ::2, ::3])


def test_dilation_spreads_the_kernel_with_zeros() -> None:
    x, weight = whole_numbers(1, 1, 9, 9), whole_numbers(2, 1, 1, 3, 2)
    spread = np.zeros((1, 1, 5, 4))
    spread[:, :, ::2, ::3] = weight
    assert_allclose(conv2d(x, weight, dilation=(2, 3)), conv2d(x, spread))


def test_a_batch_of_none_gives_none() -> None:
    assert conv2d(np.ones((0, 2, 4, 4)), np.ones((3, 2, 3, 3))).shape == (0, 3, 2, 2)


# ---- the frameworks ----------------------------------------------------------------------------


@pytest.mark.peers
@given(geometries(), seeds, channels, batches)
@settings(max_examples=60)
def test_conv2d_is_torchs(
    geometry: Geometry, seed: int, counts: tuple[int, int, int], batch: tuple[int, ...]
) -> None:
    torch = require_peer("torch")
    groups, depth, filters = counts
    x = reals(seed, *batch, groups * depth, *geometry.size)
    weight = reals(seed + 1, groups * filters, depth, *geometry.kernel)
    bias = reals(seed + 2, groups * filters)
    (top, bottom), (left, right) = geometry.sides
    padded = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom))
    expected = torch.nn.functional.conv2d(
        padded,
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        stride=geometry.stride,
        dilation=geometry.dilation,
        groups=groups,
    )
    result = conv2d(x, weight, bias, groups=groups, **geometry.settings)
    assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-10)


@pytest.mark.peers
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("sides", [((0, 0), (0, 0)), ((1, 2), (3, 0)), ((3, 3), (4, 4))])
def test_padding_modes_are_torchs(mode: str, sides: Any) -> None:
    torch = require_peer("torch")
    x, weight = reals(1, 2, 3, 5, 6), reals(2, 4, 3, 3, 2)
    (top, bottom), (left, right) = sides
    padded = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom), mode=mode)
    expected = torch.nn.functional.conv2d(padded, torch.from_numpy(weight), stride=(2, 1))
    result = conv2d(x, weight, padding=sides, padding_mode=mode, stride=(2, 1))
    assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-10)


@pytest.mark.peers
@given(geometries(), seeds, channels)
@settings(max_examples=40)
def test_conv2d_is_onnx_runtimes(
    geometry: Geometry, seed: int, counts: tuple[int, int, int]
) -> None:
    groups, depth, filters = counts
    x = reals(seed, 2, groups * depth, *geometry.size).astype(np.float32)
    weight = reals(seed + 1, groups * filters, depth, *geometry.kernel).astype(np.float32)
    attributes: dict[str, Any] = {
        "strides": geometry.stride,
        "dilations": geometry.dilation,
        "group": groups,
        "kernel_shape": geometry.kernel,
    }
    (top, bottom), (left, right) = geometry.sides
    expected = onnx_run("Conv", x, weight, pads=(top, left, bottom, right), **attributes)
    result = conv2d(x, weight, groups=groups, **geometry.settings)
    assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.peers
@given(geometries(largest_dilation=1, forms=("same", "same-lower")), seeds)
@settings(max_examples=40)
def test_same_is_what_onnx_means_by_it(geometry: Geometry, seed: int) -> None:
    x = whole_numbers(seed, 1, 2, *geometry.size)
    weight = whole_numbers(seed + 1, 2, 2, *geometry.kernel)
    expected = onnx_run(
        "Conv",
        x,
        weight,
        auto_pad="SAME_UPPER" if geometry.padding == "same" else "SAME_LOWER",
        strides=geometry.stride,
        dilations=geometry.dilation,
    )
    assert_allclose(conv2d(x, weight, **geometry.settings), expected)


# ---- types -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALWAYS)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.bool_, np.float32),
        (np.uint8, np.float32),
        (np.int32, np.float32),
        (np.int64, np.float32),
    ],
)
def test_floats_stay_and_integers_become_float32(dtype: Any, result: Any, method: str) -> None:
    x = np.ones((1, 3, 3), dtype)
    maps = conv2d(x, np.ones((1, 1, 2, 2), np.float64), np.ones(1), method=method)
    assert maps.dtype == result
    assert_allclose(maps, np.full((1, 2, 2), 5.0))


def test_the_input_is_left_alone() -> None:
    x, weight, bias = whole_numbers(1, 1, 4, 4), whole_numbers(2, 1, 1, 1, 1), np.ones(1)
    before = x.copy(), weight.copy(), bias.copy()
    result = conv2d(x, weight, bias)
    result[:] = 99
    for array, copy in zip((x, weight, bias), before, strict=True):
        assert_array_equal(array, copy)


def test_anything_like_an_array_is_taken() -> None:
    assert_allclose(conv2d([[[1, 2, 4]]], [[[[1, -1]]]], [10]), [[[9, 8]]])
    strided = whole_numbers(1, 4, 4, 2).transpose(2, 0, 1)[:, ::-1]
    weight = whole_numbers(2, 1, 2, 3, 3)
    assert_allclose(conv2d(strided, weight), conv2d(strided.copy(), weight))


# ---- the ways of im2col -------------------------------------------------------------------------


@given(
    geometry=geometries(),
    seed=seeds,
    counts=channels,
    batch=st.integers(1, 2),
    mode=modes,
    shared=st.booleans(),
    cut=st.tuples(st.sampled_from([1, 200, 1 << 21]), st.sampled_from([1, 20]), st.integers(1, 9)),
)
@settings(max_examples=200)
def test_columns_laid_by_windows_or_by_rows_in_any_parts_are_the_loops(
    *,
    geometry: Geometry,
    seed: int,
    counts: tuple[int, int, int],
    batch: int,
    mode: str,
    shared: bool,
    cut: tuple[int, int, int],
) -> None:
    x, weight, bias = layer(geometry, seed, *counts, batch)
    groups = counts[0]
    expected = convolve(x, weight, groups=groups, mode=mode, **geometry.numbers)
    expected += bias[:, np.newaxis, np.newaxis]
    by_rows = shared and geometry.dilation[0] == 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laying, "shares_rows", lambda *_: by_rows)
        for name, value in zip(("MAX_PART_BYTES", "_POSITIONS", "_LEAST_PARTS"), cut, strict=True):
            patch.setattr(parts, name, value)
        patch.setattr(parts, "_LEAST_PRODUCTS", 1)
        for kind in (np.float32, np.float64):
            maps = conv2d(
                x.astype(kind),
                weight,
                bias,
                groups=groups,
                padding_mode=mode,
                method="im2col",
                **geometry.settings,
            )
            assert_allclose(maps, expected)


@pytest.mark.parametrize("size", [(2, 6, 40, 31), (1, 6, 9, 200)])
@pytest.mark.parametrize(
    ("kernel", "asked"),
    [
        ((3, 3), {"padding": 1}),
        ((1, 1), {}),
        ((7, 7), {"padding": 3, "stride": 2}),
        ((3, 2), {"dilation": 2, "padding_mode": "reflect", "padding": 1}),
        ((3, 3), {"groups": 3}),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(
    size: tuple[int, ...], kernel: tuple[int, int], asked: dict[str, Any], dtype: Any
) -> None:
    x = reals(1, *size).astype(dtype)
    weight = reals(2, 96, size[1] // asked.get("groups", 1), *kernel)
    alone = conv2d(x, weight, reals(3, 96), **asked)
    set_threads(2)  # from two on, BLAS has one thread and sums in one order
    try:
        by_two = conv2d(x, weight, reals(3, 96), **asked)
        set_threads(3)
        for _ in range(3):
            assert_array_equal(conv2d(x, weight, reals(3, 96), **asked), by_two)
    finally:
        set_threads(1)
    assert_allclose(alone, by_two, rtol=0, atol=1e-6 * np.abs(by_two).max())


# ---- tiles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "size", "side"),
    [(8, (150, 160), 5), (64, (16, 400), 15)],  # several rows to a tile, and several tiles to a row
)
def test_tiles_leave_no_seam(channels: int, size: tuple[int, int], side: int) -> None:
    x = whole_numbers(1, 2, channels, *size)
    weight = whole_numbers(2, 1, channels, side, side)
    expected = [
        np.sum([scipy_correlate(image[c], weight[0, c], "zero") for c in range(channels)], axis=0)
        for image in x
    ]
    maps = conv2d(x, weight, padding="same")
    assert_allclose(maps[:, 0], expected)
    assert_allclose(conv2d(x, weight, padding=side // 2, stride=(2, 3)), maps[:, :, ::2, ::3])


def test_rows_are_shared_where_that_copies_less() -> None:
    assert shares_rows((1, 3, 64), (112, 112), Window(kernel=(7, 7), stride=(2, 2)), 1)
    assert not shares_rows((1, 256, 256), (7, 7), Window(kernel=(3, 3)), 1)  # rows too short
    assert not shares_rows((1, 3, 2), (900, 900), Window(kernel=(301, 301)), 1)  # too many of them
    assert not shares_rows((1, 3, 64), (99, 99), Window(kernel=(7, 7), dilation=(2, 1)), 1)


@pytest.mark.parametrize(("depth", "size", "side"), [(16, (600, 800), 7), (3, (310, 340), 301)])
def test_columns_of_a_large_image_stay_small(depth: int, size: tuple[int, int], side: int) -> None:
    x = np.ones((depth, *size), np.float32)
    weight = np.ones((2, depth, side, side), np.float32)
    tracemalloc.start()
    try:
        maps = conv2d(x, weight)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_allclose(maps, np.full(maps.shape, float(depth * side * side)))
    assert peak < maps.nbytes + 16 * MB  # the columns would take up to 1.5 GB


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"stride": (2, 1.5)}, "stride must be a whole number, not 1.5"),
        ({"padding": -2}, "padding must be at least 0, not -2"),
        ({"padding": "some"}, "padding 'some' is none of valid, same, same-lower, full"),
        ({"padding": (1, 1, 1, 1)}, r"padding must be N, .* not \(1, 1, 1, 1\)"),
        ({"dilation": (0, 1)}, "dilation must be at least 1, not 0"),
        ({"groups": 0}, "groups must be at least 1, not 0"),
        ({"groups": 1.0}, "groups must be a whole number, not 1.0"),
        ({"padding": 1, "padding_mode": "mirror"}, "padding mode 'mirror' is none of zero, refl"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_value(
    settings: dict[str, Any], message: str, method: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        conv2d(np.ones((2, 4, 4)), np.ones((2, 2, 3, 3)), method=method, **settings)


def test_an_unknown_padding_mode_is_refused_without_padding() -> None:
    with pytest.raises(ArgumentError, match="padding mode 'mirror' is none of"):
        conv2d(np.ones((2, 4, 4)), np.ones((2, 2, 3, 3)), padding_mode="mirror")


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ArgumentError, match="method 'fast' is none of auto, im2col, winograd, naive"
    ):
        conv2d(np.ones((1, 4, 4)), np.ones((1, 1, 3, 3)), method="fast")
    with pytest.raises(ArgumentError, match="padding mode 'mirror' is none of"):
        source_index(0, 1, "mirror")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("x", "weight", "settings", "message"),
    [
        ((4, 4), (1, 1, 3, 3), {}, r"x must be \(C, H, W\) or \(N, C, H, W\), not \(4, 4\)"),
        ((1, 0, 4), (1, 1, 3, 3), {}, r"x is empty: its shape is \(1, 0, 4\)"),
        ((1, 4, 4), (3, 3), {}, r"weight must be .*kh, kw\), not \(3, 3\)"),
        ((1, 4, 4), (1, 1, 0, 3), {}, r"weight must be .*kh, kw\), not \(1, 1, 0, 3\)"),
        ((2, 4, 4), (1, 3, 3, 3), {}, "takes 3 channels a group, but the input has 2 in 1 groups"),
        ((4, 4, 4), (2, 4, 3, 3), {"groups": 2}, "takes 4 channels a group, but the input has 4"),
        ((3, 4, 4), (2, 1, 3, 3), {"groups": 2}, "2 groups do not divide 3 input and 2 output"),
        ((2, 4, 4), (3, 1, 3, 3), {"groups": 2}, "2 groups do not divide 2 input and 3 output"),
        ((1, 2, 9), (1, 1, 3, 3), {}, "the output would be empty: height"),
        ((1, 9, 4), (1, 1, 3, 3), {"dilation": 2}, "the output would be empty: width"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both(
    x: Any, weight: Any, settings: dict[str, Any], message: str, method: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        conv2d(np.ones(x), np.ones(weight), method=method, **settings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_a_bias_is_one_number_a_map(shape: tuple[int, ...], method: str) -> None:
    with pytest.raises(ShapeError) as refusal:
        conv2d(np.ones((1, 4, 4)), np.ones((2, 1, 3, 3)), np.ones(shape), method=method)
    assert f"bias must have the shape (2,), not {shape}" in str(refusal.value)


@pytest.mark.parametrize(
    ("x", "weight", "message"),
    [
        ([[["a"]]], [[[[1]]]], "x must hold real numbers, not <U1"),
        ([[[1j]]], [[[[1]]]], "x must hold real numbers, not complex128"),
        ([[[1]]], [[[[1], [1, 2]]]], "weight is no array of numbers"),
    ],
)
def test_only_real_numbers_are_convolved(x: Any, weight: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        conv2d(x, weight)
