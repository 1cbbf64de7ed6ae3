"""Numbers, sizes, paddings and shapes: checked, read from text, and written as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from operator import index
from typing import SupportsIndex, TypeAlias, cast

from convcli.errors import ArgumentError, NotationError, ShapeError
from convcli.records import NamedTuple

Pair: TypeAlias = tuple[int, int]  # (height, width), or (before, after) along one axis
Sides: TypeAlias = tuple[Pair, Pair]  # ((top, bottom), (left, right))
Shape: TypeAlias = tuple[int, ...]  # (C, H, W), or (N,) once flat
PaddingLike: TypeAlias = int | str | Sequence[int | Sequence[int]]

NO_PADDING: Sides = ((0, 0), (0, 0))
PADDING_NAMES = ("valid", "same", "same-lower", "full")
PADDING_MODES = ("zero", "reflect", "replicate", "circular", "symmetric")
PADDING_CONSTANT = "constant:"  # and a number: a mode of any value beyond the border
PADDING_ALIASES = {  # names that NumPy, SciPy and PyTorch have, where they mean the same
    "zeros": "zero",
    "edge": "replicate",
    "nearest": "replicate",
    "wrap": "circular",
    "mirror": "reflect",
}

DTYPE_BITS = {  # of a value of each type
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "float8": 8,
    "int16": 16, "int8": 8, "int4": 4,
}  # fmt: skip
COLOR_CHANNELS = (3, 4)  # without and with alpha
MIN_PICTURE_SIDE = 16  # of what is taken for a picture
MAX_KERNEL_SIDE = 1001  # rows or columns of one that is written out
MAX_DIGITS = 1 << 17  # the longest argument of a command line; more would take too long

_DIGITS = re.compile(r"[0-9]+\Z")
# Compiled where they are used, which few commands do.
_PERCENT = r"([0-9]{1,9})(?:\.([0-9]{1,9}))?%\Z"
# Of long digits there is one way to match, so that what is no number is found out in linear time.
REAL = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z"


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


def as_map_shape(shape: Sequence[int]) -> Shape:
    """Return the shape of a network's input as (C, H, W).

    >>> as_map_shape([3, 224, 224])
    (3, 224, 224)
    """
    if len(shape) != 3:
        raise ShapeError(f"the input must be (C, H, W), not {tuple(shape)}")
    return tuple(as_number(side, "the input's side", least=1) for side in shape)


def as_input_shape(shape: Sequence[int]) -> Shape:
    """Return the shape of a network's input as (C, H, W), or as (N,) if it is flat.

    >>> as_input_shape([10])
    (10,)
    """
    if len(shape) != 1:
        return as_map_shape(shape)
    return (as_number(shape[0], "the input's side", least=1),)


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
    if not re.match(REAL, text) or not math.isfinite(float(text)):
        raise NotationError(f"{what} must be a number, and {text!r} is not a number")
    return float(text) + 0.0  # no -0


def format_real(number: float) -> str:
    """Write a real number as `parse_real` reads it.

    >>> format_real(2.0), format_real(1e-5)
    ('2', '1e-05')
    """
    return repr(number).removesuffix(".0")


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


class Resize(NamedTuple):
    """The size that a picture is resampled to, which may depend on its own.

    Parameters
    ----------
    height, width : int, optional
        One that is left out follows from the other, in proportion.
    scale : (numerator, denominator), optional
        Of both sides, if neither is given.
    """

    height: int | None = None
    width: int | None = None
    scale: Pair = (1, 1)

    @property
    def min_pixels(self) -> int:
        """The fewest pixels that any picture is resampled to."""
        return (self.height or 1) * (self.width or 1)

    def size_of(self, size: Pair) -> Pair:
        """Return the new (height, width) of a picture, rounded half up to at least one pixel.

        >>> Resize(width=320).size_of((3, 4)), Resize(scale=(50, 100)).size_of((1, 3))
        ((240, 320), (1, 2))
        """
        height, width = size
        if self.height is not None:
            return self.height, self.width or _scale_side(width, (self.height, height))
        scale = self.scale if self.width is None else (self.width, width)
        return _scale_side(height, scale), self.width or _scale_side(width, scale)


def _scale_side(side: int, scale: Pair) -> int:
    numerator, denominator = scale
    return max((2 * side * numerator + denominator) // (2 * denominator), 1)


def parse_resize(text: str, what: str = "size") -> Resize:
    """Read `WxH`, `Wx`, `xH` or `N%`; the width is first, as every imaging tool has it.

    >>> parse_resize("640x480")
    Resize(height=480, width=640, scale=(1, 1))
    >>> parse_resize("12.5%").scale
    (125, 1000)
    """
    if percent := re.match(_PERCENT, text):
        whole, decimals = percent[1], percent[2] or ""
        scale = int(whole + decimals), 100 * 10 ** len(decimals)
        if not scale[0]:
            raise NotationError(f"{what} must be more than 0%, not {text!r}")
        return Resize(scale=scale)
    sides = text.split("x")
    if len(sides) != 2 or not any(sides) or not all(not s or _DIGITS.match(s) for s in sides):
        raise NotationError(
            f"{what} must be WxH, Wx, xH or N%, like 640x480, 640x, x480 or 50%, not {text!r}"
        )
    width, height = (parse_number(side, what, least=1) if side else None for side in sides)
    return Resize(height, width)


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


def parse_sides(text: str, what: str) -> Sides:
    """Read `N`, `HxW` or `T.B.L.R`.

    >>> parse_sides("1x2", "the margin")
    ((1, 1), (2, 2))
    """
    if not text[:1].isdigit():
        raise NotationError(f"{what} must be N, HxW or T.B.L.R, not {text!r}")
    return cast("Sides", parse_padding(text, what))


def format_padding(padding: str | Sides) -> str:
    """Write a padding as `parse_padding` reads it."""
    if isinstance(padding, str):
        return padding
    (top, bottom), (left, right) = padding
    if top == bottom and left == right:
        return format_size((top, left))
    return f"{top}.{bottom}.{left}.{right}"


def as_padding_mode(mode: str) -> str:
    """Return a padding mode by its own name: one of `PADDING_MODES`, or `constant:V`.

    Examples
    --------
    >>> as_padding_mode("edge"), as_padding_mode("constant:7.0"), as_padding_mode("constant:0")
    ('replicate', 'constant:7', 'zero')
    """
    if mode in PADDING_MODES:
        return mode
    if mode in tuple(PADDING_ALIASES):  # whatever it is, a list too
        return PADDING_ALIASES[mode]
    if not str(mode).startswith(PADDING_CONSTANT):
        names = ", ".join((*PADDING_MODES, f"{PADDING_CONSTANT}V"))
        raise NotationError(f"padding mode {mode!r} is none of {names}")
    value = parse_real(mode.removeprefix(PADDING_CONSTANT), "the constant of a padding")
    return f"{PADDING_CONSTANT}{format_real(value)}" if value else "zero"


def padding_value(mode: str) -> float | None:
    """Return the value that a padding mode puts beyond the border; None for one of the input's.

    >>> padding_value("zero"), padding_value("constant:7"), padding_value("reflect")
    (0.0, 7.0, None)
    """
    if mode == "zero":
        return 0.0
    return float(mode.removeprefix(PADDING_CONSTANT)) if mode.startswith(PADDING_CONSTANT) else None


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


def suggest_channels_first(shape: Shape) -> str:
    """Return a question whether the channels of a shape were put last; empty if it is usual.

    >>> suggest_channels_first((224, 224, 3)), suggest_channels_first((3, 224, 224))
    ('did you mean 3x224x224? The channels come first', '')
    """
    if len(shape) != 3:
        return ""
    height, width, channels = shape
    # A map one column wide is a signal, whatever its channels, unless it would be a square picture.
    is_picture = channels in COLOR_CHANNELS or (channels == 1 and height == width)
    if not is_picture or min(height, width) < MIN_PICTURE_SIDE:
        return ""
    return f"did you mean {format_shape((channels, height, width))}? The channels come first"


def parse_axes(text: str, what: str) -> Shape:
    """Read a shape of any number of axes.

    >>> parse_axes("77x512", "out")
    (77, 512)
    """
    return tuple(parse_number(side, what, least=1) for side in text.split("x"))


def map_size(shape: Shape) -> Pair:
    """Return the (height, width) of a map; flat values have one position.

    >>> map_size((3, 8, 9)), map_size((10,))
    ((8, 9), (1, 1))
    """
    return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)


def format_shape(shape: Shape) -> str:
    """Write a shape as `CxHxW`, or `N` once flat.

    >>> format_shape((3, 224, 224))
    '3x224x224'
    """
    return "x".join(map(str, shape))


def format_shapes(shapes: Iterable[Shape]) -> str:
    """Write several shapes, for a message."""
    return " and ".join(map(format_shape, shapes))
