"""A real photograph through the real command, to the pixel."""

from __future__ import annotations

import io
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from PIL import Image
from support.command import COMMAND, convcli
from support.oracles import assert_rounded, scipy_correlate

Pixels = NDArray[np.uint8]

SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float)
BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float)
LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def chelsea() -> Pixels:
    return np.asarray(skimage.data.chelsea())


@pytest.fixture
def photograph(tmp_path: Path, chelsea: Pixels) -> Path:
    path = tmp_path / "chelsea.png"
    Image.fromarray(chelsea).save(path)
    return path


def by_scipy(pixels: NDArray[np.generic], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    planes = [scipy_correlate(pixels[..., c], kernel, "replicate") for c in range(3)]
    return np.stack(planes, axis=2)


def decoded(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("name", "kernel"), [("sharpen", SHARPEN), ("blur", BLUR), ("emboss", EMBOSS)]
)
def test_a_photograph_is_filtered_as_scipy_filters_it(
    tmp_path: Path, chelsea: Pixels, photograph: Path, name: str, kernel: NDArray[np.float64]
) -> None:
    done = convcli("apply", photograph, "--kernel", name, cwd=tmp_path)
    assert (done.code, done.stdout) == (0, b"")
    result = np.asarray(Image.open(tmp_path / f"chelsea.{name}.png"))
    assert result.shape == chelsea.shape
    assert_rounded(result, by_scipy(chelsea, kernel))


def test_a_photograph_goes_through_a_pipe_of_commands(
    tmp_path: Path, chelsea: Pixels, photograph: Path
) -> None:
    command = shlex.join(COMMAND)
    line = f"cat {photograph} | {command} apply - -k sharpen -q -o - | {command} apply - -k blur"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stderr == b""
    sharpened = np.clip(by_scipy(chelsea, SHARPEN), 0, 255)
    assert_rounded(decoded(done.stdout), by_scipy(sharpened, BLUR))
    assert list(tmp_path.iterdir()) == [photograph]


def test_a_jpeg_is_filtered_as_it_decodes(tmp_path: Path, chelsea: Pixels) -> None:
    Image.fromarray(chelsea).save(tmp_path / "cat.jpg", quality=90)
    seen = np.asarray(Image.open(tmp_path / "cat.jpg"))
    content = (tmp_path / "cat.jpg").read_bytes()
    done = convcli("apply", "-", "-k", "sharpen", "-o", "-", cwd=tmp_path, stdin=content)
    assert_rounded(decoded(done.stdout), by_scipy(seen, SHARPEN))


def test_the_size_of_a_photograph_s_edges(
    tmp_path: Path, chelsea: Pixels, photograph: Path
) -> None:
    settings = ("-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude", "--gray")
    done = convcli("apply", photograph, *settings, "-o", "edges.npy", cwd=tmp_path)
    assert done.code == 0
    gray = chelsea @ LUMA
    slope = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)
    along = [scipy_correlate(gray, one, "replicate") for one in (slope, slope.T)]
    np.testing.assert_allclose(np.load(tmp_path / "edges.npy"), np.hypot(*along), atol=1e-3)


def test_a_small_layer_of_a_network_over_a_photograph(
    tmp_path: Path, chelsea: Pixels, photograph: Path
) -> None:
    weights = np.random.default_rng(1).normal(size=(4, 3, 5, 5)).round(2)
    np.save(tmp_path / "layer.npy", weights)
    settings = ("-k", "layer.npy", "-p", "valid", "-o", "maps.npy")
    assert convcli("apply", photograph, *settings, cwd=tmp_path).code == 0
    maps = np.load(tmp_path / "maps.npy")
    assert maps.shape == (296, 447, 4)
    inner = (slice(2, -2), slice(2, -2))
    for channel, planes in enumerate(weights):
        expected = sum(
            scipy_correlate(chelsea[..., c], planes[c], "replicate")[inner] for c in range(3)
        )
        np.testing.assert_allclose(maps[..., channel], expected, atol=2e-2)
