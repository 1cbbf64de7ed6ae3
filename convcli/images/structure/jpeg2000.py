"""JPEG 2000: the boxes of JP2 and the header of the pixels (ISO/IEC 15444-1, annexes A and I)."""

from __future__ import annotations

import struct

from convcli.errors import ImageError
from convcli.images.structure import MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.boxes import read_boxes
from convcli.records import NamedTuple

START = b"\xff\x4f\xff\x51"  # of a codestream, and of its first segment
MAX_HEADER_BYTES = 1 << 20  # of the box that describes the picture
MAX_TILES = 100_000
MAX_COMPONENTS = 16_384
_SIZE = struct.Struct(">HH8IH")


class CodestreamHeader(NamedTuple):
    """The size, (H, W), and the bits of each component, which are negative if it has a sign."""

    size: tuple[int, int]
    bits: tuple[int, ...]


def read_structure(window: Window) -> Structure:
    """Read the header of the codestream, and what stands beside it.

    Raises
    ------
    ImageError
        If there is none, or it says what none has.
    """
    at, metadata, sizes = _find_codestream(window)
    header = None if at is None else _read_codestream(window, at)
    if header is None:
        raise ImageError(window.path, "cannot be decoded: it has no whole header of its pixels")
    if sizes - {header.size}:
        raise ImageError(window.path, "cannot be decoded: its headers say different sizes")
    depths = set(map(abs, header.bits))
    if len(depths) > 1 and max(depths) > 8:
        raise ImageError(window.path, f"has components of {min(depths)} to {max(depths)} bits")
    bits = depths.pop() if len(depths) == 1 else 8
    return Structure((header.size,), metadata, window.size + 2 * metadata, bits=bits)


def _find_codestream(window: Window) -> tuple[int | None, int, set[tuple[int, ...]]]:
    """Return where the codestream is, the bytes of the other boxes, and the sizes that they say."""
    metadata, found, sizes = 0, None, set[tuple[int, ...]]()
    if window.read(0, 4) == START:  # without boxes
        return 0, 0, sizes
    for box in read_boxes(window):
        if box.name == b"jp2c":
            found = box.at if found is None else found
            continue
        metadata += min(box.size, window.size)
        if box.name == b"jp2h" and box.size > MAX_HEADER_BYTES:
            raise window.excess(box.size, MAX_HEADER_BYTES, "bytes that describe its pixels")
        if box.name == b"jp2h":
            sizes |= {
                struct.unpack(">II", window.read(one.at, 8).ljust(8, b"\0"))
                for one in read_boxes(window, box.at, box.end)
                if one.name == b"ihdr"
            }
    if metadata > MAX_METADATA_BYTES:
        raise window.excess(metadata, MAX_METADATA_BYTES, "bytes of metadata")
    return found, metadata, sizes


def _read_codestream(window: Window, at: int) -> CodestreamHeader | None:
    """Read the header of a codestream; None if it is cut off."""
    start = window.read(at + 4, _SIZE.size)
    if window.read(at, 4) != START or len(start) < _SIZE.size:
        return None
    fields = _SIZE.unpack(start)
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, count = fields[2:]
    if count > MAX_COMPONENTS or right <= left or bottom <= top or not tile_width * tile_height:
        raise ImageError(window.path, "cannot be decoded: its header makes no sense")
    across, down = -((tile_left - right) // tile_width), -((tile_top - bottom) // tile_height)
    if across * down > MAX_TILES:
        raise window.excess(across * down, MAX_TILES, "tiles")
    components = window.read(at + 4 + _SIZE.size, 3 * count)
    if len(components) < 3 * count:
        return None
    bits = tuple(
        (value & 0x7F) + 1 if value < 0x80 else -(value & 0x7F) - 1 for value in components[::3]
    )
    return CodestreamHeader((bottom - top, right - left), bits)
