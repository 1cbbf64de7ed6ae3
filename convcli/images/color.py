"""Operations on the colors of a picture: luma, resampling, transparency, sRGB.

Colors are multiplied by their alpha before they are filtered, and divided by the filtered alpha
afterwards (T. Porter and T. Duff, "Compositing Digital Images", 1984). The transfer function of
sRGB is that of IEC 61966-2-1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.images import Values

CHUNK_VALUES = 1 << 20


def map_rows(function: Callable[..., Values], *arrays: Values) -> Values:
    """Apply a function of single pixels to arrays of the same rows.

    >>> map_rows(lambda one, other: one * other, np.ones((3, 2)), np.full((3, 1), 2.0)).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    height = len(arrays[0])
    most = max(CHUNK_VALUES * height // max(arrays[0].size, 1), 1)
    first = function(*(array[:most] for array in arrays))
    if most >= height:
        return first
    made = np.empty((height, *first.shape[1:]), first.dtype)
    made[:most] = first
    for start in range(most, height, most):
        made[start : start + most] = function(*(array[start : start + most] for array in arrays))
    return made


def premultiply(colors: Values, alpha: Values, white: float) -> Values:
    """Colors times alpha, (H, W, C) and (H, W, 1): what is transparent is nothing.

    >>> premultiply(np.array([[[200.0]]]), np.array([[[127.5]]]), 255.0)
    array([[[100.]]])
    """
    kind = np.dtype(np.float32 if colors.dtype.itemsize == 1 else np.float64)
    return map_rows(
        lambda part, share: part.astype(kind) * (share.astype(kind) / kind.type(white)),
        colors,
        alpha,
    )


def unpremultiply(colors: Values, alpha: Values, white: float) -> Values:
    """Undo `premultiply`; where nothing is left of the alpha, black.

    >>> unpremultiply(np.array([[[100.0]], [[7.0]]]), np.array([[[127.5]], [[0.0]]]), 255.0).ravel()
    array([200.,   0.])
    """
    return map_rows(lambda part, share: _divided(part, share, white), colors, alpha)


def _divided(colors: Values, alpha: Values, white: float) -> Values:
    share = alpha / np.asarray(white, colors.dtype)
    # Less than half a level of alpha is written as none.
    opaque = share > 0.5 / white
    quotient: Values = np.where(opaque, colors / np.where(opaque, share, 1), 0)
    return quotient.astype(colors.dtype, copy=False)


def composite_on_white(pixels: Values, alpha: Values) -> Values:
    """Integer pixels over white paper, for formats without transparency."""
    white = np.iinfo(pixels.dtype).max
    share = alpha / white
    return np.rint(pixels * share + white * (1 - share)).astype(pixels.dtype)


LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and OpenCV have it


def to_gray(values: Values) -> Values:
    """Luma of a color picture, (H, W, 3) -> (H, W, 1), not rounded; the mean of other channels.

    >>> to_gray(np.array([[[0, 0, 250]]], np.uint8))
    array([[[28.5]]], dtype=float32)
    """
    channels = values.shape[2]
    if channels == 1:
        return values
    kind = np.float32 if values.dtype.itemsize < 4 else np.float64
    weights = LUMA if channels == 3 else (1 / channels,) * channels
    gray = np.zeros(values.shape[:2], kind)
    for channel, weight in enumerate(weights):
        gray += values[:, :, channel] * kind(weight)
    return gray[:, :, np.newaxis]


def resize(values: Values, size: Pair) -> Values:
    """Resample to (height, width): bicubic, with the span of a larger kernel where it shrinks.

    Results are not rounded, and kept within the least and the largest value of the input.
    """
    lowest, highest = float(values.min()), float(values.max())
    first = _resampled(values[:, :, 0], size)
    made = np.empty((*size, values.shape[2]), first.dtype)
    made[:, :, 0] = first
    for channel in range(1, values.shape[2]):
        made[:, :, channel] = _resampled(values[:, :, channel], size)
    return np.clip(made, lowest, highest, out=made)


def _resampled(plane: Values, size: Pair) -> Values:
    """One channel; the part of each number that float32 does not hold is resampled by itself."""
    near = np.ascontiguousarray(plane, np.float32)
    whole = np.asarray(Image.fromarray(near).resize(size[::-1], Image.Resampling.BICUBIC))
    if plane.dtype.itemsize <= 2 or plane.dtype == np.float32:
        return whole
    rest = np.ascontiguousarray(plane - near.astype(np.float64), np.float32)
    return whole + np.asarray(
        Image.fromarray(rest).resize(size[::-1], Image.Resampling.BICUBIC), np.float64
    )


SRGB_THRESHOLD = 0.04045  # of encoded values, below which the function is a line


def to_linear(values: Values, white: float) -> Values:
    """Decode sRGB values of 0..white to linear ones on the same scale.

    >>> to_linear(np.array([0.0, 127.5, 255.0]), 255.0).round(2)
    array([  0.  ,  54.58, 255.  ])
    """
    kind = np.dtype(np.float32 if values.dtype.itemsize == 1 else np.float64)
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # few values, so a table of them
        table = _decoded(np.arange(int(white) + 1, dtype=kind), white)
        found: Values = table[values]
        return found
    return map_rows(lambda part: _decoded(part.astype(kind), white), values)


def from_linear(values: Values, white: float) -> Values:
    """Encode linear values as sRGB; a negative one as its size, negative.

    >>> from_linear(to_linear(np.array([0.0, 100.0, 255.0]), 255.0), 255.0).round(3)
    array([  0., 100., 255.])
    """
    return map_rows(lambda part: _encoded(part, white), values)


def _decoded(values: Values, white: float) -> Values:
    share = values / values.dtype.type(white)
    curved = ((np.maximum(share, 0) + 0.055) / 1.055) ** 2.4
    linear: Values = np.where(share <= SRGB_THRESHOLD, share / 12.92, curved) * white
    return linear.astype(values.dtype, copy=False)


def _encoded(values: Values, white: float) -> Values:
    share = np.abs(values) / np.asarray(white, values.dtype)
    curved = 1.055 * np.maximum(share, 1e-12) ** (1 / 2.4) - 0.055
    encoded = np.where(share <= SRGB_THRESHOLD / 12.92, share * 12.92, curved)
    signed: Values = np.copysign(encoded, values) * white
    return signed.astype(values.dtype, copy=False)
