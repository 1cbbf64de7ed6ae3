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
from support.looking import Drawing, drawing, embedded_pictures, read_number

from convcli.engine.filter2d import filter2d
from convcli.kernels import load_kernel
from convcli.pictures.layout import SIGN
from convcli.pictures.theme import LIGHT, TITLE

KERNELS = SAMPLES / "kernels"


def figure(folder: Path, *arguments: str | Path) -> Drawing:
    done = here("apply", *arguments, "--figure", "f.svg", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return drawing((folder / "f.svg").read_bytes())


def titles(seen: Drawing) -> list[str]:
    """The titles of the panels in the order of reading: line by line."""
    return [word.text for word in seen.words if word.size == TITLE]


def signs(seen: Drawing) -> str:
    """The signs between the panels."""
    return "".join(word.text for word in seen.words if word.size == SIGN)


def test_input_kernel_and_map_stand_side_by_side_with_their_numbers(tmp_path: Path) -> None:
    seen = figure(tmp_path, EDGE, "-k", "vertical-edge", "-p", "valid")
    assert titles(seen) == ["edge.csv", "vertical-edge", "feature map"]
    assert signs(seen) == "∗="
    for words in ("8×7", "0", "30", "3×3", "−1", "1", "6×5", "stride 1", "padding 0"):
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
    ("kernel", "options", "padding", "said"),
    [
        ("sobel-x", (), (1, "edge"), ["correlation: not turned", "stride 1"]),
        (
            "sharpen",
            ("-p", "full", "--padding-mode", "zero", "-s", "2x1"),
            (2, "constant"),
            ["stride 2×1", "padding 2, zero"],
        ),
        (
            "1 2; 3 4",
            ("--flip", "--bias", "-3.5", "-d", "2"),
            (1, "edge"),
            ["convolution: turned by 180°", "stride 1, dilation 2", "padding 1, replicate",
             "bias −3.5"],
        ),
    ],
)  # fmt: skip
def test_the_numbers_of_a_figure_are_the_engine_s(
    tmp_path: Path,
    kernel: str,
    options: tuple[str, ...],
    padding: tuple[int, Any],
    said: list[str],
) -> None:
    seen = figure(tmp_path, GRID, "-k", kernel, *options)
    printed = np.array(here("apply", GRID, "-k", kernel, *options, "--print", cwd=tmp_path).rows)
    panels = cells_of_panels(seen)
    assert_allclose(panels[0], np.pad(np.loadtxt(GRID, delimiter=","), padding[0], padding[1]))
    matrix = load_kernel(kernel).matrix
    assert_allclose(panels[1], matrix[::-1, ::-1] if "--flip" in options else matrix)
    assert set(said) <= set(seen.texts)
    assert_allclose(panels[2], printed, rtol=6e-3)


def test_several_kernels_stand_beside_one_input_with_a_map_each(tmp_path: Path) -> None:
    kernels = ["sobel-x", "gaussian:2", "1 0; 0 -1"]
    seen = figure(tmp_path, CAT, *(word for kernel in kernels for word in ("-k", kernel)))
    assert titles(seen).count("cat.jpg") == 1
    assert titles(seen).count("feature map") == 3
    assert {"sobel-x", "gaussian:2"} <= set(titles(seen))
    assert signs(seen) == "∗=" * 3


@pytest.mark.parametrize("count", [2, 7, 16])
def test_many_kernels_fill_a_page(tmp_path: Path, count: int) -> None:
    kernels = [word for number in range(count) for word in ("-k", f"box:{2 * number + 3}")]
    seen = figure(tmp_path, CAT, "--resize", "30x", *kernels)
    assert titles(seen).count("feature map") == count
    assert 1 < seen.width / seen.height < 3


def test_a_long_stack_is_folded_into_a_page(tmp_path: Path) -> None:
    layers = [word for _ in range(9) for word in ("-l", "maxpool:3,s=1,p=1")]
    seen = figure(tmp_path, CAT, *layers)
    assert titles(seen) == ["cat.jpg", *["maxpool:3,s=1,p=1"] * 9]
    assert 1 < seen.width / seen.height < 3


