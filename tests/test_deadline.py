"""Deadlines: what is late is stopped, and what cannot be stopped is left behind."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from convcli import deadline
from convcli.deadline import TimeLimit, TimeLimitError, allow_pixels, run_within
from convcli.files.output import atomic_write
from convcli.signals import undo_all

# An exception that comes between opening a file and entering its `with` leaves it to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SHORT = TimeLimit(0.2, 0.0)
LONG = TimeLimit(30.0, 0.0)


@pytest.fixture(autouse=True)
def stop_tracing() -> Iterator[None]:
    """Trace nothing: what stops a thread may come while a tracer holds a lock, then for ever."""
    own, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    sys.settrace(own)
    threading.settrace(of_threads)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A pipe on which a thread waits in the system, where nothing can be raised in it."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    yield path
    with suppress(OSError):  # if a thread still waits
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def work_in_python() -> None:
    while True:
        sum(range(100))


def swallow() -> None:
    while True:
        with suppress(Exception):
            work_in_python()


def work_in_destructors() -> None:
    class Slow:
        def __del__(self) -> None:
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                sum(range(100))

    start = time.monotonic()
    while time.monotonic() - start < 5:  # each exception may be lost
        Slow()


def fail_late() -> None:
    try:
        work_in_python()
    except BaseException as error:
        raise ValueError("it looks damaged") from error


def test_what_is_in_time_returns_or_raises() -> None:
    assert run_within(LONG, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        run_within(LONG, lambda: 1 / 0)
    with pytest.raises(SystemExit):
        run_within(LONG, lambda: exec("raise SystemExit"))


@pytest.mark.parametrize("work", [work_in_python, swallow, fail_late])
def test_what_is_late_is_stopped(work: Callable[[], None]) -> None:
    before = threading.active_count()
    start = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"^took longer than 0\.2 s; --timeout S allows more$"):
        run_within(SHORT, work)
    assert time.monotonic() - start < 2
    deadline_end = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline_end
        time.sleep(0.01)


def test_what_loses_the_exception_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with pytest.raises(TimeLimitError):
        run_within(SHORT, work_in_destructors)
    assert printed == []


def test_what_cannot_be_stopped_is_left_behind(fifo: Path) -> None:
    start = time.monotonic()
    with pytest.raises(TimeLimitError):
        run_within(SHORT, fifo.read_bytes)
    assert time.monotonic() - start < deadline.STOP_TIMEOUT_S + 2
    assert run_within(LONG, lambda: 7) == 7


def test_what_is_left_behind_writes_nothing(fifo: Path, tmp_path: Path) -> None:
    def write() -> None:
        with atomic_write(str(tmp_path / "out"), force=False) as stream:
            stream.write(fifo.read_bytes())

    with pytest.raises(TimeLimitError):
        run_within(SHORT, write)
    assert any(path.name.startswith(".convcli-") for path in tmp_path.iterdir())
    undo_all()
    assert list(tmp_path.iterdir()) == [fifo]
    with (
        suppress(BrokenPipeError),
        fifo.open("wb") as late,
    ):  # and if it goes on before the process ends
        late.write(b"late")
    time.sleep(0.3)
    assert list(tmp_path.iterdir()) == [fifo]


def test_what_ends_late_but_whole_counts() -> None:
    def finish() -> str:
        with suppress(TimeLimitError):
            work_in_python()
        return "written"

    assert run_within(SHORT, finish) == "written"


def test_pixels_allow_more_time() -> None:
    def read(pixels: int) -> str:
        allow_pixels(pixels)
        time.sleep(0.5)
        return "read"

    limit = TimeLimit(0.2, 1.0)
    assert run_within(limit, lambda: read(3_000_000)) == "read"
    with pytest.raises(TimeLimitError, match=r"took longer than 0\.3 s"):
        run_within(limit, lambda: read(100_000))
    with pytest.raises(TimeLimitError, match=r"took longer than 0\.2 s"):
        run_within(SHORT, lambda: read(3_000_000))
    allow_pixels(100)  # where there is no deadline


def test_one_thread_does_one_after_another() -> None:
    found = {run_within(LONG, threading.get_ident) for _ in range(20)}
    assert len(found) == 1
    assert found != {threading.get_ident()}


def test_each_thread_has_its_own_deadlines() -> None:
    results: list[Any] = []

    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def call(seconds: float) -> None:
        try:
            results.append(run_within(TimeLimit(0.4, 0.0), partial(wait, seconds)))
        except TimeLimitError:
            results.append("late")

    threads = [threading.Thread(target=call, args=(seconds,)) for seconds in (0.0, 0.1, 1.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0.0, 0.1, "late"]


def test_the_context_is_that_of_the_caller() -> None:
    variable = ContextVar("variable", default=0)
    variable.set(8)
    assert run_within(LONG, variable.get) == 8


def test_without_threads_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    found: list[int] = []

    def call() -> None:  # in a thread that has no worker yet
        monkeypatch.setattr("convcli.deadline.Thread.start", refuse)
        found.append(run_within(LONG, threading.get_ident))
        found.append(threading.get_ident())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found[0] == found[1]
