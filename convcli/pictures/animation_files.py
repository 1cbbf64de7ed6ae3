"""Files of animations, GIF, APNG and WebP, written frame by frame: only two are held at a time.

Of each frame the part that differs from the one before is written, and a frame that does not differ
prolongs it. Sources: the GIF89a specification, the third edition of the PNG specification, and the
container specification of WebP (RFC 9649).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

from convcli.engine.arrays import Array
from convcli.records import NamedTuple

MAX_GIF_DELAY = 65_535  # hundredths of a second
MAX_PNG_PART = 65_535  # of the numerator and the denominator of a delay in seconds
KEEP, CLEAR_AFTER = 1, 2  # what a GIF does with a frame before the next
PNG_START = b"\x89PNG\r\n\x1a\n"
WEBP_ANIMATION, WEBP_ALPHA, WEBP_REPLACE = 0x02, 0x10, 0x02
WEBP_EFFORT = {"method": 4, "quality": 50}  # more takes long, and saves little


class Part(NamedTuple):
    """The part of a frame that is written, and how long it is shown.

    Parameters
    ----------
    left, top : int
    pixels : ndarray of uint8, (h, w) of indices or (h, w, channels)
    duration_ms : int
    """

    left: int
    top: int
    pixels: Array
    duration_ms: int


class Colors(NamedTuple):
    """The colors of indices, (n, 3) of uint8, and the index that is transparent, if any is."""

    colors: Array
    clear: int | None = None


def find_changes(
    frames: Iterable[tuple[Array, int]],
    *,
    step: int = 1,
    unchanged: int | None = None,
    clear: int | None = None,
) -> Iterator[Part]:
    """Yield the part of each frame that differs from the one before; of the first, all.

    Parameters
    ----------
    frames : iterable of (pixels, duration in milliseconds)
    step : int
        Its left and top are multiples of it.
    unchanged : int, optional
        The index that stands where a pixel within it does not differ.
    clear : int, optional
        The index that each frame is cleared to before the next.
    """
    held: Part | None = None
    before: Array | None = None
    for pixels, duration_ms in frames:
        if before is None or held is None:
            held, before = Part(0, 0, pixels, duration_ms), pixels
            continue
        differs = pixels != before
        if not differs.any():
            held = held._replace(duration_ms=held.duration_ms + duration_ms)
            continue
        yield held
        left, top, right, bottom = _bounds(differs if clear is None else pixels != clear, step)
        part = pixels[top:bottom, left:right]
        if unchanged is not None:
            part = np.where(differs[top:bottom, left:right], part, np.uint8(unchanged))
        held, before = Part(left, top, part, duration_ms), pixels
    if held is not None:
        yield held


def _bounds(marked: Array, step: int) -> tuple[int, int, int, int]:
    """The left, top, right and bottom of what is marked; of nothing, one pixel."""
    plane: Array = marked if marked.ndim == 2 else np.any(marked, axis=2)
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    if not rows.size:
        return 0, 0, 1, 1
    left, top = (int(first) // step * step for first in (columns[0], rows[0]))
    return left, top, int(columns[-1]) + 1, int(rows[-1]) + 1


# ---- GIF ---------------------------------------------------------------------------------------


def write_gif(
    stream: BinaryIO, frames: Iterable[tuple[Array, int]], palette: Colors, *, loop: int
) -> None:
    """Write frames of indices below 128, of which the last is left for what does not change.

    Parameters
    ----------
    stream : binary file
    frames : iterable of (indices, duration in milliseconds)
    palette : Colors
    loop : int
        How often it plays; 0 is forever.
    """
    clear = palette.clear
    spare = 127 if clear is None else clear
    parts = find_changes(frames, unchanged=127 if clear is None else None, clear=clear)
    for index, part in enumerate(parts):
        height, width = part.pixels.shape
        if index == 0:
            table = palette.colors.tobytes().ljust(3 * 128, b"\0")
            stream.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, spare, 0) + table)
            if loop != 1:  # it counts what follows the first play
                again = struct.pack("<H", max(loop - 1, 0))
                stream.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + again + b"\0")
        is_clear = clear is not None or index > 0
        flags = (KEEP if clear is None else CLEAR_AFTER) << 2 | is_clear
        delay = min(round(part.duration_ms / 10), MAX_GIF_DELAY)
        stream.write(b"!\xf9\x04" + struct.pack("<BHBB", flags, delay, spare, 0))
        stream.write(b"," + struct.pack("<HHHHB", part.left, part.top, width, height, 0) + b"\x08")
        indices = Image.fromarray(np.ascontiguousarray(part.pixels))
        stream.write(indices.tobytes("gif", "L", 8, 0) + b"\0")
    stream.write(b";")


# ---- APNG --------------------------------------------------------------------------------------


def write_apng(
    stream: BinaryIO, frames: Iterable[tuple[Array, int]], palette: Colors, *, loop: int
) -> None:
    """Write frames of indices as a PNG, animated if there are several.

    Parameters
    ----------
    stream, frames, palette, loop
        As in `write_gif`; indices are any of 8 bits.
    """
    content, size, count, number = io.BytesIO(), (0, 0), 0, 0
    for part in find_changes(frames):
        (height, width), count = part.pixels.shape, count + 1
        if count == 1:
            size = width, height
        delay = _png_delay(part.duration_ms)
        place = (width, height, part.left, part.top)
        # Neither cleared before the next, nor blended with the one before.
        _write_chunk(content, b"fcTL", struct.pack(">5I2H2B", number, *place, *delay, 0, 0))
        filtered = np.pad(part.pixels, ((0, 0), (1, 0)))  # each row with its filter: none
        data = zlib.compress(filtered.tobytes(), 9)
        if count == 1:
            _write_chunk(content, b"IDAT", data)
            number += 1
        else:
            _write_chunk(content, b"fdAT", struct.pack(">I", number + 1) + data)
            number += 2
    stream.write(PNG_START)
    _write_chunk(stream, b"IHDR", struct.pack(">2I5B", *size, 8, 3, 0, 0, 0))
    _write_chunk(stream, b"acTL", struct.pack(">2I", count, loop))
    table = palette.colors.tobytes()
    if palette.clear is not None:
        table = table.ljust(3 * (palette.clear + 1), b"\0")
    _write_chunk(stream, b"PLTE", table)
    if palette.clear is not None:
        _write_chunk(stream, b"tRNS", b"\xff" * palette.clear + b"\0")
    stream.write(content.getbuffer())
    _write_chunk(stream, b"IEND", b"")


def _png_delay(duration_ms: int) -> tuple[int, int]:
    """A duration as a fraction of seconds, as exact as its two numbers allow."""
    for unit in (1000, 100, 10, 1):
        seconds = Fraction(round(duration_ms * unit / 1000), unit)
        if seconds.numerator <= MAX_PNG_PART:
            return seconds.numerator, seconds.denominator
    return MAX_PNG_PART, 1


def _write_chunk(stream: BinaryIO, name: bytes, data: bytes) -> None:
    check = zlib.crc32(name + data)
    stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", check))


# ---- WebP --------------------------------------------------------------------------------------


def write_webp(
    stream: BinaryIO, frames: Iterable[tuple[Array, int]], *, loop: int, has_alpha: bool
) -> None:
    """Write frames of colors, (h, w, 3) or (h, w, 4), without a loss.

    Parameters
    ----------
    stream, frames, loop
        As in `write_gif`.
    has_alpha : bool
    """
    content, size = io.BytesIO(), (1, 1)
    for index, part in enumerate(find_changes(frames, step=2)):
        height, width = part.pixels.shape[:2]
        if index == 0:
            size = width, height
        place = (part.left // 2, part.top // 2, width - 1, height - 1, part.duration_ms)
        head = b"".join(value.to_bytes(3, "little") for value in place) + bytes([WEBP_REPLACE])
        encoded = io.BytesIO()
        picture = Image.fromarray(np.ascontiguousarray(part.pixels))
        picture.save(encoded, "WEBP", lossless=True, exact=True, **WEBP_EFFORT)
        _write_riff(content, b"ANMF", head + _image_chunk(encoded.getvalue()))
    flags = WEBP_ANIMATION | (WEBP_ALPHA if has_alpha else 0)
    canvas = b"".join((side - 1).to_bytes(3, "little") for side in size)
    start = io.BytesIO(b"WEBP")
    start.seek(0, io.SEEK_END)
    _write_riff(start, b"VP8X", struct.pack("<I", flags) + canvas)
    _write_riff(start, b"ANIM", struct.pack("<IH", 0, loop))
    length = start.tell() + content.tell()
    stream.write(b"RIFF" + struct.pack("<I", length) + start.getbuffer() + content.getbuffer())


def _write_riff(stream: BinaryIO, name: bytes, data: bytes) -> None:
    stream.write(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


def _image_chunk(document: bytes) -> bytes:
    """Return the chunk of a WebP file without a loss that holds its pixels."""
    at = 12
    while document[at : at + 4] != b"VP8L":
        at += 8 + -(-struct.unpack_from("<I", document, at + 4)[0] // 2) * 2
    return document[at : at + 8 + -(-struct.unpack_from("<I", document, at + 4)[0] // 2) * 2]
