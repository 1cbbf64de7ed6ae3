"""Batches: a job for each input, which any worker can run, and a report of each job."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from itertools import chain, compress, takewhile
from typing import TYPE_CHECKING, TypeAlias

from convcli.deadline import TimeLimit, TimeLimitError, run_within
from convcli.errors import ConvError, FileError, describe
from convcli.files import STDIN
from convcli.files.journal import JobKey, is_recorded, record_writes
from convcli.files.output import atomic_write, check_output, make_folder
from convcli.files.restriction import is_allowed, restrict
from convcli.grids import NUMBER_SUFFIXES
from convcli.images.formats import FORMATS, format_of
from convcli.pipeline.memory import check_memory
from convcli.pipeline.outputs import OutputTarget, holds_vector
from convcli.pipeline.plan import Plan
from convcli.pipeline.process import Outcome, dry_run, process
from convcli.pipeline.route import Route
from convcli.pipeline.write import OutputFile
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.pictures.theme import Style
    from convcli.pipeline.execute import Stage


DEFAULT_TIME_LIMIT = TimeLimit()
PAGES = [name for name, record in FORMATS.items() if record.frames == "pages"]


class Job(NamedTuple):
    """One input, and what is to be done with it: all that a worker needs.

    Parameters
    ----------
    source : str
        The input, as it was typed.
    plan : Plan
    target : OutputTarget
    figure : str, optional
        The file of a figure of input, kernels and maps.
    style : Style, optional
        How the figure looks.
    skip_existing : bool
        Leave existing outputs as they are.
    key : JobKey, optional
        Of a job that may be run twice, as it is after its worker died: an attempt records under it
        what it wrote.
    working_dir : str
        The folder that names are relative to, for a worker that runs in another; empty for this
        process's own.
    output_dir : str, optional
        A folder for the worker to create.
    restricted_to : str, optional
        The folder outside of which no path is read or written.
    debug : bool
        Whether the report of a failure is to have its traceback.
    time_limit : TimeLimit
        The longest that it may take.
    """

    source: str
    plan: Plan
    target: OutputTarget
    figure: str | None = None
    style: Style | None = None
    skip_existing: bool = False
    key: JobKey | None = None
    working_dir: str = ""
    output_dir: str | None = None
    restricted_to: str | None = None
    debug: bool = False
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT

    @property
    def path(self) -> str:
        """The path of the input."""
        is_stdin = self.source == STDIN
        return self._absolute(self.source) if self.working_dir and not is_stdin else self.source

    def resolve(self) -> Job:
        """Return the job with every name but the input's made absolute by `working_dir`."""
        target = self.target.bind(self.source)
        target = target._replace(
            folder=self._absolute(target.folder),
            protected=tuple(map(self._absolute, target.protected)),
        )
        plan, figure = self.plan, None if self.figure is None else self._absolute(self.figure)
        if plan.selection is not None:
            plan = plan._replace(selection=plan.selection.resolve(self.working_dir))
        if plan.network is not None:
            plan = plan._replace(network=plan.network.resolve(self.working_dir))
        output_dir = None if self.output_dir is None else self._absolute(self.output_dir)
        return self._replace(plan=plan, target=target, figure=figure, output_dir=output_dir)

    def display_path(self, path: str) -> str:
        """Return a path as the user would write it."""
        if path == self.path:
            return self.source
        typed = self.target.path(self.source, "")
        is_within = self.working_dir and not os.path.isabs(typed)  # noqa: PTH117
        return path.removeprefix(f"{self.working_dir}{os.sep}") if is_within else path

    def _absolute(self, path: str) -> str:
        if not self.working_dir:
            return path
        from pathlib import Path

        return str(Path(self.working_dir) / path)


