"""Pictures look as they did when somebody last looked at them, but for fonts and smoothing.

They are compared at a quarter of their size, which is how `golden/` keeps them. After a change
that is meant to be seen, `PYTHONPATH=tests python tests/pictures/test_golden.py FOLDER` draws them
all at full size to be looked at, and puts the quarters into `golden/`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import SAMPLES, here

GOLDEN = Path(__file__).parent / "golden"
GRID, LETTER = SAMPLES / "grid5.csv", SAMPLES / "letter_a.csv"
Draw = Callable[[Path, Path], object]


def figure(*arguments: str | Path) -> Draw:
    return lambda folder, path: here("apply", *arguments, "--figure", path, cwd=folder)


def frame(number: int, *arguments: str | Path) -> Draw:
    def draw(folder: Path, path: Path) -> None:
        done = here("animate", *arguments, "--frames", "frames", cwd=folder)
        assert done.code == 0, done.stderr
        (folder / "frames" / f"frame-{number:03}.png").rename(path)

    return draw


PICTURES: dict[str, Draw] = {
    "figure": figure(LETTER, "-k", "sobel-x", "-k", "blur", "--activation", "relu"),
    "photograph": figure(SAMPLES / "cat.jpg", "-k", "sharpen", "-p", "valid"),
    "layer": figure(SAMPLES / "cat.jpg", "-k", SAMPLES / "kernels" / "bank.npy"),
    "padded": frame(5, GRID, "-k", "sobel-x", "-p", "1", "-s", "2", "--padding-mode", "zero"),
    "dark": frame(8, "--h", "7", "--k", "3", "--d", "2", "--p", "1", "--theme", "dark"),
    "transposed": frame(12, "--h", "3", "--k", "3", "--s", "2", "--p", "1", "--transposed"),
    "receptive-field": lambda folder, path: here(
        "shape", "--input", "1x16x16", "conv:3,p=1", "maxpool:2", "conv:5,p=2", "--figure", path,
        cwd=folder,
    ),
}  # fmt: skip


def quarter(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        size = (max(picture.width // 4, 1), max(picture.height // 4, 1))
        return picture.convert("RGB").resize(size, Image.Resampling.BOX)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_looks_as_it_did(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.png"
    PICTURES[name](tmp_path, path)
    now = quarter(path)
    with Image.open(GOLDEN / f"{name}.png") as then:
        sizes = np.subtract(now.size, then.size)
        assert np.abs(sizes).max() <= 8, f"its size is another: {sizes}"
        common = (0, 0, *np.minimum(now.size, then.size).tolist())
        away = np.subtract(
            np.asarray(now.crop(common), float), np.asarray(then.crop(common), float)
        )
    assert np.abs(away).mean() < 4


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    for name, draw in PICTURES.items():
        (folder / name).mkdir(parents=True)
        draw(folder / name, folder / f"{name}.png")
        quarter(folder / f"{name}.png").save(GOLDEN / f"{name}.png", optimize=True)
