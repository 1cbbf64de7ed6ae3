"""Threads: how many work side by side, and BLAS kept from adding its own to them."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeAlias, TypeVar

import numpy as np

from convcli.arithmetic.values import as_number

Item = TypeVar("Item")
Work: TypeAlias = Callable[[Item], object]

_count = 1
_lock = Lock()
_sharing = 0  # calls of `parallel_for` that keep BLAS to one thread now
_blas_before = 1  # what it had before the first of them


def set_threads(count: int) -> None:
    """Let filters and layers compute in so many threads; at first it is one.

    While they do, the OpenBLAS of NumPy's wheels is kept to one thread for each of them, so that
    results do not depend on the number; any other BLAS is left as it is.

    Parameters
    ----------
    count : int
        At least 1. More than there are cores is slower, not faster.

    Raises
    ------
    ArgumentError
        For anything but a whole number from 1 on.

    Examples
    --------
    >>> set_threads(1)
    >>> get_threads()
    1
    """
    global _count  # noqa: PLW0603  # one number for the whole process, as BLAS libraries have it
    _count = as_number(count, "threads", least=1)


def get_threads() -> int:
    """How many threads filters and layers compute in."""
    return _count


def available_cores() -> int:
    """How many cores this process may use.

    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parallel_for(hire: Callable[[], Work[Item]], items: Iterable[Item]) -> None:
    """Have every item done, by as many workers as there are threads; items are taken in turn.

    Parameters
    ----------
    hire : callable
        Gives a worker: a function of one item, with whatever memory of its own it keeps from one
        item to the next. It is called once in each thread.
    items : iterable

    Raises
    ------
    Exception
        The first that any worker raised; what has not been begun by then never is.

    Examples
    --------
    >>> squares = [0] * 4
    >>> def hire():
    ...     return lambda number: squares.__setitem__(number, number**2)
    >>> parallel_for(hire, range(4))
    >>> squares
    [0, 1, 4, 9]
    """
    waiting = list(items)
    helpers = min(_count, len(waiting)) - 1
    # BLAS would cut products up by threads of its own, and sums would differ in their last bits.
    with _blas_alone():
        if helpers > 0:
            _run_shared(hire, iter(waiting), helpers)
            return
        work = hire()
        for item in waiting:
            work(item)


def _run_shared(hire: Callable[[], Work[Item]], turn: Iterator[Item], helpers: int) -> None:
    """Let this thread and so many others take items in turn: one next() is atomic."""
    failures: list[BaseException] = []

    def labour() -> None:
        try:
            work = hire()
            for item in turn:
                if failures:
                    return
                work(item)
        except BaseException as error:  # noqa: BLE001  # raised again where `parallel_for` was called
            failures.append(error)

    errands = [_Task(labour) for _ in range(helpers)]
    _pool.send(errands)
    labour()
    if failures and not isinstance(failures[0], Exception):
        raise failures[0]  # a signal: the others are left to end with the process
    for errand in errands:
        errand.wait()
    if failures:
        raise failures[0]


class _Task:
    """Work that one of the crew begins, unless it is waited for before that."""

    def __init__(self, labour: Callable[[], None]) -> None:
        self._labour = labour
        # A copy of the caller's, where NumPy keeps what is to be done about overflows.
        self._context = copy_context()
        self._begun, self._ended = Lock(), Lock()
        self._ended.acquire()

    def run(self) -> None:
        if self._begun.acquire(blocking=False):
            try:
                self._context.run(self._labour)
            finally:
                self._ended.release()

    def wait(self) -> None:
        """Until it has ended; what nobody has begun by now nobody will, so no two can deadlock."""
        if not self._begun.acquire(blocking=False):
            self._ended.acquire()


class _Pool:
    """Threads that wait for work: starting one takes as long as filtering a small picture."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Task] = SimpleQueue()
        self._members = 0

    def send(self, errands: Sequence[_Task]) -> None:
        """Have these done, by threads that end with the process."""
        for errand in errands:
            self._waiting.put(errand)
        while self._members < len(errands):
            member = Thread(target=_serve, args=(self._waiting,), name="convcli", daemon=True)
            try:
                member.start()
            except RuntimeError:  # no more can be had; what nobody begins, the caller does
                return
            self._members += 1


def _serve(waiting: SimpleQueue[_Task]) -> None:
    while True:
        waiting.get().run()  # no name keeps an errand, and what it refers to, until the next one


_pool = _Pool()


def _replace_pool() -> None:
    """A forked process has none of the threads."""
    global _pool  # noqa: PLW0603
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_pool)


@contextmanager
def _blas_alone() -> Iterator[None]:
    """Keep NumPy's BLAS to one thread, where it can be told: two times two is two too many."""
    global _sharing, _blas_before  # noqa: PLW0603  # callers may share from threads of their own
    blas = _openblas()
    if blas is None:
        yield
        return
    tell, ask = blas
    with _lock:
        if _sharing == 0:
            _blas_before = ask()
            tell(1)
        _sharing += 1
    try:
        yield
    finally:
        with _lock:
            _sharing -= 1
            if _sharing == 0:
                tell(_blas_before)


@cache
def _openblas() -> tuple[Callable[[int], Any], Callable[[], int]] | None:
    """How to set and to read the threads of the OpenBLAS that comes with NumPy's wheels."""
    home = Path(np.__file__).parent
    folders = (home.parent / "numpy.libs", home / ".dylibs")
    for path in (one for folder in folders for one in folder.glob("*openblas*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for suffix in ("64_", ""):
            tell = getattr(library, f"scipy_openblas_set_num_threads{suffix}", None)
            ask = getattr(library, f"scipy_openblas_get_num_threads{suffix}", None)
            if tell is not None and ask is not None:
                return tell, ask
    return None
