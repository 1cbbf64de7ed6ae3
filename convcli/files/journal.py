"""Journals: what the attempts at a batch's jobs wrote, for the next attempt if a worker dies.

A job whose worker died is run again, and may find files that it wrote itself. It knows them by
the journals that lie beside them, never by their time. A report may be lost with a worker, too, so
a journal stays until the batch has ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from convcli.files.restriction import is_allowed
from convcli.files.temporary import PREFIX, this_process
from convcli.records import NamedTuple
from convcli.signals import postpone_signals

_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


class JobKey(NamedTuple):
    """A job in the journals of its batch.

    Parameters
    ----------
    batch : str
        With which the names of the journals start; each worker has its own.
    number : int
    """

    batch: str
    number: int


_current: ContextVar[JobKey | None] = ContextVar("job", default=None)
_own_journals: set[str] = set()


def name_batch() -> str:
    """Return a new name for a batch of this process, at whose end `remove_unfinished` is called."""
    return f"{PREFIX}{this_process()}-{os.urandom(8).hex()}"


@contextmanager
def record_writes(key: JobKey | None) -> Iterator[None]:
    """Record the files that are written in this thread, if they are those of a job with a key."""
    token = _current.set(key)
    try:
        yield
    finally:
        _current.reset(token)


def record(folder: str, status: os.stat_result) -> None:
    """Record a file that is about to get its name in a folder, if writes are recorded."""
    key = _current.get()
    if key is None:
        return
    path = os.path.join(folder, f"{key.batch}-{this_process()}.journal")
    _own_journals.add(path)
    with postpone_signals():
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW, 0o600)
    with os.fdopen(number, "wb") as stream:
        stream.write(_entry(key, status))


def remove_own_journals() -> None:
    """Remove the journals of this worker, whose batch was killed: there is no next attempt."""
    for path in _own_journals.copy():
        with suppress(OSError):
            os.unlink(path)


def is_recorded(path: str) -> bool:
    """Whether a file is one that an earlier attempt at the current job wrote, unchanged."""
    key = _current.get()
    if key is None or not is_allowed(path):
        return False
    try:
        path = os.path.realpath(path, strict=True)
        entry = _entry(key, os.stat(path))
        with os.scandir(os.path.dirname(path)) as files:
            journals = [file.path for file in files if file.name.startswith(key.batch)]
        return any(_has_entry(journal, entry) for journal in journals)
    except (OSError, ValueError):
        return False


def _has_entry(journal: str, entry: bytes) -> bool:
    with os.fdopen(os.open(journal, os.O_RDONLY | _NO_FOLLOW), "rb") as stream:
        return entry in stream


def _entry(key: JobKey, status: os.stat_result) -> bytes:
    """Return a line with what tells a file from any other that has its name later.

    The number of a removed file is given to another one, but not with its size and time. Devices
    are counted by each machine in its own way, and a journal lies on that of its files.
    """
    identity = (status.st_ino, status.st_size, status.st_mtime_ns)
    return b"%d: %d %d %d\n" % (key.number, *identity)
