"""Panels: grids of numbers, kernels as heat maps, feature maps with their scale."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np

from convcli.engine.arrays import Array
from convcli.pictures.boxes import Point
from convcli.pictures.canvas import DEFAULT_STYLE, Canvas, Panel, render
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.contact_sheet import make_color_panel, make_sheet_panel
from convcli.pictures.text import format_cell, format_cells, format_sides
from convcli.pictures.theme import Color, Style, Theme, gray_levels, heat_map

MAX_NUMBERED_CELLS = 32  # a side of a grid whose cells show their numbers
MAX_NUMBERED_WEIGHTS = 7  # a side of a kernel whose cells do: its numbers are longer
MAP_SIDE = 240  # pixels of the longer side of a picture in a panel
MIN_TILE = 2  # pixels of a side of a picture
MAX_PLANES = 16  # channels that are drawn side by side

# The title of a stage, its map (H, W, C), and the weights that it was filtered with.
Stage: TypeAlias = tuple[str, Array, Array | None]


@dataclass(frozen=True)
class CellGrid(Panel):
    """A grid of numbers in cells, each with its own color.

    Parameters
    ----------
    texts : sequence of rows of str
    colors : sequence of rows of Color
    """

    texts: Sequence[Sequence[str]] = ()
    colors: Sequence[Sequence[Color]] = ()

    @cached_property
    def cell(self) -> int:
        """The side of a cell in pixels."""
        return fit_cells(self.texts)[0]

    @property
    def body(self) -> Point:
        """The grid's width and height."""
        return self.cell * len(self.colors[0]), self.cell * len(self.colors)

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the cells."""
        cells = [
            [Cell(color, text) for text, color in zip(texts, colors, strict=True)]
            for texts, colors in zip(self.texts, self.colors, strict=True)
        ]
        draw_cells(canvas, (left, top), self.cell, cells, theme)


@dataclass(frozen=True)
class Mosaic(Panel):
    """Pictures side by side, scaled to fit: the channels of one map.

    Parameters
    ----------
    planes : sequence of ndarray of uint8, (h, w) or (h, w, 3)
    columns : int
        Pictures in a row.
    """

    planes: Sequence[Array] = ()
    columns: int = 1

    @property
    def rows(self) -> int:
        """Rows of pictures."""
        return -(-len(self.planes) // self.columns)

    @property
    def tile(self) -> Point:
        """The width and height of one picture."""
        height, width = self.planes[0].shape[:2]
        scale = MAP_SIDE / max(height * self.rows, width * self.columns)
        return max(width * scale, MIN_TILE), max(height * scale, MIN_TILE)

    @property
    def body(self) -> Point:
        """The width and height of all pictures."""
        return self.tile[0] * self.columns, self.tile[1] * self.rows

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the pictures."""
        width, height = self.tile
        for index, pixels in enumerate(self.planes):
            row, column = divmod(index, self.columns)
            box = (left + column * width, top + row * height, width, height)
            canvas.picture(box, pixels)
            canvas.rectangle(box, outline=theme.faint)


def make_map_panel(title: str, values: Array, scale: tuple[float, float] | None = None) -> Panel:
    """Return the panel of a feature map: a small grid with its numbers, or a picture.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    scale : (black, white), optional
        The smallest and the largest value where left out.
    """
    finite = values[np.isfinite(values)]
    ends = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    black, white = scale or ends
    captions = [
        _format_shape(values.shape),
        f"black {format_cell(black)}, white {format_cell(white)}",
    ]
    if count := int(np.count_nonzero(np.isnan(values))):
        captions.append(f"{count:,} NaN black")
    if values.shape[2] == 3:
        return Mosaic(title, captions, [gray_levels(values, black, white)])

    def paint(plane: Array) -> Array:
        return gray_levels(plane, black, white)[:, :, np.newaxis].repeat(3, axis=2)

    planes = np.moveaxis(values, 2, 0)
    return _make_planes_panel(
        title, captions, planes, paint, max_numbered=MAX_NUMBERED_CELLS, noun="channels"
    )


def make_kernel_panel(title: str, matrix: Array, theme: Theme) -> Panel:
    """Return the panel of a kernel: a heat map, zero neutral; small kernels with their numbers.

    Parameters
    ----------
    matrix : ndarray, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
    """
    largest = float(np.abs(matrix).max())
    captions = [
        _format_shape(matrix.shape),
        f"{format_cell(-largest)} to {format_cell(largest)}, 0 neutral",
    ]
    planes = matrix.reshape(-1, *matrix.shape[-2:])
    if matrix.ndim == 4 and matrix.shape[1] == 3 and len(planes) > MAX_PLANES:
        return make_color_panel(title, matrix)
    # The weights of a layer have a row for each output and a column for each input.
    columns = matrix.shape[1] if matrix.ndim == 4 else None
    paint = partial(heat_map, largest=largest, theme=theme)
    return _make_planes_panel(
        title, captions, planes, paint,
        max_numbered=MAX_NUMBERED_WEIGHTS, noun="planes", columns=columns,
    )  # fmt: skip


def _make_planes_panel(
    title: str,
    captions: list[str],
    planes: Array,
    paint: Callable[[Array], Array],
    *,
    max_numbered: int,
    noun: str,
    columns: int | None = None,
) -> Panel:
    """Return a grid of numbers for a single small plane, else a picture of each of the first."""
    if len(planes) == 1 and max(planes.shape) <= max_numbered:
        colors = [[tuple(color) for color in row] for row in paint(planes[0]).tolist()]
        return CellGrid(title, captions, format_cells(planes[0]), colors)
    if len(planes) > MAX_PLANES:
        columns, captions = None, [*captions, f"the first {MAX_PLANES} {noun}"]
    pictures = [paint(plane) for plane in planes[:MAX_PLANES]]
    return Mosaic(title, captions, pictures, columns or math.ceil(math.sqrt(len(pictures))))


def _format_shape(shape: Sequence[int]) -> str:
    """Format a shape without a single channel."""
    sizes = shape[:-1] if len(shape) == 3 and shape[2] == 1 else shape
    return format_sides(*sizes)


def draw_apply_figure(
    name: str,
    values: Array,
    branches: Sequence[Sequence[Stage]],
    *,
    white: float | None,
    suffix: str,
    has_sheets: bool = False,
    style: Style = DEFAULT_STYLE,
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
    has_sheets : bool
        Whether any map that is no picture has all its channels drawn, each with its number; one of
        more than `MAX_PLANES` has in any case.
    style : Style

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    rows, theme = [], style.theme
    for branch in branches:
        row = [_make_scaled_panel(name, values, white)]
        for title, output, weights in branch:
            if weights is not None:
                row.append(make_kernel_panel(title, weights, theme))
            map_title = title if weights is None else "feature map"
            if (has_sheets or output.shape[2] > MAX_PLANES) and output.shape[2] not in (1, 3):
                row.append(make_sheet_panel(map_title, output, theme))
            else:
                row.append(_make_scaled_panel(map_title, output, white))
        rows.append(row)
    return render(rows, suffix, style, title=name)


def _make_scaled_panel(title: str, values: Array, white: float | None) -> Panel:
    """A map on the input's own scale where it fits, else from its smallest to its largest value."""
    if white is not None and values.min() >= 0 and values.max() <= white:
        return make_map_panel(title, values, (0.0, white))
    return make_map_panel(title, values)
