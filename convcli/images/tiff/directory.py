"""The directories of a TIFF: its pages, and how the pixels of each are stored.

TIFF 6.0 (Adobe, 1992), sections 2, 8, 14, 15 and 19; Adobe Photoshop TIFF Technical Notes 3; and
BigTIFF, whose numbers of values and offsets have 64 bits.
"""

from __future__ import annotations

import math
import os
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.images import Values

MAX_PAGES = 10_000
MAX_TAGS = 4096  # of a page
MAX_SEGMENTS = 1 << 18  # strips or tiles of a page
MAX_BANDS = 64  # values of a pixel
MAX_VALUE_BYTES = 1 << 20  # of any tag but the offsets and the sizes of segments

# Tags.
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_ROWS, STRIP_SIZES, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 317, 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT, CHROMA_SUBSAMPLING, VOLUME_DEPTH = 338, 339, 530, 32997

# Values of tags.
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
UNSIGNED, SIGNED, REAL, VOID = 1, 2, 3, 4
NO_COMPRESSION, GROUP_4 = 1, 4
ALPHAS = {1: "associated", 2: "unassociated", 999: "unassociated"}  # the last one is Corel Draw's
FITS_BYTE, FITS_WORD = 8, 16
COLOR_BANDS = {RGB: 3, CMYK: 4, YCBCR: 3}  # others have one

# NumPy's name of a value's type, for types that are whole numbers.
_WHOLE = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
               16: 8, 17: 8, 18: 8}  # fmt: skip


class Tag(NamedTuple):
    """A tag of a directory.

    Parameters
    ----------
    type : int
        Of its values, as TIFF numbers types.
    length : int
        How many there are.
    position : int
        Where they begin in the file.
    """

    type: int
    length: int
    position: int

    @property
    def bytes(self) -> int:
        """The size of its values; 0 if their type is not known."""
        return self.length * _TYPE_BYTES.get(self.type, 0)


Tags = dict[int, Tag]


class Directories:
    """The directories of an open TIFF, read on demand; none is kept.

    Parameters
    ----------
    stream : binary file
        One that can seek.
    keeps_damaged : bool
        Let the chain of pages end where it is broken; `is_cut` says whether it is.

    Raises
    ------
    ValueError
        If it is no TIFF, or its pages are too many. Other errors that a broken file causes pass
        through.
    """

    def __init__(self, stream: BinaryIO, *, keeps_damaged: bool = False) -> None:
        self.stream = stream
        self.is_cut = False
        self.size = stream.seek(0, os.SEEK_END)
        start = self.read_at(0, 8)
        self.order = "<" if start[:2] == b"II" else ">"
        self.is_big = 43 in start[2:4]
        form = "Q" if self.is_big else "I"
        self._offset = struct.Struct(self.order + form)
        self._entry = struct.Struct(f"{self.order}HH{form}{self._offset.size}s")
        self._count = struct.Struct(self.order + ("Q" if self.is_big else "H"))
        first = self._read_number(self._offset, 8 if self.is_big else 4)
        self.offsets = self._find_pages(first, keeps_damaged=keeps_damaged)

    def _find_pages(self, offset: int, *, keeps_damaged: bool) -> list[int]:
        """Return the offset of each page; a chain that comes back to a page ends there."""
        found: dict[int, None] = {}
        while offset and offset not in found:
            try:
                count = self._read_number(self._count, offset)
            except ValueError:
                if not (found and keeps_damaged):
                    raise
                self.is_cut = True
                break
            found[offset] = None
            if len(found) > MAX_PAGES:
                raise ValueError(f"it has more than {MAX_PAGES:,} pages, the most that are read")
            following = offset + self._count.size + count * self._entry.size
            is_whole = following + self._offset.size <= self.size
            offset = self._read_number(self._offset, following) if is_whole else 0
        if not found:
            raise ValueError("it has no page")
        return list(found)

    def read_tags(self, offset: int) -> Tags:
        """Return the tags of the directory at an offset; the first of two of one name counts."""
        count = self._read_number(self._count, offset)
        if not 0 < count <= MAX_TAGS:
            raise ValueError(f"a page has {count:,} tags; the most is {MAX_TAGS:,}")
        start = offset + self._count.size
        content = self.read_at(start, count * self._entry.size)
        tags: Tags = {}
        for index, (name, kind, values, _) in enumerate(self._entry.iter_unpack(content)):
            position = start + (index + 1) * self._entry.size - self._offset.size
            tag = Tag(kind, values, position)
            if tag.bytes > self._offset.size:
                tag = tag._replace(position=self._read_number(self._offset, position))
            tags.setdefault(name, tag)
        return tags

    def numbers(self, tag: Tag, max_bytes: int = MAX_VALUE_BYTES) -> Values:
        """Return the whole numbers of a tag."""
        if tag.type not in _WHOLE:
            raise ValueError(f"a tag of whole numbers is of type {tag.type}")
        return np.frombuffer(self.content(tag, max_bytes), self.order + _WHOLE[tag.type])

    def content(self, tag: Tag, max_bytes: int = MAX_VALUE_BYTES) -> bytes:
        """Return the bytes of a tag's values, in the byte order of the file."""
        if tag.bytes > max_bytes:
            raise ValueError(f"a tag has {tag.bytes:,} bytes; the most is {max_bytes:,}")
        return self.read_at(tag.position, tag.bytes)

    def read_at(self, position: int, count: int) -> bytes:
        """Return bytes of the file, all that were asked for."""
        if position + count > self.size:
            raise ValueError("it is cut short")
        self.stream.seek(position)
        return self.stream.read(count)

    def _read_number(self, form: struct.Struct, position: int) -> int:
        return int(form.unpack(self.read_at(position, form.size))[0])


