"""The receptive field as a picture: maps of any shape, however thin, can be drawn."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.command import here
from support.looking import drawing

from convcli.arithmetic.intervals import Interval
from convcli.arithmetic.network import walk
from convcli.pictures.receptive_field import (
    MAX_SIDE,
    choose_maps,
    draw_receptive_field,
    trace_maps,
)
from convcli.pictures.theme import LIGHT

TIMES = "×"

SIDES = st.one_of(st.integers(1, 40), st.integers(1, MAX_SIDE))


@st.composite
def intervals(draw: st.DrawFn) -> tuple[int, Interval]:
    """A side, and the part of it that is seen: none, inside, or beyond either end."""
    side = draw(SIDES)
    first = draw(st.integers(-side, side))
    length = draw(st.integers(1, side * 2))
    return side, draw(st.sampled_from([None, (first, first + length - 1)]))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("has_picture", [False, True])
@settings(max_examples=60, deadline=None)
@given(rows=intervals(), columns=intervals())
def test_a_map_of_any_shape_is_drawn(
    suffix: str, has_picture: bool, rows: tuple[int, Interval], columns: tuple[int, Interval]
) -> None:
    extent, region = (rows[0], columns[0]), (rows[1], columns[1])
    picture = np.full((5, 7), 90, np.uint8) if has_picture else None
    drawn = draw_receptive_field([("input", extent, region)], suffix, picture=picture)
    if suffix == ".svg":
        assert ET.fromstring(drawn).tag.endswith("svg")
        return
    with Image.open(io.BytesIO(drawn)) as image:
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 1


def test_the_taps_of_a_dilated_field_are_drawn_and_not_what_lies_between(tmp_path: Path) -> None:
    layers = ("conv:3,d=3,p=3,name=a", "conv:3,d=2,from=input,p=2,name=b", "add:from=a+b")
    taps = {(9 + d * row, 9 + d * column) for d in (2, 3) for row in (-1, 0, 1)
            for column in (-1, 0, 1)}  # fmt: skip
    done = here("shape", "--input", "1x19x19", *layers, "--figure", "f.svg", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    seen = drawing((tmp_path / "f.svg").read_bytes())
    assert seen.texts[:4] == ["input", f"19{TIMES}19", f"sees 7{TIMES}7", "only 17 positions"]
    area = next(box for box in seen.boxes if box.fill == LIGHT.cell)
    side = area.width / 19
    cells = {
        (row, column)
        for box in seen.boxes
        if box.fill == LIGHT.window and box.left < area.left + area.width
        for row in range(round((box.top - area.top) / side),
                         round((box.top + box.height - area.top) / side))
        for column in range(round((box.left - area.left) / side),
                            round((box.left + box.width - area.left) / side))
    }  # fmt: skip
    assert cells == taps


@pytest.mark.parametrize(("dilation", "runs"), [(40, 3), (10, 3), (2, 1)])
def test_holes_that_can_be_seen_are_left_open(dilation: int, runs: int) -> None:
    found = walk([f"conv:3,d={dilation}"], (1, 400, 400))
    maps, grids = choose_maps(found), trace_maps(found)
    seen = drawing(draw_receptive_field(maps, ".svg", grids=grids))
    area = next(box for box in seen.boxes if box.fill == LIGHT.cell)
    parts = [
        box for box in seen.boxes
        if box.fill == LIGHT.window and box.left < area.left + area.width
    ]  # fmt: skip
    assert len(parts) == runs**2
    lefts = sorted({box.left for box in parts})
    assert all(after - left >= 3 for left, after in pairwise(lefts))
    assert f"only 3{TIMES}3" in seen.texts


@pytest.mark.parametrize("name", ["f.png", "f.svg"])
@pytest.mark.parametrize("shape", ["3x9x9999", "3x9999x9", "1x1x100000", "1x100000x1", "1x1x1"])
@pytest.mark.parametrize("has_picture", [False, True])
def test_a_thin_input_is_drawn(name: str, shape: str, has_picture: bool, tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 6), 90, np.uint8)).save(tmp_path / "in.png")
    image = ("--image", "in.png") if has_picture else ()
    typed = ("--input", shape, "conv:1", "--figure", name)
    done = here("shape", *typed, *image, cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert (tmp_path / name).stat().st_size > 200
