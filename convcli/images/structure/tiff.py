"""The directories of TIFF, BigTIFF and EXIF (TIFF 6.0, section 2; Exif 2.32, 4.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from convcli.images.structure import MAX_FRAMES, MAX_METADATA_BYTES, Structure, Window

# The bytes of a value by its type.
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
              16: 8, 17: 8, 18: 8}  # fmt: skip
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
RATIONALS = (5, 10)
WIDTH, HEIGHT, BITS, SAMPLES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 277, 322, 323
STRIPS = (273, 279, 324, 325)  # offsets and sizes of strips and tiles
CAMERA_BLOCK, GPS_BLOCK, INTEROPERABILITY_BLOCK = 0x8769, 0x8825, 0xA005

MAX_TAGS = 300_000  # of all directories
MAX_STRIPS = 150_000  # of a page
MAX_TILE_PIXELS = 1 << 26  # of a tile that is larger than its page
MAX_NUMBERS = 300_000  # in the other tags of a directory
MAX_RATIONALS = 100_000  # of all directories: each becomes a fraction
MAX_COPIES = 4  # how often the bytes of a file may be read as the values of its tags


class Page(NamedTuple):
    """A page of a document.

    Parameters
    ----------
    height, width : int
    samples, bits : int
        Values of a pixel, and the bits of one.
    tile_pixels : int
        Of a tile; 0 for a page of strips.
    """

    height: int
    width: int
    samples: int = 1
    bits: int = 1
    tile_pixels: int = 0

    @property
    def pixels(self) -> int:
        """The pixels of the page."""
        return self.height * self.width


class Tag(NamedTuple):
    """An entry of a directory: the type and number of its values, and where they are."""

    type: int
    length: int
    at: int


class Directories:
    """The directories of a file, and what those that were read hold together.

    Parameters
    ----------
    window : Window
    """

    def __init__(self, window: Window) -> None:
        start = window.read(0, 4)
        self._window = window
        self._order = "<" if start[:2] == b"II" else ">"
        self._is_big = 43 in start[2:]
        self._offset = struct.Struct(self._order + ("Q" if self._is_big else "I"))
        self._entry = struct.Struct(self._order + ("HHQ" if self._is_big else "HHI"))
        self.first = self._number(8 if self._is_big else 4, self._offset)
        self.tags = self.rationals = self.value_bytes = 0

    def read(self, at: int) -> tuple[dict[int, Tag], int]:
        """Return the tags of the directory at an offset, and the offset of the next one, or 0.

        Raises
        ------
        ImageError
            If the directories together hold more than those of any picture.
        """
        window, counter = self._window, struct.Struct(self._order + ("Q" if self._is_big else "H"))
        step = self._entry.size + self._offset.size
        count, at = self._number(at, counter), at + counter.size
        available = min(count, max(window.size - at, 0) // step)
        self.tags += available
        if self.tags > MAX_TAGS:
            raise window.excess(self.tags, MAX_TAGS, "tags")
        tags: dict[int, Tag] = {}
        for start in range(at, at + available * step, step):
            name, kind, length = self._entry.unpack(window.read(start, self._entry.size))
            size, place = length * TYPE_BYTES.get(kind, 0), start + self._entry.size
            if size > self._offset.size:
                place = self._number(place, self._offset)
                self.value_bytes += max(min(size, window.size - place), 0)
            if place + size <= window.size:
                tags.setdefault(name, Tag(kind, length, place))
        self._check(tags)
        return tags, self._number(at + count * step, self._offset) if available == count else 0

    def _check(self, tags: dict[int, Tag]) -> None:
        """Check what the tags of one more directory hold."""
        window = self._window
        limit = max(MAX_COPIES * window.size, MAX_METADATA_BYTES // 2)
        if self.value_bytes > limit:
            raise window.excess(self.value_bytes, limit, "bytes of values in its tags")
        self.rationals += sum(tag.length for tag in tags.values() if tag.type in RATIONALS)
        if self.rationals > MAX_RATIONALS:
            raise window.excess(self.rationals, MAX_RATIONALS, "fractions in its tags")
        strips = max((tags[name].length for name in STRIPS if name in tags), default=0)
        if strips > MAX_STRIPS:
            raise window.excess(strips, MAX_STRIPS, "strips or tiles")
        numbers = sum(
            tag.length
            for name, tag in tags.items()
            if name not in STRIPS and TYPE_BYTES.get(tag.type, 1) > 1
        )
        if numbers > MAX_NUMBERS:
            raise window.excess(numbers, MAX_NUMBERS, "numbers in its tags")

    def pages(self) -> Iterator[Page]:
        """Yield the pages in the chain; one that refers to an earlier one is the last."""
        at, seen = self.first, set[int]()
        while at and at not in seen:
            seen.add(at)
            if len(seen) > MAX_FRAMES:
                raise self._window.excess(len(seen), MAX_FRAMES, "frames")
            tags, at = self.read(at)
            self.read_blocks(tags)
            tile = self.value(tags, TILE_HEIGHT) * self.value(tags, TILE_WIDTH)
            yield Page(
                self.value(tags, HEIGHT),
                self.value(tags, WIDTH),
                self.value(tags, SAMPLES, 1),
                self.value(tags, BITS, 1),
                tile,
            )

    def read_blocks(self, tags: dict[int, Tag]) -> None:
        """Read the directories of EXIF that others refer to: the camera's, GPS and their own."""
        for name in (CAMERA_BLOCK, GPS_BLOCK, INTEROPERABILITY_BLOCK):
            at = self.value(tags, name)
            if at:
                inner, _ = self.read(at)
                if name == CAMERA_BLOCK:
                    tags = {**inner, **tags}

    def value(self, tags: dict[int, Tag], name: int, default: int = 0) -> int:
        """Return the first value of a tag of whole numbers."""
        tag = tags.get(name)
        if tag is None or tag.type not in WHOLE_NUMBERS or not tag.length:
            return default
        return self._number(tag.at, struct.Struct(self._order + WHOLE_NUMBERS[tag.type]))

    def _number(self, at: int, form: struct.Struct) -> int:
        """Return a number of the file; 0 beyond its end."""
        content = self._window.read(at, form.size)
        return int(form.unpack(content)[0]) if len(content) == form.size else 0


def read_structure(window: Window) -> Structure:
    """Walk the directories of all pages."""
    directories = Directories(window)
    pages, held = [], 0
    for page in directories.pages():
        pages.append(page)
        limit = max(MAX_TILE_PIXELS, 2 * page.pixels)
        if page.tile_pixels > limit:
            raise window.excess(page.tile_pixels, limit, "pixels in a tile")
        held = max(held, page.tile_pixels * page.samples * max(page.bits // 8, 1))
    metadata = directories.value_bytes
    return Structure(
        tuple((page.height, page.width) for page in pages), metadata, held + 2 * metadata
    )


def check_exif(block: bytes, path: str) -> None:
    """Check the directories of an EXIF block.

    Raises
    ------
    ImageError
        If they hold more than those of any picture.
    """
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    directories = Directories(Window(BytesIO(block), path))
    tags, _ = directories.read(directories.first)
    directories.read_blocks(tags)
