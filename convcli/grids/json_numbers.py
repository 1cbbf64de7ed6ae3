"""JSON to numbers: documents without what JSON is abused for, and nested lists as arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from convcli.errors import GridError
from convcli.grids.text import Grid, decode, shorten

MAX_DIGITS = 400  # of an integer: more are beyond any float
MAX_AXES = 4


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
