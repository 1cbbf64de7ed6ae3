"""Transparency from the input to the output: hidden colors never show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import here

from convcli.images.color import composite_on_white, from_linear, unpremultiply

Array = NDArray[Any]


def stickers(seed: int = 0) -> Array:
    """Opaque, half transparent and transparent colors, (40, 50, 4)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 4), np.uint8)
    pixels[:, :15, 3] = 255
    pixels[:, 35:, 3] = 0
    return pixels


def applied(folder: Path, pixels: Array, *options: str, name: str = "out.png") -> Array:
    Image.fromarray(pixels).save(folder / "in.png")
    done = here("apply", "in.png", *options, "-o", name, "-f", "-q", cwd=folder)
    assert done.code == 0, done.stderr
    return np.asarray(Image.open(folder / name))


def blurred(plane: Array, kernel: Array) -> Array:
    return np.asarray(ndimage.correlate(plane.astype(float), kernel, mode="nearest"))


@pytest.mark.parametrize("kernel", ["box:3", "gaussian-5x5", "sharpen"])
def test_colors_count_by_their_alpha(tmp_path: Path, kernel: str) -> None:
    weights = {
        "box:3": np.ones((3, 3)) / 9,
        "gaussian-5x5": np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256,
        "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float),
    }[kernel]
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", kernel)
    alpha = blurred(pixels[..., 3], weights).clip(0, 255)
    np.testing.assert_allclose(found[..., 3], alpha, atol=0.51)
    share = pixels[..., 3] / 255
    for channel in range(3):
        sums = blurred(pixels[..., channel] * share, weights)
        opaque = alpha > 1
        expected = (sums[opaque] / (alpha[opaque] / 255)).clip(0, 255)
        np.testing.assert_allclose(found[..., channel][opaque], expected, atol=0.6)


@pytest.mark.parametrize("options", [("-k", "gaussian:2"), ("-k", "sobel-x"), ("--resize", "20x16"),
                                     ("-k", "box:5", "--gray"), ("-k", "sharpen", "-s", "2"),
                                     ("-k", "bank.npy"), ("-k", "blur", "--linear")])  # fmt: skip
def test_a_hidden_color_changes_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    np.save(tmp_path / "bank.npy", np.random.default_rng(1).random((1, 3, 3, 3)) / 27)
    pixels = stickers()
    other = pixels.copy()
    other[pixels[..., 3] == 0, :3] = (255, 0, 255)
    one, two = applied(tmp_path, pixels, *options), applied(tmp_path, other, *options)
    np.testing.assert_array_equal(one, two)


def test_an_edge_filter_keeps_alpha_as_it_is(tmp_path: Path) -> None:
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", "sobel-x")
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])


def test_the_identity_keeps_every_pixel_that_can_be_seen(tmp_path: Path) -> None:
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", "identity")
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    seen = pixels[..., 3] > 0
    np.testing.assert_array_equal(found[seen], pixels[seen])


def test_a_bias_is_not_covered_by_alpha(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), (100, 100, 100, 128), np.uint8)
    found = applied(tmp_path, pixels, "-k", "identity", "--bias", "20")
    np.testing.assert_array_equal(found, np.full((4, 4, 4), (120, 120, 120, 128)))


def test_a_jpeg_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 4), np.uint8)
    found = applied(tmp_path, pixels, "-k", "identity", name="out.jpg")
    assert found.min() >= 250
    said = here("apply", "in.png", "-k", "identity", "-o", "again.jpg", cwd=tmp_path)
    assert "white" in said.stderr


def test_what_is_written_as_transparent_has_no_color() -> None:
    alpha = np.array([0.0, 0.4, 0.6, 255.0]).reshape(4, 1, 1)
    colors = unpremultiply(np.full((4, 1, 1), 0.3), alpha, 255.0)
    np.testing.assert_allclose(colors.ravel(), [0, 0, 0.3 * 255 / 0.6, 0.3])


def test_colors_on_white_are_rounded() -> None:
    pixels = np.full((1, 3, 1), 100, np.uint8)
    opacities = np.array([126, 127, 128]).reshape(1, 3, 1)
    exact = [100 * alpha / 255 + 255 - alpha for alpha in (126, 127, 128)]
    assert composite_on_white(pixels, opacities).ravel().tolist() == [round(one) for one in exact]


def test_a_negative_value_in_linear_light_is_minus_its_opposite() -> None:
    values = np.array([0.02, 1.0, 100.0, 255.0])
    assert_array_equal(from_linear(-values, 255.0), -from_linear(values, 255.0))
