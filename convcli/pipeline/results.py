"""Feature maps -> files: pictures by a range policy, numbers as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import ShapeError
from convcli.files import STDOUT, check_output, replacing
from convcli.images.picture import Picture, Values
from convcli.images.ranges import to_pixels
from convcli.images.writing import fitting, write_film, write_picture
from convcli.pipeline.names import NUMBER_SUFFIXES, Target, format_name

MOST_FILES = 1024  # of one map, a channel each


@dataclass(frozen=True, slots=True)
class Written:
    """One file that was written.

    Parameters
    ----------
    path : str
    shape : tuple of int
        (H, W) or (H, W, C).
    policy : str, optional
        The range policy of a picture; None for numbers.
    clipped : float
        The share of values that did not fit the picture's range.
    notes : tuple of str
        What the user would want to know.
    """

    path: str
    shape: tuple[int, ...]
    policy: str | None = None
    clipped: float = 0.0
    notes: tuple[str, ...] = ()


def write_maps(
    source: str, results: Sequence[Picture], target: Target, policy: str
) -> list[Written]:
    """Write every map of an input where the target says.

    Parameters
    ----------
    source : str
        The input's name.
    results : sequence of Picture
        The maps, (H, W, C) each, with their alpha and what belongs to the input.
    target : Target
    policy : str
        The range policy of pictures.

    Raises
    ------
    ShapeError
        For maps that the target's format cannot hold.
    FileError
        For what the file system refuses.
    """
    if target.template is None:
        return []
    written: list[Written] = []
    for label, result in _files(results, target):
        path = target.path(source, label)
        if path != STDOUT and any(one.path == path for one in written):
            raise ShapeError(f"two maps would both be written to {path}; filter them one by one")
        if label not in target.labels:  # a name that was not known before the input was read
            check_output(path, force=target.force, inputs=target.protected)
        written.append(_write(path, result, policy))
    return written


def write_films(
    source: str,
    frames: Sequence[Sequence[Picture]],
    target: Target,
    policy: str,
    loop: int,
) -> list[Written]:
    """Write the maps of every frame of an input, a film for each kernel.

    Parameters are those of `write_maps`, with the maps of each frame; `loop` is how often it plays.
    """
    written = []
    for place, label in enumerate(target.labels):
        path = target.path(source, label)
        kind = format_name(path)
        shots, outcomes = [], []
        for maps in frames:
            result = maps[place]
            if result.values.shape[2] not in (1, 3):
                raise ShapeError(f"a film of {result.values.shape[2]} channels is no picture")
            pixels, outcome = _pixels(path, result, policy, depth=8)
            shots.append((pixels, result.metadata))
            outcomes.append(outcome)
        with replacing(path) as stream:
            write_film(stream, shots, kind, loop)
        worst = max(outcomes, key=lambda one: one.clipped)
        written.append(replace(worst, shape=(len(shots), *worst.shape)))
    return written


def _files(results: Sequence[Picture], target: Target) -> Iterator[tuple[str, Picture]]:
    """What goes into each file: a map, all of them, or where a format holds no more, a channel."""
    if target.is_stacked:
        if len({one.size for one in results}) > 1:
            raise ShapeError(
                "maps of different sizes do not fit one .npy; put {kernel} in its name"
            )
        yield target.labels[0], Picture(np.concatenate([one.values for one in results], axis=2))
        return
    kind = format_name(target.template or "")
    for label, result in zip(target.labels, results, strict=True):
        channels = result.values.shape[2]
        if kind == ".npy" or channels == 1 or (channels == 3 and kind not in NUMBER_SUFFIXES):
            yield label, result
        elif target.is_named and channels <= MOST_FILES:
            for channel in range(channels):
                plane = result.values[:, :, channel : channel + 1]
                yield f"{label}-{channel}", replace(result, values=plane)
        else:
            raise ShapeError(
                f"its {channels} channels do not fit one {kind}; put {{kernel}} in the output's "
                "name for a file each, or write .npy"
            )


def _write(path: str, result: Picture, policy: str) -> Written:
    kind = format_name(path)
    if kind in NUMBER_SUFFIXES:
        numbers = squeezed(result.values)
        with replacing(path) as stream:
            _write_npy(stream, numbers) if kind == ".npy" else _write_csv(stream, numbers)
        return Written(path, numbers.shape)
    pixels, written = _pixels(path, result, policy, result.depth or 8)
    with replacing(path) as stream:
        write_picture(stream, pixels, kind, result.metadata)
    return written


def _pixels(path: str, result: Picture, policy: str, depth: int) -> tuple[Values, Written]:
    """A map and its alpha as pixels that the path's format can hold, and what became of them."""
    ranged = to_pixels(result.values, policy, depth)
    alpha = None if result.alpha is None else to_pixels(result.alpha, "clamp", depth).pixels
    pixels, notes = fitting(ranged.pixels, alpha, format_name(path))
    notes = (*(() if ranged.note is None else (ranged.note,)), *notes)
    return pixels, Written(path, squeezed(pixels).shape, ranged.policy, ranged.clipped, notes)


def _write_npy(stream: BinaryIO, numbers: Array) -> None:
    np.save(stream, numbers, allow_pickle=False)


def _write_csv(stream: BinaryIO, numbers: Array) -> None:
    for row in numbers + 0.0:  # no -0
        words = (word.removesuffix(".0") for word in row.astype("U32").tolist())
        stream.write((",".join(words) + "\n").encode())


def squeezed(values: Array) -> Array:
    """(H, W, 1) as (H, W)."""
    return values[:, :, 0] if values.shape[2] == 1 else values
