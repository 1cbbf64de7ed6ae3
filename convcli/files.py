"""Bytes out of and into the file system: reading that is bounded, writing that loses nothing."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from convcli.errors import FileError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

STDIN = "-"
STDOUT = "-"
MAX_BUFFER_BYTES = 512 << 20  # of what cannot seek, and has to be held in memory
_CHUNK, _START = 1 << 20, 16


@contextmanager
def open_input(
    path: str, max_bytes: int, max_buffered: Callable[[bytes], int] | None = None
) -> Iterator[BinaryIO]:
    """Open an input as a stream that can be read again from its start; `-` is standard input.

    Parameters
    ----------
    path : str
    most_bytes : int
        A larger file is refused by its size.
    most_held : callable, optional
        Of a pipe or a device, which has to be held in memory: says by its first bytes how much of
        it may be, or refuses it. Where left out, `max_bytes`.

    Raises
    ------
    FileError
        With the cause in the system's words, for whatever cannot be opened.
    """
    hold = max_buffered or (lambda _: max_bytes)
    try:
        if path == STDIN:
            yield _buffer(_standard_input(), path, hold)
            return
        with _path(path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                yield _buffer(stream, path, hold)
                return
            if status.st_size > max_bytes:
                raise FileError(path, _too_large(status.st_size, max_bytes))
            yield stream
    except BrokenPipeError:  # of what is written meanwhile
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        if isinstance(error, FileError):
            raise
        raise FileError(path, _cause(error)) from error


def read_bytes(path: str, max_bytes: int) -> bytes:
    """Read an input whole, if it is no larger than `max_bytes`; `-` is standard input."""
    with open_input(path, max_bytes) as stream:
        return stream.read()


def count_remaining(stream: BinaryIO) -> int:
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
    target = _path(path)
    try:
        with suppress(FileNotFoundError):
            target.stat()  # raises for what exists() calls missing: a loop of links, say
        folder = _path(os.path.realpath(path)).parent
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
        _path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(path, _cause(error)) from error


@contextmanager
def atomic_write(path: str) -> Iterator[BinaryIO]:
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
        held = io.BytesIO()
        yield held
        write_stdout(held.getvalue())
        return
    target = _path(os.path.realpath(path))
    try:
        if target.exists() and not _is_regular(target):
            held = io.BytesIO()  # a pipe cannot seek, and some formats want to
            yield held
            with target.open("wb") as device:
                device.write(held.getvalue())
            return
        temporary = target.with_name(f".convcli-{os.getpid()}-{os.urandom(8).hex()}")
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(path, _cause(error)) from error


def remove_unfinished(folder: str, process: int) -> None:
    """Remove the temporary files in a folder that a process of this machine left when it died."""
    with suppress(OSError):
        for temporary in _path(folder).glob(f".convcli-{process}-*"):
            temporary.unlink()


def write_stdout(content: bytes) -> None:
    """Write to standard output, all of it.

    Raises
    ------
    OutputError
        Where it is closed or full. `BrokenPipeError` where nobody reads it any more.
    """
    if sys.stdout is None:
        raise OutputError("standard output", "is closed")
    try:
        sys.stdout.flush()
        rest = memoryview(content)
        while rest:  # an unbuffered stream may take only a part
            rest = rest[sys.stdout.buffer.write(rest) or 0 :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        redirect_to_null(sys.stdout)
        raise OutputError("standard output", _cause(error)) from error


def redirect_to_null(stream: TextIO) -> None:
    """Let nothing more be written to a stream: the interpreter would try once again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _path(name: str) -> Path:
    from pathlib import Path  # which a command that only prints need not load

    return Path(name)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise FileError(STDIN, "standard input is closed")
    return sys.stdin.buffer


def _buffer(stream: BinaryIO, path: str, max_buffered: Callable[[bytes], int]) -> BinaryIO:
    """Hold what cannot seek in memory, up to a limit, so that an endless stream ends."""
    held = io.BytesIO(stream.read(_START))
    most = max_buffered(held.getvalue())
    held.seek(0, os.SEEK_END)
    while chunk := stream.read(_CHUNK):
        held.write(chunk)
        if held.tell() > most:
            raise FileError(path, f"goes on beyond {most:,} bytes, the most that is read of it")
    held.seek(0)
    return held


def _too_large(size: int, max_bytes: int) -> str:
    return f"has {size:,} bytes, and the most that is read is {max_bytes:,}"


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
