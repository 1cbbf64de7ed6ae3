"""Panels and sheets: what stands in them, and that it all fits."""

from __future__ import annotations

import io
import math
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.looking import (
    LEGIBLE,
    READABLE,
    Drawing,
    contrast,
    drawing,
    embedded_pictures,
    read_number,
)
from support.oracles import seeds

from convcli.pictures.apply_figure import FigureMap, FigureStep, draw_apply_figure
from convcli.pictures.canvas import Panel, render, sheet_size
from convcli.pictures.contact_sheet import MAX_LINES, SHEET_SIDE, ContactSheet
from convcli.pictures.fonts import text_width
from convcli.pictures.panels import (
    MAP_SIDE,
    MAX_NUMBERED_CELLS,
    MAX_NUMBERED_WEIGHTS,
    CellGrid,
    PicturePanel,
    make_kernel_panel,
    make_map_panel,
)
from convcli.pictures.raster import Raster
from convcli.pictures.receptive_field import draw_receptive_field
from convcli.pictures.scales import Scale, kernel_scale, share_scales
from convcli.pictures.text import format_cell
from convcli.pictures.theme import CELL, DARK, DASH, LIGHT, TEXT, THEMES, Style, Theme
from convcli.pictures.vector import Vector

themes = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)


def grid(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=shape)


def drawn(*panels: Panel, theme: Theme = LIGHT) -> Drawing:
    return drawing(render([panels], ".svg", Style(theme)))


def assert_all_inside(seen: Drawing) -> None:
    """Every box and every word lies on the sheet, and words of a cell in their cell."""
    for box in (*seen.boxes, *seen.pictures):
        assert box.left >= 0
        assert box.top >= 0
        assert box.left + box.width <= seen.width
        assert box.top + box.height <= seen.height
    for word in seen.words:
        first, last = word.ends
        assert first >= 0
        assert last <= seen.width
        assert word.size / 2 <= word.y <= seen.height - word.size / 2
        for box in seen.boxes[1:]:
            if box.holds(word.x, word.y):
                assert box.left <= first
                assert last <= box.left + box.width


# ---- numbers -----------------------------------------------------------------------------------


@given(st.integers(-99_999, 99_999))
def test_a_whole_number_is_written_whole(value: int) -> None:
    assert format_cell(float(value)) == str(value).replace("-", "−")


@given(st.floats(-1e12, 1e12))
def test_a_number_in_a_cell_is_right_to_three_digits(value: float) -> None:
    assert read_number(format_cell(value)) == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize("value", [12345.678, -94982.1, 1000.5, 6700.25, 99_999.7, -99_999.5])
def test_a_number_of_five_digits_is_written_without_an_exponent(value: float) -> None:
    assert "e" not in format_cell(value)
    assert read_number(format_cell(value)) == pytest.approx(value, abs=0.5)


def test_the_least_negative_zero_has_no_sign() -> None:
    assert format_cell(-0.0) == "0"


# ---- maps --------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(seeds, st.integers(1, 8), st.integers(1, 8))
def test_a_small_map_shows_its_numbers_where_they_are(seed: int, height: int, width: int) -> None:
    values = np.random.default_rng(seed).integers(-99, 100, (height, width, 1)).astype(float)
    seen = drawn(make_map_panel("a map", values, LIGHT))
    assert seen.numbers_in_cells() == values[:, :, 0].tolist()
    assert_all_inside(seen)


def test_a_map_tells_its_shape_and_its_scale() -> None:
    values = np.array([[-1.5, 0, 4]])[:, :, np.newaxis]
    seen = drawn(make_map_panel("name", values, LIGHT))
    assert seen.texts[0] == "name"
    assert seen.texts[-1] == "1×3"
    assert sorted(map(read_number, seen.texts[4:-1])) == [-4, 0, 4]
    fixed = drawn(make_map_panel("name", values, LIGHT, scale=Scale(0.0, 255.0)))
    assert set(map(read_number, fixed.texts[4:-2])) == {0, 255}
    assert fixed.texts[-2:] == ["1×3", "33.3% beyond the scale"]
    assert "7×9×3" in drawn(make_map_panel("name", grid(7, 9, 3), LIGHT)).texts


