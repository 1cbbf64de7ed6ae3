"""Contact sheets: the channels of a map as pictures in a grid, each with its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convcli.engine.arrays import Array
from convcli.pictures.boxes import Point
from convcli.pictures.canvas import Canvas, Panel
from convcli.pictures.fonts import text_width
from convcli.pictures.text import format_cell, format_sides
from convcli.pictures.theme import TEXT, Theme, gray_levels, heat_map

SHEET_SIDE = 900  # pixels of the longer side of all pictures together, about
MIN_SIDE, MAX_SIDE = 24, 160  # pixels of the longer side of a picture
MAX_CHANNELS = 256  # that are drawn
GAP = 4  # pixels between pictures
LABEL = 14  # pixels of the height of a number


@dataclass(frozen=True)
class ContactSheet(Panel):
    """Pictures of one size in a grid, each with a label below it.

    Parameters
    ----------
    pictures : sequence of ndarray of uint8, (h, w) or (h, w, 3)
    labels : sequence of str
    """

    pictures: Sequence[Array] = ()
    labels: Sequence[str] = ()

    @property
    def columns(self) -> int:
        """Pictures in a row."""
        return math.ceil(math.sqrt(len(self.pictures)))

    @property
    def cell(self) -> Point:
        """The width and the height of a picture with its label."""
        width, height = self._tile
        return max(width, *(text_width(label, TEXT) for label in self.labels)), height + LABEL

    @property
    def body(self) -> Point:
        """The width and height of all pictures."""
        rows = -(-len(self.pictures) // self.columns)
        width, height = self.cell
        return self.columns * (width + GAP) - GAP, rows * (height + GAP) - GAP

    @property
    def _tile(self) -> Point:
        height, width = self.pictures[0].shape[:2]
        side = min(max(SHEET_SIDE / self.columns, MIN_SIDE), MAX_SIDE)
        scale = side / max(height, width)
        return max(math.floor(width * scale), 1), max(math.floor(height * scale), 1)

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the pictures and their labels."""
        (cell_width, cell_height), (width, height) = self.cell, self._tile
        for index, (pixels, label) in enumerate(zip(self.pictures, self.labels, strict=True)):
            row, column = divmod(index, self.columns)
            x, y = left + column * (cell_width + GAP), top + row * (cell_height + GAP)
            box = (x + (cell_width - width) // 2, y, width, height)
            canvas.picture(box, pixels)
            canvas.rectangle(box, outline=theme.faint)
            center = (x + cell_width / 2, y + height + LABEL / 2)
            canvas.text(center, label, size=TEXT, color=theme.faint)


def make_sheet_panel(title: str, values: Array, theme: Theme) -> ContactSheet:
    """Return the panel of a map of many channels, all on one scale; zero is neutral if signed.

    Parameters
    ----------
    title : str
    values : ndarray, (H, W, C)
    theme : Theme
    """
    height, width, channels = values.shape
    finite = values[np.isfinite(values)]
    least, largest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    most = max(abs(least), abs(largest))
    planes = [
        _shrink(np.nan_to_num(values[:, :, channel], nan=0.0, posinf=most, neginf=-most))
        for channel in range(min(channels, MAX_CHANNELS))
    ]
    if least < 0:
        pictures = [heat_map(plane, most, theme) for plane in planes]
        scale = f"{format_cell(-most)} to {format_cell(most)}, 0 neutral"
    else:
        pictures = [gray_levels(plane, 0.0, largest) for plane in planes]
        scale = f"black 0, white {format_cell(largest)}"
    captions = [format_sides(height, width, channels), scale]
    if count := int(np.count_nonzero(np.isnan(values))):
        captions.append(f"{count:,} NaN as 0")
    if channels > MAX_CHANNELS:
        captions.append(f"the first {MAX_CHANNELS} channels")
    return ContactSheet(title, captions, pictures, [str(index) for index in range(len(pictures))])


def make_color_panel(title: str, weights: Array) -> ContactSheet:
    """Return the panel of a layer over red, green and blue: a colored picture of each map.

    Parameters
    ----------
    title : str
    weights : ndarray, (C_out, 3, kh, kw)
        Zero is mid-gray, as all are on one scale.
    """
    count, _, height, width = weights.shape
    largest = float(np.abs(weights).max())
    levels = gray_levels(weights[:MAX_CHANNELS].transpose(0, 2, 3, 1), -largest, largest)
    ends = f"{format_cell(-largest)} to {format_cell(largest)}, 0 mid-gray"
    captions = [format_sides(count, 3, height, width), ends]
    if count > MAX_CHANNELS:
        captions.append(f"the first {MAX_CHANNELS} maps")
    return ContactSheet(title, captions, list(levels), [str(index) for index in range(len(levels))])


def _shrink(plane: Array) -> Array:
    """Return the means of blocks of a plane that is larger than any picture of it."""
    step = max(plane.shape) // MAX_SIDE
    if step < 2:
        return plane
    rows, columns = (max(side // step, 1) for side in plane.shape)
    high, wide = (min(step, side) for side in plane.shape)
    blocks = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    return np.asarray(blocks.mean(axis=(1, 3)))
