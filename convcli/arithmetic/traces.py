"""The positions of earlier maps that one output depends on: with the holes that windows leave.

Along each axis they are a set, and together the product of both: a grid. Where branches join that
leave other holes, they are the union of several grids.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from convcli.arithmetic.geometry import Axis
from convcli.arithmetic.intervals import backtrace, clip, input_interval, span
from convcli.arithmetic.operations import AxisMap, WholeAxis
from convcli.arithmetic.positions import taps_of
from convcli.arithmetic.values import Pair, map_size
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.arithmetic.reports import LayerReport, Walk

MAX_POSITIONS = 1 << 13  # along an axis, of all that are followed
MAX_GRIDS = 64  # of one map
MAX_TAPS = 1 << 21  # of all windows that are followed, which takes about a second


class Grid(NamedTuple):
    """The positions in some rows and some columns of a map."""

    rows: frozenset[int]
    columns: frozenset[int]

    def holds(self, other: Grid) -> bool:
        """Return whether every position of another grid is one of this one."""
        return other.rows <= self.rows and other.columns <= self.columns


def trace_positions(walk: Walk, index: int, at: Pair) -> dict[int, list[Grid]] | None:
    """Return the positions of the earlier maps and of the input that one output depends on.

    Of padding, and of positions that no window reaches, it depends on nothing. Parameters are those
    of `backtrace`.

    Returns
    -------
    dict, optional
        By the index of the layer; `INPUT` (-1) is the network's input. None if there are too many
        to follow.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> found = trace_positions(walk(["conv:3,d=2"], (1, 9, 9)), 0, (2, 2))
    >>> [(sorted(grid.rows), sorted(grid.columns)) for grid in found[-1]]
    [([2, 4, 6], [2, 4, 6])]
    """
    regions, steps = backtrace(walk, index, at), 0
    grids: dict[int, list[Grid]] = {index: [Grid(frozenset([at[0]]), frozenset([at[1]]))]}
    for user in range(index, -1, -1):
        if user not in grids:
            continue
        report = walk.layers[user]
        # Of the map whose size crop takes, no value is used.
        is_join = report.layer.operation.is_join
        for source, shape in zip(report.indices, report.inputs, strict=is_join):
            size = map_size(shape)
            seen = (clip(*both) for both in zip(regions[source], _bounds(size), strict=True))
            if any(part is not None and part[1] - part[0] >= MAX_POSITIONS for part in seen):
                return None
            steps += sum(_count_taps(report, grid) for grid in grids[user])
            if steps > MAX_TAPS:
                return None
            found = [_grid_of_input(report, size, grid) for grid in grids[user]]
            merged = merge_grids([*grids.get(source, []), *found])
            if len(merged) > MAX_GRIDS:
                return None
            grids[source] = merged
            if not is_join:
                break
    return grids


def merge_grids(grids: Iterable[Grid]) -> list[Grid]:
    """Return grids of the same positions, as few as are found.

    None is empty or within another, and none have the same rows or the same columns.
    """
    merged: list[Grid] = []
    waiting = [grid for grid in grids if grid.rows and grid.columns]
    while waiting:
        grid = waiting.pop()
        if any(other.holds(grid) for other in merged):
            continue
        merged = [other for other in merged if not grid.holds(other)]
        for other in merged:
            if other.rows == grid.rows or other.columns == grid.columns:
                merged.remove(other)
                waiting.append(Grid(other.rows | grid.rows, other.columns | grid.columns))
                break
        else:
            merged.append(grid)
    return merged


def _bounds(size: Pair) -> tuple[Pair, Pair]:
    return (0, size[0] - 1), (0, size[1] - 1)


def _grid_of_input(report: LayerReport, size: Pair, grid: Grid) -> Grid:
    """Return the positions of an input of (height, width) that those of an output depend on."""
    axes = report.layer.operation.axes(report.layer, report.inputs)
    if axes is not None:
        return Grid(_inputs_of(axes[0], grid.rows), _inputs_of(axes[1], grid.columns))
    rows, columns = (
        frozenset([0]) if side == 1 < output and positions else positions
        for side, output, positions in zip(size, map_size(report.output), grid, strict=True)
    )
    return Grid(rows, columns)


def _count_taps(report: LayerReport, grid: Grid) -> int:
    """Return how many taps of windows are followed along both axes."""
    axes = report.layer.operation.axes(report.layer, report.inputs) or ()
    return sum(
        len(outputs) * axis.kernel
        for axis, outputs in zip(axes, grid, strict=False)
        if isinstance(axis, Axis) and not _is_gapless(axis, outputs)
    )


def _is_gapless(axis: Axis, outputs: frozenset[int]) -> bool:
    """Return whether the windows of outputs are one run of positions."""
    is_dense = not axis.transposed and axis.dilation == 1 and axis.stride <= axis.kernel
    return is_dense and len(outputs) == max(outputs, default=0) - min(outputs, default=1) + 1


def _inputs_of(axis: AxisMap, outputs: frozenset[int]) -> frozenset[int]:
    """Return the positions along an axis that outputs depend on."""
    if isinstance(axis, WholeAxis):
        whole = frozenset(range(axis.size)) if outputs else frozenset()
        return whole | outputs if axis.has_own else whole
    if isinstance(axis, Axis) and _is_gapless(axis, outputs):
        run = clip(input_interval(axis, span((output, output) for output in outputs)),
                   (0, axis.size - 1))  # fmt: skip
        return frozenset() if run is None else frozenset(range(run[0], run[1] + 1))
    return frozenset(tap for output in outputs for tap in taps_of(axis, output))
