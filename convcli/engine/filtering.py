"""filter2d: one kernel over an image, in bands that bound the memory.

Values go the way of `conv2d` (pad, columns, matmul, reshape), a few rows at a time, so an image of
8-bit pixels is never held as floats whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from convcli.arithmetic.arguments import NO_PADDING, PaddingLike
from convcli.arithmetic.sizes import Window, effective_kernel, window
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.correlating import (
    Correlate,
    by_columns,
    by_factors,
    by_layer,
    by_loops,
    by_spectrum,
    separate,
)
from convcli.engine.padding import numpy_mode, padded_positions
from convcli.engine.tiles import needed, spans
from convcli.errors import ArgumentError, ShapeError

BAND_SAMPLES = 1 << 18  # output values of a band: its columns fit the memory that is kept for them
SPECTRUM_TAPS = 400  # from so many weights on, three FFTs are cheaper than the products
METHODS = ("auto", "im2col", "separable", "fft", "naive")

_CORRELATE: dict[str, Correlate] = {
    "im2col": by_columns,
    "separable": by_factors,
    "fft": by_spectrum,
    "naive": by_loops,
}


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
        How to compute it, for a kernel of two axes: `auto` is what `choose_method` says.
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

    Examples
    --------
    >>> filter2d(np.array([[0, 100, 255]], np.uint8), [[-1, 0, 1]])
    array([[100, 255, 155]], dtype=uint8)
    """
    bands = filter_bands(
        image,
        kernel,
        bias=bias,
        stride=stride,
        padding=padding,
        padding_mode=padding_mode,
        dilation=dilation,
        flip=flip,
        method=method,
        out_dtype=out_dtype,
    )
    maps = np.empty(bands.shape, bands.dtype)
    for rows, band in bands.parts:
        maps[rows] = band
    return maps


