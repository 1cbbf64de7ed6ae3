"""Canvases: what users get as PNG and SVG, of any size, style and name."""

from __future__ import annotations

import base64
import io
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.looking import drawing

from convcli.errors import LimitError
from convcli.pictures.canvas import make_canvas, render
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.fonts import replace_unprintable, text_width
from convcli.pictures.panels import PicturePanel, make_map_panel
from convcli.pictures.raster import Raster
from convcli.pictures.theme import CELL, DARK, LIGHT, TEXT, THEMES, Style
from convcli.pictures.vector import MAX_EMBEDDED_PIXELS, Vector

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
scales = pytest.mark.parametrize("scale", [1.0, 2.0, 3.0])


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def opened(document: bytes) -> Image.Image:
    with Image.open(io.BytesIO(document)) as picture:
        picture.load()
    return picture


def embedded(document: bytes) -> list[tuple[ET.Element, NDArray[Any]]]:
    """The images of an SVG, each with its pixels."""
    found = []
    for element in ET.fromstring(document).iter(f"{SVG}image"):
        source = element.get("href") or ""
        assert source == element.get(f"{XLINK}href")
        head, _, data = source.partition(",")
        assert head == "data:image/png;base64"
        found.append((element, np.asarray(opened(base64.b64decode(data)))))
    return found


# ---- photographs -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 450, 3), (1000, 700), (900, 5, 3)])
def test_an_svg_holds_a_photograph_s_own_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    ((element, found),) = embedded(render([[PicturePanel("photo", pixels=pixels)]], ".svg"))
    assert np.array_equal(found, pixels)
    assert element.get("preserveAspectRatio") == "none"
    assert element.get("style") is None


def test_an_enlarged_grid_stays_sharp_in_an_svg() -> None:
    ((element, found),) = embedded(render([[PicturePanel("grid", pixels=photo(5, 7))]], ".svg"))
    assert found.shape == (5, 7, 3)
    assert element.get("style") == "image-rendering:pixelated"


def test_photographs_of_an_svg_are_bounded_together() -> None:
    side = int(MAX_EMBEDDED_PIXELS**0.5)
    large = np.zeros((side + 600, side, 3), np.uint8)
    panels = [[PicturePanel("one", pixels=large), PicturePanel("two", pixels=large)]]
    first, second = (pixels for _, pixels in embedded(render(panels, ".svg")))
    assert 0.99 * MAX_EMBEDDED_PIXELS < first.shape[0] * first.shape[1] <= MAX_EMBEDDED_PIXELS
    assert first.shape[0] / first.shape[1] == pytest.approx(large.shape[0] / side, rel=0.01)
    # The second has what is drawn of it, at the scale that it is drawn at.
    assert max(second.shape[:2]) == 240


# ---- names -------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_name_is_a_title_and_nothing_else(name: str, description: str) -> None:
    panels = [[make_map_panel(name, np.zeros((1, 1, 1)), LIGHT)]]
    document = render(panels, ".svg", title=name, description=description or "of it")
    root = ET.fromstring(document)
    expected = [replace_unprintable(text) for text in (name, description or "of it")]
    found = [root.findtext(f"{SVG}title", ""), root.findtext(f"{SVG}desc", "")]
    assert found == expected
    kinds = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert kinds <= {"svg", "title", "desc", "rect", "path", "text", "image"}  # of the legend
    texts = opened(render(panels, ".png", title=name, description=description or "of it")).info
    assert [str(texts.get(key, "")) for key in ("Title", "Description")] == expected


@pytest.mark.parametrize(
    "name", ["</title><script>alert(1)</script>", "]]><!--", "&lt;&amp;\"'", "\x00\ud800\ufffe"]
)
def test_a_hostile_name_adds_no_markup(name: str) -> None:
    document = render([[make_map_panel(name, np.zeros((1, 1, 1)), LIGHT)]], ".svg", title=name)
    assert document.count(b"<title>") == 1
    assert b"<script" not in document
    assert ET.fromstring(document).findtext(f"{SVG}title") == replace_unprintable(name)


def test_a_picture_without_a_description_lists_its_panels() -> None:
    rows = [
        [
            make_map_panel("one", np.ones((2, 3, 1)), LIGHT),
            make_map_panel("two", np.ones((1, 1, 1)), LIGHT),
        ]
    ]
    said = ET.fromstring(render(rows, ".svg")).findtext(f"{SVG}desc", "")
    assert said.startswith("one (2×3, scale 0 to 1)")
    assert "; two (1×1, scale 0 to 1)" in said


# ---- lines -------------------------------------------------------------------------------------


def grid_of(rows: int, columns: int, scale: float, **cell: Any) -> NDArray[Any]:
    canvas = Raster(columns * CELL + 20, rows * CELL + 20, LIGHT.page, scale=scale)
    cells = [[Cell(LIGHT.cell, **cell)] * columns for _ in range(rows)]
    draw_cells(canvas, (10, 10), CELL, cells, LIGHT)
    return np.asarray(canvas.image)


