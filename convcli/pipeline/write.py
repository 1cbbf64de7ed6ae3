"""Feature maps -> files: pictures by a range policy, numbers as they are."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

import numpy as np

from convcli.engine.arrays import Array
from convcli.errors import OutputError, ShapeError
from convcli.files import atomic_write, check_output
from convcli.images import Picture, Values
from convcli.images.formats import DEEP_EXTRA
from convcli.images.metadata import Metadata
from convcli.images.quantize import Quantized, quantize
from convcli.images.write import (
    can_write_floats,
    fit_to_format,
    write_floats,
    write_frames,
    write_picture,
)
from convcli.pipeline.outputs import NUMBER_SUFFIXES, OutputTarget, channel_label, format_name
from convcli.pipeline.plan import Plan

MAX_FILES_PER_MAP = 1024  # of one map, a channel each


@dataclass(frozen=True, slots=True)
class OutputFile:
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


class Rendered(NamedTuple):
    """A feature map as pixels.

    Parameters
    ----------
    ranged : Ranged
        Its colours, (H, W, C), and what the range policy made of them.
    alpha : ndarray, (H, W, 1), optional
        Of the same type; None where all is opaque.
    metadata : Metadata
        What belongs to the input.
    """

    ranged: Quantized
    alpha: Values | None
    metadata: Metadata


def choose_range(plan: Plan, depth: int | None) -> str:
    """The range policy of an input's maps.

    Left out, it is to clamp what has a black and a white, and to rescale numbers that have neither.
    """
    default = "clamp" if depth is not None and not plan.has_bounded_activation else "rescale"
    return plan.value_range or default


def is_image(channels: int) -> bool:
    """Whether a map of so many channels is one picture, grey or in colour."""
    return channels in (1, 3)


def render(result: Picture, policy: str, depth: int) -> Rendered:
    """A feature map and its alpha as pixels of so many bits."""
    alpha = None if result.alpha is None else quantize(result.alpha, "clamp", depth).pixels
    return Rendered(quantize(result.values, policy, depth), alpha, result.metadata)


def write_maps(
    source: str, results: Sequence[Picture], target: OutputTarget, policy: str, *, keep_floats: bool
) -> list[OutputFile]:
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
    keeps_floats : bool
        Whether values have no black and white, and stay as they are in a format that holds them.

    Raises
    ------
    ShapeError
        For maps that the target's format cannot hold.
    FileError
        For what the file system refuses.
    """
    if target.template is None:
        return []
    files: dict[str, Picture] = {}
    for label, result in _files(results, target):
        path = target.path(source, label)
        if path in files:
            raise ShapeError(f"two maps would both be written to {path}; filter them one by one")
        if label not in target.labels:  # a name that was not known before the input was read
            if target.keep_existing(path):
                continue
            check_output(path, force=target.force, inputs=target.protected)
        files[path] = result
    # A map's channel 0 comes last: where it is, a run that was broken off had them all.
    written = [
        _write(path, result, policy, target, keep_floats=keep_floats)
        for path, result in reversed(files.items())
    ]
    return written[::-1]


def write_rendered(source: str, maps: Iterable[Rendered], target: OutputTarget) -> list[OutputFile]:
    """Write maps that are pixels already, each of a kernel of its own."""
    written = []
    for label, drawn in zip(target.labels, maps, strict=True):
        written.append(_write_picture(target.path(source, label), drawn, target))
        del drawn  # before the next is made
    return written


def write_animations(
    source: str, frames: Sequence[Sequence[Rendered]], target: OutputTarget, loop: int
) -> list[OutputFile]:
    """Write the maps of every frame of an input, a film for each kernel; `loop` is how often."""
    written = []
    for place, label in enumerate(target.labels):
        path = target.path(source, label)
        shots, outcomes = [], []
        for maps in frames:
            channels = maps[place].ranged.pixels.shape[2]
            if not is_image(channels):
                raise ShapeError(f"a film of {channels} channels is no picture")
            pixels, outcome = _fitted(path, maps[place])
            shots.append((pixels, maps[place].metadata))
            outcomes.append(outcome)
        if len({pixels.shape[:2] for pixels, _ in shots}) > 1 and format_name(path) != "TIFF":
            raise ShapeError(
                f"its frames differ in size, which {format_name(path)} cannot hold; write .tif, "
                "or take one with --frame"
            )
        with _encoding(path) as stream:
            write_frames(stream, shots, format_name(path), loop, target.png_level)
        worst = max(outcomes, key=lambda one: one.clipped)
        written.append(replace(worst, shape=(len(shots), *worst.shape)))
    return written


