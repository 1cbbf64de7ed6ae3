"""Feature maps -> files: pictures by a range policy, numbers as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import ShapeError
from convcli.files import check_output, replacing
from convcli.images.ranges import to_pixels
from convcli.images.writing import fitting, write_picture
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
    source: str, maps: Sequence[Array], target: Target, policy: str, depth: int
) -> list[Written]:
    """Write every map of an input where the target says.

    Parameters
    ----------
    source : str
        The input's name.
    maps : sequence of ndarray, (H, W, C)
    target : Target
    policy : str
        The range policy of pictures.
    depth : {8, 16}
        The bits of their values.

    Raises
    ------
    ShapeError
        For maps that the target's format cannot hold.
    FileError
        For what the file system refuses.
    """
    if target.template is None:
        return []
    written = []
    for label, values in _files(maps, target):
        path = target.path(source, label)
        if label not in target.labels:  # a name that was not known before the input was read
            check_output(path, force=target.force, inputs=target.protected)
        written.append(_write(path, values, policy, depth))
    return written


def _files(maps: Sequence[Array], target: Target) -> Iterator[tuple[str, Array]]:
    """What goes into each file: a map, all of them, or where a format holds no more, a channel."""
    if target.is_stacked:
        if len({one.shape[:2] for one in maps}) > 1:
            raise ShapeError(
                "maps of different sizes do not fit one .npy; put {kernel} in its name"
            )
        yield target.labels[0], np.concatenate(maps, axis=2)
        return
    kind = format_name(target.template or "")
    for label, values in zip(target.labels, maps, strict=True):
        channels = values.shape[2]
        if kind == ".npy" or channels == 1 or (channels == 3 and kind not in NUMBER_SUFFIXES):
            yield label, values
        elif target.is_named and channels <= MOST_FILES:
            for channel in range(channels):
                yield f"{label}-{channel}", values[:, :, channel : channel + 1]
        else:
            raise ShapeError(
                f"its {channels} channels do not fit one {kind}; put {{kernel}} in the output's "
                "name for a file each, or write .npy"
            )


def _write(path: str, values: Array, policy: str, depth: int) -> Written:
    kind = format_name(path)
    if kind in NUMBER_SUFFIXES:
        numbers = squeezed(values)
        with replacing(path) as stream:
            _write_npy(stream, numbers) if kind == ".npy" else _write_csv(stream, numbers)
        return Written(path, numbers.shape)
    ranged = to_pixels(values, policy, depth)
    pixels, note = fitting(ranged.pixels, kind)
    with replacing(path) as stream:
        write_picture(stream, pixels, kind)
    notes = tuple(one for one in (ranged.note, note) if one is not None)
    return Written(path, squeezed(pixels).shape, ranged.policy, ranged.clipped, notes)


def _write_npy(stream: BinaryIO, numbers: Array) -> None:
    np.save(stream, numbers, allow_pickle=False)


def _write_csv(stream: BinaryIO, numbers: Array) -> None:
    for row in numbers + 0.0:  # no -0
        words = (word.removesuffix(".0") for word in row.astype("U32").tolist())
        stream.write((",".join(words) + "\n").encode())


def squeezed(values: Array) -> Array:
    """(H, W, 1) as (H, W)."""
    return values[:, :, 0] if values.shape[2] == 1 else values
