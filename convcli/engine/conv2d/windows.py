"""Windows into columns, in long pieces: several times as fast as row by row where rows are short.

The values under one tap, over whole rows of outputs, are the image moved, as if it were one row: so
the windows of all channels and taps are one strided view of a copy of the image. Only the ends of
rows are wrong there, and get the padding.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.engine.padding import PaddedImage, clip_range
from convcli.engine.scratch import Scratch

MAX_TAPS = 50  # of a kernel, as a 7x7 has them: each column of taps takes a call of its own


def can_copy_windows(image: PaddedImage, window: Window, outputs: Pair) -> bool:
    """Whether `copy_windows` can copy the windows of so many whole rows of outputs, and columns.

    These must be at least as wide as the image, the stride 1, and the copy of the image no larger
    than the windows. A value of a strided window would be copied on its own in any case.
    """
    (kh, kw), (rows, width) = window.kernel, outputs
    left, extent = image.pads[1][0], (kw - 1) * window.dilation[1]
    return (
        image.value is not None
        and isinstance(image.image, np.ndarray)
        and window.stride == (1, 1)
        and kh * kw <= MAX_TAPS
        and max(image.image.shape[-1], left, extent - left) <= width
        and (kh - 1) * window.dilation[0] <= kh * kw * rows
    )


def copy_windows(
    image: PaddedImage, window: Window, rows: slice, target: Array, scratch: Scratch
) -> None:
    """Copy the windows of some rows of outputs, with the padding.

    Parameters
    ----------
    image : PaddedImage
        Of an array, (..., H, W).
    window : Window
    rows : slice
    target : ndarray, (..., kh, kw, rows, ow)
    scratch : Scratch
    """
    values, value = np.asarray(image.image), image.value
    *leading, height, width = values.shape
    (kh, kw), ow, (down, right) = window.kernel, target.shape[-1], window.dilation
    (top, _), (left, _) = image.pads
    under = range(rows.start - top, rows.stop - top + (kh - 1) * down)
    inside, source = clip_range(under, height)
    # Rows of `ow` values, and as many before and after as the taps of a row's ends reach.
    end = left + len(under) * ow
    moved = scratch("moved", (*leading, end + max((kw - 1) * right - left, 0)), values.dtype)
    first, stop = left + inside.start * ow, left + inside.stop * ow
    moved[..., :first] = value
    moved[..., stop:] = value
    plane = moved[..., first:stop].reshape(*leading, inside.stop - inside.start, ow)
    plane[..., :width] = values[..., source, :]
    plane[..., width:] = value
    per_value = moved.itemsize
    per_row = ow * per_value
    steps = down * per_row, right * per_value, per_row, per_value
    np.copyto(target, as_strided(moved, target.shape, (*moved.strides[:-1], *steps)))
    for tap in range(kw):
        distance = tap * right - left
        if distance < 0:
            target[..., tap, :, :-distance] = value
        elif distance > 0:
            target[..., tap, :, ow - distance :] = value
