"""Pixels to the bytes of a picture file."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.errors import ArgumentError
from convcli.images import Values
from convcli.images.color import composite_on_white
from convcli.images.formats import DEEP_EXTRA, FORMATS
from convcli.images.metadata import NO_METADATA, Metadata, png_chunks, save_options
from convcli.images.pillow import load_plugin
from convcli.images.png import write_png

DEFAULT_DURATION_MS = 100  # of a frame that does not say how long it is shown


def fit_to_format(
    pixels: Values, alpha: Values | None, image_format: str
) -> tuple[Values, tuple[str, ...]]:
    """Join pixels and alpha, reduced to what a format can hold.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, 1) or (H, W, 3)
    alpha : ndarray of the same type, (H, W, 1), optional
    image_format : str

    Returns
    -------
    pixels : ndarray, (H, W, C)
        C is up to 4; alpha is last.
    notes : tuple of str
        Messages to the user about what was lost.
    """
    target = FORMATS[image_format]
    notes = []
    if alpha is not None and target.alpha == "none":
        pixels, alpha = composite_on_white(pixels, alpha), None
        notes.append(f"{image_format} has no transparency; the picture is laid on white")
    if alpha is not None and target.alpha == "binary":
        white = np.iinfo(alpha.dtype).max
        binary = np.where(alpha > white // 2, white, 0).astype(alpha.dtype)
        if not np.array_equal(binary, alpha):
            notes.append(f"{image_format} shows a pixel or does not: half transparency is lost")
        alpha = binary
    joined = pixels if alpha is None else np.concatenate([pixels, alpha], axis=2)
    can_hold_16_bits = target.deep_codec is not None and (
        image_format == "PNG" or joined.shape[2] == 1 or target.has_deep_codec
    )
    if joined.dtype == np.uint8 or can_hold_16_bits:
        return joined, tuple(notes)
    advice = f"; {DEEP_EXTRA} keeps them" if target.deep_codec else ""
    notes.append(f"{image_format} is written with 8 bits a channel, and 16 were there{advice}")
    return np.rint(joined / 257).astype(np.uint8), tuple(notes)


def write_picture(
    stream: BinaryIO,
    pixels: Values,
    image_format: str,
    metadata: Metadata = NO_METADATA,
    png_level: int | None = None,
) -> None:
    """Encode (H, W, C) that the format can hold: gray or RGB, and maybe alpha, last.

    `png_level` is zlib's, 0 to 9; the default is for photographs (see `png.write_png`).
    """
    if image_format == "PNG":
        write_png(stream, pixels, png_chunks(metadata, pixels.shape[2]), png_level)
    elif pixels.itemsize > 1 and pixels.shape[2] > 1:
        from convcli.images.high_depth import write_tiff

        write_tiff(stream, pixels, metadata)
    else:
        _save(stream, [pixels], image_format, metadata)


def can_write_floats(image_format: str, channels: int) -> bool:
    """Whether real numbers of so many channels can be written here in a format."""
    return image_format == "TIFF" and (channels == 1 or FORMATS["TIFF"].has_deep_codec)


def write_floats(stream: BinaryIO, values: Values, metadata: Metadata = NO_METADATA) -> None:
    """Encode (H, W, C) as a TIFF of float32, without a range policy."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, np.float32)
    if not np.isfinite(numbers).all():
        raise ArgumentError("values are beyond what a TIFF of 32 bits holds; write .npy")
    write_picture(stream, numbers, "TIFF", metadata)


def write_frames(
    stream: BinaryIO,
    frames: Sequence[tuple[Values, Metadata]],
    image_format: str,
    loop: int,
    png_level: int | None = None,
) -> None:
    """Encode an animation, or the pages of a TIFF.

    Parameters
    ----------
    frames : sequence of (pixels, metadata)
        (H, W, C) of uint8 each, and how long it is shown. The first one's other metadata is kept.
    image_format : str
        One that holds several frames.
    loop : int
        How often it plays; 0 is for ever.
    """
    options = dict(FORMATS[image_format].frame_options)
    if image_format == "PNG" and png_level is not None:
        options["compress_level"] = png_level
    if FORMATS[image_format].frames == "animation":
        options["duration"] = [metadata.duration or DEFAULT_DURATION_MS for _, metadata in frames]
        if image_format != "GIF":
            options["loop"] = loop
        elif loop != 1:  # GIF counts the repetitions after the first
            options["loop"] = max(loop - 1, 0)
    _save(stream, [pixels for pixels, _ in frames], image_format, frames[0][1], options)


def _save(
    stream: BinaryIO,
    frames: Sequence[Values],
    image_format: str,
    metadata: Metadata,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Encode (H, W, C) arrays by Pillow; several are the frames of one file."""
    load_plugin(image_format)
    first, *others = (
        Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
        for pixels in frames
    )
    settings = dict(FORMATS[image_format].save_options)
    settings |= save_options(metadata, image_format, frames[0].shape[2])
    if options is not None:
        settings |= {"save_all": True, "append_images": others, **options}
    # Not to the file: libtiff writes past Python, which would then see no error of writing.
    buffer = io.BytesIO()
    first.save(buffer, image_format, **settings)
    stream.write(buffer.getbuffer())
