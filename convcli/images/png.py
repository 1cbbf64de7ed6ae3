"""PNG, written in parts by as many threads as there are.

Most of the time of filtering a photograph goes into its compression. A part is some rows: filtered
by the row above or the pixel to the left, and deflated by itself, which zlib does beside other
threads. The parts are chunks of one stream (PNG specification, third edition; RFC 1950 and 1951).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np

from convcli.images import Values
from convcli.parallel import get_threads, parallel_for

Chunk: TypeAlias = tuple[bytes, bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PART_BYTES = 1 << 20  # of rows that are deflated together: their text costs 0.1 % of it at most
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by the number of channels
SUB, UP = 1, 2  # filters of a row
ADLER_BASE = 65_521
ZLIB_HEADER = b"\x78\x01"  # a window of 32 kB, compressed fast


def write_png(
    stream: BinaryIO, pixels: Values, chunks: Sequence[Chunk] = (), level: int | None = None
) -> None:
    """Encode gray or RGB pixels, alpha last where there is one.

    Parameters
    ----------
    stream : binary file
    pixels : ndarray of uint8 or uint16, (H, W, C)
    chunks : sequence of (name, content)
        What stands between the header and the pixels.
    level : int, optional
        zlib's, 0 to 9. Where left out, only runs are looked for: a photograph comes out about a
        tenth larger than with level 6, in a quarter of its time (tests/benchmarks has the rows).

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> write_png(stream, np.zeros((2, 3, 1), np.uint8))
    >>> stream.getvalue()[12:16], len(stream.getvalue())
    (b'IHDR', 73)
    """
    height, width, channels = pixels.shape
    header = struct.pack(
        ">IIBBBBB", width, height, 8 * pixels.itemsize, COLOR_TYPES[channels], 0, 0, 0
    )
    stream.write(SIGNATURE)
    stream.writelines(chunk(name, content) for name, content in ((b"IHDR", header), *chunks))
    _write_parts(stream, pixels, level)
    stream.write(chunk(b"IEND", b""))


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    checksum = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _write_parts(stream: BinaryIO, pixels: Values, level: int | None) -> None:
    """Deflate as many parts at once as keep the threads busy, and write them in their order."""
    height = len(pixels)
    step = max(PART_BYTES // max(pixels[0].nbytes, 1), 1)
    starts = range(0, height, step)
    made: dict[int, _Part] = {}

    def deflate(start: int) -> None:
        made[start] = _deflate(pixels, slice(start, min(start + step, height)), level)

    checksum, at_once = 1, 2 * get_threads()
    for first in range(0, len(starts), at_once):
        group = starts[first : first + at_once]
        parallel_for(lambda: deflate, group)
        for start in group:
            part = made.pop(start)
            checksum = combine_adler32(checksum, part.checksum, part.length)
            before = ZLIB_HEADER if start == 0 else b""
            after = struct.pack(">I", checksum) if start + step >= height else b""
            stream.write(chunk(b"IDAT", before + part.content + after))


def filter_rows(pixels: Values, start: int, stop: int) -> Values:
    """Rows of a PNG: each its filter, then its differences from what that filter foretells.

    Of the pixel to the left and the one above, a row takes what leaves the smaller sum of
    differences (the specification's own advice, 12.7).

    >>> filter_rows(np.array([[[5], [5]], [[9], [1]]], np.uint8), 0, 2).tolist()
    [[1, 5, 0], [2, 4, 252]]
    """
    rows = _bytes(pixels[max(start - 1, 0) : stop])
    above = rows[:-1] if start else np.concatenate([np.zeros_like(rows[:1]), rows[:-1]])
    own = rows[1:] if start else rows
    apart = pixels.shape[2] * pixels.itemsize  # from the same byte of the pixel to the left
    found = np.empty((2, len(own), 1 + own.shape[1]), np.uint8)
    found[0, :, 0], found[1, :, 0] = SUB, UP
    found[0, :, 1 : 1 + apart] = own[:, :apart]
    np.subtract(own[:, apart:], own[:, :-apart], out=found[0, :, 1 + apart :])
    np.subtract(own, above, out=found[1, :, 1:])
    sizes = np.abs(found[:, :, 1:].view(np.int8)).view(np.uint8).sum(axis=2, dtype=np.uint32)
    nearer_above = sizes[1] < sizes[0]
    found[0, nearer_above] = found[1, nearer_above]
    rows_filtered: Values = found[0]
    return rows_filtered


def combine_adler32(first: int, second: int, length: int) -> int:
    """Adler-32 of two parts from those of each; `length` is the second's (RFC 1950, 8.2).

    >>> combine_adler32(zlib.adler32(b"im2"), zlib.adler32(b"col"), 3) == zlib.adler32(b"im2col")
    True
    """
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)
    return (high % ADLER_BASE) << 16 | low % ADLER_BASE


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows deflated; the checksum and length of what they were."""

    content: bytes
    checksum: int
    length: int


def _deflate(pixels: Values, span: slice, level: int | None) -> _Part:
    rows = filter_rows(pixels, span.start, span.stop).tobytes()
    strategy = zlib.Z_RLE if level is None else zlib.Z_DEFAULT_STRATEGY
    deflate = zlib.compressobj(
        1 if level is None else level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy
    )
    ending = zlib.Z_FINISH if span.stop == len(pixels) else zlib.Z_SYNC_FLUSH
    return _Part(deflate.compress(rows) + deflate.flush(ending), zlib.adler32(rows), len(rows))


def _bytes(rows: Values) -> Values:
    """(H, bytes): most significant first."""
    ordered = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder(">"), copy=False))
    return ordered.reshape(len(rows), -1).view(np.uint8)
