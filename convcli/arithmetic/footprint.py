"""The memory that a network takes: maps, weights, and the peak of its maps while it runs."""

from __future__ import annotations

import math

from convcli.arithmetic.notation import INPUT, last_uses
from convcli.arithmetic.reports import Walk
from convcli.arithmetic.values import DTYPE_BITS
from convcli.errors import ArgumentError, did_you_mean
from convcli.records import NamedTuple


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


def peak_elements(walk: Walk) -> int:
    """Return the most values that maps hold at once while a network is run layer by layer.

    A map is held until the last layer that takes it has run, the inputs from the beginning, and
    the outputs of the network to the end. A layer's own output is
    held beside what it takes.

    Examples
    --------
    >>> from convcli.arithmetic.network import walk
    >>> peak_elements(walk(["conv:3,p=1,c=8", "maxpool:2", "conv:1,c=4"], (3, 8, 8)))
    704
    """
    indices = [report.indices for report in walk.layers]
    sizes = {step: math.prod(report.output) for step, report in enumerate(walk.layers)}
    sizes[INPUT] = math.prod(walk.input)
    freed = [0] * len(indices)  # by each layer, which is the last to take them
    uses = last_uses(indices)
    for source in uses.keys() - {*walk.ends}:
        freed[uses[source]] += sizes[source]
    peak = held = sizes[INPUT] * (INPUT in uses) + sum(
        sizes[step] for step, sources in enumerate(indices) if not sources
    )
    for step, sources in enumerate(indices):
        held += sizes[step] if sources else 0  # inputs are held already
        peak = max(peak, held)
        held -= freed[step]
    return peak
