"""The orientation, which EXIF or XMP say and which is removed from both."""

from __future__ import annotations

from convcli.images.metadata import xmp as packets
from convcli.records import NamedTuple


class Normalized(NamedTuple):
    """Blocks that say no orientation.

    Parameters
    ----------
    exif, xmp : bytes
    orientation : int
        By which pixels are to be turned, 1 to 8.
    dpi : list of float, optional
        The resolution that EXIF says, as it is.
    notes : tuple of str
        What is malformed, and therefore left out.
    """

    exif: bytes
    xmp: bytes
    orientation: int
    dpi: list[float] | None = None
    notes: tuple[str, ...] = ()


def normalize(exif: object, xmp: object) -> Normalized:
    """Return EXIF and XMP, as Pillow has them, without an orientation, and what that was.

    EXIF goes first, as everywhere; where it has none, XMP counts, as in Pillow and ImageMagick.
    """
    exif = exif if isinstance(exif, bytes) else b""
    xmp = xmp if isinstance(xmp, bytes) else b""
    orientation, dpi, is_named, notes = 1, None, False, list[str]()
    if exif:
        from convcli.images.metadata import exif as blocks

        try:
            dpi = blocks.read_dpi(exif)
            is_named = blocks.has_orientation(exif)
            exif, orientation, malformed = blocks.normalize(exif)
            if malformed:
                notes.append(f"{malformed:,} of the tags of its EXIF are malformed and left out")
        except ValueError as error:
            exif = b""
            notes.append(f"its EXIF is malformed ({error}) and left out")
    if xmp:
        try:
            xmp = packets.to_utf8(xmp)
            if not is_named:
                orientation = packets.read_orientation(xmp)
            xmp = packets.reset_orientation(xmp)
        except ValueError as error:
            xmp = b""
            notes.append(f"its XMP is malformed ({error}) and left out")
    return Normalized(exif, xmp, orientation, dpi, tuple(notes))
