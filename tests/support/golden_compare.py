"""Compare descriptions of what golden commands print and write.

Numbers are compared with a tolerance, as processors and libraries round differently.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, TypeAlias

import numpy as np

Record: TypeAlias = dict[str, Any]

NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
MEMORY_ENDS = ('"memory": ', "memory: about ", "needs about ", "; about ")

# Tolerances
PRINTED = 1e-5  # of a printed number that is not whole, relative
MEMORY = 0.1  # of an estimate of memory, relative
SUMMED = 1e-5  # of sums of floats, relative to the sum of their sizes
LEVELS = 4  # of sums of pixels: so many may be rounded differently
LOSSY_LEVELS = 1.0  # of the mean color of a lossy picture
DRAWN_LEVELS = 6.0  # of the mean colors of a drawing's parts: it holds text
DRAWN_PIXELS = 8  # of the size of a drawing


def differences(expected: Record, actual: Record) -> list[str]:
    """What differs between two descriptions of a case, a line each."""
    return list(_differing(expected, actual, ""))


def _differing(expected: Any, actual: Any, where: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            place = f"{where}.{key}" if where else key
            if key not in expected or key not in actual:
                side = "is new" if key not in expected else "is missing"
                yield f"{place} {side}: {actual.get(key, expected.get(key))}"
            elif not _within_tolerance(key, expected, actual):
                yield from _differing(expected[key], actual[key], place)
    elif is_text_lines(expected) and is_text_lines(actual):
        for number, (then, now) in enumerate(zip_longest(expected, actual), 1):
            if then is None or now is None or not same_text(then, now):
                yield f"{where}, line {number}:\n  - {then}\n  + {now}"
    elif expected != actual:
        yield f"{where}:\n  - {expected}\n  + {actual}"


def is_text_lines(value: Any) -> bool:
    """Whether a description is a text: a list of its lines."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _within_tolerance(key: str, expected: Record, actual: Record) -> bool:
    """Whether two numbers, or lists of them, are as near as what they stand for allows."""
    is_drawn = "drawn" in expected
    is_float = "npy" in str(expected.get("kind")) or expected.get("mode") == "F"
    sizes = float(expected.get("sizes", 0))
    allowed = {
        "size": DRAWN_PIXELS if is_drawn else 0,
        "drawn": DRAWN_LEVELS,
        "lossy": LOSSY_LEVELS,
        "sums": SUMMED * sizes if is_float else LEVELS,
        "sizes": SUMMED * sizes if is_float else LEVELS,
        "least": SUMMED * sizes if is_float else 1,
        "largest": SUMMED * sizes if is_float else 1,
    }
    if key not in allowed:
        return False
    then, now = (np.asarray(record[key], float) for record in (expected, actual))
    return then.shape == now.shape and bool((np.abs(then - now) <= allowed[key]).all())


def same_text(expected: str, actual: str) -> bool:
    """Whether two lines are the same, but for the last digits of numbers."""
    then, now = NUMBER.split(expected), NUMBER.split(actual)
    if len(then) != len(now) or then[::2] != now[::2]:
        return False
    return all(
        _same_number(*numbers, after=text)
        for *numbers, text in zip(then[1::2], now[1::2], then[::2], strict=False)
    )


def _same_number(expected: str, actual: str, *, after: str) -> bool:
    if after.endswith(MEMORY_ENDS):
        return math.isclose(float(expected), float(actual), rel_tol=MEMORY)
    if "." in expected + actual or "e" in expected + actual:
        return math.isclose(float(expected), float(actual), rel_tol=PRINTED)
    return expected == actual
