"""Every option of `apply` has its effect: held to SciPy, to plain loops, or to its definition."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import SAMPLES, Finished, here
from support.oracles import (
    MODES,
    assert_rounded,
    convolve,
    filter_channels,
    paint,
    scipy_convolve,
    scipy_correlate,
    sides_of_axis,
)

Array = NDArray[Any]

SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
ODD = "1 2 3; 0 -1 4; 2 2 -5"
ODD_MATRIX = np.array([[1, 2, 3], [0, -1, 4], [2, 2, -5]], float)
EVEN = "1 2 -3 4; 5 -6 7 8"
EVEN_MATRIX = np.array([[1, 2, -3, 4], [5, -6, 7, 8]], float)


def grid(*shape: int, seed: int = 0) -> Array:
    """Small whole numbers: every way to sum them gives the same."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float64)


def pixels(*shape: int, seed: int = 0, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def filtered(folder: Path, values: Array, *options: str) -> Array:
    """Send an array through `apply`, as `.npy` in and out."""
    np.save(folder / "in.npy", values)
    done = here("apply", "in.npy", *options, "-o", "out.npy", "-f", cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    result: Array = np.load(folder / "out.npy")
    return result


def drawn(folder: Path, values: Array, *options: str) -> tuple[Array, Finished]:
    """Send pixels through `apply`, as PNG in and out."""
    Image.fromarray(values).save(folder / "in.png")
    done = here("apply", "in.png", *options, "-o", "out.png", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return np.asarray(Image.open(folder / "out.png")), done


def usage(folder: Path, *options: str | Path) -> str:
    """The one line that a usage error prints; the input need not exist."""
    done = here("apply", *options, cwd=folder)
    assert (done.code, done.stdout) == (2, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


# ---- kernels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        *("sharpen", "sobel_x", "Roberts-1", "gaussian-5x5", "ones:2x3", "box:5", "gaussian:1.5"),
        *("log:1.4", "dog:1:1.6", "motion:9:30", "unsharp:2:1.5", "sharpen:0.5", "disk:3"),
        *("gabor:6:45", "sobel:30", ODD, EVEN, "1,0,-1\n2,0,-2", "-1 1"),
    ],
)
def test_a_kernel_is_applied_as_kernels_shows_it(tmp_path: Path, spec: str) -> None:
    x = grid(13, 17)
    matrix = np.array(
        json.loads(here("kernels", "--json", "--", spec, cwd=tmp_path).text)["matrix"]
    )
    expected = scipy_correlate(x, matrix, "replicate")
    np.testing.assert_allclose(filtered(tmp_path, x, f"-k{spec}"), expected, atol=1e-9)


BINOMIAL_5 = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


@pytest.mark.parametrize(
    ("file", "matrix", "bias"),
    [
        ("ridge.txt", [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]], 0),
        ("soft.csv", BINOMIAL_5, 0),
        ("engrave.json", [[0.5, 0.5, 0], [0.5, 0, -0.5], [0, -0.5, -0.5]], 128),
        ("vips-blur.mat", np.outer([1, 2, 1], [1, 2, 1]) / 16, 0),
    ],
)
@pytest.mark.parametrize("at", ["", "@"])
def test_a_kernel_s_file_of_any_format_filters(
    tmp_path: Path, file: str, matrix: Any, bias: float, at: str
) -> None:
    x = grid(9, 8)
    result = filtered(tmp_path, x, "-k", f"{at}{SAMPLES / 'kernels' / file}")
    np.testing.assert_allclose(result, scipy_correlate(x, np.array(matrix), "replicate") + bias)


def test_an_inline_kernel_may_start_with_a_sign(tmp_path: Path) -> None:
    x = grid(4, 5)
    result = filtered(tmp_path, x, "-k", "-1 0 1; -2 0 2; -1 0 1", "--padding-mode", "zero")
    np.testing.assert_array_equal(result, scipy_correlate(x, SOBEL_X, "zero"))


def test_a_kernel_of_three_axes_sums_the_channels_into_one_map(tmp_path: Path) -> None:
    x = grid(6, 7, 3)
    result = filtered(tmp_path, x, "-k", f"{SAMPLES / 'kernels' / 'luma-edges.json'}")
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    brightness = x @ [0.299, 0.587, 0.114]
    assert result.shape == (6, 7)
    np.testing.assert_allclose(
        result, scipy_correlate(brightness, laplacian, "replicate"), atol=1e-12
    )


def test_a_kernel_of_four_axes_makes_a_map_of_each_filter(tmp_path: Path) -> None:
    x = grid(6, 7, 3)
    result = filtered(tmp_path, x, "-k", f"{SAMPLES / 'kernels' / 'bank.npy'}")
    assert result.shape == (6, 7, 4)
    bank = np.load(SAMPLES / "kernels" / "bank.npy").astype(np.float64)
    for channel, planes in enumerate(bank):
        expected = sum(scipy_correlate(x[..., c], planes[c], "replicate") for c in range(3))
        np.testing.assert_allclose(result[..., channel], expected, atol=1e-6)


def test_the_maps_of_a_layer_s_weights_are_numbered_pictures(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", SAMPLES / "kernels" / "bank.npy", "-q", cwd=tmp_path)
    assert done.code == 0
    found = sorted(path.name for path in tmp_path.glob("in.bank-*.png"))
    assert found == [f"in.bank-{channel}.png" for channel in range(4)]


def test_a_picture_of_one_of_the_maps_is_not_replaced_without_force(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    (tmp_path / "in.bank-0.png").write_bytes(b"precious")
    options = ("-k", SAMPLES / "kernels" / "bank.npy", "-q")
    assert here("apply", "in.png", *options, cwd=tmp_path).code == 1
    assert (tmp_path / "in.bank-0.png").read_bytes() == b"precious"
    assert here("apply", "in.png", *options, "--force", cwd=tmp_path).code == 0


def test_a_kernel_that_sums_three_channels_refuses_another_number(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", grid(6, 7, 2))
    done = here("apply", "in.npy", "-k", SAMPLES / "kernels" / "bank.npy", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.npy: ")
    assert "3 channels" in done.stderr


# ---- padding, stride, dilation -----------------------------------------------------------------


@pytest.mark.parametrize(
    "padding", ["same", "same-lower", "valid", "full", "0", "2", "1x3", "0.1.2.3"]
)
@pytest.mark.parametrize(("spec", "matrix"), [(ODD, ODD_MATRIX), (EVEN, EVEN_MATRIX)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_every_form_of_padding(
    tmp_path: Path, padding: str, spec: str, matrix: Array, stride: tuple[int, int]
) -> None:
    x = grid(7, 9)
    numbers = {
        "0": ((0, 0), (0, 0)),
        "2": ((2, 2), (2, 2)),
        "1x3": ((1, 1), (3, 3)),
        "0.1.2.3": ((0, 1), (2, 3)),
    }
    named = [
        sides_of_axis(padding, x.shape[a], matrix.shape[a], stride[a], 1)
        for a in (0, 1)
        if padding not in numbers
    ]
    sides = numbers.get(padding) or (named[0], named[1])
    steps = f"{stride[0]}x{stride[1]}"
    result = filtered(tmp_path, x, "-k", spec, "-p", padding, "-s", steps)
    expected = filter_channels(x, matrix, stride=stride, sides=sides, mode="replicate")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("option", ["-p", "--p", "--padding"])
def test_padding_is_spelt_in_three_ways(tmp_path: Path, option: str) -> None:
    assert filtered(tmp_path, grid(7, 9), "-k", ODD, option, "0.1.2.3").shape == (6, 12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("spec", "matrix"), [(ODD, ODD_MATRIX), (EVEN, EVEN_MATRIX)])
def test_every_padding_mode(tmp_path: Path, mode: str, spec: str, matrix: Array) -> None:
    x = grid(6, 5, 2)
    result = filtered(tmp_path, x, "-k", spec, "--padding-mode", mode)
    for channel in range(2):
        expected = scipy_correlate(x[..., channel], matrix, mode)
        np.testing.assert_array_equal(result[..., channel], expected)


def test_a_flat_picture_has_no_edges_not_even_at_its_border(tmp_path: Path) -> None:
    flat = np.full((5, 6), 200, np.uint8)
    assert not drawn(tmp_path, flat, "-k", "outline")[0].any()
    assert drawn(tmp_path, flat, "-k", "outline", "--padding-mode", "zero")[0].any()


@pytest.mark.parametrize(("side", "rows"), [(6, [1, 3, 5]), (7, [0, 2, 4, 6]), (2, [1]), (1, [0])])
def test_stride_2_and_same_sample_an_even_side_at_odd_pixels(
    tmp_path: Path, side: int, rows: list[int]
) -> None:
    x = grid(side, side)
    result = filtered(tmp_path, x, "-k", "identity", "-s", "2")
    np.testing.assert_array_equal(result, x[np.ix_(rows, rows)])


@pytest.mark.parametrize("option", ["-s", "--s", "--stride"])
def test_a_stride_may_differ_by_axis(tmp_path: Path, option: str) -> None:
    x = grid(7, 8)
    result = filtered(tmp_path, x, "-k", ODD, "-p", "valid", option, "2x3")
    np.testing.assert_array_equal(result, filter_channels(x, ODD_MATRIX)[::2, ::3])


@pytest.mark.parametrize("option", ["-d", "--d", "--dilation"])
def test_dilation_spreads_the_weights(tmp_path: Path, option: str) -> None:
    x = grid(9, 9)
    spread = np.zeros((5, 7))
    spread[::2, ::3] = ODD_MATRIX
    result = filtered(tmp_path, x, "-k", ODD, option, "2x3")
    np.testing.assert_array_equal(result, scipy_correlate(x, spread, "replicate"))


# ---- the sums ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["full", "same", "valid"])
def test_flip_is_true_convolution(tmp_path: Path, size: str) -> None:
    x = grid(6, 7)
    result = filtered(tmp_path, x, "-k", ODD, "--flip", "-p", size, "--padding-mode", "zero")
    np.testing.assert_array_equal(result, scipy_convolve(x, ODD_MATRIX, size))


@pytest.mark.parametrize(
    ("padding", "size"), [("full", "full"), ("same-lower", "same"), ("valid", "valid")]
)
def test_flip_of_an_even_kernel(tmp_path: Path, padding: str, size: str) -> None:
    x = grid(6, 7)
    settings = ("-p", padding, "--padding-mode", "zero")
    result = filtered(tmp_path, x, "-k", EVEN, "--flip", *settings)
    np.testing.assert_array_equal(result, scipy_convolve(x, EVEN_MATRIX, size))


def test_flip_turns_the_planes_of_a_layer_s_weights(tmp_path: Path) -> None:
    x, weights = grid(6, 7, 2), grid(3, 2, 3, 2, seed=1)
    np.save(tmp_path / "w.npy", weights)
    result = filtered(tmp_path, x, "-k", "w.npy", "--flip", "-p", "valid")
    turned = weights[:, :, ::-1, ::-1]
    expected = convolve(x.transpose(2, 0, 1)[np.newaxis], turned)[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("spec", ["identity", str(SAMPLES / "kernels" / "engrave.json")])
def test_bias_is_added_in_the_input_s_units_and_to_a_file_s_own(tmp_path: Path, spec: str) -> None:
    x = grid(4, 4)
    without = filtered(tmp_path, x, "-k", spec)
    np.testing.assert_array_equal(
        filtered(tmp_path, x, "-k", spec, "--bias", "-2.5"), without - 2.5
    )


def test_normalize_divides_by_the_sum_before_the_bias(tmp_path: Path) -> None:
    x = np.full((4, 4), 6.0)
    result = filtered(tmp_path, x, "-k", "1 2; 3 4", "--normalize", "--bias", "1")
    np.testing.assert_allclose(result, np.full((4, 4), 7.0))
    np.testing.assert_array_equal(filtered(tmp_path, x, "-k", "1 2; 3 4"), np.full((4, 4), 60.0))


def test_normalize_of_weights_that_sum_to_zero_is_refused(tmp_path: Path) -> None:
    assert "sobel-x" in usage(tmp_path, "absent.png", "-k", "sobel-x", "--normalize")
    kernel = SAMPLES / "kernels" / "ridge.txt"
    done = here("apply", "absent.png", "-k", kernel, "--normalize", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith(f"convcli: {kernel}: ")


@pytest.mark.parametrize(
    ("how", "value"),
    [
        ("sum", lambda maps: maps[0] + maps[1] + maps[2]),
        ("mean", lambda maps: (maps[0] + maps[1] + maps[2]) / 3),
        ("max", lambda maps: np.maximum(np.maximum(maps[0], maps[1]), maps[2])),
        ("magnitude", lambda maps: np.sqrt(maps[0] ** 2 + maps[1] ** 2 + maps[2] ** 2)),
    ],
)
def test_combine_makes_one_map_of_several(
    tmp_path: Path, how: str, value: Callable[[list[Array]], Array]
) -> None:
    x = grid(7, 6, 2)
    specs = ("-k", "sobel-x", "-k", "sobel-y", "-k", "roberts-1")
    result = filtered(tmp_path, x, *specs, "--combine", how)
    matrices = [SOBEL_X, SOBEL_X.T, np.array([[1, 0], [0, -1]], float)]
    for c in range(2):
        maps = [scipy_correlate(x[..., c], matrix, "replicate") for matrix in matrices]
        np.testing.assert_allclose(result[..., c], value(maps))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("relu", lambda v: max(v, 0.0)),
        ("leaky-relu", lambda v: v if v > 0 else 0.01 * v),
        ("abs", abs),
        ("sigmoid", lambda v: 1 / (1 + math.exp(-v))),
        ("tanh", math.tanh),
    ],
)
def test_activations(tmp_path: Path, name: str, function: Callable[[float], float]) -> None:
    x = np.array([[-30.0, -1.5, -0.25], [0.0, 0.75, 30.0]])
    expected = [[function(value) for value in row] for row in x.tolist()]
    result = filtered(tmp_path, x, "-k", "identity", "--activation", name)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(filtered(tmp_path, x, "--activation", name), result)


def test_the_order_is_kernels_combine_activation_pool_layers(tmp_path: Path) -> None:
    x = grid(8, 8)
    settings = ("-k", "sobel-x", "-k", "sobel-y", "--combine", "sum", "--activation", "relu")
    result = filtered(tmp_path, x, "-l", "crop:1", "--pool", "avg:2", *settings)
    maps = [scipy_correlate(x, one, "replicate") for one in (SOBEL_X, SOBEL_X.T)]
    positive = np.maximum(maps[0] + maps[1], 0)
    pooled = positive.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(result, pooled[1:-1, 1:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max:2", [[6, 8], [14, 16]]),
        ("max:2,s=1", [[6, 7, 8], [10, 11, 12], [14, 15, 16]]),
        ("max:3,s=2,ceil", [[11, 12], [15, 16]]),
        ("max:2,p=1", [[1, 3, 4], [9, 11, 12], [13, 15, 16]]),
        ("max:1x4", [[4], [8], [12], [16]]),
        ("avg:2", [[3.5, 5.5], [11.5, 13.5]]),
        ("avg:3,s=2,ceil", [[6, 7.5], [12, 13.5]]),
        ("avg:2,p=1", [[0.25, 1.25, 1], [3.5, 8.5, 5], [3.25, 7.25, 4]]),
        ("avg:2,p=1,nopad", [[1, 2.5, 4], [7, 8.5, 10], [13, 14.5, 16]]),
    ],
)
def test_pools(tmp_path: Path, text: str, expected: list[list[float]]) -> None:
    x = np.arange(1.0, 17).reshape(4, 4)
    np.testing.assert_allclose(filtered(tmp_path, x, "--pool", text), expected)


# ---- what comes before -------------------------------------------------------------------------


def test_gray_is_luma_and_not_rounded_before_the_kernel(tmp_path: Path) -> None:
    colors = pixels(9, 8, 3)
    result, _ = drawn(tmp_path, colors, "--gray", "-k", "blur")
    luma = colors @ [0.299, 0.587, 0.114]
    exact = scipy_correlate(luma, np.outer([1, 2, 1], [1, 2, 1]) / 16, "replicate")
    assert_rounded(result, exact)


def test_gray_alone_is_enough_to_do(tmp_path: Path) -> None:
    colors = pixels(4, 5, 3)
    result, _ = drawn(tmp_path, colors, "--gray")
    assert_rounded(result, colors @ [0.299, 0.587, 0.114])


def test_resize_has_the_width_first(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(40) * 3, np.arange(60) * 2).astype(np.uint8)
    result, _ = drawn(tmp_path, smooth, "--resize", "30x20")
    assert result.shape == (20, 30)
    expected = np.asarray(Image.fromarray(smooth).resize((30, 20), Image.Resampling.BICUBIC))
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1


def test_resize_comes_before_the_kernel(tmp_path: Path) -> None:
    x = np.repeat(np.repeat(grid(3, 3), 8, 0), 8, 1)
    small = filtered(tmp_path, x, "--resize", "6x6")
    result = filtered(tmp_path, x, "--resize", "6x6", "-k", ODD)
    np.testing.assert_allclose(
        result, scipy_correlate(small, ODD_MATRIX, "replicate"), rtol=1e-5, atol=1e-4
    )


# ---- ranges ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("policy", ["clamp", "abs", "rescale", "offset"])
def test_range_policies(tmp_path: Path, dtype: Any, policy: str) -> None:
    values = pixels(9, 8, dtype=dtype)
    white = float(np.iinfo(dtype).max)
    exact = scipy_correlate(values, SOBEL_X, "replicate")
    expected = {
        "clamp": exact,
        "abs": np.abs(exact),
        "rescale": (exact - exact.min()) / (exact.max() - exact.min()) * white,
        "offset": exact + (white + 1) / 2,
    }
    result, _ = drawn(tmp_path, values, "-k", "sobel-x", "--range", policy)
    assert result.dtype == dtype
    assert_rounded(result, expected[policy])


def test_halves_are_rounded_to_even(tmp_path: Path) -> None:
    values = np.array([[1, 3, 5, 7, 9]], np.uint8)
    np.testing.assert_array_equal(drawn(tmp_path, values, "-k", "0.5")[0], [[0, 2, 2, 4, 4]])


@pytest.mark.parametrize(("clipped", "warns"), [(1, False), (2, True)])
def test_clipping_of_more_than_one_percent_is_worth_a_warning(
    tmp_path: Path, clipped: int, warns: bool
) -> None:
    values = np.full((10, 10), 100, np.uint8)
    values[0, :clipped] = 255
    _, done = drawn(tmp_path, values, "-k", "1.5")
    assert done.stdout == b""
    assert bool(done.stderr) == warns
    if warns:
        assert done.stderr.startswith("convcli: in.png: 2.0% of the values lie outside 0..255")


@pytest.mark.parametrize(
    ("spec", "named"), [("0 -0.5 0.5", "offset"), ("sobel-x", "rescale"), ("4.0", "rescale")]
)
def test_the_warning_names_a_range_that_clips_nothing(
    tmp_path: Path, spec: str, named: str
) -> None:
    values = pixels(12, 12)
    _, done = drawn(tmp_path, values, "-k", spec)
    assert done.stderr.endswith(f"--range {named} would keep them\n")
    json_line = here("apply", "in.png", "-k", spec, "--range", named, "--json", cwd=tmp_path)
    assert json.loads(json_line.text)["clipped"] == 0
    _, again = drawn(tmp_path, values, "-k", spec, "--range", named)
    assert "clipped" not in again.stderr


def test_a_grid_is_rescaled_and_the_user_told_from_what_to_what(tmp_path: Path) -> None:
    done = here("apply", SAMPLES / "letter_a.csv", "-k", "ones:3", cwd=tmp_path)
    result = np.asarray(Image.open(tmp_path / "letter_a.ones-3.png"))
    assert (result.min(), result.max()) == (0, 255)
    assert "rescaled 0..4 to 0..255" in done.stderr


def test_a_grid_of_ones_is_no_black_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "ones.npy", np.ones((5, 5)))
    done = here("apply", "ones.npy", "-k", "ones:3", "-o", "out.png", cwd=tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), 128)
    assert "every value is 9" in done.stderr


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_squashed_values_are_rescaled(tmp_path: Path, name: str) -> None:
    result, done = drawn(tmp_path, pixels(6, 6), "-k", "sobel-x", "--activation", name)
    assert (result.min(), result.max()) == (0, 255)
    assert "rescaled" in done.stderr
    clamped, _ = drawn(
        tmp_path, pixels(6, 6), "-k", "sobel-x", "--activation", name, "--range", "clamp"
    )
    assert clamped.max() <= 1


def test_quiet_leaves_the_warnings_out(tmp_path: Path) -> None:
    values = pixels(6, 6)
    loud, first = drawn(tmp_path, values, "-k", "sobel-x")
    for option in ("-q", "--quiet"):
        silent, second = drawn(tmp_path, values, "-k", "sobel-x", option)
        np.testing.assert_array_equal(silent, loud)
        assert (bool(first.stderr), second.stderr) == (True, "")


# ---- layers ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("layer", ["conv:3", "tconv:2,s=2", "bn", "flatten", "linear:3", "dropout"])
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


# ---- outputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start", "lossless"),
    [
        (".png", b"\x89PNG", True),
        (".jpg", b"\xff\xd8\xff", False),
        (".jpeg", b"\xff\xd8\xff", False),
        (".webp", b"RIFF", True),
        (".tif", b"II*\0", True),
        (".TIFF", b"II*\0", True),
    ],
)
@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 3)])
def test_the_suffix_says_the_format(
    tmp_path: Path, suffix: str, start: bytes, lossless: bool, shape: tuple[int, ...]
) -> None:
    values = np.broadcast_to(np.linspace(0, 255, shape[1]).astype(np.uint8), shape[:2])
    if len(shape) == 3:
        values = np.stack([values, values[:, ::-1], values // 2], axis=2)
    Image.fromarray(np.ascontiguousarray(values)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "identity", "-o", f"out{suffix}", cwd=tmp_path)
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")
    out = tmp_path / f"out{suffix}"
    assert out.read_bytes().startswith(start)
    result = np.asarray(Image.open(out).convert("RGB" if len(shape) == 3 else "L"))
    off = np.abs(result.astype(int) - values.astype(int))
    assert off.max() <= (0 if lossless else 6)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    values = pixels(5, 6, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"in{suffix}")
    settings = ("-k", "identity", "-o", f"out{suffix}")
    assert here("apply", f"in{suffix}", *settings, cwd=tmp_path).code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"out{suffix}")), values)


