"""Files: bounded reading, and standard streams; `output` writes."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, TextIO

from convcli.errors import FileError, OutputError
from convcli.files.paths import cause, system_errors
from convcli.files.restriction import check_opened, check_real

STDIN = "-"
STDOUT = "-"
MAX_BUFFER_BYTES = 512 << 20  # of an input that cannot seek, and is held in memory
_CHUNK_BYTES = 1 << 20  # read at once
_START_BYTES = 16  # by which the kind of an input is known
_BINARY: int = getattr(os, "O_BINARY", 0)  # on Windows, where text is converted


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
    with system_errors(path, FileError):
        if path == STDIN:
            if sys.stdin is None:
                raise FileError(STDIN, "standard input is closed")
            yield _buffer(sys.stdin.buffer, path, limit)
            return
        check_real(path, FileError)
        with os.fdopen(os.open(path, os.O_RDONLY | _BINARY), "rb") as stream:
            check_opened(path, stream.fileno(), FileError)
            status = os.fstat(stream.fileno())
            is_file = stat.S_ISREG(status.st_mode)
            if is_file and status.st_size > max_bytes:
                raise FileError(
                    path,
                    f"has {status.st_size:,} bytes, and the most that is read is {max_bytes:,}",
                )
            yield stream if is_file else _buffer(stream, path, limit)


def may_quote(path: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a message may quote an input: of a name that asks for such a file, and of a pipe.

    Any other name may be that of a file which is none of the user's business: `-k @/etc/passwd`.

    >>> may_quote("k.CSV", (".csv",)), may_quote("-", (".csv",)), may_quote("passwd", (".csv",))
    (True, True, False)
    """
    return path == STDIN or path.lower().endswith(suffixes)


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
        raise OutputError("standard output", cause(error)) from error


def redirect_to_null(stream: TextIO) -> None:
    """Discard what is written to a stream from now on, also by the interpreter at its exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
