"""`.npy` files: their header is checked before any memory is allocated for the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from convcli.errors import GridError
from convcli.files import count_remaining, open_input
from convcli.grids.text import Grid, shorten

NPY_MAGIC = b"\x93NUMPY"
MAX_HEADER_BYTES = 1 << 16


def load_npy(stream: BinaryIO, name: str, max_values: int) -> Grid:
    """Read a `.npy` array, and refuse NaN and infinity."""
    read_npy_header(stream, name, max_values)
    stream.seek(0)
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


def read_npy_header(
    stream: BinaryIO, name: str, max_values: int
) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Return shape, dtype and whether the order is Fortran's; the stream is at the first number.

    Raises
    ------
    GridError
        If it is no array of real numbers, holds more than `max_values`, or is cut short.
    """
    shape, dtype, is_fortran = _parse_header(stream, name)
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


def _parse_header(stream: BinaryIO, name: str) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
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
    except Exception as error:  # noqa: BLE001  # a header is Python text, with errors of any class
        lines = str(error).splitlines() or [type(error).__name__]
        raise GridError(name, f"is not a .npy array: {shorten(lines[0])}") from None
    return shape, dtype, is_fortran
