"""Rows of text laid out as a table, as wide as its contents or as a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

GAP = 3  # between columns
NARROW_GAP = 2  # where they would not fit otherwise
# Where a line may end in text: after these characters, and where that is not enough, after those.
_WORDS = re.compile(r"[^ ,]*[ ,]*")
_PARTS = re.compile(r"[^ ,/+=:]*[ ,/+=:]*")


class _Column(NamedTuple):
    """A column of a table: its heading, its cells, how they are aligned, and how wide they may be.

    `narrow` is the width where the heading alone is folded, `least` where cells are, too.
    """

    heading: str
    cells: Sequence[str]
    is_left: bool
    width: int
    narrow: int = 0
    least: int = 0

    def lines(self, row: int) -> list[str]:
        """Return the lines of a cell, or of the heading (-1), padded to the width."""
        cell = self.heading if row < 0 else self.cells[row]
        if cell_width(cell) <= self.width:
            return [self._pad(cell)]
        lines = [""]
        for piece in _pieces(cell, self.width, is_text=self.is_left or row < 0):
            if lines[-1] and cell_width(lines[-1] + piece.rstrip(" ")) > self.width:
                lines.append("")
            lines[-1] += piece
        return [self._pad(line.rstrip(" ")) for line in lines]

    def _pad(self, text: str) -> str:
        missing = " " * (self.width - cell_width(text))
        return text + missing if self.is_left else missing + text


def format_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    left: Sequence[str] = (),
    total: bool = False,
    width: int | None = None,
    optional: Sequence[str] = (),
) -> str:
    """Lay out rows of text as a table.

    Parameters
    ----------
    headings : sequence of str
    rows : sequence of sequences of str
    left : sequence of str
        The headings of columns of text, which is aligned left, and folded where the table is too
        wide; the others hold numbers, and are aligned right.
    total : bool
        Whether the last row is separated from the others.
    width : int, optional
        The most characters a line may have. No number and no word is broken: if it is too little,
        lines are longer.
    optional : sequence of str
        The headings of columns that are left out, in this order, where the table is too wide; a
        last line names them.

    Examples
    --------
    >>> print(format_table(["name", "size"], [["relu", "8"], ["conv", "16"]], left=["name"]))
    name   size
    ───────────
    relu      8
    conv     16
    """
    columns = [
        _Column(heading, cells, heading in left, max(map(cell_width, (heading, *cells))))
        for heading, *cells in zip(headings, *rows, strict=True)
    ]
    gap, omitted = GAP, ""
    if width is not None and _table_width(columns, gap) > width:
        gap = NARROW_GAP
        columns, omitted = _fit(columns, width, optional)
    lines = _row_lines(columns, -1, gap)
    lines.append("\u2500" * _table_width(columns, gap))
    for row in range(len(rows)):
        if total and 0 < row == len(rows) - 1:
            lines.append("")
        lines += _row_lines(columns, row, gap)
    return "\n".join([*lines, *([omitted] if omitted else [])])


def _row_lines(columns: Sequence[_Column], row: int, gap: int) -> list[str]:
    cells = [column.lines(row) for column in columns]
    height = max(map(len, cells))
    padded = [
        [*lines, *[" " * column.width] * (height - len(lines))]
        for column, lines in zip(columns, cells, strict=True)
    ]
    return [(" " * gap).join(line).rstrip() for line in zip(*padded, strict=True)]


def _table_width(columns: Sequence[_Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _fit(
    columns: Sequence[_Column], width: int, optional: Sequence[str]
) -> tuple[list[_Column], str]:
    """Return the columns that fit a width, as wide as they may be, and a line about the others."""
    known, omitted = list(map(_measure, columns)), []
    for heading in optional:
        narrowest = [column._replace(width=column.least) for column in known]
        if _table_width(narrowest, NARROW_GAP) <= width:
            break
        omitted.append(heading)
        known = [column for column in known if column.heading != heading]
    for limit in ("narrow", "least"):  # headings are folded before cells
        known = _shrink(known, [getattr(column, limit) for column in known], width)
    return known, f"(too narrow for {', '.join(omitted)})" if omitted else ""


def _shrink(columns: list[_Column], least: Sequence[int], width: int) -> list[_Column]:
    """Return the columns narrowed, the widest first, until they fit or have their least widths."""
    widths = [column.width for column in columns]
    for _ in range(_table_width(columns, NARROW_GAP) - width):
        free = [at for at, limit in enumerate(least) if widths[at] > limit]
        if not free:
            break
        widths[max(free, key=lambda at: widths[at])] -= 1
    return [column._replace(width=found) for column, found in zip(columns, widths, strict=True)]


def _measure(column: _Column) -> _Column:
    """Return the column with the least widths."""
    heading = _longest([column.heading], is_text=True)
    widest = max(map(cell_width, column.cells), default=0)
    least = _longest(column.cells, is_text=column.is_left)
    return column._replace(narrow=max(heading, widest), least=max(heading, least))


def _longest(cells: Iterable[str], *, is_text: bool) -> int:
    """Return the width of the longest piece that is not broken."""
    pieces = (piece for cell in cells for piece in _pieces(cell, 0, is_text=is_text))
    return max((cell_width(piece.rstrip(" ")) for piece in pieces), default=0)


def _pieces(cell: str, width: int, *, is_text: bool) -> list[str]:
    """Return the parts of a cell after which a line may end; of numbers, only before a bracket.

    Words of text are in parts where they are wider than the column.
    """
    if is_text:
        words = _WORDS.findall(cell)
        return [
            part
            for word in words
            for part in (_PARTS.findall(word) if cell_width(word.rstrip(" ")) > width else [word])
        ]
    first, bracket, rest = cell.partition(" (")
    return [f"{first} ", f"({rest}"] if bracket else [cell]


def cell_width(text: str) -> int:
    """Return the columns of a terminal that a text takes.

    >>> cell_width("conv"), cell_width("\u884c"), cell_width("e\u0301")
    (4, 2, 1)
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    shown = (character for character in text if category(character) not in ("Mn", "Me", "Cf"))
    return sum(1 + (east_asian_width(character) in ("W", "F")) for character in shown)
