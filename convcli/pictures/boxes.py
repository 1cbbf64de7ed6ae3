"""Positions on a canvas: points, lines and boxes, and the boxes of cells in a grid."""

from __future__ import annotations

from typing import TypeAlias

from convcli.arithmetic.values import Pair

Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height
Point: TypeAlias = tuple[float, float]
Line: TypeAlias = tuple[Point, Point]  # from its left or upper end


def grid_box(corner: Point, rows: Pair, columns: Pair, side: float) -> Box:
    """The box of some rows and columns, the first to the last of each, in a grid of squares."""
    (top, bottom), (left, right) = rows, columns
    x, y = corner[0] + left * side, corner[1] + top * side
    return x, y, (right + 1 - left) * side, (bottom + 1 - top) * side


def cell_box(corner: Point, at: Pair, side: float) -> Box:
    """The box of the square at (row, column) of a grid."""
    return corner[0] + at[1] * side, corner[1] + at[0] * side, side, side


def box_sides(box: Box) -> list[Line]:
    """The four sides of a box, each from its left or upper end."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    corners = (left, top), (right, top), (left, bottom), (right, bottom)
    return [(corners[start], corners[end]) for start, end in ((0, 1), (2, 3), (0, 2), (1, 3))]


def box_diagonals(box: Box) -> list[Line]:
    """Three lines across a box, upward to the right: from one corner to another, and half of it."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    x, y = (left + right) / 2, (top + bottom) / 2
    return [((left, y), (x, top)), ((left, bottom), (right, top)), ((x, bottom), (right, y))]
