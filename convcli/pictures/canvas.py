"""What panels draw on: pixels by Pillow, or SVG, with the same few calls."""

from __future__ import annotations

import base64
import io
from functools import cache, lru_cache
from html import escape
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convcli.pictures.theme import Color

Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height
Point: TypeAlias = tuple[float, float]

DASH = 4  # pixels of a dash, and of the gap after it


class Canvas(Protocol):
    """A surface to draw on; lengths in pixels, from the top left corner."""

    def rectangle(
        self,
        box: Box,
        *,
        fill: Color | None = None,
        outline: Color | None = None,
        width: int = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a box."""

    def text(
        self, at: Point, words: str, *, size: int, color: Color, anchor: str = "middle"
    ) -> None:
        """Write words, centred on a height; the anchor is "start", "middle" or "end"."""

    def picture(self, box: Box, pixels: NDArray[Any]) -> None:
        """Scale (h, w) or (h, w, 3) pixels of 8 bits into a box; small ones stay sharp."""


class Raster:
    """A canvas of pixels."""

    def __init__(self, width: int, height: int, background: Color) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self._draw = ImageDraw.Draw(self.image)

    def rectangle(
        self,
        box: Box,
        *,
        fill: Color | None = None,
        outline: Color | None = None,
        width: int = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a box."""
        left, top, right, bottom = _corners(box)
        if fill is not None or not dashed:  # with neither, Pillow draws its own default
            self._draw.rectangle(
                (left, top, right, bottom), fill, None if dashed else outline, width
            )
        if dashed and outline is not None:
            for x in range(left, right, 2 * DASH):
                for y in (top, bottom):
                    self._draw.line((x, y, min(x + DASH, right), y), outline, width)
            for y in range(top, bottom, 2 * DASH):
                for x in (left, right):
                    self._draw.line((x, y, x, min(y + DASH, bottom)), outline, width)

    def text(
        self, at: Point, words: str, *, size: int, color: Color, anchor: str = "middle"
    ) -> None:
        """Write words."""
        where = {"start": "lm", "middle": "mm", "end": "rm"}[anchor]
        self._draw.text(at, printable(words), color, _font(size), anchor=where)

    def picture(self, box: Box, pixels: NDArray[Any]) -> None:
        """Scale pixels into a box."""
        left, top, right, bottom = _corners(box)
        scaled = _scaled(pixels, (right - left + 1, bottom - top + 1))
        self.image.paste(scaled, (left, top))


class Vector:
    """A canvas of SVG, whose numbers stay sharp at any size."""

    def __init__(self, width: int, height: int, background: Color) -> None:
        self._size = (width, height)
        self._parts: list[str] = []
        self.rectangle((0, 0, width, height), fill=background)

    def rectangle(
        self,
        box: Box,
        *,
        fill: Color | None = None,
        outline: Color | None = None,
        width: int = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a box."""
        left, top, wide, high = box
        look = f'fill="{_hex(fill)}" stroke="{_hex(outline)}" stroke-width="{width}"'
        look += f' stroke-dasharray="{DASH}"' if dashed else ""
        self._parts.append(
            f'<rect x="{left:g}" y="{top:g}" width="{wide:g}" height="{high:g}" {look}/>'
        )

    def text(
        self, at: Point, words: str, *, size: int, color: Color, anchor: str = "middle"
    ) -> None:
        """Write words."""
        self._parts.append(
            f'<text x="{at[0]:g}" y="{at[1]:g}" font-size="{size}" fill="{_hex(color)}" '
            f'text-anchor="{anchor}" dominant-baseline="central">{escape(printable(words))}</text>'
        )

    def picture(self, box: Box, pixels: NDArray[Any]) -> None:
        """Scale pixels into a box."""
        left, top, wide, high = box
        held = io.BytesIO()
        _scaled(pixels, (round(wide), round(high))).save(held, "PNG")
        data = base64.b64encode(held.getvalue()).decode("ascii")
        self._parts.append(
            f'<image x="{left:g}" y="{top:g}" width="{wide:g}" height="{high:g}" '
            f'href="data:image/png;base64,{data}"/>'
        )

    def document(self) -> bytes:
        """The SVG file."""
        width, height = self._size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif">'
        )
        return "\n".join([head, *self._parts, "</svg>\n"]).encode()


def printable(words: str) -> str:
    """Words without what no font can show and no XML can hold."""
    return "".join(sign if sign.isprintable() else "?" for sign in words)


@lru_cache(maxsize=4096)
def text_width(words: str, size: int) -> float:
    """How wide words are, in Pillow's own font."""
    return float(_font(size).getlength(words))


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _scaled(pixels: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    grows = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if grows else Image.Resampling.BOX)


def _corners(box: Box) -> tuple[int, int, int, int]:
    left, top, wide, high = box
    return round(left), round(top), round(left + wide) - 1, round(top + high) - 1


def _hex(color: Color | None) -> str:
    return "none" if color is None else "#{:02x}{:02x}{:02x}".format(*color)
