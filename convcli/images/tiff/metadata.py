"""The metadata of a page of a TIFF: its texts, the blocks of EXIF, its profile and resolution."""

from __future__ import annotations

import math
import struct
from typing import BinaryIO

from PIL import Image

from convcli.images import Metadata, pillow
from convcli.images.structure.tiff import Directories, Field, Tags

ASCII, RATIONAL = 2, 5  # types
LAYOUT_TEXTS = (b"<OME", b"ImageJ=", b'{"shape": ')  # say how several pages are one array
LAYOUT_TEXT_BYTES = 2000  # within which they begin
INCH = 2
DPI = {INCH: 1.0, 3: 2.54}  # dots an inch of those a unit
MAX_PROFILE_BYTES = 16 << 20


def read_metadata(
    directories: Directories, tags: Tags, stream: BinaryIO, offset: int, channels: int
) -> Metadata:
    """Read the metadata of a page.

    Parameters
    ----------
    directories : Directories
    tags : dict
        Of the page.
    stream : binary file
    offset : int
        Of the page's directory.
    channels : int
        Of its picture.
    """
    profile = b""
    if Field.PROFILE in tags:
        profile = directories.content(tags[Field.PROFILE], MAX_PROFILE_BYTES)
    dpi, unit = None, directories.value(tags, Field.RESOLUTION_UNIT, INCH)
    if unit in DPI:
        fractions = (_read_fraction(directories, tags, name) for name in Field.RESOLUTIONS)
        dpi = pillow.valid_dpi([fraction * DPI[unit] for fraction in fractions])
    exif = _read_exif(directories, tags, stream, offset)
    return Metadata(exif, profile, "L" if channels < len("RGB") else "RGB", dpi)


def _read_fraction(directories: Directories, tags: Tags, name: int) -> float:
    """Return the number of a tag of fractions; NaN if there is none."""
    tag = tags.get(name)
    if tag is None or tag.type != RATIONAL or tag.length < 1:
        return math.nan
    numerator, denominator = struct.unpack_from(f"{directories.order}II", directories.content(tag))
    return float(numerator) / float(denominator) if denominator else math.nan


def _read_exif(directories: Directories, tags: Tags, stream: BinaryIO, offset: int) -> bytes:
    """Return an EXIF block with the texts of a page, and the blocks of camera and GPS."""
    texts = {
        name: directories.content(tags[name])
        for name in pillow.TEXT_TAGS
        if name in tags and tags[name].type == ASCII
    }
    if any(mark in texts.get(Field.DESCRIPTION, b"")[:LAYOUT_TEXT_BYTES] for mark in LAYOUT_TEXTS):
        del texts[Field.DESCRIPTION]  # which other readers would take for the layout of a result
    blocks = [name for name in pillow.BLOCK_TAGS if name in tags]
    if not (texts or blocks):
        return b""
    exif = Image.Exif()
    for name, text in texts.items():
        exif[name] = text.rstrip(b"\0").decode("utf-8", "replace")
    if blocks:
        source = Image.Exif()
        source.bigtiff, source.endian = directories.is_big, directories.order
        source.load_from_fp(stream, offset)
        for name in blocks:
            exif[name] = dict(source.get_ifd(name))
        if Field.INTEROPERABILITY_BLOCK in exif.get(Field.CAMERA_BLOCK, {}):
            block = source.get_ifd(Field.INTEROPERABILITY_BLOCK)
            exif[Field.CAMERA_BLOCK][Field.INTEROPERABILITY_BLOCK] = block
    return exif.tobytes()
