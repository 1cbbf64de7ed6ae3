"""GIF and WebP, written a frame at a time around frames that Pillow compresses.

Pillow's own writers of several frames hold all of them until the end. Every frame here replaces the
whole of the one before.
"""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from convcli.images import Values
from convcli.images.formats import FORMATS, EncoderSettings
from convcli.images.palette import to_palette
from convcli.images.pillow import load_plugin, to_image

GIF_DISPOSAL = 2  # restore to the background
GIF_HEADER_BYTES = 13
GIF_UNIT_MS, WEBP_UNIT_MS = 10, 1  # of the time for which a frame is shown
MAX_GIF_UNITS, MAX_WEBP_UNITS = (1 << 16) - 1, (1 << 24) - 1
MAX_WEBP_BYTES = (1 << 32) - 10
WEBP_ALPHA, WEBP_EXIF, WEBP_PROFILE, WEBP_ANIMATION, WEBP_XMP = 0x10, 0x08, 0x20, 0x02, 0x04
WEBP_REPLACE = 0x02  # do not blend with the frame before
WEBP_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")  # the chunks of a still that are those of a frame
WEBP_METHOD = 0  # the fastest; of frames without a loss, which take long


def round_duration(duration_ms: Fraction | int, unit_ms: int, most: int) -> int:
    """Return a duration in a format's units; only 0, which means as fast as can be, becomes 0.

    >>> [round_duration(duration_ms, 10, 65_535) for duration_ms in (0, 4, 17, 10**6)]
    [0, 1, 2, 65535]
    """
    units = round(Fraction(duration_ms) / unit_ms)
    return min(max(units, 1 if duration_ms else 0), most)


class GifWriter:
    """An animated GIF, each frame with a palette of its own (GIF 89a).

    Parameters
    ----------
    stream : binary file
    loop : int
        How often it plays; 0 is for ever.
    extensions : bytes
        Blocks that are written before the first frame.
    """

    def __init__(self, stream: BinaryIO, loop: int, extensions: bytes = b"") -> None:
        self._stream = stream
        self._loop = loop
        self._extensions = extensions
        self._is_empty = True
        self._has_alpha = False

    def add(self, pixels: Values, duration_ms: Fraction | int) -> None:
        """Write a frame of uint8, (H, W, C)."""
        self._has_alpha |= pixels.shape[2] in (2, 4)
        if self._has_alpha and pixels.shape[2] in (1, 3):
            alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
            pixels = np.concatenate([pixels, alpha], axis=2)
        image = to_palette(pixels)
        buffer = io.BytesIO()
        load_plugin("GIF")
        image.save(buffer, "GIF", interlace=0)
        screen, palette, transparent, data = _split_gif(buffer.getbuffer())
        flags = 0x80 | screen[10] & 7
        if self._is_empty:
            self._stream.write(b"GIF89a" + screen[6:] + palette + self._repetitions())
            self._stream.write(self._extensions)
            palette, flags = b"", 0
            self._is_empty = False
        has_transparent = transparent is not None
        packed = GIF_DISPOSAL << 2 | has_transparent
        delay = round_duration(duration_ms, GIF_UNIT_MS, MAX_GIF_UNITS)
        control = struct.pack("<BHB", packed, delay, transparent or 0)
        self._stream.write(b"!\xf9\x04" + control + b"\0")
        size = image.size
        self._stream.write(struct.pack("<c4HB", b",", 0, 0, *size, flags) + palette)
        self._stream.write(data)

    def close(self) -> None:
        """Finish the file, which stays open."""
        self._stream.write(b";")

    def _repetitions(self) -> bytes:
        """Return the block that says how often it is repeated after it has played once."""
        if self._loop == 1:
            return b""
        return b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", max(self._loop - 1, 0)) + b"\0"


def _split_gif(content: memoryview) -> tuple[bytes, bytes, int | None, memoryview]:
    """Return the screen, the palette, the transparent color and the data of a GIF of one frame."""
    palette_end = GIF_HEADER_BYTES + (6 << (content[10] & 7))
    position, transparent = palette_end, None
    while content[position] == ord("!"):
        if content[position + 1] == 0xF9 and content[position + 3] & 1:
            transparent = content[position + 6]
        position += 2
        while length := content[position]:
            position += 1 + length
        position += 1
    screen = bytes(content[:GIF_HEADER_BYTES])
    palette = bytes(content[GIF_HEADER_BYTES:palette_end])
    return screen, palette, transparent, content[position + 10 : -1]


