"""The inverse problem: which window operations take one size to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from convcli.arithmetic.geometry import Axis, effective_kernel
from convcli.arithmetic.layers import Layer, LayerSize, measure
from convcli.arithmetic.values import Pair
from convcli.errors import LimitError

MAX_SETTINGS = 400_000  # settings along one axis, and pairs of them for two


@dataclass(frozen=True, slots=True)
class Ranges:
    """Which settings are tried; both ends of a range count.

    Parameters
    ----------
    kernel, stride, dilation : range
    padding : range, optional
        Where left out, up to half the effective kernel: more would give windows of padding alone.
    output_padding : range, optional
        Of a transposed convolution; where left out, up to what its stride or dilation allows.
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
    """All settings that take a size to an output, best first.

    Best is what an engineer would pick: no gaps between windows, no pixels left over, both axes
    alike, an odd kernel with half of it as padding (or none), no dilation, a 3x3 kernel before a
    larger one and that before 1x1, a small stride.

    Parameters
    ----------
    size, output : (height, width)
    ranges : Ranges, optional
        Which settings are tried.
    transposed : bool
        Transposed convolutions instead of convolutions.
    exact : bool
        Only where no row or column of the padded input is dropped.

    Returns
    -------
    list of Measured
        Empty where nothing within the ranges does it: see `nearest_outputs`.

    Examples
    --------
    >>> best = solve((224, 224), (112, 112))[0].layer
    >>> best.kernel, best.stride, best.padding
    ((3, 3), (2, 2), ((1, 1), (1, 1)))
    """
    tried = ranges or Ranges()
    _check(tried, transposed)
    along = [
        [
            axis
            for axis in _axes(length, tried, transposed)
            if axis.output == wanted and not (exact and axis.dropped)
        ]
        for length, wanted in zip(size, output, strict=True)
    ]
    if size[0] == size[1] and output[0] == output[1]:
        pairs = [(axis, axis) for axis in along[0]]
    else:
        alike = [
            (one, other) for one, other in product(*along) if _settings(one) == _settings(other)
        ]
        pairs = alike or _every_pair(*along)
    return [measure(_layer(pair), size) for pair in sorted(pairs, key=_rank)]


def nearest_outputs(
    size: int,
    output: int,
    ranges: Ranges | None = None,
    *,
    transposed: bool = False,
    exact: bool = False,
) -> list[int]:
    """The sizes nearest to a wanted one, below and above, that some settings do reach.

    >>> nearest_outputs(5, 100)
    [6]
    """
    reached = {
        axis.output
        for axis in _axes(size, ranges or Ranges(), transposed)
        if axis.output > 0 and not (exact and axis.dropped)
    }
    below = [one for one in reached if one <= output]
    above = [one for one in reached if one > output]
    return [*([max(below)] if below else []), *([min(above)] if above else [])]


def _axes(size: int, tried: Ranges, transposed: bool) -> Iterator[Axis]:
    """Every setting within the ranges along one axis."""
    for kernel, stride, dilation in product(tried.kernel, tried.stride, tried.dilation):
        if kernel == 1 and dilation > tried.dilation[0]:
            continue  # a single tap is not spread: the same window again
        extent = effective_kernel(kernel, dilation)
        paddings = range(extent // 2 + 1) if tried.padding is None else tried.padding
        for padding, extra in product(paddings, _extras(tried, stride, dilation, transposed)):
            yield Axis(
                size=size,
                kernel=kernel,
                stride=stride,
                before=padding,
                after=padding,
                dilation=dilation,
                transposed=transposed,
                output_padding=extra,
            )


def _extras(tried: Ranges, stride: int, dilation: int, transposed: bool) -> range:
    """The output paddings to try: below the stride or the dilation."""
    if not transposed:
        return range(1)
    allowed = range(max(stride, dilation))
    if tried.output_padding is None:
        return allowed
    return range(tried.output_padding.start, min(tried.output_padding.stop, allowed.stop))


def _check(tried: Ranges, transposed: bool) -> None:
    """Refuse ranges that would take too long, by arithmetic alone."""
    count = _length(tried.kernel) * _length(tried.stride) * _length(tried.dilation)
    if tried.padding is not None:
        count *= _length(tried.padding)
    else:  # about half the effective kernel, on the average
        largest = effective_kernel(tried.kernel.stop - 1, tried.dilation.stop - 1)
        count *= max(largest // 4, 1)
    if transposed:
        extras = tried.output_padding or range(max(tried.stride.stop, tried.dilation.stop) - 1)
        count *= max(_length(extras), 1)
    if count > MAX_SETTINGS:
        raise LimitError(
            f"these ranges hold about {count:,} settings; the most is {MAX_SETTINGS:,}: narrow them"
        )


def _length(numbers: range) -> int:
    """How many numbers a range holds: `len` knows no more than an index does."""
    return max(numbers.stop - numbers.start, 0)


def _every_pair(rows: list[Axis], columns: list[Axis]) -> list[tuple[Axis, Axis]]:
    if len(rows) * len(columns) > MAX_SETTINGS:
        raise LimitError(
            f"there are {len(rows) * len(columns):,} pairs of settings; "
            f"the most is {MAX_SETTINGS:,}: narrow the ranges"
        )
    return list(product(rows, columns))


def _settings(axis: Axis) -> Axis:
    """The axis but for its size: what can be alike in two of them."""
    return replace(axis, size=0)


def _rank(axes: tuple[Axis, Axis]) -> tuple[int, ...]:
    """The lower, the better: the ranks of both axes, figure by figure."""
    return tuple(map(sum, zip(*map(_rank_of_axis, axes), strict=True)))


def _rank_of_axis(axis: Axis) -> tuple[int, ...]:
    return (
        axis.stride > axis.effective_kernel,  # positions between windows that nothing sees
        max(axis.dropped - axis.after, 0),  # input positions left over, not padding alone
        # Uneven overlaps of a transposed convolution show as a chequerboard.
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
    """Half the kernel first (of a transposed one, what gives size·stride), then none."""
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
