"""Files -> `Picture`: pictures by their content, grids of numbers by their suffix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, cast

from PIL import Image

from convcli.errors import GridError, ImageError
from convcli.files import STDIN, STREAM_BYTES, opened
from convcli.grids.npy import NPY_MAGIC
from convcli.grids.opening import TEXT_BYTES, OpenGrid, is_grid, open_grid, opened_grid
from convcli.images.decoders import identified
from convcli.images.deep import can_hold, read_deep
from convcli.images.film import Film, Header
from convcli.images.metadata import ORIENTATION, collected
from convcli.images.modes import from_image, header_of, is_deep, some_alpha, turned_upright
from convcli.images.picture import Picture
from convcli.images.quiet import decoding, not_a_picture

MAX_PIXELS = 180_000_000
PICTURE_BYTES = 2 << 30  # a picture file on disk
MOST_FRAMES = 10_000
MOST_PLAYS = 65_535  # that every format can say
MOST_SMALL_READS = 300_000  # a decoder that takes more bytes one by one is lost in junk

_LAST_CHUNK = b"\0\0\0\0IEND\xaeB`\x82"
_TIFF = (b"II*\0", b"MM\0*")
_SIGNATURES = (
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
    with opened_film(path, max_pixels=max_pixels) as film:
        return film.frame(frame)


@contextmanager
def opened_film(path: str, *, max_pixels: int = MAX_PIXELS) -> Iterator[Film]:
    """Open an input whose frames are read one by one; most have one.

    Parameters and errors are those of `read_input`.
    """
    if is_grid(path):
        with opened_grid(path, max_pixels) as grid:
            yield _still(grid, path)
        return
    with opened(path, PICTURE_BYTES, lambda start: _most_held(start, path)) as stream:
        start = stream.read(4)
        stream.seek(0)
        if not start:
            raise ImageError(path, "is empty")
        if path == STDIN and not start.startswith(_SIGNATURES):
            yield _still(open_grid(stream, path, max_pixels), path)
            return
        if start.startswith(_TIFF):
            from convcli.images.floats import float_film, is_beyond_pillow

            if is_beyond_pillow(stream):
                with float_film(stream, path, max_pixels) as film:
                    yield film
                return
        yield _film(stream, path, max_pixels)


def _most_held(start: bytes, path: str) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if start.startswith(_SIGNATURES):
        return STREAM_BYTES
    if path != STDIN and start:
        raise ImageError(path, not_a_picture())
    return STREAM_BYTES if start.startswith(NPY_MAGIC) else TEXT_BYTES


def _still(grid: OpenGrid, path: str) -> Film:
    """A grid as a film of one frame."""
    if len(grid.shape) not in (2, 3):
        raise GridError(path, f"must be (H, W) or (H, W, C), not {grid.shape}")
    height, width, channels = (*grid.shape, 1)[:3]
    native = grid.dtype.newbyteorder("=")

    def decode(_: int) -> Picture:
        values = grid.read().astype(native, copy=False)
        return Picture(values.reshape(height, width, channels))

    return Film(path, 1, decode, Header((height, width, channels), native))


def _film(stream: BinaryIO, path: str, max_pixels: int) -> Film:
    """A picture's frames, of which none is decoded yet."""
    with decoding(path):
        image = _open(stream, path, max_pixels)
        if image.format == "PNG":
            image.verify()  # every chunk's checksum, which decoding alone does not look at
            _check_last_chunk(stream)
            stream.seek(0)
            image = _open(stream, path, max_pixels)
        count = getattr(image, "n_frames", 1)
        if count > MOST_FRAMES:
            raise ImageError(path, f"has {count:,} frames; the most is {MOST_FRAMES:,}")
        header = header_of(image)

    def decode(number: int) -> Picture:
        if count == 1:
            with closing(image):  # of whose pixels there are copies
                return decoded(number)
        return decoded(number)

    def decoded(number: int) -> Picture:
        with decoding(path):
            image.seek(number)
            width, height = image.size  # a page's own
            if width * height > max_pixels:
                raise ImageError(path, f"page {number} has {width * height:,} pixels")
            deep = _deep(image, stream) if count == 1 and is_deep(image) else None
            return deep or from_image(image, path)

    kind = image.format or ""
    return Film(path, count, decode, header, kind, _plays(image))


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
    return min(int(loop) + 1 if image.format == "GIF" and loop else int(loop), MOST_PLAYS)


def _deep(image: Image.Image, stream: BinaryIO) -> Picture | None:
    """A picture with 16-bit colours, where they can be read."""
    kind = image.format or ""
    if not can_hold(kind):
        return None
    metadata, orientation = collected(image), image.getexif().get(ORIENTATION, 1)
    pixels = turned_upright(read_deep(stream, kind), orientation)
    alpha = pixels[:, :, 3:] if pixels.shape[2] == 4 else None
    return Picture(pixels[:, :, :3], 16, some_alpha(alpha), metadata)


def _open(stream: BinaryIO, path: str, max_pixels: int) -> Image.Image:
    """Read the header alone, and refuse more pixels than are allowed."""
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    image = identified(cast("BinaryIO", _Impatient(stream)))
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            path,
            f"has {width}x{height} = {width * height:,} pixels, "
            f"and --max-pixels allows {max_pixels:,}",
        )
    return image


class _Impatient:
    """A stream that gives up where a decoder looks through junk byte by byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._small_reads = 0

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does."""
        if 0 <= size <= 2:
            self._small_reads += 1
            if self._small_reads > MOST_SMALL_READS:
                raise ValueError("what follows its start is junk")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
