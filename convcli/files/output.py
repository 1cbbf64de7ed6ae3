"""Writing, at any time of which the old file or the new one exists, whole."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO

from convcli.errors import OutputError
from convcli.files import STDIN, STDOUT, write_stdout
from convcli.files.journal import is_recorded, record
from convcli.files.paths import NO_FOLDER, is_in_removed_folder, resolve, system_errors
from convcli.files.restriction import check_opened, check_real
from convcli.files.temporary import make_name, remove_stale
from convcli.signals import postpone_signals, undo_at_signal

EXISTS = "exists already; --force replaces it"
IS_FOLDER = "is a folder; name a file, or give it as --output-dir"
PERMISSIONS = 0o777  # the bits that a new file has of the old one
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def check_output(path: str, *, force: bool, inputs: Sequence[str]) -> None:
    """Raise if an output must not be written.

    Raises
    ------
    OutputError
        For an input's own file (under any name), an existing file or a symbolic link to nothing
        without `force`, a folder, and a file in a missing folder.
    """
    with system_errors(path, OutputError):
        check_real(path, OutputError)
        status = _status(path)
        if status is None:
            _check_new(path, force=force)
            return
        if stat.S_ISDIR(status.st_mode):
            raise OutputError(path, IS_FOLDER)
        if any(_is_same(status, source) for source in inputs if source != STDIN):
            raise OutputError(path, "is an input too, and an input is never replaced")
        if not force and stat.S_ISREG(status.st_mode) and not is_recorded(path):
            raise OutputError(path, EXISTS)


def make_folder(path: str) -> None:
    """Make a folder and its parents, unless they exist."""
    with system_errors(path, OutputError):
        check_real(path, OutputError)
        os.makedirs(path, exist_ok=True)


@contextmanager
def atomic_write(path: str, *, force: bool) -> Iterator[BinaryIO]:
    """Open a file to be written such that at any time the old or the new one exists, whole.

    A temporary file beside the target gets its name at the end. With `force` it replaces what is
    there; a symbolic link is kept, and what it points to is replaced, or made. A pipe or a device
    is written directly. `-` is standard output, which receives everything at the end, or nothing.

    Raises
    ------
    OutputError
        With the system's message, or, without `force`, if the file appeared meanwhile.
    """
    if path == STDOUT:
        buffer = io.BytesIO()
        yield buffer
        write_stdout(buffer.getvalue())
        return
    with system_errors(path, OutputError):
        check_real(path, OutputError)
        old = _status(path)
        if old is not None and not stat.S_ISREG(old.st_mode):
            buffer = io.BytesIO()  # a pipe cannot seek, as the writers of some formats do
            yield buffer
            _write_device(path, buffer.getvalue())
            return
        target = resolve(path)
        folder = os.path.dirname(target)
        remove_stale(folder)
        temporary = os.path.join(folder, make_name())
        with undo_at_signal(partial(os.unlink, temporary)):
            try:
                with _create(temporary, old) as stream:
                    check_opened(path, stream.fileno(), OutputError)
                    yield stream
                    stream.flush()
                    os.fsync(stream.fileno())
                    record(folder, os.fstat(stream.fileno()))
                if force:
                    os.replace(temporary, target)
                elif not _give_name(temporary, target) and not is_recorded(target):
                    raise OutputError(path, EXISTS)
            finally:
                with suppress(OSError):
                    os.unlink(temporary)


def _status(path: str) -> os.stat_result | None:
    """Return the status of what a path leads to, as the system resolves it; None if nothing."""
    try:
        return os.stat(path)  # a Path drops a last slash
    except FileNotFoundError:
        return None


def _check_new(path: str, *, force: bool) -> None:
    """Raise if a file cannot be made: its folder is missing, or a link to nothing has its name."""
    if not os.path.basename(path):
        raise OutputError(path, IS_FOLDER)
    is_link = os.path.islink(path)
    if is_link and not force:
        raise OutputError(
            path, "exists already, as a link to a missing file; --force makes that file"
        )
    try:
        resolve(path)
    except FileNotFoundError:
        if is_link:
            raise OutputError(path, "is a link into a folder that does not exist") from None
        if is_in_removed_folder(path):
            raise OutputError(path, NO_FOLDER) from None
        folder = os.path.dirname(path)
        raise OutputError(
            path, f"the folder {folder} does not exist; make it, or name it with --output-dir"
        ) from None


def _create(temporary: str, old: os.stat_result | None) -> BinaryIO:
    """Create a temporary file; one that is to replace another has its owner and permissions.

    It has them before its first byte: whoever must not read the one cannot read the other. There
    is none if a signal is about to end the process.
    """
    mode = 0o666 if old is None else old.st_mode & PERMISSIONS
    with postpone_signals():
        number = os.open(temporary, _CREATE | getattr(os, "O_NOFOLLOW", 0), mode)
        stream = os.fdopen(number, "wb")
    if old is not None and hasattr(os, "fchmod"):
        os.fchmod(number, _keep_owner(number, old))
    return stream


def _keep_owner(number: int, old: os.stat_result) -> int:
    """Give a file the owner and group of another, as far as allowed; return its permissions.

    Where its group is not the same, members of the new one may do no more than anybody else.
    """
    new = os.fstat(number)
    for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            with suppress(OSError):
                os.fchown(number, owner, group)
                new = os.fstat(number)
    mode = old.st_mode & PERMISSIONS
    return mode if new.st_gid == old.st_gid else mode & ~0o070 | (mode & 0o007) << 3


def _give_name(temporary: str, target: str) -> bool:
    """Give a file its name unless there is one of that name; return whether it has it now.

    On file systems without hard links, an empty file takes the name first, and is replaced.
    """
    try:
        if os.name == "nt":
            os.rename(temporary, target)  # which replaces nothing there
        else:
            os.link(temporary, target)
    except FileExistsError:
        return _is_same(os.stat(temporary), target)  # as NFS says when it is asked twice
    except OSError:  # there are no hard links, for which systems have many errors
        return _claim_name(temporary, target)
    return True


def _claim_name(temporary: str, target: str) -> bool:
    """As `_give_name`, by an empty file that takes the name first."""
    try:
        os.close(os.open(target, _CREATE, 0o600))
    except FileExistsError:
        return False
    try:
        os.replace(temporary, target)
    except OSError:
        os.unlink(target)
        raise
    return True


def _write_device(path: str, content: bytes) -> None:
    """Write to a pipe or a device, unless a file took its place: that would be overwritten."""
    with os.fdopen(os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0)), "wb") as device:
        check_opened(path, device.fileno(), OutputError)
        if stat.S_ISREG(os.fstat(device.fileno()).st_mode):
            raise OutputError(path, EXISTS)
        device.write(content)


def _is_same(status: os.stat_result, other: str) -> bool:
    try:
        return os.path.samestat(status, os.stat(other))
    except (OSError, ValueError):
        return False
