"""`--restrict`: no path outside one folder is read or written.

A path is checked twice: as it was typed, before anything is opened, and where its links lead, when
it is opened. What was opened is asked where it lies, so that no link helps that is made in between.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from convcli.errors import ArgumentError, FileError
from convcli.records import NamedTuple

OUTSIDE = "leads outside the folder that --restrict names"


class Restriction(NamedTuple):
    """The folder that paths must lie in.

    Parameters
    ----------
    folder : str
        Its absolute path, as it was typed.
    real : str
        The same without symbolic links.
    """

    folder: str
    real: str


_current: ContextVar[Restriction | None] = ContextVar("restriction", default=None)


@contextmanager
def restrict(folder: str | None) -> Iterator[None]:
    """Restrict paths to a folder, in this thread and those that it starts tasks in; None: do not.

    Raises
    ------
    ArgumentError
        If it is no folder.
    """
    if folder is None:
        yield
        return
    real = os.path.realpath(folder)
    if not os.path.isdir(real):
        raise ArgumentError(f"--restrict {folder!r} is no folder")
    token = _current.set(Restriction(os.path.abspath(folder), real))
    try:
        yield
    finally:
        _current.reset(token)


def restricted_folder() -> str | None:
    """Return the absolute path of the folder that paths are restricted to, if they are."""
    restriction = _current.get()
    return None if restriction is None else restriction.folder


def check_typed(path: str) -> None:
    """Raise `ArgumentError` for a path that lies outside, wherever its links would lead."""
    restriction = _current.get()
    if restriction is None or path == "-":
        return
    absolute = os.path.abspath(path)
    if not any(_lies_in(absolute, folder) for folder in restriction):
        raise ArgumentError(f"{path!r} lies outside {restriction.folder!r}, which --restrict names")


def check_real(path: str, error_class: type[FileError]) -> None:
    """Raise an error of the file for a path that leads outside."""
    if not is_allowed(path):
        raise error_class(path, OUTSIDE)


def check_opened(path: str, number: int, error_class: type[FileError]) -> None:
    """Raise an error of the file if what was opened lies outside, where the system says so."""
    restriction = _current.get()
    if restriction is None:
        return
    try:
        real = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return
    if not _lies_in(real, restriction.real):
        raise error_class(path, OUTSIDE)


def is_allowed(path: str) -> bool:
    """Whether a path leads to where files may be read and written."""
    restriction = _current.get()
    return restriction is None or _lies_in(os.path.realpath(path), restriction.real)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
