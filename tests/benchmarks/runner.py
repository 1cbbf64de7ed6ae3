"""Measure rows, each in a process of its own: imports and threads of one reach no other."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks.cores import Core
from benchmarks.layers import CONV, LAYERS, MEAN, MEAN_TARGETS
from benchmarks.peers import environment, hold_to, peer_version, set_threads
from benchmarks.photo import Workplace
from benchmarks.row import Row, find_target
from benchmarks.timing import Effort, Measure, MissingError, failed


@contextmanager
def workplace() -> Iterator[Workplace]:
    folder = Path(tempfile.mkdtemp(prefix="convcli-benchmarks-"))
    try:
        yield Workplace(folder)
    finally:
        shutil.rmtree(folder)


def measure_apart(row: Row, core: Core, number: int, threads: int, told: list[str]) -> Measure:
    """Measure a row in a fresh process: this program again, told the row's number."""
    made = blank(row, core)
    if row.needs and peer_version(row.needs) is None:
        return replace(made, checked=f"{row.needs} is not installed")
    command = [sys.executable, str(Path(__file__).parent), *told, "--row", str(number)]
    done = subprocess.run(
        command,
        env=core.environment() | environment(threads, is_command=row.is_command),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return replace(made, **failed(lines[-1]))
    return replace(made, **json.loads(done.stdout.splitlines()[-1]))


def measure_here(row: Row, place: Workplace, effort: Effort, threads: int) -> dict[str, Any]:
    """Measure a row in this process: the fields of its `Measure`."""
    hold_to(threads)
    if not row.is_command:
        set_threads(row.needs, threads)
    bounded = replace(effort, most_runs=row.most_runs)
    try:
        return row.prepare(place).measure(bounded)
    except MissingError as missing:
        return {"checked": str(missing)}


def blank(row: Row, core: Core) -> Measure:
    """Return the measure of a row that is skipped; most rows are of no one core."""
    target, name = row.target(core.units), core.name if row.on_each_core else ""
    return Measure(row.name, row.peer, name, target=target.at_most, aim=target.aim)


def with_means(measures: list[Measure], cores: list[Core]) -> list[Measure]:
    """Put the mean of the convolutions behind the last of them, where all were asked for."""
    made = list(measures)
    for core in cores:
        four = [one for one in made if one.row.startswith(CONV) and one.core == core.name]
        if len(four) == len(LAYERS):
            made.insert(made.index(four[-1]) + 1, mean(four, core))
    return made


def mean(parts: list[Measure], core: Core) -> Measure:
    target = find_target(MEAN_TARGETS, core.units)
    made = Measure(MEAN, parts[0].peer, core.name, target=target.at_most, aim=target.aim)
    for check in ("failed", "skipped"):
        missing = [part.row for part in parts if part.check == check]
        if missing:
            return replace(made, check=check, checked=f"{check}: {'; '.join(missing)}")

    def over(name: str, part: int | None = None) -> float:
        values: list[Any] = [getattr(measure, name) for measure in parts]
        return geometric_mean(values if part is None else [value[part] for value in values])

    return replace(
        made,
        check="passed",
        checked="all four",
        ratio=over("ratio"),
        minimum_ratio=over("minimum_ratio"),
        runs=min(part.runs for part in parts),
        spread=[over("spread", 0), over("spread", 1)],
    )
