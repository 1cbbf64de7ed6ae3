"""The blocks of GIF (GIF89a specification, 17 to 26), as Pillow meets them."""

from __future__ import annotations

import struct

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.structure import (
    MAX_FRAMES,
    MAX_METADATA_BYTES,
    MAX_STRAY_BYTES,
    Structure,
    Window,
)

MAX_BLOCKS = 1_000_000  # and one for each hundred bytes: encoders fill them with 255
SCREEN_BYTES, DESCRIPTOR_BYTES = 13, 9
HAS_TABLE, TABLE_SIZE = 0x80, 7
XMP_START = b"\xff\x0bXMP DataXMP"
XMP_TRAILER_BYTES = 258  # after a packet, which is not divided into blocks
EXTENSION, DESCRIPTOR, TRAILER = b"!", b",", b";"


def read_structure(window: Window) -> Structure:
    """Walk the blocks up to the trailer, the end of the file, or too much junk after a frame.

    A frame that reaches beyond the screen enlarges the canvas of all that follow.
    """
    start = window.read(0, SCREEN_BYTES)
    if len(start) < SCREEN_BYTES:
        return Structure()
    size: Pair = struct.unpack("<HH", start[6:10])[::-1]
    at = SCREEN_BYTES + _table_bytes(start[10])
    blocks = _Blocks(window)
    sizes: list[Pair] = []
    metadata = stray = 0
    xmp: Pair | None = None
    while (kind := window.read(at, 1)) not in (TRAILER, b""):
        at += 1
        if kind == EXTENSION:
            end = blocks.skip(at + 1)
            if window.read(at, len(XMP_START)) == XMP_START:
                first = at + len(XMP_START)
                xmp = first, max(end - XMP_TRAILER_BYTES - first, 0)
            metadata, at = metadata + end - at, end
        elif kind == DESCRIPTOR:
            size, at = _read_frame(window, at, size, len(sizes))
            sizes.append(size)
            at = blocks.skip(at)
        else:
            stray += 1
            if stray > MAX_STRAY_BYTES and sizes:
                break
        if stray > MAX_STRAY_BYTES:
            raise window.excess(stray, MAX_STRAY_BYTES, "bytes of junk before its first frame")
        if metadata > MAX_METADATA_BYTES:
            raise window.excess(metadata, MAX_METADATA_BYTES, "bytes of extensions")
    is_whole = kind == TRAILER
    return Structure(
        tuple(sizes), metadata, 2 * metadata, end=at + len(TRAILER) if is_whole else None, xmp=xmp
    )


def _read_frame(window: Window, at: int, size: Pair, index: int) -> tuple[Pair, int]:
    """Return the canvas that a frame makes of one of some size, and where its data start."""
    content = window.read(at, DESCRIPTOR_BYTES)
    if len(content) < DESCRIPTOR_BYTES:
        raise ImageError(window.path, f"ends within the header of frame {index}")
    if index >= MAX_FRAMES:
        raise window.excess(index + 1, MAX_FRAMES, "frames")
    left, top, width, height, flags = struct.unpack("<HHHHB", content)
    canvas = max(size[0], top + height), max(size[1], left + width)
    return canvas, at + DESCRIPTOR_BYTES + _table_bytes(flags) + 1


def _table_bytes(flags: int) -> int:
    """Return the bytes of the color table that a screen's or a frame's flags say."""
    return 3 << ((flags & TABLE_SIZE) + 1) if flags & HAS_TABLE else 0


class _Blocks:
    """The blocks of data of a file, counted."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._count = 0
        self._limit = MAX_BLOCKS + window.size // 100

    def skip(self, at: int) -> int:
        """Return the position after the blocks of data that start at one."""
        window = self._window
        while size := window.read(at, 1):
            at += 1 + size[0]
            self._count += 1
            if self._count > self._limit:
                raise window.excess(self._count, self._limit, "blocks of data")
            if not size[0]:
                break
        return at
