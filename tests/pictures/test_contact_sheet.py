"""Contact sheets: every channel once, on one scale, in pictures of a bounded size."""

from __future__ import annotations

import numpy as np
import pytest

from convcli.pictures.canvas import render
from convcli.pictures.contact_sheet import (
    MAX_CHANNELS,
    MAX_SIDE,
    ContactSheet,
    make_sheet_panel,
)
from convcli.pictures.panels import make_kernel_panel
from convcli.pictures.scales import Scale
from convcli.pictures.theme import LIGHT


def test_zero_has_one_color_in_all_channels_of_a_signed_map() -> None:
    values = np.zeros((4, 6, 5))
    values[:, :, 1], values[:, :, 2], values[:, :, 3] = 2.0, -4.0, 4.0
    panel = make_sheet_panel("map", values, LIGHT)
    colors = [tuple(picture[0, 0].tolist()) for picture in panel.pictures]
    assert colors[0] == colors[4] == LIGHT.zero
    assert (colors[2], colors[3]) == (LIGHT.negative, LIGHT.positive)
    assert panel.captions == ["4×6×5"]
    assert panel.scale == Scale(-4.0, 4.0, is_diverging=True)
    assert list(panel.labels) == ["0", "1", "2", "3", "4"]


def test_a_map_that_is_not_signed_goes_from_black_to_white() -> None:
    values = np.stack([np.zeros((3, 3)), np.full((3, 3), 5.0)], axis=2)
    panel = make_sheet_panel("map", values, LIGHT)
    assert [int(picture.max()) for picture in panel.pictures] == [0, 255]
    assert panel.scale == Scale(0.0, 5.0)


@pytest.mark.parametrize("shape", [(1000, 700, 2), (1, 5000, 4), (3, 2, 300), (5000, 1, 2)])
def test_a_picture_is_never_larger_than_what_is_drawn_of_it(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape)
    panel = make_sheet_panel("map", values, LIGHT)
    assert len(panel.pictures) == min(shape[2], MAX_CHANNELS)
    assert max(max(picture.shape[:2]) for picture in panel.pictures) < 2 * MAX_SIDE
    for suffix in (".png", ".svg"):
        assert render([[panel]], suffix)


def test_a_large_channel_keeps_its_mean() -> None:
    values = np.random.default_rng(1).random((640, 640, 1))
    values[:, :, 0] += 1
    (picture,) = make_sheet_panel("map", values, LIGHT).pictures
    expected = values.mean() / values.max() * 255
    assert picture.mean() == pytest.approx(expected, abs=1)


def test_a_layer_over_colors_is_a_colored_picture_of_each_map() -> None:
    weights = np.zeros((18, 3, 5, 4))
    weights[1, 0], weights[2, :, 0] = 2.0, -2.0
    panel = make_kernel_panel("bank", weights, LIGHT)
    assert isinstance(panel, ContactSheet)
    colors = [picture[0, 0].tolist() for picture in panel.pictures]
    assert colors[:3] == [[128, 128, 128], [255, 128, 128], [0, 0, 0]]
    assert panel.captions == ["18×3×5×4", "as colors, 0 mid-gray"]
    assert panel.scale == Scale(-2.0, 2.0)
    assert render([[panel]], ".png")


def test_nan_has_a_color_of_its_own_and_is_counted() -> None:
    values = np.full((3, 3, 5), -1.0)
    values[0, 0], values[1, 1], values[2, 2] = np.nan, -np.inf, 2.0
    panel = make_sheet_panel("map", values, LIGHT)
    assert panel.captions == ["3×3×5", "11.1% beyond the scale", "5 NaN, in purple"]
    assert panel.scale == Scale(-2.0, 2.0, is_diverging=True)
    assert tuple(panel.pictures[0][0, 0].tolist()) == LIGHT.missing
    assert tuple(panel.pictures[0][1, 1].tolist()) == LIGHT.negative
    empty = make_sheet_panel("map", np.full((2, 2, 5), np.nan), LIGHT)
    assert render([[empty]], ".png")
