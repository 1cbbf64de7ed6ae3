"""Files of AVIF, HEIC, JPEG 2000, JPEG XL and TGA that are headers alone, and ask for much."""

from __future__ import annotations

import struct


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def bits(*fields: tuple[int, int]) -> bytes:
    """Numbers and how many bits each has, the highest bit first, filled up to whole bytes."""
    text = "".join(f"{value:0{count}b}" for value, count in fields)
    text = text.ljust(-(-len(text) // 8) * 8, "0")
    return int(text, 2).to_bytes(len(text) // 8)


def av1_header(side: int) -> bytes:
    """A unit with the sequence header of a still picture (AV1, 5.5)."""
    header = bits((0, 3), (1, 1), (1, 1), (0, 5), (15, 4), (15, 4), (side - 1, 16), (side - 1, 16))
    return bytes([1 << 3 | 2, len(header)]) + header


def hevc_header(side: int) -> bytes:
    """A parameter set with its length (H.265, 7.3.2.2), without what keeps it from looking so."""

    def golomb(value: int) -> tuple[int, int]:
        return value + 1, 2 * (value + 1).bit_length() - 1

    profile = [(0x5A5A5A5A, 32)] * 3
    fields = ((0, 4), (0, 3), (1, 1), *profile, golomb(0), golomb(1), golomb(side), golomb(side))
    unit = b"\x42\x01" + bits(*fields)
    return struct.pack(">I", len(unit)) + unit


def heif(kind: bytes, data: bytes, *, side: int = 8, properties: bytes = b"") -> bytes:
    """A file of one item that is said to have some side."""
    item = box(b"infe", b"\2\0\0\0\0\1\0\0" + kind + b"\0")
    size = box(b"ispe", struct.pack(">III", 0, side, side))
    associations = struct.pack(">IIHBBB", 0, 1, 1, 2, 1, 2)
    parts = [
        box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
        box(b"pitm", struct.pack(">IH", 0, 1)),
        box(b"iinf", struct.pack(">IH", 0, 1) + item),
        box(b"iprp", box(b"ipco", size + properties) + box(b"ipma", associations)),
    ]
    brand = b"avif" if kind == b"av01" else b"heic"
    start = box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    place_bytes = 8 + 4 + 2 + 2 + 2 + 2 + 2 + 8
    offset = len(start) + 12 + sum(map(len, parts)) + place_bytes + 8
    places = struct.pack(">IBBHHHHII", 0, 0x44, 0, 1, 1, 0, 1, offset, len(data))
    meta = box(b"meta", bytes(4) + b"".join(parts) + box(b"iloc", places))
    return start + meta + box(b"mdat", data)


def jpeg2000(side: int, tile: int = 1 << 16) -> bytes:
    """The header of a codestream (ISO/IEC 15444-1, A.5.1)."""
    size = struct.pack(">HH8IH3B", 41, 0, side, side, 0, 0, tile, tile, 0, 0, 1, 7, 1, 1)
    return b"\xff\x4f\xff\x51" + size + bytes(99)


def jxl(side: int) -> bytes:
    """The header of a codestream (ISO/IEC 18181-1, D.2), whose lowest bits come first."""
    value = 3 << 1 | (side - 1) << 3 | 1 << 33 | 1 << 36
    return b"\xff\x0a" + value.to_bytes(5, "little") + bytes(99)


def tga(width: int, height: int) -> bytes:
    return struct.pack("<3B2HB4H2B", 0, 0, 2, 0, 0, 0, 0, 0, width, height, 24, 0)
