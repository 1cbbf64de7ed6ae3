"""How pictures look, as users choose it: theme, scale, and what is left out behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from support.command import SAMPLES, here
from support.looking import drawing

from convcli.pictures.theme import DARK, LIGHT, THEMES

GRID = SAMPLES / "grid5.csv"
STACK = ("--input", "1x8x8", "conv:3,p=1", "maxpool:2")
# What draws a picture at a path, and how its scale is called.
DRAWING = {
    "apply": (("apply", GRID, "-k", "sobel-x", "--figure"), "--figure-scale"),
    "shape": (("shape", *STACK, "--figure"), "--scale"),
}
commands = pytest.mark.parametrize("name", DRAWING)


def draw(folder: Path, name: str, path: str, *options: str) -> Path:
    done = here(*DRAWING[name][0], path, *options, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    return folder / path


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
    return picture


@commands
def test_a_scale_enlarges_everything_alike(tmp_path: Path, name: str) -> None:
    plain = opened(draw(tmp_path, name, "plain.png"))
    large = opened(draw(tmp_path, name, "large.png", DRAWING[name][1], "2"))
    assert large.size == (2 * plain.width, 2 * plain.height)
    # Reduced to a quarter, smoothing and half pixels of lines count little.
    before, after = np.asarray(plain.reduce(4), float), np.asarray(large.reduce(8), float)
    assert np.abs(after - before).mean() < 4


@commands
def test_a_scale_of_svg_is_its_size_alone(tmp_path: Path, name: str) -> None:
    before, after = (
        ET.fromstring(draw(tmp_path, name, f"{scale}.svg", DRAWING[name][1], scale).read_bytes())
        for scale in ("1", "3")
    )
    assert int(after.get("width", "")) == 3 * int(before.get("width", ""))
    assert int(after.get("height", "")) == 3 * int(before.get("height", ""))
    assert before.get("viewBox") == after.get("viewBox")


@commands
@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_is_the_page_s_color(tmp_path: Path, name: str, theme: str) -> None:
    raster = opened(draw(tmp_path, name, "out.png", "--theme", theme))
    vector = drawing(draw(tmp_path, name, "out.svg", "--theme", theme).read_bytes())
    assert raster.getpixel((0, 0)) == vector.boxes[0].fill == THEMES[theme].page
    assert {"light": LIGHT, "dark": DARK} == THEMES


@commands
def test_a_transparent_picture_has_no_page(tmp_path: Path, name: str) -> None:
    raster = opened(draw(tmp_path, name, "out.png", "--transparent"))
    assert raster.mode == "RGBA"
    alpha = np.asarray(raster)[:, :, 3]
    assert alpha[0].max() == 0
    assert alpha.max() == 255
    vector = drawing(draw(tmp_path, name, "out.svg", "--transparent").read_bytes())
    assert all(box.width < vector.width / 2 for box in vector.boxes)


@pytest.mark.parametrize("options", [("--theme", "dark"), ("--transparent",)])
@pytest.mark.parametrize(
    "command", [("apply", GRID, "-k", "blur", "-o", "o.png"), ("shape", *STACK)], ids=str
)
def test_looks_without_a_picture_are_refused(
    tmp_path: Path, command: Any, options: tuple[str, ...]
) -> None:
    done = here(*command, *options, cwd=tmp_path)
    assert done.code == 2
    assert f"{options[0]} goes with --figure" in done.stderr
    assert not list(tmp_path.iterdir())


@commands
@pytest.mark.parametrize("scale", ["0", "-1", "0.4", "10.5", "1e9", "nan", "inf", "x"])
def test_a_scale_out_of_bounds_is_refused(tmp_path: Path, name: str, scale: str) -> None:
    done = here(*DRAWING[name][0], "out.png", DRAWING[name][1], scale, cwd=tmp_path)
    assert done.code == 2
    assert DRAWING[name][1] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_an_animation_leaves_its_page_out_and_clears_each_frame(
    tmp_path: Path, suffix: str
) -> None:
    for options in (("-o", f"out{suffix}"), ("--frames", "alone")):
        done = here("animate", GRID, "-k", "sobel-x", "--transparent", *options, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
    with Image.open(tmp_path / f"out{suffix}") as moving:
        for number in range(moving.n_frames):  # type: ignore[attr-defined]
            moving.seek(number)
            frame = np.asarray(moving.convert("RGBA"))
            assert frame[0, :, 3].max() == 0
            assert set(np.unique(frame[:, :, 3]).tolist()) == {0, 255}
            # No letter of the sum before is left under that of this frame.
            drawn = opened(tmp_path / "alone" / f"frame-{number + 1:03}.png").convert("RGBA")
            differ = (np.asarray(drawn)[:, :, 3] >= 128) != (frame[:, :, 3] >= 128)
            assert differ.mean() < 0.001
