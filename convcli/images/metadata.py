"""The metadata of a picture: EXIF, color profile, resolution, text, the duration of a frame."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from convcli.images.formats import FORMATS

ORIENTATION = 0x0112
# Description, make, model, software, date, artist, copyright; the blocks of camera and GPS.
TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
BLOCK_TAGS = (0x8769, 0x8825)
MAX_DPI = 65_535  # that JPEG can hold
MAX_DURATION_MS = 65_535  # of a frame; encoders add up those of equal frames
METERS_PER_INCH = 0.0254


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of a picture.

    Parameters
    ----------
    exif : bytes
        Its EXIF block without the orientation, which is applied to the pixels as they are read.
    profile : bytes
        Its ICC color profile.
    color_mode : {"L", "RGB"}
        The values that the profile is for.
    dpi : (float, float), optional
        Pixels an inch, horizontal and vertical.
    text : dict
        Comments by their names.
    duration : int
        Milliseconds for which a frame is shown; 0 if unknown.
    """

    exif: bytes = b""
    profile: bytes = b""
    color_mode: str = "RGB"
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    duration: int = 0


NO_METADATA = Metadata()


def read_metadata(image: Image.Image) -> tuple[Metadata, int]:
    """Return the metadata of an open picture, and its EXIF orientation, 1 to 8."""
    original = image.getexif()
    exif = Image.Exif()  # a copy
    if original:  # to copy an empty one, too, Pillow would load its plugin of TIFF
        exif.load(original.tobytes())
        exif.pop(ORIENTATION, None)
    if image.format == "TIFF":
        _remove_layout_tags(exif)
    text = {name: str(value) for name, value in getattr(image, "text", {}).items()}
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        text["Comment"] = comment.decode("utf-8", "replace")
    is_gray = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    metadata = Metadata(
        exif=exif.tobytes() if exif else b"",
        profile=image.info.get("icc_profile") or b"",
        color_mode="L" if is_gray else "RGB",
        dpi=_valid_dpi(image.info.get("dpi")),
        text=text,
        duration=min(round(image.info.get("duration") or 0), MAX_DURATION_MS),
    )
    return metadata, original.get(ORIENTATION, 1)


def _valid_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return the dots an inch, horizontal and vertical, if a format can hold them."""
    try:
        horizontal, vertical = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    is_valid = 0 < horizontal < MAX_DPI and 0 < vertical < MAX_DPI  # false for NaN, too
    return (horizontal, vertical) if is_valid else None


def save_options(metadata: Metadata, image_format: str, channels: int) -> dict[str, Any]:
    """Return what Pillow's `save` takes to write the metadata, as far as a format holds it.

    A profile for other values (an RGB profile for a gray result) is left out.
    """
    fields = FORMATS[image_format].metadata
    options: dict[str, Any] = {}
    if metadata.exif and "exif" in fields:
        options |= _tiff_exif(metadata.exif) if image_format == "TIFF" else {"exif": metadata.exif}
    is_for_these = metadata.color_mode == ("L" if channels < 3 else "RGB")
    if metadata.profile and "profile" in fields and is_for_these:
        options["icc_profile"] = metadata.profile
    if metadata.dpi is not None and "dpi" in fields:
        options["dpi"] = metadata.dpi
    if metadata.text and "text" in fields:
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        for name, value in metadata.text.items():
            options["pnginfo"].add_itxt(name, value)
    if "Comment" in metadata.text and "comment" in fields:
        options["comment"] = metadata.text["Comment"].encode()
    return options


def png_chunks(metadata: Metadata, channels: int) -> list[tuple[bytes, bytes]]:
    """Return the metadata as (name, content) of chunks (PNG specification, third edition, 11.3)."""
    options = save_options(metadata, "PNG", channels)
    chunks = []
    if "icc_profile" in options:
        chunks.append((b"iCCP", b"ICC\0\0" + zlib.compress(options["icc_profile"])))
    if "dpi" in options:
        per_meter = (round(dots / METERS_PER_INCH) for dots in options["dpi"])
        chunks.append((b"pHYs", struct.pack(">IIB", *per_meter, 1)))
    if "exif" in options:
        chunks.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    for name, value in metadata.text.items():
        chunks.append((b"iTXt", name.encode("latin-1", "replace") + bytes(5) + value.encode()))
    return chunks


def _remove_layout_tags(exif: Image.Exif) -> None:
    """Keep the tags of text and blocks only: in a TIFF, others say how the pixels are stored."""
    for tag in set(exif) - set(BLOCK_TAGS):
        if tag not in TEXT_TAGS or not isinstance(exif[tag], str):
            del exif[tag]


def _tiff_exif(block: bytes) -> dict[str, Any]:
    """Return the options for EXIF in a TIFF, which holds it among its own tags."""
    exif = Image.Exif()
    exif.load(block)
    _remove_layout_tags(exif)
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if set(exif).intersection(BLOCK_TAGS):  # the encoder that compresses cannot write them
        options["compression"] = "raw"
    return options
