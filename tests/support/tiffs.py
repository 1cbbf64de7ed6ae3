"""TIFFs of any layout, byte by byte: right ones that no library writes, and hostile ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Values = int | Sequence[int] | bytes

# The type that each tag is written with; others are SHORT, or LONG where that is needed.
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, LONG8 = 2, 3, 4, 5, 7, 16
TYPES = {
    330: LONG,
    270: ASCII,
    305: ASCII,
    282: RATIONAL,
    283: RATIONAL,
    347: UNDEFINED,
    34675: UNDEFINED,
}
FORMS = {SHORT: "H", LONG: "I", LONG8: "Q", RATIONAL: "I"}


FIRST = -1  # in place of the first segment's position


class Page(NamedTuple):
    """A page: its tags, and its strips or tiles."""

    tags: Mapping[int, Values]
    segments: Sequence[bytes]


def page(height: int, width: int, data: bytes | Sequence[bytes], **tags: Values) -> Page:
    """A page of 8-bit gray in one strip, unless tags such as `t258=16` say something else."""
    segments = [data] if isinstance(data, bytes) else list(data)
    usual: dict[int, Values] = {
        256: width,
        257: height,
        258: 8,
        259: 1,
        262: 1,
        277: 1,
        278: height,
    }
    return Page(usual | {int(name[1:]): value for name, value in tags.items()}, segments)


def tiff(*pages: Page, order: str = "<", is_big: bool = False) -> bytes:
    """A file of pages, in either byte order."""
    place, width = (16, 8) if is_big else (8, 4)
    form = "Q" if is_big else "I"
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(f"{order}HHH", 43, 8, 0) if is_big else struct.pack(f"{order}H", 42)
    content = mark + header + struct.pack(f"{order}{form}", place)
    for index, each in enumerate(pages):
        is_tiled = 322 in each.tags
        extents = (324, 325) if is_tiled else (273, 279)
        count = len(each.tags.keys() | set(extents))
        counter, entry = (8, 20) if is_big else (2, 12)
        after = len(content) + counter + entry * count + width
        data = bytearray()
        offsets = []
        for segment in each.segments:
            data += bytes(len(data) % 2)
            offsets.append(after + len(data))
            data += segment
        tags: dict[int, Any] = {extents[0]: offsets, extents[1]: [*map(len, each.segments)]}
        # The old style of JPEG says again, in a tag of its own, where the stream is.
        tags |= {name: offsets[0] if value == FIRST else value for name, value in each.tags.items()}
        directory = b""
        for name, value in sorted(tags.items()):
            kind, number, packed = _pack(name, value, order, is_big)
            directory += struct.pack(f"{order}HH{form}", name, kind, number)
            if len(packed) > width:
                data += bytes(len(data) % 2)
                directory += struct.pack(f"{order}{form}", after + len(data))
                data += packed
            else:
                directory += packed.ljust(width, b"\0")
        data += bytes(len(data) % 2)
        following = after + len(data) if index < len(pages) - 1 else 0
        content += struct.pack(f"{order}{'Q' if is_big else 'H'}", count) + directory
        content += struct.pack(f"{order}{form}", following) + bytes(data)
    return content


def _pack(name: int, value: Values, order: str, is_big: bool) -> tuple[int, int, bytes]:
    """The type of a tag's values, their number, and their bytes."""
    if isinstance(value, bytes):
        return TYPES.get(name, UNDEFINED), len(value), value
    values = [value] if isinstance(value, int) else list(value)
    largest = LONG8 if is_big and name in (273, 279, 324, 325) else LONG
    kind = TYPES.get(name, SHORT if max(values, default=0) < 1 << 16 else largest)
    count = len(values) // 2 if kind == RATIONAL else len(values)
    return kind, count, struct.pack(f"{order}{len(values)}{FORMS[kind]}", *values)
