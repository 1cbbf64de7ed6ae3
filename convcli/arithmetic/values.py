"""Numbers, sizes, paddings and shapes: checked, read from text, and written as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from operator import index
from typing import SupportsIndex, TypeAlias, cast

from convcli.errors import ArgumentError, NotationError

Pair: TypeAlias = tuple[int, int]  # (height, width), or (before, after) along one axis
Sides: TypeAlias = tuple[Pair, Pair]  # ((top, bottom), (left, right))
Shape: TypeAlias = tuple[int, ...]  # (C, H, W), or (N,) once flat
PaddingLike: TypeAlias = int | str | Sequence[int | Sequence[int]]

NO_PADDING: Sides = ((0, 0), (0, 0))
PADDING_NAMES = ("valid", "same", "same-lower", "full")
PADDING_MODES = ("zero", "reflect", "replicate", "circular", "symmetric")

MAX_DIGITS = 1 << 17  # the longest argument of a command line; more would take too long

_DIGITS = re.compile(r"[0-9]+\Z")
REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")


def as_number(value: object, what: str, *, least: int) -> int:
    """Return an integer (NumPy's too) as an int; raise for anything else and below `least`."""
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
    """Return `N` or `(height, width)` as a pair.

    >>> as_pair(3, "stride")
    (3, 3)
    """
    pair = value if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2:
        raise ArgumentError(f"{what} must be one number or two, not {value!r}")
    return as_number(pair[0], what, least=least), as_number(pair[1], what, least=least)


def as_padding(value: PaddingLike) -> str | Sides:
    """Return `N`, `(ph, pw)`, `((top, bottom), (left, right))` or a name as a padding.

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
    rows, columns = value  # of which one number stands for both sides
    return as_pair(rows, "padding", least=0), as_pair(columns, "padding", least=0)


def as_axis_padding(value: PaddingLike) -> str | Pair:
    """Return `N`, `(before, after)` or a name as the padding along one axis.

    >>> as_axis_padding((0, 1))
    (0, 1)
    """
    if isinstance(value, str):
        return value
    return as_pair(value, "padding", least=0)


def parse_number(text: str, what: str, *, least: int = 0) -> int:
    """Read a whole number.

    >>> parse_number("64", "channels", least=1)
    64
    """
    if not _DIGITS.match(text):
        raise NotationError(f"{what} must be a whole number of at least {least}, not {text!r}")
    try:
        number = int(text[:MAX_DIGITS])
    except ValueError:  # the interpreter's limit, which `shape` lifts
        number = -1
    if number < 0 or len(text) > MAX_DIGITS:
        raise NotationError(f"{what} has too many digits ({len(text):,})")
    if number < least:
        raise NotationError(f"{what} must be at least {least}, not {number}")
    return number


def parse_real(text: str, what: str) -> float:
    """Read a real number.

    >>> parse_real("-1.5e-3", "bias")
    -0.0015
    """
    if not REAL.match(text) or not math.isfinite(float(text)):
        raise NotationError(f"{what} must be a number, and {text!r} is not a number")
    return float(text) + 0.0  # no -0


def parse_size(text: str, what: str = "size", *, least: int = 1) -> Pair:
    """Read `N` or `HxW`.

    >>> parse_size("3x5")
    (3, 5)
    """
    height, cross, width = text.partition("x")
    if not (_DIGITS.match(height) and (_DIGITS.match(width) or not cross)):
        raise NotationError(f"{what} must be N or HxW (like 3 or 3x5), not {text!r}")
    rows = parse_number(height, what, least=least)
    return rows, parse_number(width, what, least=least) if cross else rows


def format_size(size: tuple[object, object]) -> str:
    """Write two numbers as `N` if they are equal, else as `HxW`."""
    return f"{size[0]}" if size[0] == size[1] else f"{size[0]}x{size[1]}"


def parse_padding(text: str, what: str = "padding") -> str | Sides:
    """Read `N`, `HxW`, `T.B.L.R`, or a padding's name.

    >>> parse_padding("0.1.2.3")
    ((0, 1), (2, 3))
    """
    if text in PADDING_NAMES:
        return text
    numbers = text.split(".")
    if len(numbers) == 4:
        top, bottom, left, right = (parse_number(number, what) for number in numbers)
        return (top, bottom), (left, right)
    if not text[:1].isdigit():
        names = ", ".join(PADDING_NAMES)
        raise NotationError(f"{what} must be N, HxW, T.B.L.R or one of {names}, not {text!r}")
    height, width = parse_size(text, what, least=0)
    return (height, height), (width, width)


def format_padding(padding: str | Sides) -> str:
    """Write a padding as `parse_padding` reads it."""
    if isinstance(padding, str):
        return padding
    (top, bottom), (left, right) = padding
    if top == bottom and left == right:
        return format_size((top, left))
    return f"{top}.{bottom}.{left}.{right}"


def parse_shape(text: str) -> Shape:
    """Read `CxHxW`.

    >>> parse_shape("3x224x224")
    (3, 224, 224)
    """
    sides = text.split("x")
    if len(sides) != 3:
        raise NotationError(f"an input's shape is CxHxW, like 3x224x224, not {text!r}")
    names = ("its channels", "its height", "its width")
    return tuple(parse_number(*pair, least=1) for pair in zip(sides, names, strict=True))


def format_shape(shape: Shape) -> str:
    """Write a shape as `CxHxW`, or `N` once flat.

    >>> format_shape((3, 224, 224))
    '3x224x224'
    """
    return "x".join(map(str, shape))


def format_shapes(shapes: Iterable[Shape]) -> str:
    """Write several shapes, for a message."""
    return " and ".join(map(format_shape, shapes))
