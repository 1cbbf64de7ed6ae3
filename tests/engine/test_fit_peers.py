"""`fit_kernel` finds the kernels that other tools document, in what these tools made."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from support.peers import require_peer

from convcli import fit_kernel

Array = NDArray[Any]
CLOSE = 2e-2  # of the largest weight


@cache
def photo() -> Array:
    return np.asarray(require_peer("skimage").data.camera()[100:300, 100:300])


def assert_found(after: Array, kernel: Array) -> None:
    found = fit_kernel(photo(), after, kernel.shape)
    assert np.abs(found.kernel - kernel).max() <= CLOSE * np.abs(kernel).max()
    assert found.explained > 0.999


def ring(size: int, center: float, border: float, total: float) -> Array:
    weights = np.full((size, size), border)
    weights[size // 2, size // 2] = center
    return weights / total


PILLOW = {
    "SHARPEN": ring(3, 32, -2, 16),
    "SMOOTH": ring(3, 5, 1, 13),
    "EDGE_ENHANCE": ring(3, 10, -1, 2),
    "EDGE_ENHANCE_MORE": ring(3, 9, -1, 1),
    "FIND_EDGES": ring(3, 8, -1, 1),
    "DETAIL": np.array([[0, -1, 0], [-1, 10, -1], [0, -1, 0]]) / 6,
}


@pytest.mark.parametrize("name", PILLOW)
def test_the_filters_of_pillow_are_found(name: str) -> None:
    image = Image.fromarray(photo()).filter(getattr(ImageFilter, name))
    assert_found(np.asarray(image), PILLOW[name])


def gaussian(size: int, sigma: float) -> Array:
    steps = np.arange(size) - size // 2
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    return np.asarray(np.outer(weights, weights) / weights.sum() ** 2)


OPENCV: dict[str, tuple[Callable[[Any, Array], Any], Array]] = {
    "GaussianBlur": (lambda cv2, image: cv2.GaussianBlur(image, (5, 5), 1.1), gaussian(5, 1.1)),
    "blur": (lambda cv2, image: cv2.blur(image, (3, 5)), np.ones((5, 3)) / 15),
    "Laplacian": (
        lambda cv2, image: cv2.Laplacian(image, cv2.CV_8U),
        np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    ),
    "Scharr": (
        lambda cv2, image: cv2.Scharr(image, cv2.CV_64F, 1, 0),
        np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]),
    ),
    "addWeighted": (  # an unsharp mask, as it is written with OpenCV
        lambda cv2, image: cv2.addWeighted(image, 2.5, cv2.GaussianBlur(image, (5, 5), 1), -1.5, 0),
        2.5 * np.pad([[1]], 2) - 1.5 * gaussian(5, 1),
    ),
}


@pytest.mark.parametrize("name", OPENCV)
def test_the_filters_of_opencv_are_found(name: str) -> None:
    make, kernel = OPENCV[name]
    assert_found(make(require_peer("cv2"), photo()), kernel)


def sharpening(radius: int, sigma: float) -> Array:
    """Return what ImageMagick documents: minus a Gaussian, its center such that the sum is 1."""
    weights = -gaussian(2 * radius + 1, sigma)
    weights[radius, radius] = 2.0
    return np.asarray(weights / weights.sum())


def blur_of_thirds(size: int, sigma: float) -> Array:
    """Return the weights of ImageMagick's -blur: sums of a Gaussian at thirds of a pixel."""
    steps = np.arange(3 * size) - 3 * size // 2
    weights = np.exp(-(steps**2) / (2 * (3 * sigma) ** 2)).reshape(size, 3).sum(axis=1)
    return np.asarray(np.outer(weights, weights) / weights.sum() ** 2)


MAGICK = {
    "-morphology Convolve 3x3:1,2,3,0,4,5,0,0,-6": np.array([[-6, 0, 0], [5, 4, 0], [3, 2, 1]]),
    "-morphology Correlate 3x3:1,2,3,0,4,5,0,0,-6": np.array([[1, 2, 3], [0, 4, 5], [0, 0, -6]]),
    "-blur 2x0.8": blur_of_thirds(5, 0.8),
    "-gaussian-blur 2x1": gaussian(5, 1),
    "-sharpen 2x1": sharpening(2, 1),
}


@pytest.mark.parametrize("options", MAGICK)
def test_the_filters_of_imagemagick_are_found(options: str, tmp_path: Path) -> None:
    convert = shutil.which("convert")
    if convert is None:
        pytest.skip("ImageMagick is not installed")
    Image.fromarray(photo()).save(tmp_path / "before.png")
    command = [convert, "before.png", *options.split(), "after.png"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=30)
    assert_found(np.asarray(Image.open(tmp_path / "after.png")), MAGICK[options])
