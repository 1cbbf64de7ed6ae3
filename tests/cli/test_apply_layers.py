"""The layers of `apply`: held to the other options, to loops, or to their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.apply import (
    SOBEL_X,
    filtered,
    grid,
    usage,
)
from support.command import SAMPLES, here
from support.oracles import (
    paint,
    scipy_correlate,
)


def test_layers_follow_one_another_as_typed(tmp_path: Path) -> None:
    x = grid(12, 12)
    one_by_one = x
    for options in (
        ("-k", "blur", "--padding-mode", "zero"),
        ("--activation", "relu"),
        ("--pool", "max:3,s=2,p=1"),
        ("-k", "sobel-x", "-s", "2", "-p", "1", "--padding-mode", "reflect"),
    ):
        one_by_one = filtered(tmp_path, one_by_one, *options)
    stack = ("conv:kernel=blur", "relu", "maxpool:3,s=2,p=1")
    last = "conv:kernel=sobel-x,s=2,p=1,mode=reflect"
    typed = [word for layer in (*stack, last) for word in ("-l", layer)]
    np.testing.assert_allclose(filtered(tmp_path, x, *typed), one_by_one, atol=1e-12)
    assert one_by_one.shape == (3, 3)


def test_a_layer_s_padding_is_zeros_unless_it_says_otherwise(tmp_path: Path) -> None:
    x = grid(5, 6)
    result = filtered(tmp_path, x, "--layer", "conv:kernel=sobel-x")
    np.testing.assert_array_equal(result, scipy_correlate(x, SOBEL_X, "zero"))


@pytest.mark.parametrize("places", [("gx", "gy"), ("gy", "gx")])
def test_concat_sets_maps_side_by_side_in_the_order_of_their_names(
    tmp_path: Path, places: tuple[str, str]
) -> None:
    x = grid(5, 6)
    options = (
        *("-l", "conv:kernel=sobel-x,name=gx", "-l", "conv:kernel=sobel-y,name=gy,from=input"),
        *("-l", f"concat:from={places[0]}+{places[1]}"),
    )
    result = filtered(tmp_path, x, *options)
    slopes = {
        name: scipy_correlate(x, m, "zero") for name, m in (("gx", SOBEL_X), ("gy", SOBEL_X.T))
    }
    np.testing.assert_array_equal(result, np.stack([slopes[name] for name in places], axis=2))
    length = filtered(tmp_path, x, *options, "-l", "magnitude")
    np.testing.assert_allclose(length, np.hypot(slopes["gx"], slopes["gy"]))


def test_add_joins_a_map_with_the_input(tmp_path: Path) -> None:
    x = grid(5, 6, 2)
    stack = ("-l", "conv:kernel=identity,name=a", "-l", "relu", "-l", "add:from=a+input+a")
    np.testing.assert_array_equal(filtered(tmp_path, x, *stack), 3 * x)


def test_add_refuses_maps_of_different_shapes(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", grid(5, 6))
    stack = ("-l", "crop:1,name=a", "-l", "add:from=a+input")
    done = here("apply", "in.npy", *stack, "--print", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert "1x3x4 and 1x5x6" in done.stderr


@pytest.mark.parametrize(
    ("layer", "rows", "columns"),
    [("crop:2", slice(2, 7), slice(2, 8)), ("crop:0x3", slice(0, 9), slice(3, 7))],
)
def test_crop_cuts_off_each_side(tmp_path: Path, layer: str, rows: slice, columns: slice) -> None:
    x = grid(9, 10)
    np.testing.assert_array_equal(filtered(tmp_path, x, "-l", layer), x[rows, columns])


def test_crop_like_another_map_keeps_the_middle(tmp_path: Path) -> None:
    x = grid(9, 10)
    stack = ("-l", "maxpool:2,s=1,name=small", "-l", "conv:kernel=identity,from=input")
    result = filtered(tmp_path, x, *stack, "-l", "crop:like=small")
    np.testing.assert_array_equal(result, x[:8, :9])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transposed_convolution_with_ones_repeats_each_value(
    tmp_path: Path, channels: int
) -> None:
    x = grid(4, 5, channels)
    result = np.atleast_3d(filtered(tmp_path, x, "-l", "tconv:kernel=ones:2,s=2"))
    np.testing.assert_array_equal(result, x.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(("maps", "shape"), [(1, (2, 2, 3)), (5, (2, 5, 2, 3))])
def test_a_transposed_layer_s_weights_sum_over_the_channels(
    tmp_path: Path, maps: int, shape: tuple[int, ...]
) -> None:
    x, weights = grid(3, 4, 2), grid(*shape, seed=1)
    np.save(tmp_path / "w.npy", weights)
    result = filtered(tmp_path, x, "-l", "tconv:kernel=w.npy,s=2,p=0")
    whole = weights.reshape(2, maps, 2, 3)
    expected = paint(x.transpose(2, 0, 1)[np.newaxis], whole, stride=(2, 2))[0]
    np.testing.assert_array_equal(np.atleast_3d(result), expected.transpose(1, 2, 0))


def test_a_transposed_convolution_paints_its_kernel(tmp_path: Path) -> None:
    x = np.zeros((1, 3))
    x[0, 0], x[0, 2] = 1, 10
    np.savetxt(tmp_path / "k.csv", [[1, 2, 3]], delimiter=",")
    result = filtered(tmp_path, x, "-l", "tconv:kernel=k.csv,s=2,p=0")
    np.testing.assert_array_equal(result, [[1, 2, 3, 0, 10, 20, 30]])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("globalavgpool", [[8.5]]),
        ("adaptiveavgpool:2", [[3.5, 5.5], [11.5, 13.5]]),
        ("adaptiveavgpool:1x3", [[7.5, 8.5, 9.5]]),
        ("avgpool:2,p=1,nopad", [[1, 2.5, 4], [7, 8.5, 10], [13, 14.5, 16]]),
    ],
)
def test_means_of_parts_of_a_map(tmp_path: Path, layer: str, expected: list[list[float]]) -> None:
    x = np.arange(1.0, 17).reshape(4, 4)
    np.testing.assert_allclose(np.atleast_2d(filtered(tmp_path, x, "-l", layer)), expected)


def test_one_group_sums_a_two_axis_kernel_over_the_channels(tmp_path: Path) -> None:
    x = grid(5, 6, 4)
    total = scipy_correlate(x.sum(axis=2), SOBEL_X, "zero")
    result = filtered(tmp_path, x, "-l", "conv:kernel=sobel-x,g=1,c=2")
    np.testing.assert_array_equal(result, np.stack([total, total], axis=2))
    pairs = filtered(tmp_path, x, "-l", "conv:kernel=identity,g=2,c=2")
    np.testing.assert_array_equal(pairs, np.stack([x[..., :2].sum(2), x[..., 2:].sum(2)], 2))


def test_a_layer_leaves_out_its_file_s_bias_where_it_says_so(tmp_path: Path) -> None:
    x = grid(5, 5)
    engrave = SAMPLES / "kernels" / "engrave.json"
    with_bias = filtered(tmp_path, x, "-l", f"conv:kernel={engrave}")
    without = filtered(tmp_path, x, "-l", f"conv:kernel={engrave},nobias")
    np.testing.assert_allclose(with_bias - without, 128)


@pytest.mark.parametrize("layer", ["conv:3", "tconv:2,s=2", "bn", "flatten", "linear:3", "prelu"])
def test_layers_that_an_image_cannot_go_through_are_named(tmp_path: Path, layer: str) -> None:
    assert layer in usage(tmp_path, "absent.png", "-l", "relu", "-l", layer)


@pytest.mark.parametrize("layer", ["cnov:3", "maxpool", "maxpool:0", "add:from=a", "conv:kernel="])
def test_layers_that_read_wrong_are_usage_errors(tmp_path: Path, layer: str) -> None:
    usage(tmp_path, "absent.png", "-l", layer)


def test_layers_apply_to_the_maps_of_every_kernel(tmp_path: Path) -> None:
    x = grid(6, 6)
    result = filtered(tmp_path, x, "-k", "identity", "-k", "2.0", "-l", "maxpool:3")
    largest = x.reshape(2, 3, 2, 3).max(axis=(1, 3))
    np.testing.assert_array_equal(result, np.stack([largest, 2 * largest], axis=2))
