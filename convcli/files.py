"""Files: bounded reading, and writing after which the old file or the new one exists, whole."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from convcli.errors import ConvError, FileError, OutputError
from convcli.signals import postpone_signals, undo_at_signal

if TYPE_CHECKING:
    from pathlib import Path

STDIN = "-"
STDOUT = "-"
MAX_BUFFER_BYTES = 512 << 20  # of an input that cannot seek, and is held in memory
_CHUNK_BYTES = 1 << 20  # read at once
_START_BYTES = 16  # by which the kind of an input is known


@contextmanager
def open_input(
    path: str, max_bytes: int, max_buffered: Callable[[bytes], int] | None = None
) -> Iterator[BinaryIO]:
    """Open an input as a stream that can seek; `-` is standard input.

    Parameters
    ----------
    path : str
    max_bytes : int
        The largest size of a file.
    max_buffered : callable, optional
        For a pipe or a device, which is held in memory: returns by its first bytes how many it may
        have, or raises. By default `max_bytes`.

    Raises
    ------
    FileError
        If it cannot be opened, with the system's message, or is too large.
    """
    limit = max_buffered or (lambda _: max_bytes)
    with _system_errors(path, FileError):
        if path == STDIN:
            if sys.stdin is None:
                raise FileError(STDIN, "standard input is closed")
            yield _buffer(sys.stdin.buffer, path, limit)
            return
        with _path(path).open("rb") as stream:
            status = os.fstat(stream.fileno())
            is_file = stat.S_ISREG(status.st_mode)
            if is_file and status.st_size > max_bytes:
                raise FileError(
                    path,
                    f"has {status.st_size:,} bytes, and the most that is read is {max_bytes:,}",
                )
            yield stream if is_file else _buffer(stream, path, limit)


def read_bytes(path: str, max_bytes: int) -> bytes:
    """Read a whole input of at most `max_bytes`; `-` is standard input."""
    with open_input(path, max_bytes) as stream:
        return stream.read()


def count_remaining(stream: BinaryIO) -> int:
    """Return the number of bytes after the position of a stream that can seek."""
    position = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(position)
    return end - position


def check_output(path: str, *, force: bool, inputs: Sequence[str]) -> None:
    """Raise if an output must not be written.

    Raises
    ------
    OutputError
        For an input's own file (under any name), an existing file without `force`, a folder, and
        a file in a missing folder.
    """
    target = _path(path)
    with _system_errors(path, OutputError):
        with suppress(FileNotFoundError):
            target.stat()  # raises for what exists() calls missing, as a loop of links
        folder = _path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise OutputError(
                path, f"the folder {folder} does not exist; make it, or name it with --output-dir"
            )
        if target.is_dir():
            raise OutputError(path, "is a folder; name a file, or give it as --output-dir")
        if any(_is_same(target, source) for source in inputs if source != STDIN):
            raise OutputError(path, "is an input too, and an input is never replaced")
        if not force and target.exists() and _is_regular(target):
            raise OutputError(path, "exists already; --force replaces it")


def make_folder(path: str) -> None:
    """Make a folder and its parents, unless they exist."""
    with _system_errors(path, OutputError):
        _path(path).mkdir(parents=True, exist_ok=True)


@contextmanager
def atomic_write(path: str) -> Iterator[BinaryIO]:
    """Open a file to be written such that at any time the old or the new one exists, whole.

    A temporary file beside the target is renamed at the end. A symbolic link is kept, and its
    target replaced; a pipe or a device is written directly. `-` is standard output, which receives
    everything at the end, or nothing.

    Raises
    ------
    OutputError
        With the system's message.
    """
    if path == STDOUT:
        buffer = io.BytesIO()
        yield buffer
        write_stdout(buffer.getvalue())
        return
    target = _path(os.path.realpath(path))
    with _system_errors(path, OutputError):
        if target.exists() and not _is_regular(target):
            buffer = io.BytesIO()  # a pipe cannot seek, as the writers of some formats do
            yield buffer
            with target.open("wb") as device:
                device.write(buffer.getvalue())
            return
        temporary = target.with_name(f".convcli-{os.getpid()}-{os.urandom(8).hex()}")
        with undo_at_signal(temporary.unlink):
            try:
                with _create(temporary) as stream:
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


def _create(temporary: Path) -> BinaryIO:
    """Create a file that is not there yet, unless a signal is about to end the process."""
    with postpone_signals():
        return temporary.open("xb")


def remove_unfinished(folder: str, process: int) -> None:
    """Remove the temporary files that a process of this machine, now dead, left in a folder."""
    with suppress(OSError):
        for temporary in _path(folder).glob(f".convcli-{process}-*"):
            temporary.unlink()


def write_stdout(content: bytes) -> None:
    """Write all of the content to standard output.

    Raises
    ------
    OutputError
        If it is closed or full.
    BrokenPipeError
        If its reader is gone.
    """
    if sys.stdout is None:
        raise OutputError("standard output", "is closed")
    try:
        sys.stdout.flush()
        rest = memoryview(content)
        while rest:  # an unbuffered stream may write a part only
            rest = rest[sys.stdout.buffer.write(rest) or 0 :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        redirect_to_null(sys.stdout)
        raise OutputError("standard output", _cause(error)) from error


def redirect_to_null(stream: TextIO) -> None:
    """Discard what is written to a stream from now on, also by the interpreter at its exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _system_errors(path: str, error_class: type[FileError]) -> Iterator[None]:
    """Raise an error of the system, or of a name with a NUL in it, as one of the file."""
    try:
        yield
    except (BrokenPipeError, ConvError):  # BrokenPipeError: an output's reader is gone
        raise
    except (OSError, ValueError) as error:
        raise error_class(path, _cause(error)) from error


def _path(name: str) -> Path:
    from pathlib import Path  # here, as a command that only prints does not need it

    return Path(name)


def _buffer(stream: BinaryIO, path: str, max_buffered: Callable[[bytes], int]) -> BinaryIO:
    """Read a stream that cannot seek into memory, up to a limit: it may be endless."""
    buffer = io.BytesIO(stream.read(_START_BYTES))
    limit = max_buffered(buffer.getvalue())
    buffer.seek(0, os.SEEK_END)
    while chunk := stream.read(_CHUNK_BYTES):
        buffer.write(chunk)
        if buffer.tell() > limit:
            raise FileError(path, f"goes on beyond {limit:,} bytes, the most that is read of it")
    buffer.seek(0)
    return buffer


def _cause(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]


def _is_same(path: Path, other: str) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.stat().st_mode)
