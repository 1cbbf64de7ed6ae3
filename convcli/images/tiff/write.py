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
from convcli.images.structure.tiff import STRIPS
from convcli.parallel import parallel_for

MAX_TIFF_BYTES = (1 << 32) - 1
STRIP_BYTES = 1 << 18  # of pixels that are compressed together
DEFLATE, UNSIGNED, REAL = 8, 1, 3
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
        rows = max(STRIP_BYTES // max(pixels[0].nbytes, 1), 1)
        strips = _deflate(pixels, rows)
        lengths = [len(strip) for strip in strips]
        has_alpha = pixels.shape[2] in (2, 4) if has_alpha is None else has_alpha
        end = self._stream.seek(0, os.SEEK_END)
        self._stream.write(bytes(end % 2))
        offset = end + end % 2 - self._start
        if offset + sum(lengths) > MAX_TIFF_BYTES:
            raise ValueError(TOO_LARGE)
        layout = _layout_tags(pixels, rows, has_alpha=has_alpha)
        page = Block({**layout, **metadata.values}, metadata.blocks)
        content = encode_page(page, offset, lengths, STRIPS)
        if offset + len(content) + sum(lengths) > MAX_TIFF_BYTES:
            raise ValueError(TOO_LARGE)
        self._stream.write(content)
        self._stream.writelines(strips)
        self._stream.seek(self._link)
        self._stream.write(struct.pack("<I", offset))
        self._link = self._start + offset + 2 + 12 * struct.unpack_from("<H", content)[0]

    def close(self) -> None:
        """Finish the file, which stays open."""
        self._stream.seek(0, os.SEEK_END)


def _deflate(pixels: Values, rows: int) -> list[bytes]:
    """Return strips of so many rows, compressed by as many threads as there are."""
    ordered = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    strips: dict[int, bytes] = {}

    def deflate(top: int) -> None:
        strips[top] = zlib.compress(np.ascontiguousarray(ordered[top : top + rows]).data)

    tops = range(0, len(pixels), rows)
    parallel_for(lambda: deflate, tops)
    return [strips[top] for top in tops]


def _layout_tags(pixels: Values, rows: int, *, has_alpha: bool) -> dict[int, Value]:
    """Return the tags that say how pixels are stored, but for their strips."""
    height, width, channels = pixels.shape
    bands = channels - has_alpha
    photometric, colors = (RGB, 3) if bands == 3 else (GRAY, 1)
    extra = [UNSPECIFIED] * (bands - colors) + [STRAIGHT_ALPHA] * has_alpha
    tags = {
        256: [width],
        257: [height],
        258: [8 * pixels.itemsize] * channels,
        259: [DEFLATE],
        262: [photometric],
        277: [channels],
        278: [rows],
        284: [1],
        339: [REAL if pixels.dtype.kind == "f" else UNSIGNED] * channels,
    }
    if extra:
        tags[338] = extra
    return {name: of_numbers(numbers) for name, numbers in tags.items()}
