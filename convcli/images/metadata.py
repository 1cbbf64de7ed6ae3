"""What belongs to a picture beside its pixels: EXIF, color profile, resolution, text."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

ORIENTATION = 0x0112
# Description, make, model, software, date, artist, copyright; the blocks of camera and place.
TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
BLOCK_TAGS = (0x8769, 0x8825)
EXIF_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
PROFILE_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
DPI_FORMATS = ("PNG", "JPEG", "TIFF")
MAX_DPI = 65_535  # that JPEG can say
MAX_DURATION_MS = 65_535  # milliseconds of a frame: encoders add up those of frames that are alike


@dataclass(frozen=True, slots=True)
class Metadata:
    """What belongs to a picture beside its pixels.

    Parameters
    ----------
    exif : bytes
        Its EXIF block, the orientation reset: it is applied to the pixels when they are read.
    profile : bytes
        Its ICC color profile.
    color_mode : str
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
    colors: str = "RGB"
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)
    duration: int = 0


NO_METADATA = Metadata()


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata of an opened picture."""
    own = image.getexif()
    exif = Image.Exif()  # a copy: the picture's own still has to turn it upright
    if own:  # Pillow loads all of TIFF for it
        exif.load(own.tobytes())
        exif.pop(ORIENTATION, None)
    if image.format == "TIFF":
        _leave_layout_out(exif)
    dpi = _resolution(image.info.get("dpi"))
    text = {name: str(words) for name, words in getattr(image, "text", {}).items()}
    comment = image.info.get("comment")
    if isinstance(comment, bytes):
        text["Comment"] = comment.decode("utf-8", "replace")
    return Metadata(
        exif=exif.tobytes() if exif else b"",
        profile=image.info.get("icc_profile") or b"",
        colors="L" if image.mode in ("1", "L", "LA") or image.mode.startswith("I") else "RGB",
        dpi=dpi,
        text=text,
        duration=min(round(image.info.get("duration") or 0), MAX_DURATION_MS),
    )


def _resolution(dpi: Any) -> tuple[float, float] | None:
    """Dots an inch, across and down, where they are any that a format can say."""
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    is_sane = 0 < across < MAX_DPI and 0 < down < MAX_DPI  # false for NaN, too
    return (across, down) if is_sane else None


def without_profile(metadata: Metadata) -> Metadata:
    """The metadata of pixels that were converted out of their profile."""
    return replace(metadata, profile=b"")


def save_options(metadata: Metadata, image_format: str, channels: int) -> dict[str, Any]:
    """What Pillow's `save` takes to write the metadata, as far as a format holds it.

    A profile of another kind of values (an RGB profile for a gray result) is left out.
    """
    options: dict[str, Any] = {}
    if metadata.exif and image_format in EXIF_FORMATS:
        options |= _tiff_exif(metadata.exif) if image_format == "TIFF" else {"exif": metadata.exif}
    fits = metadata.colors == ("L" if channels < 3 else "RGB")
    if metadata.profile and image_format in PROFILE_FORMATS and fits:
        options["icc_profile"] = metadata.profile
    if metadata.dpi is not None and image_format in DPI_FORMATS:
        options["dpi"] = metadata.dpi
    if metadata.text and image_format == "PNG":
        options["pnginfo"] = _png_text(metadata.text)
    if "Comment" in metadata.text and image_format == "JPEG":
        options["comment"] = metadata.text["Comment"].encode()
    return options


def _leave_layout_out(exif: Image.Exif) -> None:
    """Keep no tag but those of words and blocks: in a TIFF, others say how the pixels lie."""
    for tag in set(exif) - set(TEXT_TAGS) - set(BLOCK_TAGS):
        del exif[tag]
    for tag in set(exif).intersection(TEXT_TAGS):
        if not isinstance(exif[tag], str):
            del exif[tag]


def _tiff_exif(block: bytes) -> dict[str, Any]:
    """EXIF for a TIFF, which holds it among its own tags."""
    exif = Image.Exif()
    exif.load(block)
    _leave_layout_out(exif)
    options: dict[str, Any] = {"exif": exif.tobytes()}
    if set(exif).intersection(BLOCK_TAGS):  # the encoder that compresses cannot write them
        options["compression"] = "raw"
    return options


def _png_text(text: dict[str, str]) -> PngInfo:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, words in text.items():
        info.add_itxt(name, words)
    return info
