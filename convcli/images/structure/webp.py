"""The chunks of WebP (RFC 9649, 2), whose decoder takes the whole file and a canvas when opened."""

from __future__ import annotations

import struct

from convcli.arithmetic.values import Pair
from convcli.images.structure import MAX_FRAMES, MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.tiff import check_exif

MAX_CHUNKS = 100_000  # and one for each kilobyte
RIFF_BYTES, HEADER_BYTES = 12, 8  # of the file, and of a chunk
PIXELS = (b"VP8 ", b"VP8L", b"ANMF", b"ALPH")


def read_structure(window: Window) -> Structure:
    """Walk the chunks to the end of the file."""
    size: Pair | None = None
    frames, chunks, metadata, at = 0, 0, 0, RIFF_BYTES
    limit = MAX_CHUNKS + window.size // 1000
    while len(start := window.read(at, HEADER_BYTES)) == HEADER_BYTES:
        name, length = struct.unpack("<4sI", start)
        at += HEADER_BYTES
        chunks += 1
        if chunks > limit:
            raise window.excess(chunks, limit, "chunks")
        size = size or _read_size(name, window.read(at, 10))
        frames += name == b"ANMF"
        if frames > MAX_FRAMES:
            raise window.excess(frames, MAX_FRAMES, "frames")
        if name not in PIXELS:
            size_in_file = min(length, window.size)
            metadata = window.count("bytes of metadata", size_in_file, MAX_METADATA_BYTES)
        if name == b"EXIF":
            check_exif(window.read(at, length), window)
        at += length + length % 2
    sizes = () if size is None else (size,) * max(frames, 1)
    end = HEADER_BYTES + int.from_bytes(window.read(4, 4), "little")
    return Structure(sizes, metadata, 2 * window.size + 2 * metadata, end=end)


def _read_size(name: bytes, content: bytes) -> Pair | None:
    """Return the size that a chunk gives to the canvas."""
    if len(content) < 10:
        return None
    if name == b"VP8X":
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (4, 7))
        return height, width
    if name == b"VP8L":
        bits = int.from_bytes(content[1:5], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", content[6:10])
        return height & 0x3FFF, width & 0x3FFF
    return None
