"""JPEG files of several pictures (CIPA DC-007): further ones, opened when they are asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO, cast

from PIL import Image

from convcli.errors import ImageError
from convcli.images import FrameSource, Header, Picture, ReadSettings, pillow
from convcli.images.damage import DecodingWatch
from convcli.images.structure import Structure, read_structure


class FilePart(io.RawIOBase):
    """A file from a position on, read as a file of its own.

    Parameters
    ----------
    stream : binary file
        One that can seek.
    start : int
    """

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream, self._start, self._at = stream, start, 0

    def seekable(self) -> bool:
        """It can seek."""
        return True

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, counted from the start of the part."""
        if whence == os.SEEK_CUR:
            offset += self._at
        elif whence == os.SEEK_END:
            offset += self._stream.seek(0, os.SEEK_END) - self._start
        if offset < 0:
            raise ValueError("a position before the start")
        self._at = offset
        return offset

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or all that follow."""
        self._stream.seek(self._start + self._at)
        data = self._stream.read(size)
        self._at += len(data)
        return data


@contextmanager
def _named_errors(path: str, index: int) -> Iterator[None]:
    """Name the picture in an error."""
    try:
        yield
    except ImageError as error:
        raise ImageError(path, f"frame {index}: {error.cause}") from error


def add_further(
    source: FrameSource, stream: BinaryIO, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return a source of the picture of a JPEG, and of those that its index names.

    Parameters
    ----------
    source : FrameSource
        Of the first picture alone.
    stream : binary file
    settings : ReadSettings
    structure : Structure
        Of the file, with the positions of further pictures.
    """
    path = source.path

    def open_picture(index: int) -> tuple[Image.Image, BinaryIO, Structure]:
        part = cast("BinaryIO", FilePart(stream, structure.further[index - 1]))
        own = read_structure(part, path, source.format, settings.max_pixels)
        return pillow.open_header(part, path, settings.max_pixels), part, own

    def decode(index: int) -> Picture:
        if index == 0:
            return source.decode(0)
        with _named_errors(path, index), pillow.decoder_errors(path):
            image, part, _ = open_picture(index)
            watch = DecodingWatch(image, part, path, settings)
            with closing(image):
                picture = pillow.read_picture(image, path)
        picture = picture._replace(notes=(*picture.notes, *watch.notes))
        return picture.limit_metadata(settings.max_metadata)

    def decode_header(index: int) -> Header:
        if index == 0:
            return source.header
        with _named_errors(path, index), pillow.decoder_errors(path):
            image, _, own = open_picture(index)
            return pillow.read_header(image)._replace(held_bytes=own.held_bytes)

    return source._replace(
        frame_count=1 + len(structure.further),
        decode=decode,
        decode_header=decode_header,
        sizes=(),
        kind="views" if structure.has_views else "previews",
    )
