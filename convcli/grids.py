"""Numbers from text, JSON and `.npy`: the one reader of them, made for hostile files.

Text holds one row a line, columns separated by commas or spaces; `#` starts a comment.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.notation import REAL
from convcli.errors import GridError
from convcli.files import STREAM_BYTES, opened, remaining

Grid: TypeAlias = NDArray[Any]

TEXT_SUFFIXES = (".csv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".npy")
TEXT_BYTES = 16 << 20  # larger grids are for .npy
MOST_LINES = 100_000  # that are looked through for the first fault
NPY_MAGIC = b"\x93NUMPY"

_NUMERIC = re.compile(r"[0-9eE+\-.,\s]*\Z")
_COMMENT = re.compile(r"#[^\n]*")
_EMPTY_CELL = re.compile(r"^[ \t]*,|,[ \t]*(?:,|$)", re.MULTILINE)
_MOST_AXES = 4
MOST_DIGITS = 400  # of a whole number in JSON: more are beyond any float


def is_grid(path: str) -> bool:
    """Whether a name is that of a grid of numbers.

    >>> is_grid("letter_a.csv"), is_grid("cat.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


def read_grid(path: str, most_values: int) -> Grid:
    """Read a grid from a `.csv`, `.txt` or `.npy` file.

    Parameters
    ----------
    path : str
    most_values : int
        How many numbers it may hold; more are refused by the file's header or size.

    Returns
    -------
    ndarray
        (H, W) of float64 from text; as they are from `.npy`, which may have any number of axes.

    Raises
    ------
    FileError
        With the line and the word at fault, or why the file cannot be opened.
    """
    is_npy = Path(path).suffix.lower() == ".npy"
    # A value takes at most 8 bytes in .npy; the header is small.
    most_bytes = most_values * 8 + (1 << 16) if is_npy else TEXT_BYTES
    with opened(path, most_bytes, lambda start: _most_held(start, path, is_npy)) as stream:
        return load_grid(stream, path, most_values)


def _most_held(start: bytes, path: str, is_npy: bool) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if is_npy and not start.startswith(NPY_MAGIC):
        raise GridError(path, "is not a .npy array")
    return STREAM_BYTES if is_npy else TEXT_BYTES


def load_grid(stream: BinaryIO, name: str, most_values: int) -> Grid:
    """Read a grid from an open stream: `.npy` where it starts as one, else text."""
    if starts_as_npy(stream):
        return load_npy(stream, name, most_values)
    if remaining(stream) > TEXT_BYTES:
        raise GridError(name, f"has more than the {TEXT_BYTES:,} bytes that are read as text")
    grid = parse_text(stream.read(), name)
    if grid.size > most_values:
        raise GridError(name, f"holds {grid.size:,} numbers; the most is {most_values:,}")
    return grid


@contextmanager
def mapped_npy(path: str, most_values: int) -> Iterator[tuple[Grid, Callable[[], None]]]:
    """Map a `.npy` file into memory, to be read as it is used.

    Yields
    ------
    array, release
        Calling `release` lets go of what was read so far, so that a file larger than the memory
        can be gone through.

    Raises
    ------
    FileError
        As `read_grid`; its numbers are not looked at, so they may be NaN.
    """
    with opened(path, most_values * 8 + (1 << 16)) as stream:
        shape, dtype, is_fortran = _checked_npy(stream, path, most_values)
        # Closed with the last array that looks into it: it cannot be closed under one.
        held = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(held, dtype, math.prod(shape), stream.tell())
        array = flat.reshape(shape, order="F" if is_fortran else "C")
        yield array, lambda: held.madvise(mmap.MADV_DONTNEED)


def starts_as_npy(stream: BinaryIO) -> bool:
    """Whether a stream's next bytes are those that a `.npy` array starts with."""
    start = stream.read(len(NPY_MAGIC))
    stream.seek(-len(start), 1)
    return start == NPY_MAGIC


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
            return f"line {place}: {_short(wrong)} is not a number"
        huge = next((word for word in words if not math.isfinite(float(word))), None)
        if huge is not None:
            return f"line {place}: {_short(huge)} is too large"
        length = length or len(words)
        if len(words) != length:
            return f"line {place} has {len(words)} numbers, the first row has {length}"
    return f"is not a grid of numbers beyond line {MOST_LINES:,}"


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
        raise GridError(name, f"must be nested lists of numbers, not {_short(value)}")
    flat: list[float] = []
    _flatten(value, shape, flat, name)
    return np.array(flat).reshape(shape)


def finite_number(value: Any, what: str, name: str) -> float:
    """Take a number of a JSON document, and nothing that only looks like one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise GridError(name, f"{what} must be a number, not {_short(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise GridError(name, f"{what} is too large")
    return number


def load_npy(stream: BinaryIO, name: str, most_values: int) -> Grid:
    """Read a `.npy` array; what its header says is checked before any memory is taken."""
    _checked_npy(stream, name, most_values)
    stream.seek(0)
    array: Grid = np.load(stream, allow_pickle=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GridError(name, "holds NaN or infinity, which no filter can use")
    return array


def _checked_npy(
    stream: BinaryIO, name: str, most_values: int
) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Hold a `.npy` header to what it may say; the stream then stands at the first number."""
    shape, dtype, is_fortran = _npy_header(stream, name)
    count = math.prod(shape)
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise GridError(name, f"holds {dtype}, not real numbers of up to 64 bits")
    if count == 0:
        raise GridError(name, f"is empty: its shape is {shape}")
    if count > most_values:
        raise GridError(name, f"holds {count:,} numbers; the most is {most_values:,}")
    if remaining(stream) < count * dtype.itemsize:
        raise GridError(name, f"is cut short: its header says {shape} of {dtype}")
    return shape, dtype, is_fortran


def _npy_header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """What a `.npy` header says of its array."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        if version not in readers:
            raise GridError(name, f"is of .npy version {version}, which is not read")
        shape, is_fortran, dtype = readers[version](stream)
    except GridError:
        raise
    except Exception as error:  # noqa: BLE001  # a header is Python text: all can go wrong with it
        words = str(error).splitlines() or [type(error).__name__]
        raise GridError(name, f"is not a .npy array: {_short(words[0])}") from None
    return shape, dtype, is_fortran


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
            raise GridError(name, f"has the key {_short(key)} twice")
        seen[key] = value
    return seen


def _refuse(name: str, cause: str) -> None:
    raise GridError(name, cause)


def _short(value: Any) -> str:
    """A value for a message: never longer than a line's end."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
