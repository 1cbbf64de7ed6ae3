"""The command: what is asked for, and how it is shown."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.against import find_mismatches, find_slower, measure_until_as_fast
from benchmarks.cores import Core, default_core, find_cores
from benchmarks.machine import Machine, describe_machine, find_machine, load, warn_of_load
from benchmarks.photo import Workplace
from benchmarks.readme import write_section
from benchmarks.results import Result, ResultError, as_json, read_result
from benchmarks.row import FULL, QUICK, Row
from benchmarks.rows import all_rows, is_asked_for
from benchmarks.runner import measure_apart, measure_here, with_means, workplace
from benchmarks.tables import markdown, plain
from benchmarks.timing import Effort

README = Path(__file__).parents[2] / "README.md"


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks",
        description="Time convcli beside the peers that are installed. A ratio is our time by the "
        "peer's, side by side: below 1 is faster. Nothing is timed before both give the same.",
    )
    parser.add_argument("--quick", action="store_true", help="small pictures, under a minute")
    parser.add_argument("--only", metavar="PATTERN", default="", help="a regular expression")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--runs", type=int, metavar="N", help="at least; default: 5, quick 2")
    parser.add_argument(
        "--cores",
        metavar="NAMES",
        default=default_core(),
        help="whose kernels OpenBLAS is to use, one after another: own, Haswell, ...; default: "
        "OPENBLAS_CORETYPE, or own, which it picks by itself",
    )
    parser.add_argument(
        "--against",
        metavar="FILE",
        type=Path,
        help="an older result (--json): what got slower beyond the noise is a failure",
    )
    parser.add_argument(
        "--planner", action="store_true", help="run all candidates, and hold the picks to the best"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the machine and all figures")
    form.add_argument("--markdown", action="store_true", help="a table for a page")
    form.add_argument(
        "--record",
        metavar="FILE",
        type=Path,
        help="write the result there, and the README's table from all results beside it",
    )
    form.add_argument(
        "--readme",
        metavar="FILE",
        type=Path,
        nargs="+",
        help="measure nothing: write the README's table from results",
    )
    # A row's own process is told these.
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Do what is asked for: 1 if a check failed, a figure got worse, or a pick was not good."""
    parser = options()
    told = parser.parse_args()
    if told.planner:
        from benchmarks.planner import show_picks

        return show_picks(is_quick=told.quick, only=told.only, as_json=told.json)
    try:
        older = read_result(told.against) if told.against else None
        if told.readme:
            write_section(README, [read_result(path) for path in told.readme])
            return 0
    except ResultError as error:
        parser.error(str(error))
    if told.row is not None:
        return measure_row(told)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the folder goes then too
    machine = find_machine(told.threads)
    cores, missing = find_cores(told.cores, machine.processor)
    if not cores:
        parser.error(f"--cores: {'; '.join(missing) or 'names none'}")
    warning = warn_of_load()
    for note in [*missing, *([warning] if warning else [])]:
        sys.stderr.write(f"{note}\n")
    result = measure(told, machine, cores, older)
    show(result, told)
    slower = report_against(older, result, told.only) if older else []
    return int(bool(slower) or any(measure.check == "failed" for measure in result.measures))


def measure_row(told: argparse.Namespace) -> int:
    """Measure one row in this process, and print its figures."""
    profile = QUICK if told.quick else FULL
    effort = Effort(told.runs or profile.runs, profile.seconds)
    row = all_rows(profile, told.only)[told.row]
    found = measure_here(row, Workplace(told.folder), effort, told.threads)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def measure(
    told: argparse.Namespace, machine: Machine, cores: list[Core], older: Result | None
) -> Result:
    """Measure all rows that are asked for, each in a process of its own.

    What seems to be slower than in an older result is measured again.
    """
    before = load()
    work = list(distribute(all_rows(QUICK if told.quick else FULL, told.only), cores))
    measures = []
    with workplace() as place:
        passed_on = [f"--only={told.only}", f"--threads={told.threads}"]
        passed_on += [f"--runs={told.runs}"] if told.runs else []
        passed_on += [f"--folder={place.folder}", *(["--quick"] if told.quick else [])]
        for done, (number, row, core) in enumerate(work):
            sys.stderr.write(f"{done + 1}/{len(work)} {row.name} {row.peer} {core.name}\n")
            again = partial(measure_apart, row, core, number, told.threads, passed_on)
            measures.append(measure_until_as_fast(again, older))
            place.drop_large_files()
    loads = f"{before} before, {load()} after"
    return Result(machine, cores, told.quick, loads, with_means(measures, cores))


def distribute(rows: list[Row], cores: list[Core]) -> Iterator[tuple[int, Row, Core]]:
    """Yield rows, with their numbers, and the cores that they are measured under."""
    for number, row in enumerate(rows):
        for core in cores if row.on_each_core else cores[:1]:
            yield number, row, core


def show(result: Result, told: argparse.Namespace) -> None:
    if told.json:
        sys.stdout.write(as_json(result) + "\n")
        return
    cores = ", ".join(f"{core.name} ({core.units})" for core in result.cores)
    facts = [*describe_machine(result.machine), ("BLAS", cores), ("load", result.load)]
    if told.markdown:
        sys.stdout.write(markdown(result.measures) + "\n")
        sys.stdout.write("; ".join(f"{name}: {value}" for name, value in facts) + "\n")
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for name, value in facts:
        console.print(f"{name:<10} {value}")
    plain(result.measures, console)
    if told.record:
        told.record.write_text(as_json(result) + "\n", encoding="utf-8")
        others = sorted(told.record.parent.glob("*.json"))
        write_section(README, [read_result(path) for path in others])


def report_against(older: Result, result: Result, only: str) -> list[str]:
    """Print how a result differs from an older one, and return what got slower."""
    asked = [one for one in older.measures if is_asked_for(one.row, one.peer, only)]
    older = replace(older, measures=asked)
    slower = find_slower(older, result)
    for line in [*find_mismatches(older, result), *slower]:
        sys.stderr.write(f"{line}\n")
    return slower
