"""`convcli apply`: filter images or grids of numbers, in this process, in several, on a cluster."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import chain, zip_longest
from typing import Any

import click

from convcli.batch import Job, Report, dry_run_job, run_job
from convcli.batch.collisions import OverwriteGuard, validate_target
from convcli.cli.commands import BLAS_THREAD_VARIABLES, DEBUG
from convcli.cli.commands.apply.options import ApplyOptions
from convcli.cli.commands.apply.plan import (
    build_plan,
    build_target,
    find_encoding_conflicts,
    validate,
)
from convcli.cli.commands.apply.summary import Summary
from convcli.cli.options import FILE, command
from convcli.cli.output import log, log_kernel_notes
from convcli.cli.report import Progress, print_report, render_maps
from convcli.files.journal import JobKey, name_batch
from convcli.files.output import make_folder
from convcli.files.paths import real_path
from convcli.files.restriction import restricted_folder
from convcli.files.temporary import remove_unfinished, this_process
from convcli.parallel import available_cores, set_threads
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.signals import undo_at_signal

CLEANUP_TIMEOUT_S = 5.0  # for a cluster to remove what its workers left


@command(ApplyOptions, no_args_is_help=True)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=FILE)
@click.pass_context
def apply(context: click.Context, /, **values: Any) -> None:
    """Filter images or grids of numbers with kernels.

    INPUT is a picture, a grid of numbers (.csv, .tsv, .txt, .npy), a folder of pictures (with -r),
    or - for standard input. Each result goes to STEM.KERNEL.png in this folder by default. With
    zero padding the border itself is an edge, and edge kernels respond to it. Of several inputs, a
    bad one does not stop the others.

    \b
    convcli apply cat.jpg --kernel sharpen
    convcli apply cat.jpg -k sobel-x -k sobel-y --combine magnitude -o edges.png
    cat cat.jpg | convcli apply - -k gaussian:2 -o - > soft.png
    """
    options = ApplyOptions(**values)
    validate(options)
    context.exit(run_apply(options, is_debugging=context.meta[DEBUG]))


def run_apply(options: ApplyOptions, *, is_debugging: bool = False) -> int:
    """Filter every input, print a report of each, and return the exit code."""
    plan, labels = build_plan(options)
    target = build_target(options, plan, labels)
    failed: list[Report] = []
    if options.recursive:
        target, failed = expand_folders(options, target)
    validate_target(target, options.inputs, options.figures)
    if options.output_dir is not None and options.scheduler is None and not options.dry_run:
        make_folder(options.output_dir)
    if options.processes == 1:
        set_threads(options.threads or available_cores())
    summary = Summary(warns_of_each=len(options.inputs) == 1 or options.verbose)
    jobs = make_jobs(options, plan, target, is_debugging=is_debugging)
    with (
        Progress(len(options.inputs), quiet=options.quiet) as progress,
        closing(run_jobs(jobs, options, progress)) as reports,
    ):
        for report in map(summary.add, chain(failed, reports if options.inputs else ())):
            is_told = report.error or report.notes or report.text
            if is_told or options.json or options.dry_run or options.verbose:
                with progress.paused():
                    print_report(report, options)
    if not options.quiet:
        if summary.failed < summary.total:  # an error alone is one line
            log_kernel_notes(step.kernel for step in (*plan.kernels, *plan.layers))
        for line in summary.warnings():
            log(line)
    if summary.failed and summary.total > 1:
        log(f"{summary.failed} of {summary.total} inputs failed")
    return 1 if summary.failed else 0


def expand_folders(
    options: ApplyOptions, target: OutputTarget
) -> tuple[OutputTarget, list[Report]]:
    """Put the pictures in folders among the inputs, in place of the folders.

    Returns
    -------
    The target, which knows where they lie, and the reports of folders without any.

    Raises
    ------
    click.UsageError
        For a choice of an encoding that the format of none of them has.
    """
    from convcli.batch.inputs import find_inputs, leave_out_outputs

    inputs = find_inputs(options.inputs, options.output_dir)
    target = target._replace(subfolders=inputs.subfolders)
    inputs, left_out = leave_out_outputs(inputs, target)
    if left_out and not options.quiet:
        files = f"{len(left_out)} files" if len(left_out) > 1 else "1 file"
        log(f"{files} left out, as outputs of other inputs: {left_out[0]}, for one")
    options.inputs = inputs.paths
    for conflict in find_encoding_conflicts(options) if options.inputs else ():
        raise click.UsageError(conflict)
    return target, [Report(error.path, error=str(error)) for error in inputs.errors]


def make_jobs(
    options: ApplyOptions, plan: Plan, target: OutputTarget, *, is_debugging: bool = False
) -> Iterator[Job]:
    """Make the job of each input, one by one."""
    guard = OverwriteGuard(target, options.inputs)
    is_elsewhere = options.scheduler is not None
    batch = None if options.is_local else name_batch()
    for number, (source, figure) in enumerate(zip_longest(options.inputs, options.figures)):
        own_target = guard.protect(source, *filter(None, [figure]))
        is_made_here = own_target.folder == target.folder and not (is_elsewhere or options.dry_run)
        yield Job(
            source=source,
            plan=plan,
            target=own_target,
            figure=figure,
            style=None if figure is None else options.style,
            skip_existing=options.skip_existing,
            key=None if batch is None else JobKey(batch, number),
            working_dir=os.getcwd() if is_elsewhere else "",  # noqa: PTH109
            output_dir=None if is_made_here else own_target.folder or options.output_dir,
            restricted_to=restricted_folder(),
            debug=is_debugging,
            time_limit=options.time_limit,
        )


def run_jobs(
    jobs: Iterable[Job], options: ApplyOptions, progress: Progress
) -> Generator[Report, None, None]:
    """Run every job, and yield the reports in the order of the inputs.

    Maps stay in the process that made them: what is printed of them is rendered here, for which
    this process has to run the jobs itself.
    """
    if options.dry_run:
        yield from progress.count(map(dry_run_job, jobs))
        return
    if options.is_local:
        prints_maps = options.print_numbers or options.preview
        render = partial(render_maps, options=options) if prints_maps else None
        made = (run_job(job, render) for job in jobs)
        yield from progress.count(_separate(made) if prints_maps else made)
        return
    from convcli.batch.pool import in_order

    folders: set[str] = set()
    remove = partial(remove_unfinished, folders, this_process())
    with undo_at_signal(remove):
        try:
            reports = _run_in_workers(_record_folders(jobs, folders), options, folders)
            yield from in_order(progress.count(reports))
        finally:
            remove()


def _run_in_workers(
    jobs: Iterable[Job], options: ApplyOptions, folders: set[str]
) -> Iterator[tuple[int, Report]]:
    """Run jobs on a cluster or in processes, which write to `folders`.

    Yields the index and the report of each as it finishes.
    """
    from convcli.batch.pool import run_all

    if options.scheduler is not None:
        from convcli.batch.dask import connect_scheduler

        with connect_scheduler(options.scheduler) as (executor, threads):
            yield from run_all(run_job, jobs, executor, workers=threads, failed=_failure_report)
            with suppress(Exception):  # journals may lie where only the workers can remove them
                removal = executor.submit(remove_unfinished, folders, this_process())
                removal.result(CLEANUP_TIMEOUT_S)
        return
    from convcli.batch.processes import process_pool

    workers = options.processes
    environment = dict.fromkeys(BLAS_THREAD_VARIABLES, "1")
    with process_pool(workers, environment=environment) as executor:
        yield from run_all(run_job, jobs, executor, workers=workers, failed=_failure_report)


def _separate(reports: Iterable[Report]) -> Iterator[Report]:
    """Put a blank line between the texts of several reports."""
    is_first = True
    for report in reports:
        yield report if is_first or not report.text else report._replace(text=f"\n{report.text}")
        is_first = is_first and not report.text


def _record_folders(jobs: Iterable[Job], folders: set[str]) -> Iterator[Job]:
    """Pass jobs on, and add the folders that they write to."""
    from pathlib import Path

    for job in jobs:
        paths = (*job.target.paths(job.source), *filter(None, [job.figure]))
        folders.update(str(Path(real_path(path)).parent) for path in paths)
        yield job


def _failure_report(job: Job, error: Exception) -> Report:
    """Return the report of a job that killed its worker, or that no worker could run."""
    from concurrent.futures import BrokenExecutor

    cause = str(error)
    if not isinstance(error, BrokenExecutor):
        cause = f"its worker failed ({type(error).__name__}: {' '.join(cause.split())})"
    return Report(job.source, error=f"{job.source}: {cause}")
