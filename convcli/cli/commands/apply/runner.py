"""Who does the work of `apply`: this process, several of them, or a cluster."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from convcli.batch import Job, Report, dry_run_job, run_job
from convcli.cli.blas import BLAS_THREAD_VARIABLES
from convcli.cli.commands.apply.options import ApplyOptions, figure_path
from convcli.cli.output import log
from convcli.pipeline.outputs import OutputTarget, OverwriteGuard
from convcli.pipeline.plan import Plan


def make_jobs(
    recipe: ApplyOptions, plan: Plan, target: OutputTarget, inputs: Sequence[str]
) -> Iterator[Job]:
    """Make a job of every input, one by one."""
    figures = [figure_path(recipe.figure, source) for source in inputs] if recipe.figure else []
    guard = OverwriteGuard(target, inputs, figures)
    is_elsewhere = recipe.scheduler is not None
    started_at = time.time() if is_elsewhere or recipe.workers(inputs) > 1 else None
    for number, source in enumerate(inputs):
        figure = figures[number] if figures else None
        yield Job(
            source=source,
            plan=plan,
            target=guard.protect(source, *(() if figure is None else (figure,))),
            figure=figure,
            skip_existing=recipe.skip_existing,
            started_at=started_at,
            working_dir=str(Path.cwd()) if is_elsewhere else "",
            output_dir=recipe.output_dir if is_elsewhere or recipe.dry_run else None,
        )


def run_jobs(
    jobs: Iterable[Job], recipe: ApplyOptions, inputs: Sequence[str]
) -> Generator[tuple[int, Report], None, None]:
    """Have every job done: its report, as they come, with the input's place.

    Maps stay where they were made. What is to be shown of them is made of them here, so that this
    process does the work itself.
    """
    workers = recipe.workers(inputs)
    if recipe.dry_run:
        for place, job in enumerate(jobs):
            yield place, dry_run_job(job)
    elif recipe.scheduler is not None:
        from convcli.batch.dask import connect_scheduler
        from convcli.batch.pool import run_all

        with connect_scheduler(recipe.scheduler) as (executor, threads):
            yield from run_all(
                run_job,
                jobs,
                lambda _: nullcontext(executor),
                workers=threads,
                failed=_failure_report,
            )
    elif workers > 1:
        from convcli.batch.pool import run_all
        from convcli.batch.processes import process_pool

        folders: set[str] = set()
        environment = dict.fromkeys(BLAS_THREAD_VARIABLES, "1")
        make_executor = partial(process_pool, folders=folders, environment=environment)
        known = _record_folders(jobs, folders)
        yield from run_all(run_job, known, make_executor, workers=workers, failed=_failure_report)
    else:
        from convcli.cli.report import render_maps

        shows = recipe.print_numbers or recipe.preview
        show = partial(render_maps, recipe=recipe, names_input=len(inputs) > 1) if shows else None
        yield from enumerate(_separate(run_job(job, show) for job in jobs))


def in_input_order(
    reports: Iterable[tuple[int, Report]], recipe: ApplyOptions, inputs: Sequence[str]
) -> Iterator[Report]:
    """Put reports into the order of their inputs, in which this process alone makes them anyway."""
    if recipe.scheduler is None and recipe.workers(inputs) == 1:
        return (report for _, report in reports)
    from convcli.batch.pool import in_order

    return in_order(reports)


def log_summary(counts: Counter[str], recipe: ApplyOptions) -> None:
    """Say how many of several inputs failed, and how many were left as they are."""
    total = counts.total()
    if counts["skipped"] and not recipe.quiet:
        log(f"{counts['skipped']} of {total} inputs skipped: what is made of them is there")
    if counts["failed"] and total > 1:
        log(f"{counts['failed']} of {total} inputs failed")


def status(report: Report) -> str:
    """What a report counts as: failed, skipped, done."""
    if report.error is not None:
        return "failed"
    return "skipped" if report.skipped and not (report.written or report.routes) else "done"


def _separate(reports: Iterable[Report]) -> Iterator[Report]:
    """Put a blank line between what is printed of several inputs."""
    is_first = True
    for report in reports:
        yield report if is_first or not report.text else replace(report, text=f"\n{report.text}")
        is_first = is_first and not report.text


def _record_folders(jobs: Iterable[Job], folders: set[str]) -> Iterator[Job]:
    """Pass jobs on, and note the folders that they write to."""
    for job in jobs:
        figures = () if job.figure is None else (job.figure,)
        for path in (*job.target.paths(job.source), *figures):
            folders.add(str(Path(os.path.realpath(path)).parent))
        yield job


def _failure_report(job: Job, error: Exception) -> Report:
    """The report of a job that brought its worker down, or that no worker could do."""
    from concurrent.futures import BrokenExecutor

    cause = str(error)
    if not isinstance(error, BrokenExecutor):
        cause = f"its worker failed ({type(error).__name__}: {' '.join(cause.split())})"
    return Report(job.source, error=f"{job.source}: {cause}")
