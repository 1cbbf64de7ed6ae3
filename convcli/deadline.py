"""Deadlines: work that takes too long is stopped, or given up where nothing can stop it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import TIMEOUT_MAX, Lock, Thread, local
from time import monotonic
from typing import Any, TypeVar, cast

from convcli.records import NamedTuple

Result = TypeVar("Result")

STOP_TIMEOUT_S = 2.0  # for code to return to the interpreter, where it can be stopped
STOP_TRIES = 20  # as an exception that comes in a destructor is lost


class TimeLimit(NamedTuple):
    """The longest that something may take, in seconds, and in more of them a megapixel."""

    seconds: float = 60.0
    seconds_per_megapixel: float = 1.0

    @classmethod
    def of(cls, seconds: float | None) -> TimeLimit:
        """Return the limit of so many seconds, whatever the pixels; None is the default one."""
        return cls() if seconds is None else cls(seconds, 0.0)


class TimeLimitError(BaseException):
    """Something took too long. No `Exception`, which libraries catch and carry on."""


def run_within(limit: TimeLimit, function: Callable[[], Result]) -> Result:
    """Call a function in another thread, and return what it returns in time.

    Once its time is over, an exception is raised in it. Compiled code that does not return to the
    interpreter is left to itself: its thread ends when it does, or with the process.

    Raises
    ------
    TimeLimitError
        If it took too long.
    Exception
        That of the function.
    """
    worker = getattr(_of_thread, "worker", None) or _Worker()
    if not worker.is_running:  # the system has no more threads
        return function()
    call = _Call(function, limit)
    worker.calls.put(call)
    while (remaining := call.deadline - monotonic()) > 0:
        if call.has_ended.acquire(timeout=min(remaining, TIMEOUT_MAX)):
            _of_thread.worker = worker
            return cast("Result", call.result())
    _of_thread.worker = None  # this one still has to end
    if worker.stop(call) and call.has_succeeded:  # late, but its files are written
        return cast("Result", call.result())
    raise TimeLimitError(f"took longer than {call.seconds:.4g} s; --timeout S allows more")


def allow_pixels(count: int) -> None:
    """Extend the deadline of this thread's work, for the pixels that it is about to read."""
    call = getattr(_of_thread, "call", None)
    if call is not None:
        call.extend(count)


class _Call:
    """A function to be called by a certain time."""

    def __init__(self, function: Callable[[], Any], limit: TimeLimit) -> None:
        self._function, self._limit = function, limit
        self._context: Context = copy_context()
        self._value: Any = None
        self._error: BaseException | None = None
        self.seconds = limit.seconds
        self.deadline = monotonic() + limit.seconds
        self.has_ended = Lock()
        self.has_ended.acquire()

    def run(self) -> None:
        """Call the function."""
        try:
            self._value = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001  # raised again by `result`
            self._error = error
        self.has_ended.release()

    @property
    def has_succeeded(self) -> bool:
        """Whether the function, which has ended, raised nothing."""
        return self._error is None

    def result(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def extend(self, pixels: int) -> None:
        """Put the deadline off for so many pixels."""
        more = self._limit.seconds_per_megapixel * pixels / 1e6
        self.seconds += more
        self.deadline += more


class _Worker:
    """A thread that waits for calls; one that was stopped takes no more."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self.is_running = True
        self._thread = Thread(target=self._serve, name="convcli", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.is_running = False

    def stop(self, call: _Call) -> bool:
        """Raise an exception in a call, and return whether it has ended by that."""
        import ctypes  # here, as it takes longer to load than all else

        self.is_running = False
        _ignore_in_destructors()
        identity = ctypes.c_ulong(self._thread.ident or 0)
        for _ in range(STOP_TRIES):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(TimeLimitError))
            if call.has_ended.acquire(timeout=STOP_TIMEOUT_S / STOP_TRIES):
                return True
        return False

    def _serve(self) -> None:
        with suppress(TimeLimitError):  # which comes late
            while self.is_running:
                call = self.calls.get()
                _of_thread.call = call
                call.run()
                del call, _of_thread.call


def _ignore_in_destructors() -> None:
    """Print nothing about a `TimeLimitError` that comes in a destructor."""
    print_other = sys.unraisablehook

    def print_unraisable(unraisable: Any) -> None:
        if unraisable.exc_type is not TimeLimitError:
            print_other(unraisable)

    if getattr(print_other, "__name__", "") != print_unraisable.__name__:
        sys.unraisablehook = print_unraisable


_of_thread = local()  # the worker of a thread that calls, and the call of a worker
