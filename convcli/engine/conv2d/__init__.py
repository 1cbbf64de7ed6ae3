"""conv2d: pad, columns, matmul, reshape.

Correlation, as every CNN framework has it: the kernel is not flipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, Pair
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_numbers, like_batch
from convcli.engine.conv2d.problem import ConvProblem, Finish, Part, choose_conv_method, shares_rows
from convcli.engine.conv2d.winograd import run_winograd
from convcli.engine.hints import add_hint, conv_hint
from convcli.engine.im2col import unroll_rows, unroll_windows
from convcli.engine.integers import as_floats, check_sums, result_dtype
from convcli.engine.naive import conv2d_naive
from convcli.engine.scratch import Scratch
from convcli.errors import ArgumentError
from convcli.parallel import parallel_for

__all__ = ["METHODS", "conv2d"]

METHODS = ("auto", "im2col", "winograd", "naive")


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
        `im2col` is one product of matrices. `winograd` needs fewer products, and can be had in
        float32 for a kernel of 3 (3x3, 3x1 or 1x3), stride 1, dilation 1 and one group. `auto` is
        the one of the two that costs less (`choose_conv_method` says which); `naive` is
        `conv2d_naive`.

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
    maps = run_conv(problem, choose_conv_method(problem.size, method).tile)
    return like_batch(maps.astype(result_dtype(array, maps), copy=False), array)


def run_conv(problem: ConvProblem, tile: Pair | None) -> Array:
    """Return the maps, (N, C_out, oh, ow): by Winograd with a tile, by im2col without."""
    shape = len(problem.images), len(problem.filters), *problem.output
    maps = np.empty(shape, problem.images.dtype)
    # im2col computes all parts, or those that Winograd spread NaN or infinity over.
    run_im2col(problem, maps, None if tile is None else run_winograd(problem, tile, maps))
    return maps


def run_im2col(problem: ConvProblem, maps: Array, parts: Sequence[Part] | None = None) -> None:
    """Pad, columns, matmul, reshape: fill (N, C_out, oh, ow) maps, or only some parts of them."""
    layout = ColumnLayout(problem)
    weights, bias = layout.weights, layout.bias  # (G, [1,] C_out/G, K)

    def make_worker() -> Callable[[Part], None]:
        pad_and_unroll = layout.make_columns()

        def work(part: Part) -> None:
            columns = pad_and_unroll(part)  # (G, [oh,] K, L)
            products = layout.target(maps, part)  # (G, [oh,] C_out/G, L): the maps, reshaped
            np.matmul(weights[..., part.filters, :], columns, out=products)
            if bias is not None:
                products += bias[..., part.filters, :]
            if problem.finish is not None:
                problem.finish(products)

        return work

    has_shared_rows = layout.has_shared_rows
    parts = problem.parts(has_shared_rows=has_shared_rows) if parts is None else parts
    parallel_for(make_worker, parts)


class ColumnLayout:
    """The matrices of a convolution: a column for every window, or a copy of every row once.

    They have an axis for the groups, and one for the output's rows where windows share rows.

    Parameters
    ----------
    problem : ConvProblem

    Attributes
    ----------
    has_shared_rows : bool
        Whether windows share the columns of rows.
    weights : ndarray, (G, [1,] C_out/G, K)
    bias : ndarray, (G, [1,] C_out/G, 1), or None
    """

    def __init__(self, problem: ConvProblem) -> None:
        self._problem = problem
        groups, filters = problem.groups, problem.filters
        self.has_shared_rows = shares_rows(problem.size)
        weights = filters.reshape(groups, len(filters) // groups, *filters.shape[1:])
        if self.has_shared_rows:  # a row's columns run over channels, then along it: (kh, C/G, kw)
            weights = weights.transpose(0, 1, 3, 2, 4)[:, None]
        self.weights: Array = weights.reshape(*weights.shape[:-3], -1)
        bias = problem.bias
        self.bias = None if bias is None else bias.reshape(*self.weights.shape[:-1], 1)

    def make_columns(self) -> Callable[[Part], Array]:
        """Return a function from a part to its columns, (G, [oh,] K, L), with its own memory.

        Parts that differ in their filters alone follow one another, and have the same columns.
        """
        problem, scratch = self._problem, Scratch()
        unroll = unroll_rows if self.has_shared_rows else unroll_windows
        last: list[tuple[object, Array]] = []

        def columns(part: Part) -> Array:
            region = part.image, part.rows, part.columns
            if not last or last[0][0] != region:
                padded = problem.input_region(*region, scratch)  # (C_in, ...)
                grouped = padded.reshape(problem.groups, -1, *padded.shape[1:])
                last[:] = [(region, unroll(grouped, problem.window, scratch))]
            return last[0][1]

        return columns

    def target(self, maps: Array, part: Part) -> Array:
        """Return a view of the maps for a part's products: (G, [oh,] C_out/G, L)."""
        groups = self._problem.groups
        grouped: Array = maps[part.image].reshape(groups, -1, *maps.shape[2:])
        if self.has_shared_rows:
            rows: Array = grouped[:, part.filters, part.rows, part.columns]
            return rows.swapaxes(1, 2)
        # A part has whole rows or is within one, so its positions follow one another.
        first = part.rows.start * maps.shape[3] + part.columns.start
        count = (part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start)
        flat: Array = grouped.reshape(*grouped.shape[:2], -1)
        return flat[:, part.filters, first : first + count]