def test_a_jpeg_of_sixteen_bits_has_eight_and_the_user_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 257 * 100, np.uint16)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "identity", "-o", "out.jpg", cwd=tmp_path)
    assert "8 bits" in done.stderr
    assert abs(int(np.asarray(Image.open(tmp_path / "out.jpg")).mean()) - 100) <= 1


def test_npy_holds_the_numbers_themselves(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "sobel-x", "-o", "out.npy", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    numbers = np.load(tmp_path / "out.npy")
    assert (numbers.shape, numbers.dtype) == ((5, 6, 3), np.float32)
    for channel in range(3):
        expected = scipy_correlate(pixels(5, 6, 3)[..., channel], SOBEL_X, "replicate")
        np.testing.assert_array_equal(numbers[..., channel], expected)


def test_csv_holds_the_numbers_of_one_channel(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "in.txt", [[1, 2, 3], [4, 5, 6]])
    done = here("apply", "in.txt", "-k", "0.1 -1 0", "-o", "out.csv", cwd=tmp_path)
    assert done.code == 0
    text = (tmp_path / "out.csv").read_text()
    expected = [[0.1 * 1 - 1, 0.1 * 1 - 2, 0.1 * 2 - 3], [0.1 * 4 - 4, 0.1 * 4 - 5, 0.1 * 5 - 6]]
    np.testing.assert_allclose(np.loadtxt(io.StringIO(text), delimiter=","), expected)
    again = here("apply", "out.csv", "-k", "identity", "-o", "again.csv", cwd=tmp_path)
    assert (again.code, (tmp_path / "again.csv").read_text()) == (0, text)


def test_whole_numbers_in_csv_have_no_point_and_zero_no_sign(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "-1.0", "-o", "out.csv", cwd=tmp_path, stdin=b"0 1 -2\n")
    assert done.code == 0
    assert (tmp_path / "out.csv").read_text() == "0,-1,2\n"


def test_a_zero_below_zero_is_written_without_its_sign(tmp_path: Path) -> None:
    options = ("-l", "crop:0", "-o", "out.csv")
    assert here("apply", "-", *options, cwd=tmp_path, stdin=b"-0 1\n").code == 0
    assert (tmp_path / "out.csv").read_text() == "0,1\n"
    shown = here("apply", "-", "-l", "crop:0", "--print", cwd=tmp_path, stdin=b"-0 1\n")
    assert shown.text == "0 1\n"


def test_colours_do_not_fit_a_csv(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "-o", "out.csv", cwd=tmp_path)
    assert (done.code, list(tmp_path.glob("*.csv"))) == (1, [])
    assert "3 channels" in done.stderr
    named = here("apply", "in.png", "-k", "blur", "-o", "{kernel}.csv", cwd=tmp_path)
    assert named.code == 0
    assert len(list(tmp_path.glob("blur-[012].csv"))) == 3


def test_a_dash_is_a_png_on_standard_output(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "identity", "-o", "-", cwd=tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), pixels(5, 6))
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_from_standard_input_goes_to_standard_output(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(pixels(5, 6)).save(stream, "TIFF")
    done = here("apply", "-", "-k", "identity", cwd=tmp_path, stdin=stream.getvalue())
    assert (done.code, done.stderr, list(tmp_path.iterdir())) == (0, "", [])
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.stdout))), pixels(5, 6))


