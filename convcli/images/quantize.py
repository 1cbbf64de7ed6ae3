"""Value ranges: the float values of a feature map -> the integers of a picture."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from convcli.errors import ArgumentError
from convcli.images import Values

POLICIES = ("clamp", "abs", "rescale", "offset")
CHUNK_VALUES = 1 << 20  # that are mapped at once: a copy of them is made
OVERFLOW = "a sum is beyond what floating point holds"
WARN_CLIPPED_SHARE = 0.01  # the share of clipped values from which on a warning is given


class Quantized(NamedTuple):
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


def quantize(values: Values, policy: str, depth: int) -> Quantized:
    """Map values to 0..`2**depth - 1`, rounded half to even: the one rounding there is.

    Parameters
    ----------
    values : ndarray
    policy : {"clamp", "abs", "rescale", "offset"}
        Cut off what does not fit; take sizes, then cut off; stretch least..largest to the whole
        range; put zero at mid-gray, then cut off.
    depth : {8, 16}
        Bits of a pixel.

    Examples
    --------
    >>> quantize(np.array([-4.0, 0.0, 4.0]), "rescale", 8).pixels
    array([  0, 128, 255], dtype=uint8)
    >>> quantize(np.array([-4.0, 0.0, 400.0]), "clamp", 8).clipped
    0.6666666666666666
    """
    if policy == "rescale":
        return _rescaled(values, 2**depth - 1)
    quantizer = Quantizer(values.shape, policy, depth)
    most = max(CHUNK_VALUES * len(values) // values.size, 1)
    for start in range(0, len(values), most):
        rows = slice(start, start + most)
        quantizer.add(rows, values[rows].copy())
    return quantizer.result()


class Quantizer:
    """Values that become pixels as they come, some rows at a time: by any policy but "rescale".

    Stretching needs the least and the largest value, which are known at the end alone.

    Parameters
    ----------
    shape : tuple of int
        Of all the values.
    policy : {"clamp", "abs", "offset"}
    depth : {8, 16}

    Examples
    --------
    >>> quantizer = Quantizer((2, 1), "clamp", 8)
    >>> quantizer.add(slice(1, 2), np.array([[300.0]]))
    >>> quantizer.add(slice(0, 1), np.array([[0.5]]))
    >>> quantizer.result().pixels.tolist(), quantizer.result().clipped
    ([[0], [255]], 0.5)
    """

    def __init__(self, shape: tuple[int, ...], policy: str, depth: int) -> None:
        self._policy = policy
        self._white = 2**depth - 1
        self._pixels: Values = np.empty(shape, np.uint8 if depth == 8 else np.uint16)
        # Of every part: its least value, its largest, how many did not fit. Threads may add some.
        self._found: list[tuple[float, float, int]] = []

    def add(self, rows: slice, values: Values) -> None:
        """Map the values of some rows; they are overwritten on the way.

        Raises
        ------
        ArgumentError
            For values that are beyond what floating point holds.
        """
        white, zero = self._white, (self._white + 1) // 2
        if values.dtype.kind != "f" and self._policy != "clamp":
            values = values.astype(np.int64)  # whose sizes and shifts all fit
        if self._policy == "abs":
            np.abs(values, out=values)
        elif self._policy == "offset":
            values += values.dtype.type(zero)
        if values.dtype.kind == "f":
            np.rint(values, out=values)
        least, largest = float(values.min()), float(values.max())
        if math.isnan(least) or largest == math.inf:
            raise ArgumentError(OVERFLOW)
        below = int(np.count_nonzero(values < 0)) if least < 0 else 0
        above = int(np.count_nonzero(values > white)) if largest > white else 0
        np.clip(values, 0, white, out=self._pixels[rows], casting="unsafe")
        self._found.append((least, largest, below + above))

    @property
    def min_value(self) -> float:
        """The least value so far, on the scale of the pixels."""
        return min(found[0] for found in self._found)

    def result(self) -> Quantized:
        """What has become of all of them."""
        largest = max(found[1] for found in self._found)
        clipped = sum(found[2] for found in self._found) / self._pixels.size
        note = None
        if clipped > WARN_CLIPPED_SHARE:
            zero = (self._white + 1) // 2
            fits_offset = -zero <= self.min_value and largest <= self._white - zero
            keeping = "offset" if self._policy == "clamp" and fits_offset else "rescale"
            note = (
                f"{clipped:.1%} of the values lie outside 0..{self._white} and were clipped; "
                f"--range {keeping} would keep them"
            )
        return Quantized(self._pixels, self._policy, clipped, note)


def _rescaled(values: Values, white: int) -> Quantized:
    least, largest = float(values.min()), float(values.max())
    if not math.isfinite(largest - least):
        raise ArgumentError(f"values of {least:.6g}..{largest:.6g} cannot be rescaled; try clamp")
    if least == largest:
        # Neither black nor white: a flat map has no least and no largest part.
        pixels = _integers(np.full(values.shape, (white + 1) // 2), white)
        return Quantized(pixels, "rescale", note=f"every value is {least:.6g}; drawn as mid-gray")
    stretched = (values.astype(np.float64, copy=False) - least) / (largest - least) * white
    note = f"rescaled {least:.6g}..{largest:.6g} to 0..{white}"
    return Quantized(_integers(np.rint(stretched), white), "rescale", note=note)


def _integers(rounded: Values, white: int) -> Values:
    kind = np.uint8 if white < 256 else np.uint16
    return np.clip(rounded, 0, white).astype(kind)
