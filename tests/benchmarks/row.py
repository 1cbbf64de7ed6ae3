"""A row of the table, before it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.photo import Workplace
from benchmarks.timing import MOST_RUNS, Contest, Gauge


@dataclass(frozen=True)
class Profile:
    """How large the work is; a quick look takes less of everything."""

    megapixels: float = 12.0
    large_megapixels: float = 24.0
    files: int = 200
    sizes: tuple[int, ...] = (3, 5, 9, 15, 31)  # of dense kernels beside OpenCV
    growth_megapixels: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    growth_sizes: tuple[int, ...] = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
    kernel_megapixels: float = 3.0  # under the kernels of growing size
    is_full: bool = True
    runs: int = 5  # of each row at least
    seconds: float = 1.0  # for each row at least, where a run is quick


FULL = Profile()
QUICK = Profile(
    megapixels=2.0,
    large_megapixels=2.0,
    files=8,
    sizes=(3, 5, 9, 15),
    growth_megapixels=(0.1, 1.0),
    growth_sizes=(3, 7, 15),
    kernel_megapixels=0.5,
    is_full=False,
    runs=3,
    seconds=0.2,
)


@dataclass(frozen=True)
class Row:
    """What is measured against whom, and what is wanted of it.

    `needs` names the peer in `peers.py`; `is_command` rows run whole processes, which get the
    caller's own environment.
    """

    name: str
    peer: str
    prepare: Callable[[Workplace], Contest | Gauge]
    needs: str = ""
    at_most: float | None = None
    aim: float | None = None
    is_command: bool = False
    most_runs: int = MOST_RUNS  # fewer for work of minutes
