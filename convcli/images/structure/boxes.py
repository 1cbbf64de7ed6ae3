"""Boxes: a size, a name and a content (ISO/IEC 14496-12, 4.2; ISO/IEC 15444-1, I.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from convcli.images.structure import Window
from convcli.records import NamedTuple

MAX_BOXES = 100_000  # of a file, those in others among them
HEADER_BYTES, LONG_BYTES = 8, 16
TO_THE_END, IS_LONG = 0, 1  # sizes that are none


class Box(NamedTuple):
    """The name of a box, and where its content is; a file may end before it."""

    name: bytes
    at: int
    end: int

    @property
    def size(self) -> int:
        """The bytes of its content."""
        return self.end - self.at


def read_boxes(window: Window, at: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes one after the other, up to one that is broken or cut off in its header.

    Raises
    ------
    ImageError
        If there are more in the whole file than in any picture.
    """
    end = window.size if end is None else min(end, window.size)
    while at + HEADER_BYTES <= end:
        size, name = struct.unpack(">I4s", window.read(at, HEADER_BYTES))
        header = HEADER_BYTES
        if size == IS_LONG and at + LONG_BYTES <= end:
            header = LONG_BYTES
            (size,) = struct.unpack(">Q", window.read(at + HEADER_BYTES, 8))
        elif size == TO_THE_END:
            size = end - at
        if size < header:
            return
        window.count("boxes", 1, MAX_BOXES)
        yield Box(name, at + header, at + size)
        at += size


class Bits:
    """The bits of some bytes, the first of a byte being its highest.

    Raises
    ------
    IndexError
        As they are read, at their end.
    """

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content), 8 * len(content)

    def read(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise IndexError("the bits of a header end")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def read_golomb(self) -> int:
        """Return a number in Exp-Golomb code (ITU-T H.265, 9.2)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)
