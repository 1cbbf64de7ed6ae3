"""The receptive field as a picture: maps of any shape, however thin, can be drawn."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.command import here

from convcli.arithmetic.intervals import Interval
from convcli.pictures.receptive_field import MAX_SIDE, draw_receptive_field

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
