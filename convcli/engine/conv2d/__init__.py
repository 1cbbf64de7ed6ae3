"""conv2d: pad, columns, matmul, reshape.

Correlation, as every CNN framework has it: the kernel is not flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_numbers, like_batch
from convcli.engine.conv2d.im2col import run_im2col
from convcli.engine.conv2d.problem import ConvMethod, ConvProblem, Finish, choose_conv_method
from convcli.engine.conv2d.winograd import run_winograd
from convcli.engine.hints import add_hint, conv_hint
from convcli.engine.integers import as_floats, check_sums, result_dtype
from convcli.engine.naive import conv2d_naive
from convcli.engine.scratch import Scratch
from convcli.errors import ArgumentError

__all__ = ["METHODS", "conv2d"]

METHODS = ("auto", "im2col", "winograd", "naive")
# Maps that are given up leave their memory to the next ones: the system would clear its pages anew,
# in a quarter of the time of a layer with few channels (AMD EPYC, Zen 3). Larger ones are not kept:
# they would add to the peak of networks in tiles.
MAX_RECYCLED_BYTES = 8 << 20


def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zero",
    method: str = "auto",
) -> Array:
    """Convolve images with a layer's weights.

    Parameters
    ----------
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_out, C_in / groups, kh, kw)
    bias : array_like, (C_out,), optional
    stride, dilation : int or (int, int)
    padding : int, (ph, pw), ((top, bottom), (left, right)), "valid", "same", "same-lower" or "full"
    groups : int
        The number of groups that the channels are split into, each with its own filters.
    padding_mode : {"zero", "reflect", "replicate", "circular", "symmetric", "constant:V"}
    method : {"auto", "im2col", "winograd", "naive"}
        `im2col` is one product of matrices, whose columns are copied by windows, or by rows: each
        row once for all windows that contain it. `winograd` needs fewer products, and can be had in
        float32 for a kernel of 3 (3x3, 3x1 or 1x3), stride 1, dilation 1 and one group. `auto` is
        what costs the least, as `choose_conv_method` estimates; `naive` is `conv2d_naive`.

    Returns
    -------
    ndarray, (C_out, oh, ow) or (N, C_out, oh, ow)
        float64 for a float64 `x`, float32 for any other; float64 for integers too where a result is
        beyond 2^24, up to which float32 holds every whole number.

    Raises
    ------
    ShapeError
        For shapes that do not fit each other, and where the output would be empty.
    ArgumentError
        For settings that no convolution has, for `winograd` where it cannot be taken, and for
        integers, with weights that are whole numbers, of which a sum may be beyond 2^53, to which
        float64 is exact.

    Notes
    -----
    Integers and bool are summed in float64, so that sums of whole numbers are exact.

    In float32 `im2col` is off by some 1e-6 of the largest `sum(abs(x * weight))` over a window, and
    `winograd` by up to 1e-5 of it: with weights of either sign, 2e-5 of the largest output. NaN and
    infinity reach the same outputs whatever the method.

    Each thread has its own scratch memory: a few MB, and what one row of a wide image needs.

    Examples
    --------
    >>> conv2d([[[1, 2, 4]]], [[[[1, -1]]]])
    array([[[-1., -2.]]], dtype=float32)
    """
    if method not in METHODS:
        raise ArgumentError(f"method {method!r} is none of {', '.join(METHODS)}")
    if method == "naive":
        return conv2d_naive(
            x,
            weight,
            bias,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=padding_mode,
        )
    return convolve(
        x,
        weight,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        padding_mode=padding_mode,
        method=method,
    )


def convolve(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zero",
    method: str = "auto",
    finish: Finish | None = None,
) -> Array:
    """Do what `conv2d` does, by `im2col` or `winograd`, and then `finish`, part by part, in place.

    Parameters
    ----------
    finish : callable, optional
        Changes an array of some of the sums, of any shape, in place.
    """
    with add_hint(conv_hint, x, weight, groups=groups):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
        weights = as_filters(weight, images.shape[1], groups)
        filters = weights.astype(images.dtype, copy=False)
        window = make_window(filters.shape[-2:], stride=stride, padding=padding, dilation=dilation)
        offsets = None if bias is None else as_bias(bias, len(filters)).astype(images.dtype)
        problem = ConvProblem(
            images, filters, offsets, window, groups=groups, mode=padding_mode, finish=finish
        )
    check_sums(array, weights, offsets)
    maps = run_conv(problem, choose_conv_method(problem.size, method))
    return like_batch(maps.astype(result_dtype(array, maps), copy=False), array)


def run_conv(problem: ConvProblem, method: ConvMethod) -> Array:
    """Return the maps, (N, C_out, oh, ow)."""
    shape = len(problem.images), len(problem.filters), *problem.output
    dtype = problem.images.dtype
    is_large = prod(shape) * dtype.itemsize > MAX_RECYCLED_BYTES
    maps = np.empty(shape, dtype) if is_large else Scratch()("maps", shape, dtype)
    parts = None
    if method.tile is not None:
        parts = run_winograd(problem, method.tile, maps)  # over which it spread NaN or infinity
    run_im2col(problem, method, maps, parts)
    return maps
