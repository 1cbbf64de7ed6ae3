"""Layout: panels with signs between them, in lines and tables that fill a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from convcli.pictures.boxes import Point
from convcli.pictures.canvas import Canvas, Panel, describe, row_extent
from convcli.pictures.fonts import text_width
from convcli.pictures.theme import GAP, Theme

SIGN = 26  # pixels of the type of a sign between panels
SIGN_GAP = 14  # pixels on either side of it
BRACKET = 10  # pixels of its width
RATIO = 16 / 9  # of a page's width to its height
# Of a line that is not folded:
MAX_LINE_RATIO = 4.0
MAX_LINE_PIXELS = 1920


@dataclass(frozen=True)
class Sign(Panel):
    """A sign of an equation, which is its title."""

    @property
    def size(self) -> Point:
        """Its width and height."""
        return math.ceil(text_width(self.title, SIGN)), SIGN

    @property
    def axis(self) -> float:
        """Its middle."""
        return SIGN / 2

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw it with its top left corner at this position."""
        width, height = self.size
        center = (left + width / 2, top + height / 2)
        canvas.text(center, self.title, size=SIGN, color=theme.ink)


@dataclass(frozen=True)
class Bracket(Panel):
    """A bracket that closes what stands to its left."""

    height: float = 0.0

    @property
    def size(self) -> Point:
        """Its width and height."""
        return BRACKET, self.height

    @property
    def axis(self) -> float:
        """Its middle."""
        return self.height / 2

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw it with its top left corner at this position."""
        right, bottom = left + BRACKET, top + self.height
        lines = [((left, y), (right, y)) for y in (top, bottom)]
        canvas.lines([*lines, ((right, top), (right, bottom))], theme.ink, width=2)


@dataclass(frozen=True)
class Table(Panel):
    """Rows of panels, those of a row on one axis.

    Parameters
    ----------
    rows : sequence of sequences of Panel
    gaps : (float, float)
        Pixels between columns, and between rows.
    is_aligned : bool
        Whether columns go through all rows, each panel in the middle of its own; otherwise every
        row starts at the left.
    """

    rows: Sequence[Sequence[Panel]] = ()
    gaps: Point = (SIGN_GAP, GAP)
    is_aligned: bool = True

    @property
    def size(self) -> Point:
        """The width and height of all panels."""
        width = max(sum(widths) + self.gaps[0] * (len(widths) - 1) for widths in self._widths)
        height = sum(above + below for above, below in map(row_extent, self.rows))
        return math.ceil(width), height + self.gaps[1] * (len(self.rows) - 1)

    @property
    def axis(self) -> float:
        """The axis of a single row, else the middle."""
        return row_extent(self.rows[0])[0] if len(self.rows) == 1 else self.size[1] / 2

    @property
    def _widths(self) -> list[list[float]]:
        """The widths of the columns in each row."""
        own = [[panel.size[0] for panel in row] for row in self.rows]
        if not self.is_aligned:
            return own
        widest = [max(column) for column in zip_longest(*own, fillvalue=0.0)]
        return [widest[: len(row)] for row in self.rows]

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw all panels, from this top left corner."""
        for row, widths in zip(self.rows, self._widths, strict=True):
            above, below = row_extent(row)
            x = left
            for panel, width in zip(row, widths, strict=True):
                start = x + (width - panel.size[0]) // 2
                panel.draw(canvas, start, top + above - panel.axis, theme)
                x += width + self.gaps[0]
            top += above + below + self.gaps[1]

    def describe(self) -> str:
        """Describe the panels that have a title of their own."""
        return describe(self.rows)


def fold_line(groups: Sequence[Sequence[Panel]]) -> Table:
    """Return a line of groups of panels, folded between groups into a page if it is long."""
    line = Table(rows=[[panel for group in groups for panel in group]], title="")
    if _ratio(line) <= MAX_LINE_RATIO and line.size[0] <= MAX_LINE_PIXELS:
        return line
    widths = [Table("", rows=[group]).size[0] for group in groups]
    # A line ends where the next group would not fit: the first is as long as any number of them.
    limits = {max(sum(widths[:count]), *widths) for count in range(1, len(groups) + 1)}
    return _nearest(Table("", rows=_fill(groups, widths, limit), is_aligned=False)
                    for limit in limits)  # fmt: skip


def _fill(
    groups: Sequence[Sequence[Panel]], widths: Sequence[float], limit: float
) -> list[list[Panel]]:
    """Put groups into lines that are no wider than a limit."""
    lines: list[list[Panel]] = []
    used = math.inf
    for group, width in zip(groups, widths, strict=True):
        if used + width > limit:
            lines.append([])
            used = 0.0
        lines[-1] += group
        used += width
    return lines


def fill_page(rows: Sequence[Sequence[Panel]], beside: Panel | None = None) -> Table:
    """Return a table of rows, several in a line where that fills a page better.

    Parameters
    ----------
    rows : sequence of sequences of Panel
    beside : Panel, optional
        What will stand beside it, which the page holds, too.
    """
    longest = max(map(len, rows))
    whole = [[*row, *(Spacer("") for _ in range(longest - len(row)))] for row in rows]

    def arrange(columns: int) -> Table:
        # Downwards, as they are read where each is a row of its own.
        lines = -(-len(rows) // columns)
        parts = [whole[start::lines] for start in range(lines)]
        return Table("", rows=[_join(part) for part in parts])

    tables = [arrange(columns) for columns in range(1, len(rows) + 1)]
    width = 0.0 if beside is None else beside.size[0]
    return min(tables, key=lambda table: _misfit(table.size[0] + width, table.size[1]))


@dataclass(frozen=True)
class Spacer(Panel):
    """Nothing, of some width."""

    width: float = 0.0

    @property
    def size(self) -> Point:
        """Its width, without a height."""
        return self.width, 0

    @property
    def axis(self) -> float:
        """Its top."""
        return 0.0

    def draw(self, canvas: Canvas, left: float, top: float, theme: Theme) -> None:
        """Draw nothing."""


def _join(rows: Sequence[Sequence[Panel]]) -> list[Panel]:
    """Put rows beside each other, with some room between them."""
    line = list(rows[0])
    for row in rows[1:]:
        line += [Spacer("", width=GAP), *row]
    return line


def _nearest(tables: Iterable[Table]) -> Table:
    return min(tables, key=lambda table: _misfit(*table.size))


def _ratio(panel: Panel) -> float:
    width, height = panel.size
    return width / max(height, 1)


def _misfit(width: float, height: float) -> float:
    """How far the shape of a page is from `RATIO`."""
    return abs(math.log(width / max(height, 1) / RATIO))
