"""Picture: the values of one input, in the input's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.images.metadata import NO_METADATA, Metadata

Values = NDArray[Any]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and OpenCV have it


@dataclass(frozen=True, slots=True)
class Picture:
    """The values of one input.

    Parameters
    ----------
    values : ndarray, (H, W, C)
        In the input's own units; grey is one channel. Alpha is not among them.
    depth : int, optional
        8 or 16: the bits of a value, where 0 is black and `2**depth - 1` is white. None for a grid
        of numbers and for float images.
    alpha : ndarray, (H, W, 1), optional
        How opaque each pixel is, on the scale of the values; None where all are.
    metadata : Metadata
        What belongs to it beside its pixels.
    notes : tuple of str
        What reading did that the user would want to know.
    """

    values: Values
    depth: int | None = None
    alpha: Values | None = None
    metadata: Metadata = NO_METADATA
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Pair:
        """(height, width)."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def white(self) -> float:
        """The value of white; 255 where the values have none of their own."""
        return 2.0 ** (self.depth or 8) - 1


def to_gray(values: Values) -> Values:
    """Luma of a colour picture, (H, W, 3) -> (H, W, 1), not rounded; the mean of other channels.

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


def resized(values: Values, size: Pair) -> Values:
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
