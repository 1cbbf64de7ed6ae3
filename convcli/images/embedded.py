"""Embedded metadata: what a picture that Pillow has opened holds beside its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.images import Metadata
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from PIL import Image

EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
EXTENSION_NOTE = "holds a second XMP packet (extended XMP), which is left out"
MAX_DPI = 65_535  # that JPEG can hold
MAX_DURATION_MS = (1 << 24) - 1  # of a frame, that WebP can hold


class Embedded(NamedTuple):
    """What an open picture holds beside its pixels.

    Parameters
    ----------
    metadata : Metadata
    orientation : int
        By which its pixels are to be turned, 1 to 8.
    notes : tuple of str
        What is malformed, and therefore left out.
    """

    metadata: Metadata
    orientation: int = 1
    notes: tuple[str, ...] = ()


def read_metadata(image: Image.Image) -> Embedded:
    """Return the metadata of an open picture.

    The texts of a PNG are left to `png.read`: Pillow would decode every frame to find them.
    """
    exif = xmp = b""
    orientation, dpi, notes = 1, None, tuple[str, ...]()
    if image.info.get("exif") or image.info.get("xmp"):
        from convcli.images.metadata.orientation import normalize

        found = normalize(image.info.get("exif"), image.info.get("xmp"))
        exif, xmp, orientation, dpi, notes = found
    iptc = b""
    notes += image.info.get("malformed", ())
    if "photoshop" in image.info:
        from convcli.images.metadata.iptc import take_iptc

        iptc, malformed = take_iptc(image.info["photoshop"])
        notes += malformed
    segments = getattr(image, "applist", ()) if xmp else ()
    if any(content.startswith(EXTENSION) for _, content in segments):
        from convcli.images.metadata.xmp import remove_extension

        xmp = remove_extension(xmp)
        notes += (EXTENSION_NOTE,)
    profile = image.info.get("icc_profile", b"")
    if profile is None:
        notes += ("its color profile is malformed and left out",)
    is_gray = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    resolution = _read_resolution(image, dpi)
    unknown = 0 if image.format == "GIF" else None  # a frame that says nothing has no delay
    metadata = Metadata(
        exif=exif,
        profile=profile if isinstance(profile, bytes) else b"",
        color_mode="L" if is_gray else "RGB",
        dpi=resolution.dpi,
        duration=_valid_duration(image.info["duration"]) if "duration" in image.info else unknown,
        xmp=xmp,
        iptc=iptc,
        aspect=resolution.aspect,
    )
    if isinstance(comment := image.info.get("comment"), bytes):
        metadata = metadata._replace(text={"Comment": _decode_comment(comment)})
    return Embedded(metadata, orientation, notes)


def _decode_comment(comment: bytes) -> str:
    """Return the comment of a JPEG or a GIF, whose encoding nobody says."""
    try:
        return comment.decode()
    except ValueError:
        return comment.decode("latin-1")


class Resolution(NamedTuple):
    """Pixels an inch, or of a unit that is not known; None where there is none."""

    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None


def _read_resolution(image: Image.Image, exif_dpi: Sequence[float] | None) -> Resolution:
    """Return the resolution of an open picture, or that of its EXIF."""
    info = image.info
    # Where a JPEG has none, Pillow takes that of EXIF, and if that is broken 72.
    is_own = "jfif_density" not in info or info.get("jfif_unit") in (1, 2)
    has_own = is_own and (image.format not in ("JPEG", "MPO") or "jfif_density" in info)
    dpi = (valid_dpi(info.get("dpi")) if has_own else None) or valid_dpi(exif_dpi)
    if dpi is not None:
        return Resolution(dpi)
    aspect = info.get("jfif_density") if info.get("jfif_unit") == 0 else info.get("aspect")
    aspect = valid_dpi(aspect)
    if aspect is None or aspect[0] == aspect[1]:
        return Resolution()
    return Resolution(aspect=aspect)


def valid_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return the dots an inch, horizontal and vertical, if a format can hold them."""
    try:
        horizontal, vertical = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    is_valid = 0 < horizontal < MAX_DPI and 0 < vertical < MAX_DPI  # false for NaN, too
    return (horizontal, vertical) if is_valid else None


def _valid_duration(duration: float) -> int:
    """Return for how many milliseconds a frame is shown; 0 is kept."""
    return min(max(round(duration), 0), MAX_DURATION_MS)
