"""The computation of one output: the window, the kernel, their products, and the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from convcli.arithmetic.geometry import Axis, Window
from convcli.arithmetic.intervals import clip_positions, contributing_inputs
from convcli.arithmetic.layers import OPERATIONS
from convcli.arithmetic.values import Pair, as_padding_mode, padding_value
from convcli.engine.arrays import Array, as_numbers, check_exact, largest_exact_value
from convcli.engine.padding import source_positions
from convcli.engine.pooling import is_counted
from convcli.errors import OVERFLOW, ArgumentError, ShapeError
from convcli.records import NamedTuple


class Taps(NamedTuple):
    """The values along one axis that an output is computed from.

    Parameters
    ----------
    positions : sequence of int
        Where they lie in the input; below 0 and from its size on is padding.
    weights : sequence of int
        The index of the weight that each is multiplied with.
    """

    positions: Sequence[int]
    weights: Sequence[int]


class Samples(NamedTuple):
    """The values of an input at some taps.

    Parameters
    ----------
    taps : (Taps, Taps)
        Of the rows and of the columns.
    values : ndarray, (D, n, m)
    is_padding : ndarray of bool, (n, m)
    """

    taps: tuple[Taps, Taps]
    values: Array
    is_padding: Array


@dataclass(frozen=True, slots=True)
class Explanation:
    """One output value, and all that it is computed from.

    Parameters
    ----------
    at : (row, column)
        The output's position.
    channel : int
        The output's channel.
    taps : (Taps, Taps)
        Of the rows and of the columns, n and m of them: of a convolution or a pool those of the
        window, of a transposed convolution the inputs that meet a weight.
    window : ndarray, (D, n, m)
        The values there: of one channel, or of all channels that are summed.
    is_padding : ndarray of bool, (n, m)
        True where they come from the padding.
    kernel : ndarray, (D, n, m)
        The weights as they are applied, each in the place of its value; ones for a pool.
    products : ndarray, (D, n, m)
        The products of both; for a maximum, the values.
    total : float
        The sum of the products; for a maximum, the largest value.
    bias : float
    divisor : int
        The sum's divisor: above 1 for an average only.
    op : str
        "conv", "tconv", "maxpool" or "avgpool".
    is_counted : ndarray of bool, (n, m), optional
        False where a value has no part in an average; None where all have.
    """

    at: Pair
    channel: int
    taps: tuple[Taps, Taps]
    window: Array
    is_padding: Array
    kernel: Array
    products: Array
    total: float
    bias: float = 0.0
    divisor: int = 1
    op: str = "conv"
    is_counted: Array | None = None

    @property
    def rows(self) -> Sequence[int]:
        """The rows of the input that the values lie on."""
        return self.taps[0].positions

    @property
    def columns(self) -> Sequence[int]:
        """The columns of the input that the values lie on."""
        return self.taps[1].positions

    @property
    def value(self) -> float:
        """The output."""
        return self.total / self.divisor + self.bias

    @property
    def slice_text(self) -> str:
        """The input's values as a slice, `X[0:3, 1:4]`; with a step where they are apart."""
        return f"X[{format_slice(self.rows)}, {format_slice(self.columns)}]"


