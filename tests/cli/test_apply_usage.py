"""What `apply` refuses: contradictions, limits, empty results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.apply import (
    filtered,
    grid,
    pixels,
    usage,
)
from support.command import here
from support.oracles import (
    MODES,
    filter_channels,
)


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
        ("-k", "blur", "--padding-mode", "wrapped"),
        ("-k", "blur", "--bias", "nan"),
        ("-k", "blur", "--activation", "swish"),
        ("-k", "blur", "--pool", "median:3"),
        ("-k", "blur", "--pool", "max"),
        ("-k", "blur", "--method", "gpu"),
        ("-k", "blur", "--max-pixels", "0"),
        ("-k", "disk:501"),  # 1003 a side, and not separable
        ("-k", "ones:10003"),
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
