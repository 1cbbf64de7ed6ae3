"""The headers of BMP and of Netpbm's formats, P1 to P6 and Pf, whose pixels follow as they are.

Pillow decodes runs of BMP and numbers in text by Python, step by step: steps without pixels count.
"""

from __future__ import annotations

import re
import struct

from convcli.errors import ImageError
from convcli.images.structure import Structure, Window

MAX_HEADER_BYTES = 1 << 20  # of Netpbm, which may be comments
MAX_COMMENTS = 10_000  # among numbers as text: each is cut out of a megabyte
MAX_RUN_BYTES = 4  # a pixel, in the worst of sensible encodings; and for each row twice that
SPARE_BYTES = 1 << 20  # that may follow runs
CORE_BYTES, INFO_BYTES = 12, (40, 52, 56, 64, 108, 124)  # headers of BMP
RUNS = (1, 2)
PLAIN = (b"P1", b"P2", b"P3")
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")  # up to the end, so that none is searched twice
# All that stands before the pixels; what follows P1 and P4's size are pixels.
_HEADER = re.compile(rb"P(?:[14]|[2356fF](?=\s+\S+\s+\S+\s+\S+\s))\s+(\d{1,10})\s+(\d{1,10})\s")


def read_structure(window: Window) -> Structure:
    """Read the header."""
    return _read_bmp(window) if window.read(0, 2) == b"BM" else _read_netpbm(window)


def _read_bmp(window: Window) -> Structure:
    """Read the size, and compare the bytes of runs with the pixels that they make."""
    start = window.read(0, 54)
    if len(start) < 18:
        return Structure()
    offset, header = struct.unpack("<II", start[10:18])
    if header == CORE_BYTES and len(start) >= 22:
        width, height = struct.unpack("<HH", start[18:22])
        return Structure(((height, width),))
    if header not in INFO_BYTES:
        raise ImageError(
            window.path, f"cannot be decoded: its BMP header of {header:,} bytes is unknown"
        )
    if len(start) < 34:
        return Structure()
    width, height, _, _, compression = struct.unpack("<IIHHI", start[18:34])
    height = (1 << 32) - height if start[25] == 0xFF else height
    if compression in RUNS:
        limit = MAX_RUN_BYTES * (width + 2) * height + SPARE_BYTES
        if window.size - offset > limit:
            raise window.excess(window.size - offset, limit, "bytes of runs")
    return Structure(((height, width),))


def _read_netpbm(window: Window) -> Structure:
    """Read the size, and count the comments among numbers that are written as text."""
    for count in (4096, MAX_HEADER_BYTES):
        start = _COMMENT.sub(b"", window.read(0, count))
        match = _HEADER.match(start)
        if match:
            break
    else:
        if window.size > MAX_HEADER_BYTES:
            raise ImageError(window.path, f"has no header in its first {MAX_HEADER_BYTES:,} bytes")
        return Structure()
    if window.read(0, 2) in PLAIN:
        comments = sum(block.count(b"#") for _, block in window.blocks(0))
        if comments > MAX_COMMENTS:
            raise window.excess(comments, MAX_COMMENTS, "comments")
    width, height = int(match[1]), int(match[2])
    return Structure(((height, width),))
