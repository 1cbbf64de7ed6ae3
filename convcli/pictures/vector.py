"""A canvas of SVG."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from html import escape

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.pictures.boxes import Box, Line, Point, box_diagonals
from convcli.pictures.fonts import replace_unprintable
from convcli.pictures.raster import encode_png, resize
from convcli.pictures.theme import Color, Ink

MAX_EMBEDDED_PIXELS = 4_000_000  # of all pictures in an SVG, as they are
SVG_FONTS = "Arial, Helvetica, 'Liberation Sans', sans-serif"  # as wide as Pillow's own, about


class Vector:
    """A canvas of SVG, sharp at any size, with the parameters and methods of `Raster`."""

    def __init__(
        self,
        width: float,
        height: float,
        background: Color,
        *,
        scale: float = 1.0,
        is_transparent: bool = False,
    ) -> None:
        self._size, self._scale = (width, height), scale
        self._halo = background if is_transparent else None
        self._embedded = 0  # pixels of pictures
        self._elements: list[str] = []
        if not is_transparent:
            self.rectangle((0, 0, width, height), fill=background)

    def rectangle(
        self, box: Box, *, fill: Ink = None, outline: Ink = None, width: float = 1, dash: float = 0
    ) -> None:
        """Draw a box, and lines along its sides."""
        stroke = "" if outline is None else f" {_stroke(outline, width, dash)}"
        self._elements.append(f'<rect {_position(box)} fill="{_hex(fill)}"{stroke}/>')

    def lines(
        self, lines: Iterable[Line], color: Color, *, width: float = 1, dash: float = 0
    ) -> None:
        """Draw horizontal and vertical lines."""
        path = "".join(
            f"M{x:g} {y:g}" + (f"H{x_end:g}" if x_end > x else f"V{y_end:g}")
            for (x, y), (x_end, y_end) in lines
        )
        if path:
            self._elements.append(f'<path d="{path}" {_stroke(color, width, dash)}/>')

    def hatch(self, box: Box, color: Color) -> None:
        """Draw three diagonals across a box, which go on in a box beside it."""
        ends = ((*start, *end) for start, end in box_diagonals(box))
        path = "".join("M{:g} {:g}L{:g} {:g}".format(*line) for line in ends)
        self._elements.append(f'<path d="{path}" stroke="{_hex(color)}"/>')

    def text(
        self, center: Point, text: str, *, size: float, color: Color, is_on_page: bool = True
    ) -> None:
        """Write text, centered both ways, on the page or on what was drawn there."""
        halo = ""
        if self._halo is not None and is_on_page:
            halo = (
                f' stroke="{_hex(self._halo)}" stroke-width="{size / 4:g}" '
                'stroke-linejoin="round" paint-order="stroke"'
            )
        self._elements.append(
            f'<text x="{center[0]:g}" y="{center[1]:g}" font-size="{size:g}" '
            f'fill="{_hex(color)}"{halo} text-anchor="middle" dominant-baseline="central">'
            f"{_escape(text)}</text>"
        )

    def picture(self, box: Box, pixels: Array) -> None:
        """Embed (h, w) or (h, w, 3) pixels of 8 bits in a box; enlarged ones stay sharp.

        They are embedded as they are, up to `MAX_EMBEDDED_PIXELS` of all pictures, and of those
        that come after as many as are seen.
        """
        height, width = pixels.shape[:2]
        shown = self._pixels(box[2]), self._pixels(box[3])
        is_enlarged = shown[0] >= width and shown[1] >= height
        size = _embedded_size((width, height), shown, MAX_EMBEDDED_PIXELS - self._embedded)
        self._embedded += size[0] * size[1]
        data = base64.b64encode(encode_png(resize(_drop_colors(pixels), size))).decode("ascii")
        source = f"data:image/png;base64,{data}"
        sharp = ' style="image-rendering:pixelated"' if is_enlarged else ""
        # Readers of SVG 1.1 know xlink:href alone, and those of SVG 2 may know href alone.
        self._elements.append(
            f'<image {_position(box)} preserveAspectRatio="none"{sharp} href="{source}" '
            f'xlink:href="{source}"/>'
        )

    def _pixels(self, length: float) -> int:
        return max(math.ceil(length * self._scale), 1)

    def document(self, title: str = "", description: str = "") -> bytes:
        """The SVG file, with what it shows for those who do not see it."""
        width, height = self._size
        names = [
            f"<{tag}>{_escape(text)}</{tag}>"
            for tag, text in (("title", title), ("desc", description))
            if text
        ]
        head = (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{self._pixels(width)}" height="{self._pixels(height)}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img" shape-rendering="crispEdges" '
            f'font-family="{SVG_FONTS}">'
        )
        return "\n".join([head, *names, *self._elements, "</svg>\n"]).encode()


def _embedded_size(size: Pair, shown: Pair, most: int) -> Pair:
    """The (width, height) that a picture is embedded with: its own, if no more than `most` pixels.

    Else as much as `most` allows, but no less than is shown.

    >>> _embedded_size((400, 100), (20, 5), 10_000), _embedded_size((400, 100), (20, 5), 0)
    ((200, 50), (20, 5))
    """
    width, height = size
    share = math.sqrt(min(max(most, 0) / (width * height), 1.0))
    fitted = (max(int(width * share), 1), max(int(height * share), 1))
    least = min(shown[0], width), min(shown[1], height)
    return fitted if fitted[0] * fitted[1] >= least[0] * least[1] else least


def _drop_colors(pixels: Array) -> Array:
    """Return pixels of one channel for those that are gray: a third of the data."""
    if pixels.ndim == 3 and (pixels[:, :, :1] == pixels[:, :, 1:]).all():
        return pixels[:, :, 0]
    return pixels


def _escape(text: str) -> str:
    return escape(replace_unprintable(text))


def _stroke(color: Color, width: float, dash: float) -> str:
    """A line's color, width and dashes as attributes of SVG."""
    dashes = f' stroke-dasharray="{dash:g}"' if dash else ' stroke-linecap="square"'
    return f'stroke="{_hex(color)}" stroke-width="{width:g}"{dashes}'


def _position(box: Box) -> str:
    """A box as attributes of SVG."""
    return 'x="{:g}" y="{:g}" width="{:g}" height="{:g}"'.format(*box)


def _hex(color: Color | None) -> str:
    return "none" if color is None else "#{:02x}{:02x}{:02x}".format(*color)
