"""Scenes of layers: their titles, their limits, and the numbers that the engine gives them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convcli.arithmetic.notation import parse_layer
from convcli.engine.pooling import avg_pool2d
from convcli.errors import LimitError
from convcli.kernels import load_kernel
from convcli.pictures.layer_scene import MAX_SIDE_CELLS, numbers_scene, size_scene

PLANE = np.arange(20.0).reshape(4, 5)


@pytest.mark.parametrize(
    ("layer", "title"),
    [
        ("conv:3", "conv 3: 7x9 -> 5x7"),
        ("conv:3x2,s=2,p=1", "conv 3x2, stride 2, padding 1: 7x9 -> 4x5"),
        ("conv:3,d=2,p=same", "conv 3, padding 2, dilation 2: 7x9 -> 7x9"),
        ("tconv:3,s=2,op=1", "tconv 3, stride 2, output padding 1: 7x9 -> 16x20"),
        ("maxpool:2", "maxpool 2, stride 2: 7x9 -> 3x4"),
    ],
)
def test_the_title_names_what_is_not_the_default(layer: str, title: str) -> None:
    assert size_scene(parse_layer(layer), (7, 9), 1000).title == title


def test_the_title_begins_with_the_kernel_s_name() -> None:
    kernel = load_kernel("sobel-x")
    scene = numbers_scene(parse_layer("conv:3"), PLANE, kernel, flip=False, max_frames=100)
    assert scene.title == "sobel-x, conv 3: 4x5 -> 2x3"


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
    expected = avg_pool2d(PLANE[np.newaxis], 2, stride=2, padding=1, count_include_pad=False)[0]
    assert scene.frames[0].formula == "mean(0) = 0"
    assert {text for row, kinds in zip(scene.texts, scene.kinds, strict=True)
            for text, kind in zip(row, kinds, strict=True) if kind != "input"} == {""}  # fmt: skip
    for frame in scene.frames:
        assert math.isclose(float(frame.result), expected[frame.at], rel_tol=1e-3)


def test_a_transposed_convolution_is_written_with_its_kernel_turned() -> None:
    kernel = load_kernel("1 2; 3 4")
    layer = parse_layer("tconv:2,s=2")
    scene = numbers_scene(layer, PLANE[1:3, 1:3], kernel, flip=False, max_frames=100)
    assert scene.texts[1] == ("0", "6", "0", "7", "0")
    assert scene.frames[0].formula == "0·4 + 0·3 + 0·2 + 6·1 = 6"
    assert [frame.result for frame in scene.frames[:4]] == ["6", "12", "7", "14"]
