"""A TIFF of one page in memory, of what is needed to decode it, for Pillow and libtiff.

They see neither the other pages of a file nor any tag that says something else.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate

from convcli.images.tiff.directory import (
    STRIP_OFFSETS,
    STRIP_SIZES,
    TILE_OFFSETS,
    TILE_SIZES,
)

BYTES, SHORT, LONG = 7, 3, 4  # types of values
FORMS = {SHORT: "H", LONG: "I"}


def encode_page(
    order: str,
    tags: Mapping[int, Sequence[int] | bytes],
    segments: Sequence[bytes],
    *,
    is_tiled: bool = False,
) -> bytes:
    """Return a TIFF of one page.

    Parameters
    ----------
    order : {"<", ">"}
        The byte order, of the segments too.
    tags : mapping
        Whole numbers or bytes by tag.
    segments : sequence of bytes
        The strips or tiles as they are stored.
    is_tiled : bool
        Which of them they are.
    """
    names = (TILE_OFFSETS, TILE_SIZES) if is_tiled else (STRIP_OFFSETS, STRIP_SIZES)
    sizes = [len(segment) for segment in segments]
    count = len(tags) + 2
    after = 8 + 2 + 12 * count + 4  # the header, the directory
    lengths = [_length(value) for value in tags.values()]
    after += sum(length + length % 2 for length in (*lengths, 4 * len(sizes), 4 * len(sizes)))
    offsets = list(accumulate(sizes[:-1], initial=after))
    entries = {**tags, names[0]: offsets, names[1]: sizes}
    directory, values = b"", b""
    position = 8 + 2 + 12 * count + 4
    for name, value in sorted(entries.items()):
        kind = _type(name, value)
        content = value if isinstance(value, bytes) else _pack(order, kind, value)
        directory += struct.pack(f"{order}HHI", name, kind, len(value))
        if len(content) <= 4:
            directory += content.ljust(4, b"\0")
        else:
            directory += struct.pack(f"{order}I", position + len(values))
            values += content + bytes(len(content) % 2)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    head = start + struct.pack(f"{order}H", count) + directory + bytes(4) + values
    return b"".join([head.ljust(after, b"\0"), *segments])


def _type(name: int, value: Sequence[int] | bytes) -> int:
    if isinstance(value, bytes):
        return BYTES
    is_place = name in (STRIP_OFFSETS, STRIP_SIZES, TILE_OFFSETS, TILE_SIZES)
    return LONG if is_place or max(value, default=0) >= 1 << 16 else SHORT


def _length(value: Sequence[int] | bytes) -> int:
    return len(value) * (1 if isinstance(value, bytes) else 4)


def _pack(order: str, kind: int, value: Sequence[int]) -> bytes:
    return struct.pack(f"{order}{len(value)}{FORMS[kind]}", *value)
