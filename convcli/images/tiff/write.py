"""TIFF, written a page at a time: 8 and 16 bits, real numbers, any channels (TIFF 6.0).

Three channels are RGB; of any other number, the first is gray and the others are extra samples, of
which readers know that they are not alpha.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

import numpy as np

from convcli.images import Values
from convcli.images.metadata.directory import NO_TAGS, Block, Value, encode_page, of_numbers
from convcli.images.parts import (
    PART_BYTES,
    ZLIB_HEADER,
    PixelLayout,
    deflate_rows,
    write_parts,
)
from convcli.images.structure.tiff import STRIPS

MAX_TIFF_BYTES = (1 << 32) - 1
STRIP_BYTES = PART_BYTES  # of pixels that are compressed together
DEFLATE, UNSIGNED, REAL = 8, 1, 3
NO_PREDICTOR, HORIZONTAL_DIFFERENCES = 1, 2
GRAY, RGB = 1, 2
UNSPECIFIED, STRAIGHT_ALPHA = 0, 2  # of samples beside the colors
TOO_LARGE = "it takes more than the 4 GB that a TIFF may have; write .npy"


class TiffWriter:
    """A TIFF of pages that differ in size, channels and depth as they like.

    Parameters
    ----------
    stream : binary file
        One that can seek: a page is entered in the one before.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = stream.tell()
        self._link = self._start + 4  # where the next page is entered
        stream.write(b"II*\0" + bytes(4))

    def add(
        self, pixels: Values, metadata: Block = NO_TAGS, *, has_alpha: bool | None = None
    ) -> None:
        """Write a page, (H, W, C) of uint8, uint16, float32 or float64.

        The last channel is alpha if `has_alpha` says so; without it, of two and four channels.

        Raises
        ------
        ValueError
            If the file becomes larger than the format allows.
        """
        layout = PixelLayout.of(pixels, has_alpha=has_alpha)
        write_parts(TiffPage(self, layout, metadata), pixels)

    def begin(self) -> int:
        """Go to where a page begins; return its offset."""
        end = self._stream.seek(0, os.SEEK_END)
        self._stream.write(bytes((end - self._start) % 2))
        return end + (end - self._start) % 2 - self._start

    def write(self, strip: bytes) -> None:
        """Write a strip of a page."""
        if self._stream.tell() - self._start + len(strip) > MAX_TIFF_BYTES:
            raise ValueError(TOO_LARGE)
        self._stream.write(strip)

    def enter(self, page: Block, first: int, strips: list[int]) -> None:
        """Write the directory of a page, and enter it in the one before.

        Parameters
        ----------
        page : Block
            Of tags, but for those of the strips.
        first : int
            The offset of its first strip.
        strips : list of int
            The size of each.
        """
        offset = self.begin()
        content = encode_page(page, offset, strips, STRIPS, first=first)
        if offset + len(content) > MAX_TIFF_BYTES:
            raise ValueError(TOO_LARGE)
        self._stream.write(content)
        self._stream.seek(self._link)
        self._stream.write(struct.pack("<I", offset))
        self._link = self._start + offset + 2 + 12 * struct.unpack_from("<H", content)[0]

    def close(self) -> None:
        """Finish the file, which stays open."""
        self._stream.seek(0, os.SEEK_END)


class TiffPage:
    """Encodes a page of a TIFF in strips; a `PartEncoder`.

    Whole numbers are stored as differences from the pixel to the left, in which only runs are
    searched for, or not even these, as in a PNG: a photograph takes less space so than by a search
    for all that repeats, and a tenth of its time.

    Parameters
    ----------
    writer : TiffWriter
    layout : PixelLayout
    metadata : Block
    """

    def __init__(self, writer: TiffWriter, layout: PixelLayout, metadata: Block) -> None:
        self._height, width, channels = layout.shape
        self.rows = max(STRIP_BYTES // (width * channels * layout.dtype.itemsize), 1)
        tags = _layout_tags(layout, self.rows)
        self._page = Block({**tags, **metadata.values}, metadata.blocks)
        self._writer = writer
        self._first = writer.begin()
        self._strips: list[int] = []  # the size of each

    def encode(self, _: int, pixels: Values) -> bytes:
        """Return a compressed strip."""
        ordered = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        if ordered.dtype.kind == "f":
            return zlib.compress(np.ascontiguousarray(ordered).data)
        differences = np.empty(ordered.shape, ordered.dtype)
        differences[:, :1] = ordered[:, :1]
        np.subtract(ordered[:, 1:], ordered[:, :-1], out=differences[:, 1:])
        rows = differences.reshape(len(pixels), -1).view(np.uint8)
        checksum = struct.pack(">I", zlib.adler32(rows.data))
        return b"".join((ZLIB_HEADER, deflate_rows(rows, is_last=True), checksum))

    def write(self, encoded: bytes) -> None:
        """Write a strip, and after the last one the page's directory."""
        self._writer.write(encoded)
        self._strips.append(len(encoded))
        if len(self._strips) * self.rows >= self._height:
            self._writer.enter(self._page, self._first, self._strips)


def _layout_tags(layout: PixelLayout, rows: int) -> dict[int, Value]:
    """Return the tags that say how pixels are stored, but for their strips."""
    (height, width, channels), dtype, has_alpha = layout
    bands = channels - has_alpha
    photometric, colors = (RGB, 3) if bands == 3 else (GRAY, 1)
    extra = [UNSPECIFIED] * (bands - colors) + [STRAIGHT_ALPHA] * has_alpha
    is_real = dtype.kind == "f"
    tags = {
        256: [width],
        257: [height],
        258: [8 * dtype.itemsize] * channels,
        259: [DEFLATE],
        262: [photometric],
        277: [channels],
        278: [rows],
        284: [1],
        317: [NO_PREDICTOR if is_real else HORIZONTAL_DIFFERENCES],
        339: [REAL if is_real else UNSIGNED] * channels,
    }
    if extra:
        tags[338] = extra
    return {name: of_numbers(numbers) for name, numbers in tags.items()}
