"""What `apply` prints: the results of each input, as text and JSON, and the progress of many."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar

from convcli.arithmetic.values import format_shape
from convcli.batch import Job, Report
from convcli.cli.output import (
    escape_control,
    find_terminal_width,
    format_json,
    log,
    log_trace,
    print_data,
)
from convcli.pipeline.memory import format_bytes
from convcli.pipeline.plan import Plan
from convcli.pipeline.process import Outcome, to_display_pixels
from convcli.pipeline.route import Route, RouteEntry
from convcli.signals import undo_at_signal

if TYPE_CHECKING:
    from convcli.cli.commands.apply.options import ApplyOptions

Result = TypeVar("Result")

SHOW_AFTER_S = 1.0
REFRESH_S = 0.1
ERASE_TIMEOUT_S = 0.3
LOG_EVERY_S = 10.0  # where there is no terminal


def print_report(report: Report, options: ApplyOptions) -> None:
    """Print what the options ask for, and the messages about an input."""
    for route in report.routes if options.dry_run else ():
        text = dry_run_text(report.source, route)
        document = dry_run_document(report.source, route)
        print_data(format_json(document) if options.json else text)
    if report.error is not None:
        log_trace(report.trace)
        log(report.error)
    for note in () if options.quiet else report.notes:
        log(f"{report.source}: {note}")
    for route in report.routes if options.verbose else ():
        log(f"{report.source}: {summary_text(route, report.seconds)}")
    if report.text:
        print_data(report.text)
    for document in report_documents(report) if options.json else ():
        print_data(format_json(document))


def report_documents(report: Report) -> Iterator[dict[str, Any]]:
    """Yield an input's error, or else what was skipped and written, for JSON."""
    if report.error is not None:
        yield {"input": report.source, "error": report.error}
        return
    for path in report.skipped:
        yield {"input": report.source, "output": path, "skipped": True}
    for label, values in report.vectors:
        shape = [len(values)]
        yield {"input": report.source, "map": label, "shape": shape, "values": values}
    methods = dict.fromkeys(route.methods for route in report.routes if route.methods)
    for written in report.written:
        yield {
            "input": report.source,
            "output": written.path,
            "shape": written.shape,
            "method": "+".join(methods) or None,
            "range": written.policy,
            "clipped": written.clipping.share,
            "seconds": round(report.seconds, 6),
        }


def render_maps(outcome: Outcome, job: Job, options: ApplyOptions) -> str:
    """Return the maps of an outcome as numbers, as a preview for the terminal, or both."""
    text = ""
    if options.print_numbers:
        text = f"# {escape_control(job.source)}\n" if len(options.inputs) > 1 else ""
        text += _format_numbers(outcome, job, options) + "\n"
    return text + (_render_preview(outcome, job.plan) if options.preview else "")


def _format_numbers(outcome: Outcome, job: Job, options: ApplyOptions) -> str:
    from convcli.cli.matrices import format_maps

    return format_maps(
        dict(zip(job.target.labels, outcome.maps, strict=True)),
        digits=options.precision,
        columns=options.columns,
        width=find_terminal_width(),
    )


def _render_preview(outcome: Outcome, plan: Plan) -> str:
    """Return the input and its maps as text in color; nothing where no terminal shows it."""
    from shutil import get_terminal_size

    from convcli.pictures.text import has_colors, has_true_color, render_preview
    from convcli.pipeline.execute import finish_unfiltered
    from convcli.pipeline.preprocess import preprocess

    if not has_colors(sys.stdout):
        return ""
    before = finish_unfiltered(preprocess(outcome.picture, plan), outcome.picture, plan)
    pictures = [to_display_pixels(result, plan) for result in (before, *outcome.results)]
    return render_preview(pictures, get_terminal_size().columns, true_color=has_true_color())


def dry_run_text(source: str, route: Route) -> str:
    """Return an input's steps to each map, the memory, and the paths that would be written."""
    lines = [f"{escape_control(source)}: {_input_text(route)}"]
    for label, steps in route.maps:
        rows = [(step.title, format_shape(step.shape), _choice_text(step)) for step in steps]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines.append(f"  {label}")
        for title, shape, choice in rows:
            lines.append(f"    {title:<{widths[0]}}  {shape:<{widths[1]}}  {choice}".rstrip())
    lines.append(f"  memory: about {format_bytes(route.memory)}")
    return "\n".join([*lines, *(f"  output: {escape_control(path)}" for path in route.outputs)])


def dry_run_document(source: str, route: Route) -> dict[str, Any]:
    """Return the same for JSON."""
    return {
        "input": source,
        "shape": route.shape,
        "type": route.dtype,
        "frames": route.frames,
        "maps": [
            {"label": label, "steps": [_step_document(step) for step in steps]}
            for label, steps in route.maps
        ],
        "memory": route.memory,
        "outputs": route.outputs,
    }


