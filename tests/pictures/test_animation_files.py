"""Files of animations hold the frames that they were made from, as Pillow's decoders see them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.oracles import seeds

from convcli.pictures.animation_files import Colors, write_apng, write_gif, write_webp

CLEAR = 127
TABLE = np.random.default_rng(3).integers(0, 256, (127, 3)).astype(np.uint8)
Frames = list[NDArray[np.uint8]]


def make_frames(seed: int, count: int, height: int, width: int, *, is_clear: bool) -> Frames:
    """Frames of which each differs from the one before in a part, or nowhere."""
    rng = np.random.default_rng(seed)
    frames = [rng.integers(0, 127, (height, width)).astype(np.uint8)]
    while len(frames) < count:
        frame = frames[-1].copy()
        top, left = rng.integers(0, height), rng.integers(0, width)
        part = frame[top : top + rng.integers(0, 4), left : left + rng.integers(0, 4)]
        part[...] = rng.integers(0, 127, part.shape)
        if is_clear:
            frame[rng.random(frame.shape) < rng.choice([0.1, 1.0])] = CLEAR
        frames.append(frame)
    return frames


def decode(document: io.BytesIO, mode: str) -> tuple[Any, list[NDArray[np.uint8]], list[float]]:
    document.seek(0)
    moving: Any = Image.open(document)
    pictures, durations = [], []
    for number in range(getattr(moving, "n_frames", 1)):
        moving.seek(number)
        moving.load()
        pictures.append(np.asarray(moving.convert(mode)))
        durations.append(moving.info.get("duration", 0))
    return moving, pictures, durations


def merge(frames: Frames, durations: list[int]) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Frames that are alike and follow each other, as one."""
    pairs = zip(frames, durations, strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].tobytes()):
        members = list(group)
        yield members[0][0], sum(duration for _, duration in members)


def write(kind: str, frames: Frames, durations: list[int], *, is_clear: bool, loop: int) -> Any:
    document = io.BytesIO()
    if kind == "WEBP":
        pictures = [as_colors(frame, is_clear=is_clear) for frame in frames]
        timed = zip(pictures, durations, strict=True)
        write_webp(document, timed, loop=loop, has_alpha=is_clear)
    else:
        writer = write_gif if kind == "GIF" else write_apng
        palette = Colors(TABLE, CLEAR if is_clear else None)
        writer(document, zip(frames, durations, strict=True), palette, loop=loop)
    return document


def as_colors(frame: NDArray[np.uint8], *, is_clear: bool) -> NDArray[np.uint8]:
    colors = np.concatenate([TABLE, np.zeros((1, 3), np.uint8)])[frame]
    if not is_clear:
        return np.asarray(colors)
    alpha = np.where(frame == CLEAR, 0, 255).astype(np.uint8)
    return np.dstack([colors * (alpha[..., np.newaxis] > 0), alpha]).astype(np.uint8)


@pytest.mark.parametrize("is_clear", [False, True])
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
@settings(max_examples=20)
@given(seeds, st.integers(1, 6), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_a_file_holds_its_frames(
    kind: str, is_clear: bool, seed: int, count: int, size: tuple[int, int]
) -> None:
    frames = make_frames(seed, count, *size, is_clear=is_clear)
    durations = [20 * (index + 1) for index in range(count)]
    document = write(kind, frames, durations, is_clear=is_clear, loop=seed % 4)
    mode = "RGBA" if is_clear else "RGB"
    moving, seen, times = decode(document, mode)
    assert moving.format == kind
    expected = list(merge(frames, durations))
    assert len(seen) == len(expected)
    for colors, (frame, _) in zip(seen, expected, strict=True):
        picture, wanted = colors, as_colors(frame, is_clear=is_clear)
        if is_clear:  # what is transparent has no color
            np.testing.assert_array_equal(picture[..., 3], wanted[..., 3])
            picture = colors * (colors[..., 3:] > 0)
        np.testing.assert_array_equal(picture, wanted)
    if len(expected) > 1:
        assert times == [duration for _, duration in expected]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_a_long_rest_is_kept(kind: str) -> None:
    frames = make_frames(1, 2, 8, 8, is_clear=False)
    frames[1][0, 0] = (frames[0][0, 0] + 1) % 127
    for rest in (65_537, 600_000):
        times = decode(write(kind, frames, [20, rest], is_clear=False, loop=0), "RGB")[2]
        assert times == pytest.approx([20, rest], rel=1e-3)