@themes
@pytest.mark.parametrize("least", [-4, 0])
def test_padding_has_the_colors_of_its_values(least: int, theme: Theme) -> None:
    values = np.random.default_rng(5).integers(least, 5, (3, 4, 1)).astype(float)
    for mode in ("zero", "replicate"):
        panel = make_map_panel("", values, theme, padding=((1, 2), (2, 1)), mode=mode)
        assert isinstance(panel, CellGrid)
        colors: dict[str, set[tuple[int, ...]]] = {}
        for texts, row in zip(panel.texts, panel.colors, strict=True):
            for text, color in zip(texts, row, strict=True):
                colors.setdefault(text, set()).add(tuple(color))
        assert all(len(found) == 1 for found in colors.values()), colors


def test_panels_of_a_row_stand_on_one_axis_however_many_captions_they_have() -> None:
    values = grid(3, 3, 1)
    panels = [make_map_panel("", values, LIGHT, notes=["a note"] * count) for count in (0, 3, 1)]
    for rows in ([panels], [panels, panels[::-1]]):
        seen = drawing(render(rows, ".svg"))
        cells = [box.top for box in seen.boxes[1:] if box.width == box.height]
        assert len(set(cells)) == 3 * len(rows)


def test_a_map_of_the_largest_grid_still_has_numbers_and_a_larger_one_is_a_picture() -> None:
    largest = grid(MAX_NUMBERED_CELLS, MAX_NUMBERED_CELLS, 1)
    assert isinstance(make_map_panel("", largest, LIGHT), CellGrid)
    for shape in ((MAX_NUMBERED_CELLS + 1, 1, 1), (1, MAX_NUMBERED_CELLS + 1, 1)):
        assert isinstance(make_map_panel("", grid(*shape), LIGHT), PicturePanel)
    assert isinstance(make_map_panel("", abs(grid(3, 3, 3)), LIGHT), PicturePanel)
    for shape in ((3, 3, 3), (3, 3, 2)):  # no colors where a number is negative
        assert isinstance(make_map_panel("", grid(*shape), LIGHT), ContactSheet)


@pytest.mark.parametrize("shape", [(300, 450, 3), (4000, 40, 1), (40, 4000, 1), (64, 64, 16)])
def test_a_large_map_is_scaled_to_fit(shape: tuple[int, int, int]) -> None:
    seen = drawn(make_map_panel("large", grid(*shape), LIGHT))
    assert len(seen.maps) == shape[2]
    left = min(one.left for one in seen.maps)
    right = max(one.left + one.width for one in seen.maps)
    assert right - left <= (MAP_SIDE if shape[2] == 1 else 1.1 * SHEET_SIDE) + 1
    one = seen.maps[0]
    if min(shape[:2]) * 50 > max(shape[:2]):
        assert one.width / one.height == pytest.approx(shape[1] / shape[0], rel=0.02)
    assert_all_inside(seen)


def test_all_channels_are_drawn_each_with_its_number() -> None:
    seen = drawn(make_map_panel("many", grid(19, 19, 40), LIGHT))
    assert len(seen.maps) == 40
    assert set(map(str, range(40))) <= set(seen.texts)


def test_grays_show_the_scale() -> None:
    values = np.array([[0.0, 5, 10, 20]])[:, :, np.newaxis]
    seen = drawn(make_map_panel("", values, LIGHT, scale=Scale(0.0, 10.0)))
    assert [box.fill for box in seen.boxes[1:5]] == [
        (0, 0, 0), (128, 128, 128), (255, 255, 255), (255, 255, 255)
    ]  # fmt: skip


@given(
    seeds, st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from(["zero", "replicate", "reflect"])
)
@settings(max_examples=25)
def test_padding_stands_around_a_map_with_the_numbers_that_are_taken_there(
    seed: int, sides: tuple[int, int, int, int], mode: str
) -> None:
    values = np.random.default_rng(seed).integers(-9, 10, (5, 4, 1)).astype(float)
    top, bottom, left, right = sides
    panel = make_map_panel("", values, LIGHT, padding=((top, bottom), (left, right)), mode=mode)
    named: Any = {"zero": "constant", "replicate": "edge", "reflect": "reflect"}
    padded = np.pad(values[:, :, 0], ((top, bottom), (left, right)), mode=named[mode])
    document = render([[panel]], ".svg")
    assert drawing(document).numbers_in_cells() == padded.tolist()
    assert (b"stroke-dasharray" in document) == any(sides)


