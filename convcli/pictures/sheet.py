"""Sheets: rows of panels as PNG or SVG, and the figure of `apply`."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convcli.errors import LimitError
from convcli.pictures.canvas import Canvas, Raster, Vector
from convcli.pictures.panels import Panel, make_kernel_panel, make_map_panel
from convcli.pictures.theme import GAP, LIGHT, MARGIN, Theme

MAX_SHEET_PIXELS = 64_000_000  # of a sheet


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


def render(rows: Sequence[Sequence[Panel]], suffix: str, theme: Theme = LIGHT) -> bytes:
    """A sheet of rows of panels as the bytes of a PNG or an SVG file."""
    width, height = sheet_size(rows)
    if width * height > MAX_SHEET_PIXELS:
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


Values = NDArray[Any]

# A stage's title, its map (H, W, C), and the weights that it was filtered with.
Stage = tuple[str, Values, Values | None]


def draw_apply_figure(
    name: str,
    values: Values,
    ways: Sequence[Sequence[Stage]],
    *,
    white: float | None,
    suffix: str,
    theme: Theme = LIGHT,
) -> bytes:
    """Draw the way of an input through its kernels and layers.

    Parameters
    ----------
    name : str
        The input's.
    values : ndarray, (H, W, C)
        The input.
    ways : sequence of sequences of (title, values, weights or None)
        A row for each: every stage with its kernel, if it has one, and its map.
    white : float, optional
        The input's own white, where it has one: what lies within 0..white is shown on that scale.
    suffix : {".png", ".svg"}

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    rows = [
        [
            _map(name, values, white),
            *(panel for stage in way for panel in _stage_panels(*stage, white, theme)),
        ]
        for way in ways
    ]
    return render(rows, suffix, theme)


def _stage_panels(
    title: str, values: Values, weights: Values | None, white: float | None, theme: Theme
) -> list[Panel]:
    if weights is None:
        return [_map(title, values, white)]
    return [make_kernel_panel(title, weights, theme), _map("feature map", values, white)]


def _map(title: str, values: Values, white: float | None) -> Panel:
    """A map on the input's own scale where it fits, else on its least to largest value."""
    fits = white is not None and values.min() >= 0 and values.max() <= white
    return make_map_panel(
        title, np.asarray(values), **({"black": 0.0, "white": white} if fits else {})
    )
