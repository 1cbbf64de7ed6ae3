"""`apply --combine direction`: the direction of a gradient, as `sobel:ANGLE` counts it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import here

from convcli.engine.operations.joins import direction

KERNELS = ("-k", "sobel-x", "-k", "sobel-y", "--combine", "direction")


def ramp(angle: float, size: int = 9) -> NDArray[Any]:
    """Numbers that grow in a direction, counter-clockwise from the right; rows grow downwards."""
    rows, columns = np.indices((size, size))
    return columns * math.cos(math.radians(angle)) - rows * math.sin(math.radians(angle))


@pytest.mark.parametrize("angle", range(0, 360, 15))
def test_the_direction_of_a_ramp_is_the_one_in_which_it_grows(tmp_path: Path, angle: int) -> None:
    np.save(tmp_path / "x.npy", ramp(angle))
    done = here("apply", "x.npy", *KERNELS, "-p", "valid", "-o", "y.npy", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    found = np.load(tmp_path / "y.npy")
    off = (found - angle + 180) % 360 - 180
    np.testing.assert_allclose(off, 0, atol=1e-9)
    assert found.min() >= 0
    assert found.max() < 360
    # The kernel of that direction responds with the whole slope, as `--combine magnitude` does.
    common = ("apply", "x.npy", "-p", "valid", "-f")
    here(*common, "-k", f"sobel:{angle}", "-o", "along.npy", cwd=tmp_path)
    here(*common, *KERNELS[:5], "magnitude", "-o", "size.npy", cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "along.npy"), np.load(tmp_path / "size.npy"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_gradient_is_0_degrees_whatever_the_sign_of_its_zeros(dtype: Any) -> None:
    x, y = np.array([0.0, 0.0, -0.0, -0.0], dtype), np.array([0.0, -0.0, 0.0, -0.0], dtype)
    assert direction(x, y).tolist() == [0.0] * 4
    found = direction(np.array([1.0], dtype), np.array([1e-30], dtype))  # just below 0 degrees
    assert found.dtype == dtype
    assert 0 <= found[0] < 360


@pytest.mark.parametrize(
    ("name", "pixels", "level"),
    [
        ("right", np.arange(0, 120, 10), 0),
        ("up", np.arange(0, 120, 10)[::-1, np.newaxis], 64),
        ("left", np.arange(0, 120, 10)[::-1], 128),
        ("down", np.arange(0, 120, 10)[:, np.newaxis], 191),
        ("flat", np.array(77), 0),
    ],
)
@pytest.mark.parametrize("typed", [(), ("--range", "rescale")])
def test_a_picture_of_directions_has_one_scale(
    tmp_path: Path, name: str, pixels: NDArray[Any], level: int, typed: tuple[str, ...]
) -> None:
    del name
    picture = np.broadcast_to(pixels, (12, 12)).astype(np.uint8)
    Image.fromarray(np.dstack([picture] * 3)).save(tmp_path / "x.png")
    done = here("apply", "x.png", *KERNELS, "-p", "valid", *typed, "-o", "y.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "convcli: x.png: degrees 0..360 are 0..255\n")
    assert np.unique(np.asarray(Image.open(tmp_path / "y.png"))).tolist() == [level]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-k", "sobel-x"), "takes two kernels, .*, not 1"),
        (("-k", "sobel-x", "-k", "sobel-y", "-k", "blur"), "takes two kernels, .*, not 3"),
        (("-k", "sobel-x", "-k", "sobel-y", "--linear"), "--linear converts light back"),
    ],
)
def test_what_a_direction_cannot_be_of_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = here("apply", "x.png", *arguments, "--combine", "direction", cwd=tmp_path)
    assert done.code == 2
    assert re.search(words, done.stderr)
