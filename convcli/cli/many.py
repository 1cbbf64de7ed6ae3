"""Who does the work of `apply`: this process, several of them, or a cluster."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from convcli.batch import run_all
from convcli.cli.output import say
from convcli.cli.recipe import Recipe, figure_path
from convcli.jobs import Job, Report, perform
from convcli.pipeline.names import Guard, Target
from convcli.pipeline.plan import Plan


def make_jobs(recipe: Recipe, plan: Plan, target: Target, inputs: Sequence[str]) -> Iterator[Job]:
    """Make a job of every input, one by one."""
    figures = [figure_path(recipe.figure, source) for source in inputs] if recipe.figure else []
    guard = Guard(target, inputs, figures)
    is_elsewhere = recipe.scheduler is not None
    since = time.time() if is_elsewhere or recipe.workers(inputs) > 1 else None
    for number, source in enumerate(inputs):
        figure = figures[number] if figures else None
        yield Job(
            source=source,
            plan=plan,
            target=guard.target(source, *(() if figure is None else (figure,))),
            figure=figure,
            skip_existing=recipe.skip_existing,
            since=since,
            folder=str(Path.cwd()) if is_elsewhere else "",
            output_dir=recipe.output_dir if is_elsewhere else None,
        )


def finished(
    jobs: Iterable[Job], recipe: Recipe, inputs: Sequence[str]
) -> Generator[tuple[int, Report], None, None]:
    """Have every job done: its report, as they come, with the input's place.

    Maps stay where they were made. What is to be shown of them is made of them here, so that this
    process does the work itself.
    """
    workers = recipe.workers(inputs)
    if recipe.scheduler is not None:
        from convcli.cli.cluster import cluster

        with cluster(recipe.scheduler) as (executor, threads):
            yield from run_all(
                perform, jobs, lambda _: nullcontext(executor), workers=threads, failed=_failed
            )
    elif workers > 1:
        from convcli.cli.workers import local_workers

        yield from run_all(perform, jobs, local_workers, workers=workers, failed=_failed)
    else:
        from convcli.cli.outcomes import render

        shows = recipe.print_numbers or recipe.preview
        show = partial(render, recipe=recipe) if shows else None
        for place, job in enumerate(jobs):
            yield place, perform(job, show)


def summarize(counts: Counter[str], recipe: Recipe) -> None:
    """Say how many of several inputs failed, and how many were left as they are."""
    total = counts.total()
    if counts["skipped"] and not recipe.quiet:
        say(f"{counts['skipped']} of {total} inputs skipped: what is made of them is there")
    if counts["failed"] and total > 1:
        say(f"{counts['failed']} of {total} inputs failed")


def kind(report: Report) -> str:
    """What a report counts as: failed, skipped, done."""
    if report.error is not None:
        return "failed"
    return "skipped" if report.skipped and not report.written else "done"


def _failed(job: Job, error: Exception) -> Report:
    """The report of a job that brought its worker down, or that no worker could do."""
    cause = str(error)
    if not isinstance(error, BrokenExecutor):
        cause = f"its worker failed ({type(error).__name__}: {' '.join(cause.split())})"
    return Report(job.source, error=f"{job.source}: {cause}")
