"""Frames, read back from their pixels, and files of frames."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.looking import near
from support.oracles import Geometry, geometries

from convcli.arithmetic.geometry import window
from convcli.pictures.animation import Palette, Settings, choose_palette, save_animation
from convcli.pictures.fonts import text_width
from convcli.pictures.frame import Drawing
from convcli.pictures.frame_layout import Layout
from convcli.pictures.scene import Numbers, Scene, make_scene
from convcli.pictures.theme import CELL, DARK, LIGHT, MARGIN, TEXT, THEMES, Style, Theme

Size = tuple[int, int]
STYLES = {name: Style(theme) for name, theme in THEMES.items()}


def plain(size: int, kernel: int, *, op: str = "conv", **numbers: Any) -> Scene:
    shape = window(kernel, transposed=op == "tconv", **numbers)
    return make_scene("", (size, size), shape, op=op)


def numbered(values: list[list[float]], results: list[list[float]]) -> Scene:
    plane, found = np.array([values]), np.array(results)
    numbers = Numbers(plane, found, np.ones((1, 1, 1)))
    return make_scene("numbers", (plane.shape[1], plane.shape[2]), window(1), numbers=numbers)


def draw_frames(
    scene: Scene, style: Style | None = None, cell: int = CELL
) -> Iterator[Image.Image]:
    drawing = Drawing([scene], style or Style(), cell)
    return map(drawing.draw_image, range(drawing.count))


def make_layout(scene: Scene, cell: int = CELL) -> Layout:
    (layout,) = Drawing([scene], cell=cell).layouts
    return layout


def corners(scene: Scene, cell: int = CELL) -> tuple[dict[Size, Size], dict[Size, Size]]:
    """A pixel in every cell of the input and of the output: where no text and no line is."""
    layout = make_layout(scene, cell)
    grids = (layout.find_grid("input"), layout.find_grid("output"))
    side = layout.measures.cell
    found = [
        {
            (row, column): (
                round(grid.corner[0] + column * side) + 4,
                round(grid.corner[1] + row * side) + 4,
            )
            for row, column in np.ndindex(grid.size)
        }
        for grid in grids
    ]
    return found[0], found[1]


@settings(max_examples=5)
@given(
    geometries(largest_kernel=3, largest_dilation=2),
    st.sampled_from(list(THEMES.values())),
    st.sampled_from([1.0, 1.5, 2.0]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_frame_drawn_over_another_is_as_if_drawn_alone(
    geometry: Geometry, theme: Theme, scale: float, has_numbers: bool, order: Any
) -> None:
    shape = window(geometry.kernel, **geometry.settings)
    scenes = [make_scene("", geometry.size, shape), plain(3, 2, op="tconv", stride=2)]
    if has_numbers:
        values = np.random.default_rng(geometry.size[0]).normal(size=(2, 5, 4)).round(2)
        results = np.arange(12.0).reshape(4, 3) * 1234.5
        numbers = Numbers(values, results, values[:, :2, :2] - 3)
        scenes.append(make_scene("numbers", (5, 4), window(2), numbers=numbers))
        scenes.append(make_scene("a pool", (5, 4), window(2), op="maxpool",
                                 numbers=Numbers(values[:1], results, None)))  # fmt: skip
    style = Style(theme, scale)
    drawing = Drawing(scenes, style)
    numbers_of = list(range(min(drawing.count, 4)))
    order.shuffle(numbers_of)
    for number in numbers_of:
        alone = Drawing(scenes, style).draw_image(number)
        np.testing.assert_array_equal(drawing.draw_image(number), alone)


@settings(max_examples=25)
@given(geometries(largest_kernel=3, largest_dilation=2), st.sampled_from(list(STYLES.values())))
def test_every_frame_shades_the_window_s_taps_and_fills_one_output_more(
    geometry: Geometry, style: Style
) -> None:
    scene = make_scene("", geometry.size, window(geometry.kernel, **geometry.settings))
    theme = style.theme
    left, right = corners(scene, 12)
    (top, _), (first, _) = geometry.sides
    for number, picture in zip(
        range(min(len(scene.frames), 6)), draw_frames(scene, style, 12), strict=False
    ):
        row, column = (
            at * step for at, step in zip(divmod(number, scene.output[1]), geometry.stride,
                                          strict=True)
        )  # fmt: skip
        taps = {
            (row + u * geometry.dilation[0], column + v * geometry.dilation[1])
            for u, v in np.ndindex(geometry.kernel)
        }
        for cell, pixel in left.items():
            inside = (
                0 <= cell[0] - top < geometry.size[0] and 0 <= cell[1] - first < geometry.size[1]
            )
            expected = {
                (True, True): theme.window,
                (True, False): theme.window_on_padding,
                (False, True): theme.cell,
                (False, False): theme.page,
            }[cell in taps, inside]
            assert picture.getpixel(pixel) == expected
        for place, pixel in enumerate(right.values()):
            expected = theme.current if place == number else theme.output
            assert picture.getpixel(pixel) == (theme.blank if place > number else expected)


def test_all_frames_have_one_size_with_room_for_the_longest_words() -> None:
    plane = np.arange(12.0).reshape(3, 4) * 10_101
    numbers = Numbers(plane[np.newaxis], plane[:2, :3] * 1.5, np.array([[[1.5, 0], [0, 0]]]))
    scene = make_scene("a title", (3, 4), window(2), numbers=numbers)
    pictures = list(draw_frames(scene))
    assert len(pictures) == len(scene.frames) == 6
    assert len({picture.size for picture in pictures}) == 1


def test_cells_are_as_wide_as_their_longest_number() -> None:
    narrow = numbered([[1, 2]], [[1, 2]])
    wide = numbered([[1, -12345.678]], [[1, 2]])
    assert make_layout(narrow).measures.cell == CELL
    for scene in (narrow, wide):
        texts = [text for row in scene.planes[0] for text in row] + [s.result for s in scene.frames]
        widest = max(text_width(text, TEXT) for text in texts)
        assert make_layout(scene, 8).measures.cell >= widest + 4


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_nothing_is_drawn_on_the_margin(theme: Theme) -> None:
    style = Style(theme)
    results = np.full((5, 5), -99999.0)
    numbers = Numbers(np.full((1, 7, 7), -99999.0), results, np.full((1, 3, 3), -0.001234))
    scene = make_scene("a long title that goes on " * 4, (7, 7), window(3), numbers=numbers)
    picture = next(draw_frames(scene, style))
    inner = np.array(picture)
    inner[8:-8, 8:-8] = style.theme.page
    assert {tuple(pixel) for pixel in inner.reshape(-1, 3).tolist()} == {style.theme.page}


def test_padding_is_dashed() -> None:
    """Along the edge of a cell of padding, dashes and gaps take turns."""
    scene = plain(3, 3, padding=1)
    picture = list(draw_frames(scene))[-1]  # the window is at the other end
    left, top = (round(part) for part in make_layout(scene).find_grid("input").corner)
    edge = [picture.getpixel((left + x, top)) for x in range(2, 32)]
    turns = sum(one != other for one, other in pairwise(edge))
    assert turns >= 6
    solid = [picture.getpixel((left + 34 + x, top + 34)) for x in range(2, 32)]
    assert set(solid) == {LIGHT.faint}


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_dashes_are_of_one_color_with_the_ground_between_them(theme: Theme) -> None:
    style = Style(theme)
    picture = list(draw_frames(plain(3, 3, padding=1), style))[-1]
    left, top = (
        round(part) for part in make_layout(plain(3, 3, padding=1)).find_grid("input").corner
    )
    edge = {picture.getpixel((left + x, top)) for x in range(34)}
    assert edge == {style.theme.faint, style.theme.page}


# ---- files -------------------------------------------------------------------------------------


def saved(
    scene: Scene, kind: str, *, fps: float = 2, loop: int = 0, rest: float = 0
) -> Image.Image:
    held = io.BytesIO()
    settings = Settings(fps=fps, loop=loop, rest_s=rest)
    save_animation(held, Drawing([scene]), settings, kind)
    held.seek(0)
    return Image.open(held)


def replayed(moving: Image.Image) -> Iterator[Image.Image]:
    for number in range(moving.n_frames):  # type: ignore[attr-defined]
        moving.seek(number)
        yield moving.convert("RGB")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_a_animation_has_a_frame_for_every_output(kind: str) -> None:
    moving = saved(plain(4, 3), kind, fps=4, loop=3)
    assert moving.format == kind
    assert moving.n_frames == 4  # type: ignore[attr-defined]
    for _ in replayed(moving):
        assert moving.info["duration"] == pytest.approx(250, abs=1)
    assert moving.info["loop"] in (3, 2)  # GIF counts repeats, APNG plays


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "scene",
    [
        plain(5, 3, padding=1, stride=2),
        plain(3, 3, op="tconv", stride=2, padding=1),
        plain(4, 1, op="tconv", stride=2),
        plain(2, 2, padding=4),
    ],
    ids=["padded", "transposed", "gaps that only middle frames shade", "a far padding"],
)
def test_a_film_s_frames_have_the_theme_s_colors(kind: str, scene: Scene) -> None:
    replay = list(replayed(saved(scene, kind)))
    left, right = corners(scene)
    drawn = list(draw_frames(scene))
    assert len(replay) == len(drawn)
    for seen, original in zip(replay, drawn, strict=True):
        for pixel in (*left.values(), *right.values()):
            assert near(seen.getpixel(pixel), original.getpixel(pixel)), pixel


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_page_of_a_film_is_exactly_the_theme_s(kind: str) -> None:
    """It lies on a page of that color, and would stand out."""
    for frame in replayed(saved(plain(4, 3, padding=1), kind)):
        assert frame.getpixel((0, 0)) == LIGHT.page


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [2, 4, 9])
def test_each_frame_is_drawn_once(kind: str, size: int) -> None:
    scene = plain(size, 2)
    with patch.object(Drawing, "draw_image", autospec=True, side_effect=Drawing.draw_image) as draw:
        saved(scene, kind)
    drawn = [call.args[1] for call in draw.call_args_list]
    assert sorted(drawn) == list(range((size - 1) ** 2))


def test_a_frame_lasts_no_shorter_than_browsers_show_it() -> None:
    moving = saved(plain(3, 2), "GIF", fps=50)
    assert moving.info["duration"] == 20


def test_type_stays_smooth_in_a_film() -> None:
    scene = numbered([[1, 2], [3, 40]], [[1, 2], [3, 40]])
    for seen, original in zip(replayed(saved(scene, "GIF")), draw_frames(scene), strict=True):
        away = np.abs(np.asarray(seen, int) - np.asarray(original, int))
        assert away.mean() < 2
        assert (away > 60).mean() < 0.001


def test_a_margin_is_kept_around_the_grids() -> None:
    for scene in (plain(2, 1), plain(9, 3, padding=2)):
        drawing = Drawing([scene], Style(DARK))
        (layout,) = drawing.layouts
        assert layout.find_grid("input").corner[0] >= MARGIN
        left = layout.find_grid("output").corner[0]
        assert left + layout.measures.cell * scene.output[1] <= drawing.size[0] - MARGIN


def test_few_large_frames_are_kept_for_the_palette() -> None:
    drawing = Drawing([make_scene("", (3, 3), window(3, padding=1))])
    kept: list[int] = []

    def choose(pictures: Iterable[Image.Image], theme: Theme) -> Palette:
        kept.append(len(list(pictures)))
        return choose_palette([drawing.draw_image(0)], theme)

    with patch("convcli.pictures.animation.choose_palette", choose):
        for pixels in (32_000_000, 1):
            with patch("convcli.pictures.animation.PALETTE_PIXELS", pixels):
                save_animation(io.BytesIO(), drawing, Settings(), "GIF")
    assert kept == [9, 2]
