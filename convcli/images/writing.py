"""Pixels -> the bytes of a picture file."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.images.alpha import on_white
from convcli.images.deep import EXTRA, can_hold, write_deep
from convcli.images.formats import SIXTEEN_BIT
from convcli.images.metadata import NO_METADATA, Metadata, save_options
from convcli.images.picture import Values

WITHOUT_ALPHA = ("JPEG",)

_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}


def fitting(
    pixels: Values, alpha: Values | None, image_format: str
) -> tuple[Values, tuple[str, ...]]:
    """What a format can hold of pixels and their alpha, joined; also what to say of the rest.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, 1) or (H, W, 3)
    alpha : ndarray of the same type, (H, W, 1), optional
    image_format : str

    Returns
    -------
    (H, W, C) with C up to 4, alpha last; notes.
    """
    notes = []
    if alpha is not None and image_format in WITHOUT_ALPHA:
        pixels, alpha = on_white(pixels, alpha), None
        notes.append(f"{image_format} has no transparency; the picture is laid on white")
    joined = pixels if alpha is None else np.concatenate([pixels, alpha], axis=2)
    is_plain_gray = image_format in SIXTEEN_BIT and joined.shape[2] == 1
    if joined.dtype == np.uint8 or is_plain_gray or can_hold(image_format):
        return joined, tuple(notes)
    why = "" if image_format not in SIXTEEN_BIT else f"; {EXTRA} keeps them"
    notes.append(f"{image_format} is written with 8 bits a channel, and 16 were there{why}")
    return np.rint(joined / 257).astype(np.uint8), tuple(notes)


def write_picture(
    stream: BinaryIO, pixels: Values, image_format: str, metadata: Metadata = NO_METADATA
) -> None:
    """Encode (H, W, C) pixels that the format can hold: grey or RGB, and maybe alpha, last."""
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        write_deep(stream, pixels, image_format, metadata)
        return
    plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(plane))
    options = _OPTIONS.get(image_format, {}) | save_options(metadata, image_format, pixels.shape[2])
    if image_format == "TIFF":  # its library writes to the file past Python, and past its errors
        held = io.BytesIO()
        image.save(held, image_format, **options)
        stream.write(held.getvalue())
        return
    image.save(stream, image_format, **options)
