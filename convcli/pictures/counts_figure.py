"""How often the pixels of an input are used, as heat maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convcli.arithmetic.counts import Counts
from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.files.output import atomic_write, check_output
from convcli.pictures.canvas import DEFAULT_STYLE, Panel, render
from convcli.pictures.panels import MAP_SIDE, MAX_NUMBERED_CELLS, CellGrid, PicturePanel, as_colors
from convcli.pictures.scales import Scale
from convcli.pictures.text import format_cells
from convcli.pictures.theme import Style, Theme

MAX_HEAT_SIDE = 480  # of a heat map, in pixels: beyond, counts are averaged
MAX_FIGURE_LAYERS = 16
PANELS_PER_ROW = 4


def write_counts_figure(
    path: str,
    counts: Sequence[tuple[str, Counts]],
    *,
    style: Style = DEFAULT_STYLE,
    force: bool = False,
) -> None:
    """Write how often layers use the pixels of their inputs, as a PNG or an SVG file.

    Parameters
    ----------
    path : str
        Ends in .png or .svg.
    counts : sequence of (title, Counts)
        A panel each; all have one scale.
    style : Style
    force : bool
        Replace an existing file.

    Raises
    ------
    LimitError
        For more than `MAX_FIGURE_LAYERS`.
    """
    if len(counts) > MAX_FIGURE_LAYERS:
        raise LimitError(
            f"{len(counts)} layers are too many for a figure: the most is {MAX_FIGURE_LAYERS}"
        )
    check_output(path, force=force, inputs=[])
    most = max(found.most for _, found in counts)
    panels = [make_counts_panel(title, found, most, style.theme) for title, found in counts]
    rows = [
        panels[start : start + PANELS_PER_ROW] for start in range(0, len(panels), PANELS_PER_ROW)
    ]
    content = render(rows, Path(path).suffix.lower(), style, title="How often each pixel is used")
    with atomic_write(path, force=force) as stream:
        stream.write(content)


def make_counts_panel(title: str, counts: Counts, most: int, theme: Theme) -> Panel:
    """Return the heat map of counts, on a scale from a neutral zero to `most`."""
    size = len(counts.rows), len(counts.columns)
    scale = Scale(0.0, float(most), is_diverging=True)
    captions = [f"used {counts.bounds}"]
    if counts.unused:
        captions.append(f"{counts.unused:,} of {math.prod(size):,} pixels never")
    if max(size) <= MAX_NUMBERED_CELLS:
        numbers = np.array(counts.pixels, np.float64)
        colors = as_colors(scale.paint(numbers, theme))
        return CellGrid(title, captions, scale, format_cells(numbers), colors)
    rows, columns = (_average(along) for along in (counts.rows, counts.columns))
    # A whole number of pixels for each: otherwise the rhythm of a stride would be another.
    side = max(size) * max(MAP_SIDE // max(size), 1)
    if (len(rows), len(columns)) != size:
        captions.append("averaged over neighbors")
        side = MAP_SIDE
    pixels = scale.paint(np.outer(rows, columns), theme)
    return PicturePanel(title, captions, scale, pixels, side=side)


def _average(counts: Sequence[int]) -> Array:
    """Average neighbors, so that at most `MAX_HEAT_SIDE` are left.

    The average of a block of pixels is the product of those of its rows and of its columns.
    """
    numbers = np.array(counts, np.float64)
    parts = min(len(numbers), MAX_HEAT_SIDE)
    starts = np.arange(parts) * len(numbers) // parts
    sizes = np.diff([*starts.tolist(), len(numbers)])
    averages: Array = np.add.reduceat(numbers, starts) / sizes
    return averages
