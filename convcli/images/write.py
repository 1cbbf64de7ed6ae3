"""Pixels -> the bytes of a picture file."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.errors import ArgumentError
from convcli.images import DEFAULT_DURATION_MS, Values
from convcli.images.color import composite_on_white
from convcli.images.formats import DEEP_EXTRA, SIXTEEN_BIT, has_deep_codec
from convcli.images.metadata import NO_METADATA, Metadata, save_options
from convcli.images.pillow import load_plugin
from convcli.images.png import Chunk, write_png

WITHOUT_ALPHA = ("JPEG",)
METERS_PER_INCH = 0.0254

_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}


def fit_to_format(
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
        pixels, alpha = composite_on_white(pixels, alpha), None
        notes.append(f"{image_format} has no transparency; the picture is laid on white")
    if alpha is not None and image_format == "GIF":
        half = np.iinfo(alpha.dtype).max // 2
        shown = np.where(alpha > half, np.iinfo(alpha.dtype).max, 0).astype(alpha.dtype)
        if not np.array_equal(shown, alpha):
            notes.append("GIF shows a pixel or does not: half transparency is lost")
        alpha = shown
    joined = pixels if alpha is None else np.concatenate([pixels, alpha], axis=2)
    is_plain_gray = image_format in SIXTEEN_BIT and joined.shape[2] == 1
    if (
        joined.dtype == np.uint8
        or is_plain_gray
        or image_format == "PNG"
        or has_deep_codec(image_format)
    ):
        return joined, tuple(notes)
    why = "" if image_format not in SIXTEEN_BIT else f"; {DEEP_EXTRA} keeps them"
    notes.append(f"{image_format} is written with 8 bits a channel, and 16 were there{why}")
    return np.rint(joined / 257).astype(np.uint8), tuple(notes)


def write_picture(
    stream: BinaryIO,
    pixels: Values,
    image_format: str,
    metadata: Metadata = NO_METADATA,
    png_level: int | None = None,
) -> None:
    """Encode (H, W, C) pixels that the format can hold: gray or RGB, and maybe alpha, last.

    `png_level` is zlib's, 0 to 9; where left out, PNG is written as suits photographs.
    """
    if image_format == "PNG":
        write_png(stream, pixels, _chunks(metadata, pixels.shape[2]), png_level)
        return
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        from convcli.images.high_depth import write_tiff

        write_tiff(stream, pixels, metadata)
        return
    plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(np.ascontiguousarray(plane))
    options = _options(image_format)
    options |= save_options(metadata, image_format, pixels.shape[2])
    load_plugin(image_format)
    if image_format == "TIFF":  # its library writes to the file past Python, and past its errors
        held = io.BytesIO()
        image.save(held, image_format, **options)
        stream.write(held.getvalue())
        return
    image.save(stream, image_format, **options)


def can_write_floats(image_format: str, channels: int) -> bool:
    """Whether a format holds real numbers of so many channels, as far as it can be written here."""
    return image_format == "TIFF" and (channels == 1 or has_deep_codec("TIFF"))


def write_floats(stream: BinaryIO, values: Values, metadata: Metadata = NO_METADATA) -> None:
    """Encode (H, W, C) as a TIFF of float32, values as they are."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(numbers).all():
        raise ArgumentError("values are beyond what a TIFF of 32 bits holds; write .npy")
    if values.shape[2] > 1:
        from convcli.images.high_depth import write_tiff

        write_tiff(stream, numbers, metadata)
        return
    held = io.BytesIO()
    options = _OPTIONS["TIFF"] | save_options(metadata, "TIFF", 1)
    load_plugin("TIFF")
    Image.fromarray(numbers[:, :, 0]).save(held, "TIFF", **options)
    stream.write(held.getvalue())


def write_frames(
    stream: BinaryIO,
    frames: Sequence[tuple[Values, Metadata]],
    image_format: str,
    loop: int,
    png_level: int | None = None,
) -> None:
    """Encode frames, each (H, W, C) of uint8, with how long each of them stands.

    Parameters
    ----------
    frames : sequence of (pixels, metadata)
    image_format : str
        One of `MOVING`.
    loop : int
        How often it plays, 0 being for ever.
    """
    images = [Image.fromarray(pixels.squeeze()) for pixels, _ in frames]
    metadata = frames[0][1]
    options = _options(image_format, png_level)
    options |= save_options(metadata, image_format, frames[0][0].shape[2])
    if image_format != "TIFF":  # whose pages do not move
        options["duration"] = [one.duration or DEFAULT_DURATION_MS for _, one in frames]
        if image_format != "GIF":
            options["loop"] = loop
        elif loop != 1:  # it counts what follows the first play
            options["loop"] = max(loop - 1, 0)
    # Each frame stands by itself, on nothing.
    if image_format == "GIF":
        options["disposal"] = 2
    if image_format == "WEBP":  # whose encoder may lose the alpha of what is not a key frame
        options |= {"kmin": 1, "kmax": 1}
    held = io.BytesIO()
    load_plugin(image_format)
    images[0].save(held, image_format, save_all=True, append_images=images[1:], **options)
    stream.write(held.getvalue())


def _chunks(metadata: Metadata, channels: int) -> list[Chunk]:
    """The metadata as chunks of a PNG file (PNG specification, third edition, section 11.3)."""
    options = save_options(metadata, "PNG", channels)
    chunks = []
    if "icc_profile" in options:
        chunks.append((b"iCCP", b"ICC\0\0" + zlib.compress(options["icc_profile"])))
    if "dpi" in options:
        across, down = (round(dots / METERS_PER_INCH) for dots in options["dpi"])
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if "exif" in options:
        chunks.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    for name, words in metadata.text.items():
        chunks.append((b"iTXt", name.encode("latin-1", "replace") + bytes(5) + words.encode()))
    return chunks


def _options(image_format: str, png_level: int | None = None) -> dict[str, Any]:
    """What Pillow's `save` takes for a format."""
    if image_format == "PNG" and png_level is not None:
        return {"compress_level": png_level}
    return dict(_OPTIONS.get(image_format, {}))
