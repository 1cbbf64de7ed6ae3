"""Bytes out of and into the file system: reading that is bounded, writing that loses nothing."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from convcli.errors import FileError, OutputError

STDIN = "-"
STDOUT = "-"
_CHUNK = 1 << 20


@contextmanager
def opened(path: str, most_bytes: int) -> Iterator[BinaryIO]:
    """Open an input as a stream that can be read again from its start; `-` is standard input.

    Parameters
    ----------
    path : str
    most_bytes : int
        A larger file is refused by its size; of a pipe or a device no more than this is read.

    Raises
    ------
    FileError
        With the cause in the system's words, for whatever cannot be opened.
    """
    try:
        if path == STDIN:
            yield _captured(_standard_input(), path, most_bytes)
            return
        with Path(path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                yield _captured(stream, path, most_bytes)
                return
            if status.st_size > most_bytes:
                raise FileError(path, _too_large(status.st_size, most_bytes))
            yield stream
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        if isinstance(error, FileError):
            raise
        raise FileError(path, _cause(error)) from error


def read_bytes(path: str, most_bytes: int) -> bytes:
    """Read an input whole, if it is no larger than `most_bytes`; `-` is standard input."""
    with opened(path, most_bytes) as stream:
        return stream.read()


def remaining(stream: BinaryIO) -> int:
    """How many bytes lie ahead in a stream that can seek."""
    here = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(here)
    return end - here


def check_output(path: str, *, force: bool, inputs: Sequence[str]) -> None:
    """Refuse an output that must not be written, before any work for it is done.

    Raises
    ------
    OutputError
        For an input's own file (by whatever name), an existing file without `force`, a folder,
        and a folder that is missing.
    """
    target = Path(path)
    try:
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(
                path, f"the folder {folder} does not exist; make it, or name it with --output-dir"
            )
        if target.is_dir():
            raise OutputError(path, "is a folder; name a file, or give it as --output-dir")
        if any(_is_same(target, other) for other in inputs if other != STDIN):
            raise OutputError(path, "is an input too, and an input is never replaced")
        if not force and target.exists() and _is_regular(target):
            raise OutputError(path, "exists already; --force replaces it")
    except (OSError, ValueError) as error:
        raise OutputError(path, _cause(error)) from error


def make_folder(path: str) -> None:
    """Make a folder, and those that it lies in, unless it is there."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(path, _cause(error)) from error


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Write a file so that at every moment either the old one or the new one is there, whole.

    The bytes go to a temporary file beside the target, which takes its place at the very end. A
    symbolic link stays, and what it points to is replaced; a pipe or a device is written directly.
    `-` is standard output, which gets everything at the end or nothing.

    Raises
    ------
    OutputError
        With the cause in the system's words.
    """
    if path == STDOUT:
        with _standard_output() as held:
            yield held
        return
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not _is_regular(target):
            with target.open("wb") as device:
                yield device
            return
        handle, temporary = tempfile.mkstemp(prefix=".convcli-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(_mode_for(target))
            Path(temporary).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(path, _cause(error)) from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise FileError(STDIN, "standard input is closed")
    return sys.stdin.buffer


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    if sys.stdout is None:
        raise OutputError(STDOUT, "standard output is closed")
    held = io.BytesIO()
    yield held
    try:
        sys.stdout.buffer.write(held.getbuffer())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(STDOUT, _cause(error)) from error


def _captured(stream: BinaryIO, path: str, most_bytes: int) -> BinaryIO:
    """Hold what cannot seek in memory, up to a limit, so that an endless stream ends."""
    held = io.BytesIO()
    while chunk := stream.read(_CHUNK):
        held.write(chunk)
        if held.tell() > most_bytes:
            raise FileError(path, f"goes on beyond {most_bytes:,} bytes, the most that is read")
    held.seek(0)
    return held


def _too_large(size: int, most_bytes: int) -> str:
    return f"has {size:,} bytes, and the most that is read is {most_bytes:,}"


def _cause(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error)
    return words[:1].lower() + words[1:]


def _is_same(one: Path, other: str) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)


def _mode_for(target: Path) -> int:
    """The permissions of the file to be replaced, or those that a new file would get."""
    with suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
