"""Files to pictures: images by their content, grids of numbers by their suffix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import import_module
from operator import methodcaller
from typing import BinaryIO

from PIL import Image

from convcli.deadline import TimeLimit, TimeLimitError, allow_pixels, run_within
from convcli.errors import GridError, ImageError
from convcli.files import MAX_BUFFER_BYTES, STDIN, open_input
from convcli.files.paths import suffix_of
from convcli.grids import GRID_SUFFIXES, MAX_TEXT_BYTES, NPY_MAGIC, OpenGrid, load_grid, open_grid
from convcli.images import (
    DEFAULT_SETTINGS,
    MAX_LOOPS,
    FrameSource,
    Header,
    Picture,
    ReadSettings,
    excess_pixels,
    pillow,
)
from convcli.images.damage import DecodingWatch
from convcli.images.formats import (
    FORMATS,
    FORMATS_EXTRA,
    SIGNATURE_BYTES,
    UNKNOWN_FORMAT,
    describe_unread,
    detect_format,
    is_installed,
)
from convcli.images.structure import (
    Structure,
    Window,
    describe_following,
    read_structure,
)

MAX_FILE_BYTES = 2 << 30  # of a picture file
DESCRIBED_BYTES = 4096  # at the start of a file that is not read, to say what it is
OPENERS = {  # the modules and functions that read other formats than those that Pillow alone reads
    "TIFF": ("tiff", "open_tiff"),
    "PPM": ("netpbm", "open_netpbm"),
    "JXL": ("jxl", "open_jxl"),
    "AVIF": ("coded", "open_coded"),
    "HEIF": ("coded", "open_coded"),
    "JPEG2000": ("coded", "open_coded"),
}
MAX_COLOR_CHANNELS = 4  # of a grid that is a picture


def read_input(path: str, settings: ReadSettings = DEFAULT_SETTINGS, *, frame: int = 0) -> Picture:
    """Read a picture or a grid of numbers; `-` is standard input, which may be either.

    Parameters
    ----------
    path : str
        `.csv`, `.tsv`, `.txt` and `.npy` are grids; anything else is a picture, whatever its
        suffix.
    settings : ReadSettings
    frame : int
        The index of a frame of an animation, or of a page, from 0.

    Raises
    ------
    FileError
        An `ImageError` or a `GridError`, with the cause.
    """
    with open_frames(path, settings) as source:
        height, width, _ = source.header.shape
        allow_pixels(height * width)
        return source.read(frame)


def read_within(path: str, settings: ReadSettings, timeout: float | None) -> Picture:
    """Read an input as `read_input` does, in so many seconds; None is the default of `TimeLimit`.

    Raises
    ------
    FileError
        As `read_input`; an `ImageError` if it takes longer.
    """
    try:
        return run_within(TimeLimit.of(timeout), lambda: read_input(path, settings))
    except TimeLimitError as error:
        raise ImageError(path, str(error)) from None


@contextmanager
def open_frames(path: str, settings: ReadSettings = DEFAULT_SETTINGS) -> Iterator[FrameSource]:
    """Open an input and read its header; its frames, of which most have one, are read on demand.

    Parameters and errors are those of `read_input`.
    """
    if suffix_of(path) in GRID_SUFFIXES:
        with open_grid(path, settings.max_pixels, allows_nan=settings.allows_nan) as grid:
            yield _grid_source(grid, path)
        return
    with open_input(path, MAX_FILE_BYTES, lambda start: _max_buffered(start, path)) as stream:
        start = stream.read(SIGNATURE_BYTES)
        stream.seek(0)
        if not start:
            raise ImageError(path, "is empty")
        detected = detect_format(start)
        if detected is None:
            detected = _detect_by_more(start, stream, path)
        if detected is None and path == STDIN:
            allows_nan = settings.allows_nan
            grid = load_grid(stream, path, settings.max_pixels, allows_nan=allows_nan)
            yield _grid_source(grid, path)
            return
        package = FORMATS[detected].package if detected else None
        if package and not is_installed(package):
            raise ImageError(path, f"is a picture in {detected}, which needs {FORMATS_EXTRA}")
        structure = read_structure(stream, path, detected, settings.max_pixels)
        if detected in OPENERS:
            module, opener = OPENERS[detected]
            open_source = getattr(import_module(f"convcli.images.{module}"), opener)
            yield open_source(stream, path, settings, structure)
            return
        notes = describe_following(stream, path, detected or "", structure)
        source = None
        if detected == "BMP":
            from convcli.images.bmp import open_bmp_fields

            source = open_bmp_fields(stream, path, settings, structure)
        plain = stream
        if detected == "TGA":
            from convcli.images.structure.tga import without_runs

            plain = without_runs(stream)
        source = source or _open_by_pillow(plain, path, settings, structure, detected)
        yield source._replace(notes=notes) if notes else source


def _open_by_pillow(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure, detected: str | None
) -> FrameSource:
    """Return the frames of a picture that Pillow reads."""
    image = pillow.open_header(stream, path, settings.max_pixels, detected)
    if detected == "PNG":
        from convcli.images.png.read import open_png

        return open_png(image, stream, path, settings, structure)
    source = _image_source(image, stream, path, settings, structure)
    if structure.further:
        from convcli.images.jpeg import add_further

        return add_further(source, stream, settings, structure)
    return source


def _detect_by_more(start: bytes, stream: BinaryIO, path: str) -> str | None:
    """Return the format of a file that no signature tells, if it is a known one.

    Raises
    ------
    ImageError
        For a file that is known to be something else, or is not from standard input, where it may
        be numbers.
    """
    from convcli.images.structure import tga

    if tga.may_start(start) and tga.is_tga(Window(stream, path)):
        stream.seek(0)
        return "TGA"
    stream.seek(0)
    described = describe_unread(stream.read(DESCRIBED_BYTES))
    stream.seek(0)
    if path != STDIN or described != UNKNOWN_FORMAT:
        raise ImageError(path, described)
    return None


def _max_buffered(start: bytes, path: str) -> int:
    """Return how much of an input that cannot seek may be held in memory, by its first bytes."""
    from convcli.images.structure import tga

    if detect_format(start) is not None or tga.may_start(start):
        return MAX_BUFFER_BYTES
    if path != STDIN and start:
        raise ImageError(path, describe_unread(start))
    return MAX_BUFFER_BYTES if start.startswith(NPY_MAGIC) else MAX_TEXT_BYTES


def _grid_source(grid: OpenGrid, path: str) -> FrameSource:
    """Return a grid as a source of one frame."""
    if len(grid.shape) not in (2, 3):
        raise GridError(path, f"must be (H, W) or (H, W, C), not {grid.shape}")
    height, width, channels = (*grid.shape, 1)[:3]
    notes = (*grid.notes, *_note_channels(grid.shape))
    native = grid.dtype.newbyteorder("=")

    def decode(_: int) -> Picture:
        return Picture(grid.read().astype(native, copy=False).reshape(height, width, channels))

    return FrameSource(path, 1, decode, Header((height, width, channels), native), notes=notes)


def _note_channels(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return a note where the axes may be those of a CNN framework, (C, H, W)."""
    if len(shape) != 3 or shape[0] > MAX_COLOR_CHANNELS or shape[2] <= MAX_COLOR_CHANNELS:
        return ()
    return (f"{shape[2]} channels; a (C, H, W) array wants transpose(1, 2, 0)",)