def test_a_map_that_a_common_scale_would_not_show_has_its_own() -> None:
    large, half, small = (np.full((3, 3, 1), value) for value in (100.0, 50.0, 1.0))
    assert share_scales([[large, small, half]]) == [[Scale(0, 100), Scale(0, 1), Scale(0, 100)]]


def test_padding_of_a_picture_is_a_dashed_margin() -> None:
    values = abs(grid(300, 200, 1))
    for padding in (((0, 0), (0, 0)), ((1, 2), (0, 0)), ((500, 0), (0, 3))):
        panel = make_map_panel("", values, LIGHT, padding=padding)
        document = render([[panel]], ".svg")
        assert (b"stroke-dasharray" in document) == (padding != ((0, 0), (0, 0)))
        assert_all_inside(drawing(document))


# ---- kernels -----------------------------------------------------------------------------------


@themes
def test_a_kernel_is_a_heat_map_with_its_numbers(theme: Theme) -> None:
    weights = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    seen = drawn(make_kernel_panel("sobel-x", weights, theme), theme=theme)
    assert seen.numbers_in_cells() == weights.tolist()
    assert seen.texts[0] == "sobel-x"
    assert seen.texts[-1] == "3×3"
    assert sorted(map(read_number, seen.texts[-4:-1])) == [-2, 0, 2]
    cells = {read_number(word.text): seen.ground_of(word) for word in seen.words[1:10]}
    assert cells[0] == theme.zero
    assert (cells[-2], cells[2]) == (theme.negative, theme.positive)


def test_a_large_kernel_and_one_of_many_planes_are_pictures() -> None:
    side = MAX_NUMBERED_WEIGHTS + 1
    assert isinstance(make_kernel_panel("", grid(side - 1, side - 1), LIGHT), CellGrid)
    assert isinstance(make_kernel_panel("", grid(side, 1), LIGHT), PicturePanel)
    assert len(drawn(make_kernel_panel("", grid(4, 3, 3, 3), LIGHT)).maps) == 12
    many = drawn(make_kernel_panel("", grid(40, 33, 3, 3), LIGHT))
    assert len(many.maps) == MAX_LINES**2
    assert many.texts[-2:] == ["the first 32 of 40 outputs", "the first 32 of 33 inputs"]


@pytest.mark.parametrize("shape", [(4, 3), (10, 10), (2, 7), (1, 5), (3, 1)])
def test_the_planes_of_a_layer_stand_a_row_an_output_and_a_column_an_input(
    shape: tuple[int, int],
) -> None:
    outputs, inputs = shape
    weights = np.arange(outputs * inputs * 4.0).reshape(outputs, inputs, 2, 2) + 1 / 3
    document = render([[make_kernel_panel("bank", weights, LIGHT)]], ".svg")
    seen, scale = drawing(document), kernel_scale(weights)
    tops = sorted({one.top for one in seen.maps})
    lefts = sorted({one.left for one in seen.maps})
    assert (len(tops), len(lefts)) == shape
    for box, pixels in zip(seen.maps, embedded_pictures(document), strict=True):
        own = weights[tops.index(box.top), lefts.index(box.left)]
        assert np.array_equal(pixels, scale.paint(own, LIGHT))
    names = {f"in {column}" for column in range(inputs)}
    assert names <= set(seen.texts)
    assert outputs == 1 or {f"out {row}" for row in range(outputs)} <= set(seen.texts)


def test_small_planes_show_their_numbers() -> None:
    weights = np.arange(36.0).reshape(2, 2, 3, 3) - 18
    seen = drawn(make_kernel_panel("bank", weights, LIGHT))
    rows = [[*weights[out, 0, row], *weights[out, 1, row]] for out in range(2) for row in range(3)]
    assert seen.numbers_in_cells() == rows


# ---- everything fits and can be read -----------------------------------------------------------

AWKWARD: dict[str, Any] = {
    "1x1": (grid(1, 1, 1), grid(3, 3)),
    "tall": (grid(200, 3, 1), grid(3, 3)),
    "wide": (grid(3, 200, 1), grid(3, 3)),
    "long decimals": (grid(5, 5, 1) * 12345.678, grid(7, 7) / 37),
    "large": (grid(9, 9, 1) * 1e9, grid(7, 1) * 1e-9),
    "color": (grid(40, 60, 3) * 255, grid(3, 3, 3)),
    "many channels": (grid(9, 9, 16), grid(4, 16, 3, 3)),
    "dead": (np.zeros((4, 4, 1)), np.zeros((3, 3))),
}


