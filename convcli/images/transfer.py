"""Transfer functions: the curves by which encoded values become linear light, and back.

They are those of a picture's color profile, or of the chunks of a PNG; without either, sRGB's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from convcli.errors import ArgumentError
from convcli.images import Metadata, Values
from convcli.records import NamedTuple

GAMMA_UNITS = 100_000  # of a gAMA chunk
MAX_SAMPLES = 1 << 16  # of a curve whose inverse is found by interpolation
TOLERANCE = 1e-6  # of what is encoded again
MAX_FALL = 1e-4  # of light, which the rounded numbers of a curve may make
RGB_CHANNELS = 3


class Curve(NamedTuple):
    """A transfer function.

    Parameters
    ----------
    decode : callable
        Encoded values of 0..1 to linear light of 0..1.
    encode : callable
        The inverse, of any light from 0 on; above 1, it goes on as it does below.
    """

    decode: Callable[[Values], Values]
    encode: Callable[[Values], Values]


class Power(NamedTuple):
    """The curve (a·x + b)^gamma + e from `start` on, and c·x + f below (ICC.1:2022, 10.18)."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    start: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def decode(self, encoded: Values) -> Values:
        """Return linear light, within 0..1."""
        power = np.maximum(self.a * encoded + self.b, 0) ** self.gamma + self.e
        linear = np.where(encoded >= self.start, power, self.c * encoded + self.f)
        result: Values = np.clip(linear, 0, 1)
        return result

    def encode(self, linear: Values) -> Values:
        """Return the encoded values of light."""
        power = (np.maximum(linear - self.e, 0) ** (1 / self.gamma) - self.b) / self.a
        if self.start <= 0:
            return power
        line = (linear - self.f) / self.c if self.c > 0 else np.zeros_like(linear)
        first = max(self.a * self.start + self.b, 0) ** self.gamma + self.e
        result: Values = np.where(linear >= first, power, np.clip(line, 0, self.start))
        return result


SRGB = Power(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1
BT709 = Power(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# Of the code points of ITU-T H.273 those that are curves of light shown, without a system behind.
CODE_POINTS = {
    **dict.fromkeys((1, 6, 14, 15), BT709),
    4: Power(2.2),
    5: Power(2.8),
    8: Power(1.0),
    13: SRGB,
}


def power_curve(power: Power) -> Curve:
    """Return the curve of a power function.

    Raises
    ------
    ArgumentError
        For one that does not increase.
    """
    grid = np.linspace(0, 1, MAX_SAMPLES)
    with np.errstate(all="ignore"):
        samples = power.decode(grid)
        if not (power.gamma > 0 and power.a > 0):
            return sampled_curve(samples)
        is_inverse = np.abs(power.encode(samples) - grid).max() <= TOLERANCE
    return Curve(power.decode, power.encode) if is_inverse else sampled_curve(samples)


def sampled_curve(samples: Values) -> Curve:
    """Return the curve through samples of 0..1 at equal distances, from x = 0 to x = 1.

    Where several have one value, the inverse is the middle of them, but 0 and 1 at the ends.

    Raises
    ------
    ArgumentError
        For samples that do not increase.
    """
    rising = np.maximum.accumulate(samples)
    if not (rising - samples).max() <= MAX_FALL or not rising[0] < rising[-1]:  # nor NaN
        raise ArgumentError("the curve of its color profile does not increase: it has no inverse")
    samples = rising
    grid = np.linspace(0, 1, len(samples))
    light, first, counts = np.unique(samples, return_index=True, return_counts=True)
    encoded = (grid[first] + grid[first + counts - 1]) / 2
    encoded[0], encoded[-1] = 0, 1
    slope = (encoded[-1] - encoded[-2]) / (light[-1] - light[-2])

    def invert(linear: Values) -> Values:
        inside = np.interp(linear, light, encoded)
        result: Values = np.where(linear > light[-1], 1 + (linear - light[-1]) * slope, inside)
        return result

    # By the square root, near which most curves are: that of black is steep.
    roots = invert(np.linspace(0, 1, MAX_SAMPLES) ** 2).astype(np.float32)
    steps = np.append(np.diff(roots), np.float32(0))

    def encode(linear: Values) -> Values:
        if linear.dtype != np.float32:
            return invert(linear)
        # Five times as fast as a search.
        place = np.sqrt(np.fmin(linear, np.float32(1))) * np.float32(MAX_SAMPLES - 1)
        index = place.astype(np.int32)
        result: Values = roots[index] + steps[index] * (place - index)
        is_beyond = ~(linear <= 1)  # NaN, too
        if is_beyond.any():
            result[is_beyond] = invert(linear[is_beyond])
        return result

    return Curve(lambda encoded: np.interp(encoded, grid, samples), encode)


def find_curves(metadata: Metadata, channels: int) -> Sequence[Curve] | None:
    """Return the curve of each channel of values that have this metadata; None for sRGB.

    In a PNG, cICP comes before a profile, which comes before sRGB, which comes before gAMA (PNG
    specification, third edition, 4.3). A profile for other channels says nothing about them.

    Raises
    ------
    ArgumentError
        For profiles and chunks that are no curves.
    """
    chunks = dict(metadata.color_chunks)
    is_for_these = metadata.color_mode == ("L" if channels < RGB_CHANNELS else "RGB")
    if b"cICP" in chunks:
        curves = [_cicp_curve(chunks[b"cICP"])]
    elif metadata.profile and is_for_these:
        from convcli.images.icc import read_curves

        curves = [*read_curves(metadata.profile)]
    elif b"sRGB" not in chunks and (gamma := int.from_bytes(chunks.get(b"gAMA", b""))):
        curves = [power_curve(Power(GAMMA_UNITS / gamma))]
    else:
        return None
    if len(curves) == channels:
        return curves
    if any(curve is not curves[0] for curve in curves):
        raise ArgumentError(
            f"its color profile has {len(curves)} different curves, and these are "
            f"{channels} channels: --linear cannot tell which is whose"
        )
    return curves[:1] * channels


def _cicp_curve(content: bytes) -> Curve:
    _, transfer, matrix, is_full = content
    if transfer not in CODE_POINTS or matrix or not is_full:
        raise ArgumentError(
            f"its cICP chunk has the code points {' '.join(map(str, content))}, for which --linear "
            f"has no curve: it knows full-range RGB of the transfer functions "
            f"{', '.join(map(str, sorted(CODE_POINTS)))}"
        )
    return power_curve(CODE_POINTS[transfer])
