"""Sheets: rows of panels as PNG or SVG, and the figure of `apply`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest

from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.pictures.canvas import Canvas, Raster, Vector
from convcli.pictures.panels import Panel, make_kernel_panel, make_map_panel
from convcli.pictures.theme import GAP, LIGHT, MARGIN, Theme

# The title of a stage, its map (H, W, C), and the weights that it was filtered with.
Stage = tuple[str, Array, Array | None]

MAX_SHEET_PIXELS = 64_000_000


def draw_rows(canvas: Canvas, rows: Sequence[Sequence[Panel]], theme: Theme) -> None:
    """Draw rows of panels in columns that line up, each panel centered in its column and row."""
    widths, heights = _extents(rows)
    top = float(MARGIN)
    for row, height in zip(rows, heights, strict=True):
        left = float(MARGIN)
        for panel, width in zip(row, widths, strict=False):
            own_width, own_height = panel.size
            x, y = left + (width - own_width) // 2, top + (height - own_height) // 2
            panel.draw(canvas, x, y, theme)
            left += width + GAP
        top += height + GAP


def sheet_size(rows: Sequence[Sequence[Panel]]) -> tuple[int, int]:
    """The width and height of a sheet of rows of panels."""
    width, height = (
        math.ceil(sum(lengths) + GAP * (len(lengths) - 1) + 2 * MARGIN)
        for lengths in _extents(rows)
    )
    return width, height


def _extents(rows: Sequence[Sequence[Panel]]) -> tuple[list[float], list[float]]:
    """The widths of the columns and the heights of the rows, in pixels."""
    columns = zip_longest(*rows)
    widths = [max(panel.size[0] for panel in column if panel is not None) for column in columns]
    return widths, [max(panel.size[1] for panel in row) for row in rows]


def render(rows: Sequence[Sequence[Panel]], suffix: str, theme: Theme = LIGHT) -> bytes:
    """Render rows of panels as the bytes of a PNG or an SVG file."""
    width, height = sheet_size(rows)
    if width * height > MAX_SHEET_PIXELS:
        raise LimitError(f"the picture would be {width}x{height} pixels, which is too large")
    canvas = (Vector if suffix == ".svg" else Raster)(width, height, theme.page)
    draw_rows(canvas, rows, theme)
    return canvas.document()


def draw_apply_figure(
    name: str,
    values: Array,
    branches: Sequence[Sequence[Stage]],
    *,
    white: float | None,
    suffix: str,
    theme: Theme = LIGHT,
) -> bytes:
    """Draw the stages of an input through its kernels and layers, a row for each branch.

    Parameters
    ----------
    name : str
        The input's.
    values : ndarray, (H, W, C)
        The input.
    branches : sequence of sequences of (title, values, weights or None)
        Every stage with its kernel, if it has one, and its map.
    white : float, optional
        The input's own white, where it has one: maps within 0..white are drawn on that scale.
    suffix : {".png", ".svg"}

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    rows = []
    for branch in branches:
        row = [_make_scaled_panel(name, values, white)]
        for title, output, weights in branch:
            if weights is not None:
                row.append(make_kernel_panel(title, weights, theme))
            map_title = title if weights is None else "feature map"
            row.append(_make_scaled_panel(map_title, output, white))
        rows.append(row)
    return render(rows, suffix, theme)


def _make_scaled_panel(title: str, values: Array, white: float | None) -> Panel:
    """A map on the input's own scale where it fits, else from its smallest to its largest value."""
    if white is not None and values.min() >= 0 and values.max() <= white:
        return make_map_panel(title, values, (0.0, white))
    return make_map_panel(title, values)
