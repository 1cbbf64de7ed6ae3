"""Sheets: rows of panels, as PNG or SVG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import zip_longest

from convcli.errors import LimitError
from convcli.pictures.canvas import Canvas, Raster, Vector
from convcli.pictures.panels import Panel
from convcli.pictures.theme import GAP, LIGHT, MARGIN, Theme

MOST_PIXELS = 64_000_000  # of a sheet


def draw_rows(canvas: Canvas, rows: Sequence[Sequence[Panel]], theme: Theme) -> None:
    """Draw rows of panels in columns that line up, each panel centred in its place."""
    widths, heights = _extents(rows)
    top = float(MARGIN)
    for row, height in zip(rows, heights, strict=True):
        left = float(MARGIN)
        for panel, width in zip(row, widths, strict=False):
            wide, high = panel.size
            panel.draw(canvas, left + (width - wide) // 2, top + (height - high) // 2, theme)
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
    """The widths of the columns and the heights of the rows."""
    columns = zip_longest(*rows)
    widths = [max(panel.size[0] for panel in column if panel is not None) for column in columns]
    return widths, [max(panel.size[1] for panel in row) for row in rows]


def sheet(rows: Sequence[Sequence[Panel]], suffix: str, theme: Theme = LIGHT) -> bytes:
    """A sheet of rows of panels as the bytes of a PNG or an SVG file."""
    width, height = sheet_size(rows)
    if width * height > MOST_PIXELS:
        raise LimitError(f"the picture would be {width}x{height} pixels, which is too large")
    if suffix == ".svg":
        vector = Vector(width, height, theme.page)
        draw_rows(vector, rows, theme)
        return vector.document()
    raster = Raster(width, height, theme.page)
    draw_rows(raster, rows, theme)
    held = io.BytesIO()
    raster.image.save(held, "PNG", optimize=True)
    return held.getvalue()
