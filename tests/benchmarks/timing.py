"""What is measured of a row: first that both sides agree, and only then how long each takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

MAX_RUNS = 40

Made = TypeVar("Made")


class MissingError(Exception):
    """What a row needs is not here: it is skipped."""


@dataclass(frozen=True)
class Effort:
    """How often a row is timed: at least so often, and until so much time has gone by.

    No more than `most_runs`, whatever is asked for.
    """

    runs: int
    seconds: float
    most_runs: int = MAX_RUNS


@dataclass(frozen=True)
class Verdict:
    """Whether a result is right, and in words how that was found."""

    passed: bool
    words: str


@dataclass(frozen=True)
class Measure:
    """One row of the table, as `--json` writes it.

    A ratio is our time divided by the peer's, so below 1 is faster than the peer. A row without a
    peer has a value and its unit instead. `spread` is the first and the third quartile of the runs.
    `core` is the one whose kernels BLAS used; empty where that matters little.
    """

    row: str
    peer: str
    core: str = ""
    check: str = "skipped"  # or passed, or failed
    checked: str = ""
    ratio: float | None = None
    minimum_ratio: float | None = None
    ours_seconds: float | None = None
    peer_seconds: float | None = None
    value: float | None = None
    unit: str = ""
    runs: int = 0
    spread: list[float] = field(default_factory=list)
    target: float | None = None
    aim: float | None = None

    @property
    def figure(self) -> float | None:
        """The number that is held against the target."""
        return self.value if self.ratio is None else self.ratio


@dataclass(frozen=True)
class Contest:
    """Two computations of the same result, timed in turn: ours, theirs, ours, theirs.

    The check's two calls warm both sides up. They are timed themselves where one run is all that is
    to be had: work of minutes needs no warming.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    check: Callable[[Any, Any], Verdict]

    def measure(self, effort: Effort) -> dict[str, Any]:
        """The fields of a `Measure`."""
        (made, ours_s), (other, theirs_s) = call_timed(self.ours), call_timed(self.theirs)
        verdict = self.check(made, other)
        if not verdict.passed:
            return failed(verdict.words)
        del made, other
        pairs = [(ours_s, theirs_s)]
        if effort.most_runs > 1:
            pairs = interleave(self.ours, self.theirs, effort)
        ratios = [ours / theirs for ours, theirs in pairs]
        mine, others = zip(*pairs, strict=True)
        return passed(verdict.words, ratios) | {
            "ratio": statistics.median(ratios),
            "minimum_ratio": min(mine) / min(others),
            "ours_seconds": statistics.median(mine),
            "peer_seconds": statistics.median(others),
        }


@dataclass(frozen=True)
class Gauge:
    """A number that stands for itself: megabytes, or seconds per megapixel."""

    make: Callable[[], Any]
    check: Callable[[Any], Verdict]
    unit: str
    read: Callable[[Any], float] | None = None  # of what was made; left out, it is timed
    per: float = 1.0  # the seconds are divided by this

    def measure(self, effort: Effort) -> dict[str, Any]:
        """The fields of a `Measure`."""
        made = self.make()
        verdict = self.check(made)
        if not verdict.passed:
            return failed(verdict.words)
        if self.read is not None:
            values = [self.read(made)]
            return passed(verdict.words, values) | {"value": values[0], "unit": self.unit}
        del made
        taken = repeat(lambda: seconds(self.make), effort)
        values = [each / self.per for each in taken]
        return passed(verdict.words, values) | {
            "ours_seconds": statistics.median(taken),
            "value": statistics.median(values),
            "unit": self.unit,
        }


def passed(words: str, values: list[float]) -> dict[str, Any]:
    return {
        "check": "passed",
        "checked": words,
        "runs": len(values),
        "spread": quartiles(values),
    }


def quartiles(values: list[float]) -> list[float]:
    """The first and the third.

    >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
    [2.0, 4.0]
    """
    if len(values) == 1:
        return values * 2
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]


def failed(words: str) -> dict[str, Any]:
    return {"check": "failed", "checked": words}


def interleave(
    ours: Callable[[], Any], theirs: Callable[[], Any], effort: Effort
) -> list[tuple[float, float]]:
    """Seconds of both, side by side: what else the machine does meets both alike."""
    return repeat(lambda: (seconds(ours), seconds(theirs)), effort)


def repeat(once: Callable[[], Made], effort: Effort) -> list[Made]:
    found: list[Made] = []
    started = time.perf_counter()
    while len(found) < min(effort.runs, effort.most_runs) or (
        time.perf_counter() - started < effort.seconds and len(found) < effort.most_runs
    ):
        found.append(once())
    return found


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes; giving back the memory of what it made is not timed."""
    return call_timed(call)[1]


def call_timed(call: Callable[[], Made]) -> tuple[Made, float]:
    started = time.perf_counter()
    made = call()
    return made, time.perf_counter() - started