@themes
@pytest.mark.parametrize("case", AWKWARD)
def test_nothing_lies_beyond_the_sheet_or_out_of_its_cell(theme: Theme, case: str) -> None:
    values, weights = AWKWARD[case]
    title = "a_very_long_kernel_file_name_that_goes_on_and_on"
    branches = [
        [FigureStep(title, FigureMap("map", values), weights, ("stride 1",), ((1, 1), (2, 0))),
         FigureStep("relu", FigureMap("relu", values))],
        [FigureStep("k", FigureMap("map", values), weights)],
    ]  # fmt: skip
    joined = [FigureStep("sum", FigureMap("sum", values))]
    for end in ((), joined):
        figure = draw_apply_figure(
            FigureMap("input.csv", values), branches, joined=end, suffix=".svg", style=Style(theme)
        )
        assert_all_inside(drawing(figure))


@themes
@pytest.mark.parametrize("case", AWKWARD)
def test_everything_that_is_written_can_be_read(theme: Theme, case: str) -> None:
    values, weights = AWKWARD[case]
    branches = [[FigureStep("name", FigureMap("map", values), weights)]]
    seen = drawing(
        draw_apply_figure(FigureMap("in", values), branches, suffix=".svg", style=Style(theme))
    )
    for word in seen.words:
        least = LEGIBLE if word.color == theme.faint else READABLE
        assert contrast(word.color, seen.ground_of(word)) >= least, word


def test_panels_of_a_sheet_do_not_overlap() -> None:
    panels: list[Panel] = [
        make_map_panel("one", grid(5, 5, 1), LIGHT),
        make_kernel_panel("two", grid(3, 3), LIGHT),
        make_map_panel("three", grid(50, 50, 1), LIGHT),
    ]
    rows = [panels[:3], panels[1:3]]
    seen = drawing(render(rows, ".svg"))
    areas = [
        (box.left, box.top, box.left + box.width, box.top + box.height)
        for box in (*seen.boxes[1:], *seen.pictures)
    ]
    for word in seen.words:
        if word.size > TEXT or "×" in word.text:
            first, last = word.ends
            for left, top, right, bottom in areas:
                apart = last <= left or right <= first
                assert apart or word.y + word.size / 2 <= top or bottom <= word.y - word.size / 2


def test_a_sheet_is_the_same_size_as_png_and_as_svg() -> None:
    rows = [
        [make_map_panel("one", grid(5, 6, 1), LIGHT), make_kernel_panel("two", grid(3, 3), DARK)]
    ]
    picture = Image.open(io.BytesIO(render(rows, ".png", Style(DARK))))
    vector = drawing(render(rows, ".svg", Style(DARK)))
    assert sheet_size(rows) == picture.size
    assert [vector.width, vector.height] == list(picture.size)
    assert picture.getpixel((0, 0)) == DARK.page
    assert vector.boxes[0].fill == DARK.page


def test_cells_stay_square_and_grow_with_their_numbers() -> None:
    small = CellGrid("", texts=[["1", "2"]], colors=[[(0, 0, 0)] * 2])
    large = CellGrid("", texts=[["-0.000484", "2"]], colors=[[(0, 0, 0)] * 2])
    assert small.cell == CELL
    assert large.cell >= text_width("-0.000484", TEXT) + 4
    assert large.body == (2 * large.cell, large.cell)


def test_every_number_is_measured_a_few_times_at_most() -> None:
    with patch("convcli.pictures.cells.text_width", wraps=text_width) as measured:
        render([[make_map_panel("", grid(12, 12, 1), LIGHT)]], ".svg")
    assert measured.call_count < 1000


def test_words_of_markup_stay_words() -> None:
    seen = drawn(make_map_panel("<b>&\"amp;'", grid(2, 2, 1), LIGHT))
    assert seen.texts[0] == "<b>&\"amp;'"


# ---- canvases ----------------------------------------------------------------------------------


