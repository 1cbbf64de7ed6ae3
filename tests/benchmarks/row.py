"""A row of the table, before it is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.photo import Workplace
from benchmarks.timing import MAX_RUNS, Contest, Gauge


@dataclass(frozen=True)
class Profile:
    """How large the work is; a quick look takes less of everything."""

    megapixels: float = 12.0
    deep_megapixels: float = 24.0  # of 16-bit and of float32 values
    memory_megapixels: tuple[float, ...] = (24.0, 100.0)
    network_megapixels: float = 12.0
    files: int = 100
    sizes: tuple[int, ...] = (3, 5, 9, 15, 31)  # of dense kernels beside OpenCV
    growth_megapixels: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    growth_sizes: tuple[int, ...] = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63)
    kernel_megapixels: float = 3.0  # under the kernels of growing size
    is_full: bool = True
    runs: int = 5  # of each row at least
    seconds: float = 1.0  # for each row at least, where a run is quick


FULL = Profile()
QUICK = Profile(
    megapixels=1.0,
    deep_megapixels=1.0,
    memory_megapixels=(1.0,),
    network_megapixels=0.3,
    files=4,
    sizes=(3, 5, 9, 15),
    growth_megapixels=(),
    growth_sizes=(),
    is_full=False,
    runs=2,
    seconds=0.1,
)


class Target(NamedTuple):
    """What a row's figure is wanted to be: at most, and then the aim."""

    at_most: float | None = None
    aim: float | None = None


# The vector units that a core's kernels are written for, by their names in the table. Where AMD has
# no target of its own, the one of its vector units holds.
AVX512, AVX2, AMD_AVX2 = "AVX-512", "AVX2", "AMD with AVX2"
Targets = Mapping[str, Target]


def everywhere(at_most: float, aim: float) -> Targets:
    """Return a target that holds whatever the machine is."""
    return {"": Target(at_most, aim)}


def by_units(
    avx512: float, avx2: float, aim: float, *, amd: Target | None = None
) -> dict[str, Target]:
    """Return the targets of AVX-512 and of AVX2, with one aim, and that of AMD if it differs."""
    targets = {AVX512: Target(avx512, aim), AVX2: Target(avx2, aim)}
    return targets if amd is None else {**targets, AMD_AVX2: amd}


def find_target(targets: Targets, units: str) -> Target:
    """Return the target that holds for some vector units; an empty one without any.

    >>> find_target(by_units(0.5, 0.9, 0.4), AMD_AVX2)
    Target(at_most=0.9, aim=0.4)
    """
    names = (units, AVX2 if units == AMD_AVX2 else "", "")
    return next((targets[name] for name in names if name in targets), Target())


@dataclass(frozen=True)
class Row:
    """What is measured against whom, and what is wanted of it.

    `needs` names the peer in `peers.py`; `is_command` rows run whole processes, which get the
    caller's own environment. A row with `on_each_core` is measured under every core of `--cores`,
    others under the first. What `is_extra` is left out of a quick look.
    """

    name: str
    peer: str
    prepare: Callable[[Workplace], Contest | Gauge]
    needs: str = ""
    targets: Targets = field(default_factory=dict)
    is_command: bool = False
    on_each_core: bool = False
    is_extra: bool = False
    most_runs: int = MAX_RUNS  # fewer for work of minutes

    def target(self, units: str) -> Target:
        """Return the target under the kernels for some vector units."""
        return find_target(self.targets, units)
