"""The figures of `shape --figure`: what an output sees of every map."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from support.command import COMMAND, here
from support.figures import CAT, refused
from support.looking import Drawing, drawing

from convcli.arithmetic.intervals import backtrace
from convcli.arithmetic.network import walk
from convcli.arithmetic.notation import INPUT
from convcli.pictures.receptive_field import choose_maps


def receptive_field(folder: Path, *arguments: str | Path) -> Drawing:
    done = here("shape", *arguments, "--figure", "s.svg", "-f", cwd=folder)
    assert done.code == 0, done.stderr
    return drawing((folder / "s.svg").read_bytes())


STACK = ("conv:3,p=1", "maxpool:2", "conv:5,p=4,d=2")


def test_every_map_on_the_way_is_drawn_with_what_is_seen_of_it(tmp_path: Path) -> None:
    seen = receptive_field(tmp_path, "--input", "1x16x16", *STACK)
    assert [word.text for word in seen.words if word.size == 15] == [
        "input", "conv1", "maxpool1", "conv2"
    ]  # fmt: skip
    assert [text for text in seen.texts if "sees" in text] == [
        "sees 20×20", "sees 18×18", "sees 9×9", "sees 1×1"
    ]  # fmt: skip
    assert [text for text in seen.texts if re.fullmatch(r"\d+×\d+", text)] == [
        "16×16", "16×16", "8×8", "8×8"
    ]  # fmt: skip


def test_the_areas_are_those_of_the_middle_output() -> None:
    found = walk(STACK, (1, 16, 20))
    maps = choose_maps(found)
    back = backtrace(found, 2, (4, 5))
    assert [area for _, _, area in maps] == [back[INPUT], back[0], back[1], back[2]]
    assert [size for _, size, _ in maps] == [(16, 20), (16, 20), (8, 10), (8, 10)]


def test_a_deep_network_is_drawn_in_a_few_maps(tmp_path: Path) -> None:
    seen = receptive_field(tmp_path, "--net", "resnet50")
    names = [word.text for word in seen.words if word.size == 15]
    assert names[0] == "input"
    assert len(names) <= 24
    sides = [int(text.split("×")[0]) for text in seen.texts if re.fullmatch(r"\d+×\d+", text)]
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
    seen = receptive_field(tmp_path, "--input", "3x30x45", "conv:3", "conv:3", "--image", CAT)
    assert len(seen.pictures) == 1
    (one,) = seen.pictures
    assert one.width / one.height == pytest.approx(1.5, rel=1e-3)
    assert "sees 5×5" in seen.texts


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_pictures_of_any_kind_can_be_seen_through(tmp_path: Path, mode: str) -> None:
    picture = Image.new(mode, (20, 10))
    picture.save(tmp_path / "any.png")
    seen = receptive_field(tmp_path, "--input", "3x10x20", "conv:3", "--image", "any.png")
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
