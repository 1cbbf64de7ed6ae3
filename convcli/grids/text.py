r"""Text to arrays of numbers: the grammar of grids and of kernels, in files and as typed.

From the outermost separator to the innermost:

- a *text* is a matrix in brackets, `[1 2; 3 4]`, or rows; a comment goes from `#` to the end of a
  line;
- *rows* are one a line; in brackets, and in what is typed, `;` ends one, too;
- *columns* are separated by `;` where a file has one within a line, else by commas, blanks or both;
- a *number* is a decimal like `-1.5e3`, or a fraction of two decimals like `-1/16`. Between `;`,
  a comma is a decimal one: `1,5;2,5`.

A row may end with its separator. What could be read in two ways is refused: decimal commas between
blanks (`1,5 2,5`: two numbers, or four?), commas and `;` in a single line of a file (columns, or
rows?), and commas beside points between `;`.
"""

from __future__ import annotations

import codecs
import io
import itertools
import math
import re
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import REAL
from convcli.errors import GridError
from convcli.files import may_quote
from convcli.records import NamedTuple

Grid: TypeAlias = NDArray[Any]

NAN_ADVICE = "apply --nan keep or --nan skip takes NaN"
NAN_FAULT = f"is not a number; {NAN_ADVICE}"
MAX_LINES = 100_000  # searched for the first error
MAX_QUOTED = 40  # characters of a value in a message
MAX_FRACTION_CHARACTERS = 400  # of which a float keeps far fewer
QUOTED_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".mat")  # of files of numbers
INLINE = "inline kernel"  # in place of a file's name
MATRIX_WIDTHS = (9, 25, 49)  # numbers in one row that may well be a square matrix

_DECIMAL = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"  # matched in time that grows with its length
_NAN = re.compile(r"(?<![^\s,])[+-]?nan(?![^\s,])", re.IGNORECASE)
_NUMERIC = re.compile(r"[0-9eE+\-.,\s]*\Z")
_COMMENT = re.compile(r"#[^\n]*")
_ENTRY = re.compile(r"[^\s,]+")
_FRACTION = re.compile(rf"(?<![^\s,])([+-]?)({_DECIMAL})/({_DECIMAL})(?![^\s,])")
_EMPTY_CELL = re.compile(r"^[ \t]*,|,[ \t]*(?:,|$)", re.MULTILINE)
_LAST_COMMA = re.compile(r"(?<=[^\s,])([ \t]*),(?=[ \t]*$)", re.MULTILINE)
_LAST_SEMICOLON = re.compile(r"(?<=[^\s;])([ \t]*);(?=[ \t]*$)", re.MULTILINE)
_BLANK_IN_CELL = re.compile(r"[^\s;][ \t]+[^\s;]")
_BLANK_BETWEEN = re.compile(r"[^\s,][ \t]+[^\s,]")
_PLAIN = rf"[+-]?{_DECIMAL}(?:[eE][+-]?[0-9]+)?"
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?\Z")
_NUMBER_OR_COMMA = re.compile(rf"{_PLAIN}\Z|{_DECIMAL_COMMA.pattern}")


class _Layout(NamedTuple):
    """A text whose rows are lines, and whose columns are separated by commas or blanks alone.

    Parameters
    ----------
    text : str
        As long as the original: every character stands where it stood.
    original : str
    unit : {"line", "row"}
        What a row is called and counted as.
    first_line : int
        The number of the first line.
    """

    text: str
    original: str
    unit: str = "line"
    first_line: int = 1


def find_nonfinite(values: Grid, *, allows_nan: bool | None) -> str | None:
    """Return what is wrong with numbers that are not finite; None where all of them are allowed.

    `allows_nan` is None where no option allows NaN, as in a kernel.

    >>> find_nonfinite(np.array([1.0, np.nan]), allows_nan=False)
    'holds NaN or infinity, which no filter can use; apply --nan keep or --nan skip takes NaN'
    >>> find_nonfinite(np.array([1.0, np.nan]), allows_nan=True)
    """
    if np.isfinite(values).all():
        return None
    has_infinity = bool(np.isinf(values).any())
    if allows_nan and not has_infinity:
        return None
    advice = "" if has_infinity or allows_nan is None else f"; {NAN_ADVICE}"
    return f"holds NaN or infinity, which no filter can use{advice}"


def parse_text(content: bytes, name: str, *, allows_nan: bool = False) -> Grid:
    r"""Parse rows of numbers, one row a line: (H, W) of float64.

    `nan` stands for a value that is missing, where that is allowed.

    >>> parse_text(b"1, 2\n3 4  # a comment\n", "sums.txt")
    array([[1., 2.],
           [3., 4.]])
    """
    return parse_rows(decode(content, name), name, allows_nan=allows_nan)


