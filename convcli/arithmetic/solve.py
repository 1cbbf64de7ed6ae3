"""The window operations that take one size to another."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from convcli.arithmetic.geometry import Axis, effective_kernel, same_padding
from convcli.arithmetic.layers import OPERATIONS, Layer, LayerSize, measure
from convcli.arithmetic.values import Pair, as_pair
from convcli.errors import ArgumentError, LimitError

SOLVED = ("conv", "tconv", "maxpool", "avgpool")
MAX_SETTINGS = 400_000  # along one axis; also pairs of them for two


@dataclass(frozen=True, slots=True)
class Ranges:
    """The settings to try.

    Parameters
    ----------
    kernel, stride, dilation : range
    padding : range, optional
        On both sides. If left out, up to half the effective kernel (more would give windows of
        padding alone), and that of `same`, which may be uneven.
    output_padding : range, optional
        Of a transposed convolution; if left out, up to what its stride or dilation allows.
    """

    kernel: range = range(1, 12)
    stride: range = range(1, 9)
    dilation: range = range(1, 2)
    padding: range | None = None
    output_padding: range | None = None


class Solutions(list[LayerSize]):
    """The layers that take a size to another, best first."""

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the document of each, as `solve --json` prints them."""
        return [size.to_dict() for size in self]

    def __repr__(self) -> str:
        """Return a table with a row for each."""
        from convcli.arithmetic.tables import size_table

        return size_table(self) if self else "no layer does it"


def solve(
    size: int | Pair,
    output: int | Pair,
    ranges: Ranges | None = None,
    *,
    op: str = "conv",
    ceil: bool = False,
    exact: bool = False,
) -> Solutions:
    """Return all settings that take a size to an output, best first.

    The best are those with no gaps between windows, no pixels left over, both axes alike, and the
    same padding on both sides. A convolution then has an odd kernel with half of it as padding (or
    none), no dilation, a kernel of 3x3 rather than a larger one, and that rather than 1x1, and a
    small stride; a pool has windows that do not overlap, or by one position, and no padding.

    Parameters
    ----------
    size, output : int or (height, width)
    ranges : Ranges, optional
    op : {"conv", "tconv", "maxpool", "avgpool"}
    ceil : bool
        Whether a pool's size is rounded up.
    exact : bool
        Only settings that drop no row or column of the padded input.

    Returns
    -------
    Solutions
        A list of LayerSize. Empty if no setting within the ranges does it: see `nearest_outputs`.

    Examples
    --------
    >>> best = solve(224, 112)[0].layer
    >>> best.kernel, best.stride, best.padding
    ((3, 3), (2, 2), ((1, 1), (1, 1)))
    """
    ranges = ranges or Ranges()
    if op not in SOLVED:
        raise ArgumentError(f"op {op!r} is none of {', '.join(SOLVED)}")
    check_ranges(ranges, op)
    size, output = as_pair(size, "size"), as_pair(output, "output")
    rows, columns = (
        [axis for axis in _axes(side, ranges, op, exact, ceil) if axis.output == wanted]
        for side, wanted in zip(size, output, strict=True)
    )
    column_axes = set(columns)
    alike = [(axis, axis._replace(size=size[1])) for axis in rows]
    square = [(axis, other) for axis, other in alike if other in column_axes]
    pairs = square or _all_pairs(rows, columns)
    ranked = sorted(pairs, key=partial(_rank, op))
    return Solutions(measure(make_layer(op, pair), size) for pair in ranked)


def nearest_outputs(
    size: int,
    output: int,
    ranges: Ranges | None = None,
    *,
    op: str = "conv",
    ceil: bool = False,
    exact: bool = False,
) -> list[int]:
    """Return the output sizes nearest to a wanted one, below and above, that settings give.

    >>> nearest_outputs(5, 100)
    [6]
    """
    outputs = {axis.output for axis in _axes(size, ranges or Ranges(), op, exact, ceil)}
    below = [found for found in outputs if 0 < found <= output]
    above = [found for found in outputs if found > output]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def _axes(size: int, ranges: Ranges, op: str, exact: bool, ceil: bool) -> Iterator[Axis]:
    """Yield every setting within the ranges along one axis."""
    for axis in _all_axes(size, ranges, op, ceil):
        if not (exact and axis.dropped):
            yield axis


