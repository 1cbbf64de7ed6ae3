from typing import Any

import numpy as np
import pytest

from convcli.arithmetic.values import as_axis_padding, as_number, as_padding, as_pair
from convcli.errors import ArgumentError


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
