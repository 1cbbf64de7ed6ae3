"""What people write for sizes and paddings, checked and put into one form."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Literal, SupportsIndex, TypeAlias, cast, get_args

from convcli.errors import ArgumentError

Pair: TypeAlias = tuple[int, int]  # (height, width), or (before, after) along one axis
Sides: TypeAlias = tuple[Pair, Pair]  # ((top, bottom), (left, right))
PaddingName = Literal["valid", "same", "same-lower", "full"]
PaddingLike: TypeAlias = int | str | Sequence[int | Sequence[int]]
PaddingMode = Literal["zero", "reflect", "replicate", "circular", "symmetric"]

NO_PADDING: Sides = ((0, 0), (0, 0))
PADDING_NAMES: tuple[str, ...] = get_args(PaddingName)
PADDING_MODES: tuple[str, ...] = get_args(PaddingMode)


def as_number(value: object, what: str, *, least: int) -> int:
    """Take an integer (NumPy's too), refuse anything else and whatever is below `least`."""
    try:
        number = index(cast("SupportsIndex", value))
    except TypeError:
        raise ArgumentError(f"{what} must be a whole number, not {value!r}") from None
    if isinstance(value, bool):
        raise ArgumentError(f"{what} must be a whole number, not {value!r}")
    if number < least:
        raise ArgumentError(f"{what} must be at least {least}, not {number}")
    return number


def as_pair(value: int | Sequence[int | Sequence[int]], what: str, *, least: int = 1) -> Pair:
    """Take `N` or `(height, width)` as a pair.

    >>> as_pair(3, "stride")
    (3, 3)
    """
    if isinstance(value, Sequence):
        if len(value) != 2:
            raise ArgumentError(f"{what} must be one number or two, not {value!r}")
        return as_number(value[0], what, least=least), as_number(value[1], what, least=least)
    number = as_number(value, what, least=least)
    return number, number


def as_padding(value: PaddingLike) -> str | Sides:
    """Take `N`, `(ph, pw)`, `((top, bottom), (left, right))` or a name as a padding.

    >>> as_padding((1, 2))
    ((1, 1), (2, 2))
    >>> as_padding("same")
    'same'
    """
    if not isinstance(value, Sequence):
        return (as_pair(value, "padding", least=0),) * 2
    if isinstance(value, str):
        if value not in PADDING_NAMES:
            raise ArgumentError(f"padding {value!r} is none of {', '.join(PADDING_NAMES)}")
        return value
    if len(value) != 2:
        raise ArgumentError(
            f"padding must be N, (ph, pw) or ((top, bottom), (left, right)), not {value!r}"
        )
    # One number for an axis pads both of its sides: as_pair doubles it.
    rows, columns = value
    return as_pair(rows, "padding", least=0), as_pair(columns, "padding", least=0)


def as_sides_of_axis(value: PaddingLike) -> str | Pair:
    """Take `N`, `(before, after)` or a name as the padding along one axis.

    >>> as_sides_of_axis((0, 1))
    (0, 1)
    """
    if isinstance(value, str):
        return value
    return as_pair(value, "padding", least=0)
