"""Pairs of pictures, one before and one after a filter: two files, or those of two folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from convcli.engine.arrays import Array
from convcli.engine.fit import align
from convcli.errors import ArgumentError, FileError, ImageError
from convcli.files import STDIN
from convcli.files.paths import join, split_name, suffix_of
from convcli.files.restriction import is_allowed
from convcli.files.walk import FolderWalk, FoundFile
from convcli.grids import GRID_SUFFIXES
from convcli.images import Picture, ReadSettings
from convcli.images.color import to_gray
from convcli.images.formats import INPUT_SUFFIXES
from convcli.images.read import read_within
from convcli.records import NamedTuple

NO_PAIRS = "has no pictures in it"


class PairPaths(NamedTuple):
    """The files of a pair."""

    before: str
    after: str


class ReadOptions(NamedTuple):
    """How the pictures of pairs are read.

    Parameters
    ----------
    settings : ReadSettings
    timeout : float, optional
        The most seconds for each.
    is_gray : bool
        Whether color pictures before are converted to gray.
    """

    settings: ReadSettings
    timeout: float | None = None
    is_gray: bool = False


def find_pairs(before: str, after: str) -> list[PairPaths]:
    """Return the pairs of two files, or of two folders, which are walked with their subfolders.

    In folders, pictures are a pair that have the same path there, or but for the suffix, or whose
    second name goes on after a dot, as `apply` names its outputs: `cat.jpg` and `cat.blur.png`.

    Raises
    ------
    FileError
        For a file with a folder, and for a picture that is not in exactly one pair.
    """
    are_folders = [_is_folder(path) for path in (before, after)]
    if not any(are_folders):
        return [PairPaths(before, after)]
    if not all(are_folders):
        raise FileError(
            before if are_folders[0] else after,
            "is a folder, and the other is not; give two files or two folders",
        )
    firsts, seconds = (_list_pictures(folder) for folder in (before, after))
    remaining = dict(seconds)
    pairs = []
    for name, path in sorted(firsts.items(), key=lambda item: -len(_stem(item[0]))):
        matching = _find_matching(name, list(remaining))
        if len(matching) != 1:
            found = ", ".join(map(repr, matching[:3])) or "none"
            raise FileError(path, f"needs one picture of its name in {after}; there is {found}")
        pairs.append(PairPaths(path, remaining.pop(matching[0])))
    for path in remaining.values():
        raise FileError(path, f"has no picture of its name in {before}")
    return pairs


class PicturePairs(Sequence[tuple[Array, Array]]):
    """The values of pairs of pictures, read when they are asked for; a single pair is kept.

    Parameters
    ----------
    paths : sequence of PairPaths
    options : ReadOptions
    size : (kh, kw)
        Of the kernel that is fitted, which their sizes are checked for.

    Attributes
    ----------
    notes : dict of str to tuple of str
        Messages to the user about each file that was read.
    """

    def __init__(
        self, paths: Sequence[PairPaths], options: ReadOptions, size: tuple[int, int]
    ) -> None:
        self.notes: dict[str, tuple[str, ...]] = {}
        self.paths, self._options, self._size = paths, options, size
        self._kept: tuple[Picture, Picture] | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> tuple[Array, Array]:  # type: ignore[override]
        """Return the values of a pair, each (H, W, C).

        Raises
        ------
        FileError
            If a picture cannot be read, or both are no pair.
        """
        before, after = self.read(index)
        return before.values, after.values

    def read(self, index: int) -> tuple[Picture, Picture]:
        """Return the pictures of a pair; errors are those of `__getitem__`."""
        if self._kept is not None:
            return self._kept
        paths = self.paths[index]
        before, after = self._read(paths.before), self._read(paths.after)
        if self._options.is_gray:
            before = before._replace(values=to_gray(before.values))
        self._check(paths, before, after)
        if len(self) == 1:
            self._kept = before, after
        return before, after

    def _read(self, path: str) -> Picture:
        picture = read_within(path, self._options.settings, self._options.timeout)
        self.notes[path] = picture.notes
        if picture.alpha is not None:
            raise ImageError(
                path,
                "is transparent in places, where a filter weighs colors by how opaque they are; "
                "flatten it onto one color first",
            )
        return picture

    def _check(self, paths: PairPaths, before: Picture, after: Picture) -> None:
        """Raise if the pictures are no pair."""
        depths = before.depth, after.depth
        if None not in depths and depths[0] != depths[1]:
            raise ImageError(
                paths.after,
                f"has {depths[1]} bits a value, and {paths.before} {depths[0]}; write both with "
                f"one depth (apply -k identity --depth {min(filter(None, depths))})",
            )
        counts = before.values.shape[2], after.values.shape[2]
        if counts[0] > counts[1] == 1:
            raise FileError(
                paths.after, f"is gray, and {paths.before} is not; --gray converts it first"
            )
        try:
            align(before.values, after.values, self._size)
        except ArgumentError as error:
            raise FileError(paths.after, f"beside {paths.before}: {error}") from error


def _is_folder(path: str) -> bool:
    return path != STDIN and is_allowed(path) and Path(path).is_dir()


def _list_pictures(folder: str) -> dict[str, str]:
    """Return the pictures and grids in a folder by their paths in it."""

    def is_wanted(name: str) -> bool:
        return suffix_of(name) in (*INPUT_SUFFIXES, *GRID_SUFFIXES)

    def relative(file: FoundFile) -> str:
        return join(file.folder, "".join(split_name(file.path)))

    walk = FolderWalk(is_wanted)
    found = {relative(file): file.path for file in walk.find_files(folder)}
    for error in walk.errors:
        raise error
    if not found:
        raise FileError(folder, NO_PAIRS)
    return found


def _find_matching(name: str, others: Sequence[str]) -> list[str]:
    """Return the names that are that of a picture, in the nearest way in which any is.

    >>> _find_matching("cat.jpg", ["cat.png", "cat.blur.png", "cats.png"])
    ['cat.png']
    """
    stem = _stem(name)
    same = [other for other in others if other == name]
    same_stem = [other for other in others if _stem(other) == stem]
    return same or same_stem or [other for other in others if other.startswith(f"{stem}.")]


def _stem(name: str) -> str:
    """Return a path in a folder without its suffix."""
    folder, _, last = name.rpartition(os.sep)
    return join(folder, split_name(last)[0])