def test_standard_input_into_a_folder_is_named_stdin(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "identity", "--output-dir", "d", cwd=tmp_path, stdin=b"1 2\n")
    assert (done.code, done.stdout) == (0, b"")
    assert (tmp_path / "d" / "stdin.identity.png").exists()


@pytest.mark.parametrize("name", ["out.bmp", "out.xyz", "out", ".png.gz"])
def test_an_unknown_output_suffix_is_a_usage_error(tmp_path: Path, name: str) -> None:
    assert ".png" in usage(tmp_path, "absent.png", "-k", "blur", "-o", name)


def test_the_output_folder_is_made(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "--output-dir", "a/b", cwd=tmp_path)
    assert done.code == 0
    assert (tmp_path / "a" / "b" / "in.blur.png").exists()


def test_a_missing_folder_is_named_with_its_remedy(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "-o", "a/out.png", cwd=tmp_path)
    assert done.code == 1
    assert "--output-dir" in done.stderr


def test_print_shows_the_numbers_and_writes_nothing(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "in.csv", [[1, 2], [3, 4]], delimiter=",")
    done = here("apply", "in.csv", "-k", "2.5", "--print", cwd=tmp_path)
    assert done.text == "2.5   5\n7.5  10\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
    also = here("apply", "in.csv", "-k", "2.5", "--print", "-o", "out.npy", cwd=tmp_path)
    assert also.text == done.text
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), [[2.5, 5], [7.5, 10]])


