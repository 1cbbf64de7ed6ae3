"""How far a batch has come: one line on a terminal, which gives way to every other line."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any, Self, TypeVar

from convcli.cli.output import log

Result = TypeVar("Result")

SHOW_AFTER_S = 1.0  # seconds that are waited through without a word
REFRESH_S = 0.1  # seconds
LOG_EVERY_S = 10.0  # seconds from one plain line to the next, where there is no terminal


class Progress(AbstractContextManager["Progress"]):
    """A bar on standard error, from one second on; without a terminal, a line now and then.

    Parameters
    ----------
    total : int
        How many files there are.
    quiet : bool
        Show none.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._count = total, 0
        self._begun = time.monotonic()
        self._lock, self._over = Lock(), Event()
        self._bar: Any = None
        self._is_shown = False
        keep_up = self._keep_up if _is_terminal() else self._report
        shows = total > 1 and not quiet
        self._thread = Thread(target=keep_up, daemon=True) if shows else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def counted(self, results: Iterable[Result]) -> Iterator[Result]:
        """Pass results on, and count them."""
        for result in results:
            self._count += 1
            yield result

    def aside(self) -> AbstractContextManager[None]:
        """Take the bar away while something else is written; it comes back by itself."""
        return nullcontext() if self._thread is None else self._taken_away()

    @contextmanager
    def _taken_away(self) -> Iterator[None]:
        with self._lock:
            self._hide()
            yield

    def _keep_up(self) -> None:
        if self._over.wait(SHOW_AFTER_S):
            return
        self._bar = _make_bar(self._begun)
        task = self._bar.add_task("", total=self._total)
        while not self._over.wait(REFRESH_S):
            with self._lock:
                self._bar.update(task, completed=self._count)
                self._show()
        with self._lock:
            self._hide()

    def _report(self) -> None:
        while not self._over.wait(LOG_EVERY_S):
            so_far = format_pace(self._count, self._total, time.monotonic() - self._begun, None)
            with self._lock:
                log(", ".join(filter(None, [f"{self._count} of {self._total} done", so_far])))

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


def format_pace(count: float, total: float | None, seconds: float, lately: float | None) -> str:
    """How fast it goes, as it went lately or else on the whole, and how long that will take.

    >>> format_pace(30, 1230, 10.0, None)
    '3.0 files/s, 0:06:40 left'
    """
    rate = lately or count / max(seconds, 0.001)
    if not rate or total is None:
        return ""
    left = timedelta(seconds=math.ceil((total - count) / rate))
    return f"{rate:.1f} files/s, {left} left"


def _make_bar(begun: float) -> Any:
    """A bar of one line: how many of how many, how fast, how long it will take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Pace(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(
                format_pace(task.completed, task.total, time.monotonic() - begun, task.speed)
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