def _image_source(
    image: Image.Image,
    stream: BinaryIO,
    path: str,
    settings: ReadSettings,
    structure: Structure,
) -> FrameSource:
    """Return the frames of an image that Pillow has opened."""
    packet = b"" if structure.xmp is None else Window(stream, path).read(*structure.xmp)
    with pillow.decoder_errors(path):
        watch = DecodingWatch(image, stream, path, settings)
        if packet:
            image.info["xmp"] = packet
        sizes = structure.sizes
        # To count them, Pillow would walk the file again, step by step.
        is_counted = bool(sizes) and image.format == "GIF"
        count = watch.count_frames(len(sizes) if is_counted else None)
        sizes = sizes[:count] if is_counted or len(sizes) == count else ()
        header = pillow.read_header(image)
        has_rows = count == 1 and pillow.has_plain_rows(image)

    def seek(index: int) -> None:
        nonlocal image
        limit = math.prod(sizes[index]) if sizes else settings.max_pixels
        if limit > settings.max_pixels:
            raise excess_pixels(sizes[index], path, settings.max_pixels)
        if image.format == "GIF" and index < image.tell():
            # As it goes back, Pillow keeps the canvas of a GIF that its frames have enlarged.
            stream.seek(0)
            image = pillow.open_image(stream)
            if packet:
                image.info["xmp"] = packet
            watch.attach(image)
        with watch.frame_errors(index):
            image.seek(index)
        pillow.check_size(image, path, limit)

    def decode(index: int) -> Picture:
        with pillow.decoder_errors(path):
            seek(index)
            # The values are copies, so that a single frame's pixels need not stay in memory.
            with closing(image) if count == 1 else watch.frame_errors(index):
                picture = pillow.read_picture(image, path)
                picture = picture._replace(notes=(*picture.notes, *watch.notes))
        return picture.limit_metadata(settings.max_metadata)

    def decode_header(index: int) -> Header:
        if count == 1:
            return header
        if sizes:
            is_turned = header.shape[:2] != sizes[0]
            height, width = sizes[index][::-1] if is_turned else sizes[index]
            return header._replace(shape=(height, width, header.shape[2]))
        with pillow.decoder_errors(path):
            seek(index)
            return pillow.read_header(image)

    limit = methodcaller("limit_metadata", settings.max_metadata)
    loop = _loop_count(image) if count > 1 else 1
    # Other formats may be decoded from the bottom, as a BMP is, or all at once, as a WebP.
    is_from_top = image.format == "JPEG"
    decode_rows = partial(pillow.read_rows, image, watch, path, limit, may_wait=is_from_top)
    return FrameSource(
        *(path, count, decode, header, image.format or "", loop),
        *(decode_header, sizes, structure.held_bytes),
        decode_rows=decode_rows if has_rows else None,
    )


def _loop_count(image: Image.Image) -> int:
    """Return how often an animation plays; 0 is for ever."""
    loop = image.info.get("loop")
    if loop is None:
        return 1
    repeats = image.format == "GIF" and loop  # GIF counts the repetitions after the first
    return min(int(loop) + 1 if repeats else int(loop), MAX_LOOPS)
