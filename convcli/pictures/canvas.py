"""Canvases of pixels or SVG, and sheets of panels that are drawn on them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from html import escape
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.pictures.theme import GAP, LIGHT, LINE, MARGIN, TEXT, TITLE, Color, Theme

Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height
Point: TypeAlias = tuple[float, float]
Ink: TypeAlias = Color | None  # None leaves it out

MAX_SHEET_PIXELS = 64_000_000
MAX_CACHED_WIDTHS = 4096  # texts whose width is remembered


class Raster:
    """A canvas of pixels; lengths are in pixels, from the top left corner."""

    def __init__(self, width: int, height: int, background: Color) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self._draw = ImageDraw.Draw(self.image)

    def rectangle(
        self, box: Box, *, fill: Ink = None, outline: Ink = None, width: int = 1, dash: int = 0
    ) -> None:
        """Draw a box; its outline has dashes of so many pixels, with gaps as long, or is solid."""
        left, top, right, bottom = _corners(box)
        if fill is not None or not dash:  # with neither, Pillow draws its own default
            border = None if dash else outline
            self._draw.rectangle((left, top, right, bottom), fill, border, width)
        if dash and outline is not None:
            for x in range(left, right, 2 * dash):
                for y in (top, bottom):
                    self._draw.line((x, y, min(x + dash, right), y), outline, width)
            for y in range(top, bottom, 2 * dash):
                for x in (left, right):
                    self._draw.line((x, y, x, min(y + dash, bottom)), outline, width)

    def text(self, center: Point, text: str, *, size: int, color: Color) -> None:
        """Write text, centered both ways."""
        self._draw.text(center, replace_unprintable(text), color, _font(size), anchor="mm")

    def picture(self, box: Box, pixels: Array) -> None:
        """Scale (h, w) or (h, w, 3) pixels of 8 bits into a box; enlarged ones stay sharp."""
        left, top, right, bottom = _corners(box)
        self.image.paste(_scale(pixels, (right - left + 1, bottom - top + 1)), (left, top))

    def document(self) -> bytes:
        """The PNG file."""
        return _encode_png(self.image, optimize=True)


class Vector:
    """A canvas of SVG, sharp at any size, with the methods of `Raster`."""

    def __init__(self, width: int, height: int, background: Color) -> None:
        self._size = (width, height)
        self._elements: list[str] = []
        self.rectangle((0, 0, width, height), fill=background)

    def rectangle(
        self, box: Box, *, fill: Ink = None, outline: Ink = None, width: int = 1, dash: int = 0
    ) -> None:
        """Draw a box."""
        style = f'fill="{_hex(fill)}" stroke="{_hex(outline)}" stroke-width="{width}"'
        style += f' stroke-dasharray="{dash}"' if dash else ""
        self._elements.append(f"<rect {_position(box)} {style}/>")

    def text(self, center: Point, text: str, *, size: int, color: Color) -> None:
        """Write text, centered both ways."""
        content = escape(replace_unprintable(text))
        self._elements.append(
            f'<text x="{center[0]:g}" y="{center[1]:g}" font-size="{size}" fill="{_hex(color)}" '
            f'text-anchor="middle" dominant-baseline="central">{content}</text>'
        )

    def picture(self, box: Box, pixels: Array) -> None:
        """Scale pixels into a box."""
        png = _encode_png(_scale(pixels, (max(round(box[2]), 1), max(round(box[3]), 1))))
        data = base64.b64encode(png).decode("ascii")
        self._elements.append(f'<image {_position(box)} href="data:image/png;base64,{data}"/>')

    def document(self) -> bytes:
        """The SVG file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif">'
        )
        return "\n".join([head, *self._elements, "</svg>\n"]).encode()


Canvas: TypeAlias = Raster | Vector


@dataclass(frozen=True)
class Panel:
    """A part of a sheet: a body between a title and captions, each centered."""

    title: str
    captions: Sequence[str] = ()

    @property
    def body(self) -> Point:
        """The body's width and height."""
        raise NotImplementedError

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the body with its top left corner at this position."""
        raise NotImplementedError

    @property
    def size(self) -> Point:
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


def sheet_size(rows: Sequence[Sequence[Panel]]) -> Pair:
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
    """Render rows of panels, each centered in its column and row, as a PNG or an SVG file."""
    width, height = sheet_size(rows)
    if width * height > MAX_SHEET_PIXELS:
        raise LimitError(f"the picture would be {width}x{height} pixels, which is too large")
    canvas = (Vector if suffix == ".svg" else Raster)(width, height, theme.page)
    widths, heights = _extents(rows)
    top = float(MARGIN)
    for row, row_height in zip(rows, heights, strict=True):
        left = float(MARGIN)
        for panel, column_width in zip(row, widths, strict=False):
            x = left + (column_width - panel.size[0]) // 2
            panel.draw(canvas, x, top + (row_height - panel.size[1]) // 2, theme)
            left += column_width + GAP
        top += row_height + GAP
    return canvas.document()


def grid_box(corner: Point, rows: Pair, columns: Pair, side: float) -> Box:
    """The box of some rows and columns, the first to the last of each, in a grid of squares."""
    (top, bottom), (left, right) = rows, columns
    x, y = corner[0] + left * side, corner[1] + top * side
    return x, y, (right + 1 - left) * side, (bottom + 1 - top) * side


def cell_box(corner: Point, at: Pair, side: float) -> Box:
    """The box of the square at (row, column) of a grid."""
    return corner[0] + at[1] * side, corner[1] + at[0] * side, side, side


def replace_unprintable(text: str) -> str:
    """Put a question mark for each character that no font can show or XML cannot hold."""
    return "".join(character if character.isprintable() else "?" for character in text)


@lru_cache(MAX_CACHED_WIDTHS)
def text_width(text: str, size: int) -> float:
    """The width of text in Pillow's own font, in pixels."""
    return float(_font(size).getlength(text))


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _scale(pixels: Array, size: tuple[int, int]) -> Image.Image:
    """Scale pixels to (width, height)."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    is_enlarged = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if is_enlarged else Image.Resampling.BOX)


def _encode_png(image: Image.Image, *, optimize: bool = False) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG", optimize=optimize)
    return encoded.getvalue()


def _corners(box: Box) -> tuple[int, int, int, int]:
    """The first and the last column and row of pixels: left, top, right, bottom.

    Of a side below a pixel, there is one.
    """
    left, top = round(box[0]), round(box[1])
    right, bottom = round(box[0] + box[2]) - 1, round(box[1] + box[3]) - 1
    return left, top, max(right, left), max(bottom, top)


def _position(box: Box) -> str:
    """A box as attributes of SVG."""
    return 'x="{:g}" y="{:g}" width="{:g}" height="{:g}"'.format(*box)


def _hex(color: Color | None) -> str:
    return "none" if color is None else "#{:02x}{:02x}{:02x}".format(*color)
