"""The gradients of convolutions: matrix products, im2col and col2im."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window, effective_kernel
from convcli.arithmetic.geometry import window as make_window
from convcli.arithmetic.values import PaddingLike, Pair
from convcli.engine.arrays import Array, as_batch, as_filters, as_numbers, like_batch
from convcli.engine.hints import add_hint, conv_hint, transposed_hint
from convcli.engine.im2col import as_columns, overlap_add
from convcli.engine.integers import as_floats, check_sums, result_dtype
from convcli.engine.padding import pad2d, pad2d_backward
from convcli.engine.scratch import MAX_COLUMNS_BYTES, input_span, split_plane, split_range
from convcli.engine.transposed import as_transposed_filters, swap_channels
from convcli.errors import ShapeError
from convcli.parallel import parallel_for

MAX_PARTS = 4  # of a batch, each with a sum of its own, for as many threads


def conv2d_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    padding_mode: str = "zero",
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv2d` for the gradient of its output.

    Parameters
    ----------
    grad : array_like, (C_out, oh, ow) or (N, C_out, oh, ow)
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_out, C_in / groups, kh, kw)
    stride, padding, dilation, groups, padding_mode
        As in `conv2d`.

    Returns
    -------
    dx, dweight, dbias : ndarray
        With the shapes of `x`, `weight` and `(C_out,)`. With `y = W @ columns(x)` they are
        `col2im(Wᵀ @ grad)`, `grad @ columnsᵀ` and the sum of `grad`. A value that the padding
        copies has the gradients of its copies, too. Their type is that of `conv2d`.

    Raises
    ------
    ShapeError
        For shapes that do not match.
    ArgumentError
        For integers of which a sum may be beyond 2^53, to which float64 is exact.

    Examples
    --------
    >>> dx, dweight, dbias = conv2d_backward([[[1.0, 1.0]]], [[[1.0, 2.0, 3.0]]], [[[[5.0, 7.0]]]])
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[[5.0, 12.0, 7.0]]], [[[[3.0, 5.0]]]], [2.0])
    """
    with add_hint(conv_hint, x, weight, groups=groups):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
        n, c_in, *size = images.shape
        kernels = as_filters(weight, c_in, groups)
        filters = kernels.astype(images.dtype, copy=False)
        window = make_window(filters.shape[-2:], stride=stride, padding=padding, dilation=dilation)
        output = window.output((size[0], size[1]))
    numbers = as_gradient(grad, (n, len(filters), *output))
    _check_sums(array, numbers, lambda: swap_channels(kernels, groups))
    grads = numbers.astype(images.dtype, copy=False)
    sides = window.pads((size[0], size[1]))
    padded = pad2d(images, sides, padding_mode)  # (N, C_in, H + p, W + p)
    weights = filters.reshape(groups, len(filters) // groups, -1)  # (G, C_out/G, C_in/G·kh·kw)
    dpadded = np.zeros_like(padded)

    def add(image: int, dweights: Array) -> None:
        for rows, columns, inputs in _tiles(padded[image], window, output):
            tile = grads[image, :, rows, columns]  # (C_out, rows, columns)
            flat = tile.reshape(*weights.shape[:2], -1)  # (G, C_out/G, L)
            matrix = as_columns(padded[image : image + 1, :, *inputs], window)
            dweights += flat @ matrix.reshape(groups, -1, flat.shape[2]).swapaxes(1, 2)
            windows = weights.swapaxes(1, 2) @ flat  # (G, C_in/G·kh·kw, L)
            windows = windows.reshape(1, c_in, *window.kernel, *tile.shape[1:])
            overlap_add(dpadded[image : image + 1, :, *inputs], windows, window)

    dweights = _sum_over_images(n, weights, add)
    dx = pad2d_backward(dpadded, sides, padding_mode)
    return _as_results(array, dx, dweights.reshape(filters.shape), grads)


def conv_transpose2d_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: int | Sequence[int] = 1,
    padding: PaddingLike = 0,
    output_padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Return the gradients of `conv_transpose2d` for the gradient of its output.

    Parameters
    ----------
    grad : array_like, (C_out, oh, ow) or (N, C_out, oh, ow)
    x : array_like, (C_in, H, W) or (N, C_in, H, W)
    weight : array_like, (C_in, C_out / groups, kh, kw)
    stride, padding, output_padding, dilation, groups
        As in `conv_transpose2d`.

    Returns
    -------
    dx, dweight, dbias : ndarray
        With the shapes of `x`, `weight` and `(C_out,)`. `dx` is the convolution of `grad` of which
        this is the transpose.

    Raises
    ------
    ShapeError
        For shapes that do not match.

    Examples
    --------
    >>> dx, dweight, dbias = conv_transpose2d_backward(
    ...     [[[1.0, 2.0, 4.0]]], [[[1.0, 3.0]]], [[[[5.0, 7.0]]]]
    ... )
    >>> dx.tolist(), dweight.tolist(), dbias.tolist()
    ([[[19.0, 38.0]]], [[[[7.0, 14.0]]]], [7.0])
    """
    with add_hint(transposed_hint, x, weight):
        array = as_numbers(x, "x")
        images = as_floats(as_batch(array))
        n, c_in, height, width = images.shape
        kernels = as_transposed_filters(weight, c_in, groups)
    filters = kernels.astype(images.dtype, copy=False)
    window = make_window(
        filters.shape[-2:], stride=stride, padding=padding, dilation=dilation, transposed=True,
        output_padding=output_padding,
    )  # fmt: skip
    output = window.output((height, width))
    numbers = as_gradient(grad, (n, groups * filters.shape[1], *output))
    _check_sums(array, numbers, lambda: kernels)
    grads = numbers.astype(images.dtype, copy=False)
    weights = filters.reshape(groups, c_in // groups, -1)  # (G, C_in/G, C_out/G·kh·kw)
    dx = np.empty_like(images)
    whole = _undo_crop(grads, window, (height, width))

    def add(image: int, dweights: Array) -> None:
        for rows, columns, painted in _tiles(whole[image], window, (height, width)):
            tile = images[image, :, rows, columns]  # (C_in, rows, columns)
            flat = tile.reshape(*weights.shape[:2], -1)  # (G, C_in/G, L)
            matrix = as_columns(whole[image : image + 1, :, *painted], window)
            matrix = matrix.reshape(groups, -1, flat.shape[2])
            dweights += flat @ matrix.swapaxes(1, 2)
            dx[image, :, rows, columns] = (weights @ matrix).reshape(tile.shape)

    dweights = _sum_over_images(n, weights, add)
    return _as_results(array, dx, dweights.reshape(filters.shape), grads)


def as_gradient(grad: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return the gradient of an output as a batch.

    Raises
    ------
    ShapeError
        If it does not have the shape (N, C, oh, ow) of the output.
    """
    grads = as_batch(as_numbers(grad, "grad"), "grad")
    if grads.shape != shape:
        raise ShapeError(f"grad must have the shape {shape}")
    return grads


def _check_sums(x: Array, grads: Array, kernels: Callable[[], Array]) -> None:
    """Check that sums of integers are exact: those of the input's gradient, weights' and bias'.

    `kernels` returns the weights that the gradient of an output is multiplied with: (C_in, ...).
    """
    if x.dtype.kind in "iu":
        check_sums(x, grads.swapaxes(0, 1))
        check_sums(grads, kernels())
        check_sums(grads, np.array([[float(grads[:, 0].size)]]))


def _as_results(x: Array, dx: Array, dweight: Array, grads: Array) -> tuple[Array, Array, Array]:
    """Return the gradients of the input, the weights and the bias, in the type of results."""
    dbias = grads.sum(axis=(0, 2, 3))
    dtype = result_dtype(x, dx, dweight, dbias)
    dx, dweight, dbias = (array.astype(dtype, copy=False) for array in (dx, dweight, dbias))
    return like_batch(dx, x), dweight, dbias


def _undo_crop(grads: Array, window: Window, size: Pair) -> Array:
    """Put zeros where a transposed convolution cropped: (N, C, H, W), as far as kernels reach."""
    reaches = [
        (count - 1) * stride + effective_kernel(kernel, gap)
        for count, stride, kernel, gap in zip(
            size, window.stride, window.kernel, window.dilation, strict=True
        )
    ]
    whole = np.zeros((*grads.shape[:2], *reaches), grads.dtype)
    kept = [
        slice(before, min(before + count, reach))
        for (before, _), count, reach in zip(
            window.pads(size), grads.shape[2:], reaches, strict=True
        )
    ]
    source = [slice(max(part.stop - part.start, 0)) for part in kept]
    whole[:, :, kept[0], kept[1]] = grads[:, :, source[0], source[1]]
    return whole


def _sum_over_images(count: int, like: Array, add: Callable[[int, Array], None]) -> Array:
    """Sum what images add to an array, in threads; the order does not depend on their number."""
    parts = list(split_range(count, -(-count // MAX_PARTS) or 1))
    sums = np.zeros((len(parts), *like.shape), like.dtype)

    def work(item: tuple[int, slice]) -> None:
        for image in range(item[1].start, item[1].stop):
            add(image, sums[item[0]])

    parallel_for(lambda: work, enumerate(parts))
    total: Array = sums.sum(axis=0)
    return total


def _tiles(
    padded: Array, window: Window, output: Pair
) -> Iterator[tuple[slice, slice, tuple[slice, slice]]]:
    """Split the output of one image into tiles with small columns matrices.

    Yields the output's rows and columns, and those of their inputs in `padded`, (C, ...).
    """
    height, width = map(effective_kernel, window.kernel, window.dilation)
    column_bytes = len(padded) * window.kernel[0] * window.kernel[1] * padded.itemsize
    for rows, columns in split_plane(*output, MAX_COLUMNS_BYTES // column_bytes):
        input_rows = input_span(rows, window.stride[0], height)
        yield rows, columns, (input_rows, input_span(columns, window.stride[1], width))
