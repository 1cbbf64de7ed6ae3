"""Pixels and metadata to the bytes of a picture file."""

from __future__ import annotations

import io
import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from convcli.errors import PADDING_ALONE, ArgumentError
from convcli.images import NO_METADATA, Metadata, Picture, Translation, Values
from convcli.images.color import composite_on_white, to_gray
from convcli.images.formats import DEFAULT_ENCODING, FORMATS, EncoderSettings
from convcli.images.metadata.encode import (
    encode_tags,
    encode_text,
    fit_size,
    gif_extensions,
    to_whole_numbers,
)
from convcli.images.parts import PartEncoder, PixelLayout, write_parts
from convcli.images.pillow import load_plugin, to_image
from convcli.images.png.write import open_png

if TYPE_CHECKING:
    from convcli.images.metadata.directory import Block

METERS_PER_INCH = 0.0254
# What a segment of a JPEG holds beside the block itself.
SEGMENT_STARTS = {"exif": 0, "xmp": 29, "iptc": 27, "comment": 0}
GIF_HEADER_BYTES = 13
# Formats that are encoded in parts, by the bits of a pixel that they hold.
PART_FORMATS = {8: ("PNG", "TIFF", "JPEG"), 16: ("PNG", "TIFF")}
JFIF_DENSITY = slice(13, 18)  # its unit, and two numbers, in a file that begins with JFIF
SRGB_CODE_POINTS = (1, 13)  # of its primaries and its transfer function (ITU-T H.273)
# In the description of a profile of sRGB, by its version; what shows no profile shows sRGB.
SRGB_NAMES = (b"sRGB", b"\0s\0R\0G\0B")
GAMMA_UNITS = 100_000  # of gAMA
SRGB_GAMMA = 0.45455
GAMMA_TOLERANCE = 0.05  # a share, of which libpng makes nothing, either


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
    if target.colors in ("gray", "black and white") and pixels.shape[2] == 3:
        pixels = np.rint(to_gray(pixels)).astype(pixels.dtype)
        notes.append(f"{image_format} has no colors; the picture is gray, as --gray makes it")
    if alpha is not None and target.alpha == "none":
        pixels, alpha = composite_on_white(pixels, alpha), None
        notes.append(f"{image_format} has no transparency; the picture is laid on white")
    if alpha is not None and target.alpha == "binary":
        white = np.iinfo(alpha.dtype).max
        binary = np.where(alpha > white // 2, white, 0).astype(alpha.dtype)
        if not np.array_equal(binary, alpha):
            notes.append(f"{image_format} shows a pixel or does not: half transparency is lost")
        alpha = binary
    if target.colors == "black and white":
        white = np.iinfo(pixels.dtype).max
        binary = np.where(pixels > white // 2, white, 0).astype(pixels.dtype)
        if not np.array_equal(binary, pixels):
            notes.append(f"{image_format} is black and white: what is brighter than half is white")
        pixels = binary
    if target.colors == "RGB" and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    joined = pixels if alpha is None else np.concatenate([pixels, alpha], axis=2)
    is_narrow = target.holds_bands or joined.shape[2] <= target.max_deep_channels
    is_held = target.holds_16_bits and is_narrow
    if joined.dtype == np.uint8 or is_held:
        return joined, tuple(notes)
    notes.append(f"{image_format} is written with 8 bits a channel, and 16 were there")
    return np.rint(joined / 257).astype(np.uint8), tuple(notes)


def write_picture(
    stream: BinaryIO,
    pixels: Values,
    image_format: str,
    metadata: Metadata = NO_METADATA,
    encoding: EncoderSettings = DEFAULT_ENCODING,
    *,
    has_alpha: bool | None = None,
) -> None:
    """Encode (H, W, C) that the format can hold: gray, RGB or bands, and maybe alpha, last.

    Without `has_alpha`, two and four channels have it.
    """
    layout = PixelLayout.of(pixels, has_alpha=has_alpha)
    if image_format in PART_FORMATS[8]:
        write_parts(open_encoder(stream, layout, image_format, metadata, encoding), pixels)
    elif FORMATS[image_format].is_netpbm:
        from convcli.images.netpbm import write_netpbm

        write_netpbm(stream, pixels, image_format)
    else:
        _save(stream, pixels, image_format, metadata, encoding)


def open_encoder(
    stream: BinaryIO,
    layout: PixelLayout,
    image_format: str,
    metadata: Metadata = NO_METADATA,
    encoding: EncoderSettings = DEFAULT_ENCODING,
) -> PartEncoder:
    """Return what encodes a picture of a layout in one of `PART_FORMATS`.

    Parameters are those of `write_picture`.
    """
    if metadata.exif or metadata.xmp or metadata.text:
        metadata = fit_size(metadata, layout.shape[:2])
    channels = layout.shape[2]
    if image_format == "PNG":
        chunks = png_chunks(metadata, channels)
        return open_png(stream, layout, chunks, encoding.png_level)
    if image_format == "TIFF":
        from convcli.images.tiff.write import TiffPage, TiffWriter

        tags = tiff_tags(metadata, channels)
        return TiffPage(TiffWriter(stream), layout, tags)
    from convcli.images.jpeg_parts import JpegEncoder

    load_plugin("JPEG")
    options = metadata_options(metadata, "JPEG", channels)
    settings = FORMATS["JPEG"].save_options(encoding)
    return JpegEncoder(stream, layout, settings, options, partial(_enter_aspect, metadata))


def _enter_aspect(metadata: Metadata, content: bytearray) -> None:
    """Enter the aspect of pixels in a JPEG, where there is no resolution."""
    if metadata.dpi is None and metadata.aspect is not None:
        content[JFIF_DENSITY] = struct.pack(">BHH", 0, *to_whole_numbers(metadata.aspect))


def real_type(source: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of real numbers that holds each value of a type, and fractions of it."""
    fits = source.itemsize <= 2 or source == np.float32
    return np.dtype(np.float32 if fits else np.float64)


def to_real_pixels(picture: Picture, dtype: np.dtype[Any]) -> Values:
    """Return values and alpha as real numbers of a type, (H, W, C), as a TIFF holds them.

    Raises
    ------
    ArgumentError
        For infinity, the maximum of padding alone.
    """
    parts = [picture.values] if picture.alpha is None else [picture.values, picture.alpha]
    numbers = np.concatenate([part.astype(dtype, copy=False) for part in parts], axis=2)
    if np.isinf(numbers).any():
        raise ArgumentError(PADDING_ALONE)
    return numbers


def _save(
    stream: BinaryIO,
    pixels: Values,
    image_format: str,
    metadata: Metadata,
    encoding: EncoderSettings,
) -> None:
    """Encode (H, W, C) by Pillow."""
    load_plugin(image_format)
    if metadata.exif or metadata.xmp or metadata.text:
        metadata = fit_size(metadata, pixels.shape[:2])
    options = metadata_options(metadata, image_format, pixels.shape[2])
    # Not to the file, which an encoder may write past Python, that would see no error of writing.
    buffer = io.BytesIO()
    if image_format == "JXL" and "exif" in options:
        # A box of EXIF starts with the distance to the directories, which the plug-in leaves out.
        options["exif"] = bytes(4) + options["exif"].removeprefix(b"Exif\0\0")
    settings = {**FORMATS[image_format].save_options(encoding), **options}
    if image_format == "GIF":
        from convcli.images.palette import to_palette

        image = to_palette(pixels)
    else:
        image = to_image(pixels)
    image.save(buffer, image_format, **settings)
    content = buffer.getbuffer()
    if image_format == "GIF" and (extensions := gif_extensions(metadata)):
        start = GIF_HEADER_BYTES + (6 << (content[10] & 7))  # with the palette
        stream.write(b"GIF89a" + bytes(content[6:start]) + extensions)
        content = content[start:]
    stream.write(content)


def find_losses(metadata: Metadata, image_format: str) -> tuple[str, ...]:
    """Return notes on what of EXIF, XMP and IPTC a format cannot hold.

    Nobody expects them in a format that holds no EXIF, as GIF; there is no note for that, nor for
    resolution and texts.
    """
    target = FORMATS[image_format]
    if "exif" not in target.metadata:
        return ()
    notes = []
    for name in ("exif", "xmp", "iptc"):
        size = len(getattr(metadata, name))
        if size and name not in target.metadata:
            notes.append(f"{image_format} holds no {name.upper()}; it is left out")
        elif not _fits(name, size, image_format):
            most = (target.max_segment_bytes or 0) - SEGMENT_STARTS[name]
            notes.append(
                f"its {name.upper()} of {size:,} bytes is left out: {image_format} holds {most:,}"
            )
    return tuple(notes)


def _fits(name: str, size: int, image_format: str) -> bool:
    """Whether a block of a size fits into a format, if that holds such blocks."""
    most = FORMATS[image_format].max_segment_bytes
    return most is None or size + SEGMENT_STARTS[name] <= most


def metadata_options(metadata: Metadata, image_format: str, channels: int) -> dict[str, Any]:
    """Return what Pillow's `save` takes to write the metadata, as far as a format holds it.

    A profile for other values (an RGB profile for a gray result) is left out.
    """
    fields = FORMATS[image_format].metadata
    options: dict[str, Any] = {}
    for name in ("exif", "xmp", "iptc"):
        block = getattr(metadata, name)
        if block and name in fields and _fits(name, len(block), image_format):
            options[name] = block
    if iptc := options.pop("iptc", b""):  # which Pillow writes as part of a JPEG alone
        from convcli.images.metadata.iptc import encode_segment

        options["extra"] = encode_segment(iptc)
    is_for_these = metadata.color_mode == ("L" if channels < 3 else "RGB")
    if metadata.profile and "profile" in fields and is_for_these:
        options["icc_profile"] = metadata.profile
    if metadata.dpi is not None and "dpi" in fields:
        options["dpi"] = metadata.dpi
    comment = metadata.text.get("Comment", "").encode()
    if image_format == "GIF":  # which Pillow would write otherwise
        return {}
    if comment and "comment" in fields and _fits("comment", len(comment), image_format):
        options["comment"] = comment
    return options


def tiff_tags(metadata: Metadata, channels: int) -> Block:
    """Return the metadata as tags of a page."""
    options = metadata_options(metadata._replace(iptc=b""), "TIFF", channels)
    return encode_tags(metadata._replace(profile=options.get("icc_profile", b"")))


def png_chunks(metadata: Metadata, channels: int) -> list[tuple[bytes, bytes]]:
    """Return the metadata as (name, content) of chunks (PNG specification, third edition, 11.3)."""
    options = metadata_options(metadata._replace(iptc=b""), "PNG", channels)
    has_profile = "icc_profile" in options  # instead of which sRGB may stand, not beside it
    chunks = [chunk for chunk in metadata.color_chunks if not (has_profile and chunk[0] == b"sRGB")]
    if has_profile:
        chunks.append((b"iCCP", b"ICC\0\0" + zlib.compress(options["icc_profile"])))
    if "dpi" in options:
        per_meter = (round(dots / METERS_PER_INCH) for dots in options["dpi"])
        chunks.append((b"pHYs", struct.pack(">IIB", *per_meter, 1)))
    elif metadata.aspect is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *to_whole_numbers(metadata.aspect), 0)))
    if "exif" in options:
        chunks.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    texts = [Translation(name, value, "") for name, value in metadata.text.items()]
    if metadata.iptc:
        from convcli.images.metadata.text import IPTC_NAME, encode_iptc

        texts.append(Translation(IPTC_NAME, encode_iptc(metadata.iptc), ""))
    chunks += [encode_text(text) for text in (*texts, *metadata.translations)]
    if metadata.xmp:
        from convcli.images.metadata.text import XMP_NAME

        chunks.append((b"iTXt", XMP_NAME.encode() + bytes(5) + metadata.xmp))
    return chunks


def describe_lost_colors(metadata: Metadata, image_format: str) -> str | None:
    """Return a message to the user if colors look different as a format cannot say what they are.

    In a PNG, cICP comes before a profile, which comes before sRGB, which comes before gAMA (PNG
    specification, third edition, 4.3).
    """
    chunks = dict(metadata.color_chunks)
    has_profile = bool(metadata.profile) and "profile" in FORMATS[image_format].metadata
    if image_format == "PNG" or has_profile:
        return None
    if b"cICP" in chunks:
        primaries, transfer, *_ = chunks[b"cICP"]
        if (primaries, transfer) == SRGB_CODE_POINTS:
            return None
        cause = f"its colors are those of code points {primaries} and {transfer} (cICP)"
    elif metadata.profile:
        if any(name in metadata.profile for name in SRGB_NAMES):
            return None
        cause = "its colors are those of its profile"
    elif b"sRGB" in chunks or b"gAMA" not in chunks:
        return None
    else:
        gamma = int.from_bytes(chunks[b"gAMA"]) / GAMMA_UNITS
        if abs(gamma / SRGB_GAMMA - 1) <= GAMMA_TOLERANCE:
            return None
        cause = f"its gamma is {gamma:.5g} (gAMA)"
    return f"{cause}, which {image_format} cannot say; it will look different"
