"""Animations and pages: every frame by itself, its timing kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import here

Array = NDArray[Any]

DURATIONS = [100, 200, 300, 100]


def save_animation(folder: Path, name: str) -> list[Array]:
    """A square that moves over nothing, four frames of it."""
    frames = []
    for index in range(4):
        pixels = np.zeros((24, 32, 4), np.uint8)
        pixels[6:18, 2 + 6 * index : 10 + 6 * index] = (255, 0, 85, 255)
        frames.append(pixels)
    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, Any] = {} if name.endswith(".tif") else {"duration": DURATIONS, "loop": 3}
    options |= {"disposal": 2} if name.endswith(".gif") else {}
    options |= {"lossless": True, "kmin": 1, "kmax": 1} if name.endswith(".webp") else {}
    images[0].save(folder / name, save_all=True, append_images=images[1:], **options)
    return frames


def read_frames(path: Path) -> tuple[list[Array], list[Any]]:
    with Image.open(path) as image:
        found, durations = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.asarray(image.convert("RGBA")))
            durations.append(image.info.get("duration"))
    return found, durations


@pytest.mark.parametrize("source", ["in.gif", "in.png", "in.webp", "in.tif"])
@pytest.mark.parametrize("result", ["out.png", "out.webp", "out.tif", "out.gif"])
def test_every_frame_is_filtered_by_itself(tmp_path: Path, source: str, result: str) -> None:
    frames = save_animation(tmp_path, source)
    assert here("apply", source, "-k", "box:3", "-o", result, "-q", cwd=tmp_path).code == 0
    found, durations = read_frames(tmp_path / result)
    assert len(found) == len(frames)
    if ".tif" not in (source + result):
        assert durations == DURATIONS
    for found_frame, frame in zip(found, frames, strict=True):
        alpha = ndimage.uniform_filter(frame[..., 3].astype(float), 3, mode="nearest")
        # A GIF's pixel is either there or not.
        expected = np.where(alpha >= 128, 255, 0) if result == "out.gif" else alpha
        np.testing.assert_allclose(found_frame[..., 3], expected, atol=0.51)
        seen = found_frame[..., 3] == 255
        np.testing.assert_allclose(found_frame[seen][:, :3], [[255, 0, 85]] * seen.sum(), atol=1)


def test_frames_of_different_kinds_keep_how_often_they_play(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.gif")
    assert here("apply", "in.gif", "-k", "identity", "-o", "out.png", cwd=tmp_path).code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["loop"] == 4  # a GIF that repeats three times plays four times


def test_one_frame_can_be_taken(tmp_path: Path) -> None:
    frames = save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "identity", "--frame", "2", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(read_frames(tmp_path / "out.png")[0], [frames[2]])


def test_a_frame_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "blur", "--frame", "4", cwd=tmp_path)
    assert (done.code, done.stderr) == (1, "convcli: in.gif: has no frame 4: they are 0 to 3\n")


@pytest.mark.parametrize("result", ["out.jpg", "out.npy"])
def test_where_one_frame_fits_the_first_is_taken_and_that_is_said(
    tmp_path: Path, result: str
) -> None:
    save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "blur", "-o", result, cwd=tmp_path)
    assert done.code == 0
    assert "holds 4 frames; the first is filtered, and --frame N takes another" in done.stderr


def test_each_kernel_has_an_animation_of_its_own(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.png")
    names = ("-k", "blur", "-k", "sharpen", "-o", "{kernel}.webp", "-q")
    assert here("apply", "in.png", *names, cwd=tmp_path).code == 0
    assert [len(read_frames(tmp_path / f"{name}.webp")[0]) for name in ("blur", "sharpen")] == [
        4,
        4,
    ]
