"""Arrays of `.npy` files, read whole or in parts; a header is never believed."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import local
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from convcli.errors import GridError, first_line
from convcli.files import count_remaining, open_input
from convcli.grids.text import Grid, find_nonfinite, shorten

MAX_HEADER_BYTES = 1 << 16
MAX_AXES = 32
MAX_SIDE = 1 << 62
CHANGED = "was changed while it was read"
CUT = "was cut short while it was read"

_HEADER_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
_READ_BYTES = 1 << 30  # at once: systems read less than 2 GiB


def load_npy(
    stream: BinaryIO, name: str, max_values: int, *, allows_nan: bool | None = None
) -> Grid:
    """Read a `.npy` array, and refuse what `find_nonfinite` finds wrong with it."""
    shape, dtype, is_fortran = read_npy_header(stream, name, max_values)
    flat: Grid = np.empty(math.prod(shape), dtype)
    view, done = flat.view(np.uint8).data, 0
    while done < len(view):
        count = stream.readinto(view[done : done + _READ_BYTES])  # type: ignore[attr-defined]
        if not count:
            raise GridError(name, CUT)
        done += count
    array = flat.reshape(shape, order="F" if is_fortran else "C")
    if dtype.kind == "f" and (fault := find_nonfinite(array, allows_nan=allows_nan)) is not None:
        raise GridError(name, fault)
    return array


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
    # A bool is an int to NumPy, and numbers of any size are.
    if len(shape) > MAX_AXES or not all(
        type(side) is int and 0 <= side <= MAX_SIDE for side in shape
    ):
        raise GridError(name, f"is not a .npy array: its shape is {shorten(shape)}")
    kind = dtype.name if dtype.names is None else "records"
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise GridError(name, f"holds {kind}, not real numbers of up to 64 bits")
    count = math.prod(shape)
    if count == 0:
        raise GridError(name, f"is empty: its shape is {shorten(shape)}")
    if count > max_values:
        raise GridError(name, f"holds {count:,} numbers; the most is {max_values:,}")
    if count_remaining(stream) < count * dtype.itemsize:
        raise GridError(name, f"is cut short: its header says {shorten(shape)} of {kind}")
    return shape, dtype, is_fortran


@contextmanager
def _python2_headers() -> Iterator[None]:
    """Read headers that Python 2 wrote, `(3L, 4L)`, without NumPy's warning about them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy`", UserWarning)
        yield


@contextmanager
def open_rows(path: str, max_values: int) -> Iterator[NpyRows]:
    """Open a `.npy` file of two or three axes, to be read row by row.

    Raises
    ------
    FileError
        As `open_grid`; the numbers are not checked, so they may be NaN.
    """
    with open_input(path, max_values * 8 + MAX_HEADER_BYTES) as stream:
        shape, dtype, is_fortran = read_npy_header(stream, path, max_values)
        if len(shape) not in (2, 3):
            raise GridError(path, CHANGED)
        yield NpyRows(stream, path, (*shape, 1)[:3], dtype, is_fortran=is_fortran)


class NpyRows:
    """The planes of a `.npy` file, (C, H, W), of which any rows can be read in any thread.

    A map of the file would be as quick, but a file that is truncated meanwhile would end the
    process. What a thread gets is valid until it reads the next rows.

    Parameters
    ----------
    stream : BinaryIO
        At the first number.
    name : str
    shape : (H, W, C)
    dtype : dtype
    is_fortran : bool
        Whether the first axis is the one whose numbers lie side by side.
    """

    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        is_fortran: bool,
    ) -> None:
        height, width, channels = shape
        self.shape, self.dtype = (channels, height, width), dtype
        self._number, self._name, self._start = stream.fileno(), name, stream.tell()
        self._is_fortran = is_fortran
        self._status = os.fstat(self._number)
        self._buffers = local()

    def __getitem__(self, key: tuple[Any, ...]) -> Grid:
        """Return rows, given as `[..., rows, columns]`: a slice or an array, and a slice."""
        _, rows, columns = key
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[1]))
        return self._read(rows)[..., columns]

    def check_unchanged(self) -> None:
        """Raise if the file was changed since it was opened."""
        now = os.fstat(self._number)
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise GridError(self._name, CHANGED)

    def _read(self, rows: Grid) -> Grid:
        """Read rows, (C, rows, W), each run of consecutive ones at once."""
        channels, height, width = self.shape
        shape = (channels, width, len(rows)) if self._is_fortran else (len(rows), width, channels)
        numbers = self._buffer(math.prod(shape)).reshape(shape)
        size = self.dtype.itemsize
        ends = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
        for first, end in pairwise(ends):
            if first == end:
                continue
            start = int(rows[first])
            if not self._is_fortran:
                self._read_at(numbers[first:end], start * width * channels * size)
                continue
            for channel, column in np.ndindex(channels, width):
                offset = ((channel * width + column) * height + start) * size
                self._read_at(numbers[channel, column, first:end], offset)
        return numbers.transpose((0, 2, 1) if self._is_fortran else (2, 0, 1))

    def _buffer(self, count: int) -> Grid:
        """Return this thread's buffer, with room for so many numbers."""
        buffer: Grid | None = getattr(self._buffers, "numbers", None)
        if buffer is None or len(buffer) < count:
            buffer = self._buffers.numbers = np.empty(count, self.dtype)
        return buffer[:count]

    def _read_at(self, target: Grid, offset: int) -> None:
        """Fill an array, contiguous in memory, from an offset behind the header."""
        view, done = target.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            part = view[done : done + _READ_BYTES]
            count = os.preadv(self._number, [part], self._start + offset + done)
            if not count:
                raise GridError(self._name, CUT)
            done += count
