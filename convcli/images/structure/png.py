"""The chunks of PNG and APNG (PNG specification, third edition, 5.3 and 11)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from convcli.images.structure import MAX_FRAMES, MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.tiff import check_exif

MAX_CHUNKS = 100_000  # and one for each kilobyte: libpng writes 8 of them in a chunk
MAX_EXPANDED_BYTES = 256 << 20  # to which compressed chunks may expand in the decoder
MAX_TEXT_BYTES = 1 << 20  # that Pillow expands of one chunk; and of EXIF in text
MAX_EXPANSION = 1032  # of deflate
SIGNATURE_BYTES, FRAME_BYTES = 8, 12  # before the chunks; of a chunk around its content
PIXELS = (b"IDAT", b"fdAT")
COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
EXIF_TEXT = b"Raw profile type exif\0"
_NAME = re.compile(rb"\w{4}")


class Chunk(NamedTuple):
    """A chunk: its name, and where its content is."""

    name: bytes
    at: int
    length: int


def read_structure(window: Window) -> Structure:
    """Walk the chunks up to the end, or to what is no chunk."""
    size, frames, is_animated, has_still = (0, 0), 1, False, False
    metadata, expanded, largest = 0, 0, 0
    for chunk in iterate_chunks(window):
        largest = max(largest, chunk.length)
        if chunk.name == b"IHDR" and chunk.length >= 13:
            size = struct.unpack(">II", window.read(chunk.at, 8))[::-1]
        elif chunk.name == b"acTL" and chunk.length >= 8:
            frames = struct.unpack(">I", window.read(chunk.at, 4))[0]
            is_animated = frames > 0
            if frames > MAX_FRAMES:
                raise window.excess(frames, MAX_FRAMES, "frames")
        elif chunk.name == b"IDAT":
            has_still = has_still or is_animated
        elif chunk.name == b"fcTL":
            is_animated = False  # what follows is no still picture
        elif chunk.name != b"fdAT":
            metadata += chunk.length
            expanded += _check_metadata(window, chunk)
    if metadata > MAX_METADATA_BYTES:
        raise window.excess(metadata, MAX_METADATA_BYTES, "bytes of metadata")
    if expanded > MAX_EXPANDED_BYTES:
        raise window.excess(expanded, MAX_EXPANDED_BYTES, "bytes of text, once expanded,")
    return Structure((size,) * (max(frames, 1) + has_still), metadata, 2 * metadata + largest)


def iterate_chunks(window: Window) -> Iterator[Chunk]:
    """Yield the chunks before the last, IEND, or before what is none.

    Raises
    ------
    ImageError
        If they are more than a picture of that size has.
    """
    at, count = SIGNATURE_BYTES, 0
    limit = MAX_CHUNKS + window.size // 1000
    while len(start := window.read(at, 8)) == 8:
        length, name = struct.unpack(">I4s", start)
        at += 8
        if name == b"IEND" or not _NAME.match(name) or at + length > window.size:
            break
        count += 1
        if count > limit:
            raise window.excess(count, limit, "chunks")
        yield Chunk(name, at, length)
        at += length + FRAME_BYTES - 8


def _check_metadata(window: Window, chunk: Chunk) -> int:
    """Check a chunk beside the pixels; return the bytes to which the decoder may expand it.

    EXIF may be a chunk of its own, or text in hexadecimal.
    """
    if chunk.name == b"eXIf":
        check_exif(window.read(chunk.at, chunk.length), window.path)
    elif chunk.name in (b"tEXt", b"zTXt") and window.read(chunk.at, len(EXIF_TEXT)) == EXIF_TEXT:
        if chunk.length > MAX_TEXT_BYTES:
            raise window.excess(chunk.length, MAX_TEXT_BYTES, "digits of EXIF")
        text = window.read(chunk.at + len(EXIF_TEXT), chunk.length - len(EXIF_TEXT))
        with suppress(ValueError, zlib.error):  # which the decoder meets, too
            if chunk.name == b"zTXt":
                text = zlib.decompressobj().decompress(text[1:], MAX_TEXT_BYTES)
            lines = text.decode("latin-1").split("\n")[3:]
            check_exif(bytes.fromhex("".join(lines)), window.path)
    is_compressed = chunk.name in COMPRESSED
    return min(chunk.length * MAX_EXPANSION, MAX_TEXT_BYTES) if is_compressed else 0
