"""The directories of TIFF, BigTIFF and EXIF (TIFF 6.0, section 2; Exif 2.32, 4.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from convcli.arithmetic.values import Pair
from convcli.images.structure import MAX_FRAMES, MAX_METADATA_BYTES, Structure, Window
from convcli.records import NamedTuple

# The bytes of a value by its type.
TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
              16: 8, 17: 8, 18: 8}  # fmt: skip
WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
RATIONALS = (5, 10)

STRIPS, TILES = (273, 279), (324, 325)  # their offsets, and their sizes
BLOCKS = (0x8769, 0x8825, 0xA005)  # directories of the camera and GPS, and the camera's own

COPY, MASK = 1, 4  # of the kind of a page
PARTS = COPY | MASK
MAX_TAGS = 300_000  # of all directories
MAX_SEGMENTS = 150_000  # strips or tiles of a page
MAX_TILE_PIXELS = 1 << 26  # of a tile that is larger than its page
MAX_NUMBERS = 300_000  # in the other tags of a directory
MAX_RATIONALS = 100_000  # of all directories: each becomes a fraction
MAX_COPIES = 4  # how often the bytes of a file may be read as the values of its tags
MAX_VALUE_BYTES = 1 << 20  # of a tag that is read, but for the offsets and the sizes of segments


class Field:
    """The names of tags, which are numbers."""

    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
    KIND, INNER = 254, 330
    DESCRIPTION, ORIENTATION, SAMPLES, STRIP_ROWS, PLANAR = 270, 274, 277, 278, 284
    PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_HEIGHT, JPEG_TABLES = 317, 320, 322, 323, 347
    EXTRA_SAMPLES, SAMPLE_FORMAT, CHROMA_SUBSAMPLING, VOLUME_DEPTH = 338, 339, 530, 32997
    RESOLUTIONS, RESOLUTION_UNIT, PROFILE = (282, 283), 296, 34675
    XMP, IPTC, PHOTOSHOP = 700, 33723, 34377
    CAMERA_BLOCK, GPS_BLOCK, INTEROPERABILITY_BLOCK = BLOCKS


class Tag(NamedTuple):
    """An entry of a directory: the type and number of its values, and where they are."""

    type: int
    length: int
    at: int

    @property
    def bytes(self) -> int:
        """The size of its values; 0 if their type is not known."""
        return self.length * TYPE_BYTES.get(self.type, 0)


Tags = dict[int, Tag]


class Directory(NamedTuple):
    """A directory as it is stored.

    Parameters
    ----------
    tags : dict
        Of two of one name, the first; their values may lie outside the file.
    entries : int
        How many it has, equal names included.
    value_bytes : int
        What their values take in the file, but for those in the entries themselves.
    next : int
        The offset of the next directory, or 0.
    is_whole : bool
        Whether the file holds all of its entries.
    """

    tags: Tags
    entries: int
    value_bytes: int
    next: int
    is_whole: bool


class Directories:
    """The directories of a file, read on demand; none is kept.

    Parameters
    ----------
    window : Window

    Attributes
    ----------
    order : {"<", ">"}
        The byte order.
    is_big : bool
        Whether numbers of values and offsets have 64 bits.
    first : int
        The offset of the first directory, or 0.
    is_cut : bool
        Whether the header, or the chain of pages once it was walked, leads beyond the end.
    value_bytes : int
        What the values of all directories take that were checked, beside their entries.
    """

    def __init__(self, window: Window) -> None:
        start = window.read(0, 4)
        self.window = window
        self.order = "<" if start[:2] == b"II" else ">"
        self.is_big = 43 in start[2:]
        form = "Q" if self.is_big else "I"
        self._counter = struct.Struct(self.order + ("Q" if self.is_big else "H"))
        self._offset = struct.Struct(self.order + form)
        self._entry = struct.Struct(f"{self.order}HH{form}{self._offset.size}x")
        self._numbers = {
            kind: struct.Struct(self.order + code) for kind, code in WHOLE_NUMBERS.items()
        }
        place = 8 if self.is_big else 4
        self.first = self._number(place, self._offset)
        self.is_cut = place + self._offset.size > window.size
        self.value_bytes = 0

    def read(self, at: int) -> Directory:
        """Read the directory at an offset.

        Raises
        ------
        ImageError
            If it has more tags than any picture.
        """
        window, step = self.window, self._entry.size
        count, at = self._number(at, self._counter), at + self._counter.size
        available = min(count, max(window.size - at, 0) // step)
        if available > MAX_TAGS:
            raise window.excess(available, MAX_TAGS, "tags")
        tags: Tags = {}
        value_bytes, width = 0, self._offset.size
        for name, kind, length in self._entry.iter_unpack(window.read(at, available * step)):
            at += step
            place, size = at - width, length * TYPE_BYTES.get(kind, 0)
            if size > width:
                place = self._number(place, self._offset)
                value_bytes += max(min(size, window.size - place), 0)
            if name not in tags:
                tags[name] = Tag(kind, length, place)
        is_whole = available == count
        following = self._number(at, self._offset) if is_whole else 0
        return Directory(tags, available, value_bytes, following, is_whole)

    def pages(self) -> Iterator[tuple[int, Tags]]:
        """Yield offset and tags of each page; one that refers to an earlier one is the last.

        Raises
        ------
        ImageError
            As `check`, and if they are more than those of any document.
        """
        at, seen = self.first, set[int]()
        while at and at not in seen:
            self.is_cut = at + self._counter.size > self.window.size
            if self.is_cut:
                return
            seen.add(at)
            if len(seen) > MAX_FRAMES:
                raise self.window.excess(len(seen), MAX_FRAMES, "frames")
            found = self.check(at)
            self.check_blocks(found.tags)
            yield at, found.tags
            at = found.next

    def check(self, at: int) -> Directory:
        """Read the directory at an offset, and check what it holds with those before.

        Raises
        ------
        ImageError
            If they hold more together than those of any picture.
        """
        found, window = self.read(at), self.window
        self.value_bytes += found.value_bytes
        window.count("tags", found.entries, MAX_TAGS)
        limit = max(MAX_COPIES * window.size, MAX_METADATA_BYTES // 2)
        window.count("bytes of values in its tags", found.value_bytes, limit)
        self._check_values(found.tags)
        return found

    def _check_values(self, tags: Tags) -> None:
        """Check how many values the file holds of the tags of one more directory."""
        segments = numbers = rationals = 0
        for name, tag in tags.items():
            if not self.holds(tag):
                continue
            if name in (*STRIPS, *TILES):
                segments = max(segments, tag.length)
            elif TYPE_BYTES.get(tag.type, 1) > 1:
                numbers += tag.length
            if tag.type in RATIONALS:
                rationals += tag.length
        self.window.count("fractions in its tags", rationals, MAX_RATIONALS)
        for count, limit, what in (
            (segments, MAX_SEGMENTS, "strips or tiles"),
            (numbers, MAX_NUMBERS, "numbers in its tags"),
        ):
            if count > limit:
                raise self.window.excess(count, limit, what)

    def check_blocks(self, tags: Tags) -> None:
        """Check the directories of EXIF that others refer to: the camera's, GPS and their own."""
        for name in BLOCKS:
            at = self.value(tags, name)
            if at:
                inner = self.check(at).tags
                if name == Field.CAMERA_BLOCK:
                    tags = {**inner, **tags}

    def holds(self, tag: Tag) -> bool:
        """Whether the values of a tag lie in the file."""
        return tag.at + tag.bytes <= self.window.size

    def value(self, tags: Tags, name: int, default: int = 0) -> int:
        """Return the first value of a tag of whole numbers; the default if there is none."""
        tag = tags.get(name)
        if tag is None or tag.type not in WHOLE_NUMBERS or not tag.length or not self.holds(tag):
            return default
        return self._number(tag.at, self._numbers[tag.type])

    def numbers(self, tag: Tag, max_bytes: int = MAX_VALUE_BYTES) -> tuple[int, ...]:
        """Return the whole numbers of a tag.

        Raises
        ------
        ValueError
            If it has others or too many, or the file does not hold them.
        """
        if tag.type not in WHOLE_NUMBERS:
            raise ValueError(f"a tag of whole numbers is of type {tag.type}")
        form = f"{self.order}{tag.length}{WHOLE_NUMBERS[tag.type]}"
        return struct.unpack(form, self.content(tag, max_bytes))

    def content(self, tag: Tag, max_bytes: int = MAX_VALUE_BYTES) -> bytes:
        """Return the bytes of a tag's values, in the file's byte order; errors as `numbers`."""
        if tag.bytes > max_bytes:
            raise ValueError(f"a tag has {tag.bytes:,} bytes; the most is {max_bytes:,}")
        return self.read_at(tag.at, tag.bytes)

    def read_at(self, at: int, count: int) -> bytes:
        """Return bytes of the file, all that were asked for.

        Raises
        ------
        ValueError
            If the file ends before.
        """
        content = self.window.read(at, count)
        if len(content) < count:
            raise ValueError("it is cut short")
        return content

    def _number(self, at: int, form: struct.Struct) -> int:
        """Return a number of the file; 0 beyond its end."""
        content = self.window.read(at, form.size)
        return int(form.unpack(content)[0]) if len(content) == form.size else 0


