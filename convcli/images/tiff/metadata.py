"""The metadata of a page of a TIFF: EXIF, XMP, IPTC, its profile and resolution."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from convcli.images import Metadata
from convcli.images.embedded import valid_dpi
from convcli.images.metadata import exif, iptc, xmp
from convcli.images.metadata.directory import BIG_TYPES, RATIONAL, Block, Value, is_kept
from convcli.images.structure.tiff import BLOCKS, Directories, Field, Tags

LAYOUT_TEXTS = (b"<OME", b"ImageJ=", b'{"shape": ')  # say how several pages are one array
LAYOUT_TEXT_BYTES = 2000  # within which they begin
NO_UNIT, INCH = 1, 2
DPI = {NO_UNIT: 1.0, INCH: 1.0, 3: 2.54}  # dots an inch of those a unit
MAX_BLOCK_BYTES = 16 << 20  # of a profile, of XMP, and of IPTC
LONG = 4


class MetadataReader:
    """Reads the metadata of a page; what is malformed is left out, and named.

    Parameters
    ----------
    directories : Directories
    tags : dict
        Of the page.

    Attributes
    ----------
    notes : list of str
        What was left out.
    """

    def __init__(self, directories: Directories, tags: Tags) -> None:
        self._directories = directories
        self._tags = tags
        self.notes: list[str] = []

    def read(self, channels: int) -> Metadata:
        """Read all that is kept; `channels` are those of the page's picture.

        The tag of a page alone says how it is turned, and what XMP says of that is reset.
        """
        unit = self._directories.value(self._tags, Field.RESOLUTION_UNIT, INCH)
        dpi = None
        if unit in DPI:
            fractions = [self._read_fraction(name) * DPI[unit] for name in Field.RESOLUTIONS]
            dpi = valid_dpi(fractions)
        aspect: tuple[float, float] | None = None
        if unit == NO_UNIT:
            dpi, aspect = None, dpi
        return Metadata(
            exif=self._try("EXIF", self._read_exif),
            profile=self._read(Field.PROFILE, "color profile"),
            color_mode="L" if channels < len("RGB") else "RGB",
            dpi=dpi,
            xmp=self._try("XMP", self._read_xmp),
            iptc=self._try("IPTC", self._read_iptc),
            aspect=None if aspect is None or aspect[0] == aspect[1] else aspect,
        )

    def _try(self, name: str, read: Callable[[], bytes]) -> bytes:
        """Return what a function reads; nothing, and a note, if that is malformed."""
        try:
            return read()
        except ValueError as error:
            self.notes.append(f"its {name} is malformed ({error}) and left out")
            return b""

    def _read(self, tag: int, name: str) -> bytes:
        """Return the bytes of a tag; nothing if there is none."""
        if tag not in self._tags:
            return b""
        return self._try(name, lambda: self._directories.content(self._tags[tag], MAX_BLOCK_BYTES))

    def _read_fraction(self, name: int) -> float:
        """Return the number of a tag of fractions; NaN if there is none."""
        tag = self._tags.get(name)
        if (
            tag is None
            or tag.type != RATIONAL
            or tag.length < 1
            or not self._directories.holds(tag)
        ):
            return math.nan
        content = self._directories.read_at(tag.at, 8)
        numerator, denominator = struct.unpack(f"{self._directories.order}II", content)
        return float(numerator) / float(denominator) if denominator else math.nan

    def _read_xmp(self) -> bytes:
        packet = self._read(Field.XMP, "XMP")
        return xmp.reset_orientation(xmp.to_utf8(packet.rstrip(b"\0"))) if packet else b""

    def _read_iptc(self) -> bytes:
        """Return IPTC from its own tag, or from the resources of Photoshop."""
        content = self._read(Field.IPTC, "IPTC")
        if not content:
            return iptc.find_iptc(self._read(Field.PHOTOSHOP, "Photoshop resources"))
        if not iptc.is_iptc(content) and self._tags[Field.IPTC].type == LONG:
            # Bytes that were written as numbers in the other byte order.
            content = content[: len(content) // 4 * 4]
            parts = [content[at : at + 4][::-1] for at in range(0, len(content), 4)]
            content = b"".join(parts)
        if not iptc.is_iptc(content):
            raise ValueError("it does not start with a data set")
        return content

    def _read_exif(self) -> bytes:
        """Return an EXIF block with the texts of the page, and the blocks of camera and GPS."""
        found = self._read_directory(self._tags)
        values = {name: value for name, value in found.values.items() if is_kept(name, value.type)}
        start = values.get(Field.DESCRIPTION, Value(0, 0, b"")).content[:LAYOUT_TEXT_BYTES]
        if any(mark in start for mark in LAYOUT_TEXTS):
            del values[Field.DESCRIPTION]  # which others would take for the layout of a result
        return exif.encode(Block(values, found.blocks), self._directories.order)

    def _read_directory(self, tags: Tags, seen: tuple[int, ...] = ()) -> Block:
        """Return the values and the blocks of a directory; what the file does not hold is not."""
        directories, is_first = self._directories, not seen
        values, blocks = {}, {}
        for name, tag in tags.items():
            if name in BLOCKS:
                at = directories.value(tags, name)
                if at and at not in seen:
                    inner = directories.read(at)
                    blocks[name] = self._read_directory(inner.tags, (*seen, at))
            elif is_first and not is_kept(name, tag.type):
                continue
            elif tag.bytes and tag.type not in BIG_TYPES and directories.holds(tag):
                values[name] = Value(tag.type, tag.length, directories.content(tag))
        return Block(values, blocks)
