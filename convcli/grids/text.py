"""Text and JSON to arrays of numbers.

Text has one row a line, its columns separated by commas or spaces; `#` starts a comment.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import re
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import REAL
from convcli.errors import GridError

Grid: TypeAlias = NDArray[Any]

MAX_LINES = 100_000  # that are looked through for the first fault

_NUMERIC = re.compile(r"[0-9eE+\-.,\s]*\Z")
_COMMENT = re.compile(r"#[^\n]*")
_EMPTY_CELL = re.compile(r"^[ \t]*,|,[ \t]*(?:,|$)", re.MULTILINE)


def parse_text(content: bytes, name: str) -> Grid:
    r"""Read rows of numbers, one row a line: (H, W) of float64.

    >>> parse_text(b"1, 2\n3 4  # a comment\n", "sums.txt")
    array([[1., 2.],
           [3., 4.]])
    """
    return parse_rows(decode(content, name), name)


def decode(content: bytes, name: str) -> str:
    """Take bytes as UTF-8 text, with or without a byte-order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GridError(name, "is not text; a grid of numbers was expected") from None


def parse_rows(text: str, name: str) -> Grid:
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
    for place, line in enumerate(itertools.islice(io.StringIO(text), MAX_LINES), start=1):
        cells = [cell.strip() for cell in line.split(",")]
        words = [word for cell in cells for word in cell.split()]
        if not words and len(cells) == 1:
            continue
        if "" in cells:
            return f"line {place} has an empty cell"
        wrong = next((word for word in words if not REAL.match(word)), None)
        if wrong is not None:
            return f"line {place}: {shorten(wrong)} is not a number"
        huge = next((word for word in words if not math.isfinite(float(word))), None)
        if huge is not None:
            return f"line {place}: {shorten(huge)} is too large"
        length = length or len(words)
        if len(words) != length:
            return f"line {place} has {len(words)} numbers, the first row has {length}"
    return f"is not a grid of numbers beyond line {MAX_LINES:,}"


def shorten(value: object) -> str:
    """A value for a message: never longer than a line's end."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


MAX_DIGITS = 400  # of a whole number in JSON: more are beyond any float
_MAX_AXES = 4


def parse_json(content: bytes, name: str) -> Any:
    """Read JSON, strictly: no NaN, no infinity, no key twice, no bottomless nesting."""
    try:
        return json.loads(
            decode(content, name),
            parse_int=lambda word: _integer(word, name),
            parse_constant=lambda word: _refuse(name, f"{word} is not a number that can be used"),
            object_pairs_hook=lambda pairs: _unique_keys(pairs, name),
        )
    except RecursionError:
        raise GridError(name, "is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise GridError(
            name, f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def parse_nested(value: Any, name: str) -> Grid:
    """Take nested lists of numbers as an array of float64.

    >>> parse_nested([[1, 2], [3, 4]], "sums.json")
    array([[1., 2.],
           [3., 4.]])
    """
    shape = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        if not probe or len(shape) > _MAX_AXES:
            raise GridError(name, "has an empty list" if not probe else "is nested too deeply")
        probe = probe[0]
    if not shape:
        raise GridError(name, f"must be nested lists of numbers, not {shorten(value)}")
    flat: list[float] = []
    _flatten(value, shape, flat, name)
    return np.array(flat).reshape(shape)


def parse_number(value: Any, what: str, name: str) -> float:
    """Take a number of a JSON document, and nothing that only looks like one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise GridError(name, f"{what} must be a number, not {shorten(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise GridError(name, f"{what} is too large")
    return number


def _flatten(value: Any, shape: list[int], flat: list[float], name: str) -> None:
    """Append the numbers of nested lists, each of which must have the length that its axis has."""
    if not shape:
        if isinstance(value, list):
            raise GridError(name, "is ragged: a list stands where others have a number")
        flat.append(parse_number(value, "every weight", name))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        found = len(value) if isinstance(value, list) else "no"
        raise GridError(name, f"is ragged: a row has {found} entries, the first has {shape[0]}")
    for entry in value:
        _flatten(entry, shape[1:], flat, name)


def _integer(word: str, name: str) -> int:
    if len(word) > MAX_DIGITS:
        raise GridError(name, f"holds a number of {len(word):,} digits")
    return int(word)


def _unique_keys(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise GridError(name, f"has the key {shorten(key)} twice")
        seen[key] = value
    return seen


def _refuse(name: str, cause: str) -> None:
    raise GridError(name, cause)
