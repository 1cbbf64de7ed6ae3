"""Canvases of pixels or SVG, and sheets of panels that are drawn on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from convcli.arithmetic.values import Pair
from convcli.errors import LimitError
from convcli.pictures.boxes import Point
from convcli.pictures.fonts import text_width
from convcli.pictures.raster import Raster
from convcli.pictures.theme import GAP, LINE, MARGIN, TEXT, TITLE, Style, Theme
from convcli.pictures.vector import Vector

MAX_SHEET_PIXELS = 64_000_000
DEFAULT_STYLE = Style()

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
    def details(self) -> Sequence[str]:
        """What is said of it besides its title, to those who do not see it."""
        return self.captions

    @property
    def axis(self) -> float:
        """How far below its top the line lies on which signs stand beside it."""
        return LINE * 1.5 + self.body[1] / 2

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
    return widths, [sum(row_extent(row)) for row in rows]


def row_extent(row: Iterable[Panel]) -> Point:
    """How far the panels of a row reach above their axis, and below it."""
    panels = list(row)
    above = max(panel.axis for panel in panels)
    return above, max(panel.size[1] - panel.axis for panel in panels)


def render(
    rows: Sequence[Sequence[Panel]],
    suffix: str,
    style: Style = DEFAULT_STYLE,
    *,
    title: str = "",
    description: str = "",
) -> bytes:
    """Render rows of panels, each centered in its column, those of a row on one axis.

    Parameters
    ----------
    rows : sequence of sequences of Panel
    suffix : {".png", ".svg"}
    style : Style
    title, description : str
        What the picture shows; in place of an empty description, the panels are listed.

    Returns
    -------
    bytes
        A PNG or an SVG file.

    Raises
    ------
    LimitError
        For a picture that is too large.
    """
    canvas = make_canvas(sheet_size(rows), suffix, style)
    widths, _ = _extents(rows)
    top = float(MARGIN)
    for row in rows:
        (above, below), left = row_extent(row), float(MARGIN)
        for panel, column_width in zip(row, widths, strict=False):
            x = left + (column_width - panel.size[0]) // 2
            panel.draw(canvas, x, top + above - panel.axis, style.theme)
            left += column_width + GAP
        top += above + below + GAP
    return canvas.document(title, description or describe(rows))


def describe(rows: Sequence[Sequence[Panel]]) -> str:
    """List the panels with their captions, a sentence for each row."""
    return " ".join(f"{'; '.join(map(_describe_panel, row))}." for row in rows)


def _describe_panel(panel: Panel) -> str:
    return f"{panel.title} ({', '.join(panel.details)})" if panel.details else panel.title
