"""Panels: grids of numbers, kernels as heat maps, feature maps with their scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convcli.arithmetic.values import NO_PADDING, Sides
from convcli.engine.arrays import Array
from convcli.engine.padding import pad2d
from convcli.pictures.boxes import Point, grid_box
from convcli.pictures.canvas import Canvas, Panel
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.contact_sheet import (
    make_color_panel,
    make_sheet_panel,
    make_weights_panel,
    note_missing,
)
from convcli.pictures.scales import (
    Scale,
    ScaledPanel,
    choose_scale,
    kernel_scale,
    mark_missing,
    note_beyond,
)
from convcli.pictures.text import format_cells, format_sides
from convcli.pictures.theme import DASH, Color, Theme

MAX_NUMBERED_CELLS = 32  # a side of a grid whose cells show their numbers
MAX_NUMBERED_WEIGHTS = 7  # a side of a kernel whose cells do: its numbers are longer
MAP_SIDE = 240  # pixels of the longer side of a picture in a panel
MIN_TILE = 2  # pixels of a side of a picture
MIN_MARGIN, MAX_MARGIN = 4.0, 40.0  # pixels of the padding around a picture
MAX_PLANES = 16  # of a layer over colors, that are drawn apart


@dataclass(frozen=True)
class CellGrid(ScaledPanel):
    """A grid of numbers in cells, each with its own color.

    Parameters
    ----------
    texts : sequence of rows of str
    colors : sequence of rows of Color
    padding : ((top, bottom), (left, right))
        The rows and columns at the borders that are padding: dashed, around a frame of the others.
    """

    texts: Sequence[Sequence[str]] = ()
    colors: Sequence[Sequence[Color]] = ()
    padding: Sides = NO_PADDING

    @cached_property
    def cell(self) -> int:
        """The side of a cell in pixels."""
        return fit_cells(self.texts)[0]

    @property
    def content(self) -> Point:
        """The grid's width and height."""
        return self.cell * len(self.colors[0]), self.cell * len(self.colors)

    def draw_content(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the cells."""
        (above, below), (before, after) = self.padding
        height, width = len(self.colors), len(self.colors[0])
        cells = [
            [
                Cell(color, text, is_dashed=not (
                    above <= row < height - below and before <= column < width - after
                ))
                for column, (text, color) in enumerate(zip(texts, colors, strict=True))
            ]
            for row, (texts, colors) in enumerate(zip(self.texts, self.colors, strict=True))
        ]  # fmt: skip
        draw_cells(canvas, (left, top), self.cell, cells, theme)
        if self.padding != NO_PADDING:
            rows, columns = (above, height - below - 1), (before, width - after - 1)
            frame = grid_box((left, top), rows, columns, self.cell)
            canvas.rectangle(frame, outline=theme.faint, width=2)


@dataclass(frozen=True)
class PicturePanel(ScaledPanel):
    """A picture, scaled to fit, with its padding as a dashed margin.

    Parameters
    ----------
    pixels : ndarray of uint8, (h, w) or (h, w, 3)
    padding : ((top, bottom), (left, right))
        In pixels of the picture. What would be too narrow to be seen, or too wide, is drawn wider
        or narrower.
    side : float
        Of the longer side of the picture, in pixels of the panel.
    """

    pixels: Array | None = None
    padding: Sides = NO_PADDING
    side: float = MAP_SIDE

    @cached_property
    def tile(self) -> Point:
        """The width and height of the picture."""
        assert self.pixels is not None  # noqa: S101
        height, width = self.pixels.shape[:2]
        scale = self.side / max(height, width)
        return max(width * scale, MIN_TILE), max(height * scale, MIN_TILE)

    @property
    def content(self) -> Point:
        """The width and height of the picture with its padding."""
        (above, below), (before, after) = self._margins
        return self.tile[0] + before + after, self.tile[1] + above + below

    @cached_property
    def _margins(self) -> tuple[Point, Point]:
        """The padding in pixels of the panel."""
        assert self.pixels is not None  # noqa: S101
        scale = self.tile[0] / self.pixels.shape[1]

        def measure(side: int) -> float:
            return min(max(side * scale, MIN_MARGIN), MAX_MARGIN) if side else 0.0

        (above, below), (before, after) = self.padding
        return (measure(above), measure(below)), (measure(before), measure(after))

    def draw_content(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the picture and its padding."""
        assert self.pixels is not None  # noqa: S101
        (above, _), (before, _) = self._margins
        if self.padding != NO_PADDING:
            canvas.rectangle((left, top, *self.content), outline=theme.faint, dash=DASH)
        box = (left + before, top + above, *self.tile)
        canvas.picture(box, self.pixels)
        canvas.rectangle(box, outline=theme.faint)


def make_map_panel(
    title: str,
    values: Array,
    theme: Theme,
    *,
    scale: Scale | None = None,
    pixels: Array | None = None,
    padding: Sides = NO_PADDING,
    mode: str = "zero",
    notes: Sequence[str] = (),
) -> ScaledPanel:
    """Return the panel of a feature map: a small grid with its numbers, or pictures.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    theme : Theme
    scale : Scale, optional
        By default as `choose_scale` has it.
    pixels : ndarray of uint8, (H, W, C) or (H, W, 3), optional
        The map as it is written, on that scale.
    padding : ((top, bottom), (left, right))
        That is drawn around it.
    mode : str
        The padding mode.
    notes : sequence of str
        Captions.
    """
    height, width, channels = values.shape
    scale = scale or choose_scale([values])
    is_color = channels == 3 and (pixels is not None or not scale.is_diverging)
    if channels > 1 and not is_color:
        return make_sheet_panel(title, values, theme, scale=scale, pixels=pixels, notes=notes)
    sides = (height, width) if channels == 1 else (height, width, channels)
    beyond = note_beyond(values, scale) if pixels is None else []
    captions = [format_sides(*sides), *notes, *beyond, *note_missing(values)]
    colors = _paint_map(values, theme, scale, pixels)
    if channels > 1 or max(height, width) > MAX_NUMBERED_CELLS:
        return PicturePanel(title, captions, scale, colors, padding)
    (above, below), (before, after) = padding
    if max(height + above + below, width + before + after) > MAX_NUMBERED_CELLS:
        padding = NO_PADDING  # which the step's own captions tell
    padded = pad2d(values[:, :, 0], padding, mode)
    fills = scale.paint(padded, theme)
    rows, columns = padding[0][0], padding[1][0]
    fills[rows : rows + height, columns : columns + width] = colors
    return CellGrid(title, captions, scale, format_cells(padded), as_colors(fills), padding)


def _paint_map(values: Array, theme: Theme, scale: Scale, pixels: Array | None) -> Array:
    """Return the colors, (H, W, 3), of a map of one channel or of three."""
    if pixels is None:
        if values.shape[2] == 1:
            return scale.paint(values[:, :, 0], theme)
        return np.ascontiguousarray(scale.paint(values, theme)[:, :, [0, 1, 2], [0, 1, 2]])
    colors = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels.copy()
    return mark_missing(colors, values[:, :, 0], theme)


def as_colors(pixels: Array) -> list[list[Color]]:
    """Return the colors, (h, w, 3), of the cells of a grid, row by row."""
    return [[(red, green, blue) for red, green, blue in row] for row in pixels.tolist()]


def make_kernel_panel(
    title: str,
    matrix: Array,
    theme: Theme,
    *,
    notes: Sequence[str] = (),
    input_names: Sequence[str] = (),
) -> Panel:
    """Return the panel of a kernel: a heat map, zero neutral; small kernels with their numbers.

    Parameters
    ----------
    title : str
    matrix : ndarray, (kh, kw), (C, kh, kw) or (C_out, C, kh, kw)
    theme : Theme
    notes : sequence of str
        Captions.
    input_names : sequence of str, optional
        What the input's channels are called.
    """
    if matrix.ndim == 4 and matrix.shape[1] == 3 and len(matrix) > MAX_PLANES:
        return make_color_panel(title, matrix, notes)
    if matrix.ndim > 2:
        weights = matrix if matrix.ndim == 4 else matrix[np.newaxis]
        return make_weights_panel(title, weights, theme, notes=notes, input_names=input_names)
    scale = kernel_scale(matrix)
    captions, colors = [format_sides(*matrix.shape), *notes], scale.paint(matrix, theme)
    if max(matrix.shape) > MAX_NUMBERED_WEIGHTS:
        return PicturePanel(title, captions, scale, colors)
    return CellGrid(title, captions, scale, format_cells(matrix), as_colors(colors))
