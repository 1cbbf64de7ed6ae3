"""SciPy, OpenCV and Pillow on the same photographs: the same pixels, where they mean the same.

Where they differ, it is told apart: Pillow rounds a half up, and all others to the even neighbor;
sums of weights that are no short binary fractions are rounded in between, so that what lies next to
a half may be rounded up or down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from support.command import SAMPLES, convcli
from support.peers import require_peer

from convcli.engine.filter2d import filter2d
from convcli.kernels.bank import bank

Array = NDArray[Any]

CAT = SAMPLES / "cat.jpg"
SCIPY = {
    "zero": "constant",
    "reflect": "mirror",
    "replicate": "nearest",
    "circular": "wrap",
    "symmetric": "reflect",
}
OPENCV = {
    "zero": "BORDER_CONSTANT",
    "reflect": "BORDER_REFLECT_101",
    "replicate": "BORDER_REPLICATE",
    "symmetric": "BORDER_REFLECT",
}
SIDES = [(1, 7), (3, 3), (4, 4), (6, 3), (9, 9), (11, 11), (16, 12), (25, 25)]
RARE = 1e-4  # of the samples: so many lie next to a half, at most

every_kernel = pytest.mark.parametrize("name", bank())
for_pillow = pytest.mark.parametrize(
    "name", [name for name, kernel in bank().items() if kernel.size in {(3, 3), (5, 5)}]
)
modes_of_scipy = pytest.mark.parametrize("mode", SCIPY)
any_side = pytest.mark.parametrize("side", SIDES, ids=lambda side: f"{side[0]}x{side[1]}")


@pytest.fixture(scope="module", params=["cat", "camera"])
def photograph(request: pytest.FixtureRequest) -> Array:
    """A photograph in colors, (H, W, 3), and one in grays, (H, W)."""
    if request.param == "cat":
        return np.asarray(Image.open(CAT))
    return np.asarray(require_peer("skimage").data.camera())


def whole_and_piece(photograph: Array, modes: Iterable[str]) -> Iterator[tuple[Array, str]]:
    """The whole photograph, and, as no mode matters but at a border, a piece with every mode."""
    yield photograph, "replicate"
    for mode in modes:
        yield photograph[60:110, 200:267], mode


def by_scipy(image: Array, kernel: Array, mode: str) -> Array:
    """The exact sums, in float64; its own center of an even side is one further."""
    ndimage = require_peer("scipy.ndimage")
    weights = kernel if image.ndim == 2 else kernel[:, :, np.newaxis]
    origin = [side % 2 - 1 for side in weights.shape]
    return np.asarray(
        ndimage.correlate(image.astype(np.float64), weights, mode=SCIPY[mode], origin=origin)
    )


def by_opencv(image: Array, kernel: Array, mode: str) -> Array:
    """In the image's own type; from 11x11 on by a Fourier transform."""
    cv2 = require_peer("cv2")
    anchor = ((kernel.shape[1] - 1) // 2, (kernel.shape[0] - 1) // 2)
    border = getattr(cv2, OPENCV[mode])
    return np.asarray(cv2.filter2D(image, -1, kernel, anchor=anchor, borderType=border))


def by_pillow(image: Array, kernel: Array) -> Array:
    """In 8 bits; its first row of weights is the lowest, and the border stays as it was."""
    weights = ImageFilter.Kernel(kernel.shape, kernel[::-1].ravel().tolist(), scale=1)
    return np.asarray(Image.fromarray(image).filter(weights))


def rounded(exact: Array) -> Array:
    return np.clip(np.rint(exact), 0, 255)


def inner(image: Array, kernel: Array) -> Array:
    """What no border has a part in."""
    far = kernel.shape[0] // 2
    return image[far:-far, far:-far]


def random_kernel(side: tuple[int, int]) -> Array:
    weights = np.random.default_rng(side).normal(size=side)
    return np.asarray(weights * 1.5 / np.abs(weights).sum())


def assert_all_but_a_few(ours: Array, theirs: Array) -> None:
    """Every pixel is the same, but a few that are one level apart."""
    off = np.abs(ours.astype(int) - theirs.astype(int))
    assert off.max() <= 1
    assert np.count_nonzero(off) <= 1 + RARE * off.size


# ---- SciPy -------------------------------------------------------------------------------------


@every_kernel
def test_a_photograph_is_scipys_sums_rounded(photograph: Array, name: str) -> None:
    kernel = bank()[name].matrix
    for image, mode in whole_and_piece(photograph, SCIPY):
        exact = by_scipy(image, kernel, mode)
        assert_array_equal(filter2d(image, kernel, padding_mode=mode), rounded(exact))
        sums = filter2d(image.astype(np.float64), kernel, padding_mode=mode)
        assert_allclose(sums, exact, rtol=0, atol=1e-9)


@any_side
def test_random_weights_are_scipys(photograph: Array, side: tuple[int, int]) -> None:
    kernel = random_kernel(side)
    for image, mode in whole_and_piece(photograph, SCIPY):
        exact = by_scipy(image, kernel, mode)
        assert_all_but_a_few(filter2d(image, kernel, padding_mode=mode), rounded(exact))
        for dtype, near in {np.float32: 1e-3, np.float64: 1e-9}.items():
            sums = filter2d(image.astype(dtype), kernel, padding_mode=mode)
            assert_allclose(sums, exact, rtol=0, atol=near)


# ---- OpenCV ------------------------------------------------------------------------------------


@every_kernel
def test_a_photograph_is_opencvs(photograph: Array, name: str) -> None:
    kernel = bank()[name].matrix
    for image, mode in whole_and_piece(photograph, OPENCV):
        theirs = by_opencv(image, kernel, mode)
        assert_array_equal(filter2d(image, kernel, padding_mode=mode), theirs)


@any_side
def test_random_weights_are_opencvs(photograph: Array, side: tuple[int, int]) -> None:
    kernel = random_kernel(side)
    for image, mode in whole_and_piece(photograph, OPENCV):
        theirs = by_opencv(image, kernel, mode)
        assert_all_but_a_few(filter2d(image, kernel, padding_mode=mode), theirs)
        for dtype, near in {np.float32: 1e-3, np.float64: 1e-9}.items():
            numbers = image.astype(dtype)
            sums = filter2d(numbers, kernel, padding_mode=mode)
            assert_allclose(sums, by_opencv(numbers, kernel, mode), rtol=0, atol=near)


def test_sixteen_bits_are_opencvs(photograph: Array) -> None:
    deep = photograph.astype(np.uint16) * 257
    for name in ("sharpen", "gaussian-5x5", "emboss", "scharr-x", "roberts-1"):
        kernel = bank()[name].matrix
        assert_array_equal(filter2d(deep, kernel), by_opencv(deep, kernel, "replicate"))


def test_opencvs_own_center_of_an_even_side_is_same_lower(photograph: Array) -> None:
    cv2 = require_peer("cv2")
    kernel = bank()["roberts-1"].matrix
    theirs = cv2.filter2D(photograph, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    assert_array_equal(filter2d(photograph, kernel, padding="same-lower"), theirs)


def test_opencv_rounds_a_half_to_even_too() -> None:
    halves = np.arange(8, dtype=np.uint8)[np.newaxis]
    kernel = np.array([[0.5]])
    expected = [[0, 0, 1, 2, 2, 2, 3, 4]]
    assert_array_equal(by_opencv(halves, kernel, "zero"), expected)
    assert_array_equal(filter2d(halves, kernel), expected)


# ---- Pillow ------------------------------------------------------------------------------------


@for_pillow
def test_a_photograph_is_pillows_but_for_halves(photograph: Array, name: str) -> None:
    kernel = bank()[name].matrix
    exact = filter2d(photograph.astype(np.float64), kernel)
    ours, theirs, exact = (
        inner(one, kernel)
        for one in (filter2d(photograph, kernel), by_pillow(photograph, kernel), exact)
    )
    is_half = exact % 1 == 0.5
    assert_array_equal(ours[~is_half], theirs[~is_half])
    assert_array_equal(theirs[is_half], np.clip(np.ceil(exact[is_half]), 0, 255))
    assert_array_equal(ours[is_half], rounded(exact[is_half]))
    if np.array_equal(kernel, np.rint(kernel)):
        assert not is_half.any()


@pytest.mark.parametrize("side", [3, 5])
def test_whole_weights_are_pillows(photograph: Array, side: int) -> None:
    random = np.random.default_rng(side)
    for _ in range(20):
        kernel = random.integers(-4, 5, (side, side)).astype(float)
        kernel[side // 2, side // 2] += 1 - kernel.sum()  # so that it leaves a picture
        theirs = by_pillow(photograph, kernel)
        assert_array_equal(inner(filter2d(photograph, kernel), kernel), inner(theirs, kernel))


# ---- the command -------------------------------------------------------------------------------


def applied(folder: Path, mode: str, *kernels: str, suffix: str = ".png") -> list[Path]:
    """The files that the command makes of the cat."""
    options = [word for kernel in kernels for word in ("-k", kernel)]
    name = ("--name", f"{{stem}}.{{kernel}}{suffix}", "--padding-mode", mode, "-q")
    assert convcli("apply", CAT, *options, *name, cwd=folder).code == 0
    return [folder / f"cat.{Path(kernel).stem}{suffix}" for kernel in kernels]


def test_the_command_with_every_kernel_makes_opencvs_pixels(tmp_path: Path) -> None:
    cat = np.asarray(Image.open(CAT))
    for kernel, path in zip(bank().values(), applied(tmp_path, "replicate", *bank()), strict=True):
        theirs = by_opencv(cat, kernel.matrix, "replicate")
        assert_array_equal(np.asarray(Image.open(path)), theirs)


@modes_of_scipy
def test_the_command_makes_scipys_pixels(tmp_path: Path, mode: str) -> None:
    cat = np.asarray(Image.open(CAT))
    named = {name: bank()[name].matrix for name in ("sharpen", "gaussian-5x5", "roberts-2")}
    for (name, kernel), path in zip(named.items(), applied(tmp_path, mode, *named), strict=True):
        expected = rounded(by_scipy(cat, kernel, mode))
        assert_array_equal(np.asarray(Image.open(path)), expected, err_msg=name)


@modes_of_scipy
def test_the_command_writes_scipys_numbers(tmp_path: Path, mode: str) -> None:
    cat, kernel = np.asarray(Image.open(CAT)), random_kernel((9, 6))
    np.save(tmp_path / "random.npy", kernel)
    (numbers,) = applied(tmp_path, mode, "random.npy", suffix=".npy")
    assert_allclose(np.load(numbers), by_scipy(cat, kernel, mode), rtol=0, atol=1e-3)
    (picture,) = applied(tmp_path, mode, "random.npy")
    pixels = np.asarray(Image.open(picture))
    assert_all_but_a_few(pixels, rounded(by_scipy(cat, kernel, mode)))
    if mode in OPENCV:
        assert_all_but_a_few(pixels, by_opencv(cat, kernel, mode))