def test_a_stack_that_ends_in_a_large_grid_is_folded_too(tmp_path: Path) -> None:
    layers = [word for _ in range(4) for word in ("-l", "maxpool:2", "-l", "relu")]
    seen = figure(tmp_path, CAT, "-k", "sobel-x", "--gray", *layers)
    assert titles(seen).count("relu") == 4
    assert 1 < seen.width / seen.height < 3


def test_a_stack_shows_every_layer(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sobel-x", "--activation", "relu", "--pool", "max:2",
                  "-l", "conv:kernel=blur,s=2", "--gray")  # fmt: skip
    found = titles(seen)
    assert found[:5] == ["cat.jpg", "sobel-x", "feature map", "relu", "maxpool:2"]
    assert found[5].startswith("conv:kernel=blur,s=2")
    assert found[6:] == ["feature map"]
    assert signs(seen) == "∗=→→∗="
    assert {"window 2×2", "stride 2"} <= set(seen.texts)
    captions = [word for word in seen.texts if re.fullmatch(r"\d+×\d+", word)]
    assert captions == ["300×450", "3×3", "300×450", "300×450", "150×225", "3×3", "75×113"]


@pytest.mark.parametrize(
    ("how", "count", "formula"),
    [
        ("magnitude", 2, "sqrt(Y1^2 + Y2^2)"),
        ("magnitude", 3, "sqrt(Y1^2 + … + Y3^2)"),
        ("direction", 2, "angle of (Y1, −Y2), in degrees"),
        ("sum", 2, "Y1 + Y2"),
        ("mean", 4, "(Y1 + … + Y4) / 4"),
        ("max", 2, "max(Y1, Y2)"),
        ("max", 3, "max(Y1, …, Y3)"),
    ],
)
def test_kernels_that_are_combined_end_in_one_map_with_its_formula(
    tmp_path: Path, how: str, count: int, formula: str
) -> None:
    kernels = ["sobel-x", "sobel-y", "blur", "emboss"][:count]
    arguments = [word for kernel in kernels for word in ("-k", kernel)]
    seen = figure(tmp_path, GRID, *arguments, "--combine", how, "--activation", "relu")
    terms = [title for number, kernel in enumerate(kernels, 1) for title in (kernel, f"Y{number}")]
    assert titles(seen) == ["grid5.csv", *terms, how, "relu"]
    assert signs(seen) == "∗=" * count + "→→"
    assert formula in seen.texts


def test_large_pictures_are_scaled_and_tell_their_own_size(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sharpen", "-p", "valid")
    assert [(round(one.width), round(one.height)) for one in seen.maps] == [
        (240, 160), (240, 160)
    ]  # fmt: skip
    assert {"300×450×3", "298×448×3"} <= set(seen.texts)
    assert seen.texts.count("255") == 2


WRITTEN = [
    ("color", ("-k", "sharpen"), None),
    ("color", ("-k", "emboss", "--range", "offset"), (-128, 127)),
    ("gray", ("-k", "sharpen"), (0, 255)),
    ("gray", ("-k", "sobel-x"), (0, 255)),
    ("gray", ("-k", "sobel-x", "--range", "abs"), (0, 255)),
    ("gray", ("-k", "sobel-x", "--range", "offset", "--theme", "dark"), (-128, 127)),
    ("gray", ("-k", "sobel-x", "--range", "rescale"), None),
    ("gray", ("-k", "sobel-x", "-k", "sobel-y", "--combine", "direction"), ("0°", "360°")),
    ("gray", ("-k", "sharpen", "--activation", "sigmoid"), None),
    ("gray", ("-k", "sharpen", "--linear"), (0, 255)),
    ("gray", ("-k", "sharpen", "--region", "20x10+5+5"), (0, 255)),
    ("grid", ("-k", "sobel-x", "--range", "rescale"), None),
    ("grid", ("-k", "sobel-x", "--range", "clamp"), (0, 255)),
    ("grid", ("-k", "sobel-x", "--range", "offset"), (-128, 127)),
]


@pytest.mark.parametrize(("kind", "options", "ends"), WRITTEN)
def test_a_map_is_drawn_as_it_is_written(
    tmp_path: Path, kind: str, options: tuple[str, ...], ends: tuple[int | str, ...] | None
) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (36, 48, 3), np.uint8)
    if kind == "grid":
        np.save(tmp_path / "in.npy", rng.normal(0, 300, (36, 48)))
    else:
        Image.fromarray(pixels if kind == "color" else pixels[:, :, 0]).save(tmp_path / "in.png")
    source = "in.npy" if kind == "grid" else "in.png"
    seen = figure(tmp_path, source, *options, "-o", "out.png")
    with Image.open(tmp_path / "out.png") as written:
        expected = np.asarray(written)
    shown = embedded_pictures((tmp_path / "f.svg").read_bytes())[-1]
    assert_allclose(shown, expected)
    if ends is not None:
        assert {str(end).replace("-", "−") for end in ends} <= set(seen.texts)