def decode(content: bytes, name: str) -> str:
    """Decode UTF-8 text, with or without a byte-order mark, or UTF-16 with one."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    with suppress(UnicodeDecodeError):
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
        if not is_wide or re.search("[0-9]", text):  # nearly all bytes are characters of UTF-16
            return text
    raise GridError(name, "is not text; a grid of numbers was expected")


def parse_rows(
    text: str, name: str, first_line: int = 1, *, allows_nan: bool | None = None
) -> Grid:
    r"""Parse rows of numbers by the grammar of this module: (H, W) of float64.

    Parameters
    ----------
    text, name : str
        The name `INLINE` is that of a text that was typed.
    first_line : int
        The number of the text's first line in the file.
    allows_nan : bool, optional
        As in `find_nonfinite`; `nan` stands for NaN.

    Raises
    ------
    GridError
        With the line and column at fault, and what stands there where it may be quoted.

    Examples
    --------
    >>> parse_rows("[1/2 2; 3, 4]", "halves.txt")
    array([[0.5, 2. ],
           [3. , 4. ]])
    >>> parse_rows("1,5;2\n3;4\n", "commas.csv")
    array([[1.5, 2. ],
           [3. , 4. ]])
    """
    bare = _COMMENT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not bare.strip("[]; \t\n"):
        raise GridError(name, "holds no numbers")
    return _parse_layout(_find_layout(bare, name, first_line), name, allows_nan=allows_nan)


def parse_values(text: str, name: str) -> Grid:
    """Parse numbers separated by commas, blanks and line ends, in one row: (N,) of float64."""
    row = text.replace("\n", " ").replace("\r", " ")
    row = _LAST_COMMA.sub(r"\1 ", row)
    if not row.strip():
        raise GridError(name, "holds no numbers")
    values: Grid = _parse_layout(_Layout(row, row, "row"), name)[0]
    return values


def note_row(shape: tuple[int, ...], name: str) -> tuple[str, ...]:
    """Return a note where a text of one row may have been meant as a matrix.

    >>> note_row((1, 9), INLINE)
    ('1x9: 9 numbers in one row; rows are separated by ;',)
    """
    if shape not in [(1, width) for width in MATRIX_WIDTHS]:
        return ()
    how = "are separated by ;" if name == INLINE else "stand in lines of their own"
    return (f"1x{shape[1]}: {shape[1]} numbers in one row; rows {how}",)


def _find_layout(bare: str, name: str, first_line: int) -> _Layout:
    """Find what separates rows and columns, and put line ends and commas in its place."""
    if bare.lstrip().startswith("["):
        matrix = bare.strip().removesuffix(";").rstrip()
        inside = bare.find("[") + 1, bare.rfind("]")
        if not matrix.endswith("]") or re.search(r"[\[\]]", bare[slice(*inside)]):
            raise GridError(name, "brackets go around a whole matrix, as in [1 2; 3 4]")
        bare = " " * inside[0] + bare[slice(*inside)]
    elif name != INLINE:
        return _find_line_layout(bare, name, first_line)
    return _separate_by_commas(bare.replace(";", "\n"), bare, name, unit="row")


def _find_line_layout(bare: str, name: str, first_line: int) -> _Layout:
    """Find the layout of a text with one row a line, as a file without brackets has it."""
    text = _LAST_SEMICOLON.sub(r"\1 ", bare) if ";" in bare else bare
    lines = text.strip().split("\n")
    if ";" not in text:
        if ";" in bare and all(_DECIMAL_COMMA.match(line.strip()) for line in lines):
            raise GridError(
                name, "decimal commas or columns? in 1,5; it can be either: write 1.5 or 1 5"
            )
        return _separate_by_commas(text, bare, name, first_line=first_line)
    if "," in text and len(lines) == 1:
        raise GridError(
            name,
            "decimal commas or rows? in one line with ; it can be either: "
            "write one row a line, or brackets as in [1, 2; 3, 4]",
        )
    if "," in text and "." in text:
        raise GridError(name, "has decimal commas and decimal points; write one of them")
    blank = _BLANK_IN_CELL.search(text)
    if blank is not None:
        number = first_line + text.count("\n", 0, blank.start())
        raise GridError(
            name,
            f"line {number} separates numbers by blanks and by ;, which ends a row only in "
            "brackets, as in [1 2; 3 4]",
        )
    return _Layout(text.replace(",", ".").replace(";", ","), bare, first_line=first_line)


def _separate_by_commas(
    text: str, original: str, name: str, *, unit: str = "line", first_line: int = 1
) -> _Layout:
    """Return the layout of rows whose columns are separated by commas or blanks."""
    if "," in text:
        text = _LAST_COMMA.sub(r"\1 ", text)
        if _BLANK_BETWEEN.search(text):
            for number, line in enumerate(text.split("\n"), first_line):
                _check_commas(line.split(), f"{unit} {number}", name)
    return _Layout(text, original, unit, first_line)


def _check_commas(chunks: list[str], where: str, name: str) -> None:
    """Refuse a row of which every part between blanks may be a number with a decimal comma."""
    if len(chunks) < 2 or not all(map(_NUMBER_OR_COMMA.match, chunks)):
        return
    decimal = next(filter(_DECIMAL_COMMA.match, chunks), None)
    if decimal is not None:
        subject = f", like {shorten(decimal)}" if _is_quoted(name) else ""
        raise GridError(
            name,
            f"decimal commas or columns? {where} has commas between blanks{subject}; "
            "write points, or separate the columns by one kind of separator",
        )


def _parse_layout(layout: _Layout, name: str, *, allows_nan: bool | None = None) -> Grid:
    """Convert rows of numbers, or raise for the first one that is wrong."""
    text = layout.text
    with suppress(ValueError, ArithmeticError):  # of rows that differ in length, and of fractions
        if "/" in text:
            text = _FRACTION.sub(lambda found: repr(_divide(found)), text)
        checked = _NAN.sub("0", text) if allows_nan else text
        if _NUMERIC.match(checked) and not _EMPTY_CELL.search(text):
            grid = np.loadtxt(io.StringIO(text.replace(",", " ")), ndmin=2, comments=None)
            if find_nonfinite(grid, allows_nan=allows_nan) is None:
                return grid
    raise GridError(name, _first_error(layout, is_quoted=_is_quoted(name), allows_nan=allows_nan))


def _divide(fraction: re.Match[str]) -> float:
    """Return a fraction of two decimals, rounded once.

    Raises
    ------
    ValueError, ArithmeticError
        For one that is too long, divides by zero, or is beyond floats.

    Examples
    --------
    >>> _divide(_FRACTION.match("-1/16"))
    -0.0625
    """
    sign, above, below = fraction.groups()
    if len(above) + len(below) > MAX_FRACTION_CHARACTERS:
        raise ValueError
    # Integers are divided exactly, then rounded.
    if "." not in above + below:
        value = int(above) / int(below)
    else:
        (dividend, places), (divisor, shift) = _scale(above), _scale(below)
        value = dividend * 10**shift / (divisor * 10**places)
    return -value if sign == "-" else value


def _scale(decimal: str) -> tuple[int, int]:
    """Return a decimal as an integer and the places after its point.

    >>> _scale("1.25")
    (125, 2)
    """
    whole, _, places = decimal.partition(".")
    return int(whole + places), len(places)


def _is_quoted(name: str) -> bool:
    return name == INLINE or may_quote(name, QUOTED_SUFFIXES)


def _first_error(layout: _Layout, *, is_quoted: bool, allows_nan: bool | None) -> str:
    """Describe what is wrong in the first bad row, of at most `MAX_LINES`."""
    length, start, number = None, 0, layout.first_line - 1
    for line in itertools.islice(io.StringIO(layout.text), MAX_LINES):
        cells = [cell.strip() for cell in line.split(",")]
        entries = [(found.start(), found[0]) for found in _ENTRY.finditer(line)]
        is_empty = not entries and len(cells) == 1
        number += layout.unit == "line" or not is_empty
        row, offset = f"{layout.unit} {number}", start
        start += len(line)
        if is_empty:
            continue
        if "" in cells:
            return f"{row} has an empty cell"
        for column, entry in entries:
            is_nan = _NAN.fullmatch(entry) is not None and allows_nan is not None
            fault = _find_fault(entry) if not is_nan else None if allows_nan else NAN_FAULT
            if fault is not None:
                where = f"{row}, column {column + 1}" if layout.unit == "line" else row
                written = layout.original[offset + column : offset + column + len(entry)]
                return f"{where}: {shorten(written) if is_quoted else 'what stands there'} {fault}"
        length = length or len(entries)
        if len(entries) != length:
            return f"{row} has {len(entries)} numbers, the first row has {length}"
    return f"is not a grid of numbers beyond line {MAX_LINES:,}"


def _find_fault(entry: str) -> str | None:
    """Return what is wrong with an entry; None for a finite number."""
    if not re.match(REAL, entry) and "/" not in entry:
        return "is not a number"
    try:
        fraction = _FRACTION.match(entry)
        value = float(entry) if fraction is None else _divide(fraction)
    except ZeroDivisionError:
        return "divides by zero"
    except OverflowError:
        return "is too large"
    except ValueError:
        return "is not a number"
    return None if math.isfinite(value) else "is too large"


def shorten(value: object) -> str:
    """Return the repr of a value for a message, cut to `MAX_QUOTED` characters."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."
