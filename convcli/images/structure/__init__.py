"""The structure of picture files: what a file says that reading it will cost.

Before any decoder runs, the chunks, segments, blocks or directories of a file are walked, never its
pixels, in a time that the size of the file bounds. Decoders trust these parts: they search through
junk byte by byte, join metadata in quadratic time, or allocate a canvas before its size is known.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from typing import BinaryIO

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.files import STDIN
from convcli.images import excess_pixels
from convcli.images.formats import SIGNATURE_BYTES, detect_format
from convcli.records import NamedTuple

MAX_FRAMES = 10_000
MAX_METADATA_BYTES = 32 << 20  # of a file, all together
MAX_STRAY_BYTES = 1 << 20  # between the parts of a file, through which decoders search slowly
SMALL_BYTES = 4096  # read at once to get at small parts
BLOCK_BYTES = 1 << 20  # read at once to search for something
MODULES = {
    "PNG": "png",
    "JPEG": "jpeg",
    "WEBP": "webp",
    "TIFF": "tiff",
    "GIF": "gif",
    "BMP": "bmp",
    "TGA": "tga",
    "AVIF": "heif",
    "HEIF": "heif",
    "JXL": "jxl",
    "JPEG2000": "jpeg2000",
}


class Structure(NamedTuple):
    """What a file says about itself.

    Parameters
    ----------
    sizes : tuple of (H, W)
        The size of each frame as it is decoded: of a frame of an animation, that of its canvas.
        Empty if the file is too broken to say.
    metadata_bytes : int
        The size of what stands beside the pixels.
    held_bytes : int
        Memory that a decoder takes beside a frame's pixels, whatever they are: metadata, a tile,
        the coefficients of a progressive JPEG, the file itself.
    directories : tuple of int
        The offsets of the directories of the pages of a TIFF.
    is_cut : bool
        Whether their chain leads beyond the end of the file.
    xmp : (int, int), optional
        Where the XMP packet of a GIF is, and its length.
    parts : int
        How many smaller copies and masks of pages are left out of them.
    end : int, optional
        Where the picture ends in the file, if its parts say so.
    bits : int
        Bits of a value, of a format of which not all decoders keep them.
    frames : int
        How many the file has, of a format of which the first one alone is read.
    further : tuple of int
        Where the pictures after the first are in a JPEG, which are walked when they are read.
    has_views : bool
        Whether they are views of one scene, not previews or other data of the first one.
    """

    sizes: tuple[Pair, ...] = ()
    metadata_bytes: int = 0
    held_bytes: int = 0
    directories: tuple[int, ...] = ()
    is_cut: bool = False
    bits: int = 8
    frames: int = 1
    xmp: Pair | None = None
    end: int | None = None
    further: tuple[int, ...] = ()
    has_views: bool = False
    parts: int = 0


class Window:
    """A stream that can seek, read by position; it counts what all parts of the file hold.

    Parameters
    ----------
    stream : binary file
    path : str
        Its name in error messages.
    """

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self.path = path
        self._counts: dict[str, int] = {}
        self.size = stream.seek(0, os.SEEK_END)
        self._stream = stream
        self._start, self._data = 0, b""

    def read(self, at: int, count: int) -> bytes:
        """Return so many bytes, fewer at the end of the file; what is small is read with more."""
        if at >= self.size:
            return b""  # it may be more than a stream can seek
        first = at - self._start
        if first < 0 or first + count > len(self._data):
            self._stream.seek(at)
            if count >= SMALL_BYTES:
                return self._stream.read(count)
            self._start, self._data = at, self._stream.read(SMALL_BYTES)
            first = 0
        return self._data[first : first + count]

    def blocks(self, at: int, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield large blocks and their positions; each repeats the last bytes of the one before."""
        while at < self.size:
            self._stream.seek(at)
            self._start, self._data = at, self._stream.read(BLOCK_BYTES)
            yield at, self._data
            if at + len(self._data) >= self.size or not self._data:
                return
            at += max(len(self._data) - overlap, 1)

    def find(self, part: bytes, at: int) -> int:
        """Return the position of a few bytes, from one on; the size of the file without them."""
        near = self._data.find(part, at - self._start) if at >= self._start else -1
        if near >= 0:
            return self._start + near
        for start, block in self.blocks(at, overlap=len(part) - 1):
            found = block.find(part)
            if found >= 0:
                return start + found
        return self.size

    def inner(self, block: bytes) -> Window:
        """Return a block of the file as a stream of its own, whose parts count as the file's."""
        window = Window(BytesIO(block), self.path)
        window._counts = self._counts
        return window

    def count(self, what: str, count: int, limit: int) -> int:
        """Count more of something, a plural, in the whole file; return how many there are so far.

        Raises
        ------
        ImageError
            If they are more than the limit.
        """
        total = self._counts[what] = self._counts.get(what, 0) + count
        if total > limit:
            raise self.excess(total, limit, what)
        return total

    def excess(self, count: int, limit: int, what: str) -> ImageError:
        """Return the error of a file that has more of something, a plural, than it may."""
        return ImageError(self.path, f"has {count:,} {what} at least; the most is {limit:,}")


def read_structure(
    stream: BinaryIO, path: str, image_format: str | None, max_pixels: int
) -> Structure:
    """Walk a picture file; one of a format that is not known says nothing.

    Parameters
    ----------
    stream : binary file
        One that can seek; it is at its start afterwards.
    path : str
    image_format : str, optional
        A key of `formats.FORMATS`.
    max_pixels : int
        The most pixels of its first frame.

    Raises
    ------
    ImageError
        If the first frame is too large, or the file has more of something than any picture needs.
    """
    name = MODULES.get(image_format or "")
    if name is None:
        return Structure()
    structure = Structure()
    with suppress(struct.error, IndexError):  # of a file that is cut off; its decoder says so
        structure = import_module(f"{__name__}.{name}").read_structure(Window(stream, path))
    stream.seek(0)
    if structure.sizes and math.prod(structure.sizes[0]) > max_pixels:
        raise excess_pixels(structure.sizes[0], path, max_pixels)
    return structure


def describe_following(
    stream: BinaryIO, path: str, image_format: str, structure: Structure
) -> tuple[str, ...]:
    """Return a note if another picture follows the end of one: of `cat a.png b.png`, say.

    It is not read: no format but Netpbm's says that there may be one. Of JPEG, whose end has to be
    searched for, it is looked for on standard input alone; many cameras append pictures to it.
    What is no picture, zeros or a signature, is nobody's concern.
    """
    end = structure.end
    if image_format == "JPEG" and path == STDIN and not structure.further:
        from convcli.images.structure.jpeg import find_end

        end = find_end(Window(stream, path))
    size = 0 if end is None else stream.seek(0, os.SEEK_END) - end
    stream.seek(end if end is not None and size > 0 else 0)
    kind = detect_format(stream.read(SIGNATURE_BYTES)) if size > 0 else None
    stream.seek(0)
    if kind is None:
        return ()
    return (f"{size:,} bytes follow its end, which start another {kind}: only the first is read",)
