"""The inputs of a batch: those that were typed, and the pictures in folders among them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from convcli.errors import FileError
from convcli.files import STDIN
from convcli.files.paths import RealPaths, join, real_path, split_name
from convcli.files.restriction import is_allowed
from convcli.files.walk import FolderWalk
from convcli.images.formats import INPUT_SUFFIXES
from convcli.pipeline.outputs import OutputTarget
from convcli.records import NamedTuple

NO_PICTURES = (
    "has no pictures in it: -r takes files with a picture's suffix, no hidden ones, and none in "
    "--output-dir"
)


class Inputs(NamedTuple):
    """The inputs of a batch.

    Parameters
    ----------
    paths : tuple of str
        In the order in which they were typed; those of a folder by their names.
    subfolders : dict of str to str
        For each input that was found in a folder, where its outputs lie below the output folder.
    errors : tuple of FileError
        Of folders that cannot be read, or that have no pictures.
    folders : tuple of str
        The folders that were typed.
    """

    paths: tuple[str, ...]
    subfolders: dict[str, str]
    errors: tuple[FileError, ...]
    folders: tuple[str, ...]


def find_inputs(typed: Sequence[str], output_dir: str | None) -> Inputs:
    """Find the pictures in the folders among inputs.

    Each picture is an input once. Its subfolder is its folder's path below the folder that was
    typed; of several, below the one that holds them all, so that no two are the same. A folder for
    the outputs that lies in one of them is passed over, as it holds the results of earlier runs.

    Parameters
    ----------
    typed : sequence of str
    output_dir : str, optional
    """
    folders = {path for path in typed if _is_folder(path)}
    resolve = RealPaths()
    known = {resolve(path) for path in typed if path not in folders and path != STDIN}
    tops = _relative_to_common(folders)
    walk = FolderWalk(_is_picture, [] if output_dir is None else [output_dir])
    paths: list[str] = []
    subfolders: dict[str, str] = {}
    for path in typed:
        if path not in folders:
            paths.append(path)
        elif not walk.has_visited(path):
            errors = len(walk.errors)
            files = list(walk.find_files(path))
            for file in files:
                if not known or resolve(file.path) not in known:
                    paths.append(file.path)
                    subfolders[file.path] = join(tops[path], file.folder).rstrip(os.sep)
            if not files and len(walk.errors) == errors:
                walk.errors.append(FileError(path, NO_PICTURES))
    return Inputs(tuple(paths), subfolders, tuple(walk.errors), tuple(folders))


def leave_out_outputs(inputs: Inputs, target: OutputTarget) -> tuple[Inputs, list[str]]:
    """Leave out what was found and is an output of another input, as an earlier run wrote it.

    Parameters
    ----------
    inputs : Inputs
    target : OutputTarget
        With the inputs' subfolders.

    Returns
    -------
    The other inputs, and what was left out.
    """
    top = join(real_path(target.folder), "")
    roots = [join(real_path(folder), "") for folder in inputs.folders]
    if target.folder and not any(root.startswith(top) for root in roots):
        return inputs, []  # all outputs lie in a folder that was passed over, or elsewhere
    resolve = RealPaths()
    makers: dict[str, str] = {}
    for source in inputs.paths:
        for path in target.bind(source).possible_paths(source):
            makers.setdefault(resolve(path), source)
    left_out = [path for path in inputs.subfolders if makers.get(resolve(path), path) != path]
    remaining = dict.fromkeys(inputs.paths).keys() - set(left_out)
    paths = tuple(path for path in inputs.paths if path in remaining)
    return inputs._replace(paths=paths), left_out


def _relative_to_common(folders: set[str]) -> dict[str, str]:
    """Return the path of each folder below the one that holds them all."""
    absolute = {folder: os.path.normpath(Path.cwd() / folder) for folder in folders}
    common = os.path.commonpath(absolute.values()) if absolute else ""
    relative = {folder: os.path.relpath(path, common) for folder, path in absolute.items()}
    return {folder: "" if path == os.curdir else path for folder, path in relative.items()}


def _is_folder(path: str) -> bool:
    return path != STDIN and is_allowed(path) and Path(path).is_dir()


def _is_picture(name: str) -> bool:
    return split_name(name)[1].lower() in INPUT_SUFFIXES