def test_print_heads_each_of_several_maps(tmp_path: Path) -> None:
    done = here("apply", "-", "-k", "1.0", "-k", "2.0", "--print", cwd=tmp_path, stdin=b"1 2\n")
    assert done.text == "# custom\n1 2\n\n# custom-2\n2 4\n"


@pytest.mark.parametrize("method", ["auto", "im2col", "separable", "fft", "naive"])
@pytest.mark.parametrize("extra", [(), ("-s", "2", "-d", "2"), ("-p", "full", "--flip")])
def test_every_method_gives_the_same_numbers(
    tmp_path: Path, method: str, extra: tuple[str, ...]
) -> None:
    x = grid(11, 9, 2)
    spec = "1 2 3; 2 4 6"  # of rank 1
    expected = filtered(tmp_path, x, "-k", spec, *extra)
    result = filtered(tmp_path, x, "-k", spec, *extra, "--method", method)
    np.testing.assert_allclose(result, expected, atol=1e-10)


def test_a_kernel_that_is_not_separable_is_refused_by_that_method(tmp_path: Path) -> None:
    usage(tmp_path, "absent.png", "-k", "sharpen", "--method", "separable")


def test_json_is_a_line_for_each_file(tmp_path: Path) -> None:
    Image.fromarray(pixels(5, 6, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "sobel-x", "-k", "blur", "--json", cwd=tmp_path)
    documents = [json.loads(line) for line in done.text.splitlines()]
    assert [one["output"] for one in documents] == ["in.sobel-x.png", "in.blur.png"]
    keys = ["input", "output", "shape", "method", "range", "clipped", "seconds"]
    assert [list(one) for one in documents] == [keys] * 2
    assert [one["shape"] for one in documents] == [[5, 6, 3]] * 2
    assert documents[0]["clipped"] > 0.01
    assert done.stdout.isascii()


def test_json_tells_what_went_wrong_too(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", grid(3, 3))
    done = here("apply", "absent\u00e9.png", "good.npy", "-k", "blur", "--json", cwd=tmp_path)
    first, second = (json.loads(line) for line in done.text.splitlines())
    assert done.code == 1
    assert first["input"] == "absent\u00e9.png"
    assert "error" in first
    assert second["output"] == "good.blur.png"
    assert done.stdout.isascii()


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    (tmp_path / "in.blur.png").write_bytes(b"precious")
    done = here("apply", "in.png", "-k", "blur", cwd=tmp_path)
    assert (done.code, "--force" in done.stderr) == (1, True)
    assert (tmp_path / "in.blur.png").read_bytes() == b"precious"
    for option in ("-f", "--force"):
        (tmp_path / "in.blur.png").write_bytes(b"precious")
        assert here("apply", "in.png", "-k", "blur", option, cwd=tmp_path).code == 0
        assert (tmp_path / "in.blur.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["in.png", "k.csv"])
def test_an_input_is_never_replaced_not_even_by_force(tmp_path: Path, name: str) -> None:
    Image.fromarray(pixels(3, 3)).save(tmp_path / "in.png")
    (tmp_path / "k.csv").write_text("1 2 1\n")
    before = (tmp_path / name).read_bytes()
    done = here("apply", "in.png", "-k", "k.csv", "-o", name, "--force", cwd=tmp_path)
    assert done.code == 1
    assert (tmp_path / name).read_bytes() == before


# ---- many of them ------------------------------------------------------------------------------


def test_several_inputs_are_filtered_one_by_one(tmp_path: Path) -> None:
    for seed, name in enumerate(["a.png", "b.png"]):
        Image.fromarray(pixels(4, 4 + seed, seed=seed)).save(tmp_path / name)
    assert here("apply", "a.png", "b.png", "-k", "identity", cwd=tmp_path).code == 0
    for seed, stem in enumerate("ab"):
        result = np.asarray(Image.open(tmp_path / f"{stem}.identity.png"))
        np.testing.assert_array_equal(result, pixels(4, 4 + seed, seed=seed))


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        Image.fromarray(pixels(4, 4)).save(tmp_path / name)
    (tmp_path / "b.png").write_text("no picture")
    done = here("apply", "a.png", "b.png", "c.png", "-k", "identity", cwd=tmp_path)
    assert done.code == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("convcli: b.png: ")
    assert lines[1:] == ["convcli: 1 of 3 inputs failed"]
    assert sorted(path.name for path in tmp_path.glob("*.identity.png")) == [
        "a.identity.png",
        "c.identity.png",
    ]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("-k", "gaussian:1.5"), ["in.gaussian-1.5.png"]),
        (("-k", "sobel_x"), ["in.sobel-x.png"]),
        (("-k", "1 2 1"), ["in.custom.png"]),
        (("-k", "box:3", "-k", "box:3", "-k", "1.0"), ["box-3", "box-3-2", "custom"]),
        (("-k", "1.0", "-k", "2.0"), ["in.custom.png", "in.custom-2.png"]),
        (("-k", "sobel-x", "-k", "sobel-y", "--combine", "sum"), ["in.combined.png"]),
        (("-l", "relu"), ["in.filtered.png"]),
        (("--gray",), ["in.filtered.png"]),
        (("-k", str(SAMPLES / "kernels" / "vips-blur.mat")), ["in.vips-blur.png"]),
        (("-k", "blur", "-o", "{stem}-{kernel}-{stem}.webp"), ["in-blur-in.webp"]),
        (("-k", "1.0", "-k", "blur", "-o", "{kernel}.jpg"), ["custom.jpg", "blur.jpg"]),
    ],
)
def test_names_of_what_is_written(
    tmp_path: Path, options: tuple[str, ...], names: list[str]
) -> None:
    Image.fromarray(pixels(4, 4)).save(tmp_path / "in.png")
    assert here("apply", "in.png", *options, "-q", cwd=tmp_path).code == 0
    expected = [name if "." in name else f"in.{name}.png" for name in names]
    found = [path.name for path in tmp_path.iterdir() if path.name != "in.png"]
    assert sorted(found) == sorted(expected)