def _all_axes(size: int, ranges: Ranges, op: str, ceil: bool) -> Iterator[Axis]:
    for bare in bare_axes(size, ranges, op, ceil=ceil):
        half = bare.effective_kernel // 2
        paddings = range(half + 1) if ranges.padding is None else ranges.padding
        output_padding = output_paddings(bare, ranges)
        for padding, added in product(paddings, output_padding):
            yield bare._replace(before=padding, after=padding, output_padding=added)
        before, after = same_padding(bare) or (0, 0)
        if ranges.padding is None and before != after and 0 in output_padding:
            yield bare._replace(before=before, after=after)


def bare_axes(size: int, ranges: Ranges, op: str, *, ceil: bool) -> Iterator[Axis]:
    """Yield every window within the ranges along one axis, without padding."""
    transposed = OPERATIONS[op].is_transposed
    for kernel, stride, dilation in product(ranges.kernel, ranges.stride, ranges.dilation):
        if kernel > 1 or dilation == ranges.dilation[0]:  # of a single tap it has no effect
            yield Axis(
                size, kernel, stride, dilation=dilation, ceil_mode=ceil, transposed=transposed
            )


def output_paddings(bare: Axis, ranges: Ranges) -> range:
    """Return the output paddings within the ranges that a window can have."""
    if not bare.transposed:
        return range(1)
    allowed = range(max(bare.stride, bare.dilation))
    asked = ranges.output_padding
    return allowed if asked is None else range(asked.start, min(asked.stop, allowed.stop))


def check_ranges(ranges: Ranges, op: str) -> None:
    """Raise if the ranges hold too many settings."""
    factors = [ranges.kernel, ranges.stride, ranges.dilation]
    largest = effective_kernel(ranges.kernel.stop - 1, ranges.dilation.stop - 1)
    # Up to half of the effective kernel is a quarter of the largest, on average.
    factors.append(range(max(largest // 4, 1)) if ranges.padding is None else ranges.padding)
    if OPERATIONS[op].is_transposed:
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


def _rank(op: str, axes: tuple[Axis, Axis]) -> tuple[int, ...]:
    """Return the sums of both axes' ranks, of which lower is better."""
    return tuple(map(sum, zip(*(rank_axis(op, axis) for axis in axes), strict=True)))


def rank_axis(op: str, axis: Axis) -> tuple[int, ...]:
    """Return what makes a setting a worse choice than another, the most important first."""
    if OPERATIONS[op].reduction is not None:
        is_unusual = axis.kernel - axis.stride not in (0, 1)
    elif axis.transposed:
        is_unusual = axis.kernel % axis.stride > 0  # whose overlaps show as a checkerboard
    else:
        is_unusual = axis.kernel % 2 == 0
    return (
        axis.stride > axis.effective_kernel,  # positions between windows
        max(axis.dropped - axis.after, 0),  # of the input, not of its padding
        axis.before != axis.after,
        is_unusual,
        axis.output_padding,
        _padding_rank(op, axis),
        axis.dilation,
        (axis.kernel == 1) != (axis.size == 1),
        axis.kernel,
        axis.stride,
        axis.before,
    )


def _padding_rank(op: str, axis: Axis) -> int:
    """Return 0 for half the kernel (of a transposed one, for what gives size·stride).

    Of a pool, 0 is for windows side by side without padding, then come windows that overlap by one
    position, without padding or with half the kernel.
    """
    total = axis.before + axis.after
    if OPERATIONS[op].reduction is not None:
        overlap = axis.kernel - axis.stride
        usual = [(0, 0), (0, 1), (axis.effective_kernel - 1, 1)]
        return usual.index((total, overlap)) if (total, overlap) in usual else 3 + total
    if axis.transposed:
        return 0 if axis.output == axis.size * axis.stride else 1
    return 0 if total == axis.effective_kernel - 1 else 1 + (total > 0)


def make_layer(op: str, axes: tuple[Axis, Axis]) -> Layer:
    """Return the layer of an operation with its settings along both axes."""
    rows, columns = axes
    return Layer(
        op=op,
        kernel=(rows.kernel, columns.kernel),
        stride=(rows.stride, columns.stride),
        padding=((rows.before, rows.after), (columns.before, columns.after)),
        dilation=(rows.dilation, columns.dilation),
        output_padding=(rows.output_padding, columns.output_padding),
        ceil=rows.ceil_mode,
    )
