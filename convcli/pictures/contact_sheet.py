"""Contact sheets: planes of a map or of a layer's weights in a grid, each with its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convcli.engine.arrays import Array
from convcli.pictures.boxes import Point
from convcli.pictures.canvas import Canvas
from convcli.pictures.cells import Cell, draw_cells, fit_cells
from convcli.pictures.fonts import text_width
from convcli.pictures.scales import Scale, ScaledPanel, choose_scale, kernel_scale, note_beyond
from convcli.pictures.text import format_cells, format_sides
from convcli.pictures.theme import TEXT, Theme, gray_levels

SHEET_SIDE = 900  # pixels of the longer side of all pictures together, about
MIN_SIDE, MAX_SIDE = 24, 160  # pixels of the longer side of a picture
MAX_CHANNELS = 256  # that are drawn
MAX_LINES = 32  # of a layer's outputs and inputs, that are drawn
GAP = 4  # pixels between pictures
CELLS_GAP = 12  # pixels between grids with numbers
LABEL = 14  # pixels of the height of a number
RATIO = 1.5  # of a sheet's width to its height, about: it stands beside the input
MAX_NUMBERED_SIDE = 12  # of planes whose cells show their numbers
MAX_NUMBERS = 400  # of all planes of a sheet
MAX_CELL = 40  # pixels of a side of their cells

MAX_WEIGHT_SIDE = 80  # pixels of the longer side of the weights between an input and an output


@dataclass(frozen=True)
class ContactSheet(ScaledPanel):
    """Planes of one size in a grid, each with a label, or each row and each column with one.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, (h, w) or (h, w, 3)
    labels : sequence of str
        Below each of the pictures; none where rows and columns have some.
    columns : int
        Pictures in a row.
    side : float
        Pixels of the longer side of a picture.
    texts : sequence of rows of rows of str
        The numbers of each plane, in cells; empty for pictures without any.
    row_labels, column_labels : sequence of str
    """

    pictures: Sequence[Array] = ()
    labels: Sequence[str] = ()
    columns: int = 1
    side: float = MAX_SIDE
    texts: Sequence[Sequence[Sequence[str]]] = ()
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()

    @cached_property
    def cell(self) -> Point:
        """The width and the height of a picture with its label."""
        width, height = self._tile
        labels = (text_width(label, TEXT) for label in (*self.labels, *self.column_labels))
        return max(width, *labels, 0), height + (LABEL if self.labels else 0)

    @property
    def content(self) -> Point:
        """The width and height of all pictures with their labels."""
        rows = -(-len(self.pictures) // self.columns)
        (width, height), gap, (left, top) = self.cell, self._gap, self._head
        across, down = self.columns * (width + gap) - gap, rows * (height + gap) - gap
        return left + across, top + down

    @property
    def _gap(self) -> int:
        return CELLS_GAP if self.texts else GAP

    @property
    def _head(self) -> Point:
        """The width of the labels of rows, and the height of those of columns."""
        widest = max((text_width(label, TEXT) for label in self.row_labels), default=-6.0)
        return math.ceil(widest) + 6, LABEL if self.column_labels else 0

    @cached_property
    def _cells(self) -> tuple[int, int]:
        return fit_cells(row for plane in self.texts for row in plane)

    @cached_property
    def _tile(self) -> Point:
        height, width = self.pictures[0].shape[:2]
        if self.texts:
            return width * self._cells[0], height * self._cells[0]
        scale = self.side / max(height, width)
        return max(math.floor(width * scale), 1), max(math.floor(height * scale), 1)

    def draw_content(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the pictures and their labels."""
        (cell_width, cell_height), (width, height), gap = self.cell, self._tile, self._gap
        x_first, y_first = left + self._head[0], top + self._head[1]
        for row, label in enumerate(self.row_labels):
            at = (x_first - 6 - text_width(label, TEXT) / 2,
                  y_first + row * (cell_height + gap) + height / 2)  # fmt: skip
            canvas.text(at, label, size=TEXT, color=theme.faint)
        for column, label in enumerate(self.column_labels):
            at = (x_first + column * (cell_width + gap) + cell_width / 2, top + LABEL / 2 - 1)
            canvas.text(at, label, size=TEXT, color=theme.faint)
        for index in range(len(self.pictures)):
            row, column = divmod(index, self.columns)
            x, y = x_first + column * (cell_width + gap), y_first + row * (cell_height + gap)
            self._draw_plane(canvas, index, (x + (cell_width - width) // 2, y), theme)
            if self.labels:
                center = (x + cell_width / 2, y + height + LABEL / 2)
                canvas.text(center, self.labels[index], size=TEXT, color=theme.faint)

    def _draw_plane(self, canvas: Canvas, index: int, corner: Point, theme: Theme) -> None:
        pixels = self.pictures[index]
        if self.texts:
            draw_cells(canvas, corner, self._cells[0], make_cells(pixels, self.texts[index]), theme)
            return
        box = (*corner, *self._tile)
        canvas.picture(box, pixels)
        canvas.rectangle(box, outline=theme.faint)


def make_cells(pixels: Array, texts: Sequence[Sequence[str]]) -> list[list[Cell | None]]:
    """Return cells of a plane's colors, (h, w, 3), with its numbers."""
    return [
        [Cell((red, green, blue), text) for (red, green, blue), text in zip(row, line, strict=True)]
        for row, line in zip(pixels.tolist(), texts, strict=True)
    ]


def make_sheet_panel(
    title: str,
    values: Array,
    theme: Theme,
    *,
    scale: Scale | None = None,
    pixels: Array | None = None,
    notes: Sequence[str] = (),
) -> ContactSheet:
    """Return the panel of a map of several channels, all on one scale.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    theme : Theme
    scale : Scale, optional
        By default as `choose_scale` has it.
    pixels : ndarray of uint8, (H, W, C), optional
        The channels as they are written, on that scale.
    notes : sequence of str
        Captions.
    """
    height, width, channels = values.shape
    scale = scale or choose_scale([values])
    shown = values[:, :, :MAX_CHANNELS]
    if pixels is not None:
        levels = np.moveaxis(pixels[:, :, :MAX_CHANNELS], 2, 0)
        pictures = [np.repeat(plane[:, :, np.newaxis], 3, axis=2) for plane in levels]
    else:
        most = max(abs(scale.low), abs(scale.high))
        ends = (-most, most) if scale.is_diverging else (scale.low, scale.high)
        planes = (shrink(np.clip(plane, *ends)) for plane in np.moveaxis(shown, 2, 0))
        pictures = [scale.paint(plane, theme) for plane in planes]
    beyond = note_beyond(values, scale) if pixels is None else []
    captions = [format_sides(height, width, channels), *notes, *beyond, *note_missing(values)]
    if channels > MAX_CHANNELS:
        captions.append(f"the first {MAX_CHANNELS} channels")
    columns = _count_columns(len(pictures), height, width)
    return ContactSheet(
        title,
        captions,
        scale,
        pictures,
        labels=[str(index) for index in range(len(pictures))],
        columns=columns,
        side=min(max(SHEET_SIDE / columns, MIN_SIDE), MAX_SIDE),
        texts=_number_cells(np.moveaxis(shown, 2, 0)),
    )


def _number_cells(planes: Array) -> list[list[list[str]]]:
    """Return the numbers of planes, (count, h, w); none if they are too many or too long."""
    if max(planes.shape[1:]) > MAX_NUMBERED_SIDE or planes.size > MAX_NUMBERS:
        return []
    texts = [format_cells(plane) for plane in planes]
    side, _ = fit_cells(row for plane in texts for row in plane)
    return texts if side <= MAX_CELL else []


def _count_columns(count: int, height: int, width: int) -> int:
    """Count the columns with which so many pictures of a shape fill a sheet."""
    share = min(max(height / width, 0.1), 10.0)
    return min(max(round(math.sqrt(count * RATIO * share)), 1), count)


def note_missing(values: Array) -> list[str]:
    """Return a caption that counts the NaN of a map, if there are any."""
    count = int(np.count_nonzero(np.isnan(values)))
    return [f"{count:,} NaN, in purple"] if count else []


def make_weights_panel(
    title: str,
    weights: Array,
    theme: Theme,
    *,
    notes: Sequence[str] = (),
    input_names: Sequence[str] = (),
) -> ContactSheet:
    """Return the panel of a layer's weights: a row for each output, a column for each input.

    Parameters
    ----------
    title : str
    weights : ndarray, (C_out, C_in, kh, kw)
    theme : Theme
    notes : sequence of str
        Captions.
    input_names : sequence of str, optional
        What the columns are called instead of by their numbers.
    """
    outputs, inputs, height, width = weights.shape
    shown = weights[:MAX_LINES, :MAX_LINES]
    rows, columns = shown.shape[:2]
    planes = shown.reshape(-1, height, width)
    scale = kernel_scale(weights)
    captions = [format_sides(*weights.shape), *notes]
    for word, count, drawn in (("outputs", outputs, rows), ("inputs", inputs, columns)):
        if count > drawn:
            captions.append(f"the first {drawn} of {count} {word}")
    return ContactSheet(
        title,
        captions,
        scale,
        [scale.paint(plane, theme) for plane in planes],
        columns=columns,
        side=min(max(SHEET_SIDE / max(rows, columns), MIN_SIDE), MAX_WEIGHT_SIDE),
        texts=_number_cells(planes),
        row_labels=[f"out {row}" for row in range(rows)] if outputs > 1 else (),
        column_labels=[
            input_names[column] if len(input_names) == inputs else f"in {column}"
            for column in range(columns)
        ],
    )


def make_color_panel(title: str, weights: Array, notes: Sequence[str] = ()) -> ContactSheet:
    """Return the panel of a layer over red, green and blue: a colored picture of each map.

    Parameters
    ----------
    title : str
    weights : ndarray, (C_out, 3, kh, kw)
        Zero is mid-gray, as all are on one scale.
    notes : sequence of str
        Captions.
    """
    count, _, height, width = weights.shape
    largest = float(np.abs(weights).max())
    levels = gray_levels(weights[:MAX_CHANNELS].transpose(0, 2, 3, 1), -largest, largest)
    captions = [format_sides(*weights.shape), *notes, "as colors, 0 mid-gray"]
    if count > MAX_CHANNELS:
        captions.append(f"the first {MAX_CHANNELS} maps")
    columns = _count_columns(len(levels), height, width)
    return ContactSheet(
        title,
        captions,
        Scale(-largest, largest),
        list(levels),
        labels=[str(index) for index in range(len(levels))],
        columns=columns,
        side=min(max(SHEET_SIDE / columns, MIN_SIDE), MAX_WEIGHT_SIDE),
    )


def shrink(plane: Array) -> Array:
    """Return the means of blocks of a plane that is larger than any picture of it."""
    step = max(plane.shape) // MAX_SIDE
    if step < 2:
        return plane
    rows, columns = (max(side // step, 1) for side in plane.shape)
    high, wide = (min(step, side) for side in plane.shape)
    blocks = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    return np.asarray(blocks.mean(axis=(1, 3)))
