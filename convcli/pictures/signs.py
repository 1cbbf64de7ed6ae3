"""Signs of arithmetic, drawn as strokes: Pillow's own font has none of them."""

from __future__ import annotations

import math
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from convcli.pictures.theme import Color
from convcli.records import NamedTuple

MAX_CACHED_SIGNS = 256
THICKNESS = 0.07  # of a stroke, as of Pillow's own font; all measures are shares of the type's size
MIDDLE = 0.325  # above the base line, where a plus has its horizontal stroke
SUBPIXELS = 8  # a side of a pixel, that are drawn and averaged
ROOM = 1  # pixels around a sign for its smoothed edges

Stroke = tuple[float, float, float, float]  # from x, y to x, y, upwards from the base line


class Sign(NamedTuple):
    """A sign: how wide it is with the room around it, and its strokes."""

    width: float
    strokes: tuple[Stroke, ...]


def _star(radius: float, angles: tuple[float, ...], x: float = 0.29) -> tuple[Stroke, ...]:
    """Strokes of one length through a point of the middle, at angles in degrees."""
    reaches = [(radius * math.cos(angle), radius * math.sin(angle)) for angle in
               map(math.radians, angles)]  # fmt: skip
    return tuple((x - a, MIDDLE - b, x + a, MIDDLE + b) for a, b in reaches)


SIGNS = {
    "\N{MINUS SIGN}": Sign(0.58, _star(0.21, (0,))),
    "\N{MULTIPLICATION SIGN}": Sign(0.58, _star(0.235, (45, 135))),
    "\N{ASTERISK OPERATOR}": Sign(0.58, _star(0.19, (30, 90, 150))),
    "\N{RIGHTWARDS ARROW}": Sign(
        0.9,
        (
            (0.06, MIDDLE, 0.8, MIDDLE),
            (0.62, MIDDLE + 0.19, 0.82, MIDDLE - 0.02),
            (0.62, MIDDLE - 0.19, 0.82, MIDDLE + 0.02),
        ),
    ),
}


def sign_width(sign: str, size: float) -> float:
    """The width of a sign in pixels, whole as Pillow's own font has it."""
    return round(SIGNS[sign].width * size)


def draw_sign(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float],
    sign: str,
    *,
    size: float,
    color: Color,
    halo_width: int = 0,
) -> None:
    """Draw a sign from a point of the base line, as wide around as a halo asks for."""
    mask, above = _make_mask(sign, size, halo_width)
    draw.bitmap((round(start[0]) - ROOM - halo_width, round(start[1]) - above), mask, color)


@lru_cache(MAX_CACHED_SIGNS)
def _make_mask(sign: str, size: float, halo_width: int) -> tuple[Image.Image, int]:
    """Return a sign's coverage of pixels, and how many rows of it lie above the base line."""
    edge = ROOM + halo_width
    width, above = math.ceil(SIGNS[sign].width * size) + 2 * edge, math.ceil(size) + edge
    mask = Image.new("L", (width * SUBPIXELS, (above + edge) * SUBPIXELS))
    pen = ImageDraw.Draw(mask)
    thickness = max(THICKNESS * size, 1.0)
    for x, y, x_end, y_end in SIGNS[sign].strokes:
        first, second = (
            (edge + x * size, above - y * size),
            (edge + x_end * size, above - y_end * size),
        )
        if y == y_end:  # sharp, as the font's own: whole rows of pixels
            row = round(first[1] - round(thickness) / 2) + round(thickness) / 2
            first, second = (first[0], row), (second[0], row)
        pen.polygon(_outline(first, second, round(thickness) if y == y_end else thickness), 255)
    coverage = mask.reduce(SUBPIXELS)
    if halo_width:
        coverage = coverage.filter(ImageFilter.MaxFilter(2 * halo_width + 1))
    return coverage, above


def _outline(
    first: tuple[float, float], second: tuple[float, float], thickness: float
) -> list[tuple[float, float]]:
    """The corners of a stroke, in subpixels."""
    length = math.dist(first, second)
    across = (second[1] - first[1]) / length, (first[0] - second[0]) / length
    half = thickness / 2
    ends = ((first, half), (second, half), (second, -half), (first, -half))
    corners = ((x + reach * across[0], y + reach * across[1]) for (x, y), reach in ends)
    return [(x * SUBPIXELS - 0.5, y * SUBPIXELS - 0.5) for x, y in corners]