def read_structure(window: Window) -> Structure:
    """Walk the directories of all pages.

    Smaller copies of a picture and masks, which are pages like any other, are left out if there is
    anything else. A copy may come first, and name the picture itself, as cameras have it.
    """
    directories = Directories(window)
    entries = [
        (offset, directories.value(tags, Field.KIND), _measure(directories, tags))
        for offset, tags in _iterate_pictures(directories)
    ]
    whole = [entry for entry in entries if not entry[1] & PARTS] or entries
    metadata = directories.value_bytes
    return Structure(
        tuple(measure.size for _, _, measure in whole),
        metadata,
        max((measure.held for _, _, measure in whole), default=0) + 2 * metadata,
        tuple(offset for offset, _, _ in whole),
        directories.is_cut,
        parts=len(entries) - len(whole),
    )


class _Measure(NamedTuple):
    size: Pair
    held: int


def _iterate_pictures(directories: Directories) -> Iterator[tuple[int, Tags]]:
    """Yield offset and tags of each page, and of the pictures that a smaller copy names."""
    seen = set[int]()
    for offset, tags in directories.pages():
        seen.add(offset)
        yield offset, tags
        if Field.INNER not in tags or not directories.value(tags, Field.KIND) & COPY:
            continue
        inner = set(directories.numbers(tags[Field.INNER])) if _holds(directories, tags) else set()
        directories.window.count("directories within pages", len(inner), MAX_FRAMES)
        for at in sorted(inner - seen):
            seen.add(at)
            found = directories.check(at)
            directories.check_blocks(found.tags)
            if found.is_whole and not directories.value(found.tags, Field.KIND) & PARTS:
                yield at, found.tags


