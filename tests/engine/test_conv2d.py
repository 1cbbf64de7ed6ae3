"""conv2d is the loops, and the frameworks; what is true of convolution."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.conv2d import ALWAYS, channels, layer, modes
from support.oracles import (
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

from convcli.engine import scratch
from convcli.engine.conv2d import conv2d
from convcli.engine.naive import conv2d_naive

batches = st.sampled_from([(), (1,), (2,)])


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


@pytest.mark.parametrize("side", [4, 100])  # of which no memory is kept for the next, and some
def test_maps_have_memory_of_their_own_until_they_are_given_up(side: int) -> None:
    x, weight = whole_numbers(1, 8, side, side), whole_numbers(2, 8, 8, 3, 3)
    first, second = conv2d(x, weight), conv2d(-x, weight)
    part = first[2:, 1:]  # keeps the memory of all
    copy = first.copy()
    del first
    third = conv2d(2 * x, weight)
    assert not any(np.shares_memory(second, other) for other in (part, third))
    assert_array_equal(part, copy[2:, 1:])
    assert_array_equal(second, -copy)
    assert_array_equal(third, 2 * copy)
    assert third.flags.writeable
    assert third.flags.c_contiguous


@pytest.mark.parametrize(("more", "is_kept"), [(0, True), (-1, False)])
def test_only_memory_of_small_maps_is_left_to_the_next(
    monkeypatch: pytest.MonkeyPatch, *, more: int, is_kept: bool
) -> None:
    x, weight = np.ones((8, 50, 70), np.float32), np.ones((3, 8, 3, 3), np.float32)
    maps = conv2d(x, weight)
    monkeypatch.setattr("convcli.engine.conv2d.MAX_RECYCLED_BYTES", maps.nbytes + more)
    monkeypatch.setattr(scratch, "free", {})
    maps = conv2d(x, weight)
    size = maps.nbytes + scratch.ALIGNMENT_BYTES
    monkeypatch.setattr(scratch, "free", {})
    del maps
    assert [memory.nbytes == size for memory in scratch.free.values()] == [True] * is_kept
