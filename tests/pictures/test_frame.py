"""What a frame shows beside the cells: kernel, weights, products, sums, and what is hatched."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from support.looking import Drawing as Seen
from support.looking import drawing

from convcli.arithmetic.notation import parse_layer
from convcli.kernels import Kernel, load_kernel
from convcli.pictures.frame import Drawing
from convcli.pictures.scene import Scene, size_scene
from convcli.pictures.scene_numbers import numbers_scene
from convcli.pictures.text import format_cell
from convcli.pictures.theme import CELL, LIGHT, SMALL, Style

RNG = np.random.default_rng(5)


def scene_of(layer: str, planes: Any, kernel: Kernel | None = None, **settings: Any) -> Scene:
    settings = {"flip": False, "max_frames": 999, **settings}
    return numbers_scene(parse_layer(layer), np.asarray(planes, float), kernel, **settings)


def seen(scenes: list[Scene], number: int, style: Style = Style(), cell: int = CELL) -> Seen:  # noqa: B008
    return drawing(Drawing(scenes, style, cell).render(number, ".svg"))


def grid_texts(shown: Seen, frames: Drawing, name: str, channel: int = 0) -> list[list[str]]:
    """The texts in the cells of a grid, at its usual size of type or larger."""
    layout = frames.layouts[0]
    grid, side = layout.find_grid(name, channel), layout.measures.cell
    found = [["" for _ in range(grid.size[1])] for _ in range(grid.size[0])]
    for word in shown.words:
        column, row = ((at - start) // side for at, start in
                       zip((word.x, word.y), grid.corner, strict=True))  # fmt: skip
        if 0 <= row < grid.size[0] and 0 <= column < grid.size[1] and word.size > SMALL:
            found[int(row)][int(column)] = word.text
    return found


def test_each_grid_holds_its_numbers_and_each_tap_its_weight() -> None:
    plane = RNG.integers(-9, 10, (1, 5, 6))
    kernel = load_kernel("1 -2; 3 4; -5 6")
    scene = scene_of("conv:3x2,s=1x2", plane, kernel)
    frames = Drawing([scene])
    matrix = np.array([[1, -2], [3, 4], [-5, 6]])
    for number, (row, column) in enumerate(np.ndindex(3, 3)):
        shown = drawing(frames.render(number, ".svg"))
        window = plane[0, row : row + 3, 2 * column : 2 * column + 2]
        expected = [[format_cell(value) for value in line] for line in plane[0].tolist()]
        assert grid_texts(shown, frames, "input") == expected
        for name, numbers in (("kernel", matrix), ("products", window * matrix)):
            texts = [[format_cell(value) for value in line] for line in numbers.tolist()]
            assert grid_texts(shown, frames, name) == texts
        done = [text for line in grid_texts(shown, frames, "output") for text in line if text]
        assert len(done) == number + 1
        assert done[-1] == format_cell(float((window * matrix).sum()))
        small = [word for word in shown.words if word.size == SMALL]
        assert [word.text for word in small] == [format_cell(w) for w in matrix.ravel().tolist()]
        left, top = frames.layouts[0].find_grid("input").corner
        side = frames.layouts[0].measures.cell
        for word, (u, v) in zip(small, np.ndindex(3, 2), strict=True):  # each in its tap's cell
            assert (word.y - top) // side == row + u
            assert (word.x - left) // side == 2 * column + v


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("flip", [False, True])
def test_the_kernel_is_drawn_as_it_is_applied_and_said_to_be_turned(
    is_transposed: bool, flip: bool
) -> None:
    layer = "tconv:2" if is_transposed else "conv:2"
    scene = scene_of(layer, np.ones((1, 3, 3)), load_kernel("1 2; 3 4"), flip=flip)
    frames = Drawing([scene])
    shown = drawing(frames.render(0, ".svg"))
    is_turned = is_transposed != flip
    expected = [["4", "3"], ["2", "1"]] if is_turned else [["1", "2"], ["3", "4"]]
    assert grid_texts(shown, frames, "kernel") == expected
    assert ("K, turned 180°" in shown.texts) == is_turned


def test_channels_that_are_summed_have_their_grids_and_their_sums() -> None:
    planes = RNG.integers(0, 9, (3, 4, 4))
    matrix = RNG.integers(-3, 4, (3, 2, 2))
    scene = scene_of("conv:2", planes, Kernel("mine", matrix.astype(float)), bias=7.0)
    frames = Drawing([scene])
    for number, (row, column) in enumerate(np.ndindex(3, 3)):
        shown = drawing(frames.render(number, ".svg"))
        sums = []
        for channel in range(3):
            products = planes[channel, row : row + 2, column : column + 2] * matrix[channel]
            texts = [[format_cell(value) for value in line] for line in products.tolist()]
            assert grid_texts(shown, frames, "products", channel) == texts
            assert {f"X[{channel}]", f"K[{channel}]"} < set(shown.texts)
            sums.append(int(products.sum()))
            assert f"products, sum {format_cell(sums[-1])}" in shown.texts
        terms = [f"({format_cell(one)})" if one < 0 else format_cell(one) for one in sums]
        total = format_cell(sum(sums) + 7)
        assert shown.texts[-1] == f"{' + '.join(terms)} + 7 = {total}"


@pytest.mark.parametrize(
    ("layer", "size", "used"),
    [
        ("conv:3,s=2", (6, 7), (range(5), range(7))),
        ("conv:2,s=3", (5, 8), ([0, 1, 3, 4], [0, 1, 3, 4, 6, 7])),
        ("conv:2,d=2,s=4", (7, 3), ([0, 2, 4, 6], [0, 2])),
        ("conv:3,p=1,s=2", (6, 6), (range(7), range(7))),
        ("maxpool:3,s=2,ceil", (6, 6), (range(7), range(7))),
        ("tconv:3,s=2", (3, 3), (range(9), range(9))),
    ],
)
def test_cells_under_no_window_are_hatched_and_said_to_be(
    layer: str, size: tuple[int, int], used: tuple[Any, Any]
) -> None:
    scene = size_scene(parse_layer(layer), size, 999)
    cells = set(np.ndindex(len(scene.kinds), len(scene.kinds[0])))
    assert scene.unused == cells - {(row, column) for row in used[0] for column in used[1]}
    document = Drawing([scene]).render(0, ".svg").decode()
    assert ("hatched: under no window" in document) == bool(scene.unused)
    assert document.count("L") >= 3 * len(scene.unused)


def test_a_maximum_is_marked_in_the_window_wherever_it_lies() -> None:
    scene = scene_of("maxpool:2,p=1", [[[1, 5, 5], [-2, 5, 0], [3, 1, 1]]])
    marked = [sorted(frame.largest) for frame in scene.frames]
    assert marked == [[(1, 1)], [(1, 2), (1, 3)], [(3, 1)], [(2, 2)]]
    assert not any(frame.largest for frame in scene_of("avgpool:2", np.ones((1, 4, 4))).frames)


def test_scenes_above_each_other_are_in_step_and_the_shorter_rests() -> None:
    scenes = [size_scene(parse_layer(layer), (5, 5), 99) for layer in ("conv:3", "conv:3,s=2")]
    frames = Drawing(scenes)
    assert frames.count == 9
    upper, lower = frames.layouts
    assert upper.bottom < lower.top
    assert upper.find_grid("input").corner[0] == lower.find_grid("input").corner[0]
    for number in range(9):
        picture = frames.draw_image(number)
        for scene, layout in zip(scenes, frames.layouts, strict=True):
            left, top = layout.find_grid("output").corner
            current = {
                at
                for at in np.ndindex(scene.output)
                if picture.getpixel((int(left) + CELL * at[1] + 5, int(top) + CELL * at[0] + 5))
                == LIGHT.current
            }
            assert current == {scene.frames[min(number, len(scene.frames) - 1)].at}


@pytest.mark.parametrize("cell", [20, 34, 68])
def test_nothing_overlaps_and_texts_lie_inside(cell: int) -> None:
    plane = RNG.normal(0, 300, (1, 6, 6))
    scene = scene_of("conv:3,d=2,p=1", plane, load_kernel("blur"), note="region 6x6+1+2")
    for number in (0, 3):
        shown = seen([scene], number, cell=cell)
        for word in shown.words:
            assert word.ends[0] >= 0
            assert word.ends[1] <= shown.width
            assert 0 < word.y < shown.height
        lines: dict[float, list[tuple[float, float]]] = {}
        for word in shown.words:
            lines.setdefault(word.y, []).append(word.ends)
        for ends in lines.values():
            ordered = sorted(ends)
            assert all(one[1] <= other[0] + 1 for one, other in pairwise(ordered))
