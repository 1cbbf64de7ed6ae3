"""Metadata as the parts of a file that not every picture has: tags, texts, extensions."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from convcli.arithmetic.values import Pair
from convcli.images import Metadata, Translation

if TYPE_CHECKING:
    from convcli.images.metadata.directory import Block

BYTE, NO_UNIT, INCH = 1, 1, 2  # a type of values, and units of resolution
MAX_ASPECT = 65_535  # of the numbers that say the proportion of a pixel's sides
PROFILE_START = "Raw profile type "
XMP_TRAILER = bytes([1, *range(255, -1, -1), 0])  # of a GIF


def fit_size(metadata: Metadata, size: Pair) -> Metadata:
    """Return metadata in which EXIF, XMP and texts that say a size in pixels say (H, W)."""
    changed: dict[str, Any] = {}
    if metadata.exif:
        from convcli.images.metadata import exif

        changed["exif"] = exif.set_size(metadata.exif, size)
    if metadata.xmp:
        from convcli.images.metadata import xmp

        changed["xmp"] = xmp.set_size(metadata.xmp, size)
    if metadata.text:
        from convcli.images.metadata import text

        changed["text"] = text.set_size(metadata.text, size)
    return metadata._replace(**changed) if changed else metadata


def encode_tags(metadata: Metadata) -> Block:
    """Return metadata as tags of a page of a TIFF."""
    from convcli.images.metadata import exif
    from convcli.images.metadata.directory import (
        NO_TAGS,
        Block,
        of_bytes,
        of_fraction,
        of_numbers,
    )
    from convcli.images.structure.tiff import Field

    values, blocks = exif.decode(metadata.exif) if metadata.exif else NO_TAGS
    values = dict(values)
    resolution = metadata.dpi or metadata.aspect
    if resolution is not None:
        values |= {
            name: of_fraction(dots)
            for name, dots in zip(Field.RESOLUTIONS, resolution, strict=True)
        }
        values[Field.RESOLUTION_UNIT] = of_numbers([NO_UNIT if metadata.dpi is None else INCH])
    if metadata.xmp:
        values[Field.XMP] = of_bytes(metadata.xmp, BYTE)
    if metadata.iptc:
        values[Field.IPTC] = of_bytes(metadata.iptc)
    if metadata.profile:
        values[Field.PROFILE] = of_bytes(metadata.profile)
    return Block(values, blocks)


def encode_text(text: Translation) -> tuple[bytes, bytes]:
    """Return a text as the name and the content of a chunk, compressed if that is shorter."""
    value = text.value.encode()
    packed = zlib.compress(value)
    name = text.name.encode("latin-1", "replace")
    if text.name.startswith(PROFILE_START):  # which readers look for in these chunks alone
        return b"zTXt", name + b"\0\0" + packed
    flags, content = (b"\1\0", packed) if len(packed) < len(value) else (b"\0\0", value)
    language = text.language.encode("latin-1", "replace") + b"\0"
    return b"iTXt", b"".join(
        (name, b"\0", flags, language, text.translated_name.encode(), b"\0", content)
    )


def to_whole_numbers(aspect: tuple[float, float], most: int = MAX_ASPECT) -> Pair:
    """Return whole numbers in the proportion of two others, the same if they are whole.

    >>> to_whole_numbers((4.0, 3.0)), to_whole_numbers((1.5, 1.0))
    ((4, 3), (3, 2))
    """
    across, down = aspect
    if across.is_integer() and down.is_integer() and max(aspect) <= most:
        return int(across), int(down)
    from fractions import Fraction

    ratio = Fraction(across) / Fraction(down)
    if ratio > 1:
        down, across = (1 / ratio).limit_denominator(most).as_integer_ratio()
    else:
        across, down = ratio.limit_denominator(most).as_integer_ratio()
    return max(int(across), 1), max(int(down), 1)


def gif_extensions(metadata: Metadata) -> bytes:
    """Return XMP and a comment as blocks (XMP specification, part 3, 1.1.2; GIF 89a, 24)."""
    blocks = b""
    if metadata.xmp and b"\0" not in metadata.xmp:
        # Its bytes are read as lengths by those who skip it, whom the bytes after it stop.
        blocks += b"!\xff\x0bXMP DataXMP" + metadata.xmp + XMP_TRAILER
    if comment := metadata.text.get("Comment", "").encode():
        parts = [comment[at : at + 255] for at in range(0, len(comment), 255)]
        blocks += b"!\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    return blocks
