"""Scales: what a color means, and which maps share one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convcli.pictures.scales import Scale, choose_scale, legend_width, note_beyond, share_scales
from convcli.pictures.theme import DARK, LIGHT, Theme

themes = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
WHITE = 255.0


def column(*numbers: float) -> NDArray[np.float64]:
    return np.array(numbers, np.float64).reshape(-1, 1, 1)


# ---- colors ------------------------------------------------------------------------------------


@themes
@given(high=st.floats(1e-6, 1e6))
def test_a_gray_is_the_share_of_a_number(theme: Theme, high: float) -> None:
    values = np.linspace(-high, 2 * high, 31)
    colors = Scale(0.0, high).paint(values, theme).astype(int)
    expected = [min(max(value / high, 0.0), 1.0) * 255 for value in values.tolist()]
    assert np.abs(colors - np.array(expected)[:, np.newaxis]).max() <= 0.5 + 1e-6


@themes
@given(most=st.floats(1e-6, 1e6))
def test_a_diverging_color_is_as_far_from_neutral_as_its_number(theme: Theme, most: float) -> None:
    shares = np.linspace(-1, 1, 41)
    colors = Scale(-most / 3, most, is_diverging=True).paint(shares * most, theme)
    for share, color in zip(shares.tolist(), colors.tolist(), strict=True):
        end = theme.negative if share < 0 else theme.positive
        wanted = [
            zero + (last - zero) * abs(share) for zero, last in zip(theme.zero, end, strict=True)
        ]
        assert np.abs(np.subtract(color, wanted)).max() <= 2
    assert tuple(colors[20].tolist()) == theme.zero


@themes
def test_a_map_of_zeros_is_black_and_nan_has_a_color_of_its_own(theme: Theme) -> None:
    zeros = column(0, 0, np.nan)
    colors = choose_scale([zeros]).paint(zeros[:, 0, 0], theme)
    assert [tuple(color) for color in colors.tolist()] == [(0, 0, 0), (0, 0, 0), theme.missing]


def test_a_legend_names_its_ends_and_zero_between_them() -> None:
    assert Scale(-3.0, 3.0, is_diverging=True).ticks == [-3, 0, 3]
    assert Scale(0.0, 4.0).ticks == [0, 4]
    assert Scale(0.0, 0.0).ticks == [0]
    assert str(Scale(-0.5, 0.5)) == "scale −0.5 to 0.5"
    assert str(Scale(0.0, 360.0, unit="°")) == "scale 0° to 360°"
    assert legend_width(Scale(0.0, 360.0, unit="°" * 40), 60) > legend_width(Scale(0.0, 360.0), 60)


# ---- the scale of one map ----------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60))
def test_every_number_of_a_small_map_is_on_its_scale(numbers: list[float]) -> None:
    scale = choose_scale([column(*numbers)])
    if min(numbers) < 0:
        largest = max(map(abs, numbers))
        assert scale == Scale(-largest, largest, is_diverging=True)
    else:
        assert scale == Scale(0.0, max(numbers))
    assert note_beyond(column(*numbers), scale) == []


def test_what_is_not_finite_does_not_stretch_a_scale() -> None:
    assert choose_scale([column(np.nan, np.inf, 3)]) == Scale(0.0, 3.0)
    assert choose_scale([column(-np.inf, 3)]) == Scale(0.0, 3.0)
    assert choose_scale([column(np.nan, np.inf)]) == Scale(0.0, 0.0)
    assert choose_scale([column(np.inf), column(-2)]) == Scale(-2.0, 2.0, is_diverging=True)


def ramp(low: float, high: float, count: int = 10_000) -> NDArray[np.float64]:
    """Numbers that lie evenly between two."""
    return np.linspace(low, high, count).reshape(-1, 100, 1)


def test_a_few_of_many_numbers_lie_beyond_a_scale_and_are_counted() -> None:
    unsigned, signed = ramp(0, 1000), ramp(-1000, 1000)
    assert choose_scale([unsigned]).high == pytest.approx(995, abs=1)
    assert choose_scale([signed]).high == pytest.approx(970, abs=1)
    assert note_beyond(unsigned, choose_scale([unsigned])) == ["0.5% beyond the scale"]
    assert note_beyond(signed, choose_scale([signed])) == ["3.0% beyond the scale"]
    stretched = ramp(0, 10)
    stretched[0] = 1e6  # one in a hundred is too many to be left out
    assert choose_scale([stretched]).high == 1e6
    assert choose_scale([ramp(0, 1000, 4000)]).high == 1000  # not so many that any is left out


def test_the_zeros_of_a_sparse_map_are_not_counted_among_its_numbers() -> None:
    sparse = np.zeros((200, 200, 1))
    sparse[::20, ::20, 0] = 7.0  # one in four hundred
    assert choose_scale([sparse]) == Scale(0.0, 7.0)


def test_a_picture_that_is_sharpened_is_still_seen_as_one() -> None:
    picture = ramp(0, 255)
    assert choose_scale([picture], WHITE) == Scale(0.0, WHITE)
    picture[0], picture[1] = -100, 400  # 2% of its values, 1.9% of what they sum to
    assert choose_scale([picture], WHITE) == Scale(0.0, WHITE)
    picture[2] = 400
    assert choose_scale([picture], WHITE).is_diverging


# ---- scales that are shared --------------------------------------------------------------------


def test_maps_of_a_row_share_a_scale_after_an_activation_too() -> None:
    ((first, relu),) = share_scales([[column(-4, 2), column(0, 2)]])
    assert first == relu == Scale(-4.0, 4.0, is_diverging=True)


def test_an_input_without_negative_numbers_is_not_made_pale_by_a_signed_map() -> None:
    inputs, outputs = share_scales([[column(0, 3)], [column(-4, 2), column(0, 2)]])
    assert inputs == [Scale(0.0, 3.0)]
    assert outputs == [Scale(-4.0, 4.0, is_diverging=True)] * 2


def test_rows_of_a_kind_share_a_scale() -> None:
    rows = [[column(0, 3)], [column(-4, 4)], [column(-3, 1)], [column(1, 2)]]
    (inputs,), (first,), (second,), (third,) = share_scales(rows)
    assert first == second == Scale(-4.0, 4.0, is_diverging=True)
    assert inputs == third == Scale(0.0, 3.0)


@pytest.mark.parametrize(("small", "expected"), [(1.0, 4.0), (0.99, 0.99)])
def test_a_map_of_less_than_a_quarter_has_a_scale_of_its_own(small: float, expected: float) -> None:
    ((large, other),) = share_scales([[column(0, 4), column(0, small)]])
    assert (large.high, other.high) == (4.0, expected)
    ((large, other),) = share_scales([[column(-4, 4), column(-small, 0)]])
    assert (large.high, other.high) == (4.0, expected)


def test_a_small_map_without_negative_numbers_is_gray_beside_a_signed_one() -> None:
    ((_, sigmoid),) = share_scales([[column(-13, 8), column(0.1, 0.9)]])
    assert sigmoid == Scale(0.0, 0.9)


def test_zeros_and_pictures_have_scales_of_their_own() -> None:
    picture = ramp(0, 255)
    ((zeros, seen, edges),) = share_scales([[column(0, 0), picture, column(-600, 300)]], WHITE)
    assert zeros == Scale(0.0, WHITE)
    assert seen == Scale(0.0, WHITE)
    assert edges == Scale(-600.0, 600.0, is_diverging=True)
    ((zeros, _),) = share_scales([[column(0, 0), column(-6, 3)]])
    assert zeros == Scale(0.0, 0.0)


@given(
    st.lists(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=4), max_size=3), max_size=3)
)
def test_every_map_has_a_scale_that_shows_it(rows: list[list[list[int]]]) -> None:
    scales = share_scales([[column(*numbers) for numbers in row] for row in rows])
    assert [len(row) for row in scales] == [len(row) for row in rows]
    maps = [numbers for row in rows for numbers in row]
    for numbers, scale in zip(maps, (one for row in scales for one in row), strict=True):
        most = max(map(abs, numbers))
        assert most <= scale.high <= 4 * most
        assert scale.is_diverging or min(numbers) >= 0
