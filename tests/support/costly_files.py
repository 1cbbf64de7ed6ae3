"""Small files that ask a decoder for much: time, memory, or output far beyond their own size."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeAlias

from support.hostile_cases import chunk, npy, png

Entry: TypeAlias = tuple[int, int, int, bytes]  # tag, type, count, value or offset

SHORT, LONG, RATIONAL, ASCII, UNDEFINED = 3, 4, 5, 2, 7
MEGABYTE = 1 << 20
FULL = 65_533  # the most bytes of a segment of JPEG


# Directories of TIFF and EXIF


def entry(tag: int, kind: int, count: int, value: int | bytes) -> bytes:
    packed = value if isinstance(value, bytes) else struct.pack("<I", value)
    return struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")


def directory(entries: Sequence[bytes], following: int = 0) -> bytes:
    return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


def exif(entries: Sequence[bytes], values: bytes = b"") -> bytes:
    """An EXIF block; its values start after 8 + 6 + 12 bytes for each of the entries."""
    return b"II*\0\x08\0\0\0" + directory(entries) + values


def exif_of_fractions(count: int) -> bytes:
    return exif([entry(0x011A, RATIONAL, count, 26)], struct.pack("<II", 355, 113) * count)


def camera_of_fractions(count: int) -> bytes:
    """A directory of EXIF's that stands at byte 8 of a file."""
    return directory([entry(0x829A, RATIONAL, count, 26)]) + struct.pack("<II", 1, 3) * count


def exif_of_one_value(tags: int, size: int) -> bytes:
    """Many tags, each with all of the same bytes as its value."""
    at = 14 + 12 * tags
    return exif([entry(0x9000 + n, UNDEFINED, size, at) for n in range(tags)], bytes(size))


def tiff_page(
    width: int = 8, height: int = 6, *, offset: int, extra: Sequence[bytes] = (), following: int = 0
) -> bytes:
    """A directory of a gray page of 8 bits, whose one strip is anywhere."""
    numbers = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, offset), (277, 1))
    entries = [entry(tag, LONG, 1, value) for tag, value in numbers]
    return directory([*extra, *entries, entry(279, LONG, 1, width * height)], following)


def tiff_chain(
    count: int,
    *,
    size: tuple[int, int] = (1, 1),
    last: int = 0,
    values: bytes = b"",
    extra: Sequence[bytes] = (),
) -> bytes:
    """Pages of (W, H), one after another; the last goes on at an offset. Values start at 8."""
    page = tiff_page(*size, offset=8, extra=extra)
    at = 8 + len(values)
    following = (*(at + n * len(page) for n in range(1, count)), last)
    pages = (page[:-4] + struct.pack("<I", offset) for offset in following)
    return b"II*\0" + struct.pack("<I", at) + values + b"".join(pages)


def tiff_shared(
    compression: int, count: int, size: int, *, photometric: int = 1, is_damaged: bool = False
) -> bytes:
    """A page of strips of one row, each of which names the same bytes, more than it needs."""
    row = bytes(8)
    data = {
        1: row,
        5: bytes.fromhex("8000000000000000000202"),  # codes of 9 bits: clear, eight zeros, end
        8: zlib.compress(row),
        32773: b"\7" if is_damaged else b"\xf9\0",  # eight bytes follow, or are one repeated
    }[compression].ljust(size, b"\0")
    offsets, sizes = (struct.pack("<I", value) * count for value in (8, size))
    palette = bytes(3 * 256 * 2)
    at = 8 + len(data)
    numbers = (
        *((256, 1, 8), (257, 1, count), (258, 1, 8), (259, 1, compression)),
        *((262, 1, photometric), (273, count, at), (277, 1, 1), (278, 1, 1)),
        (279, count, at + len(offsets)),
    )
    entries = [entry(tag, LONG, many, value) for tag, many, value in numbers]
    entries.append(entry(320, SHORT, 3 * 256, at + 2 * len(offsets)))
    values = data + offsets + sizes + palette
    return b"II*\0" + struct.pack("<I", 8 + len(values)) + values + directory(entries)


