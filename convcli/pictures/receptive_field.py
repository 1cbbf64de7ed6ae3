"""The receptive field as a picture: what one output sees of every map before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from convcli.arithmetic.graph import Region
from convcli.pictures.canvas import Canvas
from convcli.pictures.panels import Panel, TitledPanel
from convcli.pictures.sheet import render
from convcli.pictures.theme import LIGHT, Theme, mix

Values = NDArray[Any]

SIDE = 190  # pixels of a map's longer side
MAX_GRID_LINES = 20  # positions a side that are still told apart
IN_A_ROW = 5


@dataclass(frozen=True)
class ReceptiveFieldPanel(TitledPanel):
    """One map, and the part of it that an output sees; what lies beyond its border is padding.

    Parameters
    ----------
    extent : (height, width)
        The map's.
    area : Area
        What is seen.
    picture : ndarray, optional
        Drawn in the map's place: (h, w) or (h, w, 3) of uint8.
    """

    extent: tuple[int, int] = (1, 1)
    area: Region = (None, None)
    picture: Values | None = field(default=None)

    @property
    def scale(self) -> float:
        """Pixels of a position."""
        return SIDE / max(self.extent)

    @property
    def overhang(self) -> tuple[float, float, float, float]:
        """How far the area reaches beyond the map: left, top, right, bottom, in pixels."""
        found = []
        for interval, size in zip(reversed(self.area), reversed(self.extent), strict=True):
            first, last = interval or (0, 0)
            found.append((max(-first, 0) * self.scale, max(last + 1 - size, 0) * self.scale))
        (left, right), (top, bottom) = found
        return left, top, right, bottom

    @property
    def body(self) -> tuple[float, float]:
        """Width and height, what hangs over included."""
        left, top, right, bottom = self.overhang
        wide, high = self.extent[1] * self.scale, self.extent[0] * self.scale
        return left + wide + right + 2, top + high + bottom + 2

    def draw_body(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw the map, and the seen part over it."""
        left, top = left + self.overhang[0], top + self.overhang[1]
        high, wide = (size * self.scale for size in self.extent)
        if self.picture is None:
            canvas.rectangle((left, top, wide, high), fill=theme.cell)
        else:
            canvas.picture((left, top, wide, high), self.picture)
        rows, columns = self.area
        if rows is not None and columns is not None:
            self._draw_area(canvas, left, top, theme)
        if max(self.extent) <= MAX_GRID_LINES:
            for row in range(self.extent[0]):
                for column in range(self.extent[1]):
                    at = (left + column * self.scale, top + row * self.scale)
                    canvas.rectangle((*at, self.scale, self.scale), outline=theme.page)
        canvas.rectangle((left, top, wide, high), outline=theme.faint)

    def _draw_area(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        (first_row, last_row), (first_column, last_column) = (
            interval or (0, 0) for interval in self.area
        )
        inside = (
            left + max(first_column, 0) * self.scale,
            top + max(first_row, 0) * self.scale,
            (min(last_column + 1, self.extent[1]) - max(first_column, 0)) * self.scale,
            (min(last_row + 1, self.extent[0]) - max(first_row, 0)) * self.scale,
        )
        whole = (
            left + first_column * self.scale,
            top + first_row * self.scale,
            max((last_column + 1 - first_column) * self.scale, 2),
            max((last_row + 1 - first_row) * self.scale, 2),
        )
        if inside[2] > 0 and inside[3] > 0:
            if self.picture is None:
                canvas.rectangle(
                    (*inside[:2], max(inside[2], 2), max(inside[3], 2)), fill=theme.window
                )
            else:
                canvas.rectangle(inside, outline=theme.window, width=3)
        if any(self.overhang):
            color = mix(theme.ink, theme.window, 0.5)
            canvas.rectangle(whole, outline=color, dashed=True)


def draw_receptive_field(
    maps: Sequence[tuple[str, tuple[int, int], Region]],
    suffix: str,
    *,
    picture: Values | None = None,
    theme: Theme = LIGHT,
) -> bytes:
    """Draw what one output sees, from the input on.

    Parameters
    ----------
    maps : sequence of (title, (height, width), area)
        The input first.
    suffix : {".png", ".svg"}
    picture : ndarray, optional
        The input itself: (h, w) or (h, w, 3) of uint8.

    Returns
    -------
    bytes
        A PNG or an SVG file.
    """
    panels: list[Panel] = [
        ReceptiveFieldPanel(
            title,
            [f"{size[0]}x{size[1]}", f"sees {_length(area[0])}x{_length(area[1])}"],
            size,
            area,
            picture if place == 0 else None,
        )
        for place, (title, size, area) in enumerate(maps)
    ]
    rows = [panels[start : start + IN_A_ROW] for start in range(0, len(panels), IN_A_ROW)]
    return render(rows, suffix, theme)


def _length(interval: tuple[int, int] | None) -> int:
    return 0 if interval is None else interval[1] - interval[0] + 1