def test_several_kernels_in_one_npy_are_its_channels(tmp_path: Path) -> None:
    x = grid(5, 6)
    result = filtered(tmp_path, x, "-k", "sobel-x", "-k", "identity", "-k", "2.0")
    expected = [scipy_correlate(x, SOBEL_X, "replicate"), x, 2 * x]
    np.testing.assert_array_equal(result, np.stack(expected, axis=2))


def test_several_kernels_do_not_fit_one_picture(tmp_path: Path) -> None:
    message = usage(tmp_path, "absent.png", "-k", "blur", "-k", "sharpen", "-o", "out.png")
    assert "{kernel}" in message


def test_two_inputs_for_one_output_are_a_usage_error(tmp_path: Path) -> None:
    message = usage(tmp_path, "a/x.png", "b/x.png", "-k", "blur")
    assert "{stem}" in message
    usage(tmp_path, "a.png", "b.png", "-k", "blur", "-o", "one.png")
    usage(tmp_path, "a.png", "a.png", "-k", "blur")


# ---- contradictions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        *(("--stride", "2"), ("--padding", "1"), ("--dilation", "2"), ("--padding-mode", "zero")),
        *(("--flip",), ("--bias", "1"), ("--normalize",), ("--combine", "sum")),
    ],
)
def test_options_of_a_kernel_need_one(tmp_path: Path, option: tuple[str, ...]) -> None:
    message = usage(tmp_path, "absent.png", "-l", "relu", *option)
    assert f"{option[0]} goes with --kernel" in message


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-k", "blur", "-o", "a.png", "--output-dir", "d"),
        ("-k", "blur", "-o", "-", "--print"),
        ("-k", "blur", "-o", "-", "--json"),
        ("-k", "blur", "--print", "--json"),
        ("-k", "blur", "-o", "a.npy", "--range", "abs"),
        ("-k", "blur", "--print", "--range", "abs"),
        ("-k", "sharpn"),
        ("-k", "3"),
        ("-k", "blur", "--resize", "640"),
        ("-k", "blur", "--resize", "0x5"),
        ("-k", "blur", "-s", "0"),
        ("-k", "blur", "-s", "-1"),
        ("-k", "blur", "-s", "1.5"),
        ("-k", "blur", "-p", "-1"),
        ("-k", "blur", "-p", "1000000000"),
        ("-k", "blur", "-d", "65537"),
        ("-k", "blur", "--padding-mode", "wrap"),
        ("-k", "blur", "--bias", "nan"),
        ("-k", "blur", "--activation", "gelu"),
        ("-k", "blur", "--pool", "median:3"),
        ("-k", "blur", "--pool", "max"),
        ("-k", "blur", "--method", "gpu"),
        ("-k", "blur", "--max-pixels", "0"),
        (
            "-k",
            "ones:1002",
        ),
        ("-k", "gaussian:1e6"),
        ("-k", "blur", "--strde", "2"),
    ],
)
def test_what_is_typed_wrong_is_refused_before_a_file_is_opened(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    usage(tmp_path, "absent.png", *options)


def test_an_unknown_kernel_is_answered_with_the_nearest(tmp_path: Path) -> None:
    assert "'sharpen'" in usage(tmp_path, "absent.png", "-k", "sharpn")
    assert "box:3" in usage(tmp_path, "absent.png", "-k", "3")


def test_more_pixels_than_allowed_are_refused(tmp_path: Path) -> None:
    Image.fromarray(pixels(10, 10)).save(tmp_path / "in.png")
    refused = here("apply", "in.png", "-k", "blur", "--max-pixels", "99", cwd=tmp_path)
    assert refused.code == 1
    assert "--max-pixels" in refused.stderr
    grown = ("apply", "in.png", "-k", "blur", "-p", "2", "--max-pixels")
    assert here(*grown, "110", cwd=tmp_path).code == 1
    assert list(tmp_path.glob("*.blur.png")) == []
    assert here(*grown, "144", cwd=tmp_path).code == 0


def test_resizing_to_more_pixels_than_allowed_is_refused_as_typed(tmp_path: Path) -> None:
    size = ("--resize", "11x10", "--max-pixels", "109")
    assert "110" in usage(tmp_path, "absent.png", "-k", "blur", *size)
    assert "3,600,000,000" in usage(tmp_path, "absent.png", "--resize", "60000x60000")


def test_an_empty_result_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    Image.fromarray(pixels(2, 9)).save(tmp_path / "in.png")
    done = here("apply", "in.png", "-k", "blur", "-p", "valid", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.png: kernel blur on 1x2x9: ")
    assert "floor((2 + 0 + 0 - 1*(3 - 1) - 1) / 1) + 1 = 0" in done.stderr


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 3)])
@pytest.mark.parametrize("mode", MODES)
def test_a_picture_smaller_than_its_kernel_has_the_exact_result(
    tmp_path: Path, shape: tuple[int, int], mode: str
) -> None:
    x = grid(*shape)
    matrix = grid(5, 5, seed=1)
    np.savetxt(tmp_path / "k.csv", matrix, delimiter=",")
    result = filtered(tmp_path, x, "-k", "k.csv", "--padding-mode", mode)
    sides = ((2, 2), (2, 2))
    expected = filter_channels(x, matrix, sides=sides, mode=mode)
    np.testing.assert_array_equal(np.atleast_2d(result), expected)


