"""The header of TGA, which has no signature (Truevision TGA file format specification, 2.0).

A file is taken for one if its header makes sense, and it has the footer of version 2 or a name that
says so.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from convcli.files.paths import suffix_of
from convcli.images.formats import FORMATS
from convcli.images.structure import Structure, Window
from convcli.records import NamedTuple

HEADER_BYTES, FOOTER_BYTES = 18, 18
FOOTER = b"TRUEVISION-XFILE.\0"
MAPPED, COLORS, GRAY = 1, 2, 3  # kinds of pixels
EXTENSION_BYTES = 495
RUNS = 8  # is added to the kind if they are run-length encoded
BITS = {MAPPED: (8,), COLORS: (16, 24, 32), GRAY: (8, 16)}  # of a pixel
MAP_BITS = (16, 24, 32)  # of a color in a map
_HEADER = struct.Struct("<3B2HB4H2B")


class Header(NamedTuple):
    """The fields of a header, as they are stored."""

    id_bytes: int
    has_map: int
    kind: int
    map_start: int
    map_length: int
    map_bits: int
    left: int
    bottom: int
    width: int
    height: int
    bits: int
    flags: int

    @property
    def pixel_bytes(self) -> int:
        """The bytes of all pixels that are not encoded by runs."""
        return self.width * self.height * ((self.bits + 7) // 8)


def may_start(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a header, as far as they are there."""
    return len(start) > 2 and start[1] in (0, 1) and start[2] & ~RUNS in BITS


def is_tga(window: Window) -> bool:
    """Whether a file is one, by its header, and by its footer or the suffix of its name."""
    content = window.read(0, HEADER_BYTES)
    if len(content) < HEADER_BYTES:
        return False
    header = Header(*_HEADER.unpack(content))
    kind = header.kind & ~RUNS
    if header.has_map not in (0, 1) or kind not in BITS or header.bits not in BITS[kind]:
        return False
    if kind == MAPPED and not (header.has_map and header.map_length):
        return False
    if header.has_map and header.map_bits not in MAP_BITS:
        return False
    if not header.width or not header.height or header.flags & 0xC0:
        return False
    is_named = suffix_of(window.path) in FORMATS["TGA"].suffixes
    return is_named or window.read(max(window.size - FOOTER_BYTES, 0), FOOTER_BYTES) == FOOTER


def read_structure(window: Window) -> Structure:
    """Read the header; of runs, the memory that they take without being encoded counts."""
    header = Header(*_HEADER.unpack(window.read(0, HEADER_BYTES)))
    held = header.pixel_bytes if header.kind & RUNS else 0
    return Structure(((header.height, header.width),), held_bytes=held)


def without_runs(stream: BinaryIO) -> BinaryIO:
    """Return a file without run-length encoding, as its decoder takes no runs over several rows.

    A file that ends early does so in what is returned, too.
    """
    content = stream.read()
    stream.seek(0)
    header = Header(*_HEADER.unpack_from(content))
    if not header.kind & RUNS:
        return stream
    step, total = (header.bits + 7) // 8, header.pixel_bytes
    at = (
        HEADER_BYTES + header.id_bytes + header.has_map * header.map_length * (header.map_bits // 8)
    )
    plain = bytearray(_HEADER.pack(*header._replace(kind=header.kind & ~RUNS)))
    plain += content[HEADER_BYTES:at]
    end = len(plain) + total
    while len(plain) < end and at + step < len(content):
        count = (content[at] & 0x7F) + 1
        if content[at] & 0x80:
            plain += content[at + 1 : at + 1 + step] * count
            at += 1 + step
        else:
            plain += content[at + 1 : at + 1 + count * step]
            at += 1 + count * step
    is_whole = len(plain) >= end
    del plain[end:]
    if is_whole and content.endswith(FOOTER):
        # What alpha means is said in an extension, whose place is said in the footer.
        (place,) = struct.unpack_from("<I", content, len(content) - FOOTER_BYTES - 8)
        extension = content[place : place + EXTENSION_BYTES] if place else b""
        plain += extension + struct.pack("<II", end if extension else 0, 0) + FOOTER
    return BytesIO(plain)