class Report(NamedTuple):
    """The result of a job, small enough to be sent from a worker and kept.

    Parameters
    ----------
    source : str
        The input, as it was typed.
    written : tuple of OutputFile
        The files that were written.
    skipped : tuple of str
        The files that existed already, and were left.
    notes : tuple of str
        Remarks for the user.
    seconds : float
        Elapsed time.
    error : str, optional
        Why it failed: `PATH: cause`.
    trace : str
        Where it failed, if the job says so: a traceback of several lines.
    text : str
        Text to print, made of the maps.
    routes : tuple of Route
        How the input was filtered, or would be: one for each part of the job that was run.
    vectors : tuple of (str, list of float)
        The label and the values of each flat output of a network, if they are to be reported.
    """

    source: str
    written: tuple[OutputFile, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    trace: str = ""
    text: str = ""
    routes: tuple[Route, ...] = ()
    vectors: tuple[tuple[str, list[float]], ...] = ()


RenderText: TypeAlias = Callable[[Outcome, Job], str]


def run_job(job: Job, render_text: RenderText | None = None) -> Report:
    """Run one job within its time; whatever goes wrong ends up in the report.

    Parameters
    ----------
    job : Job
    render_text : callable, optional
        Makes text of an outcome, whose maps are kept for it.

    Raises
    ------
    BrokenPipeError
        If the reader of standard output is gone, which ends the command.
    """
    return _run_within(job, partial(_run_job, job, render_text))


def dry_run_job(job: Job) -> Report:
    """Report what a job would do, from its input's header; nothing is written."""
    return _run_within(job, partial(_dry_run_job, job))


def _run_within(job: Job, make_report: Callable[[], Report]) -> Report:
    """Return the report of a job, or one that says that it took too long."""
    try:
        with restrict(job.restricted_to):
            return run_within(job.time_limit, make_report)
    except TimeLimitError as error:
        return Report(job.source, error=f"{job.source}: {error}")


def _run_job(job: Job, render_text: RenderText | None) -> Report:
    """Run one job, however long it takes."""
    try:
        with record_writes(job.key):
            return _run(job, render_text)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # any error concerns this input alone
        return _failure_report(job, error)


def _run(job: Job, render_text: RenderText | None) -> Report:
    """Run one job, with the paths in its report as they were typed."""
    local = job.resolve() if job.working_dir else job
    parts, skipped = split_missing(local)
    if local.output_dir is not None and parts:
        make_folder(local.output_dir)
    outcomes = [_process(part, keep_maps=render_text is not None) for part in parts]
    files = chain.from_iterable(outcome.written for outcome in outcomes)
    return Report(
        job.source,
        written=tuple(file._replace(path=job.display_path(file.path)) for file in files),
        skipped=tuple(map(job.display_path, skipped)),
        notes=tuple(chain.from_iterable(outcome.notes for outcome in outcomes)),
        seconds=sum(outcome.seconds for outcome in outcomes),
        text="".join(map(render_text, outcomes, parts)) if render_text else "",
        routes=tuple(outcome.route for outcome in outcomes),
        vectors=()
        if job.plan.network is None
        else tuple(chain.from_iterable(map(_find_vectors, outcomes, parts))),
    )


def _find_vectors(outcome: Outcome, job: Job) -> list[tuple[str, list[float]]]:
    """Return the labels and the values of a network's flat outputs, if they are reported."""
    if job.plan.network is None or not job.plan.network.prints_vectors:
        return []
    results = zip(job.target.labels, outcome.results, strict=False)
    return [
        (label, result.values.ravel().tolist())
        for label, result in results
        if result.is_vector or holds_vector(result.values.shape)
    ]


def _failure_report(job: Job, error: Exception) -> Report:
    """Report why a job failed, and where if that was asked for."""
    text = describe(error)
    if isinstance(error, FileError):
        is_folder = error.path == job.path and isinstance(error.__cause__, IsADirectoryError)
        cause = "is a folder; -r takes the pictures in it" if is_folder else error.cause
        text = f"{job.display_path(error.path)}: {cause}"
    elif not isinstance(error, ConvError):
        text = f"{job.source}: {text}"
    return Report(job.source, error=text, trace=_format_trace(error) if job.debug else "")


def _format_trace(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(error))


def _dry_run_job(job: Job) -> Report:
    """Report what a job would do, however long it takes."""
    routes: list[Route] = []
    skipped: tuple[str, ...] = ()
    is_new = job.output_dir is not None and not os.path.lexists(job.output_dir)
    try:
        parts, skipped = split_missing(job)
        for part in parts:
            figures = () if part.figure is None else (part.figure,)
            for figure in figures:
                check_output(figure, force=job.target.force, inputs=job.target.protected)
            route = dry_run(
                part.source, part.plan, part.target, is_folder_new=is_new, draws_figure=any(figures)
            )
            files = (*route.files, *((figure,) for figure in figures))
            routes.append(route._replace(files=files))
            check_memory(route.memory, part.plan, part.source)
    except Exception as error:  # noqa: BLE001  # any error concerns this input alone
        report = _failure_report(job, error)
        return report._replace(skipped=skipped, routes=tuple(routes))
    return Report(job.source, skipped=skipped, routes=tuple(routes))


def split_missing(job: Job) -> tuple[list[Job], tuple[str, ...]]:
    """Return jobs for the outputs that are missing, and the files that exist and are left."""
    if not job.skip_existing:
        return [job], ()
    existing = _existing_files(job)
    return _missing_parts(job, existing), tuple(chain.from_iterable(existing))


def _existing_files(job: Job) -> list[list[str]]:
    """Return the existing files of each map: its file, or those of its channels, two at least.

    Channel 0 is written last: where it exists, all do.
    """
    existing = []
    for label, path in zip(job.target.labels, job.target.paths(job.source), strict=False):
        channels = takewhile(_exists_before, job.target.channel_paths(job.source, label))
        candidates = [path]
        if format_of(job.source) in PAGES or job.plan.depth == "16":
            candidates.append(job.target.as_tiff().path(job.source, label))
        whole = list(filter(_exists_before, candidates))
        files = whole[:1] or list(channels)
        existing.append(files if whole or len(files) > 1 else [])
    return existing


def _missing_parts(job: Job, existing: list[list[str]]) -> list[Job]:
    """Return a job for the maps without a file, and one for the figure if only that is missing."""
    target, plan = job.target._replace(keep_existing=_exists_before), job.plan
    is_missing = [not files for files in existing]
    needs_figure = job.figure is not None and not _exists_before(job.figure)
    if all(is_missing) and needs_figure == (job.figure is not None):
        return [job._replace(target=target)]
    parts = []
    if any(is_missing):
        maps = job._replace(figure=None, target=target)
        if not all(is_missing):  # then there are several, of a kernel each
            maps = maps._replace(
                plan=plan._replace(
                    kernels=tuple(compress(plan.kernels, is_missing)),
                    network=plan.network and plan.network.keep_maps(is_missing),
                ),
                target=target._replace(labels=tuple(compress(target.labels, is_missing))),
            )
        parts.append(maps)
    if needs_figure:
        parts.append(job._replace(target=target._replace(template=None)))
    return parts


def _exists_before(path: str) -> bool:
    """Whether a file existed before the first attempt at the current job."""
    # Path.exists() raises where it may not look.
    return is_allowed(path) and os.path.exists(path) and not is_recorded(path)  # noqa: PTH110


def _process(job: Job, *, keep_maps: bool) -> Outcome:
    """Filter one input, and draw its figure if there is to be one."""
    if job.figure is None:
        return process(job.path, job.plan, job.target, keep_maps=keep_maps)
    check_output(job.figure, force=job.target.force, inputs=job.target.protected)
    branches: dict[int, list[Stage]] = {}

    def keep_stage(number: int, stage: Stage) -> None:
        branches.setdefault(number, []).append(stage)

    outcome = process(job.path, job.plan, job.target, keep_stage)
    figure = _draw_figure(outcome, job, branches)
    with atomic_write(job.figure, force=job.target.force) as stream:
        stream.write(figure)
    return outcome


def _draw_figure(outcome: Outcome, job: Job, branches: dict[int, list[Stage]]) -> bytes:
    from pathlib import Path

    from convcli.batch.figure import draw_figure
    from convcli.pictures.theme import Style

    return draw_figure(
        Path(job.source).name,
        outcome.picture,
        outcome.results,
        job.plan,
        branches,
        has_pixels=job.target.format not in NUMBER_SUFFIXES,
        suffix=Path(job.figure or "").suffix.lower(),
        style=job.style or Style(),
    )
