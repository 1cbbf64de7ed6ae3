"""Paths as the system resolves them, and its errors as errors of files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from convcli.errors import ConvError, FileError
from convcli.files.restriction import is_allowed

NO_FOLDER = "the working folder was removed"
_MAX_LINKS = 40  # of one path, as Linux has it


def resolve(path: str) -> str:
    """Return the real path of a file that may be missing, in a folder that exists.

    `missing/../x` is missing, too: for the system, `..` is an entry of a folder.

    Raises
    ------
    FileNotFoundError
        If the folder of the file, or of what a symbolic link points to, does not exist.
    OSError
        For a loop of links.
    """
    for _ in range(_MAX_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder or os.curdir, strict=True)
        path = os.path.join(folder, name)  # a Path drops what follows a last slash
        if name in ("", os.curdir, os.pardir):
            return os.path.realpath(path, strict=True)
        if not os.path.islink(path):
            return path
        path = os.path.join(folder, os.readlink(path))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


@contextmanager
def system_errors(path: str, error_class: type[FileError]) -> Iterator[None]:
    """Raise an error of the system, or of a name with a NUL in it, as one of the file."""
    try:
        yield
    except (BrokenPipeError, ConvError):  # BrokenPipeError: an output's reader is gone
        raise
    except (OSError, ValueError) as error:
        is_lost = isinstance(error, FileNotFoundError) and is_in_removed_folder(path)
        raise error_class(path, NO_FOLDER if is_lost else cause(error)) from error


def real_path(path: str) -> str:
    """Return the real path, or the path itself if it is in a working folder that was removed."""
    return path if is_in_removed_folder(path) else os.path.realpath(path)


def split_name(path: str) -> tuple[str, str]:
    """Return the last part of a path without its suffix, and the suffix, as a Path has them.

    It takes a fifth of the time of a Path, of which there would be several for each of many files.

    >>> split_name("photos/my.cat.jpg"), split_name(".jpg"), split_name("cat.")
    (('my.cat', '.jpg'), ('.jpg', ''), ('cat.', ''))
    """
    stem, suffix = os.path.splitext(os.path.basename(path.rstrip(os.sep)))
    return (stem + suffix, "") if suffix == "." else (stem, suffix)


def suffix_of(path: str) -> str:
    """Return the suffix of a path in lower case, with its dot; empty for none.

    >>> suffix_of("photos/my.cat.JPG"), suffix_of("cat")
    ('.jpg', '')
    """
    return split_name(path)[1].lower()


def join(folder: str, path: str) -> str:
    """Return a path relative to a folder, or an absolute one as it is."""
    return os.path.join(folder, path)


def find_beside(path: str, name: str) -> str | None:
    """Return the path of a file that another one names, if it lies in the folder of that one.

    Neither an absolute name, nor one with `..`, nor a link that leads out of the folder does.
    """
    folder = os.path.realpath(os.path.dirname(path) or os.curdir)
    target = os.path.join(folder, name)
    if os.path.isabs(name) or os.pardir in name.replace("\\", "/").split("/"):
        return None
    is_inside = os.path.realpath(target).startswith(folder.rstrip(os.sep) + os.sep)
    return target if is_inside else None


def identify(path: str) -> tuple[int, int] | None:
    """Return what the system knows a file by, under any name; None if there is none to be read."""
    if is_allowed(path):
        with suppress(OSError, ValueError):
            status = os.stat(path)
            return status.st_dev, status.st_ino
    return None


class RealPaths:
    """The real paths of many files, as `real_path` has them: each folder is resolved once."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        """Return the real path of one file."""
        folder, name = os.path.split(path)
        if name in ("", os.curdir, os.pardir):
            return real_path(path)
        if folder not in self._folders:
            self._folders[folder] = real_path(folder or os.curdir)
        path = os.path.join(self._folders[folder], name)
        return real_path(path) if os.path.islink(path) else path


def is_in_removed_folder(path: str) -> bool:
    """Whether a path starts at the working folder, and that was removed."""
    if os.path.isabs(path):
        return False
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def cause(error: Exception) -> str:
    """Return the system's message of an error, to follow a path."""
    text = getattr(error, "strerror", None) or str(error)
    return text[:1].lower() + text[1:]
