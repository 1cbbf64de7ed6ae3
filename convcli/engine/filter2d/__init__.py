"""filter2d: one kernel over an image, in bands of rows that bound the memory.

A filter is prepared first: checked, and planned by what each method would cost. Then band after
band is padded and computed, so an image of 8-bit pixels is never held as floats whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_numbers, sum_dtype, to_dtype
from convcli.engine.filter2d.plan import (
    METHODS,
    Choice,
    PreparedFilter,
    check_method,
    choose_method,
    prepare_filter,
)
from convcli.engine.scratch import split_range
from convcli.errors import ArgumentError
from convcli.parallel import get_threads

__all__ = [
    "METHODS",
    "Bands",
    "Choice",
    "PreparedFilter",
    "check_method",
    "choose_method",
    "filter2d",
    "filter_bands",
    "prepare_filter",
    "sum_dtype",
    "to_dtype",
]


def filter2d(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    bias: float = 0.0,
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
        bias on as `bias`, and its origin as `padding`.
    bias : float
        Added to every sum, in the image's units.
    stride, dilation : int or (int, int)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "valid", "same", "same-lower" or "full"
    padding_mode : {"replicate", "zero", "reflect", "circular", "symmetric"}
    flip : bool
        True convolution: the kernel turned by 180°. Otherwise correlation.
    method : {"auto", "im2col", "separable", "fft", "naive"}
        How to compute it, for a kernel of two axes; `auto` takes what costs the least, which may
        be additions in integers.
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
        For settings that no filter has.

    Notes
    -----
    Sums of whole numbers are exact where `auto` adds integers. Else they are kept in float32 for
    8-bit and float32 values, in float64 for others: `im2col` and `separable` are off by some 1e-6
    (1e-15) of the largest `sum(abs(window * kernel))`, and see nothing beyond the window. `fft`
    spreads its rounding: up to 1e-6 (1e-15) of the largest sum anywhere in its tile, so one value
    that towers above all others costs its neighbours digits; ask for `im2col` there.

    Examples
    --------
    >>> filter2d(np.array([[0, 100, 255]], np.uint8), [[-1, 0, 1]])
    array([[100, 255, 155]], dtype=uint8)
    """
    result_type = _result_type(image, out_dtype)
    prepared = prepare_filter(
        image,
        kernel,
        bias=bias,
        stride=stride,
        padding=padding,
        padding_mode=padding_mode,
        dilation=dilation,
        flip=flip,
        method=method,
        integer_output=result_type.kind in "iu",
    )
    maps = np.empty(prepared.shape, result_type)
    prepared.run_into(maps.reshape(*maps.shape[:2], -1))  # (oh, ow, C)
    return maps


class Bands(NamedTuple):
    """A filtered image that comes in bands of rows, each made when it is asked for.

    Parameters
    ----------
    shape : tuple of int
        Of the whole.
    dtype : dtype
    parts : iterator of (slice, ndarray)
        The rows, from the top, and their values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parts: Iterator[tuple[slice, Array]]


def filter_bands(
    image: ArrayLike,
    kernel: ArrayLike,
    *,
    bias: float = 0.0,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = "same",
    padding_mode: str = "replicate",
    dilation: int | Sequence[int] = 1,
    flip: bool = False,
    method: str = "auto",
    out_dtype: DTypeLike | None = None,
) -> Bands:
    """As `filter2d`, a band of rows at a time: for images that do not fit the memory.

    Examples
    --------
    >>> bands = filter_bands(np.ones((4, 4)), np.ones((3, 3)), padding="valid")
    >>> bands.shape, [band.tolist() for _, band in bands.parts]
    ((2, 2), [[[9.0, 9.0], [9.0, 9.0]]])
    """
    result_type = _result_type(image, out_dtype)
    prepared = prepare_filter(
        image,
        kernel,
        bias=bias,
        stride=stride,
        padding=padding,
        padding_mode=padding_mode,
        dilation=dilation,
        flip=flip,
        method=method,
        integer_output=result_type.kind in "iu",
    )
    return Bands(prepared.shape, result_type, _parts(prepared, result_type))


def _parts(prepared: PreparedFilter, dtype: np.dtype[Any]) -> Iterator[tuple[slice, Array]]:
    """Bands from the top: as many at a time as there are threads, which share them."""
    bands = list(prepared.bands())
    for group in split_range(len(bands), get_threads()):
        first, end = bands[group][0].start, bands[group][-1].stop
        made = np.empty((end - first, *prepared.shape[1:]), dtype)
        prepared.run_into(made.reshape(*made.shape[:2], -1), slice(first, end))
        yield slice(first, end), made


def _result_type(image: ArrayLike, out_dtype: DTypeLike | None) -> np.dtype[Any]:
    """The type of the result: as asked for, or that of the image's numbers."""
    if out_dtype is None:
        own = as_numbers(image, "image").dtype
        return own if own.kind in "uif" else np.dtype(np.float32)
    try:
        found = np.dtype(out_dtype)
    except TypeError:
        raise ArgumentError(f"out_dtype {out_dtype!r} is no type of numbers") from None
    if found.kind not in "uif":
        raise ArgumentError(f"out_dtype must be a type of real numbers, not {found}")
    return found
