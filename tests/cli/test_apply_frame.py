"""Padding alone, and results of `valid` in the input's frame: held to loops over every pixel."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.apply import filtered, grid, usage
from support.command import SAMPLES, here

Matrix = NDArray[np.float64]


def in_frame(x: Matrix, kernel: Matrix, dilation: int, origin: tuple[int, int] | None) -> Matrix:
    """Sum each window that lies in the input, and write the sum where the window is centered."""
    height, width = ((side - 1) * dilation + 1 for side in kernel.shape)
    row, column = (height - 1) // 2, (width - 1) // 2
    if origin is not None:
        row, column = origin[0] * dilation, origin[1] * dilation
    result = np.zeros_like(x)
    for top, left in product(range(len(x) - height + 1), range(x.shape[1] - width + 1)):
        for at in np.ndindex(kernel.shape):
            value = x[top + at[0] * dilation, left + at[1] * dilation]
            result[top + row, left + column] += kernel[at] * value
    return result


SIZES = [(1, 1), (3, 3), (2, 2), (4, 3), (2, 5), (5, 1)]
ORIGINS = [
    (size, origin)
    for size, origin in product(SIZES, (None, (0, 0), (1, 2)))
    if origin is None or (origin[0] < size[0] and origin[1] < size[1])
]


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("size", "origin"), ORIGINS)
def test_each_value_is_at_the_center_of_its_window_and_the_rim_is_zero(
    tmp_path: Path, size: tuple[int, int], dilation: int, origin: tuple[int, int] | None
) -> None:
    kernel = np.arange(1.0, 1 + size[0] * size[1]).reshape(size)
    document = {"kernel": kernel.tolist()} | ({} if origin is None else {"origin": origin})
    (tmp_path / "k.json").write_text(json.dumps(document))
    x = grid(12, 13, 2)
    typed = ("-k", "k.json", "-p", "valid", "-d", str(dilation), "--keep-size")
    result = filtered(tmp_path, x, *typed)
    np.testing.assert_array_equal(result, in_frame(x, kernel, dilation, origin))
    turned = None if origin is None else (size[0] - 1 - origin[0], size[1] - 1 - origin[1])
    result = filtered(tmp_path, x, *typed, "--flip")
    np.testing.assert_array_equal(result, in_frame(x, kernel[::-1, ::-1], dilation, turned))


def test_biases_and_activations_leave_the_rim_zero_and_pools_see_it(tmp_path: Path) -> None:
    x = grid(6, 6)
    valid = ("-k", "ones:3", "-p", "valid", "--bias", "7", "--activation", "sigmoid")
    inner = filtered(tmp_path, x, *valid)
    framed = filtered(tmp_path, x, *valid, "--keep-size")
    np.testing.assert_array_equal(framed, np.pad(inner, 1))
    pooled = filtered(tmp_path, x, *valid, "--keep-size", "--pool", "max:2")
    expected = np.pad(inner, 1).reshape(3, 2, 3, 2).max(axis=(1, 3))
    np.testing.assert_array_equal(pooled, expected)
    sides = ("-k", "sobel-x", "-k", "sobel-y", "-p", "valid", "--combine", "magnitude")
    np.testing.assert_array_equal(
        filtered(tmp_path, x, *sides, "--keep-size"), np.pad(filtered(tmp_path, x, *sides), 1)
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16"])
def test_pictures_keep_their_size_with_a_rim_of_zeros(tmp_path: Path, mode: str) -> None:
    picture = Image.open(SAMPLES / "cat.jpg").resize((40, 30))
    if mode == "I;16":
        gray = np.asarray(picture.convert("L"), np.uint16) * 257
        Image.fromarray(gray).save(tmp_path / "in.png")
    else:
        picture.convert(mode).save(tmp_path / "in.png")
    for name, typed in (("valid.png", ()), ("kept.png", ("--keep-size",))):
        done = here(
            "apply", "in.png", "-k", "gaussian:1", "-p", "valid", *typed, "-o", name, cwd=tmp_path
        )
        assert done.code == 0
    valid, kept = (np.asarray(Image.open(tmp_path / name)) for name in ("valid.png", "kept.png"))
    rim = ((3, 3), (3, 3), (0, 0))[: valid.ndim]
    assert kept.shape[:2] == (30, 40)
    np.testing.assert_array_equal(kept, np.pad(valid, rim))


@pytest.mark.parametrize(
    ("typed", "cause"),
    [
        (("-k", "blur", "--keep-size"), "--keep-size goes with -p valid"),
        (("-k", "blur", "-p", "1", "--keep-size"), "--keep-size goes with -p valid"),
        (("-k", "blur", "-p", "valid", "-s", "2", "--keep-size"), "--keep-size goes with stride 1"),
        (("-l", "maxpool:2", "--keep-size"), "--keep-size goes with --kernel"),
        (("-k", "blur", "-k", "box:5", "-p", "valid", "--keep-size"), "kernels leave out 1 and 2"),
    ],
)
def test_a_frame_that_there_is_none_for_is_refused(
    tmp_path: Path, typed: tuple[str, ...], cause: str
) -> None:
    assert cause in usage(tmp_path, "missing.png", *typed)


@pytest.mark.parametrize(
    ("layer", "sides", "mode"),
    [
        ("pad:2", ((2, 2), (2, 2)), "constant"),
        ("pad:1x3", ((1, 1), (3, 3)), "constant"),
        ("pad:0.1.2.3,mode=reflect", ((0, 1), (2, 3)), "reflect"),
        ("pad:3,mode=replicate", ((3, 3), (3, 3)), "edge"),
    ],
)
def test_a_layer_alone_pads_pictures_and_grids(
    tmp_path: Path, layer: str, sides: tuple[tuple[int, int], ...], mode: str
) -> None:
    x = grid(5, 6)
    padded = np.pad(x, sides, mode)  # type: ignore[call-overload]
    np.testing.assert_array_equal(filtered(tmp_path, x, "-l", layer), padded)
    done = here("apply", SAMPLES / "cat.jpg", "-l", layer, "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    pixels = np.asarray(Image.open(SAMPLES / "cat.jpg"))
    expected = np.pad(pixels, (*sides, (0, 0)), mode)  # type: ignore[call-overload]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), expected)
