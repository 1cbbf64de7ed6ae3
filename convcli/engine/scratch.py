"""Working memory that is reused, and tiles that keep it small.

Memory from the system costs as much time as the sums that are written to it: the system clears a
page at the first write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from threading import get_ident
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike

from convcli.engine.arrays import Array

MAX_KEPT_BYTES = 64 << 20  # kept for later calls, of all threads together
MIN_KEPT_BYTES = 1 << 14  # the system provides less as quickly
ALIGNMENT_BYTES = 64  # of a line of the cache: BLAS takes up to half as long again without
PAGE_BYTES = 4096  # rows a multiple of these apart would share few lines of the cache
MAX_COLUMNS_BYTES = 16 << 20  # of the columns matrix of one tile

# Memory that nobody uses, by the thread that used it and its id; the latest to be returned is last.
# Each change is one step of the interpreter, so threads need no lock; a finalizer could run while a
# lock is held, and wait for it for ever.
free: dict[tuple[int, int], Array] = {}


class Scratch:
    """Provides arrays to write into; the next array of a name reuses the same memory.

    Once neither this object nor any of its arrays is used any more, others get the memory.

    Examples
    --------
    >>> scratch = Scratch()
    >>> first = scratch("sums", (2, 3), np.float32)
    >>> np.shares_memory(first, scratch("sums", (2, 2), np.int16))
    True
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Array] = {}

    def __call__(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Return an array whose values are arbitrary."""
        size = prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < size:
            buffer = self._buffers[name] = _borrow(size)
        return buffer[:size].view(dtype).reshape(shape)


def _borrow(size: int) -> Array:
    """Return at least so many aligned bytes, which are kept once the last array in them is gone."""
    size += ALIGNMENT_BYTES
    buffer: Array
    if size < MIN_KEPT_BYTES:
        buffer = np.empty(size, np.uint8)
    else:
        thread = get_ident()
        # With the memory itself: while it is there, its id stays its own, whoever takes it.
        fitting = [
            (key[0] != thread, memory.nbytes, key, memory)  # this core's cache may hold its own
            for key, memory in list(free.items())
            if size <= memory.nbytes <= 2 * size
        ]
        memory = free.pop(min(fitting)[2], None) if fitting else None
        if memory is None:  # another thread may be faster
            memory = np.empty(size, np.uint8)
        # Not a view, whose own views would refer to the memory instead of to the view.
        buffer = np.asarray(memory.data)
        finalize(buffer, _keep, memory, thread).atexit = False
    return buffer[-buffer.ctypes.data % ALIGNMENT_BYTES :]


def _keep(memory: Array, thread: int) -> None:
    """Keep memory for later, and drop the oldest beyond `MAX_KEPT_BYTES`."""
    free[thread, id(memory)] = memory
    items = list(free.items())
    excess = sum(memory.nbytes for _, memory in items) - MAX_KEPT_BYTES
    for key, oldest in items:
        if excess <= 0:
            return
        free.pop(key, None)
        excess -= oldest.nbytes


def row_pitch(values: int, itemsize: int) -> int:
    """The values from a row to the next: whole lines of the cache, and no multiple of a page.

    >>> row_pitch(100, 4), row_pitch(1000, 4), row_pitch(1024, 4)
    (112, 1008, 1040)
    """
    line = ALIGNMENT_BYTES // itemsize
    pitch = -(-values // line) * line
    return pitch + line if pitch * itemsize % PAGE_BYTES == 0 else pitch


def split_range(length: int, max_length: int) -> Iterator[slice]:
    """Split `range(length)` into slices of at most `max_length`, in order.

    >>> list(split_range(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(max_length, 1)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def even_size(count: int, limit: int) -> int:
    """The size of the parts of a count, at most `limit`: all of one size, but for a smaller last.

    >>> even_size(28, 9)
    7
    """
    return -(-count // -(-count // max(limit, 1)))


def split_plane(height: int, width: int, max_positions: int) -> Iterator[tuple[slice, slice]]:
    """Split a plane into tiles of at most so many positions: whole rows where they fit.

    >>> list(split_plane(2, 3, 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    for rows in split_range(height, max_positions // width):
        for columns in split_range(width, max_positions // (rows.stop - rows.start)):
            yield rows, columns


def input_span(outputs: slice, stride: int, extent: int) -> slice:
    """The positions of a padded input that a span of outputs depends on.

    Parameters
    ----------
    outputs : slice
    stride : int
    extent : int
        The positions under one window.

    Examples
    --------
    >>> input_span(slice(2, 4), stride=2, extent=3)
    slice(4, 9, None)
    """
    return slice(outputs.start * stride, (outputs.stop - 1) * stride + extent)
