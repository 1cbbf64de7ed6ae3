"""TIFF, written a page at a time: 8 and 16 bits, real numbers, any channels (TIFF 6.0).

Three channels are RGB; of any other number, the first is gray and the others are extra samples, of
which readers know that they are not alpha.
"""

from __future__ import annotations

import os
import struct
import zlib
from itertools import accumulate
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.images import Values
from convcli.parallel import parallel_for

MAX_TIFF_BYTES = (1 << 32) - 1
STRIP_BYTES = 1 << 18  # of pixels that are compressed together
DEFLATE, UNSIGNED, REAL = 8, 1, 3
GRAY, RGB, INCH = 1, 2, 2
UNSPECIFIED, STRAIGHT_ALPHA = 0, 2  # of samples beside the colors
SHORT, LONG, UNDEFINED = 3, 4, 7  # types of tags


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
        self,
        pixels: Values,
        *,
        has_alpha: bool | None = None,
        profile: bytes = b"",
        dpi: tuple[float, float] | None = None,
        exif: Image.Exif | None = None,
    ) -> None:
        """Write a page, (H, W, C) of uint8, uint16, float32 or float64.

        The last channel is alpha if `has_alpha` says so; without it, of two and four channels.

        Raises
        ------
        ValueError
            If the file becomes larger than the format allows.
        """
        from PIL.TiffImagePlugin import ImageFileDirectory_v2

        rows = max(STRIP_BYTES // max(pixels[0].nbytes, 1), 1)
        strips = _deflate(pixels, rows)
        directory = ImageFileDirectory_v2(prefix=b"II")
        has_alpha = pixels.shape[2] in (2, 4) if has_alpha is None else has_alpha
        tags = {
            **_layout_tags(pixels, rows, strips, has_alpha=has_alpha),
            **_metadata_tags(profile, dpi, exif),
        }
        for tag, value in tags.items():
            directory[tag] = value
        for tag in (273, 279):
            directory.tagtype[tag] = LONG
        if profile:
            directory.tagtype[34675] = UNDEFINED
        end = self._stream.seek(0, os.SEEK_END)
        self._stream.write(bytes(end % 2))
        offset = end + end % 2 - self._start
        content = directory.tobytes(offset)
        if offset + len(content) + sum(map(len, strips)) > MAX_TIFF_BYTES:
            raise ValueError("it takes more than the 4 GB that a TIFF may have; write .npy")
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


def _layout_tags(
    pixels: Values, rows: int, strips: list[bytes], *, has_alpha: bool
) -> dict[int, Any]:
    """Return the tags that say how pixels are stored; offsets count from the end of the tags."""
    height, width, channels = pixels.shape
    lengths = [len(strip) for strip in strips]
    bands = channels - has_alpha
    photometric, colors = (RGB, 3) if bands == 3 else (GRAY, 1)
    extra = (UNSPECIFIED,) * (bands - colors) + (STRAIGHT_ALPHA,) * has_alpha
    tags: dict[int, Any] = {
        256: width,
        257: height,
        258: (8 * pixels.itemsize,) * channels,
        259: DEFLATE,
        262: photometric,
        273: (0, *accumulate(lengths[:-1])),
        277: channels,
        278: rows,
        279: tuple(lengths),
        284: 1,
        339: (REAL if pixels.dtype.kind == "f" else UNSIGNED,) * channels,
    }
    if extra:
        tags[338] = extra
    return tags


def _metadata_tags(
    profile: bytes, dpi: tuple[float, float] | None, exif: Image.Exif | None
) -> dict[int, Any]:
    from PIL.TiffTags import TAGS_V2_GROUPS

    tags: dict[int, Any] = {}
    if exif is not None:
        for tag in exif:
            tags[tag] = exif.get_ifd(tag) if tag in TAGS_V2_GROUPS else exif[tag]
    if dpi is not None:
        tags |= {282: dpi[0], 283: dpi[1], 296: INCH}
    if profile:
        tags[34675] = profile
    return tags
