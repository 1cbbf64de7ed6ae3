"""Figures of `apply` and `shape`, and previews: what they show is what was computed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from PIL import Image
from support.command import COMMAND, SAMPLES, Finished, convcli, here
from support.looking import Drawing, drawing

from convcli.arithmetic.graph import INPUT, backtrace
from convcli.arithmetic.network import walk
from convcli.cli.sight import drawn_maps
from convcli.engine.filter2d import filter2d
from convcli.kernels import load_kernel
from convcli.pictures.theme import LIGHT

CAT, EDGE, GRID = (SAMPLES / name for name in ("cat.jpg", "edge.csv", "grid5.csv"))
KERNELS = SAMPLES / "kernels"


def figure(folder: Path, *arguments: str | Path) -> Drawing:
    done = here("apply", *arguments, "--figure", "f.svg", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return drawing((folder / "f.svg").read_bytes())


def sight(folder: Path, *arguments: str | Path) -> Drawing:
    done = here("shape", *arguments, "--figure", "s.svg", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return drawing((folder / "s.svg").read_bytes())


def refused(folder: Path, *arguments: str | Path, code: int = 2) -> str:
    done: Finished = here(*map(str, arguments), cwd=folder)
    assert (done.code, done.stdout) == (code, b"")
    assert done.stderr.count("\n") == 1
    return done.stderr


def titles(seen: Drawing) -> list[list[str]]:
    """The titles of each row of panels, from the left; a panel may stand a little higher."""
    words = sorted((word for word in seen.words if word.size == 15), key=lambda word: word.x)
    starts = sorted({word.y for word in words if word.x == words[0].x})
    rows: list[list[str]] = [[] for _ in starts]
    for word in words:
        rows[min(range(len(starts)), key=lambda row: abs(starts[row] - word.y))].append(word.text)
    return rows


# ---- apply --figure ----------------------------------------------------------------------------


def test_input_kernel_and_map_stand_side_by_side_with_their_numbers(tmp_path: Path) -> None:
    seen = figure(tmp_path, EDGE, "-k", "vertical-edge", "-p", "valid")
    assert titles(seen) == [["edge.csv", "vertical-edge", "feature map"]]
    for words in ("8x7", "black 0, white 10", "3x3", "-1 to 1, 0 neutral", "6x5",
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
            rows.setdefault(box.top, []).append(float(text))
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
    captions = [word for word in seen.texts if re.fullmatch(r"\d+x\d+", word)]
    assert captions == ["300x450", "3x3", "300x450", "300x450", "150x225", "3x3", "75x113"]


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
    assert {"300x450x3", "298x448x3"} <= set(seen.texts)
    assert "black 0, white 255" in seen.texts


def test_a_map_beyond_the_input_s_range_has_a_scale_of_its_own(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", "sobel-x", "--gray")
    here("apply", CAT, "-k", "sobel-x", "--gray", "-o", "m.npy", cwd=tmp_path)
    values = np.load(tmp_path / "m.npy")
    scale = next(text for text in seen.texts if text.startswith("black -"))
    low, high = (float(part.split()[1]) for part in scale.split(", "))
    assert_allclose([low, high], [values.min(), values.max()], rtol=1e-4)


def test_sixteen_bits_have_their_own_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 4000, np.uint16)).save(tmp_path / "deep.png")
    seen = figure(tmp_path, tmp_path / "deep.png", "-k", "blur")
    assert seen.texts.count("black 0, white 65535") == 2


def test_a_layer_s_file_shows_its_planes_and_its_maps(tmp_path: Path) -> None:
    seen = figure(tmp_path, CAT, "-k", KERNELS / "bank.npy")
    assert "4x3x3x3" in seen.texts
    assert "300x450x4" in seen.texts
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


# ---- shape --figure ----------------------------------------------------------------------------

STACK = ("conv:3,p=1", "maxpool:2", "conv:5,p=4,d=2")


def test_every_map_on_the_way_is_drawn_with_what_is_seen_of_it(tmp_path: Path) -> None:
    seen = sight(tmp_path, "--input", "1x16x16", *STACK)
    assert [word.text for word in seen.words if word.size == 15] == [
        "input", "conv1", "maxpool1", "conv2"
    ]  # fmt: skip
    assert [text for text in seen.texts if "sees" in text] == [
        "sees 20x20", "sees 18x18", "sees 9x9", "sees 1x1"
    ]  # fmt: skip
    assert [text for text in seen.texts if re.fullmatch(r"\d+x\d+", text)] == [
        "16x16", "16x16", "8x8", "8x8"
    ]  # fmt: skip


def test_the_areas_are_those_of_the_middle_output() -> None:
    found = walk(STACK, (1, 16, 20))
    maps = drawn_maps(found)
    back = backtrace(found, 2, (4, 5))
    assert [area for _, _, area in maps] == [back[INPUT], back[0], back[1], back[2]]
    assert [size for _, size, _ in maps] == [(16, 20), (16, 20), (8, 10), (8, 10)]


def test_a_deep_network_is_drawn_in_a_few_maps(tmp_path: Path) -> None:
    seen = sight(tmp_path, "--net", "resnet50")
    names = [word.text for word in seen.words if word.size == 15]
    assert names[0] == "input"
    assert len(names) <= 24
    sides = [int(text.split("x")[0]) for text in seen.texts if re.fullmatch(r"\d+x\d+", text)]
    assert sides[0] == 224
    assert set(sides) >= {224, 112, 56, 28, 14, 7}


def test_the_table_is_printed_as_ever(tmp_path: Path) -> None:
    plain = here("shape", "--input", "1x16x16", *STACK, "--json", cwd=tmp_path)
    with_figure = here(
        "shape", "--input", "1x16x16", *STACK, "--json", "--figure", "s.png", cwd=tmp_path
    )
    assert json.loads(plain.text) == json.loads(with_figure.text)
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.format == "PNG"


def test_the_input_is_drawn_over_the_picture_that_is_given(tmp_path: Path) -> None:
    seen = sight(tmp_path, "--input", "3x30x45", "conv:3", "conv:3", "--image", CAT)
    assert len(seen.pictures) == 1
    (one,) = seen.pictures
    assert one.width / one.height == pytest.approx(1.5, rel=1e-3)
    assert "sees 5x5" in seen.texts


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_pictures_of_any_kind_can_be_seen_through(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (20, 10))
    picture.save(tmp_path / "any.png")
    seen = sight(tmp_path, "--input", "3x10x20", "conv:3", "--image", "any.png")
    assert len(seen.pictures) == 1


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--h", "8", "--k", "3", "--figure", "f.png"), "a stack or a network"),
        (("--input", "1x8x8", "conv:3", "--image", "cat.jpg"), "--figure"),
        (("--input", "1x8x8", "conv:3", "--force"), "--figure"),
        (("--input", "1x8x8", "conv:3", "--figure", "f.gif"), ".png or .svg"),
        (("--input", "1x8x8", "flatten", "--figure", "f.png"), "no feature map"),
        (("--input", "1x1x1", "conv:1001,p=500", "--figure", "f.png"), "large"),
        (("--net", "resnet152", "--input", "3x8x8", "--figure", "f.png"), "large"),
    ],
)
def test_a_receptive_field_that_cannot_be_drawn_is_refused(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    with_limit = ["bash", "-c", 'ulimit -v 4000000; exec "$@"', "-", *COMMAND, "shape", *options]
    done = subprocess.run(with_limit, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr[-200:]
    assert word in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


def test_a_figure_of_a_field_replaces_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "f.png").write_bytes(b"mine")
    options = ("shape", "--input", "1x8x8", "conv:3", "--figure", "f.png")
    assert "exists already" in refused(tmp_path, *options, code=1)
    assert "missing.jpg" in refused(tmp_path, *options, "-f", "--image", "missing.jpg", code=1)
    assert (tmp_path / "f.png").read_bytes() == b"mine"


# ---- on a terminal -----------------------------------------------------------------------------

XTERM = {"TERM": "xterm-256color", "COLORTERM": ""}
HALF_BLOCK = "▀"


def on_terminal(*arguments: str | Path, cwd: Path, **settings: str) -> str:
    """Run the command on a terminal of its own, and read what it shows."""
    here_, there = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    env |= XTERM | {"COLUMNS": "60"} | settings
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=there, stdout=there, stderr=subprocess.PIPE
    ) as running:
        os.close(there)
        shown = b""
        while select.select([here_], [], [], 30)[0]:
            try:
                chunk = os.read(here_, 65_536)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            shown += chunk
        assert running.wait(30) == 0
    os.close(here_)
    return shown.decode().replace("\r\n", "\n")


def test_a_preview_shows_before_and_after_in_half_blocks(tmp_path: Path) -> None:
    shown = on_terminal("apply", CAT, "-k", "sobel-x", "--preview", "-q", cwd=tmp_path)
    lines = shown.rstrip("\n").split("\n")
    assert all(line.count(HALF_BLOCK) == 58 for line in lines)
    assert len(lines) == round(300 * 29 / 450 / 2)
    assert "\x1b[38;5;" in shown
    assert "\x1b[38;2;" not in shown
    assert shown.rstrip("\n").endswith("\x1b[0m")
    assert list(tmp_path.iterdir()) == []


def test_a_preview_has_true_colours_where_the_terminal_says_so(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "flat.csv", np.full((16, 16), 3.0))
    Image.new("RGB", (16, 16), (200, 30, 77)).save(tmp_path / "flat.png")
    shown = on_terminal(
        "apply", "flat.png", "-k", "identity", "--preview", cwd=tmp_path, COLORTERM="truecolor"
    )
    assert "\x1b[38;2;200;30;77m\x1b[48;2;200;30;77m" + HALF_BLOCK in shown
    assert "\x1b[38;5;" not in shown


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_that_are_not_wanted_are_not_shown(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    shown = on_terminal("apply", GRID, "-k", "blur", "--preview", "-q", cwd=tmp_path, **settings)
    assert shown == ""
    plain = on_terminal("kernels", "sobel-x", cwd=tmp_path, **settings)
    assert "\x1b" not in plain
    assert "-2" in plain


def test_a_preview_is_nothing_in_a_pipe(tmp_path: Path) -> None:
    done = convcli("apply", GRID, "-k", "blur", "--preview", "-q", cwd=tmp_path, env=XTERM)
    assert (done.code, done.stdout, done.stderr) == (0, b"", "")


def test_a_kernel_s_cells_are_coloured_on_a_terminal_and_plain_in_a_pipe(tmp_path: Path) -> None:
    shown = on_terminal("kernels", "sobel-x", cwd=tmp_path, COLORTERM="truecolor")
    red, green, blue = LIGHT.positive
    assert f"\x1b[48;2;{red};{green};{blue}m 2" in shown
    cells = re.sub(r"\x1b\[[0-9;]*m", "", shown).rstrip("\n").split("\n")[-3:]
    assert [[float(word) for word in line.split()] for line in cells] == [
        [-1, 0, 1], [-2, 0, 2], [-1, 0, 1]
    ]  # fmt: skip
    piped = convcli("kernels", "sobel-x", cwd=tmp_path, env=XTERM)
    assert "\x1b" not in piped.text


def test_matrices_that_a_terminal_cannot_hold_are_not_broken_in_the_middle(
    tmp_path: Path,
) -> None:
    shown = on_terminal(
        "explain", CAT, "-k", "blur", "--at", "0,0", "--gray", cwd=tmp_path, COLUMNS="60"
    )
    assert max(map(len, shown.split("\n"))) <= 60
