"""Operations on the colors of a picture: luma, resampling, transparency, sRGB.

Colors are multiplied by their alpha before they are filtered, and divided by the filtered alpha
afterwards (T. Porter and T. Duff, "Compositing Digital Images", 1984). The transfer function of
sRGB is that of IEC 61966-2-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.images import Values

if TYPE_CHECKING:
    from convcli.images.transfer import Curve

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and OpenCV have it
SRGB_THRESHOLD = 0.04045  # of encoded values, below which the transfer function is linear
CHUNK_VALUES = 1 << 20  # processed at once, so that temporary arrays stay small


def to_gray(values: Values) -> Values:
    """Return the luma of RGB, (H, W, 3) -> (H, W, 1), not rounded; the mean of other channels.

    >>> to_gray(np.array([[[0, 0, 250]]], np.uint8))
    array([[[28.5]]], dtype=float32)
    """
    channels = values.shape[2]
    if channels == 1:
        return values
    dtype = np.float32 if values.dtype.itemsize < 4 else np.float64
    weights = LUMA if channels == 3 else (1 / channels,) * channels
    gray = np.zeros(values.shape[:2], dtype)
    for channel, weight in enumerate(weights):
        gray += values[:, :, channel] * dtype(weight)
    return gray[:, :, np.newaxis]


def resize(values: Values, size: Pair) -> Values:
    """Resample to (height, width), bicubic; the kernel is widened where the picture shrinks.

    Results are not rounded, and clipped to the minimum and the maximum of the input.
    """
    result = _resample(values, size)
    return np.asarray(np.clip(result, float(values.min()), float(values.max()), out=result))


def resize_premultiplied(
    colors: Values, alpha: Values, size: Pair, white: float, limits: tuple[float, float]
) -> tuple[Values, Values]:
    """Resample premultiplied colors and their alpha as `resize` does opaque colors.

    What is resampled is divided by the resampled alpha, whatever it is, before either is clipped:
    colors to their limits, alpha to its own.
    """
    resampled, new_alpha = _resample(colors, size), _resample(alpha.astype(colors.dtype), size)
    lowest, highest = float(alpha.min()), float(alpha.max())

    def clip(part: Values, part_alpha: Values) -> Values:
        is_positive = part_alpha > 0
        unit_alpha = np.where(is_positive, part_alpha, white) / np.asarray(white, part.dtype)
        straight = np.clip(part / unit_alpha, *limits)
        product: Values = np.where(
            is_positive, straight * (part_alpha.clip(lowest, highest) / white), 0
        )
        return product.astype(part.dtype, copy=False)

    return map_rows(clip, resampled, new_alpha), new_alpha.clip(lowest, highest)


def find_limits(colors: Values, alpha: Values) -> tuple[float, float]:
    """Return the minimum and the maximum of visible colors, which are not premultiplied."""
    is_visible = find_visible(alpha)
    if not is_visible.any():
        return 0.0, 0.0
    planes = [colors[:, :, channel] for channel in range(colors.shape[2])]
    rows, columns = np.unravel_index(is_visible.argmax(), is_visible.shape)[:2]
    shown = [np.where(is_visible[:, :, 0], plane, plane[rows, columns]) for plane in planes]
    return min(float(plane.min()) for plane in shown), max(float(plane.max()) for plane in shown)


def _resample(values: Values, size: Pair) -> Values:
    """Resample without clipping."""
    is_float32_exact = values.dtype.itemsize <= 2 or values.dtype == np.float32
    dtype, resample = (
        (np.float32, _resize_by_pillow) if is_float32_exact else (np.float64, _resize_exactly)
    )
    result = np.empty((*size, values.shape[2]), dtype)
    for channel, plane in enumerate(np.moveaxis(values, 2, 0)):
        result[:, :, channel] = resample(plane.astype(dtype), size)
    return result


def _resize_by_pillow(plane: Values, size: Pair) -> Values:
    return np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC))


def _resize_exactly(plane: Values, size: Pair) -> Values:
    """Resample float64, which Pillow would round to float32, in the same way."""
    height, width = size
    return _resample_rows(_resample_rows(plane.T, width).T, height)


def _resample_rows(plane: Values, count: int) -> Values:
    """Resample the first axis of float64, (H, W) -> (count, W)."""
    size, width = plane.shape
    if size == count:
        return plane
    positions, weights = _bicubic_weights(size, count)
    result = np.zeros((count, width))
    step = max(CHUNK_VALUES // max(count, size), 1)
    for left in range(0, width, step):
        columns = np.ascontiguousarray(plane[:, left : left + step])
        for tap in range(weights.shape[1]):
            part = columns[positions[:, tap]]
            part *= weights[:, tap, np.newaxis]
            result[:, left : left + step] += part
    return result


def _bicubic_weights(size: int, count: int) -> tuple[Values, Values]:
    """Return which positions of an axis make each new one, and how much of them, (count, taps).

    The kernel is that of R. Keys, "Cubic Convolution Interpolation for Digital Image Processing",
    1981, with a = -1/2; Pillow's Resample.c has the same positions and weights.
    """
    scale = size / count
    widening = max(scale, 1.0)
    centers = (np.arange(count) + 0.5) * scale
    first = np.maximum(centers - 2 * widening + 0.5, 0).astype(int)
    end = np.minimum((centers + 2 * widening + 0.5).astype(int), size)
    positions = first[:, np.newaxis] + np.arange((end - first).max())
    away = np.abs(positions + 0.5 - centers[:, np.newaxis]) / widening
    weights = np.where(
        away < 1, (1.5 * away - 2.5) * away**2 + 1, ((2.5 - 0.5 * away) * away - 4) * away + 2
    )
    is_outside = positions >= end[:, np.newaxis]
    weights[is_outside | (away >= 2)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return np.minimum(positions, end[:, np.newaxis] - 1), weights


def row_slices(values: Values) -> list[slice]:
    """Return slices that divide the rows of an array into chunks of about `CHUNK_VALUES`."""
    count = max(CHUNK_VALUES * len(values) // max(values.size, 1), 1)
    return [slice(start, start + count) for start in range(0, max(len(values), 1), count)]


def map_rows(function: Callable[..., Values], *arrays: Values) -> Values:
    """Apply a function of single pixels to arrays of the same height, some rows at a time.

    >>> map_rows(np.multiply, np.ones((3, 2)), np.full((3, 1), 2.0)).tolist()
    [[2.0, 2.0], [2.0, 2.0], [2.0, 2.0]]
    """
    first, *others = row_slices(arrays[0])
    chunk = function(*(array[first] for array in arrays))
    if not others:
        return chunk
    result = np.empty((len(arrays[0]), *chunk.shape[1:]), chunk.dtype)
    result[first] = chunk
    for rows in others:
        result[rows] = function(*(array[rows] for array in arrays))
    return result


def premultiply(colors: Values, alpha: Values, white: float) -> Values:
    """Multiply colors by their alpha, (H, W, C) and (H, W, 1).

    >>> premultiply(np.array([[[200.0]]]), np.array([[[127.5]]]), 255.0)
    array([[[100.]]])
    """
    dtype = _float_dtype(colors)

    def multiply(part: Values, part_alpha: Values) -> Values:
        product: Values = part.astype(dtype) * (part_alpha.astype(dtype) / dtype.type(white))
        return product

    return map_rows(multiply, colors, alpha)


def find_visible(alpha: Values) -> Values:
    """Return where alpha, on the scale of its depth, is written as more than 0."""
    return alpha > 0.5


def unpremultiply(colors: Values, alpha: Values, white: float) -> Values:
    """Undo `premultiply`; 0 where alpha is half a level or less, which is written as 0.

    >>> unpremultiply(np.array([[[100.0]], [[7.0]]]), np.array([[[127.5]], [[0.0]]]), 255.0).ravel()
    array([200.,   0.])
    """

    def divide(part: Values, part_alpha: Values) -> Values:
        is_visible = find_visible(part_alpha)
        unit_alpha = np.where(is_visible, part_alpha / np.asarray(white, part.dtype), 1)
        quotient: Values = np.where(is_visible, part / unit_alpha, 0)
        return quotient.astype(part.dtype, copy=False)

    return map_rows(divide, colors, alpha)


def composite_on_white(pixels: Values, alpha: Values) -> Values:
    """Lay integer pixels on a white background, for formats without transparency."""
    white = np.iinfo(pixels.dtype).max
    unit_alpha = alpha / white
    return np.rint(pixels * unit_alpha + white * (1 - unit_alpha)).astype(pixels.dtype)


def to_linear(values: Values, white: float, curves: Sequence[Curve] | None = None) -> Values:
    """Decode values of 0..white to linear light, on the same scale.

    They are sRGB, or have a curve for each channel, (H, W, C).

    >>> to_linear(np.array([0.0, 127.5, 255.0]), 255.0).round(2)
    array([  0.  ,  54.58, 255.  ])
    """
    dtype = _float_dtype(values)
    if curves is not None:
        return _decode(values, white, curves, dtype)

    def decode(part: Values) -> Values:
        encoded = part.astype(dtype) / dtype.type(white)
        curve = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
        linear: Values = np.where(encoded <= SRGB_THRESHOLD, encoded / 12.92, curve) * white
        return linear.astype(dtype, copy=False)

    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:  # few values: a lookup table
        table = decode(np.arange(int(white) + 1))
        return map_rows(lambda part: table[part], values)  # indices take eight bytes a value
    return map_rows(decode, values)


def from_linear(values: Values, white: float, curves: Sequence[Curve] | None = None) -> Values:
    """Encode linear light, as `to_linear` decodes it; of negative values, their absolute values.

    Those are negative again afterwards.

    >>> from_linear(to_linear(np.array([0.0, 100.0, 255.0]), 255.0), 255.0).round(3)
    array([  0., 100., 255.])
    """
    if curves is not None:
        return map_rows(lambda part: _encode(part, white, curves), values)

    def encode(part: Values) -> Values:
        linear = np.abs(part) / np.asarray(white, part.dtype)
        curve = 1.055 * np.maximum(linear, 1e-12) ** (1 / 2.4) - 0.055
        encoded = np.where(linear <= SRGB_THRESHOLD / 12.92, linear * 12.92, curve)
        signed: Values = np.copysign(encoded, part) * white
        return signed.astype(part.dtype, copy=False)

    return map_rows(encode, values)


def _decode(
    values: Values, white: float, curves: Sequence[Curve], dtype: np.dtype[np.floating]
) -> Values:
    levels = np.arange(int(white) + 1) / white
    tables = [(curve.decode(levels) * white).astype(dtype) for curve in curves]
    is_level = values.dtype.kind == "u" and values.dtype.itemsize <= 2

    def decode(part: Values) -> Values:
        result: Values = np.empty(part.shape, dtype)
        for channel, (curve, table) in enumerate(zip(curves, tables, strict=True)):
            plane = part[:, :, channel]
            light = table[plane] if is_level else curve.decode(plane / white) * white
            result[:, :, channel] = light
        return result

    return map_rows(decode, values)


def _encode(values: Values, white: float, curves: Sequence[Curve]) -> Values:
    result = np.empty_like(values)
    for channel, curve in enumerate(curves):
        light = np.abs(values[:, :, channel]) / np.asarray(white, values.dtype)
        result[:, :, channel] = curve.encode(light) * white
    return np.copysign(result, values, out=result)


def _float_dtype(values: Values) -> np.dtype[np.floating]:
    """Return the type to compute in: float32 is exact enough for 8-bit values."""
    return np.dtype(np.float32 if values.dtype.itemsize == 1 else np.float64)
