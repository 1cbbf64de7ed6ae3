"""The figures of `apply --figure`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.command import SAMPLES, convcli, here
from support.figures import CAT, EDGE, GRID, refused
from support.looking import Drawing, drawing, read_number

from convcli.engine.filter2d import filter2d
from convcli.kernels import load_kernel
from convcli.pictures.theme import LIGHT

KERNELS = SAMPLES / "kernels"


def figure(folder: Path, *arguments: str | Path) -> Drawing:
    done = here("apply", *arguments, "--figure", "f.svg", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return drawing((folder / "f.svg").read_bytes())


def titles(seen: Drawing) -> list[list[str]]:
    """The titles of each row of panels, from the left; a panel may stand a little higher."""
    words = sorted((word for word in seen.words if word.size == 15), key=lambda word: word.x)
    starts = sorted({word.y for word in words if word.x == words[0].x})
    rows: list[list[str]] = [[] for _ in starts]
    for word in words:
        rows[min(range(len(starts)), key=lambda row: abs(starts[row] - word.y))].append(word.text)
    return rows


def test_input_kernel_and_map_stand_side_by_side_with_their_numbers(tmp_path: Path) -> None:
    seen = figure(tmp_path, EDGE, "-k", "vertical-edge", "-p", "valid")
    assert titles(seen) == [["edge.csv", "vertical-edge", "feature map"]]
    for words in ("8×7", "black 0, white 10", "3×3", "−1 to 1, 0 neutral", "6×5",
                  "black 0, white 30"):  # fmt: skip
        assert words in seen.texts
    x = np.loadtxt(EDGE, delimiter=",")
    y = filter2d(x, load_kernel("vertical-edge"), padding="valid")
    panels = cells_of_panels(seen)
    assert_allclose(panels[0], x)
    assert_allclose(panels[1], [[1, 0, -1]] * 3)
    assert_allclose(panels[2], y)


def cells_of_panels(seen: Drawing) -> list[NDArray[Any]]:
    """The numbers in cells, panel by panel: cells of one panel touch each other."""
    boxes = [box for box in seen.boxes[1:] if box.fill]
    found: list[list[Any]] = []
    for box in sorted(boxes, key=lambda box: (box.left, box.top)):
        if found and box.left <= found[-1][-1].left + found[-1][-1].width + 1:
            found[-1].append(box)
        else:
            found.append([box])
    panels = []
    for panel in found:
        rows: dict[float, list[float]] = {}
        for box in sorted(panel, key=lambda box: (box.top, box.left)):
            (text,) = [word.text for word in seen.words if box.holds(word.x, word.y)]
            rows.setdefault(box.top, []).append(read_number(text))
        panels.append(np.array(list(rows.values())))
    return panels


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("sobel-x", ()),
        ("sharpen", ("-p", "full", "--padding-mode", "zero", "-s", "2")),
        ("1 2; 3 4", ("--flip", "--bias", "-3", "-d", "2")),
    ],
)
def test_the_numbers_of_a_figure_are_the_engine_s(
    tmp_path: Path, kernel: str, options: tuple[str, ...]
) -> None:
    seen = figure(tmp_path, GRID, "-k", kernel, *options)
    printed = np.array(here("apply", GRID, "-k", kernel, *options, "--print", cwd=tmp_path).rows)
    panels = cells_of_panels(seen)
    assert_allclose(panels[0], np.loadtxt(GRID, delimiter=","))
    assert_allclose(panels[1], load_kernel(kernel).matrix)
    assert_allclose(panels[2], printed, rtol=6e-3)


def test_several_kernels_make_a_row_each(tmp_path: Path) -> None:
    kernels = ["sobel-x", "gaussian:2", "1 0; 0 -1"]
    seen = figure(tmp_path, CAT, *(word for kernel in kernels for word in ("-k", kernel)))
    rows = titles(seen)
    assert [row[0] for row in rows] == ["cat.jpg"] * 3
    assert [row[1] for row in rows][:2] == kernels[:2]
    assert [row[2] for row in rows] == ["feature map"] * 3


def test_a_stack_makes_a_column_a_layer(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sobel-x", "--activation", "relu", "--pool", "max:2",
                  "-l", "conv:kernel=blur,s=2", "--gray")  # fmt: skip
    (row,) = titles(seen)
    assert row[:5] == ["cat.jpg", "sobel-x", "feature map", "relu", "maxpool:2"]
    assert row[5].startswith("conv:kernel=blur,s=2")
    assert row[6] == "feature map"
    captions = [word for word in seen.texts if re.fullmatch(r"\d+×\d+", word)]
    assert captions == ["300×450", "3×3", "300×450", "300×450", "150×225", "3×3", "75×113"]


def test_kernels_that_are_combined_show_what_becomes_of_them(tmp_path: Path) -> None:
    seen = figure(tmp_path, GRID, "-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude")
    assert titles(seen) == [
        ["grid5.csv", "sobel-x", "feature map"],
        ["grid5.csv", "sobel-y", "feature map"],
        ["grid5.csv", "magnitude"],
    ]


def test_large_pictures_are_scaled_and_tell_their_own_size(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sharpen", "-p", "valid")
    assert [(round(one.width), round(one.height)) for one in seen.pictures] == [
        (240, 160), (240, 160)
    ]  # fmt: skip
    assert {"300×450×3", "298×448×3"} <= set(seen.texts)
    assert "black 0, white 255" in seen.texts


def test_a_map_beyond_the_input_s_range_has_a_scale_of_its_own(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sobel-x", "--gray")
    here("apply", CAT, "-k", "sobel-x", "--gray", "-o", "m.npy", cwd=tmp_path)
    values = np.load(tmp_path / "m.npy")
    scale = next(text for text in seen.texts if text.startswith("black −"))
    low, high = (read_number(part.split()[1]) for part in scale.split(", "))
    assert_allclose([low, high], [values.min(), values.max()], rtol=1e-4)


def test_sixteen_bits_have_their_own_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 4000, np.uint16)).save(tmp_path / "deep.png")
    seen = figure(tmp_path, tmp_path / "deep.png", "-k", "blur")
    assert seen.texts.count("black 0, white 65535") == 2


def test_a_layer_s_file_shows_its_planes_and_its_maps(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", KERNELS / "bank.npy")
    assert "4×3×3×3" in seen.texts
    assert "300×450×4" in seen.texts
    assert len(seen.pictures) == 1 + 12 + 4


def test_a_figure_is_drawn_beside_the_other_outputs(tmp_path: Path) -> None:
    done = convcli(
        "apply", GRID, "-k", "ones:3", "--figure", "f.png", "-o", "out.npy", cwd=tmp_path
    )
    assert (done.code, done.stdout) == (0, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.png", "out.npy"]
    with Image.open(tmp_path / "f.png") as picture:
        assert picture.format == "PNG"
        assert picture.getpixel((0, 0)) == LIGHT.page
    done = here("apply", GRID, "-k", "ones:3", "--figure", "g.png", "--print", cwd=tmp_path)
    assert np.shape(done.rows) == (5, 5)


def test_many_inputs_have_a_figure_each(tmp_path: Path) -> None:
    done = here("apply", GRID, EDGE, "-k", "blur", "--figure", "{stem}.svg", cwd=tmp_path)
    assert done.code == 0, done.stderr
    for path in (GRID, EDGE):
        seen = drawing((tmp_path / f"{path.stem}.svg").read_bytes())
        assert path.name in seen.texts


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--figure", "f.jpg"), ".png or .svg"),
        (("--figure", "f"), ".png or .svg"),
        (("--figure", "f.png", "-o", "f.png"), "same file"),
        (("--figure", "f.png", "second.csv"), "{stem}"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    assert word in refused(tmp_path, "apply", "missing.csv", "-k", "blur", *options)


def test_a_figure_replaces_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "f.png").write_bytes(b"mine")
    said = refused(tmp_path, "apply", GRID, "-k", "blur", "--figure", "f.png", code=1)
    assert "exists already" in said
    Image.new("L", (4, 4)).save(tmp_path / "in.png")
    options = ("-k", "blur", "--figure", "in.png", "-f")
    said = refused(tmp_path, "apply", "in.png", *options, code=1)
    assert "input" in said
    assert (tmp_path / "f.png").read_bytes() == b"mine"


def test_names_of_any_letters_come_out_well_formed(tmp_path: Path) -> None:
    for name in ("a<b>&c.csv", "new\nline.csv", "esc\x1b.csv", os.fsdecode(b"bad\xff.csv")):
        (tmp_path / name).write_bytes(GRID.read_bytes())
        seen = figure(tmp_path, tmp_path / name, "-k", "blur")
        assert len(titles(seen)[0]) == 3