def _holds(directories: Directories, tags: Tags) -> bool:
    """Whether the file holds where the directories within a page are."""
    tag = tags[Field.INNER]
    return tag.type in WHOLE_NUMBERS and tag.bytes <= MAX_VALUE_BYTES and directories.holds(tag)


def _measure(directories: Directories, tags: Tags) -> _Measure:
    """Return the size of a page, and what a tile of it takes.

    Raises
    ------
    ImageError
        If the tile is much larger than the page.
    """
    window = directories.window
    height, width, samples, bits, tile_height, tile_width = (
        directories.value(tags, name, default)
        for name, default in (
            *((Field.HEIGHT, 0), (Field.WIDTH, 0), (Field.SAMPLES, 1), (Field.BITS, 1)),
            *((Field.TILE_HEIGHT, 0), (Field.TILE_WIDTH, 0)),
        )
    )
    tile, limit = tile_height * tile_width, max(MAX_TILE_PIXELS, 2 * height * width)
    if tile > limit:
        raise window.excess(tile, limit, "pixels in a tile")
    return _Measure((height, width), tile * samples * max(bits // 8, 1))


def check_exif(block: bytes, window: Window) -> None:
    """Check the directories of an EXIF block, with those before in the same file.

    Raises
    ------
    ImageError
        If they hold more than those of any picture.
    """
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    directories = Directories(window.inner(block))
    directories.check_blocks(directories.check(directories.first).tags)