def explain_convolution(
    image: ArrayLike,
    kernel: ArrayLike,
    at: Pair,
    window: Window,
    *,
    padding_mode: str = "zero",
    bias: float | Array = 0.0,
    flip: bool = False,
) -> list[Explanation]:
    """Explain the outputs at one position: one for each channel, or for each map of a layer.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    kernel : array_like, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
        Of a transposed convolution, (kh, kw), (C, kh, kw) or (C, C_out, kh, kw).
    at : (row, column)
        Of the output.
    window : Window
        Its kernel size is that of `kernel`; it may be that of a transposed convolution.
    padding_mode, bias, flip
        As in `filter2d`. A transposed convolution pads nothing.

    Raises
    ------
    ArgumentError
        For a position that the output does not have.
    ShapeError
        For a kernel that sums over another number of channels.

    Examples
    --------
    >>> window = Window(kernel=(2, 2))
    >>> found = explain_convolution([[1, 2, 3], [4, 5, 6]], [[1, 0], [0, 1]], (0, 1), window)[0]
    >>> found.products.tolist(), found.value, found.slice_text
    ([[[2.0, 0.0], [0.0, 6.0]]], 8.0, 'X[0:2, 1:3]')
    """
    numbers = np.atleast_3d(as_numbers(image, "image"))
    planes = np.moveaxis(numbers, 2, 0)  # (C, H, W)
    weights = orient_weights(kernel, window, flip=flip)
    samples = look_up(planes, find_taps(window, planes.shape[1:], at), padding_mode)
    weights = select(weights, *(taps.weights for taps in samples.taps))
    check_exact(samples.values, largest_exact_value(numbers.dtype, weights, bias), weights)
    if weights.ndim == 2:
        planes = samples.values[:, np.newaxis]
        pairs = [(samples._replace(values=plane), weights[np.newaxis]) for plane in planes]
    else:
        check_channels(weights, len(planes))
        pairs = [(samples, summed) for summed in (weights if weights.ndim == 4 else [weights])]
    biases = np.broadcast_to(bias, len(pairs)).tolist()
    op = "tconv" if window.transposed else "conv"
    return [
        multiply(at, channel, inputs, factors, bias=biases[channel], op=op)
        for channel, (inputs, factors) in enumerate(pairs)
    ]


def orient_weights(kernel: ArrayLike, window: Window, *, flip: bool) -> Array:
    """Return the weights as they are applied: (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)."""
    weights = as_numbers(kernel, "kernel").astype(np.float64)
    if flip:
        weights = weights[..., ::-1, ::-1]
    return weights.swapaxes(0, 1) if window.transposed and weights.ndim == 4 else weights


def explain_pool(
    image: ArrayLike, at: Pair, window: Window, *, op: str, count_include_pad: bool = True
) -> list[Explanation]:
    """Explain a maximum or an average at one position: one for each channel.

    Parameters
    ----------
    image : array_like, (H, W) or (H, W, C)
    at : (row, column)
        Of the output.
    window : Window
    op : {"maxpool", "avgpool"}
    count_include_pad : bool
        As in `avg_pool2d`.
    """
    planes = np.moveaxis(np.atleast_3d(as_numbers(image, "image")), 2, 0)
    taps, values, is_padding = look_up(planes, find_taps(window, planes.shape[1:], at), "zero")
    counted: Array | None = None
    if OPERATIONS[op].reduction == "max":
        values, divisor = np.where(is_padding, -np.inf, values), 1
        totals = values.max(axis=(1, 2))
    else:
        counted = np.logical_and.outer(
            *(
                is_counted(axis, np.array(along.positions), include_pad=count_include_pad)
                for axis, along in zip(window.axes(planes.shape[1:]), taps, strict=True)
            )
        )
        with np.errstate(over="ignore", invalid="ignore"):
            totals, divisor = values.sum(axis=(1, 2)), max(int(counted.sum()), 1)
        check_finite(totals)
    ones = np.ones((1, *window.kernel))
    return [
        Explanation(at, channel, taps, plane, is_padding, ones, plane, float(total),
                    0.0, divisor, op, counted)
        for channel, (plane, total) in enumerate(zip(values[:, np.newaxis], totals, strict=True))
    ]  # fmt: skip


def multiply(
    at: Pair,
    channel: int,
    samples: Samples,
    weights: Array,
    *,
    bias: float = 0.0,
    op: str = "conv",
) -> Explanation:
    """Multiply values with their weights, (D, n, m) both, and sum.

    Raises
    ------
    ArgumentError
        If the sum is beyond the numbers of float64.
    """
    taps, values, is_padding = samples
    with np.errstate(over="ignore", invalid="ignore"):
        products = values * weights
        found = Explanation(at, channel, taps, values, is_padding, weights, products,
                            float(products.sum()), bias, op=op)  # fmt: skip
    check_finite(found.value)
    return found


def check_finite(sums: ArrayLike) -> None:
    """Raise if a sum is beyond the numbers of float64."""
    if not np.isfinite(sums).all():
        raise ArgumentError(OVERFLOW)


