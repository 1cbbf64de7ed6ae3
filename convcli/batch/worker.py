"""A worker process: it runs what it is sent on standard input, and ends with who sends it."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, BinaryIO, NoReturn

from convcli.files.journal import remove_own_journals
from convcli.signals import SIGNALS, end_on_signals, undo_all, undo_at_signal

NOT_STARTED_CODE = 71  # of a worker for which the system lacked something, as EX_OSERR


def serve() -> NoReturn:
    """Run each call, a function and its arguments, and send what it returns or raises.

    Calls come on standard input, results go to standard output, both pickled. None ends the
    process. So does the end of the input, as the parent has ended then: whatever is being done is
    undone.
    """
    end_on_signals()
    if hasattr(signal, "pthread_sigmask"):  # blocked until now; SIGINT, which all get, stays so
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*SIGNALS} - {signal.SIGINT})
    calls, results = _take_streams()
    queue: SimpleQueue[Any] = SimpleQueue()
    try:
        Thread(target=_read, args=(calls, queue), daemon=True).start()
    except RuntimeError:  # there are no more threads
        os._exit(NOT_STARTED_CODE)
    while (call := queue.get()) is not None:
        _send(results, run(*call))
    undo_all()
    os._exit(0)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return standard input and output, and leave null devices for what others read and print."""
    calls, results = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "rb"), (1, "wb")))
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    return calls, results  # type: ignore[return-value]  # of the modes above


def _read(calls: BinaryIO, queue: SimpleQueue[Any]) -> None:
    with suppress(EOFError, OSError):
        while (call := pickle.load(calls)) is not None:  # noqa: S301  # from the parent
            queue.put(call)
        queue.put(None)
        return
    with undo_at_signal(remove_own_journals):  # no other attempt will read them
        os.kill(os.getpid(), signal.SIGTERM)
        Event().wait()


def run(work: Any, arguments: Any, settings: Any) -> tuple[bool, Any]:
    """Return whether the work was done, and its result or else its error."""
    try:
        return True, work(*arguments, **settings)
    except BaseException as error:  # noqa: BLE001  # it concerns this call alone
        return False, error


def _send(results: BinaryIO, result: tuple[bool, Any]) -> None:
    try:
        message = pickle.dumps(result)
    except Exception as error:  # noqa: BLE001  # any object may refuse
        message = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    with suppress(OSError):  # the parent has ended; so will this process
        results.write(message)
        results.flush()
