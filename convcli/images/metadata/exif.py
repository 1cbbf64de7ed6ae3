"""EXIF blocks, changed in place: all other bytes, and their offsets, stay (Exif 2.32, 4.6).

A note of a camera's maker may refer to places of the whole block, so that writing it anew loses it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress

from convcli.arithmetic.values import Pair
from convcli.images.metadata import directory
from convcli.images.metadata.directory import (
    ENTRY_BYTES,
    INLINE_BYTES,
    LONG,
    MAX_SHORT,
    RATIONAL,
    SHORT,
)
from convcli.images.structure.tiff import BLOCKS, TYPE_BYTES, WHOLE_NUMBERS, Field
from convcli.records import NamedTuple

PREFIX = b"Exif\0\0"
HEADERS = {b"II*\0": "<", b"MM\0*": ">"}  # and the byte order
UTF8 = 129  # a type of Exif 3.0
VALUE_BYTES = {kind: size for kind, size in TYPE_BYTES.items() if kind not in directory.BIG_TYPES}
VALUE_BYTES[UTF8] = 1
MAX_ENTRIES = 10_000  # of a directory; cameras write a hundred
MAX_COPIES = 4  # how often the bytes of a block may be read as values
CAMERA_WIDTH, CAMERA_HEIGHT = 0xA002, 0xA003
THUMBNAIL = (0x0201, 0x0202)  # its offset and its length
STRIPS = (273, 279)
CUT_OFF = "its directory is cut off"
MAX_PADDING_BYTES = 3  # after the last value
INCHES = {2: 1.0, 3: 2.54}  # of a unit of resolution


class Entry(NamedTuple):
    """An entry of a directory.

    Parameters
    ----------
    at : int
        Where it is.
    name, type, length : int
    value_at : int
        Where its values are.
    """

    at: int
    name: int
    type: int
    length: int
    value_at: int

    @property
    def bytes(self) -> int:
        """The size of its values; 0 if their type is not known."""
        return self.length * VALUE_BYTES.get(self.type, 0)


class ExifBlock:
    """An EXIF block that can be changed.

    Parameters
    ----------
    block : bytes
        With or without its prefix.

    Raises
    ------
    ValueError
        If it has no first directory that is whole.
    """

    def __init__(self, block: bytes) -> None:
        while block.startswith(PREFIX):
            block = block[len(PREFIX) :]
        if block[:4] not in HEADERS:
            raise ValueError("it does not start with a byte order")
        self.order = HEADERS[block[:4]]
        self.data = bytearray(block)
        self._free = MAX_COPIES * len(block)  # bytes of values that may still be read
        self.first = self.number(4, "I")
        self.entries(self.first)

    def tobytes(self) -> bytes:
        """Return the block with its prefix; nothing if it holds no tag."""
        return PREFIX + bytes(self.data) if self.entries(self.first) else b""

    def number(self, at: int, code: str) -> int:
        """Return a whole number, as `struct` codes it.

        Raises
        ------
        ValueError
            If the block does not hold it.
        """
        try:
            return int(struct.unpack_from(self.order + code, self.data, at)[0])
        except (struct.error, OverflowError):
            raise ValueError(CUT_OFF) from None

    def entries(self, at: int) -> list[Entry]:
        """Return the entries of a directory; error as `number`."""
        count, start = self._check_directory(at), at + 2
        found = []
        for place in range(start, start + count * ENTRY_BYTES, ENTRY_BYTES):
            name, kind, length = struct.unpack_from(f"{self.order}HHI", self.data, place)
            value_at = place + ENTRY_BYTES - INLINE_BYTES
            if length * VALUE_BYTES.get(kind, 0) > INLINE_BYTES:
                value_at = self.number(value_at, "I")
            found.append(Entry(place, name, kind, length, value_at))
        return found

    def _check_directory(self, at: int) -> int:
        """Return the number of entries of a directory; error as `number`."""
        count = self.number(at, "H")
        if count > MAX_ENTRIES:
            raise ValueError(f"it has {count:,} tags; the most is {MAX_ENTRIES:,}")
        if at + 2 + count * ENTRY_BYTES > len(self.data):
            raise ValueError(CUT_OFF)
        return count

    def next(self, at: int) -> int:
        """Return the offset of the directory after the one at an offset; 0 if there is none."""
        try:
            return self.number(at + 2 + self.number(at, "H") * ENTRY_BYTES, "I")
        except ValueError:
            return 0

    def value(self, entry: Entry) -> int:
        """Return the first value of an entry of whole numbers; 0 if there is none."""
        if entry.type not in WHOLE_NUMBERS or not entry.bytes:
            return 0
        try:
            return self.number(entry.value_at, WHOLE_NUMBERS[entry.type])
        except ValueError:
            return 0

    def content(self, entry: Entry) -> bytes | None:
        """Return the bytes of an entry's values; None if the block does not hold them.

        Values that share their bytes are read only a few times the size of the block.
        """
        end = entry.value_at + entry.bytes
        self._free -= entry.bytes
        if self._free < 0:
            return None
        return bytes(self.data[entry.value_at : end]) if end <= len(self.data) else None

    def directories(self) -> Iterator[tuple[int, list[Entry]]]:
        """Yield the offset and entries of all that are whole, but those of the thumbnail."""
        pending, seen = [self.first], set[int]()
        while pending:
            at = pending.pop()
            if not at or at in seen:
                continue
            seen.add(at)
            try:
                entries = self.entries(at)
            except ValueError:
                continue
            yield at, entries
            pending += [self.value(entry) for entry in entries if entry.name in BLOCKS]

    def keep(self, at: int, is_kept: Callable[[Entry], bool]) -> int:
        """Remove entries from a directory; return how many. What follows its entries stays there.

        Parameters
        ----------
        at : int
        is_kept : callable
            Whether an entry stays.
        """
        entries = self.entries(at)
        kept = [entry for entry in entries if is_kept(entry)]
        if len(kept) == len(entries):
            return 0
        start, end = at + 2, at + 2 + len(entries) * ENTRY_BYTES
        following = bytes(self.data[end : end + 4])  # where the next directory is
        parts = [self.data[entry.at : entry.at + ENTRY_BYTES] for entry in kept]
        size = end + len(following) - start
        self.data[start : start + size] = b"".join((*parts, following)).ljust(size, b"\0")
        struct.pack_into(f"{self.order}H", self.data, at, len(kept))
        return len(entries) - len(kept)

    def remove_malformed(self) -> int:
        """Remove the entries that say nothing, or too much; return how many."""
        return sum(self.keep(at, self._is_sound) for at, _ in list(self.directories()))

    def _is_sound(self, entry: Entry) -> bool:
        """Whether the block holds the values of an entry, and those of some are of their type."""
        if entry.type not in VALUE_BYTES or entry.value_at + entry.bytes > len(self.data):
            return False  # but an empty text, as cameras write it, is one
        if entry.name in BLOCKS:
            try:
                return self._check_directory(self.value(entry)) > 0
            except ValueError:
                return False
        own = dict.fromkeys(Field.RESOLUTIONS, (RATIONAL, 1))
        own[Field.RESOLUTION_UNIT] = SHORT, 1
        return own.get(entry.name, (entry.type, entry.length)) == (entry.type, entry.length)

    def set_number(self, at: int, name: int, value: int) -> None:
        """Change the entries of a name in a directory, if there are any."""
        entries = [entry for entry in self.entries(at) if entry.name == name]
        if any(entry.bytes > INLINE_BYTES for entry in entries):  # of another type
            self.keep(at, lambda entry: entry.name != name)
            return
        for entry in entries:
            is_short = entry.type == SHORT and value <= MAX_SHORT
            kind, code = (SHORT, "H2x") if is_short else (LONG, "I")
            layout = f"{self.order}HI{code}"
            struct.pack_into(layout, self.data, entry.at + 2, kind, 1, value)

    def remove_thumbnail(self) -> None:
        """Remove the second directory and its small picture, which shows what was not filtered."""
        at = self.next(self.first)
        if not at:
            return
        count = self.number(self.first, "H")
        struct.pack_into(f"{self.order}I", self.data, self.first + 2 + count * ENTRY_BYTES, 0)
        try:
            entries = self.entries(at)
        except ValueError:
            return
        kept = [(0, 8)]
        for place, found in self.directories():
            kept += self._extents(place, found)
        kept = _join_extents(kept)
        removed = [
            (start, end)
            for start, end in _join_extents(
                self._extents(at, entries) + self._thumbnail_extents(entries)
            )
            if end <= len(self.data) and not _overlaps(start, end, kept)
        ]
        for start, end in removed:
            self.data[start:end] = bytes(end - start)
        for start, end in reversed(removed):
            if end + MAX_PADDING_BYTES < len(self.data):
                break
            del self.data[start:]

    def _extents(self, at: int, entries: list[Entry]) -> list[Pair]:
        """Return start and end of a directory and of its values."""
        own = at, at + 2 + len(entries) * ENTRY_BYTES + 4
        outside = [
            (entry.value_at, entry.value_at + entry.bytes)
            for entry in entries
            if entry.bytes > INLINE_BYTES
        ]
        return [(own[0], min(own[1], len(self.data))), *outside]

    def _thumbnail_extents(self, entries: list[Entry]) -> list[Pair]:
        """Return start and end of the pixels of a thumbnail."""
        values = {entry.name: self.value(entry) for entry in entries if entry.length == 1}
        return [
            (values[offset], values[offset] + values[length])
            for offset, length in (THUMBNAIL, STRIPS)
            if values.get(offset, 0) and values.get(length, 0)
        ]


def _join_extents(extents: list[Pair]) -> list[Pair]:
    """Return extents, from start to end, in order, those that overlap as one."""
    joined: list[Pair] = []
    for start, end in sorted(extents):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _overlaps(start: int, end: int, joined: list[Pair]) -> bool:
    """Whether an extent lies over one of several that are joined."""
    index = bisect_left(joined, (end, 0)) - 1
    return index >= 0 and joined[index][1] > start


def normalize(block: bytes) -> tuple[bytes, int, int]:
    """Return a block without its orientation, its thumbnail and malformed tags.

    The thumbnail is removed, as it shows the picture before it was filtered, and maybe what was
    cropped from it.

    Returns
    -------
    block : bytes
        Nothing if it has no tag left.
    orientation : int
        1 to 8.
    malformed : int
        The number of tags that were removed as such.

    Raises
    ------
    ValueError
        If its first directory is not whole.
    """
    exif = ExifBlock(block)
    values = [exif.value(entry) for entry in exif.entries(exif.first)
              if entry.name == Field.ORIENTATION]  # fmt: skip
    exif.keep(exif.first, lambda entry: entry.name != Field.ORIENTATION)
    exif.remove_thumbnail()
    malformed = exif.remove_malformed()
    orientation = values[0] if values and 1 <= values[0] <= 8 else 1
    return exif.tobytes(), orientation, malformed


def has_orientation(block: bytes) -> bool:
    """Whether a block that is whole says how its picture is to be turned."""
    exif = ExifBlock(block)
    return any(entry.name == Field.ORIENTATION for entry in exif.entries(exif.first))


def set_size(block: bytes, size: Pair) -> bytes:
    """Return a block that `normalize` returned, whose tags of a picture's size say (H, W).

    Nothing remains of one whose directories lie over each other.
    """
    exif, (height, width) = ExifBlock(block), size
    try:
        for at, _ in list(exif.directories()):
            for name, value in (
                *((CAMERA_WIDTH, width), (CAMERA_HEIGHT, height)),
                *((Field.WIDTH, width), (Field.HEIGHT, height)),
            ):
                exif.set_number(at, name, value)
        return exif.tobytes()
    except ValueError:
        return b""


def read_dpi(block: bytes) -> list[float] | None:
    """Return the dots an inch, horizontal and vertical, that a block which is whole says."""
    exif = ExifBlock(block)
    entries = {entry.name: entry for entry in exif.entries(exif.first)}
    unit = 2
    if Field.RESOLUTION_UNIT in entries:
        unit = exif.value(entries[Field.RESOLUTION_UNIT])
    found = [entries[name] for name in Field.RESOLUTIONS if name in entries]
    if unit not in INCHES or len(found) < len(Field.RESOLUTIONS):
        return None
    dpi = []
    for entry in found:
        content = exif.content(entry) if entry.type == RATIONAL and entry.length == 1 else None
        numerator, denominator = struct.unpack(f"{exif.order}II", content or bytes(8))
        if not denominator:
            return None
        dpi.append(numerator / denominator * INCHES[unit])
    return dpi


def decode(block: bytes) -> directory.Block:
    """Return what a block holds that does not say how pixels are stored, least byte first.

    A block that `normalize` returned; what it does not hold whole is left out.
    """
    exif = ExifBlock(block)
    found = _decode_directory(exif, exif.first, set())
    kept = {name: value for name, value in found.values.items()
            if directory.is_kept(name, value.type)}  # fmt: skip
    found = directory.Block(kept, found.blocks)
    return found if exif.order == "<" else directory.swap(found)


def _decode_directory(exif: ExifBlock, at: int, seen: set[int]) -> directory.Block:
    """Return a directory and those that it refers to, each once."""
    seen.add(at)
    values, blocks = {}, {}
    for entry in exif.entries(at):
        content = exif.content(entry)
        if entry.name in BLOCKS:
            inner = exif.value(entry)
            with suppress(ValueError):
                if inner and inner not in seen:
                    blocks[entry.name] = _decode_directory(exif, inner, seen)
        elif content and entry.type not in directory.BIG_TYPES:
            values[entry.name] = directory.Value(entry.type, entry.length, content)
    return directory.Block(values, blocks)


def encode(block: directory.Block, order: str) -> bytes:
    """Return a directory as a block with its prefix; nothing for one without a tag."""
    if not (block.values or block.blocks):
        return b""
    header = next(start for start, value in HEADERS.items() if value == order)
    start = header + struct.pack(f"{order}I", 8)
    return PREFIX + start + directory.encode(block, 8, order)