class Layout(NamedTuple):
    """How the pixels of a page are stored.

    Parameters
    ----------
    size : (height, width)
    samples : int
        Values of a pixel, alpha included.
    bits, sample_format : int
        Of every value.
    photometric : int
        What the values mean.
    extra : tuple of int
        What those mean that come after the colors.
    is_planar : bool
        Whether each band lies by itself.
    compression, predictor, fill_order : int
    segment : (height, width)
        Of a tile, or of a strip.
    is_tiled : bool
    orientation : int
        1 to 8, as EXIF has it.
    order : {"<", ">"}
        The byte order.
    subsampling : tuple of int
        Columns and rows that share their chroma.
    """

    size: Pair
    samples: int
    bits: int
    sample_format: int
    photometric: int
    extra: tuple[int, ...]
    is_planar: bool
    compression: int
    predictor: int
    fill_order: int
    segment: Pair
    is_tiled: bool
    orientation: int
    order: str
    subsampling: tuple[int, ...]

    @property
    def alpha(self) -> int | None:
        """The index of the alpha among the values of a pixel, if there is one."""
        if self.depth is None:
            return None
        colors = self.samples - len(self.extra)
        return next((colors + i for i, kind in enumerate(self.extra) if kind in ALPHAS), None)

    @property
    def is_premultiplied(self) -> bool:
        """Whether the colors are multiplied by their alpha."""
        return self.alpha is not None and ALPHAS[self._alpha_kind] == "associated"

    @property
    def _alpha_kind(self) -> int:
        return self.extra[(self.alpha or 0) - (self.samples - len(self.extra))]

    @property
    def depth(self) -> int | None:
        """Bits of a value as it will be read, 8 or 16; None for numbers without black and white."""
        if self.sample_format != UNSIGNED or self.bits > FITS_WORD:
            return None
        return FITS_BYTE if self.bits <= FITS_BYTE else FITS_WORD

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a value as it will be read."""
        kind = {UNSIGNED: "u", SIGNED: "i", REAL: "f"}[self.sample_format]
        return np.dtype(f"{kind}{(self.depth or self.bits) // 8}")

    @property
    def bands(self) -> int:
        """The number of values that are stored together."""
        return 1 if self.is_planar else self.samples

    @property
    def row_bytes(self) -> int:
        """The size of a row of a segment."""
        return -(-self.segment[1] * self.bands * self.bits // 8)

    @property
    def grid(self) -> Pair:
        """How many segments of a plane there are, down and across."""
        return -(-self.size[0] // self.segment[0]), -(-self.size[1] // self.segment[1])

    @property
    def segments(self) -> int:
        """How many segments there are in all planes."""
        return math.prod(self.grid) * (self.samples if self.is_planar else 1)


def read_layout(directories: Directories, tags: Tags) -> Layout:
    """Return the layout that the tags of a page say.

    Raises
    ------
    ValueError
        For values that contradict each other, that are too many, or that differ between bands.
    """

    def numbers(name: int, *default: int) -> list[int]:
        return directories.numbers(tags[name]).tolist() if name in tags else list(default)

    def number(name: int, default: int) -> int:
        return int((numbers(name) or [default])[0])

    def common(name: int, default: int) -> int:
        values = set(numbers(name, default)[:samples])
        if len(values) != 1:
            raise ValueError(f"its bands differ in tag {name}: {sorted(values)}")
        return int(values.pop())

    height, width, samples = number(HEIGHT, 0), number(WIDTH, 0), number(SAMPLES, 1)
    compression = number(COMPRESSION, NO_COMPRESSION)
    is_tiled = TILE_WIDTH in tags and TILE_HEIGHT in tags
    rows = min(number(STRIP_ROWS, height) or height, height)
    segment = (number(TILE_HEIGHT, 0), number(TILE_WIDTH, 0)) if is_tiled else (rows, width)
    if min(height, width, samples, *segment) < 1 or number(VOLUME_DEPTH, 1) != 1:
        raise ValueError(f"its size is {height}x{width}, in parts of {segment[0]}x{segment[1]}")
    if samples > MAX_BANDS:
        raise ValueError(f"it has {samples:,} values a pixel; the most is {MAX_BANDS}")
    # What libtiff takes it for where a file does not say it.
    usual = RGB if samples >= 3 else MIN_IS_WHITE if 2 <= compression <= GROUP_4 else MIN_IS_BLACK
    photometric = number(PHOTOMETRIC, usual)
    extra = tuple(numbers(EXTRA_SAMPLES))
    extra_count = max(samples - COLOR_BANDS.get(photometric, 1), 0)
    if EXTRA_SAMPLES not in tags and photometric == RGB and samples == 4:
        extra = (2,)
    extra = (*extra[:extra_count], *(0,) * (extra_count - len(extra)))
    sample_format = common(SAMPLE_FORMAT, UNSIGNED)
    layout = Layout(
        (height, width),
        samples,
        common(BITS, 1),
        UNSIGNED if sample_format == VOID else sample_format,
        photometric,
        extra,
        number(PLANAR, 1) == 2 and samples > 1,
        compression,
        number(PREDICTOR, 1),
        number(FILL_ORDER, 1),
        segment,
        is_tiled,
        number(ORIENTATION, 1),
        directories.order,
        tuple(numbers(CHROMA_SUBSAMPLING, 2, 2)) if photometric == YCBCR else (),
    )
    if layout.segments > MAX_SEGMENTS:
        parts = f"{layout.segments:,} strips or tiles"
        raise ValueError(f"a page has {parts}; the most is {MAX_SEGMENTS:,}")
    return layout


def read_extents(directories: Directories, tags: Tags, layout: Layout) -> list[Pair]:
    """Return the offset and the size of each strip or tile that the file names."""
    names = (TILE_OFFSETS, TILE_SIZES) if TILE_OFFSETS in tags else (STRIP_OFFSETS, STRIP_SIZES)
    if names[0] not in tags:
        raise ValueError("it says nowhere where its pixels are")
    limit = MAX_SEGMENTS * 8
    offsets = directories.numbers(tags[names[0]], limit).tolist()[: layout.segments]
    if names[1] in tags:
        sizes = directories.numbers(tags[names[1]], limit).tolist()
    elif layout.compression == NO_COMPRESSION:
        sizes = [layout.segment[0] * layout.row_bytes] * len(offsets)
    else:
        sizes = [directories.size] * len(offsets)
    return [
        (offset, max(min(size, directories.size - offset), 0))
        for offset, size in zip(offsets, sizes, strict=False)
    ]
