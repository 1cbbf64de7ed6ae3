"""Rows of text laid out as a table, as wide as its contents or as a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from convcli.records import NamedTuple

GAP = 3  # between columns
NARROW_GAP = 2  # where they would not fit otherwise
INDENT = "  "  # of a record's lines after the first
MAX_LENGTH_TO_RECORDS = 2  # of a table that is folded, in lines
# Where a line may end in text: after these characters, and where that is not enough, after those.
_WORDS = re.compile(r"[^ ,]*[ ,]*")
_LAST_COLUMN = re.compile(r"(.*\s{2,})?")
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
        pieces = _pieces(cell, self.width, is_text=self.is_left or row < 0)
        return list(map(self._pad, _join(pieces, self.width)))

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
        The headings of columns that are left out, in this order, where the table is too wide;
        below the table it is said which, and how to see them.

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
    gap, omitted = GAP, list[str]()
    if width is not None and _table_width(columns, gap) > width:
        gap = NARROW_GAP
        columns, omitted = _fit(columns, width, optional)
    lines = _row_lines(columns, -1, gap)
    lines.append("\u2500" * _table_width(columns, gap))
    for row in range(len(rows)):
        if total and 0 < row == len(rows) - 1:
            lines.append("")
        lines += _row_lines(columns, row, gap)
    if omitted:
        limit = width or 0
        note = f"(too narrow for {', '.join(omitted)}: | less -S shows all)"
        lines += _join(_pieces(note, limit, is_text=True), limit)
    return "\n".join(lines)


def fit_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    left: Sequence[str] = (),
    total: bool = False,
    optional: Sequence[str] = (),
) -> str:
    """Lay out rows of text as a table, or where that is too narrow, each row as a record.

    It is too narrow if lines would be longer than `width`, or folded to many more than records are.
    Parameters are those of `format_table`.
    """
    table = format_table(headings, rows, left=left, total=total, width=width, optional=optional)
    records = format_records(headings, rows, left=left, total=total, width=width)
    body = table.partition("\n\u2500")[2]
    is_long = body.count("\n") > MAX_LENGTH_TO_RECORDS * (records.count("\n") + 1)
    return records if is_long or max(map(cell_width, table.split("\n"))) > width else table


def format_records(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int,
    left: Sequence[str] = (),
    total: bool = False,
) -> str:
    """Lay out each row as a paragraph: its first cell, and the others with their headings.

    Lines after the first are indented. Parameters are those of `format_table`; empty cells are left
    out.

    Examples
    --------
    >>> headings, rows = ["name", "size", "sum", "about"], [["blur", "3x3", "1", "soft"]]
    >>> print(format_records(headings, rows, left=["name", "about"], width=20))
    blur  size 3x3
      sum 1  about: soft
    """
    names = [f"{heading}: " if heading in left else f"{heading} " for heading in headings]
    names[0] = "" if headings[0] in left else names[0]
    lines: list[str] = []
    for index, row in enumerate(rows):
        if total and 0 < index == len(rows) - 1:
            lines.append("")
        items = [
            (name, cell, heading in left)
            for name, cell, heading in zip(names, row, headings, strict=True)
            if cell
        ]
        lines += _flow(items, width)
    return "\n".join(lines)


def _flow(items: Sequence[tuple[str, str, bool]], width: int) -> list[str]:
    """Return items, each a name, a cell and whether that is text, in lines of a record.

    Lines are broken between items, and where one is too long, between its words.
    """
    lines: list[str] = []
    others: list[str] = []
    for name, cell, is_text in items:
        if lines and not others and cell_width(f"{lines[-1]}{name}{cell}") + NARROW_GAP <= width:
            lines[-1] += " " * NARROW_GAP + name + cell
            continue
        limit = width - 2 * len(INDENT)
        pieces = _pieces(name, limit, is_text=True) + _pieces(cell, limit, is_text=is_text)
        first, *others = _join(pieces, limit)
        lines.append(INDENT + first if lines else first)
        lines += [2 * INDENT + other for other in others]
    return lines


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
) -> tuple[list[_Column], list[str]]:
    """Return the columns that fit a width, as wide as they may be, and the headings of others."""
    known, omitted = list(map(_measure, columns)), list[str]()
    for heading in optional:
        narrowest = [column._replace(width=column.least) for column in known]
        if _table_width(narrowest, NARROW_GAP) <= width:
            break
        omitted.append(heading)
        known = [column for column in known if column.heading != heading]
    for limit in ("narrow", "least"):  # headings are folded before cells
        known = _shrink(known, [getattr(column, limit) for column in known], width)
    return known, omitted


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


def _join(pieces: Iterable[str], width: int) -> list[str]:
    """Return pieces joined to lines no longer than a width, unless a piece is."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and cell_width(lines[-1] + piece.rstrip(" ")) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip(" ") for line in lines]


def fold_line(line: str, width: int) -> list[str]:
    """Return a line broken between words, those after the first below its last column.

    That is what follows two spaces or more, as in the lines of `formulas.align`.

    >>> fold_line("   rf    1 + 2 + 3 = 6", 18)
    ['   rf    1 + 2 + 3', '         = 6']
    """
    if cell_width(line) <= width:
        return [line]
    indent = cell_width(line[: _LAST_COLUMN.match(line).end()])  # type: ignore[union-attr]
    indent = indent if 2 * indent <= width else len(INDENT)
    head, body = line[:indent], line[indent:]
    first, *others = _join(re.findall(r"\S*\s*", body), width - indent)
    return [head + first, *(" " * indent + other for other in others)]


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
