"""Every mode of Pillow's -> grey or RGB values with their alpha, never a palette's indices."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images.deep import EXTRA, can_hold
from convcli.images.film import Header
from convcli.images.metadata import ORIENTATION, collected, without_profile
from convcli.images.picture import Picture, Values

GRAY_MODES = ("1", "L", "LA", "La")
BITS, SAMPLE_FORMAT, SIGNED = 258, 339, 2  # tags of TIFF, and a value
STRIP_PIXELS = 1 << 20  # that are handed over at once


def header_of(image: Image.Image) -> Header:
    """What a picture's header says of the values that `from_image` would give."""
    width, height = image.size
    # Of a PNG that names none before its pixels, Pillow would decode them to look behind.
    is_told = image.format != "PNG" or "exif" in image.info
    orientation = image.getexif().get(ORIENTATION, 1) if is_told else 1
    size = (width, height) if orientation >= 5 else (height, width)
    if _is_sixteen(image):
        return Header((*size, 1), np.dtype(np.uint16), 16)
    numbers = _kind_of_numbers(image)
    if numbers is not None:
        return Header((*size, 1), numbers)
    channels = 1 if image.mode in GRAY_MODES else 3
    if is_deep(image) and can_hold(image.format or ""):
        return Header((*size, 3), np.dtype(np.uint16), 16, image.mode == "RGBA")
    return Header((*size, channels), np.dtype(np.uint8), 8, image.has_transparency_data)


def from_image(image: Image.Image, path: str) -> Picture:
    """The values of an opened picture's current frame, upright.

    Raises
    ------
    ImageError
        For values that no filter can use. Whatever a broken file makes a decoder raise passes.
    """
    notes = tuple(_notes(image))  # of the layout, which is forgotten once it is loaded
    image.load()
    metadata, orientation = collected(image), image.getexif().get(ORIENTATION, 1)
    if _is_sixteen(image):
        pixels = turned_upright(_pixels(image), orientation).astype(np.uint16, copy=False)
        return Picture(pixels, 16, None, metadata, notes)
    numbers = _kind_of_numbers(image)
    if numbers is not None:
        values = turned_upright(_pixels(image).view(numbers), orientation)
        if not np.isfinite(values).all():
            raise ImageError(path, "holds NaN or infinity, which no filter can use")
        return Picture(values, None, None, metadata, notes)
    if image.has_transparency_data:
        layered = _as_mode(image, "LA" if image.mode in GRAY_MODES else "RGBA")
        pixels = turned_upright(_pixels(layered), orientation)
        return Picture(pixels[:, :, :-1], 8, some_alpha(pixels[:, :, -1:]), metadata, notes)
    if image.mode == "CMYK" and metadata.profile:
        converted = _out_of_profile(image, metadata.profile)
        if converted is not None:
            metadata, image = without_profile(metadata), converted
    colors = _as_mode(image, "L" if image.mode in GRAY_MODES else "RGB")
    return Picture(turned_upright(_pixels(colors), orientation), 8, None, metadata, notes)


def _is_sixteen(image: Image.Image) -> bool:
    """Whether a picture is grey with 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _kind_of_numbers(image: Image.Image) -> np.dtype[Any] | None:
    """The type of values that are no shades; of a TIFF, Pillow passes over whether it has signs."""
    tags = getattr(image, "tag_v2", {})
    is_signed = tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED
    if image.mode == "L" and is_signed:
        return np.dtype(np.int8)
    if image.mode == "I":
        has_32_bits = tags.get(BITS, (0,))[0] == 32
        return np.dtype(np.uint32 if has_32_bits and not is_signed else np.int32)
    return np.dtype(np.float32) if image.mode == "F" else None


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _pixels(image: Image.Image) -> Values:
    """(H, W, C), strip by strip: of all at once, Pillow would make one copy more."""
    width, height = image.size
    rows = max(STRIP_PIXELS // width, 1)
    if rows >= height or image.mode not in ("L", "RGB", "RGBA"):
        whole = np.asarray(image)
        return whole if whole.ndim == 3 else whole[:, :, np.newaxis]
    pixels = np.empty((height, width, len(image.getbands())), np.uint8)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.asarray(strip).reshape(-1, width, pixels.shape[2])
    return pixels


def is_deep(image: Image.Image) -> bool:
    """Whether a picture has colours of 16 bits, of which Pillow would keep 8."""
    layouts = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.mode in ("RGB", "RGBA") and any(";16" in layout for layout in layouts)


def some_alpha(alpha: Values | None) -> Values | None:
    """Alpha, unless all of it is opaque."""
    if alpha is None or (alpha == np.iinfo(alpha.dtype).max).all():
        return None
    return alpha


def turned_upright(pixels: Values, orientation: int) -> Values:
    """Turn and mirror (H, W, C) as EXIF's orientation, 1 to 8, says.

    >>> turned_upright(np.array([[[1], [2]]]), 6).tolist()
    [[[1]], [[2]]]
    """
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    down, across = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(
        orientation, (1, 1)
    )
    return pixels[::down, ::across]


def _notes(image: Image.Image) -> list[str]:
    notes = []
    if is_deep(image):
        notes.append(f"holds 16-bit colours, read as 8-bit ones; {EXTRA} keeps them")
    return notes


def _out_of_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """A CMYK picture as sRGB through its own profile; None where that profile is broken."""
    from io import BytesIO

    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None
