"""Text and JSON to arrays of numbers.

Text has one row a line, its columns separated by commas or spaces; `#` starts a comment.
"""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import REAL
from convcli.errors import GridError
from convcli.files import may_quote

Grid: TypeAlias = NDArray[Any]

MAX_LINES = 100_000  # searched for the first error
MAX_DIGITS = 400  # of an integer in JSON: more are beyond any float
MAX_AXES = 4
MAX_QUOTED = 40  # characters of a value in a message
QUOTED_SUFFIXES = (".txt", ".csv", ".json", ".mat")  # of files of numbers
INLINE = "inline kernel"  # in place of a file's name

_NUMERIC = re.compile(r"[0-9eE+\-.,\s]*\Z")
_COMMENT = re.compile(r"#[^\n]*")
_ENTRY = re.compile(r"[^\s,]+")
_EMPTY_CELL = re.compile(r"^[ \t]*,|,[ \t]*(?:,|$)", re.MULTILINE)


def parse_text(content: bytes, name: str) -> Grid:
    r"""Parse rows of numbers, one row a line: (H, W) of float64.

    >>> parse_text(b"1, 2\n3 4  # a comment\n", "sums.txt")
    array([[1., 2.],
           [3., 4.]])
    """
    return parse_rows(decode(content, name), name)


def decode(content: bytes, name: str) -> str:
    """Decode UTF-8 text, with or without a byte-order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GridError(name, "is not text; a grid of numbers was expected") from None


def parse_rows(text: str, name: str, first_line: int = 1) -> Grid:
    """Parse one row of numbers a line: (H, W) of float64.

    Parameters
    ----------
    text, name : str
    first_line : int
        The number of the text's first line in the file.

    Raises
    ------
    GridError
        With the line and column at fault, and what stands there where it may be quoted.
    """
    bare = _COMMENT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not bare.strip():
        raise GridError(name, "holds no numbers")
    with suppress(ValueError):  # of rows that differ in length
        if _NUMERIC.match(bare) and not _EMPTY_CELL.search(bare):
            grid = np.loadtxt(io.StringIO(bare.replace(",", " ")), ndmin=2, comments=None)
            if np.isfinite(grid).all():
                return grid
    is_quoted = name == INLINE or may_quote(name, QUOTED_SUFFIXES)
    raise GridError(name, _first_error(bare, first_line, is_quoted=is_quoted))


def _first_error(text: str, first_line: int, *, is_quoted: bool) -> str:
    """Describe what is wrong in the first bad line, of at most `MAX_LINES`."""
    length = None
    for number, line in enumerate(itertools.islice(io.StringIO(text), MAX_LINES), first_line):
        cells = [cell.strip() for cell in line.split(",")]
        entries = [(found.start() + 1, found[0]) for found in _ENTRY.finditer(line)]
        if not entries and len(cells) == 1:
            continue
        if "" in cells:
            return f"line {number} has an empty cell"
        for column, entry in entries:
            where = f"line {number}, column {column}"
            subject = f"{where}: {shorten(entry)}" if is_quoted else f"{where}: what stands there"
            if not REAL.match(entry):
                return f"{subject} is not a number"
            if not math.isfinite(float(entry)):
                return f"{subject} is too large"
        length = length or len(entries)
        if len(entries) != length:
            return f"line {number} has {len(entries)} numbers, the first row has {length}"
    return f"is not a grid of numbers beyond line {MAX_LINES:,}"


def shorten(value: object) -> str:
    """Return the repr of a value for a message, cut to `MAX_QUOTED` characters."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 3] + "..."


def parse_json(content: bytes, name: str) -> Any:
    """Parse JSON without NaN, infinity, duplicate keys and excessive nesting."""
    import json

    def parse_int(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise GridError(name, f"holds a number of {len(digits):,} digits")
        return int(digits)

    def refuse_constant(constant: str) -> None:
        raise GridError(name, f"{constant} is not a number that can be used")

    def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise GridError(name, f"has the key {shorten(key)} twice")
            result[key] = value
        return result

    try:
        return json.loads(
            decode(content, name),
            parse_int=parse_int,
            parse_constant=refuse_constant,
            object_pairs_hook=unique_keys,
        )
    except RecursionError:
        raise GridError(name, "is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise GridError(
            name, f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def parse_nested(value: Any, name: str, where: str = "") -> Grid:
    """Convert nested lists of numbers to an array of float64.

    Parameters
    ----------
    value : list
    name : str
        The file's.
    where : str
        The path to the value in its document, for messages.

    Examples
    --------
    >>> parse_nested([[1, 2], [3, 4]], "sums.json")
    array([[1., 2.],
           [3., 4.]])
    """
    if not isinstance(value, list):
        raise GridError(
            name, f"{where or 'it'} must be nested lists of numbers, not {_kind(value)}"
        )
    shape: list[int] = []
    entries: list[Any] = [value]  # of the axes so far
    while isinstance(entries[0], list):
        shape.append(len(entries[0]))
        if not entries[0] or len(shape) > MAX_AXES:
            raise GridError(name, "is nested too deeply" if entries[0] else "has an empty list")
        for index, row in enumerate(entries):
            if not isinstance(row, list) or len(row) != shape[-1]:
                count = len(row) if isinstance(row, list) else "no"
                path = _path(where, index, shape[:-1])
                raise GridError(
                    name, f"is ragged: {path} has {count} entries, the first has {shape[-1]}"
                )
        entries = list(itertools.chain.from_iterable(entries))
    for index, entry in enumerate(entries):
        if isinstance(entry, list):
            path = _path(where, index, shape)
            raise GridError(name, f"is ragged: {path} is a list where others have a number")
    numbers = [
        parse_number(entry, "every weight", name, partial(_path, where, index, shape))
        for index, entry in enumerate(entries)
    ]
    return np.array(numbers).reshape(shape)


def _path(where: str, index: int, shape: list[int]) -> str:
    """Return the path to an entry of nested lists by its index among all: `kernel[0][2]`."""
    indices = []
    for side in reversed(shape):
        index, rest = divmod(index, side)
        indices.append(rest)
    return where + "".join(f"[{position}]" for position in reversed(indices)) or "the list"


def parse_number(value: Any, what: str, name: str, path: Callable[[], str] | None = None) -> float:
    """Convert a finite number of a JSON document; a boolean is none.

    Parameters
    ----------
    value : object
    what, name : str
        Its meaning and the file, for messages.
    path : callable, optional
        Returns the path to it in the document.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        problem = f"must be a number, not {_kind(value)}"
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        problem = "is too large"
    raise GridError(name, f"{path()}: {what} {problem}" if path else f"{what} {problem}")


def _kind(value: Any) -> str:
    """Return a value of JSON for a message, without what it contains."""
    kinds = {list: "a list", dict: "an object", type(None): "null", bool: str(value).lower()}
    return kinds.get(type(value)) or shorten(value)
