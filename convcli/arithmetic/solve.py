"""The window operations that take one size to another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from convcli.arithmetic.geometry import Axis, effective_kernel
from convcli.arithmetic.layers import Layer, LayerSize, measure
from convcli.arithmetic.values import Pair
from convcli.errors import LimitError

MAX_SETTINGS = 400_000  # along one axis; also pairs of them for two


@dataclass(frozen=True, slots=True)
class Ranges:
    """The settings to try.

    Parameters
    ----------
    kernel, stride, dilation : range
    padding : range, optional
        If left out, up to half the effective kernel: more would give windows of padding alone.
    output_padding : range, optional
        Of a transposed convolution; if left out, up to what its stride or dilation allows.
    """

    kernel: range = range(1, 12)
    stride: range = range(1, 9)
    dilation: range = range(1, 2)
    padding: range | None = None
    output_padding: range | None = None


def solve(
    size: Pair,
    output: Pair,
    ranges: Ranges | None = None,
    *,
    transposed: bool = False,
    exact: bool = False,
) -> list[LayerSize]:
    """Return all settings that take a size to an output, best first.

    The best are those with no gaps between windows, no pixels left over, both axes alike, an odd
    kernel with half of it as padding (or none), no dilation, a kernel of 3x3 rather than a larger
    one, and that rather than 1x1, and a small stride.

    Parameters
    ----------
    size, output : (height, width)
    ranges : Ranges, optional
    transposed : bool
        Whether to try transposed convolutions instead of convolutions.
    exact : bool
        Only settings that drop no row or column of the padded input.

    Returns
    -------
    list of LayerSize
        Empty if no setting within the ranges does it: see `nearest_outputs`.

    Examples
    --------
    >>> best = solve((224, 224), (112, 112))[0].layer
    >>> best.kernel, best.stride, best.padding
    ((3, 3), (2, 2), ((1, 1), (1, 1)))
    """
    ranges = ranges or Ranges()
    _check_count(ranges, transposed)
    rows, columns = (
        [axis for axis in _axes(side, ranges, transposed, exact) if axis.output == wanted]
        for side, wanted in zip(size, output, strict=True)
    )
    column_axes = set(columns)
    alike = [(axis, axis._replace(size=size[1])) for axis in rows]
    square = [(axis, other) for axis, other in alike if other in column_axes]
    pairs = square or _all_pairs(rows, columns)
    return [measure(_layer(pair), size) for pair in sorted(pairs, key=_rank)]


def nearest_outputs(
    size: int,
    output: int,
    ranges: Ranges | None = None,
    *,
    transposed: bool = False,
    exact: bool = False,
) -> list[int]:
    """Return the output sizes nearest to a wanted one, below and above, that settings give.

    >>> nearest_outputs(5, 100)
    [6]
    """
    outputs = {axis.output for axis in _axes(size, ranges or Ranges(), transposed, exact)}
    below = [found for found in outputs if 0 < found <= output]
    above = [found for found in outputs if found > output]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def _axes(size: int, ranges: Ranges, transposed: bool, exact: bool) -> Iterator[Axis]:
    """Return every setting within the ranges along one axis."""
    for kernel, stride, dilation in product(ranges.kernel, ranges.stride, ranges.dilation):
        if kernel == 1 and dilation > ranges.dilation[0]:
            continue  # the dilation of a single tap makes no difference
        half = effective_kernel(kernel, dilation) // 2
        paddings = range(half + 1) if ranges.padding is None else ranges.padding
        added = range(max(stride, dilation) if transposed else 1)
        if transposed and ranges.output_padding is not None:
            added = range(ranges.output_padding.start, min(ranges.output_padding.stop, added.stop))
        for padding, output_padding in product(paddings, added):
            axis = Axis(
                size=size,
                kernel=kernel,
                stride=stride,
                before=padding,
                after=padding,
                dilation=dilation,
                transposed=transposed,
                output_padding=output_padding,
            )
            if not (exact and axis.dropped):
                yield axis


def _check_count(ranges: Ranges, transposed: bool) -> None:
    """Raise if the ranges hold too many settings."""
    factors = [ranges.kernel, ranges.stride, ranges.dilation]
    largest = effective_kernel(ranges.kernel.stop - 1, ranges.dilation.stop - 1)
    # Up to half of the effective kernel is a quarter of the largest, on average.
    factors.append(range(max(largest // 4, 1)) if ranges.padding is None else ranges.padding)
    if transposed:
        added = ranges.output_padding or range(max(ranges.stride.stop, ranges.dilation.stop) - 1)
        factors.append(added or range(1))
    # `len` refuses a range above the size of an index.
    count = math.prod(max(numbers.stop - numbers.start, 0) for numbers in factors)
    if count > MAX_SETTINGS:
        raise LimitError(
            f"these ranges hold about {count:,} settings; the most is {MAX_SETTINGS:,}: narrow them"
        )


def _all_pairs(rows: list[Axis], columns: list[Axis]) -> list[tuple[Axis, Axis]]:
    if len(rows) * len(columns) > MAX_SETTINGS:
        raise LimitError(
            f"there are {len(rows) * len(columns):,} pairs of settings; "
            f"the most is {MAX_SETTINGS:,}: narrow the ranges"
        )
    return list(product(rows, columns))


def _rank(axes: tuple[Axis, Axis]) -> tuple[int, ...]:
    """Return the sums of both axes' ranks, of which lower is better."""
    return tuple(map(sum, zip(*map(_rank_of_axis, axes), strict=True)))


def _rank_of_axis(axis: Axis) -> tuple[int, ...]:
    return (
        axis.stride > axis.effective_kernel,  # positions between windows
        max(axis.dropped - axis.after, 0),  # of the input, not of its padding
        # Uneven overlaps of a transposed convolution show as a checkerboard.
        axis.kernel % axis.stride > 0 if axis.transposed else axis.kernel % 2 == 0,
        axis.output_padding,
        _padding_rank(axis),
        axis.dilation,
        axis.kernel == 1,
        axis.kernel,
        axis.stride,
        axis.before,
    )


def _padding_rank(axis: Axis) -> int:
    """Prefer half the kernel (of a transposed one, what gives size·stride), then none."""
    total = axis.before + axis.after
    if axis.transposed:
        return 0 if axis.output == axis.size * axis.stride else 1
    return 0 if total == axis.effective_kernel - 1 else 1 + (total > 0)


def _layer(axes: tuple[Axis, Axis]) -> Layer:
    rows, columns = axes
    return Layer(
        op="tconv" if rows.transposed else "conv",
        kernel=(rows.kernel, columns.kernel),
        stride=(rows.stride, columns.stride),
        padding=((rows.before, rows.after), (columns.before, columns.after)),
        dilation=(rows.dilation, columns.dilation),
        output_padding=(rows.output_padding, columns.output_padding),
    )
