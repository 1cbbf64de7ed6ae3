"""Grids of cells with numbers: how large they are, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convcli.arithmetic.values import Pair
from convcli.pictures.boxes import Line, Point, cell_box
from convcli.pictures.canvas import Canvas
from convcli.pictures.fonts import text_width
from convcli.pictures.theme import CELL, DASH, SMALL, TEXT, Color, Ink, Theme, ink_for, mix

ROOM = 4  # pixels on either side of a number in its cell

# An edge between cells: the row and column that it starts at, and whether it goes across.
Edge: TypeAlias = tuple[int, int, bool]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its color, and a number in the ink that stands out most where none is given.

    Parameters
    ----------
    color : Color
    text : str
    ink : Color, optional
    is_dashed : bool
        Whether its lines are dashed, where none of a neighbor is solid.
    is_hatched : bool
        Whether diagonals lie across it.
    weight : str, optional
        A small number in its lower right corner, for which the other makes room, even if it is
        empty.
    """

    color: Color
    text: str = ""
    ink: Ink = None
    is_dashed: bool = False
    is_hatched: bool = False
    weight: str | None = None


def fit_cells(texts: Iterable[Iterable[str]], least: int = CELL) -> tuple[int, int]:
    """Return the side of the cells, and the size of their type, that hold all texts.

    The type is as large as cells of the least side ask for, and smaller where a text needs it,
    down to `TEXT`; beyond that cells grow.
    """
    words = {text for row in texts for text in row}

    def widest(size: int) -> int:
        return math.ceil(max((text_width(text, size) for text in words), default=0)) + 2 * ROOM

    size = max(round(TEXT * least / CELL), TEXT)
    while size > TEXT and widest(size) > least:
        size -= 1
    return max(least, widest(size)), size


def draw_cells(
    canvas: Canvas,
    corner: Point,
    side: float,
    cells: Sequence[Sequence[Cell | None]],
    theme: Theme,
    *,
    size: float = TEXT,
    drawn: Mapping[Pair, Cell] | None = None,
) -> None:
    """Draw a grid of cells: each line between two of them once, and nothing where there is none.

    Parameters
    ----------
    canvas : Canvas
    corner : (left, top)
    side : float
        Of a cell, in pixels.
    cells : sequence of rows of Cell or None
    theme : Theme
    size : float
        Of the type.
    drawn : mapping, optional
        By row and column, the cells that stand there already: those that are the same stay.
    """
    present = [
        ((row, column), cell)
        for row, line in enumerate(cells)
        for column, cell in enumerate(line)
        if cell is not None
    ]
    # Diagonals end on the cells around theirs, and are drawn again for these.
    fresh = [
        (at, cell)
        for at, cell in present
        if drawn is None or drawn.get(at) != cell or cell.is_hatched
    ]
    for at, cell in fresh:
        canvas.rectangle(cell_box(corner, at, side), fill=cell.color)
    for at, cell in fresh:
        if cell.is_hatched:
            canvas.hatch(cell_box(corner, at, side), mix(theme.faint, cell.color, 0.5))
    solid = {edge for at, cell in present if not cell.is_dashed for edge in _edges(at)}
    dashed = {edge for at, cell in present if cell.is_dashed for edge in _edges(at)} - solid
    canvas.lines(_join_edges(dashed, corner, side), theme.faint, dash=DASH)
    canvas.lines(_join_edges(solid, corner, side), theme.faint)
    for at, cell in fresh:
        left, top, _, _ = cell_box(corner, at, side)
        ink = cell.ink or ink_for(cell.color)
        if cell.text:
            center = (left + side / 2, top + side * (0.5 if cell.weight is None else 0.4))
            canvas.text(center, cell.text, size=size, color=ink, is_on_page=False)
        if cell.weight:
            small = size * SMALL / TEXT
            x = left + side - text_width(cell.weight, small) / 2 - ROOM
            canvas.text((x, top + side * 0.8), cell.weight, size=small, color=ink, is_on_page=False)


def _edges(at: Pair) -> tuple[Edge, ...]:
    """The four edges of a cell."""
    row, column = at
    return (
        (row, column, True),
        (row + 1, column, True),
        (row, column, False),
        (row, column + 1, False),
    )


def _join_edges(edges: Iterable[Edge], corner: Point, side: float) -> list[Line]:
    """Join edges that follow each other into lines, from the first to the last of each."""
    # Sorted by the line that they lie on, and along it.
    places = sorted(
        (is_across, *((row, column) if is_across else (column, row)))
        for row, column, is_across in edges
    )
    runs: list[tuple[bool, int, int, int]] = []  # whether across, the line, the first edge, the end
    for is_across, line, place in places:
        first = place
        if runs and (*runs[-1][:2], runs[-1][3]) == (is_across, line, place):
            first = runs.pop()[2]
        runs.append((is_across, line, first, place + 1))
    lines: list[Line] = []
    for is_across, line, first, end in runs:
        ends = [(line, place) if is_across else (place, line) for place in (first, end)]
        start, stop = ((corner[0] + column * side, corner[1] + row * side) for row, column in ends)
        lines.append((start, stop))
    return lines
