"""Files -> `Picture`: pictures by their content, grids of numbers by their suffix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, cast

from PIL import Image

from convcli.errors import GridError, ImageError
from convcli.files import MAX_BUFFER_BYTES, STDIN, open_input
from convcli.grids import MAX_TEXT_BYTES, OpenGrid, is_grid, load_grid, open_grid
from convcli.grids.npy import NPY_MAGIC
from convcli.images import FrameSource, Header, Picture
from convcli.images.formats import has_deep_codec
from convcli.images.metadata import ORIENTATION, read_metadata
from convcli.images.pillow import (
    apply_orientation,
    decoder_errors,
    drop_opaque,
    has_deep_color,
    identify,
    read_header,
    read_picture,
    unknown_format_text,
)

MAX_PIXELS = 180_000_000
MAX_FILE_BYTES = 2 << 30  # a picture file on disk
MAX_FRAMES = 10_000
MAX_PLAYS = 65_535  # that every format can say
MAX_SMALL_READS = 300_000  # a decoder that takes more bytes one by one is lost in junk

_LAST_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"
_TIFF = (b"II*\0", b"MM\0*")
_PICTURE_SIGNATURES = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"RIFF",
    *_TIFF,
    b"GIF8",
    b"BM",
    b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF",
)  # fmt: skip


def read_input(path: str, *, max_pixels: int = MAX_PIXELS, frame: int = 0) -> Picture:
    """Read a picture or a grid of numbers; `-` is standard input, which may be either.

    Parameters
    ----------
    path : str
        `.csv`, `.txt` and `.npy` are grids; anything else is a picture, whatever its suffix.
    max_pixels : int
        A larger picture is refused by its header.
    frame : int
        Which frame of an animation, which page, counted from 0.

    Raises
    ------
    FileError
        An `ImageError` or a `GridError`, with the cause.
    """
    with open_frames(path, max_pixels=max_pixels) as film:
        return film.read(frame)


@contextmanager
def open_frames(path: str, *, max_pixels: int = MAX_PIXELS) -> Iterator[FrameSource]:
    """Open an input whose frames are read one by one; most have one.

    Parameters and errors are those of `read_input`.
    """
    if is_grid(path):
        with open_grid(path, max_pixels) as grid:
            yield _grid_frames(grid, path)
        return
    with open_input(path, MAX_FILE_BYTES, lambda start: _max_buffered(start, path)) as stream:
        start = stream.read(4)
        stream.seek(0)
        if not start:
            raise ImageError(path, "is empty")
        if path == STDIN and not start.startswith(_PICTURE_SIGNATURES):
            yield _grid_frames(load_grid(stream, path, max_pixels), path)
            return
        if start.startswith(_TIFF):
            from convcli.images.high_depth import is_unknown_to_pillow, open_float_frames

            if is_unknown_to_pillow(stream):
                with open_float_frames(stream, path, max_pixels) as film:
                    yield film
                return
        yield _pillow_frames(stream, path, max_pixels)


def _max_buffered(start: bytes, path: str) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if start.startswith(_PICTURE_SIGNATURES):
        return MAX_BUFFER_BYTES
    if path != STDIN and start:
        raise ImageError(path, unknown_format_text())
    return MAX_BUFFER_BYTES if start.startswith(NPY_MAGIC) else MAX_TEXT_BYTES


def _grid_frames(grid: OpenGrid, path: str) -> FrameSource:
    """A grid as a film of one frame."""
    if len(grid.shape) not in (2, 3):
        raise GridError(path, f"must be (H, W) or (H, W, C), not {grid.shape}")
    height, width, channels = (*grid.shape, 1)[:3]
    native = grid.dtype.newbyteorder("=")

    def decode(_: int) -> Picture:
        values = grid.read().astype(native, copy=False)
        return Picture(values.reshape(height, width, channels))

    return FrameSource(path, 1, decode, Header((height, width, channels), native))


def _pillow_frames(stream: BinaryIO, path: str, max_pixels: int) -> FrameSource:
    """A picture's frames, of which none is decoded yet."""
    with decoder_errors(path):
        image = _open(stream, path, max_pixels)
        if image.format == "PNG":
            image.verify()  # every chunk's checksum, which decoding alone does not look at
            _check_last_chunk(stream)
            stream.seek(0)
            image = _open(stream, path, max_pixels)
        count = getattr(image, "n_frames", 1)
        if count > MAX_FRAMES:
            raise ImageError(path, f"has {count:,} frames; the most is {MAX_FRAMES:,}")
        header = read_header(image)

    def decode(number: int) -> Picture:
        if count == 1:
            with closing(image):  # of whose pixels there are copies
                return decoded(number)
        return decoded(number)

    def decoded(number: int) -> Picture:
        with decoder_errors(path):
            image.seek(number)
            width, height = image.size  # a page's own
            if width * height > max_pixels:
                raise ImageError(path, f"page {number} has {width * height:,} pixels")
            deep = _deep(image, stream) if count == 1 and has_deep_color(image) else None
            return deep or read_picture(image, path)

    kind = image.format or ""
    return FrameSource(path, count, decode, header, kind, _plays(image))


def _check_last_chunk(stream: BinaryIO) -> None:
    """What is left of a PNG behind the last chunk's length and name, to which `verify` has read."""
    stream.seek(-8, 1)
    if stream.read(len(_LAST_CHUNK)) != _LAST_CHUNK:
        raise ValueError("broken PNG file (bad last chunk)")


def _plays(image: Image.Image) -> int:
    """How often an animation plays, 0 being for ever; a GIF counts what follows the first time."""
    loop = image.info.get("loop")
    if loop is None:
        return 1
    return min(int(loop) + 1 if image.format == "GIF" and loop else int(loop), MAX_PLAYS)


def _deep(image: Image.Image, stream: BinaryIO) -> Picture | None:
    """A picture with 16-bit colors, where they can be read."""
    kind = image.format or ""
    if not has_deep_codec(kind):
        return None
    from convcli.images.high_depth import read_deep

    metadata, orientation = read_metadata(image), image.getexif().get(ORIENTATION, 1)
    pixels = apply_orientation(read_deep(stream, kind), orientation)
    alpha = pixels[:, :, 3:] if pixels.shape[2] == 4 else None
    return Picture(pixels[:, :, :3], 16, drop_opaque(alpha), metadata)


def _open(stream: BinaryIO, path: str, max_pixels: int) -> Image.Image:
    """Read the header alone, and refuse more pixels than are allowed."""
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    image = identify(cast("BinaryIO", _JunkGuard(stream)))
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            path,
            f"has {width}x{height} = {width * height:,} pixels, "
            f"and --max-pixels allows {max_pixels:,}",
        )
    return image


class _JunkGuard:
    """A stream that gives up where a decoder looks through junk byte by byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._small_reads = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        if 0 <= size <= 2:
            self._small_reads += 1
            if self._small_reads > MAX_SMALL_READS:
                raise ValueError("what follows its start is junk")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