@pytest.mark.parametrize("output", ["out.npy", "out.csv"])
def test_a_map_that_is_written_as_numbers_is_not_clipped(tmp_path: Path, output: str) -> None:
    options = ("-k", "sobel-x", "--gray", "-o", output)
    seen = figure(tmp_path, CAT, *options)
    assert not [text for text in seen.texts if "clipped" in text]
    shown = embedded_pictures((tmp_path / "f.svg").read_bytes())[-1]
    if output == "out.npy":
        values = np.load(tmp_path / output).reshape(300, 450)
        assert (shown[values > 20, 0] > shown[values > 20, 2]).all()
        assert (shown[values < -20, 0] < shown[values < -20, 2]).all()
    seen = figure(tmp_path, CAT, *options, "--range", "abs")
    assert "absolute values" in seen.texts


def test_a_transparent_picture_stands_on_the_page(tmp_path: Path) -> None:
    pixels = np.zeros((20, 40, 4), np.uint8)
    pixels[:, 20:] = (200, 100, 50, 255)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    figure(tmp_path, "in.png", "-k", "identity")
    for shown in embedded_pictures((tmp_path / "f.svg").read_bytes()):
        if shown.shape[:2] == (20, 40):
            assert (shown[:, :20] == LIGHT.page).all()
            assert (shown[:, 20:] == (200, 100, 50)).all()


def test_a_signed_map_of_colors_is_drawn_channel_by_channel(tmp_path: Path) -> None:
    pixels = np.full((40, 50, 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    figure(tmp_path, "in.png", "-k", "sobel-x", "-p", "valid", "-l", "relu", "-l", "relu")
    source, *others = embedded_pictures((tmp_path / "f.svg").read_bytes())
    assert (source == pixels).all()
    assert all((shown == 0).all() for shown in others)  # zero throughout, it is black
    figure(tmp_path, "in.png", "-k", "sobel-x", "--padding-mode", "zero", "-l", "relu")
    source, *channels, _ = embedded_pictures((tmp_path / "f.svg").read_bytes())
    assert len(channels) == 3
    for shown in channels:
        assert (shown[1:-1, 1:-1] == LIGHT.zero).all()
        assert (shown[20, 0] == LIGHT.positive).all() or shown[20, 0, 0] > shown[20, 0, 2]


def test_nan_is_seen_and_said(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("1,2,3\n4,nan,6\n7,8,9\n")
    seen = figure(tmp_path, "in.csv", "-k", "identity", "--nan", "keep", "-p", "valid")
    assert seen.texts.count("1 NaN, in purple") == 2
    assert LIGHT.missing in {box.fill for box in seen.boxes}


def test_sixteen_bits_have_their_own_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 4000, np.uint16)).save(tmp_path / "deep.png")
    seen = figure(tmp_path, tmp_path / "deep.png", "-k", "blur")
    assert seen.texts.count("65535") == 2


def test_a_layer_s_file_shows_its_planes_and_its_maps(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", KERNELS / "bank.npy")
    assert "4×3×3×3" in seen.texts
    assert "300×450×4" in seen.texts
    assert {"R", "G", "B", "out 0", "out 3", "0", "3"} <= set(seen.texts)
    assert len(seen.maps) == 1 + 12 + 4


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
        assert len(titles(seen)) == 3