def check_channels(weights: Array, channels: int) -> None:
    """Raise if weights, (..., C, kh, kw), sum over another number of channels."""
    if weights.shape[-3] != channels:
        raise ShapeError(
            f"the kernel sums over {weights.shape[-3]} channels; the image has {channels}"
        )


def find_taps(window: Window, size: Pair, at: Pair) -> tuple[Taps, Taps]:
    """Find what an output is computed from: rows and columns of an input of (height, width).

    Raises
    ------
    ArgumentError
        For a position that the output does not have.
    """
    check_position(at, window.output(size), "output")
    rows, columns = map(_find_taps_along, window.axes(size), at)
    return rows, columns


def check_position(at: Pair, size: Pair, noun: str) -> None:
    """Raise for a position outside a map of (height, width)."""
    if not (0 <= at[0] < size[0] and 0 <= at[1] < size[1]):
        raise ArgumentError(
            f"there is no {noun} at {at[0]},{at[1]}: "
            f"rows are 0..{size[0] - 1}, columns 0..{size[1] - 1}"
        )


def _find_taps_along(axis: Axis, output: int) -> Taps:
    """Find what an output is computed from along one axis.

    >>> _find_taps_along(Axis(size=5, kernel=3, before=1), 0)
    Taps(positions=range(-1, 2), weights=range(0, 3))
    >>> _find_taps_along(Axis(size=5, kernel=4, stride=2, transposed=True), 5)
    Taps(positions=range(1, 3), weights=range(3, -1, -2))
    """
    if not axis.transposed:
        start = output * axis.stride - axis.before
        return Taps(range(start, start + axis.effective_kernel, axis.dilation), range(axis.kernel))
    inputs = clip_positions(contributing_inputs(axis, output), axis.size)
    return Taps(inputs, meet_weights(axis, output, inputs))


def meet_weights(axis: Axis, position: int, others: range) -> range:
    """Return the weight k of each of the positions v on the other side: p + before = v·s + k·d.

    It is of a convolution's padded input p and its outputs v, and of a transposed convolution's
    output p and its inputs v.
    """
    if not others:
        return range(0)
    first = (position + axis.before - others[0] * axis.stride) // axis.dilation
    step = others.step * axis.stride // axis.dilation
    return range(first, first - len(others) * step, -step)


def look_up(planes: Array, taps: tuple[Taps, Taps], mode: str) -> Samples:
    """Look up values of (C, H, W) at the positions of rows and columns; outside is padding.

    Those that are looked up become float64.
    """
    positions = [np.array(along.positions, np.intp) for along in taps]
    sizes = planes.shape[1:]
    sources = [source_positions(*pair, mode) for pair in zip(positions, sizes, strict=True)]
    outside = [(at < 0) | (at >= size) for at, size in zip(positions, sizes, strict=True)]
    is_padding = np.logical_or.outer(*outside)
    values = select(planes, *sources).astype(np.float64)
    constant = padding_value(as_padding_mode(mode))
    if constant is not None:
        values = np.where(is_padding, constant, values)
    return Samples(taps, values, is_padding)


def select(planes: Array, rows: Sequence[int] | Array, columns: Sequence[int] | Array) -> Array:
    """Select rows and columns of (..., H, W): (..., n, m)."""
    return planes[..., np.array(rows, np.intp)[:, np.newaxis], np.array(columns, np.intp)]


def format_slice(positions: Sequence[int]) -> str:
    """Format positions as Python slices them, or else as a list.

    >>> format_slice(range(0, 5, 2)), format_slice(range(3, -1, -1)), format_slice((0, 0, 1))
    ('0:5:2', '3::-1', '[0, 0, 1]')
    """
    if len(positions) == 1:
        return f"{positions[0]}:{positions[0] + 1}"
    if not isinstance(positions, range) or not positions:
        return f"[{', '.join(map(str, positions))}]"
    step = positions.step
    stop = positions[-1] + (1 if step > 0 else -1)
    return f"{positions[0]}:{stop if stop >= 0 or step > 0 else ''}" + f":{step}" * (step != 1)
