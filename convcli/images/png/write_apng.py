"""APNG, written a frame at a time (PNG specification, third edition, 11.3.6)."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from convcli.images import Values
from convcli.images.parts import PixelLayout
from convcli.images.png.write import SIGNATURE, Chunk, deflate_pixels, encode_chunk, header_chunk
from convcli.records import NamedTuple

MAX_DELAY_PART = (1 << 16) - 1  # of the two numbers of a delay


class Layout(NamedTuple):
    """The channels and the bytes of a sample, which all frames of an animation share.

    Parameters
    ----------
    channels : int
        1 to 4; an even number has alpha, last.
    itemsize : int
        1 or 2.
    """

    channels: int
    itemsize: int

    @classmethod
    def of(cls, pixels: Values) -> Layout:
        """Return the layout of (H, W, C)."""
        return cls(pixels.shape[2], pixels.itemsize)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.channels in (2, 4)

    @property
    def colors(self) -> int:
        """The number of channels without alpha."""
        return self.channels - self.has_alpha

    def join(self, other: Layout) -> Layout:
        """Return the layout that holds the pixels of both.

        >>> Layout(3, 1).join(Layout(2, 2))
        Layout(channels=4, itemsize=2)
        """
        colors = max(self.colors, other.colors)
        has_alpha = self.has_alpha or other.has_alpha
        return Layout(colors + has_alpha, max(self.itemsize, other.itemsize))

    def convert(self, pixels: Values) -> Values:
        """Return pixels of a layout that this one holds, in this one.

        >>> Layout(4, 2).convert(np.array([[[7]]], np.uint8)).tolist()
        [[[1799, 1799, 1799, 65535]]]
        """
        own = Layout.of(pixels)
        if own == self:
            return pixels
        dtype = np.dtype(np.uint8 if self.itemsize == 1 else np.uint16)
        scaled = pixels.astype(dtype) * dtype.type(257 if own.itemsize < self.itemsize else 1)
        result = np.full((*pixels.shape[:2], self.channels), 256**self.itemsize - 1, dtype)
        result[:, :, : self.colors] = scaled[:, :, : own.colors]
        if own.has_alpha:
            result[:, :, -1] = scaled[:, :, -1]
        return result


class LayoutError(Exception):
    """A frame that the layout of those before cannot hold; `layout` holds all of them."""

    def __init__(self, layout: Layout) -> None:
        super().__init__("the frames differ in their channels or in their depth")
        self.layout = layout


class ApngWriter:
    """An animated PNG, written a frame at a time.

    Of each frame, the rectangle that differs from the frame before is stored.

    Parameters
    ----------
    stream : binary file
        One that can seek: the number of frames is written at the end.
    loop : int
        How often it plays; 0 is for ever.
    layout : Layout
        Of all frames.
    chunks : sequence of (name, content)
        Written between the header and the pixels.
    level : int, optional
        As in `write_png`.
    """

    def __init__(
        self,
        stream: BinaryIO,
        loop: int,
        layout: Layout,
        chunks: Sequence[Chunk] = (),
        level: int | None = None,
    ) -> None:
        self._stream = stream
        self._loop = loop
        self._layout = layout
        self._chunks = chunks
        self._level = level
        self._previous: Values | None = None
        self._has_still = False
        self._count = 0
        self._numbers = 0  # of the chunks of frames
        self._control_start = 0  # of the chunk that holds the number of frames

    def add_still(self, pixels: Values) -> None:
        """Write a picture, before any frame, that is shown where the animation cannot be.

        Raises
        ------
        LayoutError
            As `add`.
        """
        pixels = self._convert(pixels)
        self._start(pixels)
        deflate_pixels(pixels, self._level, self._write_data)
        self._has_still = True

    def add(self, pixels: Values, duration_ms: Fraction | int) -> None:
        """Write a frame, (H, W, C).

        Raises
        ------
        LayoutError
            For a frame that the file's layout cannot hold.
        """
        pixels = self._convert(pixels)
        height, width = pixels.shape[:2]
        top, left, bottom, right = 0, 0, height, width
        if self._previous is not None:
            top, left, bottom, right = _changed_box(self._previous, pixels)
        elif not self._has_still:
            self._start(pixels)
        box = right - left, bottom - top, left, top
        control = struct.pack(">4IHHBB", *box, *_split_delay(duration_ms), 0, 0)
        self._write_numbered(b"fcTL", control)
        deflate_pixels(pixels[top:bottom, left:right], self._level, self._write_data)
        self._previous = pixels
        self._count += 1

    def close(self) -> None:
        """Finish the file, which stays open."""
        self._stream.write(encode_chunk(b"IEND", b""))
        self._stream.seek(self._control_start)
        self._stream.write(self._control_chunk())
        self._stream.seek(0, os.SEEK_END)

    def _convert(self, pixels: Values) -> Values:
        """Return pixels in the layout of the file."""
        if (joint := self._layout.join(Layout.of(pixels))) != self._layout:
            raise LayoutError(joint)
        return self._layout.convert(pixels)

    def _start(self, pixels: Values) -> None:
        """Write what is before the first frame."""
        header = header_chunk(PixelLayout.of(pixels))
        self._stream.write(SIGNATURE + encode_chunk(*header))
        self._control_start = self._stream.tell()
        self._stream.write(self._control_chunk())
        self._stream.writelines(encode_chunk(*chunk) for chunk in self._chunks)

    def _control_chunk(self) -> bytes:
        return encode_chunk(b"acTL", struct.pack(">II", self._count, self._loop))

    def _write_data(self, data: bytes) -> None:
        if self._count == 0 and not self._has_still:
            self._stream.write(encode_chunk(b"IDAT", data))
        else:
            self._write_numbered(b"fdAT", data)

    def _write_numbered(self, name: bytes, content: bytes) -> None:
        self._stream.write(encode_chunk(name, struct.pack(">I", self._numbers) + content))
        self._numbers += 1


def _split_delay(duration_ms: Fraction | int) -> tuple[int, int]:
    """Return a delay in seconds as the two numbers that say it, or nearly, if it needs larger ones.

    >>> _split_delay(0), _split_delay(Fraction(1000, 60)), _split_delay(1 << 30)
    ((0, 1), (1, 60), (65535, 1))
    """
    seconds = min(Fraction(duration_ms) / 1000, Fraction(MAX_DELAY_PART))
    delay = seconds.limit_denominator(MAX_DELAY_PART)
    if delay.numerator > MAX_DELAY_PART:
        delay = seconds.limit_denominator(math.floor(MAX_DELAY_PART / seconds))
    return delay.numerator, delay.denominator


def _changed_box(before: Values, after: Values) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of what differs, at least one pixel."""
    is_changed = (before != after).any(axis=2)
    rows, columns = np.flatnonzero(is_changed.any(axis=1)), np.flatnonzero(is_changed.any(axis=0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
