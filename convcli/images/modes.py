"""Every mode of Pillow's -> grey or RGB values with their alpha, never a palette's indices."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms, ImageOps

from convcli.errors import ImageError
from convcli.images.deep import EXTRA
from convcli.images.metadata import collected, without_profile
from convcli.images.picture import Picture, Values


def from_image(image: Image.Image, path: str) -> Picture:
    """The values of an opened picture's current frame, upright.

    Raises
    ------
    ImageError
        For values that no filter can use. Whatever a broken file makes a decoder raise passes.
    """
    image.load()
    metadata, kind = collected(image), image.format
    notes = tuple(_notes(image))
    upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if mode.startswith("I;16") or (mode == "I" and kind in ("PNG", "PPM")):
        return Picture(_channels(np.asarray(upright).astype(np.uint16)), 16, None, metadata, notes)
    if mode in ("I", "F"):
        values = _channels(np.asarray(upright))
        if not np.isfinite(values).all():
            raise ImageError(path, "holds NaN or infinity, which no filter can use")
        return Picture(values, None, None, metadata, notes)
    if upright.has_transparency_data:
        layered = upright.convert("LA" if mode in ("1", "L", "LA", "La") else "RGBA")
        pixels = np.asarray(layered)
        return Picture(pixels[:, :, :-1], 8, some_alpha(pixels[:, :, -1:]), metadata, notes)
    if mode == "CMYK" and metadata.profile:
        converted = _out_of_profile(upright, metadata.profile)
        if converted is not None:
            metadata, upright = without_profile(metadata), converted
    if upright.mode not in ("L", "RGB"):
        upright = upright.convert("L" if mode == "1" else "RGB")
    return Picture(_channels(np.asarray(upright)), 8, None, metadata, notes)


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
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _channels(values: Values) -> Values:
    return values if values.ndim == 3 else values[:, :, np.newaxis]
