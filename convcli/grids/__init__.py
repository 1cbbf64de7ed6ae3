"""Grids of numbers in text and `.npy` files; their shape is known before they are read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from convcli.errors import GridError
from convcli.files import MAX_BUFFER_BYTES, count_remaining, open_input
from convcli.files.paths import suffix_of
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.grids.text import Grid

GRID_SUFFIXES = (".csv", ".tsv", ".txt", ".npy")  # of inputs
NUMBER_SUFFIXES = (".npy", ".csv")  # of outputs
MAX_TEXT_BYTES = 16 << 20  # a larger grid has to be .npy
NPY_MAGIC = b"\x93NUMPY"


class OpenGrid(NamedTuple):
    """An open grid.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    read : callable
        Returns its numbers; those of text have been read already.
    notes : tuple of str
        Messages to the user about how it was read.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], Grid]
    notes: tuple[str, ...] = ()


@contextmanager
def open_grid(path: str, max_values: int, *, allows_nan: bool = False) -> Iterator[OpenGrid]:
    """Open a grid of a file with one of `GRID_SUFFIXES`.

    Parameters
    ----------
    path : str
    max_values : int
        The most numbers that it may hold; more are refused by the file's header or size.
    allows_nan : bool
        Whether NaN may be among them.

    Yields
    ------
    OpenGrid
        (H, W) of float64 from text; as stored from `.npy`, which may have any number of axes.

    Raises
    ------
    FileError
        With the line and the text at fault, or why the file cannot be opened.
    """
    from convcli.grids.npy import MAX_HEADER_BYTES

    is_npy = suffix_of(path) == ".npy"
    # A value takes at most 8 bytes in .npy.
    max_bytes = max_values * 8 + MAX_HEADER_BYTES if is_npy else MAX_TEXT_BYTES

    def max_buffered(start: bytes) -> int:
        if is_npy and not start.startswith(NPY_MAGIC):
            raise GridError(path, "is not a .npy array")
        return MAX_BUFFER_BYTES if is_npy else MAX_TEXT_BYTES

    with open_input(path, max_bytes, max_buffered) as stream:
        yield load_grid(stream, path, max_values, allows_nan=allows_nan)


def load_grid(
    stream: BinaryIO, name: str, max_values: int, *, allows_nan: bool = False
) -> OpenGrid:
    """Open a stream as a grid: `.npy` if it starts as one, else text."""
    start = stream.read(len(NPY_MAGIC))
    stream.seek(0)
    if start == NPY_MAGIC:
        from convcli.grids.npy import load_npy, read_npy_header

        shape, dtype, _ = read_npy_header(stream, name, max_values)
        stream.seek(0)

        def read() -> Grid:
            return load_npy(stream, name, max_values, allows_nan=allows_nan)

        return OpenGrid(shape, dtype, read)
    if suffix_of(name) == ".npy":
        raise GridError(name, "is not a .npy array")
    if count_remaining(stream) > MAX_TEXT_BYTES:
        raise GridError(name, f"has more than the {MAX_TEXT_BYTES:,} bytes that are read as text")
    from convcli.grids.text import note_row, parse_text

    grid = parse_text(stream.read(), name, allows_nan=allows_nan)
    if grid.size > max_values:
        raise GridError(name, f"holds {grid.size:,} numbers; the most is {max_values:,}")
    return OpenGrid(grid.shape, grid.dtype, lambda: grid, note_row(grid.shape, name))


def write_grid(stream: BinaryIO, values: Grid, suffix: str) -> None:
    """Write numbers as one of `NUMBER_SUFFIXES`; `.csv` holds two axes."""
    if suffix == ".npy":
        np.save(stream, values, allow_pickle=False)
        return
    for row in values + 0.0:  # no -0
        cells = (cell.removesuffix(".0") for cell in row.astype("U32").tolist())
        stream.write((",".join(cells) + "\n").encode())
