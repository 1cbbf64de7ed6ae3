"""JSON -> nested lists of numbers: strict, and in bounds."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from convcli.errors import GridError
from convcli.grids.text import Grid, decode, short

MOST_DIGITS = 400  # of a whole number in JSON: more are beyond any float
_MOST_AXES = 4


def parse_json(content: bytes, name: str) -> Any:
    """Read JSON, strictly: no NaN, no infinity, no key twice, no bottomless nesting."""
    try:
        return json.loads(
            decode(content, name),
            parse_int=lambda word: _integer(word, name),
            parse_constant=lambda word: _refuse(name, f"{word} is not a number that can be used"),
            object_pairs_hook=lambda pairs: _without_doubles(pairs, name),
        )
    except RecursionError:
        raise GridError(name, "is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise GridError(
            name, f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None


def nested_numbers(value: Any, name: str) -> Grid:
    """Take nested lists of numbers as an array of float64.

    >>> nested_numbers([[1, 2], [3, 4]], "sums.json")
    array([[1., 2.],
           [3., 4.]])
    """
    shape = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        if not probe or len(shape) > _MOST_AXES:
            raise GridError(name, "has an empty list" if not probe else "is nested too deeply")
        probe = probe[0]
    if not shape:
        raise GridError(name, f"must be nested lists of numbers, not {short(value)}")
    flat: list[float] = []
    _flatten(value, shape, flat, name)
    return np.array(flat).reshape(shape)


def finite_number(value: Any, what: str, name: str) -> float:
    """Take a number of a JSON document, and nothing that only looks like one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise GridError(name, f"{what} must be a number, not {short(value)}")
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
        flat.append(finite_number(value, "every weight", name))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        found = len(value) if isinstance(value, list) else "no"
        raise GridError(name, f"is ragged: a row has {found} entries, the first has {shape[0]}")
    for entry in value:
        _flatten(entry, shape[1:], flat, name)


def _integer(word: str, name: str) -> int:
    if len(word) > MOST_DIGITS:
        raise GridError(name, f"holds a number of {len(word):,} digits")
    return int(word)


def _without_doubles(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise GridError(name, f"has the key {short(key)} twice")
        seen[key] = value
    return seen


def _refuse(name: str, cause: str) -> None:
    raise GridError(name, cause)
