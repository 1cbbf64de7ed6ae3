"""What got slower since an older result, beyond the noise of both."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.machine import find_differences
from benchmarks.results import Result
from benchmarks.timing import Measure

MIN_SLOWDOWN = 1.1  # of medians, and the quartiles of both must lie apart
MAX_ATTEMPTS = 3  # processes differ by more than the runs of one do


def measure_until_as_fast(measure: Callable[[], Measure], older: Result | None) -> Measure:
    """Measure a row, and again where it seems to be slower than before: the best of three."""
    found = measure()
    before = older.find(found.row, found.peer, found.core) if older else None
    for _ in range(MAX_ATTEMPTS - 1):
        if before is None or not is_slower(before, found):
            break
        again = measure()
        if again.figure is None or found.figure is None or again.figure < found.figure:
            found = again
    return found


def find_slower(old: Result, new: Result) -> list[str]:
    """Say which figures are worse than in an older result.

    A figure is a ratio, or a number with a unit. Rows are the same by their work, peer and core.
    """
    found = []
    for measure in new.measures:
        before = old.find(measure.row, measure.peer, measure.core)
        if before is not None and is_slower(before, measure):
            unit = measure.unit and f" {measure.unit}"
            found.append(
                f"slower: {name_measure(measure)}: {before.figure:.3g}{unit}, "
                f"now {measure.figure:.3g}{unit}"
            )
    return found


def is_slower(before: Measure, now: Measure) -> bool:
    if before.figure is None or now.figure is None:
        return False
    is_apart = min(now.spread) > max(before.spread)
    return is_apart and now.figure > MIN_SLOWDOWN * before.figure


def find_mismatches(old: Result, new: Result) -> list[str]:
    """Say what keeps two results from being compared: the machine, and rows of one alone."""
    notes = [
        f"another machine: {difference}"
        for difference in find_differences(old.machine, new.machine)
    ]
    if old.is_quick != new.is_quick:
        notes.append("one is quick, the other is not: only rows of the same work are compared")
    notes += [f"only in the older result: {name}" for name in find_missing(old, new)]
    return notes + [f"not in the older result: {name}" for name in find_missing(new, old)]


def find_missing(one: Result, other: Result) -> list[str]:
    """Name what was measured in one result and not in another."""
    found = []
    for measure in one.measures:
        match = other.find(measure.row, measure.peer, measure.core)
        if measure.figure is not None and (match is None or match.figure is None):
            found.append(name_measure(measure))
    return found


def name_measure(measure: Measure) -> str:
    peer = measure.peer and f", {measure.peer}"
    return f"{measure.row}{peer}" + (f" ({measure.core})" if measure.core else "")