def test_a_filled_box_covers_its_pixels_and_no_more() -> None:
    canvas = Raster(10, 10, (0, 0, 0))
    canvas.rectangle((2, 3, 4, 5), fill=(255, 0, 0))
    covered = np.argwhere(np.asarray(canvas.image)[:, :, 0] == 255)
    assert covered.min(0).tolist() == [3, 2]
    assert covered.max(0).tolist() == [7, 5]


def test_a_dashed_box_without_a_fill_leaves_its_ground() -> None:
    canvas = Raster(40, 40, (9, 9, 9))
    canvas.rectangle((4, 4, 30, 30), outline=(200, 0, 0), dash=DASH)
    colors = {tuple(pixel) for pixel in np.asarray(canvas.image).reshape(-1, 3).tolist()}
    assert colors == {(9, 9, 9), (200, 0, 0)}


@pytest.mark.parametrize("make", [Raster, Vector])
def test_a_small_picture_stays_sharp(make: Any) -> None:
    canvas = make(20, 20, (255, 255, 255))
    canvas.picture((0, 0, 20, 20), np.array([[0, 255], [255, 0]], np.uint8))
    if isinstance(canvas, Vector):
        assert len(drawing(canvas.document()).pictures) == 1
        return
    shown = np.asarray(canvas.image)[:, :, 0]
    assert set(np.unique(shown).tolist()) == {0, 255}
    assert shown[:10, :10].max() == 0


def test_words_of_a_file_s_name_never_break_an_svg() -> None:
    for name in ("new\nline", "esc\x1b[31m", "bad\udcff", "\x00", "\ufffe", "猫"):
        assert (
            len(drawn(make_map_panel(name, grid(2, 2, 1), LIGHT)).words) == 9
        )  # of the legend three


# ---- receptive fields --------------------------------------------------------------------------


def test_the_seen_part_is_drawn_in_its_place_on_every_map() -> None:
    maps: Any = [("input", (10, 20), ((2, 5), (4, 11))), ("conv1", (5, 5), ((1, 1), (3, 3)))]
    seen = drawing(draw_receptive_field(maps, ".svg"))
    assert seen.texts[:3] == ["input", "10×20", "sees 4×8"]
    assert_all_inside(seen)
    for _, size, ((top, bottom), (left, right)) in maps:
        extent = next(
            box for box in seen.boxes
            if box.fill == LIGHT.cell and math.isclose(box.width / box.height, size[1] / size[0])
        )  # fmt: skip
        scale = extent.width / size[1]
        expected = (
            extent.left + left * scale,
            extent.top + top * scale,
            (right - left + 1) * scale,
            (bottom - top + 1) * scale,
        )
        areas = [
            (box.left, box.top, box.width, box.height)
            for box in seen.boxes
            if box.fill == LIGHT.window
        ]
        assert any(np.allclose(area, expected, atol=0.01) for area in areas)


def test_what_lies_beyond_the_border_stays_on_the_sheet() -> None:
    maps: Any = [
        ("input", (4, 4), ((-3, 6), (-1, 4))),
        ("one", (4, 4), ((5, 9), (0, 3))),
        ("nothing", (4, 4), (None, (0, 0))),
    ]
    for theme in THEMES.values():
        seen = drawing(draw_receptive_field(maps, ".svg", style=Style(theme)))
        assert_all_inside(seen)
        assert seen.texts[2::3] == ["sees 10×6", "sees 5×4", "sees 0×1"]


def test_a_picture_is_drawn_in_the_input_s_place() -> None:
    maps: Any = [("input", (40, 60), ((0, 9), (0, 9))), ("conv", (30, 50), ((0, 0), (0, 0)))]
    pixels = np.full((40, 60, 3), (10, 200, 30), np.uint8)
    picture = Image.open(io.BytesIO(draw_receptive_field(maps, ".png", picture=pixels)))
    assert (10, 200, 30) in {color for _, color in picture.getcolors(10_000) or []}


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize(("low", "high"), [(-1e308, 1e308), (0.0, 1e308), (0.0, 5e-324)])
def test_numbers_at_the_ends_of_floating_point_have_a_legend(
    low: float, high: float, suffix: str
) -> None:
    panel = make_map_panel(
        "map", np.array([[low, high]])[..., np.newaxis], LIGHT, scale=Scale(low, high, low < 0)
    )
    with np.errstate(all="raise", under="ignore"):
        assert render([[panel]], suffix)
