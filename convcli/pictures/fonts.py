"""The fonts of pictures: what a text is drawn with, and how wide it is."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from PIL import ImageDraw, ImageFont

from convcli.pictures.theme import Color

MAX_CACHED_WIDTHS = 4096  # texts whose width is remembered


def replace_unprintable(text: str) -> str:
    """Put a question mark for each character that no font can show or XML cannot hold."""
    return "".join(character if character.isprintable() else "?" for character in text)


@lru_cache(MAX_CACHED_WIDTHS)
def text_width(text: str, size: float) -> float:
    """The width of text in pixels."""
    return float(_font(size).getlength(replace_unprintable(text)))


def draw_text(
    draw: ImageDraw.ImageDraw,
    center: tuple[float, float],
    text: str,
    *,
    size: float,
    color: Color,
    halo: Color | None = None,
) -> None:
    """Draw text on a picture, centered both ways; a halo of a color is drawn around it."""
    width = max(round(size / 8), 1) if halo is not None else 0
    draw.text(
        center, replace_unprintable(text), color, _font(size), anchor="mm", stroke_width=width,
        stroke_fill=halo,
    )  # fmt: skip


@cache
def _font(size: float) -> Any:
    return ImageFont.load_default(size)
