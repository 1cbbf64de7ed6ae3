"""CMYK to sRGB, by the color profile of a picture or without one."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageCms

from convcli.images import Values
from convcli.images.pillow import to_array


def cmyk_to_rgb(ink: Values, profile: bytes) -> Values:
    """Return the sRGB colors of CMYK of 8 bits, (H, W, 4), by their own profile if they have one.

    Without one, as Pillow has it, ink is the complement of light.
    """
    image = Image.fromarray(ink, "CMYK")
    if profile:
        image = apply_profile(image, profile)
    return to_array(image if image.mode == "RGB" else image.convert("RGB"))


def apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a CMYK picture to sRGB by its own profile, unless that profile is broken."""
    try:
        own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        return image