@dataclass(frozen=True, slots=True)
class Bands:
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
    pixels, weights = as_numbers(image, "image"), as_numbers(kernel, "kernel").astype(np.float64)
    _check_axes(pixels, weights)
    default = pixels.dtype if pixels.dtype.kind in "uif" else np.dtype(np.float32)
    result_type = default if out_dtype is None else _as_real_type(out_dtype)
    offset = float(as_numbers(bias, "bias"))
    if flip:
        weights = weights[..., ::-1, ::-1]
    check_method(method, weights)
    shape = window(weights.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    cube = np.atleast_3d(pixels)  # (H, W, C)
    numpy_mode(padding_mode)  # refuse an unknown one before any work
    size = shape.output(cube.shape[:2])
    has_channels = {2: pixels.ndim == 3, 3: False, 4: True}[weights.ndim]
    channels = {2: cube.shape[2], 3: 1, 4: len(weights)}[weights.ndim]

    def parts() -> Iterator[tuple[slice, Array]]:
        correlate = _correlation(method, weights, pixels)
        for rows, band in _padded_bands(cube, shape, padding_mode):
            sums = correlate(band, weights, replace(shape, padding=NO_PADDING))  # (rows, ow, C)
            if offset:
                sums += np.asarray(offset, sums.dtype)
            made = as_type(sums, result_type)
            yield rows, made if has_channels else made[:, :, 0]

    return Bands((*size, channels) if has_channels else size, result_type, parts())


def check_method(method: str, kernel: ArrayLike) -> None:
    """Refuse a method that a kernel cannot take.

    Raises
    ------
    ArgumentError
        For an unknown method, a kernel that is not separable, and one that sums channels where
        the method filters each by itself.
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim > 2 and method in ("separable", "fft"):
        raise ArgumentError(f"method {method!r} takes a kernel of two axes, not {weights.ndim}")
    if method == "separable" and separate(weights) is None:
        raise ArgumentError("method 'separable' needs a kernel of rank 1; 'auto' finds out itself")


def choose_method(kernel: ArrayLike) -> str:
    """What `auto` uses for a kernel of two axes.

    `separable` where a column and a row take fewer products than the matrix, `fft` from so many
    weights on that three transforms are cheaper, `im2col` for the rest.

    >>> choose_method([[0, 1, 0], [1, -4, 1], [0, 1, 0]]), choose_method(np.ones((15, 15)))
    ('im2col', 'separable')
    """
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    products = np.count_nonzero(weights)
    if weights.ndim != 2:
        return "im2col"
    if sum(weights.shape) < products and separate(weights) is not None:
        return "separable"
    return "fft" if products >= SPECTRUM_TAPS else "im2col"


def _check_axes(pixels: Array, weights: Array) -> None:
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ShapeError(f"image must be (H, W) or (H, W, C) and not empty, not {pixels.shape}")
    if weights.ndim not in (2, 3, 4) or 0 in weights.shape:
        raise ShapeError(
            f"kernel must be (kh, kw), (C, kh, kw) or (C_out, C, kh, kw), not {weights.shape}"
        )
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if weights.ndim > 2 and weights.shape[-3] != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def _correlation(method: str, weights: Array, pixels: Array) -> Correlate:
    """The function that a method names."""
    if weights.ndim > 2:
        return partial(by_layer, method=method)
    if method == "auto":
        method = choose_method(weights)
        if method == "fft" and not np.isfinite(pixels).all():
            method = "im2col"  # a spectrum would spread one NaN over all of a band
    return _CORRELATE[method]


def _as_real_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise ArgumentError(f"out_dtype {dtype!r} is no type of numbers") from None
    if found.kind not in "uif":
        raise ArgumentError(f"out_dtype must be a type of real numbers, not {found}")
    return found


def _padded_bands(pixels: Array, shape: Window, mode: str) -> Iterator[tuple[slice, Array]]:
    """Cut the output into bands of rows: which rows, and the padded input that they see."""
    height, width, channels = pixels.shape
    oh, ow = shape.output((height, width))
    (top, bottom), (left, right) = shape.sides((height, width))
    from_rows = padded_positions(height, top, bottom, mode)
    from_columns = padded_positions(width, left, right, mode)
    extent = effective_kernel(shape.kernel[0], shape.dilation[0])
    samples_of_row = channels * max(ow, len(from_columns) * shape.stride[0])
    # A band of few rows under a tall kernel would read more than it writes.
    for rows in spans(oh, max(BAND_SAMPLES // samples_of_row, extent // shape.stride[0])):
        seen = from_rows[needed(rows, shape.stride[0], extent)]
        yield rows, _gather(pixels, seen, from_columns, left)


def _gather(pixels: Array, rows: Array, columns: Array, left: int) -> Array:
    """The pixels at these rows and columns (-1 is zero), in the type that sums are kept in."""
    width = pixels.shape[1]
    band = np.empty((len(rows), len(columns), pixels.shape[2]), sum_type(pixels.dtype))
    band[:, left : left + width] = pixels[rows]  # by far the most, so copied at once
    beyond = np.r_[0:left, left + width : len(columns)]
    band[:, beyond] = pixels[rows[:, np.newaxis], columns[beyond]]
    band[rows < 0] = 0
    band[:, columns < 0] = 0
    return band


def sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that sums are kept in: float32 for its own values and for 8 bits, else float64.

    Of 24 bits, 8 are the value's and 16 are left for the fractions of a sum.
    """
    fits = dtype.itemsize == 1 or (dtype.kind == "f" and dtype.itemsize <= 4)
    return np.dtype(np.float32 if fits else np.float64)


def as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Turn sums into the type of the result: integers rounded half to even, and clamped.

    Raises
    ------
    ArgumentError
        For sums that are NaN, which no integer is.
    """
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    bounds = np.iinfo(dtype)
    highest = np.float64(bounds.max)
    if int(highest) > bounds.max:  # 64-bit bounds lie between two floats
        highest = np.nextafter(highest, 0)
    rounded: Array = np.rint(values)
    if np.isnan(rounded.sum()) and np.isnan(rounded).any():
        raise ArgumentError(f"a sum is NaN, which {dtype} cannot hold; give out_dtype=float")
    return np.clip(rounded, bounds.min, highest).astype(dtype)
