"""Working memory, reused from band to band and from call to call, and tiles that keep it small.

A fresh page costs as much as the sums written to it: the system clears it at the first write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from weakref import finalize

import numpy as np
from numpy.typing import DTypeLike

from convcli.engine.arrays import Array

MAX_KEPT_BYTES = 64 << 20  # what is kept for later calls, of all threads together
_WORTH_KEEPING = 1 << 14  # bytes: less is as quickly had from the system

# What nobody uses now, by its id; the latest to come back stands last. Each change is one step of
# the interpreter's, so threads need no lock; a lock could be met again by what a finalizer runs.
free: dict[int, Array] = {}


class Scratch:
    """Gives arrays to write into; the next one of a name takes the same memory again.

    Where neither this nor any of its arrays is used any more, others are given the memory.

    Examples
    --------
    >>> scratch = Scratch()
    >>> first = scratch("sums", (2, 3), np.float32)
    >>> np.shares_memory(first, scratch("sums", (2, 2), np.int16))
    True
    """

    def __init__(self) -> None:
        self._held: dict[str, Array] = {}

    def __call__(self, name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An array that is not cleared."""
        size = prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or held.nbytes < size:
            held = self._held[name] = _lend(size)
        return held[:size].view(dtype).reshape(shape)


def _lend(size: int) -> Array:
    """So many bytes or some more, which come back when the last array in them is gone."""
    if size < _WORTH_KEEPING:
        return np.empty(size, np.uint8)
    fitting = [one for one in list(free.values()) if size <= one.nbytes <= 2 * size]
    memory = min(fitting, key=lambda one: one.nbytes, default=None)
    if memory is None or free.pop(id(memory), None) is None:  # another thread may be faster
        memory = np.empty(size, np.uint8)
    # A view would be skipped: its own views would hold on to the memory, and not to it.
    lent: Array = np.asarray(memory.data)
    finalize(lent, _take_back, memory).atexit = False
    return lent


def _take_back(memory: Array) -> None:
    """Keep memory for the next who asks, and let go of the oldest beyond the bound."""
    free[id(memory)] = memory
    kept = list(free.items())
    most = sum(one.nbytes for _, one in kept) - MAX_KEPT_BYTES
    for key, one in kept:
        if most <= 0:
            return
        free.pop(key, None)
        most -= one.nbytes


MAX_COLUMNS_BYTES = 16 << 20  # what the columns of one part may take: they are made anew for each


def split_range(length: int, most: int) -> Iterator[slice]:
    """Cut `range(length)` into slices of at most `most`, in order.

    >>> list(split_range(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(most, 1)
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def split_plane(height: int, width: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Cut a plane into tiles of at most `most` positions: whole rows where they fit.

    >>> list(split_plane(2, 3, 3))
    [(slice(0, 1, None), slice(0, 3, None)), (slice(1, 2, None), slice(0, 3, None))]
    """
    for rows in split_range(height, most // width):
        for columns in split_range(width, most // (rows.stop - rows.start)):
            yield rows, columns


def input_span(outputs: slice, stride: int, extent: int) -> slice:
    """The padded positions that a span of outputs sees, `extent` at a time.

    >>> input_span(slice(2, 4), stride=2, extent=3)
    slice(4, 9, None)
    """
    return slice(outputs.start * stride, (outputs.stop - 1) * stride + extent)
