"""Batches: a job an input, which any worker can do, and a report of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import chain, compress, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from convcli.errors import ConvError, FileError, OutputError
from convcli.files import STDIN, atomic_write, check_output, make_folder
from convcli.pipeline.memory import check_memory
from convcli.pipeline.outputs import OutputTarget
from convcli.pipeline.plan import Plan
from convcli.pipeline.route import Route, inspect_input
from convcli.pipeline.run import Outcome, process
from convcli.pipeline.write import OutputFile

if TYPE_CHECKING:
    from convcli.pipeline.execute import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One input, and what is to be done with it: all that a worker needs.

    Parameters
    ----------
    source : str
        The input, as it was typed.
    plan : Plan
    target : Target
    figure : str, optional
        Where the picture of its way goes.
    skip_existing : bool
        Leave out what was written before.
    since : float, optional
        When the batch began, where a job may come twice, as it does when a worker dies: an output
        that is no older was written by an earlier attempt, and is replaced.
    folder : str
        What names are relative to, for a worker that is somewhere else.
    output_dir : str, optional
        A folder for the worker to make.
    """

    source: str
    plan: Plan
    target: OutputTarget
    figure: str | None = None
    skip_existing: bool = False
    since: float | None = None
    folder: str = ""
    output_dir: str | None = None

    @property
    def path(self) -> str:
        """Where the input is."""
        return self.source if self.source == STDIN else self._placed(self.source)

    def resolve(self) -> Job:
        """The same job, every name but the input's made absolute where it has a folder."""
        if not self.folder:
            return self
        template, protected = self.target.template, self.target.protected
        target = replace(
            self.target,
            template=None if template is None else self._placed(template),
            protected=tuple(map(self._placed, protected)),
        )
        figure = None if self.figure is None else self._placed(self.figure)
        output_dir = None if self.output_dir is None else self._placed(self.output_dir)
        return replace(self, target=target, figure=figure, output_dir=output_dir)

    def display_path(self, path: str) -> str:
        """A name as the user would write it."""
        if path == self.path:
            return self.source
        is_within = self.folder and not Path(self.target.template or "").is_absolute()
        return path.removeprefix(f"{self.folder}{os.sep}") if is_within else path

    def exists_before(self, path: str) -> bool:
        """Whether a file was there before the batch began."""
        # Path.exists() raises where it may not look.
        return os.path.exists(path) and not self.has_written(path)  # noqa: PTH110

    def has_written(self, path: str) -> bool:
        """Whether a file comes from an earlier attempt at this job."""
        try:
            return self.since is not None and Path(path).stat().st_mtime >= self.since
        except (OSError, ValueError):
            return False

    def _placed(self, path: str) -> str:
        return str(Path(self.folder) / path) if self.folder else path


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one input: little enough to be sent from a worker, and to be kept.

    Parameters
    ----------
    source : str
        The input, as it was typed.
    written : tuple of Written
        The files made of it.
    skipped : tuple of str
        The files that were there already.
    notes : tuple of str
        What the user would want to know.
    seconds : float
        How long it took.
    error : str, optional
        Why it failed: `PATH: cause`.
    text : str
        What is to be printed of its maps.
    rehearsals : tuple of Rehearsal
        What its header said of the work; of several parts, where some results were there.
    """

    source: str
    written: tuple[OutputFile, ...] = ()
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    text: str = ""
    routes: tuple[Route, ...] = ()


Render: TypeAlias = Callable[[Outcome, Job], str]


def run_job(job: Job, render: Render | None = None) -> Report:
    """Do one job; whatever is wrong with its files ends up in the report.

    Parameters
    ----------
    job : Job
    render : callable, optional
        Makes text of an outcome, while its maps are at hand.
    """
    placed = job.resolve()
    parts, there = split_missing(placed)
    skipped = tuple(map(job.display_path, there))
    try:
        if placed.output_dir is not None:
            make_folder(placed.output_dir)
        outcomes = [(_outcome(part, keep_maps=render is not None), part) for part in parts]
    except FileError as error:
        return Report(job.source, error=f"{job.display_path(error.path)}: {error.cause}")
    except ConvError as error:
        return Report(job.source, error=str(error))
    return Report(
        job.source,
        tuple(
            replace(one, path=job.display_path(one.path))
            for outcome, _ in outcomes
            for one in outcome.written
        ),
        skipped,
        tuple(note for outcome, _ in outcomes for note in outcome.notes),
        sum(outcome.seconds for outcome, _ in outcomes),
        text="".join(render(outcome, part) for outcome, part in outcomes) if render else "",
        routes=tuple(outcome.rehearsal for outcome, _ in outcomes if outcome.rehearsal),
    )


def dry_run_job(job: Job) -> Report:
    """Find out what a job would come to, from its input's header; nothing is written."""
    parts, skipped = split_missing(job)
    found: list[Route] = []
    is_new = job.output_dir is not None and not os.path.lexists(job.output_dir)
    try:
        for part in parts:
            if part.figure is not None:
                check_output(part.figure, force=job.target.force, inputs=job.target.protected)
            figures = () if part.figure is None else (part.figure,)
            one = inspect_input(
                *(part.source, part.plan, part.target),
                is_folder_new=is_new,
                draws_figure=part.figure is not None,
            )
            found.append(one._replace(outputs=(*one.outputs, *figures)))
            check_memory(found[-1].memory, part.plan, part.source)
    except ConvError as error:
        return Report(job.source, skipped=skipped, error=str(error), routes=tuple(found))
    return Report(job.source, skipped=skipped, routes=tuple(found))


