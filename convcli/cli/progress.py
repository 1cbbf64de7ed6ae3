"""The progress of a batch: one line on a terminal, erased for every other line."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any, Self, TypeVar

from convcli.cli.output import log

Result = TypeVar("Result")

SHOW_AFTER_S = 1.0
REFRESH_S = 0.1
LOG_EVERY_S = 10.0  # where there is no terminal


class Progress(AbstractContextManager["Progress"]):
    """A bar on standard error, after a second; without a terminal, a line now and then.

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
        self._is_shown = False
        show = self._refresh if _is_terminal() else self._log
        is_wanted = total > 1 and not quiet
        self._thread = Thread(target=show, daemon=True) if is_wanted else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
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
            self._hide()
            yield

    def _refresh(self) -> None:
        if self._is_over.wait(SHOW_AFTER_S):
            return
        self._bar = _make_bar(self._start)
        task = self._bar.add_task("", total=self._total)
        while not self._is_over.wait(REFRESH_S):
            with self._lock:
                self._bar.update(task, completed=self._count)
                self._show()
        with self._lock:
            self._hide()

    def _log(self) -> None:
        while not self._is_over.wait(LOG_EVERY_S):
            pace = format_pace(self._count, self._total, time.monotonic() - self._start, None)
            with self._lock:
                log(", ".join(filter(None, [f"{self._count} of {self._total} done", pace])))

    def _show(self) -> None:
        if self._is_shown:
            self._bar.refresh()
        else:
            self._bar.start()
            self._is_shown = True

    def _hide(self) -> None:
        if self._is_shown:
            self._bar.stop()
            self._is_shown = False


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    except (AttributeError, ValueError):  # there is no standard error, or it is closed
        return False


def format_pace(count: float, total: float | None, seconds: float, recent: float | None) -> str:
    """Return the rate, recent if known or else on average, and the time left.

    >>> format_pace(30, 1230, 10.0, None)
    '3.0 files/s, 0:06:40 left'
    """
    rate = recent or count / max(seconds, 0.001)
    if not rate or total is None:
        return ""
    left = timedelta(seconds=math.ceil((total - count) / rate))
    return f"{rate:.1f} files/s, {left} left"


def _make_bar(start: float) -> Any:
    """Make a bar of one line: the count, the total, the rate, the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(
                format_pace(task.completed, task.total, time.monotonic() - start, task.speed)
            )

    return Bar(
        BarColumn(),
        MofNCompleteColumn(),
        Pace(),
        console=Console(file=sys.stderr),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
