"""Files -> `Picture`: pictures by their content, grids of numbers by their suffix."""

from __future__ import annotations

import warnings
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from convcli.errors import FileError, GridError, ImageError
from convcli.files import STDIN, STREAM_BYTES, opened
from convcli.grids import NPY_MAGIC, TEXT_BYTES, is_grid, load_grid, read_grid
from convcli.images.formats import READ
from convcli.images.picture import Picture, Values
from convcli.images.quiet import quiet_decoders

MAX_PIXELS = 180_000_000
PICTURE_BYTES = 2 << 30  # a picture file on disk
MOST_SMALL_READS = 300_000  # a decoder that takes more bytes one by one is lost in junk

_SIGNATURES = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"GIF8",
    b"BM",
    b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF",
)  # fmt: skip


def read_input(path: str, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture or a grid of numbers; `-` is standard input, which may be either.

    Parameters
    ----------
    path : str
        `.csv`, `.txt` and `.npy` are grids; anything else is a picture, whatever its suffix.
    max_pixels : int
        A larger picture is refused by its header.

    Raises
    ------
    FileError
        An `ImageError` or a `GridError`, with the cause.
    """
    if is_grid(path):
        return _from_grid(read_grid(path, max_pixels), path)
    with opened(path, PICTURE_BYTES, lambda start: _most_held(start, path)) as stream:
        start = stream.read(4)
        stream.seek(0)
        if not start:
            raise ImageError(path, "is empty")
        if path == STDIN and not start.startswith(_SIGNATURES):
            return _from_grid(load_grid(stream, path, max_pixels), path)
        return _decoded(stream, path, max_pixels)


def _most_held(start: bytes, path: str) -> int:
    """How much of an input that cannot seek may be held, by how it starts."""
    if start.startswith(_SIGNATURES):
        return STREAM_BYTES
    if path != STDIN and start:
        raise ImageError(path, _not_a_picture())
    return STREAM_BYTES if start.startswith(NPY_MAGIC) else TEXT_BYTES


def _from_grid(grid: Values, path: str) -> Picture:
    if grid.ndim not in (2, 3):
        raise GridError(path, f"must be (H, W) or (H, W, C), not {grid.shape}")
    native = grid.astype(grid.dtype.newbyteorder("="), copy=False)
    return Picture(native if grid.ndim == 3 else native[:, :, np.newaxis])


def _decoded(stream: BinaryIO, path: str, max_pixels: int) -> Picture:
    try:
        with warnings.catch_warnings(), quiet_decoders():
            warnings.simplefilter("ignore")
            image = _open(stream, path, max_pixels)
            if image.format == "PNG":
                image.verify()  # every chunk's checksum, which decoding alone does not look at
                stream.seek(0)
                image = _open(stream, path, max_pixels)
            notes = tuple(_notes(image))
            image.load()
            return _from_image(ImageOps.exif_transpose(image), image.format, path, notes)
    except FileError:
        raise
    except UnidentifiedImageError:
        raise ImageError(path, _not_a_picture()) from None
    except Exception as error:  # decoders raise whatever a broken file makes them
        words = str(error).splitlines() or [type(error).__name__]
        raise ImageError(path, f"cannot be decoded: {words[0]}") from error


def _open(stream: BinaryIO, path: str, max_pixels: int) -> Image.Image:
    """Read the header alone, and refuse more pixels than are allowed."""
    Image.MAX_IMAGE_PIXELS = None  # the limit is ours
    image = Image.open(cast("BinaryIO", _Impatient(stream)), formats=READ)
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


def _not_a_picture() -> str:
    return f"is no picture of a kind that is read ({', '.join(READ)})"


def _notes(image: Image.Image) -> list[str]:
    notes = []
    if getattr(image, "is_animated", False):
        notes.append("holds several frames; the first is filtered")
    if image.mode in ("RGB", "RGBA") and "16" in str(getattr(image, "tile", "")):
        notes.append("holds 16-bit colours, which are read as 8-bit ones")
    if image.has_transparency_data:
        notes.append("is transparent in places; it is laid on white")
    return notes


def _from_image(image: Image.Image, kind: str | None, path: str, notes: tuple[str, ...]) -> Picture:
    """Every mode of Pillow's as grey or RGB values, never a palette's indices."""
    mode = image.mode
    if mode.startswith("I;16") or (mode == "I" and kind in ("PNG", "PPM")):
        return Picture(_channels(np.asarray(image).astype(np.uint16)), 16, notes)
    if mode in ("I", "F"):
        values = _channels(np.asarray(image))
        if not np.isfinite(values).all():
            raise ImageError(path, "holds NaN or infinity, which no filter can use")
        return Picture(values, None, notes)
    if image.has_transparency_data:
        image = _on_white(image)
    elif mode not in ("L", "RGB"):
        image = image.convert("L" if mode == "1" else "RGB")
    return Picture(_channels(np.asarray(image)), 8, notes)


def _on_white(image: Image.Image) -> Image.Image:
    """Composite over white: the hidden colour of transparent pixels never shows."""
    layered = image.convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(paper, layered).convert("RGB")
    return flat.convert("L") if image.mode in ("L", "LA", "La", "1") else flat


def _channels(values: Values) -> Values:
    return values if values.ndim == 3 else values[:, :, np.newaxis]