def tiff_old_jpeg(count: int) -> bytes:
    """Pages of JPEG of the old style, all of one picture."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (9, 99, 199)).save(stream, "JPEG", subsampling=0)
    data = stream.getvalue() + bytes(len(stream.getvalue()) % 2)
    bits = 8 + len(data)
    start = bits + 6
    numbers = ((256, 16), (257, 16), (259, 6), (262, 6), (273, 8), (277, 3), (278, 16))
    entries = [entry(tag, LONG, 1, value) for tag, value in numbers]
    entries.insert(2, entry(258, SHORT, 3, bits))
    size = len(stream.getvalue())
    entries += [entry(279, LONG, 1, size), entry(513, LONG, 1, 8), entry(514, LONG, 1, size)]
    entries.append(entry(530, SHORT, 2, struct.pack("<HH", 1, 1)))
    step = len(directory(entries))
    pages = (directory(entries, (start + (n + 1) * step) * (n < count - 1)) for n in range(count))
    head = b"II*\0" + struct.pack("<I", start) + data + struct.pack("<3H", 8, 8, 8)
    return head + b"".join(pages)


def tiff_of_sizes(sizes: Sequence[tuple[int, int]]) -> bytes:
    """Pages of different sizes, deflated; all of one value."""
    from PIL import Image

    first, *others = (Image.new("L", size, 9) for size in sizes)
    stream = io.BytesIO()
    first.save(
        stream, "TIFF", save_all=True, append_images=others, compression="tiff_adobe_deflate"
    )
    return stream.getvalue()


# JPEG


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(
    *, start: bytes = b"", side: int = 16, progressive: bool = False, scans: bytes = b""
) -> bytes:
    """A picture with bytes before its other segments, and scans after its own."""
    content = plain_jpeg(side, is_progressive=progressive)
    return content[:2] + start + content[2:-2] + scans + content[-2:]


@cache
def plain_jpeg(side: int, *, is_progressive: bool) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (side, side), (9, 99, 199)).save(stream, "JPEG", progressive=is_progressive)
    return stream.getvalue()


def jpeg_exif(block: bytes) -> bytes:
    """A picture with an EXIF block, in as many segments as it needs."""
    size = FULL - 6
    parts = (block[at : at + size] for at in range(0, len(block), size))
    return jpeg(start=b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts))


# A scan of one coefficient of the first component: every block is visited, and none is changed.
REFINEMENT = segment(0xDA, bytes((1, 1, 0, 1, 63, 0x10)))


def jpeg_sequential(scans: int, side: int) -> bytes:
    """A picture of one component a scan, the scans repeated."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (side, side)).save(stream, "JPEG", subsampling=0)
    content = stream.getvalue()
    start = content[: content.index(b"\xff\xda")]
    one = segment(0xDA, bytes((1, 1, 0, 0, 63, 0)))
    return start + one * scans + b"\xff\xd9"


def mpo(count: int, side: int) -> bytes:
    """A JPEG with an index of further pictures, all of them the same header that claims a size."""
    frame = struct.pack(">BHHB", 8, side, side, 1) + bytes((1, 0x11, 0))
    second = b"\xff\xd8" + segment(0xC0, frame) + segment(0xDA, bytes((1, 1, 0, 0, 63, 0)))
    return mpo_repeated(count, second)


def mpo_repeated(count: int, second: bytes) -> bytes:
    """A JPEG with an index of further pictures, all of them the same one."""
    size = 16 * count
    plain = jpeg(start=segment(0xE2, b"MPF\0" + bytes(8 + 2 + 24 + 4 + size)))
    offset = len(plain) - (2 + 4 + 4)  # counted from the index itself
    entries = struct.pack("<LLLHH", 0x030000, len(plain), 0, 0, 0)
    entries += struct.pack("<LLLHH", 0, len(second), offset, 0, 0) * (count - 1)
    index = exif([entry(0xB001, LONG, 1, count), entry(0xB002, UNDEFINED, size, 38)], entries)
    return jpeg(start=segment(0xE2, b"MPF\0" + index)) + second


# GIF


def gif(frames: Sequence[bytes], size: tuple[int, int] = (8, 8), *, end: bytes = b";") -> bytes:
    screen = struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(3) + b"\xff\xff\xff"
    return b"GIF89a" + screen + b"".join(frames) + end


