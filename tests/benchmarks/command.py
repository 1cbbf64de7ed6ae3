"""The command: what is asked for, and how it is shown."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.machine import load, machine
from benchmarks.photo import Workplace
from benchmarks.row import FULL, QUICK
from benchmarks.rows import all_rows
from benchmarks.runner import as_json, measure_apart, measure_here, with_mean, workplace
from benchmarks.tables import markdown, plain
from benchmarks.timing import Effort, Measure


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks",
        description="Time convcli beside the peers that are installed. A ratio is our time by the "
        "peer's, side by side: below 1 is faster. Nothing is timed before both give the same.",
    )
    parser.add_argument("--quick", action="store_true", help="small pictures, under a minute")
    parser.add_argument("--only", metavar="PATTERN", default="", help="a regular expression")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--runs", type=int, metavar="N", help="at least; default: 5, quick 3")
    parser.add_argument(
        "--planner", action="store_true", help="run all candidates, and hold the picks to the best"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a list of objects")
    form.add_argument("--markdown", action="store_true", help="a table for a README")
    # A row's own process is told these.
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Measure all rows that are asked for, and print them: 1 if a check failed."""
    told = options().parse_args()
    if told.planner:
        from benchmarks.planner import show_picks

        return show_picks()
    profile = QUICK if told.quick else FULL
    effort = Effort(told.runs or profile.runs, profile.seconds)
    rows = all_rows(profile, told.only)
    if told.row is not None:
        measure = measure_here(rows[told.row], Workplace(told.folder), effort, told.threads)
        sys.stdout.write(json.dumps(asdict(measure)) + "\n")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes then too
    notes = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    measures: list[Measure] = []
    before = load()
    with workplace() as place:
        passed_on = [f"--only={told.only}", f"--threads={told.threads}", f"--runs={effort.runs}"]
        passed_on += [f"--folder={place.folder}", *(["--quick"] if told.quick else [])]
        for number, row in enumerate(rows):
            notes.print(f"{number + 1}/{len(rows)} {row.name} {row.peer}")
            measures.append(measure_apart(row, number, told.threads, passed_on))
    show(with_mean(measures), told, before)
    return int(any(measure.check == "failed" for measure in measures))


def show(measures: list[Measure], told: argparse.Namespace, before: str) -> None:
    if told.json:
        sys.stdout.write(as_json(measures) + "\n")
        return
    facts = [*machine(told.threads), ("load", f"{before} before, {load()} after")]
    if told.markdown:
        sys.stdout.write(markdown(measures) + "\n")
        sys.stdout.write("; ".join(f"{name}: {value}" for name, value in facts) + "\n")
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in facts:
        console.print(f"{name:<10} {value}")
    plain(measures, console)
