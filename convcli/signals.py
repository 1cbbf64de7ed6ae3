"""Signals that end a process: its handler does, after what is being done is undone.

A handler that raises instead does so at any line of any library: in a destructor, where the
exception is printed and lost, or in the cleanup that the first of two signals began.
"""

from __future__ import annotations

import os
import signal
from _thread import RLock, get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

Undo: TypeAlias = Callable[[], object]

# Interrupted (Ctrl-C), terminated, and the terminal is gone, which Windows does not have.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
MAX_WAIT_S = 0.5  # for another thread that is in `postpone_signals`

_undo: dict[object, Undo] = {}
_lock = RLock()
_owner: int | None = None  # the thread that is in `postpone_signals`
_postponed: int | None = None  # the signal that came meanwhile


def end_on_signals() -> None:
    """End the process at a signal, with the exit code of a shell; one that is ignored stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@contextmanager
def undo_at_signal(undo: Undo) -> Iterator[None]:
    """Call a function before the process ends, if a signal ends it in the meantime.

    It is called in the main thread, while other threads may go on; it must be brief.
    """
    key = object()
    with postpone_signals():
        _undo[key] = undo
    try:
        yield
    finally:
        _undo.pop(key, None)


@contextmanager
def postpone_signals() -> Iterator[None]:
    """Let no signal end the process meanwhile, and begin only if none is about to."""
    global _owner, _postponed  # noqa: PLW0603  # a process has one set of signals
    with _lock:
        _owner = get_ident()
        try:
            yield
        finally:
            _owner = None
    if _postponed is not None:
        number, _postponed = _postponed, None
        os.kill(os.getpid(), number)


def undo_all() -> None:
    """Undo what is being done, latest first: at a signal, or in threads that were given up."""
    for undo in reversed(list(_undo.values())):
        with suppress(Exception):
            undo()


def _end(number: int, _: object) -> None:
    """Undo what is being done, latest first, and end the process."""
    global _postponed  # noqa: PLW0603
    if _owner == get_ident():
        _postponed = number
        return
    # Never released: what another thread would begin now could no more be undone.
    _lock.acquire(timeout=MAX_WAIT_S)
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    undo_all()
    os._exit(128 + number)
