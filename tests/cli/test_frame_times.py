"""How long frames are shown, and how often an animation plays, from one format to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.command import here
from support.golden_inputs import INPUTS
from support.times import read_animation

TIMES_MS = [40, 80, 120]


@pytest.mark.parametrize("plays", [0, 1, 2, 5])
@pytest.mark.parametrize("target", ["png", "gif", "webp"])
@pytest.mark.parametrize("source", ["png", "gif", "webp"])
def test_times_and_plays_are_the_inputs(
    tmp_path: Path, source: str, target: str, plays: int
) -> None:
    rng = np.random.default_rng(5)
    first, *others = (Image.fromarray(rng.integers(0, 2, (6, 7), np.uint8) * 255) for _ in range(3))
    options: dict[str, Any] = {"loop": plays}
    if source == "gif":  # Pillow writes the number of repetitions, and none for one play
        options = {} if plays == 1 else {"loop": max(plays - 1, 0)}
    elif source == "webp":
        options["lossless"] = True
    path = tmp_path / f"in.{source}"
    first.save(path, save_all=True, append_images=others, duration=TIMES_MS, **options)
    given = read_animation(path.read_bytes())
    assert (given.plays, given.times_ms) == (plays, TIMES_MS)
    typed = ("apply", path.name, "-k", "identity", "-o", f"out.{target}", "-q")
    done = here(*typed, cwd=tmp_path)
    assert done.code == 0, done.stderr
    made = read_animation((tmp_path / f"out.{target}").read_bytes())
    assert (made.plays, made.times_ms) == (plays, TIMES_MS)


def test_the_recorded_input_is_what_its_bytes_say(tmp_path: Path) -> None:
    """The snapshot of `moving.png` to WebP was recorded by reading it with Pillow."""
    content = INPUTS["moving.png"]()
    assert read_animation(content)[:2] == (2, TIMES_MS)
    (tmp_path / "moving.png").write_bytes(content)
    assert here("apply", "moving.png", "-k", "blur", "-o", "out.webp", cwd=tmp_path).code == 0
    assert read_animation((tmp_path / "out.webp").read_bytes())[:2] == (2, TIMES_MS)


def test_an_apng_holds_what_differs_from_the_frame_before(tmp_path: Path) -> None:
    frames = [np.zeros((9, 11, 3), np.uint8) for _ in range(4)]
    frames[1][2, 5], frames[2][2, 5], frames[2][3:7, 1] = 1, 1, 200
    frames[3][:] = frames[2]
    frames[3][8, 10] = 90
    first, *others = map(Image.fromarray, frames)
    first.save(tmp_path / "in.tif", save_all=True, append_images=others)
    assert here("apply", "in.tif", "-k", "identity", "-o", "out.png", cwd=tmp_path).code == 0
    made = read_animation((tmp_path / "out.png").read_bytes())
    assert made.boxes == [(0, 0, 11, 9), (5, 2, 1, 1), (1, 3, 1, 4), (10, 8, 1, 1)]
