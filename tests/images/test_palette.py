"""Palettes: what a GIF can hold comes out as it is, and every reader sees the same frames."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import here

from convcli.images.animations import GifWriter
from convcli.images.palette import to_palette

Array = NDArray[Any]


def draw_colors(count: int, *, channels: int, has_holes: bool) -> Array:
    """Return a picture with a number of visible colors, (32, 32, C), and others that are hidden."""
    rng = np.random.default_rng(count)
    # An odd factor takes different numbers to different ones, of 8 bits and of 24.
    numbers = (np.arange(1024) % count * 0x9E3779B1).reshape(32, 32) & 0xFFFFFF
    colors = [numbers & 255, numbers >> 8 & 255, numbers >> 16 & 255][: 1 if channels < 3 else 3]
    pixels = np.stack(colors, axis=2)
    if channels in (1, 3):
        return pixels.astype(np.uint8)
    alpha = np.full((32, 32, 1), 255)
    if has_holes:
        alpha[:, 30:] = 0
        pixels[:, 30:] = rng.integers(0, 256, pixels[:, 30:].shape)
    return np.concatenate([pixels, alpha], axis=2).astype(np.uint8)


def as_seen(image: Image.Image) -> Array:
    """Return RGBA; what is invisible is 0."""
    rgba = np.asarray(image.convert("RGBA")).copy()
    rgba[rgba[..., 3] == 0] = 0
    return rgba


def expect(pixels: Array) -> Array:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    return as_seen(Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes()))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 16, 127, 128, 255])
@pytest.mark.parametrize("has_holes", [False, True])
def test_as_many_colors_as_a_gif_holds_are_kept(channels: int, count: int, has_holes: bool) -> None:
    pixels = draw_colors(count, channels=channels, has_holes=has_holes)
    buffer = io.BytesIO()
    to_palette(pixels).save(buffer, "GIF")
    np.testing.assert_array_equal(as_seen(Image.open(buffer)), expect(pixels))


def test_of_more_colors_the_best_are_chosen() -> None:
    ramp = np.arange(1024).reshape(32, 32)
    pixels = np.stack([ramp // 4, 255 - ramp // 4, ramp // 8, np.full_like(ramp, 255)], axis=2)
    pixels[0, :, 3] = 0
    found = as_seen(to_palette(pixels.astype(np.uint8))).astype(int)
    assert len(np.unique(found.reshape(-1, 4), axis=0)) > 200
    np.testing.assert_allclose(found[1:], pixels[1:], atol=4)


def test_nothing_visible_stays_invisible() -> None:
    assert not as_seen(to_palette(np.zeros((2, 3, 4), np.uint8))).any()


def test_a_picture_of_255_colors_and_transparency_goes_through(tmp_path: Path) -> None:
    pixels = draw_colors(255, channels=4, has_holes=True)
    to_palette(pixels).save(tmp_path / "in.gif")
    done = here("apply", "in.gif", "-k", "identity", "-o", "out.gif", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(tmp_path / "out.gif") as image:
        np.testing.assert_array_equal(as_seen(image), expect(pixels))


@pytest.mark.parametrize("is_cut", [False, True])
def test_an_opaque_frame_leaves_nothing_behind_a_transparent_one(is_cut: bool) -> None:
    """Readers clear a frame to transparency only if it names a transparent color of its own."""
    frames = [draw_colors(5, channels=4, has_holes=has_holes) for has_holes in (True, False, True)]
    frames[1] = frames[1][:, :, :3] if is_cut else frames[1]
    frames[2][:, 8:, 3] = 0
    buffer = io.BytesIO()
    writer = GifWriter(buffer, 0)
    for frame in frames:
        writer.add(frame, 100)
    writer.close()
    with Image.open(buffer) as image:
        for number, frame in enumerate(frames):
            image.seek(number)
            np.testing.assert_array_equal(as_seen(image), expect(frame))
