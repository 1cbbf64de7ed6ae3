"""What `apply` does to values before, in and after the sums: held to definitions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.apply import (
    EVEN,
    EVEN_MATRIX,
    ODD,
    ODD_MATRIX,
    SOBEL_X,
    Array,
    drawn,
    filtered,
    grid,
    pixels,
    usage,
)
from support.command import SAMPLES, here
from support.oracles import (
    assert_rounded,
    convolve,
    scipy_convolve,
    scipy_correlate,
)


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


def test_resize_comes_before_the_kernel(tmp_path: Path) -> None:
    x = np.repeat(np.repeat(grid(3, 3), 8, 0), 8, 1)
    small = filtered(tmp_path, x, "--resize", "6x6")
    result = filtered(tmp_path, x, "--resize", "6x6", "-k", ODD)
    np.testing.assert_allclose(
        result, scipy_correlate(small, ODD_MATRIX, "replicate"), rtol=1e-5, atol=1e-4
    )


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


@pytest.mark.parametrize("kernel", ["1e38 3e38", "-1e38 -3e38"])
@pytest.mark.parametrize("options", [(), ("-l", "abs"), ("--range", "abs"), ("--range", "rescale")])
def test_a_sum_beyond_floats_is_refused_whatever_its_sign(
    tmp_path: Path, kernel: str, options: tuple[str, ...]
) -> None:
    Image.fromarray(pixels(6, 8, 3)).save(tmp_path / "in.png")
    done = here("apply", "in.png", f"-k{kernel}", *options, "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr == "convcli: in.png: a sum is beyond what floating point holds\n"
    assert not (tmp_path / "out.png").exists()


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
