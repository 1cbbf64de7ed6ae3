"""conv2d: pad, columns, matmul, reshape.

Correlation, as every CNN framework has it: the kernel is not turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.arguments import PaddingLike, Pair
from convcli.arithmetic.sizes import Window, effective_kernel, window
from convcli.engine.arrays import Array, as_batch, as_bias, as_filters, as_real, like_batch
from convcli.engine.columns import lay_rows, lay_windows
from convcli.engine.layers.layer import Layer, Part
from convcli.engine.layers.method import LayerMethod, layer_method, shares_rows
from convcli.engine.layers.winograd import by_winograd
from convcli.engine.naive import conv2d_naive
from convcli.engine.scratch import Scratch
from convcli.engine.tiles import COLUMNS_BYTES, needed, tiles
from convcli.errors import ArgumentError
from convcli.threads import share

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
        Channels are split into so many groups, each with filters of its own.
    padding_mode : {"zero", "reflect", "replicate", "circular", "symmetric"}
    method : {"auto", "im2col", "winograd", "naive"}
        `im2col` is one product of matrices. `winograd` needs fewer products, and can be had in
        float32 for a kernel of 3 (3x3, 3x1 or 1x3), stride 1, dilation 1 and one group. `auto` is
        the one of the two that costs less (`layer_method` says which); `naive` is `conv2d_naive`.

    Returns
    -------
    ndarray, (C_out, oh, ow) or (N, C_out, oh, ow)
        float64 for a float64 `x`, float32 for any other.

    Raises
    ------
    ShapeError
        For shapes that do not fit each other, and where the output would be empty.
    ArgumentError
        For settings that no convolution has, and for `winograd` where it cannot be taken.

    Notes
    -----
    In float32 `im2col` is off by some 1e-6 of the largest `sum(abs(x * weight))` over a window, and
    `winograd` by up to 1e-5 of it: with weights of either sign, 2e-5 of the largest output. What is
    infinite or no number reaches the same outputs whatever the method.

    Each thread works in memory of its own: a few MB, and what one row of a wide image asks for.

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
    array = as_real(x, "x")
    images = as_batch(array)
    filters = as_filters(weight, images.shape[1], groups).astype(images.dtype, copy=False)
    shape = window(filters.shape[-2:], stride=stride, padding=padding, dilation=dilation)
    offsets = None if bias is None else as_bias(bias, len(filters)).astype(images.dtype)
    layer = Layer.over(images, filters, offsets, shape, groups=groups, mode=padding_mode)
    way = layer_method(
        images.shape, filters.shape, shape, images.dtype, groups=groups, method=method
    )
    return like_batch(convolve(layer, way), array)


def convolve(layer: Layer, way: LayerMethod) -> Array:
    """(N, C_in, H, W) -> (N, C_out, oh, ow)."""
    count, c_out = len(layer.images), len(layer.filters)
    maps = np.empty((count, c_out, *layer.output), layer.images.dtype)
    if way.tile is None:
        by_columns(layer, maps)
    else:
        by_columns(layer, maps, by_winograd(layer, way.tile, maps))
    return maps


def by_columns(layer: Layer, maps: Array, parts: Sequence[Part] | None = None) -> None:
    """Pad, columns, matmul, reshape: fill `maps`, or only some parts of them."""
    groups, c_out = layer.groups, len(layer.filters)
    sizes = len(maps), layer.images.shape[1], c_out
    shared = shares_rows(sizes, layer.output, layer.window, groups)
    lay = lay_rows if shared else lay_windows
    weights = layer.filters.reshape(groups, c_out // groups, *layer.filters.shape[1:])
    if shared:
        weights = weights.transpose(0, 1, 3, 2, 4)[:, np.newaxis]  # (G, 1, C_out/G, kh, C_in/G, kw)
    weights = weights.reshape(*weights.shape[:-3], -1)  # (G, [1,] C_out/G, K)
    offsets = None if layer.bias is None else layer.bias.reshape(*weights.shape[:-1], 1)

    def hire() -> Callable[[Part], None]:
        scratch = Scratch()
        laid: tuple[object, Array] | None = None

        def work(part: Part) -> None:
            nonlocal laid
            place = part.image, part.rows, part.columns
            if laid is None or laid[0] != place:
                padded = layer.seen(*place, scratch)  # (C_in, ...)
                grouped = padded.reshape(groups, -1, *padded.shape[1:])
                laid = place, lay(grouped, layer.window, scratch)  # (G, [oh,] K, L)
            target = _target(maps, part, groups, shared)  # (G, [oh,] C_out/G, L)
            np.matmul(weights[..., part.filters, :], laid[1], out=target)
            if offsets is not None:
                target += offsets[..., part.filters, :]

        return work

    share(hire, layer.parts(shared=shared) if parts is None else parts)


def _target(maps: Array, part: Part, groups: int, shared: bool) -> Array:
    """Where a part's products go, as a view: (G, oh, C_out/G, ow), or (G, C_out/G, positions)."""
    grouped: Array = maps[part.image].reshape(groups, -1, *maps.shape[2:])
    if shared:
        within: Array = grouped[:, part.filters, part.rows, part.columns]
        return within.swapaxes(1, 2)
    # A part has whole rows or is within one, so its positions follow one another.
    first = part.rows.start * maps.shape[3] + part.columns.start
    count = (part.rows.stop - part.rows.start) * (part.columns.stop - part.columns.start)
    flat: Array = grouped.reshape(*grouped.shape[:2], -1)
    return flat[:, part.filters, first : first + count]


def positions(
    padded: Array, shape: Window, output: Pair
) -> Iterator[tuple[int, slice, slice, tuple[slice, ...]]]:
    """Cut the output into tiles whose columns stay small.

    Yields the image, the output's rows and columns, and the index of what they see in `padded`.
    """
    height, width = map(effective_kernel, shape.kernel, shape.dilation)
    one_column = padded.shape[1] * shape.kernel[0] * shape.kernel[1] * padded.itemsize  # bytes
    for n in range(len(padded)):
        for rows, columns in tiles(*output, COLUMNS_BYTES // one_column):
            seen_rows = needed(rows, shape.stride[0], height)
            seen_columns = needed(columns, shape.stride[1], width)
            yield n, rows, columns, (slice(n, n + 1), slice(None), seen_rows, seen_columns)
