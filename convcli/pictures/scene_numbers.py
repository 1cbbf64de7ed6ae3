"""The scenes of inputs with numbers: every number is the engine's."""

from __future__ import annotations

import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.engine.arrays import Array
from convcli.engine.filter2d import filter2d
from convcli.engine.operations import NO_WEIGHTS, find_function
from convcli.engine.padding import pad2d
from convcli.engine.transposed import conv_transpose2d
from convcli.errors import OVERFLOW, ArgumentError, ShapeError
from convcli.kernels import Kernel
from convcli.pictures.scene import (
    MAX_PLANES,
    Numbers,
    Scene,
    check_size,
    input_cells,
    make_scene,
    make_title,
    padded_size,
)


def numbers_scene(
    layer: Layer,
    planes: Array,
    kernel: Kernel | None,
    *,
    flip: bool,
    max_frames: int,
    bias: float = 0.0,
    note: str = "",
) -> Scene:
    """Return the scene of a layer over an input, with the engine's numbers.

    Parameters
    ----------
    layer : Layer
        A convolution of `kernel`, or a pool.
    planes : ndarray of float64, (C, H, W)
        The input: one channel, or as many as the kernel sums.
    kernel : Kernel, optional
        Of two axes, or of three, which sums channels.
    flip : bool
        Turn the kernel by 180 degrees.
    max_frames : int
    bias : float
        Added to every sum, with the kernel's own.
    note : str
        What of a file is the input.

    Raises
    ------
    LimitError
        For more frames than that, or more cells than can be drawn.
    ArgumentError
        For too many channels; as `ShapeError`, for another number than the kernel sums.
    """
    size = planes.shape[1], planes.shape[2]
    check_size(layer, size, max_frames)
    _check_channels(len(planes), kernel)
    bias += 0.0 if kernel is None else float(kernel.bias)
    with np.errstate(over="ignore", invalid="ignore"):
        if kernel is None:
            numbers = _pool_numbers(planes, layer)
        else:
            weights = np.asarray(kernel, np.float64).reshape(-1, *kernel.size)  # (C, kh, kw)
            numbers = _kernel_numbers(planes, layer, weights, bias, flip=flip)
    if np.isnan(numbers.results).any() or np.isposinf(numbers.results).any():
        raise ArgumentError(OVERFLOW)  # -inf is the maximum of padding alone
    title = make_title(layer, size, has_numbers=True, bias=bias)
    title = title if kernel is None else f"{kernel.name}, {title}"
    return make_scene(title, size, layer.window, op=layer.op, numbers=numbers, note=note)


def _check_channels(channels: int, kernel: Kernel | None) -> None:
    """Raise unless the channels are all that make one output."""
    summed = kernel.matrix.shape[0] if kernel is not None and kernel.matrix.ndim == 3 else None
    if summed is None and channels > 1:
        raise ShapeError(
            f"it has {channels} channels, each of which is filtered by itself: choose one with "
            "--channel, like --channel 0, or --gray"
        )
    if summed is not None and channels != summed:
        raise ShapeError(f"the kernel sums over {summed} channels; the image has {channels}")
    if channels > MAX_PLANES:
        raise ArgumentError(
            f"its {channels} channels are too many to be drawn one below the other: the most is "
            f"{MAX_PLANES}"
        )


def _kernel_numbers(
    planes: Array, layer: Layer, weights: Array, bias: float, *, flip: bool
) -> Numbers:
    """The numbers of a convolution, or of a transposed one."""
    turned = weights[:, ::-1, ::-1]
    weights = turned if flip else weights
    if layer.operation.is_transposed:
        results = conv_transpose2d(
            planes, weights[:, np.newaxis], stride=layer.stride,
            padding=layer.padding, output_padding=layer.output_padding, dilation=layer.dilation,
        )[0] + bias  # fmt: skip
        applied = weights[:, ::-1, ::-1]
        return Numbers(_spread(planes, layer, 0.0), results, applied, bias, is_turned=not flip)
    sides = layer.window.pads((planes.shape[1], planes.shape[2]))
    results = filter2d(
        np.moveaxis(planes, 0, 2), weights, bias=bias, stride=layer.stride, padding=sides,
        padding_mode=layer.mode, dilation=layer.dilation,
    )  # fmt: skip
    padded = pad2d(planes, sides, layer.mode)
    return Numbers(padded, results.reshape(results.shape[:2]), weights, bias, is_turned=flip)


def _pool_numbers(planes: Array, layer: Layer) -> Numbers:
    """The numbers of a pool; cells that an average does not count are NaN."""
    results = find_function(layer.operation)(layer, [planes], NO_WEIGHTS)[0]
    if layer.operation.reduction == "max":
        return Numbers(_spread(planes, layer, -np.inf), results)
    padded = _spread(planes, layer, 0.0 if layer.count_padding else np.nan)
    axes = layer.window.axes((planes.shape[1], planes.shape[2]))
    rows, columns = (axis.before + axis.size + axis.after for axis in axes)
    padded[:, rows:] = padded[:, :, columns:] = np.nan
    return Numbers(padded, results)


def _spread(planes: Array, layer: Layer, fill: float) -> Array:
    """The padded input, (C, H, W): `fill` in all cells but those of the input."""
    axes = layer.window.axes((planes.shape[1], planes.shape[2]))
    padded = np.full((len(planes), *map(padded_size, axes)), fill)
    (rows, columns), channels = map(input_cells, axes), range(len(planes))
    padded[np.ix_(channels, [*rows], [*columns])] = planes[
        np.ix_(channels, [*rows.values()], [*columns.values()])
    ]
    return padded
