"""Animations: the kernel sliding over its padded input, frame by frame."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from convcli.engine.arrays import Array
from convcli.errors import LimitError, OutputError
from convcli.files.output import atomic_write, check_output, make_folder
from convcli.files.paths import system_errors
from convcli.files.restriction import check_real
from convcli.pictures.animation_files import Colors, write_apng, write_gif, write_webp
from convcli.pictures.canvas import MAX_SHEET_PIXELS
from convcli.pictures.frame import Drawing
from convcli.pictures.scene import Scene
from convcli.pictures.theme import CELL, Style, Theme

FORMATS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}  # by the suffix of a name
FRAME_SUFFIXES = (".png", ".svg")
MIN_FRAME_MS = 20  # browsers slow down what is shorter
MAX_PIXELS = 1_000_000_000  # of all frames together: more take long
MAX_WEBP_PIXELS = 250_000_000  # likewise, of an encoder that is slower
PALETTE_FRAMES = 16  # from which the palette is taken, where there are as many
PALETTE_PIXELS = 32_000_000  # of these frames together, which are kept in full color: two at least
UNKNOWN = 255  # in place of an index that is not looked up yet
CLEAR = 127  # the index of what is transparent, after all colors of the palette
MIN_DIGITS = 3  # of a frame's number in the name of its file

_FRAME_NAME = re.compile(r"frame-(?!0+\.)[0-9]{3,}\.(png|svg)")


@dataclass(frozen=True, slots=True)
class Settings:
    """How an animation looks and plays.

    Parameters
    ----------
    style : Style
    cell : int
        The side of a cell in pixels; cells are larger where their numbers need it.
    fps : float
        Frames a second.
    loop : int
        How often it plays; 0 is forever.
    rest_s : float
        How long the last frame is shown, if that is longer than the others.
    """

    style: Style = field(default_factory=Style)
    cell: int = CELL
    fps: float = 2.0
    loop: int = 0
    rest_s: float = 2.0

    def durations(self, count: int) -> list[int]:
        """Return how long each of so many frames is shown, in milliseconds."""
        each = max(round(1000 / self.fps), MIN_FRAME_MS)
        return [*[each] * (count - 1), max(each, round(1000 * self.rest_s))]


def write_animation(
    path: str,
    scenes: Sequence[Scene],
    settings: Settings,
    *,
    force: bool = False,
    inputs: Sequence[str] = (),
) -> None:
    """Write scenes, one above the other and in step, in the format of the path's suffix.

    Parameters
    ----------
    path : str
        Ends in a key of `FORMATS`.
    scenes : sequence of Scene
        One that has fewer frames rests at its last.
    settings : Settings
    force : bool
        Replace an existing file.
    inputs : sequence of str
        Paths that are never replaced.

    Raises
    ------
    LimitError
        For frames that are too large together.
    """
    file_format = FORMATS[Path(path).suffix.lower()]
    most = MAX_WEBP_PIXELS if file_format == "WEBP" else MAX_PIXELS
    drawing = make_drawing(scenes, settings, max_pixels=most)
    check_output(path, force=force, inputs=inputs)
    with atomic_write(path, force=force) as stream:
        save_animation(stream, drawing, settings, file_format)


def write_frames(
    folder: str,
    scenes: Sequence[Scene],
    settings: Settings,
    *,
    suffix: str = ".png",
    force: bool = False,
    inputs: Sequence[str] = (),
) -> None:
    """Write scenes as numbered pictures; none is written where one would replace a file.

    Parameters
    ----------
    folder : str
        Made where it is missing.
    scenes, settings, inputs
        As in `write_animation`.
    suffix : {".png", ".svg"}
    force : bool
        Replace existing frames, and remove those of an earlier animation that was longer.
    """
    drawing = make_drawing(scenes, settings)
    make_folder(folder)
    digits = max(len(str(drawing.count)), MIN_DIGITS)
    names = [f"frame-{number:0{digits}}{suffix}" for number in range(1, drawing.count + 1)]
    for name in names:
        check_output(str(Path(folder) / name), force=force, inputs=inputs)
    for number, name in enumerate(names):
        document = drawing.render(number, suffix)
        with atomic_write(str(Path(folder) / name), force=force) as stream:
            stream.write(document)
    if force:
        _remove_frames(folder, suffix, names, inputs)


def _remove_frames(folder: str, suffix: str, names: Sequence[str], inputs: Sequence[str]) -> None:
    """Remove the numbered frames that are not among the names, and no input."""
    kept = set(names)
    with system_errors(folder, OutputError), os.scandir(folder) as entries:
        old = [
            entry.path
            for entry in entries
            if _FRAME_NAME.fullmatch(entry.name)
            and entry.name.endswith(suffix)
            and entry.name not in kept
            and entry.is_file(follow_symlinks=False)
        ]
    for path in old:
        with system_errors(path, OutputError):
            check_real(path, OutputError)
            if not any(_is_same_file(path, source) for source in inputs):
                Path(path).unlink()


def _is_same_file(path: str, other: str) -> bool:
    with suppress(OSError, ValueError):
        return Path(path).samefile(other)
    return False


def make_drawing(
    scenes: Sequence[Scene], settings: Settings, *, max_pixels: int = MAX_PIXELS
) -> Drawing:
    """Lay out the frames of scenes; raise if they would not fit in memory, before any is drawn."""
    drawing = Drawing(scenes, settings.style, settings.cell)
    pixels = drawing.pixels
    if pixels > MAX_SHEET_PIXELS:
        raise LimitError(
            f"a frame would have about {pixels:,} pixels: the most is {MAX_SHEET_PIXELS:,}; give a "
            "smaller --size or --scale"
        )
    if pixels * drawing.count > max_pixels:
        raise LimitError(
            f"{drawing.count} frames of about {pixels:,} pixels are too many: the most is "
            f"{max_pixels:,} in all; give a smaller --size or --scale"
        )
    return drawing


def save_animation(
    stream: BinaryIO, drawing: Drawing, settings: Settings, file_format: str
) -> None:
    """Write frames to a stream as a "GIF", "PNG" or "WEBP"; each is drawn once."""
    durations = settings.durations(drawing.count)
    is_transparent = settings.style.is_transparent
    if file_format == "WEBP":
        pictures = (np.asarray(drawing.draw_image(number)) for number in range(drawing.count))
        frames = zip(pictures, durations, strict=True)
        write_webp(stream, frames, loop=settings.loop, has_alpha=is_transparent)
        return
    palette, indices = _draw_indexed(drawing)
    colors = Colors(palette.colors, CLEAR if is_transparent else None)
    write = write_gif if file_format == "GIF" else write_apng
    write(stream, zip(indices, durations, strict=True), colors, loop=settings.loop)


def _draw_indexed(drawing: Drawing) -> tuple[Palette, Iterator[Array]]:
    """Return one palette, and all frames in its colors."""
    samples = max(min(PALETTE_FRAMES, PALETTE_PIXELS // drawing.pixels), 2)
    spread = {index * (drawing.count - 1) // (samples - 1) for index in range(samples)}
    # The frames that the palette is taken from are kept, so that none is drawn twice.
    sample = {number: drawing.draw_image(number) for number in sorted(spread)}
    palette = choose_palette(sample.values(), drawing.style.theme)

    def draw(number: int) -> Array:
        is_kept = number in sample
        return palette.index(sample.pop(number) if is_kept else drawing.draw_image(number))

    return palette, map(draw, range(drawing.count))


class Palette:
    """Colors, and the index of the nearest of them for any other.

    Parameters
    ----------
    colors : ndarray of uint8, (n, 3)
        At most `CLEAR`: there is room for that index.
    """

    def __init__(self, colors: Array) -> None:
        self.colors = colors
        # By 256 * (256 * blue + green) + red.
        self._nearest = np.full(1 << 24, UNKNOWN, np.uint8)

    def index(self, picture: Image.Image) -> Array:
        """Return the index, (h, w) of uint8, of the color nearest to each pixel.

        It is `CLEAR` where little of the pixel shows.
        """
        # Four bytes a pixel, of which the last is not looked at.
        pixels = np.asarray(picture.convert("RGB").convert("RGBA"))
        codes = pixels.view(np.dtype("<u4"))[:, :, 0] & 0xFFFFFF
        self._learn(codes[self._nearest[codes] == UNKNOWN])
        indices: Array = self._nearest[codes]
        if picture.mode == "RGBA":
            indices[np.asarray(picture)[:, :, 3] < 128] = CLEAR
        return indices

    def _learn(self, codes: Array) -> None:
        """Find the nearest colors of some others."""
        fresh = np.unique(codes)
        others = np.stack([fresh >> shift & 0xFF for shift in (0, 8, 16)], axis=1).astype(np.int64)
        distances = ((others[:, np.newaxis] - self.colors) ** 2).sum(axis=2)  # (others, colors)
        self._nearest[fresh] = distances.argmin(axis=1)


def choose_palette(pictures: Iterable[Image.Image], theme: Theme) -> Palette:
    """Return one palette for all frames: the theme's colors, then the most frequent."""
    counts: Counter[tuple[int, ...]] = Counter()
    for picture in pictures:
        opaque = picture.convert("RGB")
        for count, color in opaque.getcolors(opaque.width * opaque.height) or []:
            counts[cast("tuple[int, ...]", color)] += count
    named = [theme.page, theme.ink, theme.faint, theme.cell, theme.output, theme.window,
             theme.window_on_padding, theme.current, theme.blank]  # fmt: skip
    colors = dict.fromkeys([*named, *(color for color, _ in counts.most_common())])
    return Palette(np.array(list(colors)[:CLEAR], np.uint8))
