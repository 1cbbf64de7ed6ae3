"""The memory that a network takes: maps, weights, and the peak of its maps while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from convcli.arithmetic.network import Walk
from convcli.arithmetic.notation import INPUT
from convcli.arithmetic.values import DTYPE_BITS
from convcli.errors import ArgumentError, did_you_mean


class Storage(NamedTuple):
    """How the values of maps and weights are held.

    Parameters
    ----------
    dtype : str
        A key of `DTYPE_BITS`.
    batch : int
        The inputs that are run at once: every map is held so many times, every weight once.

    Examples
    --------
    >>> Storage("float16", batch=8).map_bytes(100), Storage("int4").weight_bytes(9)
    (1600, 5)
    """

    dtype: str = "float32"
    batch: int = 1

    def map_bytes(self, elements: int) -> int:
        """Return the bytes of maps of so many values for each input."""
        return self.weight_bytes(self.batch * elements)

    def weight_bytes(self, elements: int) -> int:
        """Return the bytes of so many weights."""
        if self.dtype not in DTYPE_BITS:
            hint = did_you_mean(self.dtype, DTYPE_BITS) or f"; there are {', '.join(DTYPE_BITS)}"
            raise ArgumentError(f"dtype {self.dtype!r} is not known{hint}")
        return -(-elements * DTYPE_BITS[self.dtype] // 8)


FLOAT32 = Storage()


def peak_elements(walk: Walk, outputs: Iterable[int] | None = None) -> int:
    """Return the most values that maps hold at once while a network is run layer by layer.

    A map is held until the last layer that takes it has run, the inputs from the beginning, and
    the outputs to the end. A layer's own output is held beside what it takes.

    Parameters
    ----------
    walk : Walk
    outputs : iterable of int, optional
        The layers whose outputs are wanted; those that they do not depend on are not run. If left
        out, all layers are, and the outputs are those that no layer takes.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> peak_elements(walk(["conv:3,p=1,c=8", "maxpool:2", "conv:1,c=4"], (3, 8, 8)))
    704
    """
    indices = [report.indices for report in walk.layers]
    kept = _unused(indices) if outputs is None else set(outputs)
    steps = range(len(indices)) if outputs is None else sorted(_dependencies(indices, kept))
    ends = {source: step for step in steps for source in indices[step]}
    sizes = {step: math.prod(walk.layers[step].output) for step in steps}
    sizes[INPUT] = math.prod(walk.input)
    inputs = {INPUT, *(step for step in steps if not indices[step])} & {*ends, *kept}
    freed = [0] * len(indices)
    for source, end in ends.items():
        freed[end] += 0 if source in kept else sizes[source]
    peak = held = sum(sizes[source] for source in inputs)
    for step in steps:
        held += 0 if step in inputs else sizes[step]
        peak = max(peak, held)
        held -= freed[step]
    return peak


def _unused(indices: Sequence[Sequence[int]]) -> set[int]:
    """Return the layers whose outputs no layer takes."""
    return set(range(len(indices))).difference(*indices)


def _dependencies(indices: Sequence[Sequence[int]], outputs: Iterable[int]) -> set[int]:
    """Return the layers that some outputs depend on, with those that make them."""
    found: set[int] = set()
    waiting = [output for output in outputs if output != INPUT]
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting += [source for source in indices[step] if source != INPUT]
    return found
