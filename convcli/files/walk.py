"""Walk through folders, for the files in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from convcli.errors import FileError
from convcli.files.paths import identify, system_errors
from convcli.files.restriction import check_real
from convcli.records import NamedTuple


class FoundFile(NamedTuple):
    """A file in a folder that was walked.

    Parameters
    ----------
    path : str
        Its path, which starts as the folder was typed.
    folder : str
        The folder that it lies in, relative to the one that was walked; empty for that itself.
    """

    path: str
    folder: str


class FolderWalk:
    """A walk through folders, each of which is visited once.

    Hidden files and folders are passed over, and links to folders are not followed. A link to a
    file is one; so is a link to nothing, whose reader says so.

    Parameters
    ----------
    is_wanted : callable
        Whether a file is looked for, by its name.
    left_out : iterable of str
        Folders that are not entered, where they lie below others.

    Attributes
    ----------
    errors : list of FileError
        Of folders that cannot be read, so far.
    """

    def __init__(self, is_wanted: Callable[[str], bool], left_out: Iterable[str] = ()) -> None:
        self.errors: list[FileError] = []
        self._is_wanted = is_wanted
        self._left_out = {identify(folder) for folder in left_out} - {None}
        self._visited: set[tuple[int, int] | None] = set()

    def has_visited(self, folder: str) -> bool:
        """Whether a folder was walked through already, by itself or as a part of another."""
        return identify(folder) in self._visited

    def find_files(self, root: str) -> Iterator[FoundFile]:
        """Yield the files below a folder in the order of their names, before those of subfolders.

        It and its subfolders are entered only if they were not visited before.
        """
        pending = [(root, "")]
        while pending:
            path, folder = pending.pop()
            identity = identify(path)
            is_left_out = bool(folder) and identity in self._left_out
            if is_left_out or (identity is not None and identity in self._visited):
                continue
            self._visited.add(identity)
            subfolders = []
            for entry in self._list_entries(path):
                name = entry.name if path == os.curdir else os.path.join(path, entry.name)
                if _is_folder(entry):
                    subfolders.append((name, os.path.join(folder, entry.name)))
                elif self._is_wanted(entry.name) and _is_file(entry):
                    yield FoundFile(name, folder)
            pending += reversed(subfolders)

    def _list_entries(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what lies in a folder by name, without what is hidden."""
        try:
            with system_errors(folder, FileError):
                check_real(folder, FileError)
                with os.scandir(folder) as entries:
                    visible = [entry for entry in entries if not entry.name.startswith(".")]
        except FileError as error:
            self.errors.append(error)
            return []
        return sorted(visible, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, a link to one or to nothing; a pipe would be waited for."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:  # a loop of links: whoever reads it says so
        return True