def _files(results: Sequence[Picture], target: OutputTarget) -> Iterator[tuple[str, Picture]]:
    """What goes into each file: a map, all of them, or where a format holds no more, a channel."""
    if target.is_stacked:
        if len({one.size for one in results}) > 1:
            raise ShapeError(
                "maps of different sizes do not fit one .npy; put {kernel} in its name"
            )
        yield target.labels[0], Picture(np.concatenate([one.values for one in results], axis=2))
        return
    for label, result in zip(target.labels, results, strict=True):
        parts = file_labels(label, result.values.shape[2], target)
        for channel, part in enumerate(parts):
            plane = result.values[:, :, channel : channel + 1]
            yield part, result if len(parts) == 1 else replace(result, values=plane)


def file_labels(label: str, channels: int, target: OutputTarget) -> list[str]:
    """What stands for `{kernel}` in a map's file, or in a file for each of its channels.

    Raises
    ------
    ShapeError
        Where the channels do not fit one file, and there is no name for several.
    """
    kind = format_name(target.template or "")
    if kind == ".npy" or channels == 1 or (is_image(channels) and kind != ".csv"):
        return [label]
    if target.is_named and channels <= MAX_FILES_PER_MAP:
        return [channel_label(label, channel) for channel in range(channels)]
    raise ShapeError(
        f"its {channels} channels do not fit one {kind}; put {{kernel}} in the output's "
        "name for a file each, or write .npy"
    )


def _write(
    path: str, result: Picture, policy: str, target: OutputTarget, *, keep_floats: bool
) -> OutputFile:
    kind = format_name(path)
    if kind in NUMBER_SUFFIXES:
        numbers = squeeze_channel(result.values)
        with atomic_write(path) as stream:
            _write_npy(stream, numbers) if kind == ".npy" else _write_csv(stream, numbers)
        return OutputFile(path, numbers.shape)
    if keep_floats and can_write_floats(kind, result.values.shape[2]):
        with _encoding(path) as stream:
            write_floats(stream, result.values, result.metadata)
        return OutputFile(path, squeeze_channel(result.values).shape)
    written = _write_picture(path, render(result, policy, result.depth or 8), target)
    if keep_floats and kind == "TIFF":
        note = f"TIFF is written with 8 bits a channel; {DEEP_EXTRA} keeps real numbers of several"
        written = replace(written, notes=(*written.notes, note))
    return written


def _write_picture(path: str, drawn: Rendered, target: OutputTarget) -> OutputFile:
    pixels, written = _fitted(path, drawn)
    with _encoding(path) as stream:
        write_picture(stream, pixels, format_name(path), drawn.metadata, target.png_level)
    return written


@contextmanager
def _encoding(path: str) -> Iterator[BinaryIO]:
    """A file for an encoder, which raises what it likes for what its format cannot hold."""
    with atomic_write(path) as stream:
        try:
            yield stream
        except (ValueError, OverflowError, RuntimeError, struct.error) as error:
            words = str(error).splitlines() or [type(error).__name__]
            raise OutputError(path, f"cannot be encoded: {words[0]}") from error


def _fitted(path: str, drawn: Rendered) -> tuple[Values, OutputFile]:
    """Pixels that the path's format can hold, and what became of them."""
    ranged = drawn.ranged
    pixels, notes = fit_to_format(ranged.pixels, drawn.alpha, format_name(path))
    notes = (*(() if ranged.note is None else (ranged.note,)), *notes)
    return pixels, OutputFile(
        path, squeeze_channel(pixels).shape, ranged.policy, ranged.clipped, notes
    )


def _write_npy(stream: BinaryIO, numbers: Array) -> None:
    np.save(stream, numbers, allow_pickle=False)


def _write_csv(stream: BinaryIO, numbers: Array) -> None:
    for row in numbers + 0.0:  # no -0
        words = (word.removesuffix(".0") for word in row.astype("U32").tolist())
        stream.write((",".join(words) + "\n").encode())


def squeeze_channel(values: Array) -> Array:
    """(H, W, 1) as (H, W)."""
    return values[:, :, 0] if values.shape[2] == 1 else values
