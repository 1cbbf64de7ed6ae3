"""Transparency from the input to the output: hidden colors never show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import here
from support.peers import require_peer

from convcli.images import color
from convcli.images.color import composite_on_white, from_linear, resize, unpremultiply

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
    alpha = blurred(pixels[..., 3], weights)
    np.testing.assert_allclose(found[..., 3], alpha.clip(0, 255), atol=0.51)
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


# ---- alpha through combined kernels and layers ---------------------------------------------------


def save_kernel(path: Path, matrix: Any, **settings: Any) -> None:
    path.write_text(json.dumps({"kernel": np.asarray(matrix).tolist(), **settings}))


def test_the_mean_of_several_biases_is_not_covered_by_alpha(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), (100, 110, 120, 128), np.uint8)
    save_kernel(tmp_path / "a.json", [[1]], bias=10)
    save_kernel(tmp_path / "b.json", [[1]], bias=40)
    options = ("-k", "a.json", "-k", "b.json", "--combine", "mean")
    found = applied(tmp_path, pixels, *options)
    np.testing.assert_array_equal(found, np.full((4, 4, 4), (125, 135, 145, 128)))


@pytest.mark.parametrize("combination", ["max", "mean", "sum"])
def test_combined_kernels_are_divided_by_their_alpha_together(
    tmp_path: Path, combination: str
) -> None:
    pixels = stickers()
    options = ("-k", "1 0 0", "-k", "0 0 1", "--combine", combination)
    found = applied(tmp_path, pixels, *options)
    weighted = pixels.astype(float)
    weighted[..., :3] *= weighted[..., 3:] / 255
    columns = np.arange(50)
    left, right = weighted[:, (columns - 1).clip(0)], weighted[:, (columns + 1).clip(0, 49)]
    joint = np.maximum(left, right) if combination == "max" else (left + right) / 2
    alpha = joint[..., 3]
    np.testing.assert_allclose(found[..., 3], alpha, atol=0.5)
    gain = 2 if combination == "sum" else 1
    with np.errstate(invalid="ignore"):
        expected = gain * joint[..., :3] / (alpha / 255)[..., np.newaxis]
    seen = alpha > 1
    np.testing.assert_allclose(found[..., :3][seen], expected[seen].clip(0, 255), atol=0.51)


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 3, 3, 3), (3, 3, 5, 3)])
def test_kernels_that_mix_channels_keep_alpha_as_it_is(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    np.save(tmp_path / "mix.npy", np.random.default_rng(1).random(shape) / 27)
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", "mix.npy")
    np.testing.assert_array_equal(found[..., -1], pixels[..., 3])


def test_an_edge_kernel_keeps_the_alpha_at_its_origin(tmp_path: Path) -> None:
    save_kernel(tmp_path / "edge.json", [[1, 2, -3, 1], [-1, 4, -3, -1]], origin=[0, 3])
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", "edge.json")
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])


@pytest.mark.parametrize("layer", ["relu", "abs"])
def test_a_function_of_each_value_keeps_alpha_as_it_is(tmp_path: Path, layer: str) -> None:
    pixels = stickers()
    found = applied(tmp_path, pixels, "-k", "identity", "-l", layer)
    np.testing.assert_array_equal(found[..., 3], pixels[..., 3])
    seen = pixels[..., 3] > 0
    np.testing.assert_array_equal(found[..., :3][seen], pixels[..., :3][seen])


# ---- resampling ----------------------------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.parametrize(
    ("size", "wanted"),
    [((13, 17), (7, 29)), ((5, 6), (11, 3)), ((40, 50), (40, 17)), ((1, 1), (3, 2))],
)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.uint8, 1e-4), (np.float32, 1e-4), (np.float64, 1e-12)]
)
def test_a_grid_is_resampled_with_the_digits_of_its_type(
    size: tuple[int, int], wanted: tuple[int, int], dtype: type, tolerance: float
) -> None:
    torch = require_peer("torch")
    values: Array = (np.random.default_rng(2).random((*size, 2)) * 255).astype(dtype)
    planes = torch.from_numpy(values.astype(float)).permute(2, 0, 1)[np.newaxis]
    (exact,) = torch.nn.functional.interpolate(
        planes, size=wanted, mode="bicubic", antialias=True
    ).numpy()
    expected = np.moveaxis(exact, 0, 2).clip(values.min(), values.max())
    assert np.abs(resize(values, wanted) - expected).max() <= tolerance


def test_resampling_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random((31, 47, 1))
    whole = resize(values, (17, 60))
    monkeypatch.setattr(color, "CHUNK_VALUES", 200)
    np.testing.assert_array_equal(resize(values, (17, 60)), whole)
