"""The stacks of window operations that take one size to another."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from convcli.arithmetic.geometry import Axis, same_padding
from convcli.arithmetic.layers import LayerSize, measure
from convcli.arithmetic.solve import (
    Ranges,
    bare_axes,
    check_ranges,
    make_layer,
    output_paddings,
    rank_axis,
)
from convcli.arithmetic.values import Pair
from convcli.errors import LimitError

MAX_DEPTH = 8  # layers of a stack
MAX_SIZES = 8_000  # that the layers of all stacks start from: 12 s

_Rank: TypeAlias = tuple[int, ...]
_Axes: TypeAlias = tuple[Axis, Axis]


def solve_stacks(
    size: Pair,
    output: Pair,
    ranges: Ranges | None = None,
    *,
    max_layers: int,
    op: str = "conv",
    ceil: bool = False,
    exact: bool = False,
) -> list[list[LayerSize]]:
    """Return the best stack of each depth that takes a size to an output, the shallowest first.

    All layers have the same operation, windows without gaps, and padding that is usual: none, half
    the window, or that of `same`, unless the ranges say another. The best is that with the smallest
    sum of what `solve` ranks its layers by.

    Parameters
    ----------
    size, output : (height, width)
    ranges : Ranges, optional
    max_layers : int
        Of the deepest stack.
    op, ceil, exact
        As in `solve`.

    Raises
    ------
    LimitError
        If there are too many sizes in between.

    Examples
    --------
    >>> stack = solve_stacks((16000, 16000), (49, 49), max_layers=3)[0]
    >>> [layer.output[0] for layer in stack][-1], len(stack)
    (49, 3)
    """
    ranges = ranges or Ranges()
    check_ranges(ranges, op)
    search = _Search(ranges, op, ceil=ceil, exact=exact)
    stacks = search.best_stacks(size, output, max_layers)
    if size[0] != size[1] or output[0] != output[1]:
        rows, columns = (
            search.best_stacks((side, side), (wanted, wanted), max_layers)
            for side, wanted in zip(size, output, strict=True)
        )
        for depth in (rows.keys() & columns.keys()) - stacks.keys():
            pairs = zip(rows[depth], columns[depth], strict=True)
            stacks[depth] = tuple((of_rows[0], of_columns[1]) for of_rows, of_columns in pairs)
    return [
        [measure(make_layer(op, axes), (axes[0].size, axes[1].size)) for axes in stacks[depth]]
        for depth in sorted(stacks)
    ]


class _Search:
    """The best stack of each depth, whose layers have the same settings along both axes."""

    def __init__(self, ranges: Ranges, op: str, *, ceil: bool, exact: bool) -> None:
        self._ranges, self._op, self._ceil, self._exact = ranges, op, ceil, exact
        self._steps = lru_cache(maxsize=None)(self._find_steps)

    def best_stacks(
        self, size: Pair, output: Pair, max_layers: int
    ) -> dict[int, tuple[_Axes, ...]]:
        """Return the best stack from a size to an output, by its depth."""
        heights, widths = (
            range(min(ends), max(ends) + 1) for ends in zip(size, output, strict=True)
        )
        levels: dict[Pair, tuple[_Rank, tuple[_Axes, ...]]] = {size: ((), ())}
        found: dict[int, tuple[_Axes, ...]] = {}
        for depth in range(1, max_layers + 1):
            deeper: dict[Pair, tuple[_Rank, tuple[_Axes, ...]]] = {}
            for start, (rank, stack) in levels.items():
                for end, (step_rank, axes) in self._steps(start).items():
                    if end[0] in heights and end[1] in widths:
                        total = _add(rank, step_rank)
                        if end not in deeper or total < deeper[end][0]:
                            deeper[end] = total, (*stack, axes)
                if self._steps.cache_info().currsize > MAX_SIZES:
                    raise LimitError("there are too many sizes in between: narrow the ranges")
            levels = deeper
            if output in levels:
                found[depth] = levels[output][1]
        return found

    def _find_steps(self, size: Pair) -> dict[Pair, tuple[_Rank, _Axes]]:
        """Return the best settings for each size that one layer makes of a size."""
        best: dict[Pair, tuple[_Rank, _Axes]] = {}
        for rows in self._axes(size[0]):
            columns = rows if size[0] == size[1] else rows._replace(size=size[1])
            end = rows.output, columns.output
            if self._exact and columns.dropped:
                continue
            rank = rank_axis(self._op, rows)
            if columns is not rows:
                rank = _add(rank, rank_axis(self._op, columns))
            if end not in best or rank < best[end][0]:
                best[end] = rank, (rows, columns)
        return best

    def _axes(self, size: int) -> Iterator[Axis]:
        """Yield the windows without gaps, with usual padding."""
        for bare in bare_axes(size, self._ranges, self._op, ceil=self._ceil):
            if bare.stride > bare.effective_kernel:
                continue
            for (before, after), added in product(
                self._paddings(bare), output_paddings(bare, self._ranges)
            ):
                axis = bare._replace(before=before, after=after, output_padding=added)
                if not (self._exact and axis.dropped):
                    yield axis

    def _paddings(self, bare: Axis) -> set[Pair]:
        if self._ranges.padding is not None:
            return {(padding, padding) for padding in self._ranges.padding}
        half = (bare.effective_kernel - 1) // 2
        return {(0, 0), (half, half), same_padding(bare) or (0, 0)}


def _add(rank: _Rank, other: _Rank) -> _Rank:
    """Return the sum of ranks; that of no layers is empty."""
    return tuple(map(sum, zip(rank, other, strict=True))) if rank else other
