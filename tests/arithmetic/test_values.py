import time
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcli.arithmetic.values import (
    Resize,
    as_axis_padding,
    as_number,
    as_padding,
    as_pair,
    parse_real,
    parse_resize,
)
from convcli.errors import ArgumentError, NotationError


def test_one_number_stands_for_both_axes() -> None:
    assert as_pair(3, "stride") == (3, 3)
    assert as_pair((3, 5), "stride") == (3, 5)
    assert as_pair([3, 5], "stride") == (3, 5)


@pytest.mark.parametrize(
    ("value", "sides"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (((0, 1), (2, 3)), ((0, 1), (2, 3))),
        ([[0, 1], [2, 3]], ((0, 1), (2, 3))),
        ((1, (2, 3)), ((1, 1), (2, 3))),
        ("valid", "valid"),
        ("same", "same"),
        ("same-lower", "same-lower"),
        ("full", "full"),
    ],
)
def test_every_form_of_padding_is_read(value: Any, sides: Any) -> None:
    assert as_padding(value) == sides


def test_the_sides_of_one_axis_are_before_and_after() -> None:
    assert as_axis_padding(2) == (2, 2)
    assert as_axis_padding((0, 1)) == (0, 1)
    assert as_axis_padding("same") == "same"


def test_integers_of_numpy_become_plain_ones() -> None:
    number = as_number(np.uint8(200), "stride", least=1)
    assert number == 200
    assert type(number) is int
    assert as_pair((np.int64(3), np.int32(5)), "stride") == (3, 5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.0, 2.5, "3", None, True, np.float64(2), (1,), object()])
def test_what_is_no_whole_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ArgumentError) as refusal:
        as_number(value, "stride", least=1)
    assert str(refusal.value) == f"stride must be a whole number, not {value!r}"


def test_a_number_below_the_least_is_refused_with_both() -> None:
    with pytest.raises(ArgumentError, match=r"^dilation must be at least 1, not 0$"):
        as_number(0, "dilation", least=1)
    with pytest.raises(ArgumentError, match=r"^padding must be at least 0, not -1$"):
        as_padding(((0, 0), (-1, 0)))


@pytest.mark.parametrize("value", [(), (1,), (1, 2, 3)])
def test_one_or_two_numbers_but_no_more(value: Any) -> None:
    with pytest.raises(ArgumentError) as refusal:
        as_pair(value, "stride")
    assert repr(value) in str(refusal.value)
    with pytest.raises(ArgumentError, match=r"padding must be N, \(ph, pw\) or"):
        as_padding(value)


def test_an_unknown_padding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ArgumentError, match=r"^padding 'some' is none of valid, same, same-lower, full$"
    ):
        as_padding("some")


@pytest.mark.parametrize("value", [np.array([1, 1]), np.array([2])])
def test_an_array_is_no_whole_number(value: Any) -> None:
    with pytest.raises(ArgumentError, match="stride must be"):
        as_number(value, "stride", least=1)


# Sizes that depend on the picture's own

SIDES = st.integers(1, 10**6)


def rounded(side: int, numerator: int | Decimal, denominator: int | Decimal) -> int:
    """A side times a fraction, rounded half up in decimal, and at least 1."""
    with localcontext(prec=200):
        exact = Decimal(side) * numerator / denominator
        return max(1, int(exact.quantize(Decimal(1), ROUND_HALF_UP)))


@given(SIDES, SIDES, SIDES)
def test_one_side_gives_the_other_in_proportion(height: int, width: int, wanted: int) -> None:
    by_width = parse_resize(f"{wanted}x").size_of((height, width))
    assert by_width == (rounded(height, wanted, width), wanted)
    by_height = parse_resize(f"x{wanted}").size_of((height, width))
    assert by_height == (wanted, rounded(width, wanted, height))
    assert parse_resize(f"{width}x{wanted}").size_of((5, 7)) == (wanted, width)


@given(SIDES, SIDES, st.decimals("0.001", "999", places=3))
def test_a_percentage_scales_both_sides(height: int, width: int, percent: Decimal) -> None:
    found = parse_resize(f"{percent:f}%").size_of((height, width))
    assert found == (rounded(height, percent, 100), rounded(width, percent, 100))


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("50%", (5, 7), (3, 4)),  # half up
        ("50%", (1, 1), (1, 1)),
        ("1%", (40, 60), (1, 1)),
        ("100%", (5, 7), (5, 7)),
        ("200%", (5, 7), (10, 14)),
        ("33.3%", (1000, 1), (333, 1)),
        ("320x", (2, 100_000), (1, 320)),  # at least one pixel
        ("x240", (480, 640), (240, 320)),
        ("320x240", (1, 1), (240, 320)),
    ],
)
def test_sizes_of_a_resized_picture(text: str, size: tuple[int, int], expected: object) -> None:
    assert parse_resize(text).size_of(size) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "%", "640", "50%x25%", "320x240!", "320x240>", "320x240^", "3x4x5", "-50%", "1e3%",
     "50,5%", "50 %", "0.5", ".5%", "5.%", "\u0665%", "9999999999%", "1" * 200_000 + "%", "axb"],
)  # fmt: skip
def test_what_is_no_size_is_told_the_forms(text: str) -> None:
    with pytest.raises(NotationError, match="it must be WxH, Wx, xH or N%, like 640x480, 640x"):
        parse_resize(text, "it")


@pytest.mark.parametrize("text", ["0%", "0.00%", "0x", "x0", "0x5", "5x0"])
def test_a_size_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(NotationError, match=r"at least 1|more than 0%"):
        parse_resize(text)


def test_the_fewest_pixels_are_known_before_a_picture_is() -> None:
    assert Resize(3, 4).min_pixels == 12
    assert [Resize(3).min_pixels, Resize(width=4).min_pixels, Resize().min_pixels] == [3, 4, 1]


def test_a_long_text_that_is_no_number_is_found_out_at_once() -> None:
    started = time.process_time()
    with pytest.raises(NotationError, match="is not a number"):
        parse_real("1" * 100_000 + "x", "it")
    assert time.process_time() - started < 1
