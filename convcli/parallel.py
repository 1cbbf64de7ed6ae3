"""Threads: a loop that runs in several, with BLAS limited to one in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias, TypeVar

from convcli.arithmetic.values import as_number
from convcli.blas import single_threaded_blas

Item = TypeVar("Item")
Work: TypeAlias = Callable[[Item], object]

_count = 1


def set_threads(count: int) -> None:
    """Set the number of threads in which filters and layers compute; at first it is one.

    While they run, the OpenBLAS of NumPy's wheels is limited to one thread in each, so that results
    do not depend on the number; any other BLAS is left as it is.

    Parameters
    ----------
    count : int
        At least 1; more than the number of cores is slower, not faster.

    Raises
    ------
    ArgumentError
        For anything but a whole number of at least 1.

    Examples
    --------
    >>> set_threads(1)
    >>> get_threads()
    1
    """
    global _count  # noqa: PLW0603  # one number for the whole process, as BLAS libraries have it
    _count = as_number(count, "threads", least=1)


def get_threads() -> int:
    """The number of threads in which filters and layers compute."""
    return _count


def available_cores() -> int:
    """The number of cores that this process may use.

    >>> available_cores() >= 1
    True
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def parallel_for(
    make_worker: Callable[[], Work[Item]],
    items: Iterable[Item],
    *,
    is_short: bool = False,
    in_threads: bool = True,
) -> None:
    """Process items in as many threads as were set; each thread takes the next item in turn.

    Parameters
    ----------
    make_worker : callable
        Returns a function of one item, with whatever memory of its own it reuses from one item to
        the next. Called once in each thread.
    items : iterable
    is_short : bool
        Whether all of it takes a few milliseconds: then the system would wake a thread on the core
        of its caller, and move it when half of that is over. So each thread has a core of its own,
        if there are as many as threads. For longer work it is better to let the system choose.
    in_threads : bool
        Whether there is enough to do to wake others for: if not, the caller's thread does it alone.

    Raises
    ------
    Exception
        The first that any worker raises; items not begun by then are left out.

    Examples
    --------
    >>> squares = [0] * 4
    >>> def make_worker():
    ...     return lambda number: squares.__setitem__(number, number**2)
    >>> parallel_for(make_worker, range(4))
    >>> squares
    [0, 1, 4, 9]
    """
    queue = list(items)
    remaining, failures = iter(queue), list[BaseException]()

    def run() -> None:
        try:
            work = make_worker()
            for item in remaining:  # each thread takes the next: one next() is atomic
                if failures:
                    return
                work(item)
        except BaseException as error:  # noqa: BLE001  # raised again below
            failures.append(error)

    # BLAS would split products among threads of its own, and sums would differ in the last bits.
    with single_threaded_blas():
        count = _count if in_threads else 1
        tasks = [_Task(run) for _ in range(1, min(count, len(queue)))]
        _pool.submit(tasks, is_short=is_short)
        run()
        if failures and not isinstance(failures[0], Exception):
            raise failures[0]  # a signal: the other threads end with the process
        for task in tasks:
            task.wait()
    if failures:
        raise failures[0]


class _Task:
    """A function that a thread of the pool runs, unless it is waited for before it begins."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        # A copy of the caller's context, in which NumPy keeps how to handle overflows.
        self._context = copy_context()
        self._begun, self._ended = Lock(), Lock()
        self._ended.acquire()

    def run(self) -> None:
        if self._begun.acquire(blocking=False):
            try:
                self._context.run(self._function)
            finally:
                self._ended.release()

    def wait(self) -> None:
        """Wait for the end; a task not begun by now never begins, so no two can deadlock."""
        if not self._begun.acquire(blocking=False):
            self._ended.acquire()


class _Pool:
    """Threads that wait for tasks: starting one takes as long as filtering a small picture."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._threads: list[Thread] = []
        self._placement: tuple[int, Sequence[int], bool] | None = None

    def submit(self, tasks: Sequence[_Task], *, is_short: bool) -> None:
        """Run tasks in threads, which end with the process."""
        if self._threads:
            self._place(is_short=is_short)
        for task in tasks:
            self._tasks.put(task)
        while len(self._threads) < len(tasks):
            thread = Thread(target=_run_tasks, args=(self._tasks,), name="convcli", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads; the caller does what no thread begins
                return
            self._threads.append(thread)

    def _place(self, *, is_short: bool) -> None:
        """Let each thread run on a core of its own, for short work, or on any."""
        if not hasattr(os, "sched_setaffinity"):
            return
        cores = sorted(os.sched_getaffinity(os.getpid()))  # those of the main thread: all
        placement = len(self._threads), cores, is_short and 1 < len(cores) == _count
        if placement == self._placement:
            return
        self._placement = placement
        for index, thread in enumerate(self._threads):
            own = [cores[1 + index % (_count - 1)]] if placement[2] else cores
            with suppress(OSError):  # refused where the process is confined
                os.sched_setaffinity(thread.native_id or 0, own)


def _run_tasks(tasks: SimpleQueue[_Task]) -> None:
    while True:
        tasks.get().run()  # no name keeps a task, and what it refers to, until the next one


_pool = _Pool()


def _replace_pool() -> None:
    """A forked process has none of the threads."""
    global _pool  # noqa: PLW0603
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_pool)
