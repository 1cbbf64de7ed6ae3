"""What belongs to a picture beside its pixels: EXIF, colour profile, resolution, text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image, PngImagePlugin

ORIENTATION = 0x0112
# Description, make, model, software, date, artist, copyright, and the blocks of camera and place.
KEPT_OF_TIFF = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825)
EXIF_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
PROFILE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
DPI_FORMATS = ("PNG", "JPEG", "TIFF")


@dataclass(frozen=True, slots=True)
class Metadata:
    """What belongs to a picture beside its pixels.

    Parameters
    ----------
    exif : bytes
        Its EXIF block, the orientation reset: it is applied to the pixels when they are read.
    profile : bytes
        Its ICC colour profile.
    colours : str
        The profile's own kind of values, "L" or "RGB": it means nothing for the other.
    dpi : (float, float), optional
        Pixels an inch, across and down.
    text : dict
        Comments by their names.
    duration : int
        Milliseconds that a frame stands; 0 where it does not say.
    """

    exif: bytes = b""
    profile: bytes = b""
    colours: str = "RGB"
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    duration: int = 0


NO_METADATA = Metadata()


def collected(image: Image.Image) -> Metadata:
    """The metadata of an opened picture."""
    exif = Image.Exif()  # a copy: the picture's own still has to turn it upright
    exif.load(image.getexif().tobytes())
    exif.pop(ORIENTATION, None)
    if image.format == "TIFF":  # where most tags say how the pixels are laid out
        for tag in set(exif) - set(KEPT_OF_TIFF):
            del exif[tag]
    dpi = image.info.get("dpi")
    text = {name: str(words) for name, words in getattr(image, "text", {}).items()}
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        text["Comment"] = comment.decode("utf-8", "replace")
    return Metadata(
        exif=exif.tobytes() if exif else b"",
        profile=image.info.get("icc_profile") or b"",
        colours="L" if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else "RGB",
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        text=text,
        duration=round(image.info.get("duration") or 0),
    )


def without_profile(metadata: Metadata) -> Metadata:
    """The metadata of pixels that were converted out of their profile."""
    return replace(metadata, profile=b"")


def save_options(metadata: Metadata, image_format: str, channels: int) -> dict[str, Any]:
    """What Pillow's `save` takes to write the metadata, as far as a format holds it.

    A profile of another kind of values (an RGB profile for a grey result) is left out.
    """
    options: dict[str, Any] = {}
    if metadata.exif and image_format in EXIF_FORMATS:
        options["exif"] = metadata.exif
    fits = metadata.colours == ("L" if channels < 3 else "RGB")
    if metadata.profile and image_format in PROFILE_FORMATS and fits:
        options["icc_profile"] = metadata.profile
    if metadata.dpi is not None and image_format in DPI_FORMATS:
        options["dpi"] = metadata.dpi
    if metadata.text and image_format == "PNG":
        options["pnginfo"] = _png_text(metadata.text)
    if "Comment" in metadata.text and image_format == "JPEG":
        options["comment"] = metadata.text["Comment"].encode()
    return options


def _png_text(text: dict[str, str]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, words in text.items():
        info.add_itxt(name, words)
    return info
