"""JPEG, encoded in parts by as many threads as there are (ITU-T T.81).

A scan may be divided by restart markers, at each of which prediction begins anew, so that what is
between two of them is the scan of a picture of its own. The pixels are those of a scan in one
piece.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from convcli.images import Values
from convcli.images.parts import PART_BYTES, PixelLayout
from convcli.images.pillow import to_image

FRAME_HEADERS = (0xC0, 0xC1)  # of Huffman codes, not progressive
RESTART, START_OF_SCAN = 0xD0, 0xDA
END_OF_IMAGE = b"\xff\xd9"
BLOCK_PIXELS = 8  # across and down
HEIGHT_AT = 5  # in the segment of a frame header


class JpegEncoder:
    """Encodes a baseline JPEG; a `PartEncoder`. A small picture is one part, without markers.

    Parameters
    ----------
    stream : binary file
    layout : PixelLayout
    settings : dict
        What Pillow's `save` is given for each part: the quality, and the subsampling of colors, 0
        or 2 (both across and down).
    metadata : dict
        What it is also given for the first part.
    finish : callable
        Changes the bytes of the first part, which has the headers.
    """

    def __init__(
        self,
        stream: BinaryIO,
        layout: PixelLayout,
        settings: dict[str, Any],
        metadata: dict[str, Any],
        finish: Callable[[bytearray], object],
    ) -> None:
        height, width, _ = layout.shape
        unit, self.rows = _split(layout, settings)
        units = self.rows // unit * -(-width // unit) if height > self.rows else 0
        self._height, self._stream, self._finish = height, stream, finish
        self._settings = {**settings, "restart_marker_blocks": units}
        self._metadata = metadata
        self._written = 0  # parts

    def encode(self, top: int, pixels: Values) -> bytearray:
        """Return the scan of a part; of the first one with all headers, for the whole height."""
        options = self._settings | (self._metadata if top == 0 else {})
        content = _encode(to_image(pixels), options)
        if not content.endswith(END_OF_IMAGE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        frame, scan = _find_scan(content)
        del content[-len(END_OF_IMAGE) :]
        if top:
            del content[:scan]
            return content
        struct.pack_into(">H", content, frame + HEIGHT_AT, self._height)
        self._finish(content)
        return content

    def write(self, encoded: bytearray) -> None:
        """Write a part, with the marker before it, and after the last one the end of the image."""
        if self._written:
            self._stream.write(bytes((0xFF, RESTART + (self._written - 1) % 8)))
        self._stream.write(encoded)
        self._written += 1
        if self._written * self.rows >= self._height:
            self._stream.write(END_OF_IMAGE)


def _split(layout: PixelLayout, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the pixels, across and down, of the units of a scan, and the rows of a part.

    A part is whole rows of units, of which a restart interval counts up to 65,535.
    """
    is_subsampled = layout.shape[2] > 1 and settings["subsampling"] == 2
    unit = 2 * BLOCK_PIXELS if is_subsampled else BLOCK_PIXELS
    _, width, channels = layout.shape
    return unit, max(PART_BYTES // (width * channels * unit), 1) * unit


def _encode(image: Image.Image, options: dict[str, Any]) -> bytearray:
    """Return a JPEG.

    The encoder releases the GIL for files alone. A file that cannot be had, or not as large as is
    needed (`ulimit -f`), is no reason to fail: the output itself may go into a pipe.
    """
    with suppress(OSError), _open_file() as file:
        image.save(file, "JPEG", **options)
        file.seek(0)
        content = bytearray(file.read())
        if content.endswith(END_OF_IMAGE):  # the encoder does not see that a write was cut short
            return content
    memory = BytesIO()
    image.save(memory, "JPEG", **options)
    return bytearray(memory.getbuffer())


def _open_file() -> BinaryIO:
    """Open a file that is in no folder, in memory if there can be one."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("jpeg"), "w+b", buffering=0)  # noqa: PTH123
    return tempfile.TemporaryFile(buffering=0)


def _find_scan(content: bytearray) -> tuple[int, int]:
    """Return where the frame header of a JPEG starts, and where the data of its scan do."""
    at, frame = 2, 0
    while content[at + 1] != START_OF_SCAN:
        if content[at + 1] in FRAME_HEADERS:
            frame = at
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return frame, at + 2 + int.from_bytes(content[at + 2 : at + 4])
