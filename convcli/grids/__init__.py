"""Grids of numbers: text and `.npy` files, whose size is known before they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.errors import GridError
from convcli.files import MAX_BUFFER_BYTES, count_remaining, open_input
from convcli.grids.npy import MAX_HEADER_BYTES, NPY_MAGIC, is_npy_stream, load_npy, read_npy_header
from convcli.grids.text import Grid, parse_text

TEXT_SUFFIXES = (".csv", ".txt")
SUFFIXES = (*TEXT_SUFFIXES, ".npy")
MAX_TEXT_BYTES = 16 << 20  # larger grids are for .npy


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
def open_grid(path: str, max_values: int) -> Iterator[OpenGrid]:
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
    max_bytes = max_values * 8 + MAX_HEADER_BYTES if is_npy else MAX_TEXT_BYTES
    with open_input(path, max_bytes, lambda start: _max_buffered(start, path, is_npy)) as stream:
        yield load_grid(stream, path, max_values)


def _max_buffered(start: bytes, path: str, is_npy: bool) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if is_npy and not start.startswith(NPY_MAGIC):
        raise GridError(path, "is not a .npy array")
    return MAX_BUFFER_BYTES if is_npy else MAX_TEXT_BYTES


def load_grid(stream: BinaryIO, name: str, max_values: int) -> OpenGrid:
    """Take a stream as a grid: `.npy` where it starts as one, else text."""
    if is_npy_stream(stream):
        shape, dtype, _ = read_npy_header(stream, name, max_values)
        stream.seek(0)
        return OpenGrid(shape, dtype, lambda: load_npy(stream, name, max_values))
    if count_remaining(stream) > MAX_TEXT_BYTES:
        raise GridError(name, f"has more than the {MAX_TEXT_BYTES:,} bytes that are read as text")
    grid = parse_text(stream.read(), name)
    if grid.size > max_values:
        raise GridError(name, f"holds {grid.size:,} numbers; the most is {max_values:,}")
    return OpenGrid(grid.shape, grid.dtype, lambda: grid)
