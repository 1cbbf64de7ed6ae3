"""Memory that a worker keeps from one band to the next: fresh pages cost as much as the sums."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from convcli.engine.arrays import Array


class Scratch:
    """Gives arrays to write into; the next one of a name takes the same memory again.

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
            held = self._held[name] = np.empty(size, np.uint8)
        return held[:size].view(dtype).reshape(shape)
