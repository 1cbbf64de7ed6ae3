"""Measure rows, each in a process of its own: imports and threads of one reach no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks.layers import CONV, LAYERS, MEAN, MEAN_TARGETS
from benchmarks.peers import environment, hold_to, peer_version, set_threads
from benchmarks.photo import Workplace
from benchmarks.row import Row
from benchmarks.timing import Effort, Measure, MissingError, failed


@contextmanager
def workplace() -> Iterator[Workplace]:
    folder = Path(tempfile.mkdtemp(prefix="convcli-benchmarks-"))
    try:
        yield Workplace(folder)
    finally:
        shutil.rmtree(folder)


def measure_apart(row: Row, number: int, threads: int, arguments: list[str]) -> Measure:
    """Measure a row in a fresh process: this program again, told the row's number."""
    if row.needs and peer_version(row.needs) is None:
        return replace(blank(row), checked=f"{row.needs} is not installed")
    command = [sys.executable, str(Path(__file__).parent), *arguments, "--row", str(number)]
    done = subprocess.run(
        command,
        env=os.environ | environment(threads, is_command=row.is_command),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        return replace(blank(row), **failed(lines[-1]))
    return Measure(**json.loads(done.stdout.splitlines()[-1]))


def measure_here(row: Row, place: Workplace, effort: Effort, threads: int) -> Measure:
    """Measure a row in this process."""
    hold_to(threads)
    if not row.is_command:
        set_threads(row.needs, threads)
    bounded = replace(effort, most_runs=row.most_runs)
    try:
        return replace(blank(row), **row.prepare(place).measure(bounded))
    except MissingError as missing:
        return replace(blank(row), checked=str(missing))


def blank(row: Row) -> Measure:
    return Measure(row.name, row.peer, target=row.at_most, aim=row.aim)


def with_mean(measures: list[Measure]) -> list[Measure]:
    """Put the mean of the convolutions behind the last of them, where all were asked for."""
    four = [measure for measure in measures if measure.row.startswith(CONV)]
    if len(four) < len(LAYERS):
        return measures
    place = measures.index(four[-1]) + 1
    return [*measures[:place], mean(four), *measures[place:]]


def mean(parts: list[Measure]) -> Measure:
    target, aim = MEAN_TARGETS
    made = Measure(MEAN, parts[0].peer, target=target, aim=aim)
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


def as_json(measures: list[Measure]) -> str:
    return json.dumps([asdict(measure) for measure in measures], indent=1)
