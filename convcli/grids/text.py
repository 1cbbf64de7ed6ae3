"""Text -> numbers: one row a line, columns separated by commas or spaces; `#` starts a comment."""

from __future__ import annotations

import io
import itertools
import math
import re
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import REAL
from convcli.errors import GridError

Grid: TypeAlias = NDArray[Any]

MOST_LINES = 100_000  # that are looked through for the first fault

_NUMERIC = re.compile(r"[0-9eE+\-.,\s]*\Z")
_COMMENT = re.compile(r"#[^\n]*")
_EMPTY_CELL = re.compile(r"^[ \t]*,|,[ \t]*(?:,|$)", re.MULTILINE)


def parse_text(content: bytes, name: str) -> Grid:
    r"""Read rows of numbers, one row a line: (H, W) of float64.

    >>> parse_text(b"1, 2\n3 4  # a comment\n", "sums.txt")
    array([[1., 2.],
           [3., 4.]])
    """
    return rows_of_numbers(decode(content, name), name)


def decode(content: bytes, name: str) -> str:
    """Take bytes as UTF-8 text, with or without a byte-order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GridError(name, "is not text; a grid of numbers was expected") from None


def rows_of_numbers(text: str, name: str) -> Grid:
    """Read one row of numbers a line.

    Raises
    ------
    GridError
        With the line at fault.
    """
    bare = _COMMENT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not bare.strip():
        raise GridError(name, "holds no numbers")
    if not _NUMERIC.match(bare) or _EMPTY_CELL.search(bare):
        raise GridError(name, _first_fault(bare))
    try:
        grid = np.loadtxt(io.StringIO(bare.replace(",", " ")), ndmin=2, comments=None)
    except ValueError as error:
        raise GridError(name, _first_fault(bare) or str(error)) from None
    if not np.isfinite(grid).all():
        raise GridError(name, _first_fault(bare) or "holds a number that is too large")
    return grid


def _first_fault(text: str) -> str:
    """What is wrong with the first line that is, as far as it is worth looking."""
    length = None
    for place, line in enumerate(itertools.islice(io.StringIO(text), MOST_LINES), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        words = [word for cell in cells for word in cell.split()]
        if not words and len(cells) == 1:
            continue
        if "" in cells:
            return f"line {place} has an empty cell"
        wrong = next((word for word in words if not REAL.match(word)), None)
        if wrong is not None:
            return f"line {place}: {short(wrong)} is not a number"
        huge = next((word for word in words if not math.isfinite(float(word))), None)
        if huge is not None:
            return f"line {place}: {short(huge)} is too large"
        length = length or len(words)
        if len(words) != length:
            return f"line {place} has {len(words)} numbers, the first row has {length}"
    return f"is not a grid of numbers beyond line {MOST_LINES:,}"


def short(value: object) -> str:
    """A value for a message: never longer than a line's end."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
