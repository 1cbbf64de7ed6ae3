"""The samples are what they say they are, and their scripts make them again."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES

LETTER_A = [
    *[(2, 4), (2, 5), (2, 6), (3, 3), (3, 7), (4, 2), (4, 7), (5, 2), (5, 7), (6, 2), (6, 7)],
    *[(7, 3), (7, 6), (7, 7), (8, 8), (8, 9), (7, 10), (8, 4), (8, 5)],
]


def grid(name: str) -> NDArray[np.float64]:
    return np.loadtxt(SAMPLES / f"{name}.csv", delimiter=",")


def ones_at(places: list[tuple[int, int]], side: int) -> NDArray[np.float64]:
    drawn = np.zeros((side, side))
    for place in places:
        drawn[place] = 1
    return drawn


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    return tmp_path / "samples"


def remade(script: Path) -> None:
    subprocess.run([sys.executable, script], cwd=script.parent.parent, check=True, timeout=300)


def test_letter_a_is_drawn_where_the_textbook_draws_it() -> None:
    np.testing.assert_array_equal(grid("letter_a"), ones_at(LETTER_A, 12))


def test_letter_h_is_two_strokes_and_a_bar() -> None:
    bar = [(7, column) for column in range(3, 12)]
    strokes = [(row, column) for row in range(4, 12) for column in (3, 12)]
    np.testing.assert_array_equal(grid("letter_h"), ones_at(bar + strokes, 16))


def test_edge_is_ten_in_its_first_three_columns() -> None:
    np.testing.assert_array_equal(grid("edge"), [[10, 10, 10, 0, 0, 0, 0]] * 8)


def test_step_is_one_from_column_8_on() -> None:
    np.testing.assert_array_equal(grid("step"), [[0] * 8 + [1] * 8] * 16)


def test_grid5_can_be_checked_by_hand() -> None:
    expected = "1 2 0 1 2; 0 1 3 1 0; 2 1 0 2 1; 1 0 2 1 3; 2 1 1 0 1"
    rows = [[int(word) for word in row.split()] for row in expected.split(";")]
    np.testing.assert_array_equal(grid("grid5"), rows)


def test_the_cat_is_a_picture_of_450_by_300_with_all_kinds_of_brightness() -> None:
    with Image.open(SAMPLES / "cat.jpg") as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (450, 300), "RGB")
        pixels = np.asarray(image)
    assert pixels.min() < 30
    assert pixels.max() > 225


def test_there_is_a_kernel_s_file_of_every_format() -> None:
    suffixes = {path.suffix for path in (SAMPLES / "kernels").iterdir()}
    assert suffixes == {".txt", ".csv", ".json", ".npy", ".mat"}


def test_every_sample_is_described() -> None:
    described = set(re.findall(r"^\| `([^`]+)`", (SAMPLES / "README.md").read_text(), re.MULTILINE))
    files = {
        str(path.relative_to(SAMPLES))
        for path in SAMPLES.rglob("*")
        if path.suffix in {".jpg", ".csv", ".txt", ".json", ".npy", ".mat", ".onnx"}
        or path.name == "noisy.png"
    }
    assert described == files


def test_the_grids_are_made_again_to_the_byte(copy: Path) -> None:
    made = [*copy.glob("*.csv"), copy / "kernels" / "bank.npy"]
    for path in made:
        path.unlink()
    remade(copy / "make_grids.py")
    for path in made:
        assert path.read_bytes() == (SAMPLES / path.relative_to(copy)).read_bytes(), path.name


@pytest.mark.slow
def test_the_cat_is_drawn_again(copy: Path) -> None:
    (copy / "cat.jpg").unlink()
    remade(copy / "draw_cat.py")
    drawn, known = (
        np.asarray(Image.open(folder / "cat.jpg")).astype(float) for folder in (copy, SAMPLES)
    )
    assert np.abs(drawn - known).mean() < 2
