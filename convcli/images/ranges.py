"""Value ranges: the float values of a feature map -> the integers of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convcli.errors import ArgumentError
from convcli.images.picture import Values

POLICIES = ("clamp", "abs", "rescale", "offset")
WORTH_SAYING = 0.01  # the share of clipped values from which on a warning is given


@dataclass(frozen=True, slots=True)
class Ranged:
    """What a range policy made of a feature map.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16
    policy : str
        The one that was followed.
    clipped : float
        The share of values that did not fit, 0 to 1.
    note : str, optional
        What the user would want to know.
    """

    pixels: Values
    policy: str
    clipped: float = 0.0
    note: str | None = None


def to_pixels(values: Values, policy: str, depth: int) -> Ranged:
    """Map values to 0..`2**depth - 1`, rounded half to even: the one rounding there is.

    Parameters
    ----------
    values : ndarray
    policy : {"clamp", "abs", "rescale", "offset"}
        Cut off what does not fit; take sizes, then cut off; stretch least..largest to the whole
        range; put zero at mid-grey, then cut off.
    depth : {8, 16}
        Bits of a pixel.

    Examples
    --------
    >>> to_pixels(np.array([-4.0, 0.0, 4.0]), "rescale", 8).pixels
    array([  0, 128, 255], dtype=uint8)
    >>> to_pixels(np.array([-4.0, 0.0, 400.0]), "clamp", 8).clipped
    0.6666666666666666
    """
    white = 2**depth - 1
    if policy == "rescale":
        return _rescaled(values, white)
    if policy == "abs":
        values = np.abs(values)
    elif policy == "offset":
        values = values + np.asarray((white + 1) // 2, values.dtype)
    rounded = np.rint(values)
    outside = np.count_nonzero(rounded < 0) + np.count_nonzero(rounded > white)
    clipped = float(outside / values.size)
    note = None
    if clipped > WORTH_SAYING:
        note = (
            f"{clipped:.1%} of the values lie outside 0..{white} and were clipped; "
            f"--range {_keeping(values, policy, white)} would keep them"
        )
    return Ranged(_integers(rounded, white), policy, clipped, note)


def _rescaled(values: Values, white: int) -> Ranged:
    least, largest = float(values.min()), float(values.max())
    if not math.isfinite(largest - least):
        raise ArgumentError(f"values of {least:.6g}..{largest:.6g} cannot be rescaled; try clamp")
    if least == largest:
        # Neither black nor white: a flat map has no least and no largest part.
        pixels = _integers(np.full(values.shape, (white + 1) // 2), white)
        return Ranged(pixels, "rescale", note=f"every value is {least:.6g}; drawn as mid-grey")
    stretched = (values.astype(np.float64, copy=False) - least) / (largest - least) * white
    note = f"rescaled {least:.6g}..{largest:.6g} to 0..{white}"
    return Ranged(_integers(np.rint(stretched), white), "rescale", note=note)


def _keeping(values: Values, policy: str, white: int) -> str:
    """The policy under which nothing would be clipped."""
    half = (white + 1) // 2
    fits_offset = -half <= float(values.min()) and float(values.max()) < white + 1 - half
    return "offset" if policy == "clamp" and fits_offset else "rescale"


def _integers(rounded: Values, white: int) -> Values:
    kind = np.uint8 if white < 256 else np.uint16
    return np.clip(rounded, 0, white).astype(kind)
