"""The gradients of a convolution, with the products that each is the sum of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.counts import outputs_of
from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.values import Pair, format_shape
from convcli.engine.arrays import Array, as_numbers
from convcli.engine.explain import (
    Explanation,
    Taps,
    check_channels,
    check_finite,
    check_position,
    look_up,
    meet_weights,
    multiply,
    select,
)
from convcli.engine.gradients import conv2d_backward
from convcli.engine.padding import source_positions
from convcli.errors import ArgumentError, LimitError, ShapeError

MAX_MACS = 2_000_000_000  # of the gradients of a whole convolution, about 10 s
MAX_OUTPUTS = 25_000_000  # whose gradients are held, as float64: 200 MB
MAX_INPUT_PRODUCTS = 2_000_000  # of the gradients of all inputs that are explained
MAX_PRODUCTS = 4096  # of the gradients of all weights, that can still be read


@dataclass(frozen=True, slots=True)
class Gradients:
    """The gradients of L = sum(grad * Y), where Y is a convolution of X with W.

    Parameters
    ----------
    inputs : list of Explanation
        dL/dX at some positions, of every channel of each: the outputs that the input is used by,
        as the window, and the weights that it is multiplied with.
    kernel : ndarray
        dL/dW: of the weights as they are applied, and of their shape.
    bias : ndarray, (C_out,)
        dL/db.
    weights : dict of (..., row, column) -> Explanation, optional
        dL/dW of every weight by its index in the kernel: the inputs that it meets, as the window,
        and as their weights dL/dY of the outputs. None for more than `MAX_PRODUCTS` products.
    """

    inputs: list[Explanation]
    kernel: Array
    bias: Array
    weights: dict[tuple[int, ...], Explanation] | None


def explain_gradients(
    image: ArrayLike,
    kernel: ArrayLike,
    positions: Sequence[Pair],
    window: Window,
    *,
    grad: ArrayLike | None = None,
    padding_mode: str = "zero",
    flip: bool = False,
) -> Gradients:
    """Explain the gradients of a convolution, for the gradient of its output.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    kernel : array_like, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        Two axes take an image of one channel.
    positions : sequence of (row, column)
        Of the input.
    window : Window
        Its kernel size is that of `kernel`.
    grad : array_like, (oh, ow) or (oh, ow, C_out), optional
        dL/dY; ones where left out, as of L = sum(Y).
    padding_mode, flip
        As in `filter2d`. An input that the padding copies has the gradients of its copies, too.

    Raises
    ------
    ArgumentError
        For a position that the input does not have, and for several channels that are filtered
        each by itself.
    ShapeError
        For a kernel that sums over another number of channels, and a `grad` that is not of the
        output's shape.
    LimitError
        For more products than `MAX_MACS`, and of inputs than `MAX_INPUT_PRODUCTS`, and for more
        outputs than `MAX_OUTPUTS`.

    Examples
    --------
    >>> found = explain_gradients([[1, 2, 3]], [[5, 7]], [(0, 1)], Window(kernel=(1, 2)))
    >>> found.inputs[0].products.tolist(), found.inputs[0].value, found.kernel.tolist()
    ([[[7.0, 5.0]]], 12.0, [[3.0, 5.0]])
    """
    planes = np.moveaxis(np.atleast_3d(as_numbers(image, "image")), 2, 0).astype(np.float64)
    applied = as_numbers(kernel, "kernel").astype(np.float64)
    applied = applied[..., ::-1, ::-1] if flip else applied
    if applied.ndim == 2 and len(planes) > 1:
        raise ArgumentError(
            f"it has {len(planes)} channels, each of which is filtered by itself; explain the "
            "gradient of one with --gray"
        )
    weights = applied.reshape(
        (-1, *applied.shape[-3:]) if applied.ndim > 2 else (1, 1, *applied.shape)
    )
    check_channels(weights, len(planes))
    shape = (len(weights), *window.output(planes.shape[1:]))
    macs = weights.size * math.prod(shape[1:])
    _check_costs(macs, math.prod(shape))
    grads = as_output_gradient(grad, shape)
    axes = window.axes(planes.shape[1:])
    _check_inputs(positions, axes, padding_mode, maps=len(weights) * len(planes))
    with np.errstate(over="ignore", invalid="ignore"):
        _, dweights, dbias = conv2d_backward(
            grads, planes, weights, stride=window.stride, padding=window.pads(planes.shape[1:]),
            dilation=window.dilation, padding_mode=padding_mode,
        )  # fmt: skip
    check_finite(dweights)
    inputs = [_explain_input(weights, grads, at, axes, padding_mode) for at in positions]
    explained: dict[tuple[int, ...], Explanation] | None = None
    if macs <= MAX_PRODUCTS:
        indices = zip(np.ndindex(applied.shape), np.ndindex(weights.shape), strict=True)
        explained = {
            index: _explain_weight(planes, grads, full, axes, padding_mode)
            for index, full in indices
        }
    return Gradients([*chain(*inputs)], dweights.reshape(applied.shape), dbias, explained)


def as_output_gradient(grad: ArrayLike | None, shape: tuple[int, int, int]) -> Array:
    """Return dL/dY as (C_out, oh, ow): (oh, ow) or (oh, ow, C_out), or ones where there is none."""
    if grad is None:
        return np.ones(shape)
    grads = np.moveaxis(np.atleast_3d(as_numbers(grad, "grad")), 2, 0).astype(np.float64)
    if grads.shape != shape:
        sizes = [format_shape(size[1:] + size[:1] * (size[0] > 1)) for size in (shape, grads.shape)]
        raise ShapeError(
            f"the gradient of the output must be {sizes[0]}, as the output, not {sizes[1]}"
        )
    return grads


def _check_costs(macs: int, outputs: int) -> None:
    """Raise for gradients that take too long, or too much memory."""
    if macs > MAX_MACS:
        raise LimitError(
            f"the gradient of its kernel is the sum of {macs:,} products; the most is {MAX_MACS:,}"
        )
    if outputs > MAX_OUTPUTS:
        raise LimitError(f"the output has {outputs:,} values; the most is {MAX_OUTPUTS:,}")


def _check_inputs(
    positions: Sequence[Pair], axes: tuple[Axis, Axis], mode: str, *, maps: int
) -> None:
    """Raise for positions that the input does not have, and for too many products of all."""
    products = 0
    for at in positions:
        check_position(at, (axes[0].size, axes[1].size), "input")
        uses = (_find_uses(axis, index, mode) for axis, index in zip(axes, at, strict=True))
        products += maps * math.prod(len(taps.positions) for taps in uses)
    if products > MAX_INPUT_PRODUCTS:
        raise LimitError(
            f"the gradients of the inputs are the sums of {products:,} products; the most is "
            f"{MAX_INPUT_PRODUCTS:,}"
        )


def _explain_input(
    weights: Array, grads: Array, at: Pair, axes: tuple[Axis, Axis], mode: str
) -> list[Explanation]:
    """Explain dL/dX at a position of every channel: sums over the outputs that use it."""
    rows, columns = (_find_uses(axis, index, mode) for axis, index in zip(axes, at, strict=True))
    samples = look_up(grads, (rows, columns), "zero")  # (C_out, n, m), none of them padding
    factors = select(weights, rows.weights, columns.weights).swapaxes(0, 1)  # (C, C_out, n, m)
    return [multiply(at, channel, samples, met) for channel, met in enumerate(factors)]


def _find_uses(axis: Axis, position: int, mode: str) -> Taps:
    """Find the outputs that use an input along one axis, and the weights that it meets.

    >>> _find_uses(Axis(size=5, kernel=3), 1, "zero")
    Taps(positions=range(0, 2), weights=range(1, -1, -1))
    >>> _find_uses(Axis(size=3, kernel=3, before=1, after=1), 0, "replicate")
    Taps(positions=(0, 0, 1), weights=(0, 1, 0))
    """
    padded = np.arange(-axis.before, axis.size + axis.after)
    copies = padded[source_positions(padded, axis.size, mode) == position].tolist()
    outputs = [outputs_of(axis, copy) for copy in copies]
    weights = [meet_weights(axis, *pair) for pair in zip(copies, outputs, strict=True)]
    if len(copies) == 1:
        return Taps(outputs[0], weights[0])
    return Taps(tuple(chain(*outputs)), tuple(chain(*weights)))


def _explain_weight(
    planes: Array, grads: Array, index: tuple[int, ...], axes: tuple[Axis, Axis], mode: str
) -> Explanation:
    """Explain dL/dW of one weight, (C_out, C, row, column): a sum over all outputs."""
    output, channel, row, column = index
    taps = (
        Taps(_meet_inputs(axes[0], row), range(axes[0].output)),
        Taps(_meet_inputs(axes[1], column), range(axes[1].output)),
    )
    samples = look_up(planes[channel : channel + 1], taps, mode)
    return multiply((row, column), channel, samples, grads[output : output + 1])


def _meet_inputs(axis: Axis, tap: int) -> range:
    """Return the position of the input that a weight meets at each output, along one axis.

    >>> _meet_inputs(Axis(size=5, kernel=3, stride=2, before=1), 0)
    range(-1, 2, 2)
    """
    first = tap * axis.dilation - axis.before
    return range(first, first + (axis.output - 1) * axis.stride + 1, axis.stride)
