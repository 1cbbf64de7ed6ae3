"""Grids of numbers in text and `.npy` files; their shape is known before they are read whole."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from convcli.errors import GridError, first_line
from convcli.files import MAX_BUFFER_BYTES, count_remaining, open_input
from convcli.grids.text import Grid, parse_text, shorten

GRID_SUFFIXES = (".csv", ".txt", ".npy")  # of inputs
NUMBER_SUFFIXES = (".npy", ".csv")  # of outputs
MAX_TEXT_BYTES = 16 << 20  # a larger grid has to be .npy
MAX_HEADER_BYTES = 1 << 16  # of .npy
NPY_MAGIC = b"\x93NUMPY"

_HEADER_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


def is_grid(path: str) -> bool:
    """Whether a file is a grid of numbers, by its suffix.

    >>> is_grid("letter_a.csv"), is_grid("cat.jpg")
    (True, False)
    """
    return Path(path).suffix.lower() in GRID_SUFFIXES


class OpenGrid(NamedTuple):
    """An open grid.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    read : callable
        Returns its numbers; those of text have been read already.
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
    max_values : int
        The most numbers that it may hold; more are refused by the file's header or size.

    Yields
    ------
    OpenGrid
        (H, W) of float64 from text; as stored from `.npy`, which may have any number of axes.

    Raises
    ------
    FileError
        With the line and the text at fault, or why the file cannot be opened.
    """
    is_npy = Path(path).suffix.lower() == ".npy"
    # A value takes at most 8 bytes in .npy.
    max_bytes = max_values * 8 + MAX_HEADER_BYTES if is_npy else MAX_TEXT_BYTES

    def max_buffered(start: bytes) -> int:
        if is_npy and not start.startswith(NPY_MAGIC):
            raise GridError(path, "is not a .npy array")
        return MAX_BUFFER_BYTES if is_npy else MAX_TEXT_BYTES

    with open_input(path, max_bytes, max_buffered) as stream:
        yield load_grid(stream, path, max_values)


def load_grid(stream: BinaryIO, name: str, max_values: int) -> OpenGrid:
    """Open a stream as a grid: `.npy` if it starts as one, else text."""
    start = stream.read(len(NPY_MAGIC))
    stream.seek(0)
    if start == NPY_MAGIC:
        shape, dtype, _ = read_npy_header(stream, name, max_values)
        stream.seek(0)
        return OpenGrid(shape, dtype, lambda: load_npy(stream, name, max_values))
    if count_remaining(stream) > MAX_TEXT_BYTES:
        raise GridError(name, f"has more than the {MAX_TEXT_BYTES:,} bytes that are read as text")
    grid = parse_text(stream.read(), name)
    if grid.size > max_values:
        raise GridError(name, f"holds {grid.size:,} numbers; the most is {max_values:,}")
    return OpenGrid(grid.shape, grid.dtype, lambda: grid)


def write_grid(stream: BinaryIO, values: Grid, suffix: str) -> None:
    """Write numbers as one of `NUMBER_SUFFIXES`; `.csv` holds two axes."""
    if suffix == ".npy":
        np.save(stream, values, allow_pickle=False)
        return
    for row in values + 0.0:  # no -0
        cells = (cell.removesuffix(".0") for cell in row.astype("U32").tolist())
        stream.write((",".join(cells) + "\n").encode())


def load_npy(stream: BinaryIO, name: str, max_values: int) -> Grid:
    """Read a `.npy` array, and refuse NaN and infinity."""
    read_npy_header(stream, name, max_values)
    stream.seek(0)
    with _python2_headers():
        array: Grid = np.load(stream, allow_pickle=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise GridError(name, "holds NaN or infinity, which no filter can use")
    return array


@contextmanager
def map_npy(path: str, max_values: int) -> Iterator[tuple[Grid, Callable[[], None]]]:
    """Map a `.npy` file into memory.

    Yields
    ------
    array, release
        Calling `release` frees the memory of what was read so far, so that a file larger than the
        memory can be processed.

    Raises
    ------
    FileError
        As `open_grid`; the numbers are not checked, so they may be NaN.
    """
    with open_input(path, max_values * 8 + MAX_HEADER_BYTES) as stream:
        shape, dtype, is_fortran = read_npy_header(stream, path, max_values)
        # Not closed here: an array may still use it. It is closed with the last of them.
        import mmap

        mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(mapping, dtype, math.prod(shape), stream.tell())
        array = flat.reshape(shape, order="F" if is_fortran else "C")
        yield array, lambda: mapping.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _python2_headers() -> Iterator[None]:
    """Read headers that Python 2 wrote, `(3L, 4L)`, without NumPy's warning about them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy`", UserWarning)
        yield


def read_npy_header(
    stream: BinaryIO, name: str, max_values: int
) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, dtype and whether the order is Fortran's; the stream is at the first number.

    Raises
    ------
    GridError
        If it is no array of real numbers, holds more than `max_values`, or is cut short.
    """
    try:
        version = npy_format.read_magic(stream)
        if version not in _HEADER_READERS:
            raise GridError(name, f"is of .npy version {version}, which is not read")
        with _python2_headers():
            shape, is_fortran, dtype = _HEADER_READERS[version](stream)
    except GridError:
        raise
    except Exception as error:  # noqa: BLE001  # a header is Python text, with errors of any class
        raise GridError(name, f"is not a .npy array: {shorten(first_line(error))}") from None
    if not all(type(side) is int for side in shape):  # a bool is an int to NumPy
        raise GridError(name, f"is not a .npy array: its shape is {shorten(shape)}")
    count = math.prod(shape)
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise GridError(name, f"holds {dtype}, not real numbers of up to 64 bits")
    if count == 0:
        raise GridError(name, f"is empty: its shape is {shape}")
    if count > max_values:
        raise GridError(name, f"holds {count:,} numbers; the most is {max_values:,}")
    if count_remaining(stream) < count * dtype.itemsize:
        raise GridError(name, f"is cut short: its header says {shape} of {dtype}")
    return shape, dtype, is_fortran
