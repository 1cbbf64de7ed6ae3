"""The kernels of `apply`, their padding, stride, dilation and origin: held to SciPy or to loops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
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
)
from support.command import SAMPLES, here
from support.oracles import (
    MODES,
    filter_channels,
    scipy_correlate,
    sides_of_axis,
)


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


@pytest.mark.parametrize("mode", [("replicate", "nearest"), ("zero", "constant")])
@pytest.mark.parametrize("shape", [(3, 3), (1, 4), (4, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_origin_shifts_the_picture_as_scipy_s_does(
    tmp_path: Path, mode: tuple[str, str], shape: tuple[int, int], flip: bool
) -> None:
    x, matrix = grid(6, 7), grid(*shape, seed=1)
    center = ((shape[0] - 1) // 2, (shape[1] - 1) // 2)
    scipy_s = ndimage.convolve if flip else ndimage.correlate
    for origin in np.ndindex(*shape):
        if origin == center:
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
