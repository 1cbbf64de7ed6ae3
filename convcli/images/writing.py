"""Pixels -> the bytes of a picture file."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.images.formats import SIXTEEN_BIT
from convcli.images.picture import Values

_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}


def fitting(pixels: Values, image_format: str) -> tuple[Values, str | None]:
    """Reduce 16 bits to 8 where a format cannot hold them; also what to say of it.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, 1) or (H, W, 3)
    """
    if pixels.dtype == np.uint8 or (image_format in SIXTEEN_BIT and pixels.shape[2] == 1):
        return pixels, None
    kind = "colour" if pixels.shape[2] == 3 else "grey"
    note = f"{image_format} is written with 8 bits a channel for a {kind} picture; 16 were there"
    return np.rint(pixels / 257).astype(np.uint8), note


def write_picture(stream: BinaryIO, pixels: Values, image_format: str) -> None:
    """Encode (H, W, 1) or (H, W, 3) pixels that the format can hold."""
    plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(plane))
    if image_format == "TIFF":  # its library writes to the file past Python, and past its errors
        held = io.BytesIO()
        image.save(held, image_format, **_OPTIONS[image_format])
        stream.write(held.getvalue())
        return
    image.save(stream, image_format, **_OPTIONS.get(image_format, {}))