# ---- where the origin of a kernel lies ---------------------------------------------------------


@pytest.mark.parametrize("mode", [("replicate", "nearest"), ("zero", "constant")])
@pytest.mark.parametrize("shape", [(3, 3), (1, 4), (4, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_origin_shifts_the_picture_as_scipy_s_does(
    tmp_path: Path, mode: tuple[str, str], shape: tuple[int, int], flip: bool
) -> None:
    x, matrix = grid(6, 7), grid(*shape, seed=1)
    centre = ((shape[0] - 1) // 2, (shape[1] - 1) // 2)
    scipy_s = ndimage.convolve if flip else ndimage.correlate
    for origin in np.ndindex(*shape):
        if origin == centre:
            continue
        document = {"kernel": matrix.tolist(), "origin": origin}
        (tmp_path / "k.json").write_text(json.dumps(document))
        options = ("-k", "k.json", "--padding-mode", mode[0], *(["--flip"] if flip else []))
        shift = [at - side // 2 for at, side in zip(origin, shape, strict=True)]
        expected = scipy_s(x, matrix, mode=mode[1], origin=shift)
        np.testing.assert_array_equal(filtered(tmp_path, x, *options), expected)


def test_an_origin_in_the_corner_moves_the_picture_by_a_pixel(tmp_path: Path) -> None:
    x = grid(3, 4)
    document = {"kernel": [[1, 0, 0], [0, 0, 0], [0, 0, 0]], "origin": [1, 0]}
    (tmp_path / "k.json").write_text(json.dumps(document))
    result = filtered(tmp_path, x, "-k", "k.json", "--padding-mode", "zero")
    np.testing.assert_array_equal(result, np.pad(x, ((1, 0), (0, 0)))[:-1])


def test_the_origin_meets_every_second_pixel_at_stride_2(tmp_path: Path) -> None:
    x = grid(7, 6)
    document = {"kernel": [[0, 0, 5]], "origin": [0, 2]}
    (tmp_path / "k.json").write_text(json.dumps(document))
    result = filtered(tmp_path, x, "-k", "k.json", "-s", "2")
    np.testing.assert_array_equal(result, 5 * x[::2, ::2])