# 64 pixels of color 0, as codes of 9 bits: a clear one, growing runs, and the end.
SMALL_FRAME = bytes.fromhex("0f0001081c48b0a0c18308132a4c181000")


def gif_frame(
    width: int = 8, height: int = 8, *, disposal: int = 0, data: bytes = SMALL_FRAME
) -> bytes:
    """A frame with the data of 64 pixels, unless others are given."""
    control = b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2, 1, 0, 0)
    descriptor = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return control + descriptor + b"\x08" + data


def gif_of_noise(width: int, height: int) -> Callable[[Path], None]:
    """A valid picture that no compression makes smaller."""

    def make(path: Path) -> None:
        import numpy as np
        from PIL import Image

        noise = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
        Image.fromarray(noise).save(path, "GIF")

    return make


# WebP


@cache  # many of a file are the same
def riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(itertools.starmap(riff_chunk, chunks))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_canvas(width: int, height: int, flags: int = 2) -> tuple[bytes, bytes]:
    def three(number: int) -> bytes:
        return (number - 1).to_bytes(3, "little")

    return b"VP8X", bytes((flags, 0, 0, 0)) + three(width) + three(height)


def webp_frame() -> tuple[bytes, bytes]:
    """A frame of one pixel."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "WEBP", lossless=True)
    return b"ANMF", bytes(6) + bytes(6) + b"\x64\0\0" + b"\0" + stream.getvalue()[12:]


ANIMATION = (b"ANIM", bytes(6))


def webp_still(*extra: tuple[bytes, bytes], flags: int = 0) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(stream, "WEBP", lossless=True)
    content = stream.getvalue()
    pixels = content[12:16], content[20 : 20 + struct.unpack("<I", content[16:20])[0]]
    return riff(webp_canvas(8, 8, flags), pixels, *extra)


# PNG


def apng(frames: int, side: int, *, claimed: int | None = None, later: int = 1) -> bytes:
    """An animation of frames of one pixel, or of what they claim, on a large canvas."""
    data = zlib.compress(b"".join(bytes(1 + side) for _ in range(side)), 9)
    pixel = zlib.compress(b"\0\x07")
    parts = [chunk(b"acTL", struct.pack(">II", frames if claimed is None else claimed, 0))]
    number = 0
    for index in range(frames):
        size = side if index == 0 else later
        control = struct.pack(">IIIIIHHBB", number, size, size, 0, 0, 1, 10, 0, 0)
        parts.append(chunk(b"fcTL", control))
        number += 1
        if index == 0:
            parts.append(chunk(b"IDAT", data))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + pixel))
            number += 1
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + b"".join(parts) + chunk(b"IEND", b"")


def png_text(kind: bytes, start: bytes, count: int, size: int = MEGABYTE) -> bytes:
    """A picture with many compressed chunks that expand to as much as is allowed each."""
    packed = zlib.compress(b"a" * size, 9)
    return png(extra=chunk(kind, start + packed) * count)


def png_exif_text(block: bytes, *, packed: int = 0) -> bytes:
    """A picture with EXIF as text in hexadecimal, as ImageMagick writes it; or many, compressed."""
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    if packed:
        text = b"\0" + zlib.compress(text, 9)
    kind = b"zTXt" if packed else b"tEXt"
    return png(extra=chunk(kind, b"Raw profile type exif\0" + text) * max(packed, 1))


# Bitmaps


def bmp_runs(width: int, height: int, runs: bytes) -> bytes:
    palette = b"".join(bytes((gray, gray, 0, 0)) for gray in range(256))
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = struct.pack("<IHHI", 54 + 1024 + len(runs), 0, 0, 54 + 1024)
    return b"BM" + start + info + palette + runs


def npy_row(count: int) -> Callable[[Path], None]:
    """A grid of one row of bytes, which takes no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(npy(f"(1, {count})", kind="'|u1'"))
            stream.truncate(stream.tell() + count)

    return make


def sparse(size: int, start: bytes) -> Callable[[Path], None]:
    """A file of zeros after a start, which takes no room on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as stream:
            stream.write(start)
            stream.truncate(size)

    return make