class WebpWriter:
    """An animated WebP (RFC 9649, 2.7).

    Parameters
    ----------
    stream : binary file
        One that can seek: its size, and whether it has alpha, are written at the end.
    loop : int
        How often it plays; 0 is for ever.
    encoding : EncoderSettings
    exif, profile, xmp : bytes
    """

    def __init__(
        self,
        stream: BinaryIO,
        loop: int,
        encoding: EncoderSettings,
        *,
        exif: bytes = b"",
        profile: bytes = b"",
        xmp: bytes = b"",
    ) -> None:
        self._stream = stream
        self._encoding = encoding
        self._loop = loop
        self._exif = exif.removeprefix(b"Exif\0\0")
        self._profile = profile
        self._xmp = xmp
        self._start = 0
        self._has_alpha = False
        self._size: tuple[int, int] | None = None

    def add(self, pixels: Values, duration_ms: Fraction | int) -> None:
        """Write a frame of uint8, (H, W, C)."""
        image = to_image(pixels)
        options: dict[str, Any] = FORMATS["WEBP"].save_options(self._encoding)
        if self._encoding.lossless:
            options["method"] = WEBP_METHOD
        buffer = io.BytesIO()
        load_plugin("WEBP")
        image.save(buffer, "WEBP", **options)
        if self._size is None:
            self._size = image.size
            self._start = self._stream.tell()
            self._write_header()
        self._has_alpha |= pixels.shape[2] in (2, 4)
        delay = round_duration(duration_ms, WEBP_UNIT_MS, MAX_WEBP_UNITS)
        place = _pack24(0, 0, image.width - 1, image.height - 1, delay)
        frame = place + bytes([WEBP_REPLACE]) + _webp_pixels(buffer.getvalue())
        self._write_chunk(b"ANMF", frame)

    def close(self) -> None:
        """Finish the file, which stays open.

        Raises
        ------
        ValueError
            If it is larger than the format allows.
        """
        if self._exif:
            self._write_chunk(b"EXIF", self._exif)
        if self._xmp:
            self._write_chunk(b"XMP ", self._xmp)
        end = self._stream.tell()
        self._stream.seek(self._start)
        self._write_header(end - self._start - 8)
        self._stream.seek(0, os.SEEK_END)

    def _write_header(self, size: int = 0) -> None:
        """Write what is before the first frame."""
        flags = WEBP_ANIMATION | self._has_alpha * WEBP_ALPHA
        flags |= bool(self._exif) * WEBP_EXIF | bool(self._profile) * WEBP_PROFILE
        flags |= bool(self._xmp) * WEBP_XMP
        width, height = self._size or (1, 1)
        self._stream.write(b"RIFF" + struct.pack("<I", size) + b"WEBP")
        canvas = struct.pack("<I", flags) + _pack24(width - 1, height - 1)
        self._write_chunk(b"VP8X", canvas)
        if self._profile:
            self._write_chunk(b"ICCP", self._profile)
        self._write_chunk(b"ANIM", struct.pack("<IH", 0, self._loop))

    def _write_chunk(self, name: bytes, content: bytes) -> None:
        self._stream.write(name + struct.pack("<I", len(content)) + content)
        self._stream.write(b"\0" * (len(content) % 2))
        if self._stream.tell() - self._start > MAX_WEBP_BYTES:
            raise ValueError("it takes more than the 4 GB that a WebP may have; write .png")


def _webp_pixels(content: bytes) -> bytes:
    """Return the chunks of a still WebP that hold its pixels."""
    chunks, at = [], 12
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        end = at + 8 + length + length % 2
        if content[at : at + 4] in WEBP_PIXELS:
            chunks.append(content[at:end])
        at = end
    return b"".join(chunks)


def _pack24(*numbers: int) -> bytes:
    """Return integers of 24 bits, the least significant byte first."""
    return b"".join(number.to_bytes(3, "little") for number in numbers)
