"""Panels: grids of numbers, kernels as heat maps, feature maps with their scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convcli.engine.arrays import Array
from convcli.pictures.canvas import Box, Canvas, text_width
from convcli.pictures.text import format_cell
from convcli.pictures.theme import (
    CELL,
    LINE,
    MIN_CELL,
    TEXT,
    TITLE,
    Color,
    Theme,
    gray_color,
    heat_colors,
    ink_for,
    to_gray_levels,
)

MAX_NUMBERED_CELLS = 32  # a side of a grid whose cells show their numbers
MAX_NUMBERED_WEIGHTS = 7  # a side of a kernel whose cells do: its numbers are longer
MAP_SIDE = 240  # pixels of the longer side of a picture in a panel
MIN_TILE = 2  # pixels of a side of a picture
MAX_PLANES = 16  # channels that are drawn side by side


@dataclass(frozen=True)
class Panel:
    """A part of a sheet: a body between a title and captions, each centered."""

    title: str
    captions: Sequence[str] = ()

    @property
    def body(self) -> tuple[float, float]:
        """The body's width and height."""
        raise NotImplementedError

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the body with its top left corner at this position."""
        raise NotImplementedError

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels, title and captions included."""
        captions = (text_width(caption, TEXT) for caption in self.captions)
        return (
            math.ceil(max(self.body[0], text_width(self.title, TITLE), *captions)),
            LINE * 1.5 + self.body[1] + LINE * len(self.captions) + 6,
        )

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the panel with its top left corner at this position."""
        width = self.size[0]
        center = left + width / 2
        canvas.text((center, top + LINE / 2), self.title, size=TITLE, color=theme.ink)
        self.draw_body(canvas, left + (width - self.body[0]) // 2, top + LINE * 1.5, theme)
        below = top + LINE * 1.5 + self.body[1] + 6
        for line, caption in enumerate(self.captions):
            at = (center, below + LINE * (line + 0.5))
            canvas.text(at, caption, size=TEXT, color=theme.faint)


@dataclass(frozen=True)
class CellGrid(Panel):
    """A grid of numbers in cells, each with its own color.

    Parameters
    ----------
    texts : sequence of rows of str
        Empty for cells without text.
    colors : sequence of rows of Color
    """

    texts: Sequence[Sequence[str]] = ()
    colors: Sequence[Sequence[Color]] = ()

    @cached_property
    def cell(self) -> int:
        """The side of a cell in pixels: as large as the longest number needs."""
        longest = max((text_width(text, TEXT) for row in self.texts for text in row), default=0)
        if longest == 0:
            return max(MIN_CELL, min(CELL, MAP_SIDE // max(len(self.colors), 1)))
        return max(CELL, math.ceil(longest) + 8)

    @property
    def body(self) -> tuple[float, float]:
        """The grid's width and height."""
        return self.cell * len(self.colors[0]), self.cell * len(self.colors)

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the cells."""
        for row, (texts, colors) in enumerate(zip(self.texts, self.colors, strict=True)):
            for column, (text, color) in enumerate(zip(texts, colors, strict=True)):
                box = (left + column * self.cell, top + row * self.cell, self.cell, self.cell)
                draw_cell(canvas, box, color, text, theme)


@dataclass(frozen=True)
class Mosaic(Panel):
    """Pictures side by side, scaled to fit: the channels of one map.

    Parameters
    ----------
    planes : sequence of ndarray of uint8, (h, w) or (h, w, 3)
    in_a_row : int
        Pictures in a row; 0 for as many as there are rows.
    """

    planes: Sequence[Array] = ()
    in_a_row: int = 0

    @property
    def columns(self) -> int:
        """Pictures in a row."""
        return self.in_a_row or math.ceil(math.sqrt(len(self.planes)))

    @property
    def rows(self) -> int:
        """Rows of pictures."""
        return -(-len(self.planes) // self.columns)

    @property
    def tile(self) -> tuple[float, float]:
        """The width and height of one picture."""
        height, width = self.planes[0].shape[:2]
        scale = MAP_SIDE / max(height * self.rows, width * self.columns)
        return max(width * scale, MIN_TILE), max(height * scale, MIN_TILE)

    @property
    def body(self) -> tuple[float, float]:
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


def draw_cell(
    canvas: Canvas,
    box: Box,
    color: Color,
    text: str,
    theme: Theme,
    *,
    ink: Color | None = None,
    dashed: bool = False,
) -> None:
    """Draw a cell: a filled and outlined box with a number, in the ink that stands out most."""
    canvas.rectangle(box, fill=color, outline=theme.faint, dashed=dashed)
    if text:
        center = (box[0] + box[2] / 2, box[1] + box[3] / 2)
        canvas.text(center, text, size=TEXT, color=ink or ink_for(color))


def make_map_panel(
    title: str, values: Array, *, black: float | None = None, white: float | None = None
) -> Panel:
    """Return the panel of a feature map: a small grid with its numbers, or a picture.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    black, white : float, optional
        The scale; the smallest and the largest value where left out.
    """
    finite = values[np.isfinite(values)]
    low = float(finite.min()) if black is None else black
    high = float(finite.max()) if white is None else white
    captions = [_format_shape(values.shape), f"black {low:.6g}, white {high:.6g}"]
    if values.shape[2] == 1 and max(values.shape) <= MAX_NUMBERED_CELLS:
        plane = values[:, :, 0]
        colors = [[gray_color(float(value), low, high) for value in row] for row in plane]
        return CellGrid(title, captions, _format_cells(plane), colors)
    levels = to_gray_levels(values, low, high)
    if values.shape[2] == 3:
        return Mosaic(title, captions, [levels])
    shown = min(values.shape[2], MAX_PLANES)
    if shown < values.shape[2]:
        captions.append(f"the first {shown} channels")
    return Mosaic(title, captions, [levels[:, :, channel] for channel in range(shown)])


def make_kernel_panel(title: str, matrix: Array, theme: Theme) -> Panel:
    """Return the panel of a kernel: a heat map, zero neutral; small kernels with their numbers.

    Parameters
    ----------
    matrix : ndarray, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
    """
    largest = float(np.abs(matrix).max())
    captions = [_format_shape(matrix.shape), f"{-largest:.4g} to {largest:.4g}, 0 neutral"]
    planes = matrix.reshape(-1, *matrix.shape[-2:])
    if len(planes) == 1 and max(planes[0].shape) <= MAX_NUMBERED_WEIGHTS:
        colors = heat_colors(planes[0], largest, theme)
        return CellGrid(title, captions, _format_cells(planes[0]), colors)
    shown = planes[:MAX_PLANES]
    if len(shown) < len(planes):
        captions.append(f"the first {len(shown)} planes")
    # The weights of a layer have a row for each output and a column for each input.
    in_a_row = matrix.shape[1] if matrix.ndim == 4 and len(shown) == len(planes) else 0
    tiles = [np.array(heat_colors(plane, largest, theme), np.uint8) for plane in shown]
    return Mosaic(title, captions, tiles, in_a_row)


def _format_cells(plane: Array) -> list[list[str]]:
    return [[format_cell(float(value)) for value in row] for row in plane]


def _format_shape(shape: Sequence[int]) -> str:
    """Format a shape without a single channel; Pillow's own font has no multiplication sign."""
    sizes = shape[:-1] if len(shape) == 3 and shape[2] == 1 else shape
    return "x".join(map(str, sizes))
