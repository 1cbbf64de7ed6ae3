"""A canvas of pixels, and pictures of other sizes as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from convcli.engine.arrays import Array
from convcli.pictures.boxes import Box, Line, Point, box_diagonals, box_sides
from convcli.pictures.fonts import draw_text, replace_unprintable
from convcli.pictures.theme import Color, Ink


class Raster:
    """A canvas of pixels, to be drawn on in the measures of `theme`, from the top left corner.

    Parameters
    ----------
    width, height : float
    background : Color
    scale : float
        Pixels of a length of 1.
    is_transparent : bool
        Leave the background out: text that stands on it has a halo of its color.
    """

    def __init__(
        self,
        width: float,
        height: float,
        background: Color,
        *,
        scale: float = 1.0,
        is_transparent: bool = False,
    ) -> None:
        size = math.ceil(width * scale), math.ceil(height * scale)
        if is_transparent:
            self.image = Image.new("RGBA", size, (*background, 0))
        else:
            self.image = Image.new("RGB", size, background)
        self._scale, self._halo = scale, background if is_transparent else None
        self._draw = ImageDraw.Draw(self.image)

    def rectangle(
        self, box: Box, *, fill: Ink = None, outline: Ink = None, width: float = 1, dash: float = 0
    ) -> None:
        """Draw a box, and lines along its sides, of dashes with gaps as long where `dash` is given.

        Lines lie along the sides, half inside: boxes beside each other share one.
        """
        if fill is not None:
            self._draw.rectangle(self._corners(box), fill)
        if outline is not None:
            self.lines(box_sides(box), outline, width=width, dash=dash)

    def lines(
        self, lines: Iterable[Line], color: Color, *, width: float = 1, dash: float = 0
    ) -> None:
        """Draw horizontal and vertical lines, of dashes with gaps as long where `dash` is given."""
        thickness = max(round(width * self._scale), 1)
        step = max(round(dash * self._scale), 1)
        before = thickness // 2
        for line in lines:
            (x, y), (x_end, y_end) = (self._pixel(point) for point in line)
            x, y, x_end, y_end = x - before, y - before, x_end - before, y_end - before
            length = max(x_end - x, y_end - y) + thickness
            is_across = x_end > x
            for start in range(0, length, 2 * step if dash else length):
                stop = min(start + step, length) if dash else length
                ends = (x + start, y, x + stop - 1, y + thickness - 1)
                if not is_across:
                    ends = (x, y + start, x + thickness - 1, y + stop - 1)
                self._draw.rectangle(ends, color)

    def hatch(self, box: Box, color: Color) -> None:
        """Draw three diagonals across a box, which go on in a box beside it."""
        for start, end in box_diagonals(box):
            ends = (*self._pixel(start), *self._pixel(end))
            self._draw.line(ends, color, max(round(self._scale), 1))

    def text(
        self, center: Point, text: str, *, size: float, color: Color, is_on_page: bool = True
    ) -> None:
        """Write text, centered both ways, on the page or on what was drawn there."""
        x, y = center[0] * self._scale, center[1] * self._scale
        halo = self._halo if is_on_page else None
        draw_text(self._draw, (x, y), text, size=size * self._scale, color=color, halo=halo)

    def picture(self, box: Box, pixels: Array) -> None:
        """Scale (h, w) or (h, w, 3) pixels of 8 bits into a box; enlarged ones stay sharp."""
        left, top, right, bottom = self._corners(box)
        self.image.paste(resize(pixels, (right - left + 1, bottom - top + 1)), (left, top))

    def document(self, title: str = "", description: str = "") -> bytes:
        """The PNG file, with what it shows in text chunks."""
        texts = PngImagePlugin.PngInfo()
        for name, text in (("Title", title), ("Description", description)):
            if text:
                texts.add_itxt(name, replace_unprintable(text))
        return encode_png(self.image, optimize=True, pnginfo=texts)

    def _pixel(self, point: Point) -> tuple[int, int]:
        return round(point[0] * self._scale), round(point[1] * self._scale)

    def _corners(self, box: Box) -> tuple[int, int, int, int]:
        """The first and the last column and row of pixels: left, top, right, bottom.

        Of a side below a pixel, there is one.
        """
        left, top = self._pixel(box[:2])
        right, bottom = self._pixel((box[0] + box[2], box[1] + box[3]))
        return left, top, max(right - 1, left), max(bottom - 1, top)


def resize(pixels: Array, size: tuple[int, int]) -> Image.Image:
    """Scale (h, w) or (h, w, 3) pixels of 8 bits to (width, height); enlarged ones stay sharp."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if (image.width, image.height) == size:
        return image
    is_enlarged = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if is_enlarged else Image.Resampling.BOX)


def encode_png(image: Image.Image, **options: Any) -> bytes:
    """Return the PNG file of a picture."""
    encoded = io.BytesIO()
    image.save(encoded, "PNG", **options)
    return encoded.getvalue()
