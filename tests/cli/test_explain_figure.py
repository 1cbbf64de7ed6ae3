"""`explain --figure`: the step of every output that was asked for, as PNG or SVG."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from support.command import SAMPLES, here

GRID, CAT = SAMPLES / "grid5.csv", SAMPLES / "cat.jpg"


def draw(folder: Path, *arguments: str | Path, name: str = "step.svg") -> str:
    done = here("explain", *arguments, "--figure", name, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    return done.text


def texts(path: Path) -> list[str]:
    return [one.text or "" for one in ET.parse(path).iter() if one.tag.endswith("}text")]


def test_a_step_is_drawn_beside_its_text(tmp_path: Path) -> None:
    options = (GRID, "-k", "sobel-x", "--at", "0,1", "-p", "1", "--padding-mode", "zero")
    text = draw(tmp_path, *options)
    assert text == here("explain", *options, cwd=tmp_path).text
    found = texts(tmp_path / "step.svg")
    assert found[0].startswith("Y[0,1] of sobel-x, conv 3×3, padding 1 (zero): 5×5 → 5×5")
    value = text.splitlines()[0].rpartition(" = ")[2]
    assert found[-1].endswith(f"= {value}")
    assert {"X", "K", "Y", "products"} <= set(found)


@pytest.mark.parametrize("at", ["0,0", "150,225", "297,447"])
def test_of_a_photo_the_part_around_the_window_is_drawn(tmp_path: Path, at: str) -> None:
    draw(tmp_path, CAT, "-k", "sharpen", "--gray", "--at", at, name="step.png")
    with Image.open(tmp_path / "step.png") as picture:
        assert max(picture.size) < 1000
    draw(tmp_path, CAT, "-k", "sharpen", "--gray", "--at", at)
    row, column = map(int, at.split(","))
    note = texts(tmp_path / "step.svg")[1]
    rows, columns = (range(max(one - 2, 0), min(one + 3, size))
                     for one, size in ((row, 298), (column, 448)))  # fmt: skip
    assert note == (
        f"here: X[{rows[0]}:{rows[-1] + 3}, {columns[0]}:{columns[-1] + 3}] and "
        f"Y[{rows[0]}:{rows[-1] + 1}, {columns[0]}:{columns[-1] + 1}]"
    )


def test_every_position_and_channel_has_a_step(tmp_path: Path) -> None:
    draw(tmp_path, CAT, "--pool", "max:2", "--at", "3,3", "--at", "0,0")
    titles = [text for text in texts(tmp_path / "step.svg") if text.startswith("Y[")]
    assert [title.partition(" ")[0] for title in titles] == ["Y[3,3]"] * 3 + ["Y[0,0]"] * 3
    asked = ("--at", "0,0", "--at", "1,1", "--at", "2,2")
    done = here("explain", CAT, "--pool", "max:2", *asked, "--figure", "x.png", cwd=tmp_path)
    assert (done.code, done.text) == (1, "")
    assert "a figure of 9 steps is too large: the most is 8" in done.stderr


def test_too_many_steps_are_refused_before_any_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convcli.pictures.step_figure.make_steps", None)
    asked = ("--at", "0,0") * 9
    done = here("explain", GRID, "-k", "ones:3", *asked, "--figure", "x.png", cwd=tmp_path)
    assert (done.code, done.text) == (1, "")
    assert "a figure of 9 steps" in done.stderr


def test_a_style_is_that_of_every_picture(tmp_path: Path) -> None:
    options = (GRID, "-k", "ones:3", "-s", "2", "--transposed", "--at", "2,2")
    draw(tmp_path, *options, name="a.png")
    draw(tmp_path, *options, "--scale", "2", "--transparent", "--theme", "dark", name="b.png")
    with Image.open(tmp_path / "a.png") as plain, Image.open(tmp_path / "b.png") as scaled:
        assert scaled.size == tuple(2 * side for side in plain.size)
        assert scaled.mode == "RGBA"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--at", "0,0", "--theme", "dark"), "--theme goes with --figure"),
        (("--at", "0,0", "-f"), "--force goes with --figure"),
        (("--at", "0,0", "--figure", "x.gif"), "must end in .png or .svg"),
        (("--im2col", "--figure", "x.png"), "--im2col"),
        (("--at", "0,0", "--backward", "--figure", "x.png"), "--backward"),
    ],
)
def test_what_has_no_figure_is_refused_before_a_file_is_opened(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    done = here("explain", "missing.csv", "-k", "ones:3", *options, cwd=tmp_path)
    assert (done.code, done.stdout) == (2, b"")
    assert word in done.stderr


def test_an_input_is_never_replaced_and_a_figure_by_force_alone(tmp_path: Path) -> None:
    shutil.copy(CAT, tmp_path / "in.png")
    before = (tmp_path / "in.png").read_bytes()
    options = ("in.png", "-k", "blur", "--gray", "--at", "0,0", "--figure")
    done = here("explain", *options, "in.png", "-f", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert (tmp_path / "in.png").read_bytes() == before
    (tmp_path / "old.png").write_bytes(b"old")
    assert here("explain", *options, "old.png", cwd=tmp_path).code == 1
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert here("explain", *options, "old.png", "-f", cwd=tmp_path).code == 0
