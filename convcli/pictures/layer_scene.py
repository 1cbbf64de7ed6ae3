"""The scene of a layer, from sizes alone or with the engine's numbers."""

from __future__ import annotations

from functools import partial

import numpy as np

from convcli.arithmetic.layers import Layer
from convcli.arithmetic.values import Pair, format_padding, format_size
from convcli.engine.arrays import Array
from convcli.engine.filter2d import filter2d
from convcli.engine.gradients import conv_transpose2d
from convcli.engine.padding import pad2d
from convcli.engine.pooling import avg_pool2d, max_pool2d
from convcli.errors import LimitError
from convcli.kernels import Kernel
from convcli.pictures.scene import Numbers, Scene, input_cells, make_scene, padded_size

MAX_SIDE_CELLS = 64  # cells along a side of the padded input


def size_scene(layer: Layer, size: Pair, max_frames: int) -> Scene:
    """Return the scene of a layer over an input of (height, width), without numbers."""
    _check_size(layer, size, max_frames)
    return make_scene(_title(layer, size), size, layer.window, op=layer.op)


def numbers_scene(
    layer: Layer, plane: Array, kernel: Kernel | None, *, flip: bool, max_frames: int
) -> Scene:
    """Return the scene of a layer over an input, with its numbers.

    Parameters
    ----------
    layer : Layer
        A convolution of `kernel`, or a pool.
    plane : ndarray of float64, (H, W)
    kernel : Kernel, optional
    flip : bool
        Turn the kernel by 180 degrees.
    max_frames : int

    Raises
    ------
    LimitError
        For more frames than that, or more cells than can be drawn.
    """
    size = (plane.shape[0], plane.shape[1])
    _check_size(layer, size, max_frames)
    title = _title(layer, size)
    if kernel is None:
        numbers = _pool_numbers(plane, layer)
    else:
        weights = np.asarray(kernel, np.float64)
        numbers = _kernel_numbers(
            plane, layer, weights[::-1, ::-1] if flip else weights, kernel.bias
        )
        title = f"{kernel.name}, {title}"
    return make_scene(title, size, layer.window, op=layer.op, numbers=numbers)


def _check_size(layer: Layer, size: Pair, max_frames: int) -> None:
    """Raise for an animation too long or too large to look at, by arithmetic alone."""
    rows, columns = layer.window.output(size)
    if rows * columns > max_frames:
        raise LimitError(
            f"the animation would have {rows * columns:,} frames; "
            f"--max-frames allows {max_frames:,}"
        )
    cells = [padded_size(axis) for axis in layer.window.axes(size)]
    if max(cells) > MAX_SIDE_CELLS:
        raise LimitError(
            f"a padded input of {cells[0]}x{cells[1]} cells is too large to draw: "
            f"the most is {MAX_SIDE_CELLS} a side"
        )


def _title(layer: Layer, size: Pair) -> str:
    """The operation, its settings where they are not the default, and the sizes."""
    window = layer.window
    sides = window.pads(size)
    settings = (
        ("stride", layer.stride != (1, 1), format_size(layer.stride)),
        ("padding", sides != ((0, 0), (0, 0)), format_padding(sides)),
        ("dilation", layer.dilation != (1, 1), format_size(layer.dilation)),
        ("output padding", layer.output_padding != (0, 0), format_size(layer.output_padding)),
    )
    shown = [f", {name} {text}" for name, is_set, text in settings if is_set]
    rows, columns = window.output(size)
    return (
        f"{layer.op} {format_size(window.kernel)}{''.join(shown)}: "
        f"{size[0]}x{size[1]} -> {rows}x{columns}"
    )


def _kernel_numbers(plane: Array, layer: Layer, weights: Array, bias: float) -> Numbers:
    """The numbers of a convolution, or of a transposed one."""
    if layer.op == "tconv":
        results = conv_transpose2d(
            plane[np.newaxis], weights[np.newaxis, np.newaxis], stride=layer.stride,
            padding=layer.padding, output_padding=layer.output_padding, dilation=layer.dilation,
        )[0] + bias  # fmt: skip
        return Numbers(_spread(plane, layer, 0.0), results, weights[::-1, ::-1], bias)
    sides = layer.window.pads((plane.shape[0], plane.shape[1]))
    results = filter2d(
        plane, weights, bias=bias, stride=layer.stride, padding=sides,
        padding_mode=layer.mode, dilation=layer.dilation,
    )  # fmt: skip
    return Numbers(pad2d(plane, sides, layer.mode), results, weights, bias)


def _pool_numbers(plane: Array, layer: Layer) -> Numbers:
    """The numbers of a pool; cells that an average does not count are NaN."""
    is_max = layer.op == "maxpool"
    pool = max_pool2d if is_max else partial(avg_pool2d, count_include_pad=layer.count_padding)
    results = pool(
        plane[np.newaxis], layer.window.kernel, stride=layer.stride, padding=layer.padding,
        dilation=layer.dilation, ceil_mode=layer.ceil,
    )[0]  # fmt: skip
    if is_max:
        return Numbers(_spread(plane, layer, -np.inf), results)
    padded = _spread(plane, layer, 0.0 if layer.count_padding else np.nan)
    rows, columns = (
        axis.before + axis.size + axis.after
        for axis in layer.window.axes((plane.shape[0], plane.shape[1]))
    )
    padded[rows:] = padded[:, columns:] = np.nan
    return Numbers(padded, results)


def _spread(plane: Array, layer: Layer, fill: float) -> Array:
    """The padded input: (H, W) in the cells of the input, `fill` in all others."""
    axes = layer.window.axes((plane.shape[0], plane.shape[1]))
    padded = np.full([padded_size(axis) for axis in axes], fill)
    rows, columns = map(input_cells, axes)
    padded[np.ix_([*rows], [*columns])] = plane[np.ix_([*rows.values()], [*columns.values()])]
    return padded