def split_missing(job: Job) -> tuple[list[Job], tuple[str, ...]]:
    """The parts of a job that are to be done, and the files that are there and stay."""
    if not job.skip_existing:
        return [job], ()
    return missing_parts(job), tuple(chain.from_iterable(existing_files(job)))


def existing_files(job: Job) -> list[list[str]]:
    """What is there of each map of a job: its file, or those of its channels, two at least.

    Channel 0 is written last: where it is, all are.
    """
    found = []
    for label, path in zip(job.target.labels, job.target.paths(job.source), strict=False):
        channels = takewhile(job.exists_before, job.target.channel_paths(job.source, label))
        files = [path] if job.exists_before(path) else list(channels)
        found.append(files if files == [path] or len(files) > 1 else [])
    return found


def missing_parts(job: Job) -> list[Job]:
    """What is left to do of a job, some of whose outputs may be there: the maps, the figure."""
    target, plan = replace(job.target, keeps=job.exists_before), job.plan
    is_missing = [not files for files in existing_files(job)]
    needs_figure = job.figure is not None and not job.exists_before(job.figure)
    if all(is_missing) and needs_figure == (job.figure is not None):
        return [replace(job, target=target)]
    parts = []
    if any(is_missing):
        some = replace(job, figure=None, target=target)
        if not all(is_missing):  # then there are several, of a kernel each
            some = replace(
                some,
                plan=replace(plan, kernels=tuple(compress(plan.kernels, is_missing))),
                target=replace(target, labels=tuple(compress(target.labels, is_missing))),
            )
        parts.append(some)
    if needs_figure:
        parts.append(replace(job, target=replace(target, template=None)))
    return parts


def _outcome(job: Job, *, keep_maps: bool) -> Outcome:
    """Filter one input; a second attempt replaces what the first one wrote."""
    try:
        return _made(job, keep_maps=keep_maps)
    except OutputError as error:
        if not job.has_written(error.path):
            raise
    again = replace(job, target=replace(job.target, force=True))
    return _made(again, keep_maps=keep_maps)


def _made(job: Job, *, keep_maps: bool) -> Outcome:
    """Filter one input, and draw the way that it went where there is to be a figure."""
    if job.figure is None:
        return process(job.path, job.plan, job.target, keep_maps=keep_maps)
    check_output(job.figure, force=job.target.force, inputs=job.target.protected)
    ways: dict[int, list[Stage]] = {}
    outcome = process(
        job.path,
        job.plan,
        job.target,
        lambda number, stage: ways.setdefault(number, []).append(stage),
    )
    drawn = _figure(outcome, job, ways.values())
    with atomic_write(job.figure) as stream:
        stream.write(drawn)
    return outcome


def _figure(outcome: Outcome, job: Job, ways: Iterable[list[Stage]]) -> bytes:
    """The picture of input, kernels and maps."""
    from convcli.pictures.sheet import draw_apply_figure
    from convcli.pipeline.execute import preprocess

    depth = outcome.picture.depth
    return draw_apply_figure(
        Path(job.source).name,
        preprocess(outcome.picture, job.plan),
        [
            [
                (stage.title, stage.values, None if stage.kernel is None else stage.kernel.matrix)
                for stage in way
            ]
            for way in ways
        ],
        white=None if depth is None else 2.0**depth - 1,
        suffix=Path(job.figure or "").suffix.lower(),
    )
