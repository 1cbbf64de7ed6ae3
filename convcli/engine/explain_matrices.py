"""A whole convolution as the product of two matrices, written out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Window
from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.explain import check_channels, check_finite
from convcli.engine.im2col import im2col
from convcli.engine.padding import pad2d
from convcli.errors import ArgumentError

MAX_COLUMNS = 64  # of a columns matrix that can still be read


def explain_im2col(
    image: ArrayLike,
    kernel: ArrayLike,
    window: Window,
    *,
    padding_mode: str = "zero",
    bias: float | Array = 0.0,
    flip: bool = False,
) -> dict[str, Array]:
    """Return the flattened kernel, the columns matrix and their product, as im2col has them.

    Parameters
    ----------
    image : array_like, (H, W, C)
    kernel, window, padding_mode, bias, flip
        As in `explain_convolution`.

    Returns
    -------
    dict
        "weights", (C_out, C·kh·kw), "columns", (C·kh·kw, oh·ow), and "product", (C_out, oh·ow).

    Raises
    ------
    ArgumentError
        For several channels that are filtered each by itself, and for more than `MAX_COLUMNS`.
    ShapeError
        For a kernel that sums over another number of channels.
    """
    planes = np.moveaxis(as_numbers(image, "image"), 2, 0)
    size: Pair = (planes.shape[1], planes.shape[2])
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if weights.ndim == 2 and len(planes) > 1:
        raise ArgumentError(
            f"it has {len(planes)} channels, each of which is filtered by itself; show one with "
            "--gray"
        )
    if weights.ndim > 2:
        check_channels(weights, len(planes))
    rows, columns = len(planes) * math.prod(window.kernel), math.prod(window.output(size))
    if columns > MAX_COLUMNS:
        raise ArgumentError(
            f"its columns matrix is {rows}x{columns}; "
            f"the most that is shown is {MAX_COLUMNS} columns"
        )
    padded = pad2d(planes.astype(np.float64), window.pads(size), padding_mode)
    matrix = im2col(padded, window.kernel, stride=window.stride, dilation=window.dilation)
    if flip:
        weights = weights[..., ::-1, ::-1]
    flat = weights.reshape(len(weights) if weights.ndim == 4 else 1, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        product = flat @ matrix + np.reshape(bias, (-1, 1))
    check_finite(product)
    return {"weights": flat, "columns": matrix, "product": product}
