"""Colors: what is written can be read, and zero is neutral."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.looking import LEGIBLE, READABLE, contrast

from convcli.pictures.theme import (
    DARK,
    LIGHT,
    THEMES,
    Color,
    Theme,
    gray_levels,
    heat_map,
    ink_for,
    mix,
)

themes = pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
shares = np.linspace(-1, 1, 401).tolist()


def diverging_color(theme: Theme, weight: float, largest: float) -> Color:
    red, green, blue = heat_map(np.array([weight]), largest, theme)[0].tolist()
    return red, green, blue


@themes
def test_text_can_be_read_on_the_page(theme: Theme) -> None:
    assert contrast(theme.ink, theme.page) >= READABLE
    assert contrast(theme.faint, theme.page) >= LEGIBLE


@themes
def test_the_numbers_of_the_padding_can_be_read_under_the_window(theme: Theme) -> None:
    assert contrast(theme.ink, theme.window_on_padding) >= READABLE


@themes
@pytest.mark.parametrize("name", ["cell", "output", "window", "current"])
def test_numbers_can_be_read_in_every_cell(theme: Theme, name: str) -> None:
    color = getattr(theme, name)
    assert contrast(ink_for(color), color) >= READABLE


@themes
def test_weights_can_be_read_on_every_color_of_the_scale(theme: Theme) -> None:
    colors = [diverging_color(theme, share, 1.0) for share in shares]
    assert min(contrast(ink_for(color), color) for color in colors) >= READABLE


def test_numbers_can_be_read_on_every_gray() -> None:
    grays = [(level, level, level) for level in range(256)]
    assert min(contrast(ink_for(gray), gray) for gray in grays) >= READABLE


@themes
def test_cells_under_the_window_stand_out(theme: Theme) -> None:
    """Told apart by more than a shade: from cells, from padding, from each other."""
    shaded = (theme.window, theme.window_on_padding)
    for one in shaded:
        for other in (theme.cell, theme.page):
            assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 60
    assert len({theme.output, theme.current, theme.blank, theme.cell, *shaded, theme.page}) == 7


@themes
def test_weights_of_either_sign_go_from_neutral_to_their_end(theme: Theme) -> None:
    for end, sign in ((theme.positive, 1), (theme.negative, -1)):
        scale = [
            diverging_color(theme, sign * share, 2.0) for share in np.linspace(0, 2, 50).tolist()
        ]
        assert (scale[0], scale[-1]) == (theme.zero, end)
        away = [sum(abs(a - b) for a, b in zip(one, theme.zero, strict=True)) for one in scale]
        assert away == sorted(away)
    assert diverging_color(theme, 9.0, 2.0) == theme.positive


@themes
def test_a_kernel_of_zeros_is_neutral(theme: Theme) -> None:
    assert diverging_color(theme, 0.0, 0.0) == theme.zero


def test_grays_go_from_black_to_white_and_are_cut_off_there() -> None:
    values = np.array([[-9.0, -4, 0, 4, 9]])
    assert gray_levels(values, -4, 4).tolist() == [[0, 0, 128, 255, 255]]


def test_what_is_no_number_is_black() -> None:
    assert gray_levels(np.array([[np.nan, np.inf, -np.inf]]), 0, 4).tolist() == [[0, 255, 0]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_grays_reach_from_the_least_to_the_largest_number(dtype: type[np.floating[Any]]) -> None:
    limits = np.finfo(dtype)
    largest, least = float(limits.max), float(limits.smallest_subnormal)
    quarters = np.array([[-1, -0.5, 0, 0.5, 1]])
    expected = [[0, 64, 128, 191, 255]]
    assert gray_levels((quarters * largest).astype(dtype), -largest, largest).tolist() == expected
    small = (quarters * 2 * least).astype(dtype)
    assert gray_levels(small, -2 * least, 2 * least).tolist() == expected
    assert gray_levels(np.array([[largest]], dtype), 0, least).tolist() == [[255]]


def test_one_value_alone_is_neither_black_nor_white() -> None:
    assert gray_levels(np.full((2, 2), 7.0), 7, 7).tolist() == [[128, 128], [128, 128]]


def test_a_theme_is_a_few_colors() -> None:
    sepia = replace(LIGHT, page=(250, 240, 220))
    assert sepia.window_on_padding == mix(LIGHT.window, (250, 240, 220), 0.5)
    assert DARK != LIGHT