def _step_document(step: RouteEntry) -> dict[str, Any]:
    method, reason = step.choice or (None, None)
    return {"step": step.title, "shape": step.shape, "method": method, "reason": reason}


def summary_text(route: Route, seconds: float) -> str:
    """Return how an input was filtered, on one line."""
    titles = [
        f"{step.title} {format_shape(step.shape)}{_method_text(step)}"
        for _, steps in route.maps
        for step in steps
    ]
    texts = [_input_text(route), *dict.fromkeys(titles)]
    return (
        f"{(' -> ' if len(route.maps) == 1 else '; ').join(texts)}; "
        + (f"BLAS for {route.blas}; " if route.blas else "")
        + f"about {format_bytes(route.memory)} of memory; {seconds:.2f} s"
    )


def _input_text(route: Route) -> str:
    frames = f", {route.frames} frames" if route.frames > 1 else ""
    return f"{format_shape(route.shape)} {route.dtype}{frames}"


def _method_text(step: RouteEntry) -> str:
    """Return how a step is computed, and in tiles of which size where it has several.

    >>> _method_text(RouteEntry("net at y", (8, 8), methods={"winograd": 2, "im2col by rows": 1}))
    ' (3 convolutions: 2 winograd, 1 im2col by rows)'
    """
    if step.methods:
        total = sum(step.methods.values())
        counts = (f"{count} {method}" for method, count in step.methods.items())
        return f" ({total} convolution{'s' if total > 1 else ''}: {', '.join(counts)})"
    if step.choice is None or step.tile is None:
        return ""
    size = step.shape[:2]
    tile = tuple(map(min, step.tile, size))  # what is computed at once may go beyond the output
    tiles = f", in tiles of {format_shape(tile)}" if tile != size else ""
    return f" by {_choice_text(step)}{tiles}"


def _choice_text(step: RouteEntry) -> str:
    return ": ".join(step.choice or ())


class Progress(AbstractContextManager["Progress"]):
    """The progress of a batch: a bar on standard error, after a second, erased for other lines.

    Without a terminal, a line now and then.

    Parameters
    ----------
    total : int
        The number of files.
    quiet : bool
        Show nothing.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._count = total, 0
        self._start = time.monotonic()
        self._lock, self._is_over = Lock(), Event()
        self._bar: Any = None
        self._thread: Thread | None = None
        if total > 1 and not quiet:
            show = self._refresh if _is_terminal() else self._log
            self._thread = Thread(target=show, daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            try:
                self._thread.start()
            except RuntimeError:  # there are no more threads
                self._thread = None
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def count(self, results: Iterable[Result]) -> Iterator[Result]:
        """Pass results on, and count them."""
        for result in results:
            self._count += 1
            yield result

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Erase the bar while something else is written; the next refresh shows it again."""
        with self._lock:
            if self._bar is not None:
                self._stop()
            yield

    def _erase(self) -> None:
        """Erase the bar, which also hides the cursor, unless it cannot be had in time."""
        if self._lock.acquire(timeout=ERASE_TIMEOUT_S):
            try:
                self._stop()
            finally:
                self._lock.release()

    def _stop(self) -> None:
        if self._bar is not None and self._bar.live.is_started:
            self._bar.stop()

    def _refresh(self) -> None:
        if self._is_over.wait(SHOW_AFTER_S):
            return
        bar = self._bar = _make_bar()
        task = bar.add_task("", total=self._total, pace="")
        with undo_at_signal(self._erase):
            while not self._is_over.wait(REFRESH_S):
                with self._lock:
                    bar.update(task, completed=self._count, pace=self._pace(bar.tasks[0].speed))
                    bar.start()
                    bar.refresh()
            self._erase()

    def _log(self) -> None:
        while not self._is_over.wait(LOG_EVERY_S):
            with self._lock:
                log(", ".join(filter(None, [f"{self._count} of {self._total} done", self._pace()])))

    def _pace(self, recent: float | None = None) -> str:
        return format_pace(self._count, self._total, time.monotonic() - self._start, recent)


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    except (AttributeError, ValueError):  # there is no standard error, or it is closed
        return False


def format_pace(count: int, total: int, seconds: float, recent: float | None) -> str:
    """Return the rate, recent if known or else on average, and the time left.

    >>> format_pace(30, 1230, 10.0, None)
    '3.0 files/s, 0:06:40 left'
    """
    rate = recent or count / max(seconds, 0.001)
    if not rate:
        return ""
    return f"{rate:.1f} files/s, {timedelta(seconds=math.ceil((total - count) / rate))} left"


def _make_bar() -> Any:
    """Make a bar of one line: the count, the total, the rate, the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    return Bar(
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"),
        console=Console(file=sys.stderr), auto_refresh=False, transient=True,
        redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
