"""Files of numbers, opened: what they hold is known before it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.errors import GridError
from convcli.files import STREAM_BYTES, opened, remaining
from convcli.grids.npy import HEADER_BYTES, NPY_MAGIC, checked_npy, load_npy, starts_as_npy
from convcli.grids.text import Grid, parse_text

TEXT_SUFFIXES = (".csv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".npy")
TEXT_BYTES = 16 << 20  # larger grids are for .npy


def is_grid(path: str) -> bool:
    """Whether a name is that of a grid of numbers.

    >>> is_grid("letter_a.csv"), is_grid("cat.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


class OpenGrid(NamedTuple):
    """A grid that is open to be read.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    read : callable
        Gives its numbers; text has been read already, and waits.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], Grid]


@contextmanager
def opened_grid(path: str, most_values: int) -> Iterator[OpenGrid]:
    """Open a grid of a `.csv`, `.txt` or `.npy` file.

    Parameters
    ----------
    path : str
    most_values : int
        How many numbers it may hold; more are refused by the file's header or size.

    Yields
    ------
    OpenGrid
        (H, W) of float64 from text; as they are from `.npy`, which may have any number of axes.

    Raises
    ------
    FileError
        With the line and the word at fault, or why the file cannot be opened.
    """
    is_npy = Path(path).suffix.lower() == ".npy"
    # A value takes at most 8 bytes in .npy; the header is small.
    most_bytes = most_values * 8 + HEADER_BYTES if is_npy else TEXT_BYTES
    with opened(path, most_bytes, lambda start: _most_held(start, path, is_npy)) as stream:
        yield open_grid(stream, path, most_values)


def _most_held(start: bytes, path: str, is_npy: bool) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if is_npy and not start.startswith(NPY_MAGIC):
        raise GridError(path, "is not a .npy array")
    return STREAM_BYTES if is_npy else TEXT_BYTES


def open_grid(stream: BinaryIO, name: str, most_values: int) -> OpenGrid:
    """Take a stream as a grid: `.npy` where it starts as one, else text."""
    if starts_as_npy(stream):
        shape, dtype, _ = checked_npy(stream, name, most_values)
        stream.seek(0)
        return OpenGrid(shape, dtype, lambda: load_npy(stream, name, most_values))
    if remaining(stream) > TEXT_BYTES:
        raise GridError(name, f"has more than the {TEXT_BYTES:,} bytes that are read as text")
    grid = parse_text(stream.read(), name)
    if grid.size > most_values:
        raise GridError(name, f"holds {grid.size:,} numbers; the most is {most_values:,}")
    return OpenGrid(grid.shape, grid.dtype, lambda: grid)
