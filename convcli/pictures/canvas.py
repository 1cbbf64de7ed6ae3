"""Canvases of pixels or SVG, and sheets of panels that are drawn on them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, PngImagePlugin

from convcli.arithmetic.values import Pair
from convcli.engine.arrays import Array
from convcli.errors import LimitError
from convcli.pictures.fonts import draw_text, replace_unprintable, text_width
from convcli.pictures.theme import GAP, LINE, MARGIN, TEXT, TITLE, Color, Style, Theme

Box: TypeAlias = tuple[float, float, float, float]  # left, top, width, height
Point: TypeAlias = tuple[float, float]
Line: TypeAlias = tuple[Point, Point]  # from its left or upper end
Ink: TypeAlias = Color | None  # None leaves it out

MAX_SHEET_PIXELS = 64_000_000
MAX_EMBEDDED_PIXELS = 4_000_000  # of all pictures in an SVG, as they are
SVG_FONTS = "Arial, Helvetica, 'Liberation Sans', sans-serif"  # as wide as Pillow's own, about
DEFAULT_STYLE = Style()


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
            self.lines(_sides(box), outline, width=width, dash=dash)

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
        for start, end in _diagonals(box):
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
        self.image.paste(_resize(pixels, (right - left + 1, bottom - top + 1)), (left, top))

    def document(self, title: str = "", description: str = "") -> bytes:
        """The PNG file, with what it shows in text chunks."""
        texts = PngImagePlugin.PngInfo()
        for name, text in (("Title", title), ("Description", description)):
            if text:
                texts.add_itxt(name, replace_unprintable(text))
        return _encode_png(self.image, optimize=True, pnginfo=texts)

    def _pixel(self, point: Point) -> tuple[int, int]:
        return round(point[0] * self._scale), round(point[1] * self._scale)

    def _corners(self, box: Box) -> tuple[int, int, int, int]:
        """The first and the last column and row of pixels: left, top, right, bottom.

        Of a side below a pixel, there is one.
        """
        left, top = self._pixel(box[:2])
        right, bottom = self._pixel((box[0] + box[2], box[1] + box[3]))
        return left, top, max(right - 1, left), max(bottom - 1, top)


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
        ends = ((*start, *end) for start, end in _diagonals(box))
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
        data = base64.b64encode(_encode_png(_resize(pixels, size))).decode("ascii")
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


Canvas: TypeAlias = Raster | Vector


def make_canvas(size: Point, suffix: str, style: Style) -> Canvas:
    """Return an empty canvas of a width and a height, of ".svg" or of pixels.

    Raises
    ------
    LimitError
        For a picture that is too large.
    """
    width, height = (math.ceil(side * style.scale) for side in size)
    if width * height > MAX_SHEET_PIXELS:
        raise LimitError(f"the picture would be {width}x{height} pixels, which is too large")
    kind = Vector if suffix == ".svg" else Raster
    return kind(*size, style.theme.page, scale=style.scale, is_transparent=style.is_transparent)


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


def render(
    rows: Sequence[Sequence[Panel]],
    suffix: str,
    style: Style = DEFAULT_STYLE,
    *,
    title: str = "",
    description: str = "",
) -> bytes:
    """Render rows of panels, each centered in its column and row, as a PNG or an SVG file.

    Parameters
    ----------
    rows : sequence of sequences of Panel
    suffix : {".png", ".svg"}
    style : Style
    title, description : str
        What the picture shows; in place of an empty description, the panels are listed.

    Raises
    ------
    LimitError
        For a picture that is too large.
    """
    canvas = make_canvas(sheet_size(rows), suffix, style)
    widths, heights = _extents(rows)
    top = float(MARGIN)
    for row, row_height in zip(rows, heights, strict=True):
        left = float(MARGIN)
        for panel, column_width in zip(row, widths, strict=False):
            x = left + (column_width - panel.size[0]) // 2
            panel.draw(canvas, x, top + (row_height - panel.size[1]) // 2, style.theme)
            left += column_width + GAP
        top += row_height + GAP
    return canvas.document(title, description or describe(rows))


def describe(rows: Sequence[Sequence[Panel]]) -> str:
    """List the panels with their captions, a sentence for each row."""
    return " ".join(f"{'; '.join(map(_describe_panel, row))}." for row in rows)


def _describe_panel(panel: Panel) -> str:
    return f"{panel.title} ({', '.join(panel.captions)})" if panel.captions else panel.title


def grid_box(corner: Point, rows: Pair, columns: Pair, side: float) -> Box:
    """The box of some rows and columns, the first to the last of each, in a grid of squares."""
    (top, bottom), (left, right) = rows, columns
    x, y = corner[0] + left * side, corner[1] + top * side
    return x, y, (right + 1 - left) * side, (bottom + 1 - top) * side


def cell_box(corner: Point, at: Pair, side: float) -> Box:
    """The box of the square at (row, column) of a grid."""
    return corner[0] + at[1] * side, corner[1] + at[0] * side, side, side


def _resize(pixels: Array, size: tuple[int, int]) -> Image.Image:
    """Scale pixels to (width, height); those of one channel stay gray."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if (image.width, image.height) == size:
        return image
    is_enlarged = size[0] >= image.width and size[1] >= image.height
    return image.resize(size, Image.Resampling.NEAREST if is_enlarged else Image.Resampling.BOX)


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


def _encode_png(image: Image.Image, **options: Any) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG", **options)
    return encoded.getvalue()


def _sides(box: Box) -> list[Line]:
    """The four sides of a box, each from its left or upper end."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    corners = (left, top), (right, top), (left, bottom), (right, bottom)
    return [(corners[start], corners[end]) for start, end in ((0, 1), (2, 3), (0, 2), (1, 3))]


def _diagonals(box: Box) -> list[Line]:
    """Three lines across a box, upward to the right: from one corner to another, and half of it."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    x, y = (left + right) / 2, (top + bottom) / 2
    return [((left, y), (x, top)), ((left, bottom), (right, top)), ((x, bottom), (right, y))]


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
