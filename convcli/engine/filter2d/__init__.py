"""filter2d: one kernel over an image, in tiles that bound the memory.

`plan_filter` checks the settings and chooses the algorithm with the least estimated cost, from the
image's shape and type alone. The plan is then run over an image: tile after tile is padded and
computed, so the whole of an 8-bit image is never converted to floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.filter2d.plan import check_method, plan_filter
from convcli.engine.filter2d.problem import FilterSettings
from convcli.engine.hints import add_hint, filter_hint
from convcli.errors import ArgumentError


def filter2d(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    bias: float | Array = 0.0,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = "same",
    padding_mode: str = "replicate",
    dilation: int | Sequence[int] = 1,
    flip: bool = False,
    method: str = "auto",
    out_dtype: DTypeLike | None = None,
) -> Array:
    """Filter an image with a kernel.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    kernel : array_like, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        Two axes filter each channel by itself. Three sum over the channels into one map; four are
        a layer's weights and give C_out maps. Of a `Kernel` these are the weights alone: pass its
        bias as `bias`, and its origin as `padding`.
    bias : float or ndarray, (C_out,)
        Added to every sum, in the image's units; one for each map of a kernel of four axes.
    stride, dilation : int or (int, int)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "valid", "same", "same-lower" or "full"
    padding_mode : {"replicate", "zero", "reflect", "circular", "symmetric", "constant:V"}
        As in `pad2d`; a constant is in the image's units, and may be one that its type cannot hold.
    flip : bool
        True convolution: the kernel turned by 180°. Otherwise correlation.
    method : {"auto", "im2col", "separable", "fft", "naive"}
        How to compute it, for a kernel of two axes; `auto` takes what costs the least, which may
        be additions of integers.
    out_dtype : dtype, optional
        The type of the result; the image's own where left out (float32 for bool). Integers are
        rounded, half to even, and clamped to what the type holds.

    Returns
    -------
    ndarray, (oh, ow) or (oh, ow, C)

    Raises
    ------
    ShapeError
        For shapes that do not fit each other, and where the output would be empty.
    ArgumentError
        For settings that no filter has; for integers of 32 or 64 bits, with weights that are whole
        numbers, of which a sum may be beyond 2^53, to which float64 is exact.

    Notes
    -----
    Sums of whole numbers are exact where `auto` adds integers. Otherwise they are float32 for 8-bit
    and float32 values, float64 for others: `im2col` and `separable` are off by some 1e-6 (1e-15) of
    the largest `sum(abs(window * kernel))`, and depend on nothing outside the window. `fft` spreads
    its rounding errors: up to 1e-6 (1e-15) of the largest sum anywhere in its tile, so a value far
    larger than all others costs its neighbors digits; ask for `im2col` there.

    Examples
    --------
    >>> filter2d(np.array([[0, 100, 255]], np.uint8), [[-1, 0, 1]])
    array([[100, 255, 155]], dtype=uint8)
    """
    pixels = as_numbers(image, "image")
    dtype = _result_type(pixels.dtype, out_dtype)
    check_method(method, kernel)
    settings = FilterSettings(bias, stride, padding, padding_mode, dilation, flip, method)
    with add_hint(filter_hint, image, kernel):
        plan = plan_filter(
            pixels.shape, pixels.dtype, kernel, settings, integer_output=dtype.kind in "iu"
        )
    result = np.empty(plan.shape, dtype)
    plan.run_into(pixels, result)
    return result


def _result_type(own: np.dtype[Any], out_dtype: DTypeLike | None) -> np.dtype[Any]:
    """The type of the result: as asked for, or that of the image."""
    if out_dtype is None:
        return own if own.kind in "uif" else np.dtype(np.float32)
    try:
        found = np.dtype(out_dtype)
    except TypeError:
        raise ArgumentError(f"out_dtype {out_dtype!r} is no type of numbers") from None
    if found.kind not in "uif":
        raise ArgumentError(f"out_dtype must be a type of real numbers, not {found}")
    return found
