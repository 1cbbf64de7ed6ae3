"""Scenes: what each cell is, what each step lights up, and what it says in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from support.animate import evaluated
from support.oracles import Geometry, geometries, pad, reals, seeds, span

from convcli.arithmetic.geometry import Axis, window
from convcli.arithmetic.notation import parse_layer
from convcli.engine.filter2d import filter2d
from convcli.engine.pooling import avg_pool2d
from convcli.errors import LimitError
from convcli.kernels import load_kernel
from convcli.pictures.scene import (
    MAX_SIDE_CELLS,
    Numbers,
    Scene,
    input_cells,
    make_scene,
    padded_size,
    size_scene,
)
from convcli.pictures.scene_numbers import numbers_scene

PLANE = np.arange(20.0).reshape(1, 4, 5)


def laid(geometry: Geometry) -> Scene:
    return make_scene("", geometry.size, window(geometry.kernel, **geometry.settings))


@settings(max_examples=150)
@given(geometries())
def test_cells_are_the_input_with_its_padding_around_it(geometry: Geometry) -> None:
    kinds = np.array(laid(geometry).kinds)
    marks = pad(np.ones(geometry.size), geometry.sides, "zero")
    assert kinds.shape == marks.shape
    assert np.array_equal(kinds == "input", marks == 1)
    assert set(kinds[marks == 0].tolist()) <= {"padding"}


@settings(max_examples=150)
@given(geometries())
def test_every_output_has_its_step_and_every_step_its_window(geometry: Geometry) -> None:
    scene = laid(geometry)
    assert scene.output == geometry.output
    assert [frame.at for frame in scene.frames] == list(np.ndindex(scene.output))
    for frame in scene.frames:
        corner = tuple(at * gap for at, gap in zip(frame.at, geometry.stride, strict=True))
        assert frame.taps[0] == corner
        taps = [
            (corner[0] + u * geometry.dilation[0], corner[1] + v * geometry.dilation[1])
            for u, v in np.ndindex(geometry.kernel)
        ]
        assert list(frame.taps) == taps
        extent = tuple(
            last + 1 - first for first, last in zip(frame.taps[0], frame.taps[-1], strict=True)
        )
        assert extent == tuple(map(span, geometry.kernel, geometry.dilation))
        assert max(row for row, _ in taps) < len(scene.kinds)
        assert max(column for _, column in taps) < len(scene.kinds[0])


@settings(max_examples=60)
@given(geometries(largest_kernel=3), seeds)
def test_the_words_of_a_step_evaluate_to_its_result(geometry: Geometry, seed: int) -> None:
    plane, kernel = reals(seed, *geometry.size), reals(seed + 1, *geometry.kernel)
    padded = pad(plane, geometry.sides, "zero")
    results = filter2d(plane, kernel, padding_mode="zero", bias=1.5, **geometry.settings)
    scene = make_scene(
        "", geometry.size, window(geometry.kernel, **geometry.settings),
        numbers=Numbers(padded[np.newaxis], results, kernel[np.newaxis], 1.5),
    )  # fmt: skip
    for frame in scene.frames:
        words, _, result = str(frame.formula).rpartition(" = ")
        assert result == frame.result
        # Every number is drawn with three digits.
        assert_allclose(evaluated(result), results[frame.at], rtol=6e-3)
        assert_allclose(evaluated(words), results[frame.at], rtol=0.02, atol=0.2)


def test_whole_numbers_are_drawn_as_they_are() -> None:
    plane = np.arange(-6.0, 6).reshape(3, 4)
    kernel = np.array([[1.0, -2], [0, 3]])
    results = filter2d(plane, kernel, padding="valid")
    scene = make_scene(
        "", (3, 4), window(2), numbers=Numbers(plane[np.newaxis], results, kernel[np.newaxis])
    )
    assert scene.planes[0][0] == ("−6", "−5", "−4", "−3")
    assert str(scene.frames[0].formula) == "(−6) × 1 + (−5) × (−2) + (−2) × 0 + (−1) × 3 = 1"
    for frame in scene.frames:
        assert (
            evaluated(str(frame.formula).rpartition(" = ")[0])
            == results[frame.at]
            == evaluated(frame.result)
        )


def test_pools_say_what_they_compare_and_what_they_divide() -> None:
    plane = np.array([[1.0, 2], [3, 4]])
    for op, result, words in (
        ("maxpool", 4.0, "max(1, 2, 3, 4) = 4"),
        ("avgpool", 2.5, "mean(1, 2, 3, 4) = 2.5"),
    ):
        numbers = Numbers(plane[np.newaxis], np.array([[result]]))
        (frame,) = make_scene("", (2, 2), window(2), op=op, numbers=numbers).frames
        assert str(frame.formula) == words


def test_without_numbers_nothing_is_written() -> None:
    scene = make_scene("", (4, 4), window(3))
    assert {text for row in scene.planes[0] for text in row} == {""}
    assert {(frame.result, frame.formula) for frame in scene.frames} == {("", None)}


def test_a_ceil_pool_reaches_beyond_the_padding() -> None:
    scene = make_scene("", (4, 4), window(3, stride=2, ceil_mode=True), op="maxpool")
    assert [row[0] for row in scene.kinds] == ["input"] * 4 + ["beyond"]


# ---- transposed --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_transposed_axis_is_spread_out_with_zeros_between(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    reach = span(kernel, dilation)
    for before in range(reach):
        for extra in range(max(stride, dilation)):
            axis = Axis(
                size=size, kernel=kernel, stride=stride, dilation=dilation, before=before,
                after=before, transposed=True, output_padding=extra,
            )  # fmt: skip
            if axis.output < 1:
                continue
            cells = [input_cells(axis).get(place) for place in range(padded_size(axis))]
            assert spread_convolution(cells, axis) == painted(axis)


def spread_convolution(cells: list[int | None], axis: Axis) -> list[set[tuple[int, int]]]:
    """What a convolution of stride 1 over the cells joins: inputs with taps, turned."""
    return [
        {
            (cell, axis.kernel - 1 - tap)
            for tap in range(axis.kernel)
            if (cell := cells[at + tap * axis.dilation]) is not None
        }
        for at in range(axis.output)
    ]


def painted(axis: Axis) -> list[set[tuple[int, int]]]:
    """What painting the kernel for every input joins: the definition."""
    canvas: list[set[tuple[int, int]]] = [set() for _ in range(axis.output)]
    for place in range(axis.size):
        for tap in range(axis.kernel):
            at = place * axis.stride + tap * axis.dilation - axis.before
            if 0 <= at < axis.output:
                canvas[at].add((place, tap))
    return canvas


def test_between_inputs_are_gaps_and_around_them_padding() -> None:
    shape = window(3, stride=2, padding=1, transposed=True)
    kinds = make_scene("", (3, 3), shape, op="tconv").kinds
    expected: list[Any] = ["padding", "input", "gap", "input", "gap", "input", "padding"]
    assert list(kinds[1]) == expected
    assert list(kinds[2]) == ["padding", *["gap"] * 5, "padding"]
    assert set(kinds[0]) == {"padding"}


@pytest.mark.parametrize("padding", [3, 4])
def test_padding_beyond_the_kernel_cuts_a_transposed_input_off(padding: int) -> None:
    axis = Axis(size=5, kernel=3, before=padding, after=padding, transposed=True)
    cells: NDArray[Any] = np.array([input_cells(axis).get(at) for at in range(padded_size(axis))])
    assert cells.tolist() == list(range(padding - 2, 5 - padding + 2))


# ---- layers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "title"),
    [
        ("conv:3", "conv 3×3: 7×9 → 5×7"),
        ("conv:3x2,s=2,p=1", "conv 3×2, stride 2, padding 1: 7×9 → 4×5"),
        ("conv:3,d=2,p=same", "conv 3×3, padding 2, dilation 2: 7×9 → 7×9"),
        ("tconv:3,s=2,op=1", "tconv 3×3, stride 2, output padding 1: 7×9 → 16×20"),
        ("maxpool:2", "maxpool 2×2, stride 2: 7×9 → 3×4"),
    ],
)
def test_the_title_names_what_is_not_the_default(layer: str, title: str) -> None:
    assert size_scene(parse_layer(layer), (7, 9), 1000).title == title


def test_the_title_begins_with_the_kernel_s_name() -> None:
    kernel = load_kernel("sobel-x")
    scene = numbers_scene(parse_layer("conv:3"), PLANE, kernel, flip=False, max_frames=100)
    assert scene.title == "sobel-x, conv 3×3: 4×5 → 2×3"


def test_as_many_frames_and_cells_as_are_allowed_and_no_more() -> None:
    layer = parse_layer("conv:3")
    assert len(size_scene(layer, (5, 6), 12).frames) == 12
    with pytest.raises(LimitError, match="12 frames; --max-frames allows 11"):
        size_scene(layer, (5, 6), 11)
    wide = parse_layer("conv:1x60")
    assert len(size_scene(wide, (1, MAX_SIDE_CELLS), 100).frames) == MAX_SIDE_CELLS - 59
    with pytest.raises(LimitError, match="too large to draw"):
        size_scene(wide, (1, MAX_SIDE_CELLS + 1), 100)


def test_an_average_without_padding_leaves_its_padding_out() -> None:
    layer = parse_layer("avgpool:2,s=2,p=1,nopad")
    scene = numbers_scene(layer, PLANE, None, flip=False, max_frames=100)
    expected = avg_pool2d(PLANE, 2, stride=2, padding=1, count_include_pad=False)[0]
    assert str(scene.frames[0].formula) == "mean(0) = 0"
    assert {text for row, kinds in zip(scene.planes[0], scene.kinds, strict=True)
            for text, kind in zip(row, kinds, strict=True) if kind != "input"} == {""}  # fmt: skip
    for frame in scene.frames:
        assert math.isclose(evaluated(frame.result), expected[frame.at], rel_tol=1e-3)


def test_a_transposed_convolution_is_written_with_its_kernel_turned() -> None:
    kernel = load_kernel("1 2; 3 4")
    layer = parse_layer("tconv:2,s=2")
    scene = numbers_scene(layer, PLANE[:, 1:3, 1:3], kernel, flip=False, max_frames=100)
    assert scene.planes[0][1] == ("0", "6", "0", "7", "0")
    assert str(scene.frames[0].formula) == "0 × 4 + 0 × 3 + 0 × 2 + 6 × 1 = 6"
    assert [frame.result for frame in scene.frames[:4]] == ["6", "12", "7", "14"]
