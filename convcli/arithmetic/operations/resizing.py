"""Resizing: maps resampled to another height and width.

Positions and weights are those of PyTorch and ONNX: R. G. Keys, "Cubic Convolution Interpolation
for Digital Image Processing" (1981), with a coefficient of -0.75 where none is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.operations import Flag, Key, Operation, Resampling, key_table, size_key
from convcli.arithmetic.values import MAX_DIGITS, Pair, Shape, parse_number, parse_real
from convcli.errors import ArgumentError, NotationError, ShapeError

if TYPE_CHECKING:
    from convcli.arithmetic.bounds import Bound
    from convcli.arithmetic.layers import Layer

CUBIC = -0.75  # the coefficient of bicubic
MODES = ("nearest", "bilinear", "bicubic")
ROUNDINGS = ("floor", "ceil", "round-down", "round-up")  # of a position, for nearest
MAX_DECIMALS = 6  # of a scale that is written as a decimal; others are written as fractions

# ---- where an output lies on the input -----------------------------------------------------------


def _half_pixel(_: int, __: int, ratio: Pair) -> tuple[int, int, int]:
    taken, made = ratio
    return 2 * taken, taken - made, 2 * made


def _align_corners(size: int, outputs: int, _: Pair) -> tuple[int, int, int]:
    return (size - 1, 0, outputs - 1) if outputs > 1 else (size, 0, 1)


def _pytorch_half_pixel(size: int, outputs: int, ratio: Pair) -> tuple[int, int, int]:
    return _half_pixel(size, outputs, ratio) if outputs > 1 else (size, 0, 1)


def _half_pixel_symmetric(size: int, outputs: int, ratio: Pair) -> tuple[int, int, int]:
    """Half pixels, about the center of the input."""
    taken, made = ratio
    return 2 * taken, size * made - outputs * taken + taken - made, 2 * made


# Size, outputs, (positions of the input, outputs they make) -> the numerators of the distance
# between outputs and of the first one's position, and their denominator.
COORDINATES: dict[str, Callable[[int, int, Pair], tuple[int, int, int]]] = {
    "half-pixel": _half_pixel,
    "asymmetric": lambda _, __, ratio: (ratio[0], 0, ratio[1]),
    "align-corners": _align_corners,
    "pytorch-half-pixel": _pytorch_half_pixel,
    "half-pixel-symmetric": _half_pixel_symmetric,
    "tf-half-pixel": lambda _, __, ratio: (2 * ratio[0], ratio[0], 2 * ratio[1]),
}


def _default_coordinates(layer: Layer) -> str:
    return "asymmetric" if layer.value("interpolation") == "nearest" else "half-pixel"


def resampling(layer: Layer, size: int, outputs: int, ratio: Pair) -> Resampling:
    """Return how an axis is resampled.

    Parameters
    ----------
    layer : Layer
    size, outputs : int
    ratio : (int, int)
        Positions of the input, and the number of outputs that they make.
    """
    coordinates = layer.value("coordinates") or _default_coordinates(layer)
    step, first, denominator = COORDINATES[coordinates](size, outputs, ratio)
    taps = {"bilinear": "linear", "bicubic": "cubic"}.get(layer.value("interpolation"))
    return Resampling(size, outputs, step, first, denominator, taps or layer.value("nearest"))


# ---- the notation --------------------------------------------------------------------------------


def _parse_word(words: Sequence[str], what: str, text: str) -> str:
    if text not in words:
        raise NotationError(f"{what} {text!r} is none of {', '.join(words)}")
    return text


def _parse_scale(text: str) -> Pair:
    over, slash, under = text.partition("/")
    whole, point, decimals = text.partition(".")
    parts = (over, under) if slash else (whole, decimals) if point else (whole,)
    if not all(part.isdecimal() and part.isascii() for part in parts) or len(text) > MAX_DIGITS:
        raise NotationError(f"a scale is a number like 2, 1.5 or 7/5, not {text[:40]!r}")
    if not slash:
        over, under = whole + decimals, "1" + "0" * len(decimals)
    numerator, denominator = (parse_number(part, "a scale", least=1) for part in (over, under))
    common = math.gcd(numerator, denominator)
    return numerator // common, denominator // common


def _parse_scales(text: str) -> tuple[Pair, Pair]:
    """Read `S` or `SxS`: that of the height and that of the width, as fractions."""
    rows, cross, columns = text.partition("x")
    height = _parse_scale(rows)
    return height, _parse_scale(columns) if cross else height


def _format_scale(scale: Pair) -> str:
    numerator, denominator = scale
    for decimals in range(MAX_DECIMALS + 1):
        if 10**decimals % denominator == 0:
            digits = str(numerator * 10**decimals // denominator).zfill(decimals + 1)
            cut = len(digits) - decimals
            return digits[:cut] + "." * (decimals > 0) + digits[cut:]
    return f"{numerator}/{denominator}"


def _format_scales(scales: tuple[Pair, Pair]) -> str:
    rows, columns = map(_format_scale, scales)
    return rows if rows == columns else f"{rows}x{columns}"


_MODE = Key(
    "mode", "interpolation", partial(_parse_word, MODES, "mode"), str, "MODE", "nearest",
    f"how values between positions are found: {', '.join(MODES)}", initial="nearest",
)  # fmt: skip
_COORDINATES = Key(
    "coords", "coordinates", partial(_parse_word, tuple(COORDINATES), "coords"), str, "COORDS",
    "half-pixel; asymmetric for nearest",
    f"where an output lies on the input: {', '.join(COORDINATES)}",
)  # fmt: skip
_NEAREST = Key(
    "nearest", "nearest", partial(_parse_word, ROUNDINGS, "nearest"), str, "ROUNDING", "floor",
    f"of mode=nearest, which position is taken: {', '.join(ROUNDINGS)} (of halves)",
    initial="floor",
)  # fmt: skip
_CUBIC = Key(
    "a", "cubic", partial(parse_real, what="a"), repr, "A", repr(CUBIC),
    "the coefficient of mode=bicubic", initial=CUBIC,
)  # fmt: skip
_INSIDE = Flag(
    "inside", "is_inside", True,
    "of mode=bicubic, renormalize the weights of positions inside, instead of repeating the edge",
)  # fmt: skip
_SCALES = Key(
    "scale", "scales", _parse_scales, _format_scales, "S|SxS", "",
    "the output's height and width, divided by the input's",
)  # fmt: skip


def _check(layer: Layer) -> None:
    mode = layer.value("interpolation")
    if mode != "nearest" and layer.value("nearest") != "floor":
        raise NotationError(f"nearest= has no effect with mode={mode}")
    if mode != "bicubic" and (layer.value("cubic") != CUBIC or layer.value("is_inside")):
        raise NotationError(f"a= and inside have no effect with mode={mode}")


# ---- the rules -----------------------------------------------------------------------------------


def _upsample_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape:
    scales: tuple[Pair, Pair] = layer.value("scales")
    channels, *size = inputs[0]
    height, width = (side * over // under for side, (over, under) in zip(size, scales, strict=True))
    if min(height, width) < 1:
        raise ShapeError(
            f"a map of {size[0]}x{size[1]} scaled by {_format_scales(scales)} is empty"
        )
    return channels, height, width


def _upsample_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Resampling, Resampling]:
    output = _upsample_shape(layer, inputs)
    rows, columns = (
        resampling(layer, size, made, (under, over))
        for size, made, (over, under) in zip(
            inputs[0][1:], output[1:], layer.value("scales"), strict=True
        )
    )
    return rows, columns


def _resize_axes(layer: Layer, inputs: Sequence[Shape]) -> tuple[Resampling, Resampling]:
    rows, columns = (
        resampling(layer, size, made, (size // math.gcd(size, made), made // math.gcd(size, made)))
        for size, made in zip(inputs[0][1:], layer.size or (1, 1), strict=True)
    )
    return rows, columns


def _bound(layer: Layer, inputs: Sequence[Bound], _: Shape, epsilon: float) -> Bound:
    """The weights of two positions are `1 - t` and `t`; the sum of those of four has a bound."""
    mode = layer.value("interpolation")
    if mode == "nearest":
        return inputs[0]
    if mode == "bilinear":
        return inputs[0].sum(1, 4, epsilon)
    side = 1 + abs(layer.value("cubic")) / 2
    return inputs[0].sum((2 * side if layer.value("is_inside") else side) ** 2, 16, epsilon)


def _torch_settings(layer: Layer) -> str:
    """Return the arguments of `nn.Upsample` after the size."""
    mode, nearest = layer.value("interpolation"), layer.value("nearest")
    default = _default_coordinates(layer)
    coordinates = layer.value("coordinates") or default
    if mode == "nearest" and (coordinates, nearest) == ("half-pixel", "round-up"):
        return ", mode='nearest-exact'"
    is_aligned = mode != "nearest" and coordinates == "align-corners"
    is_cubic = layer.value("cubic") == CUBIC and not layer.value("is_inside")
    if not (is_cubic and nearest == "floor" and (coordinates == default or is_aligned)):
        raise ArgumentError("PyTorch's Upsample has other coordinates, roundings or weights")
    own = "" if mode == "nearest" else f", mode={mode!r}"
    return own + (", align_corners=True" if is_aligned else "")


def _upsample_torch(layer: Layer, *_: Shape) -> str:
    scales = [over // under if over % under == 0 else over / under for over, under in (
        layer.value("scales")
    )]  # fmt: skip
    factor = scales[0] if scales[0] == scales[1] else tuple(map(float, scales))
    return f"nn.Upsample(scale_factor={factor}{_torch_settings(layer)})"


_SHARED: dict[str, Any] = {
    "keys": key_table() | {key.name: key for key in (_MODE, _COORDINATES, _NEAREST, _CUBIC)},
    "flags": (_INSIDE,),
    "field_effect": "grows to the positions around; the jump is divided by the scale",
    "check": _check,
    "bound": _bound,
    "keeps_level": True,
    "filters_alpha": True,
}

OPERATIONS = (
    Operation(
        "upsample",
        "resizing",
        "the map resampled to S times its height and width",
        syntax="upsample:S|SxS",
        example="upsample:2,mode=bilinear",
        shape_effect="floor(S * i) on each side",
        argument=_SCALES,
        needs="a scale, like upsample:2",
        shape=_upsample_shape,
        axes=_upsample_axes,
        torch=_upsample_torch,
        **_SHARED,
    ),
    Operation(
        "resize",
        "resizing",
        "the map resampled to a height and width",
        syntax="resize:N|HxW",
        example="resize:56,mode=bilinear",
        shape_effect="NxN or HxW",
        argument=size_key("size", "size", "", "the output's size", what="the output size"),
        needs="its output size, like resize:224",
        shape=lambda layer, inputs: (inputs[0][0], *(layer.size or (1, 1))),
        axes=_resize_axes,
        torch=lambda layer, *_: f"nn.Upsample(size={layer.size}{_torch_settings(layer)})",
        **_SHARED,
    ),
)