@scales
def test_a_line_between_cells_is_drawn_once(scale: float) -> None:
    pixels = grid_of(2, 3, scale)
    middle = (pixels[round((10 + CELL / 2) * scale)] == LIGHT.faint).all(axis=1)
    lines = np.flatnonzero(np.diff(middle.astype(int), prepend=0) == 1)
    ends = np.flatnonzero(np.diff(middle.astype(int), append=0) == -1)
    assert (ends - lines + 1).tolist() == [scale] * 4
    assert np.diff(lines).tolist() == [CELL * scale] * 3


@scales
def test_a_line_of_padding_has_gaps_wherever_cells_meet(scale: float) -> None:
    pixels = grid_of(2, 2, scale, is_dashed=True)
    row = round((10 + CELL) * scale)
    middle = (pixels[row] == LIGHT.faint).all(axis=1)
    line = middle[round(12 * scale) : round((8 + 2 * CELL) * scale)]
    assert 0.35 < line.mean() < 0.65


def test_a_line_between_padding_and_input_is_solid() -> None:
    canvas = Raster(2 * CELL + 20, CELL + 20, LIGHT.page)
    draw_cells(
        canvas, (10, 10), CELL, [[Cell(LIGHT.page, is_dashed=True), Cell(LIGHT.cell)]], LIGHT
    )
    column = np.asarray(canvas.image)[11 : 9 + CELL, 10 + CELL]
    assert (column == LIGHT.faint).all()


def test_a_missing_cell_has_no_lines() -> None:
    canvas = Raster(3 * CELL + 20, CELL + 20, LIGHT.page)
    draw_cells(canvas, (10, 10), CELL, [[Cell(LIGHT.cell), None, None]], LIGHT)
    assert (np.asarray(canvas.image)[:, 11 + CELL :] == LIGHT.page).all()


@given(st.integers(1, 6), st.integers(1, 6))
def test_an_svg_has_each_line_once(rows: int, columns: int) -> None:
    canvas = Vector(columns * CELL, rows * CELL, LIGHT.page)
    draw_cells(canvas, (0, 0), CELL, [[Cell(LIGHT.cell)] * columns] * rows, LIGHT)
    (path,) = ET.fromstring(canvas.document()).iter(f"{SVG}path")
    assert (path.get("d") or "").count("M") == rows + columns + 2


# ---- type --------------------------------------------------------------------------------------


def test_type_grows_with_cells_and_shrinks_for_long_numbers_as_far_as_it_is_legible() -> None:
    assert fit_cells([["1"]]) == (CELL, TEXT)
    side, size = fit_cells([["1"]], 80)
    assert (side, size) == (80, round(TEXT * 80 / CELL))
    side, size = fit_cells([["−12345.68"]], 80)
    assert side == 80
    assert TEXT < size < round(TEXT * 80 / CELL)
    assert text_width("−12345.68", size) <= 80 - 4
    side, size = fit_cells([["−1.2346e−12"]], 20)
    assert size == TEXT
    assert side >= text_width("−1.2346e−12", TEXT) + 4


# ---- styles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_on_a_transparent_page_has_a_halo(theme: Any) -> None:
    """It is read on any ground: dark and light letters have the page's color around them."""
    style = Style(theme, is_transparent=True)
    canvas = make_canvas((200, 60), ".png", style)
    canvas.text((100, 30), "a title", size=15, color=theme.ink)
    assert isinstance(canvas, Raster)
    pixels = np.asarray(canvas.image).astype(int)
    opaque = pixels[:, :, 3] == 255
    assert (np.abs(pixels[opaque][:, :3] - theme.page).max(axis=1) < 40).sum() > 100
    assert (np.abs(pixels[opaque][:, :3] - theme.ink).max(axis=1) < 60).sum() > 50
    svg = make_canvas((200, 60), ".svg", style)
    svg.text((100, 30), "a title", size=15, color=theme.ink)
    (text,) = ET.fromstring(svg.document()).iter(f"{SVG}text")
    assert text.get("paint-order") == "stroke"
    assert text.get("stroke") == "#{:02x}{:02x}{:02x}".format(*theme.page)


def test_a_picture_too_large_at_its_scale_is_refused_before_it_is_made() -> None:
    panels = [[make_map_panel("", np.zeros((30, 30, 1)), LIGHT)]]
    with pytest.raises(LimitError, match="too large"):
        render(panels, ".png", Style(scale=10.0))
    assert drawing(render(panels, ".svg", Style(DARK, scale=2.0))).boxes[0].fill == DARK.page


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("scale", [0.5, 1.3, 2.0])
def test_png_and_svg_have_the_same_size_at_any_scale(suffix: str, scale: float) -> None:
    document = render(
        [[make_map_panel("one", np.zeros((3, 4, 1)), LIGHT)]], suffix, Style(scale=scale)
    )
    plain = opened(render([[make_map_panel("one", np.zeros((3, 4, 1)), LIGHT)]], ".png"))
    if suffix == ".png":
        size: tuple[float, float] = opened(document).size
    else:
        size = drawing(document).width, drawing(document).height
    assert size == tuple(np.ceil(np.multiply(plain.size, scale)))
