"""The header of BMP, and the bytes of its runs.

Pillow decodes runs by Python, step by step: steps without pixels count.
"""

from __future__ import annotations

import struct

from convcli.errors import ImageError
from convcli.images.structure import Structure, Window

MAX_RUN_BYTES = 4  # a pixel, in the worst of sensible encodings; and for each row twice that
SPARE_BYTES = 1 << 20  # that may follow runs
CORE_BYTES, INFO_BYTES = 12, (40, 52, 56, 64, 108, 124)  # headers of BMP
RUNS = (1, 2)


def read_structure(window: Window) -> Structure:
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
    file_bytes = struct.unpack("<I", start[2:6])[0]
    return Structure(((height, width),), end=file_bytes if file_bytes > offset else None)
