"""Quantization: the values of a feature map to the integers of a picture, by a range policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from convcli.errors import OVERFLOW, ArgumentError
from convcli.images import Picture, Values
from convcli.images.color import find_visible, row_slices
from convcli.records import NamedTuple

Bounds: TypeAlias = tuple[float, float]  # minimum, maximum

POLICIES = ("clamp", "abs", "rescale", "offset")
DEGREES = "degrees"  # the policy of directions, which is not chosen but follows from what they are
WARN_CLIPPED_SHARE = 0.01  # of the values: a larger share that is clipped is reported


class Quantized(NamedTuple):
    """A quantized feature map.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16
    policy : str
        The range policy that was applied.
    clipped : float
        The share of values that were out of range, 0 to 1.
    note : str, optional
        A message to the user.
    bounds : (float, float)
        The minimum and the maximum on the scale of the pixels, where they could be out of range.
    counted : int, optional
        How many values count: those of visible pixels; all, if left out.
    """

    pixels: Values
    policy: str
    clipped: float = 0.0
    note: str | None = None
    bounds: Bounds = (0.0, 0.0)
    counted: int | None = None

    @property
    def clipping(self) -> Clipping:
        """What was clipped."""
        white = int(np.iinfo(self.pixels.dtype).max)
        counted = self.pixels.size if self.counted is None else self.counted
        return Clipping(self.clipped, counted, self.bounds, white, self.policy)


def quantize(
    values: Values,
    policy: str,
    depth: int,
    bounds: Bounds | None = None,
    *,
    is_visible: Values | None = None,
    error: float = 0.0,
) -> Quantized:
    """Map values to 0..`2**depth - 1`, rounded half to even; nothing else rounds.

    Parameters
    ----------
    values : ndarray
    policy : {"clamp", "abs", "rescale", "offset", "degrees"}
        Clip to the range; take absolute values, then clip; stretch the minimum and the maximum to
        the whole range; add mid-gray, then clip; stretch 0..360 to the whole range.
    depth : {8, 16}
        Bits of a pixel.
    bounds : (float, float), optional
        What is stretched to the whole range: of a frame, the minimum and the maximum of all frames.
        By default those of the values.
    is_visible : ndarray of bool, (H, W, 1), optional
        Of values (H, W, C), which pixels count; others become 0.
    error : float
        Values that differ by no more are one value, which "rescale" makes mid-gray.

    Examples
    --------
    >>> quantize(np.array([-4.0, 0.0, 4.0]), "rescale", 8).pixels
    array([  0, 128, 255], dtype=uint8)
    >>> quantize(np.array([-4.0, 0.0, 400.0]), "clamp", 8).clipped
    0.6666666666666666
    """
    if is_visible is not None and not is_visible.all():
        pixels: Values = np.zeros(values.shape, np.uint8 if depth == 8 else np.uint16)
        seen = values[is_visible[:, :, 0]]  # (N, C)
        if not seen.size:
            return Quantized(pixels, policy, counted=0)
        quantized = quantize(seen, policy, depth, bounds, error=error)
        pixels[is_visible[:, :, 0]] = quantized.pixels
        return quantized._replace(pixels=pixels, counted=seen.size)
    if policy == "rescale":
        own = find_bounds(values) if bounds is None else bounds
        return _rescale(values, own, 2**depth - 1, error)
    quantizer = Quantizer(policy, depth)
    pixels = np.empty(values.shape, quantizer.dtype)
    for rows in row_slices(values):
        quantizer.add(values[rows].copy(), pixels[rows])
    return quantizer.result(pixels)


def find_bounds(values: Values, is_visible: Values | None = None) -> Bounds:
    """Return the minimum and the maximum of visible pixels; of none, infinity and its negative."""
    if is_visible is None:
        return float(values.min()), float(values.max())
    seen = np.broadcast_to(is_visible, values.shape)
    low, high = values.min(initial=np.inf, where=seen), values.max(initial=-np.inf, where=seen)
    return float(low), float(high)


class Span(NamedTuple):
    """What the visible values of a map lie between, in one frame or several.

    Parameters
    ----------
    bounds : (float, float)
    error : float
        As in `Picture`.
    """

    bounds: Bounds
    error: float = 0.0

    @classmethod
    def of(cls, frame: Picture) -> Span | None:
        """Return the span of a frame; None if nothing of it is visible."""
        is_visible = None if frame.alpha is None else find_visible(frame.alpha)
        low, high = find_bounds(frame.values, is_visible)
        return None if low > high else cls((low, high), frame.error)


class Quantizer:
    """Quantization of a part at a time, by any policy but "rescale".

    That one needs the minimum and the maximum, which are known at the end only.

    Parameters
    ----------
    policy : {"clamp", "abs", "offset", "degrees"}
    depth : {8, 16}

    Examples
    --------
    >>> quantizer, pixels = Quantizer("clamp", 8), np.empty((2, 1), np.uint8)
    >>> quantizer.add(np.array([[300.0]]), pixels[1:])
    >>> quantizer.add(np.array([[0.5]]), pixels[:1])
    >>> quantizer.result(pixels).pixels.tolist(), quantizer.result(pixels).clipped
    ([[0], [255]], 0.5)
    """

    def __init__(self, policy: str, depth: int) -> None:
        self._policy = policy
        self._white = 2**depth - 1
        self._mid_gray = 2 ** (depth - 1)
        self.dtype = np.dtype(np.uint8 if depth == 8 else np.uint16)
        # Minimum, maximum, number of clipped values and of all of each part; threads append to it.
        self._parts: list[tuple[float, float, int, int]] = []

    def add(self, values: Values, pixels: Values) -> None:
        """Quantize the values of a part, which may be overwritten, to its pixels.

        Raises
        ------
        ArgumentError
            For NaN and infinity; minus infinity, the maximum of padding alone, is clipped.
        """
        if values.dtype.kind != "f" and self._policy != "clamp":
            values = values.astype(np.int64)  # where absolute values and offsets cannot overflow
        if self._policy == "abs":
            np.abs(values, out=values)
        elif self._policy == "offset":
            values += values.dtype.type(self._mid_gray)
        elif self._policy == DEGREES:
            values *= values.dtype.type(self._white / 360)
        if values.dtype.kind == "f":
            np.rint(values, out=values)
        low, high = float(values.min()), float(values.max())
        if math.isnan(low) or high == math.inf:
            raise ArgumentError(OVERFLOW)
        below = int(np.count_nonzero(values < 0)) if low < 0 else 0
        above = int(np.count_nonzero(values > self._white)) if high > self._white else 0
        np.clip(values, 0, self._white, out=pixels, casting="unsafe")
        self._parts.append((low, high, below + above, values.size))

    def result(self, pixels: Values) -> Quantized:
        """Return the pixels of all parts, and what was clipped of them."""
        lows, highs, counts, sizes = zip(*self._parts, strict=True)
        clipped = sum(counts) / sum(sizes)
        bounds = min(lows), max(highs)
        note = f"degrees 0..360 are 0..{self._white}" if self._policy == DEGREES else None
        return Quantized(pixels, self._policy, clipped, note, bounds, sum(sizes))


class Clipping(NamedTuple):
    """What a range policy clipped of a feature map, or of all its frames.

    Parameters
    ----------
    share : float
        The share of the values that were out of range, 0 to 1.
    values : int
        The number of all values.
    bounds : (float, float)
        As in `Quantized`.
    white : int
        The end of the range that starts at 0.
    policy : str
    remedy : str, optional
        A policy that would clip nothing, if one suits the map.
    """

    share: float = 0.0
    values: int = 0
    bounds: Bounds = (0.0, 0.0)
    white: int = 255
    policy: str = ""
    remedy: str | None = None

    def merge(self, frame: Clipping) -> Clipping:
        """Return what was clipped of a map, and of one more frame of it."""
        values = self.values + frame.values
        clipped = self.share * self.values + frame.share * frame.values
        bounds = min(self.bounds[0], frame.bounds[0]), max(self.bounds[1], frame.bounds[1])
        return frame._replace(share=clipped / max(values, 1), values=values, bounds=bounds)

    def find_remedy(self, policies: Sequence[str]) -> Clipping:
        """Return the same with the first of some policies that would clip nothing."""
        low, high = self.bounds
        mid_gray = (self.white + 1) // 2
        is_clamped = self.policy == "clamp"  # and the bounds are those of the values themselves
        fits = {
            "offset": is_clamped and low >= -mid_gray and high <= self.white - mid_gray,
            "abs": is_clamped and low >= -self.white and high <= self.white,
            "rescale": math.isfinite(low),
        }
        return self._replace(remedy=next((name for name in policies if fits[name]), None))

    def describe(self) -> str:
        """Return a message to the user."""
        advice = "" if self.remedy is None else f"; --range {self.remedy} would keep them"
        return (
            f"{self.share:.1%} of the values lie outside 0..{self.white} and were clipped{advice}"
        )


def _rescale(values: Values, bounds: Bounds, white: int, error: float) -> Quantized:
    low, high = bounds
    if not math.isfinite(high - low):
        raise ArgumentError(f"values of {low:.6g}..{high:.6g} cannot be rescaled; try clamp")
    if high - low <= error:  # which is neither black nor white
        levels: Values = np.full(values.shape, (white + 1) // 2)
        value = 0.0 if min(abs(low), abs(high)) <= error else (low + high) / 2
        rounded = "" if low == high else ", but for rounding errors"
        note = f"every value is {value:.6g}{rounded}; drawn as mid-gray"
    else:
        levels = np.rint((values.astype(np.float64, copy=False) - low) / (high - low) * white)
        note = f"rescaled {low:.6g}..{high:.6g} to 0..{white}"
    pixels = np.clip(levels, 0, white).astype(np.uint8 if white < 256 else np.uint16)
    return Quantized(pixels, "rescale", note=note)
