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
MAX_ANIMATION = 1 << 31  # frames; more is no animation to Pillow
SIGNATURE_BYTES, FRAME_BYTES = 8, 12  # before the chunks; of a chunk around its content
PIXELS = (b"IDAT", b"fdAT")
TEXTS = {b"tEXt": "latin-1", b"zTXt": "latin-1", b"iTXt": "utf-8"}
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
    metadata, largest, end = 0, 0, SIGNATURE_BYTES
    for chunk in iterate_chunks(window):
        largest = max(largest, chunk.length)
        end = chunk.at + chunk.length + FRAME_BYTES - 8
        if chunk.name == b"IHDR" and chunk.length >= 13:
            size = struct.unpack(">II", window.read(chunk.at, 8))[::-1]
        elif chunk.name == b"acTL" and chunk.length >= 8:
            count = struct.unpack(">I", window.read(chunk.at, 4))[0]
            if MAX_FRAMES < count <= MAX_ANIMATION:
                raise window.excess(count, MAX_FRAMES, "frames")
            is_animated = 0 < count <= MAX_ANIMATION
            frames = count if is_animated else frames
        elif chunk.name == b"IDAT":
            has_still = has_still or is_animated
        elif chunk.name == b"fcTL":
            is_animated = False  # what follows is no still picture
        elif chunk.name != b"fdAT":
            metadata = window.count("bytes of metadata", chunk.length, MAX_METADATA_BYTES)
            _check_metadata(window, chunk)
    is_whole = window.read(end + 4, 4) == b"IEND"
    return Structure(
        (size,) * (max(frames, 1) + has_still), metadata, 2 * metadata + largest,
        end=end + FRAME_BYTES if is_whole else None,
    )  # fmt: skip


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


def _check_metadata(window: Window, chunk: Chunk) -> None:
    """Check a chunk beside the pixels, and count the bytes to which the decoder may expand it.

    EXIF may be a chunk of its own, or text in hexadecimal.
    """
    if chunk.name in COMPRESSED:
        expanded = min(chunk.length * MAX_EXPANSION, MAX_TEXT_BYTES)
        window.count("bytes of text, once expanded,", expanded, MAX_EXPANDED_BYTES)
    if chunk.name == b"eXIf":
        check_exif(window.read(chunk.at, chunk.length), window)
    elif chunk.name in (b"tEXt", b"zTXt") and window.read(chunk.at, len(EXIF_TEXT)) == EXIF_TEXT:
        text = window.read(chunk.at + len(EXIF_TEXT), chunk.length - len(EXIF_TEXT))
        with suppress(ValueError, zlib.error):  # which the decoder meets, too
            if chunk.name == b"zTXt":
                text = zlib.decompressobj().decompress(text[1:], MAX_TEXT_BYTES)
            window.count("digits of EXIF", len(text), MAX_TEXT_BYTES)
            lines = text.decode("latin-1").split("\n")[3:]
            check_exif(bytes.fromhex("".join(lines)), window)


def read_text(window: Window, max_bytes: int) -> tuple[dict[str, str], int]:
    """Return the texts by their names, as many as fit, and how many bytes are left out.

    Those that cannot be read are skipped.
    """
    texts: dict[str, str] = {}
    left_out = 0
    for chunk in iterate_chunks(window):
        if chunk.name not in TEXTS:
            continue
        with suppress(ValueError, zlib.error):
            name, value = _split_text(chunk.name, window.read(chunk.at, chunk.length))
            if len(name) + len(value) > max_bytes:
                left_out += len(name) + len(value)
            elif name:
                texts[name.decode("latin-1")] = value.decode(TEXTS[chunk.name])
                max_bytes -= len(name) + len(value)
    return texts, left_out


def _split_text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Return the name of a text and its bytes, expanded as far as the decoder does."""
    name, value = content.split(b"\0", 1)
    is_compressed = kind == b"zTXt"
    if is_compressed:
        value = value[1:]
    elif kind == b"iTXt":
        is_compressed = value[:1] != b"\0"
        value = value[2:].split(b"\0", 2)[2] if value.count(b"\0", 2) > 1 else b""
    if is_compressed:
        value = zlib.decompressobj().decompress(value, MAX_TEXT_BYTES)
    return name, value
