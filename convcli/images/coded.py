"""AVIF, HEIF and JPEG 2000: stills whose decoders need no watching, of 8 to 16 bits.

Pillow's decoders keep 8 bits of colors; those of the extras keep all.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images import FrameSource, Picture, ReadSettings, Values, pillow
from convcli.images.color import map_rows
from convcli.images.embedded import read_metadata
from convcli.images.formats import SIGNATURE_BYTES, detect_format
from convcli.images.structure import Structure

DEEP_EXTRA = "pip install 'convcli[deep]'"
DEEP_CODEC = "imagecodecs"  # keeps all bits of colors
DEEP_NOTE = f"holds {{}}-bit colors, read as 8-bit ones; {DEEP_EXTRA} keeps them"
BRAND = slice(8, 12)  # of a file of boxes
SEQUENCE_BRANDS = {
    b"avis": b"avif",
    b"hevc": b"heic",
    b"hevx": b"heix",
    b"msf1": b"mif1",
}  # the brands of their stills


def open_coded(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return the picture of a file whose structure was checked.

    Raises
    ------
    ImageError
        For a file that cannot be decoded.
    """
    known = detect_format(stream.read(SIGNATURE_BYTES)) or ""
    with pillow.decoder_errors(path):
        image = pillow.open_image(_as_still(stream), known)
        _drop_orientation(image, known)
        header = pillow.read_header(image)
    notes: tuple[str, ...] = ()
    if known == "HEIF" and getattr(image, "n_frames", 1) > 1:
        notes = (f"holds {image.n_frames:,} pictures; the main one is read",)  # type: ignore[attr-defined]
    if structure.frames > 1:
        notes = (f"is a sequence of {structure.frames:,} frames; its still picture alone is read",)
    is_reduced = structure.bits > 8 and header.depth == 8
    is_deep = is_reduced and (known == "HEIF" or find_spec(DEEP_CODEC) is not None)
    if is_deep:
        header = header._replace(dtype=np.dtype(np.uint16), depth=16)
    elif is_reduced and known == "JPEG2000":  # in which Pillow's decoder makes white black
        raise ImageError(path, f"holds {structure.bits}-bit colors, which need {DEEP_EXTRA}")
    elif is_reduced:
        notes = (*notes, DEEP_NOTE.format(structure.bits))

    def decode(_: int) -> Picture:
        with pillow.decoder_errors(path):
            if is_deep:
                picture = _read_deep(image, stream, known, structure.bits)
            else:
                picture = pillow.read_picture(image, path)
                if known == "JPEG2000":
                    picture = _spread(picture, structure.bits)
        if picture.size != header.shape[:2]:
            raise ImageError(path, "cannot be decoded: its pixels are not as many as it says")
        picture = picture._replace(notes=(*notes, *picture.notes))
        return picture.limit_metadata(settings.max_metadata)

    return FrameSource(path, 1, decode, header, known, held_bytes=structure.held_bytes)


def _drop_orientation(image: Image.Image, known: str) -> None:
    """Leave out an orientation in XMP, where a property of the item alone turns a picture.

    Pillow gives that of the property (ISO/IEC 23008-12) as EXIF's.
    """
    xmp = image.info.get("xmp")
    if known in ("AVIF", "HEIF") and isinstance(xmp, bytes):
        from convcli.images.metadata import xmp as packets

        with suppress(ValueError):  # of a malformed one, which is left out later
            image.info["xmp"] = packets.reset_orientation(packets.to_utf8(xmp))


def _as_still(stream: BinaryIO) -> BinaryIO:
    """Return a stream whose still picture decoders take, and not its sequence."""
    stream.seek(0)
    start = stream.read(BRAND.stop)
    stream.seek(0)
    brand = start[BRAND]
    if brand not in SEQUENCE_BRANDS:
        return stream
    content = stream.read()
    return BytesIO(content[: BRAND.start] + SEQUENCE_BRANDS[brand] + content[BRAND.stop :])


def _read_deep(image: Any, stream: BinaryIO, known: str, bits: int) -> Picture:
    """Read all bits of a picture that Pillow has opened."""
    metadata, orientation, notes = read_metadata(image)
    if known == "HEIF":
        colors, alpha = pillow.split_alpha(_read_deep_heif(stream, bits))
        return Picture(colors, 16, alpha, metadata, notes)
    import imagecodecs

    decode = {"AVIF": imagecodecs.avif_decode, "JPEG2000": imagecodecs.jpeg2k_decode}[known]
    decoded: Any = decode(_as_still(stream).read())
    pixels: Values = np.asarray(decoded)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.dtype != np.uint16:
        raise ValueError(f"its {bits}-bit values are laid out as {pixels.shape} {pixels.dtype}")
    pixels = scale_to_white(pixels, bits)
    colors, alpha = pillow.split_alpha(pillow.apply_orientation(pixels, orientation))
    return Picture(colors, 16, alpha, metadata, notes)


def _read_deep_heif(stream: BinaryIO, bits: int) -> Values:
    """Return all bits of the main picture of a HEIF, turned as it is seen."""
    import pillow_heif

    stream.seek(0)
    decoded: Any = pillow_heif.open_heif(stream, convert_hdr_to_8bit=False)
    pixels: Values = np.asarray(decoded)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint16:
        raise ValueError(f"its {bits}-bit values are laid out as {pixels.shape} {pixels.dtype}")
    return scale_to_white(pixels, bits, 16 - bits)


def _spread(picture: Picture, bits: int) -> Picture:
    """Make white what a decoder that shifts values up leaves just below it."""
    depth = picture.depth or 8
    if bits in (8, 16) or bits > depth:
        return picture
    scaled = [
        None if values is None else scale_to_white(values, bits, depth - bits)
        for values in (picture.values, picture.alpha)
    ]
    assert scaled[0] is not None  # noqa: S101  # a picture has values
    return picture._replace(values=scaled[0], alpha=scaled[1])


def scale_to_white(values: Values, bits: int, shift: int = 0) -> Values:
    """Scale values of so many bits, which stand so far up, so that the largest one is white."""
    white = np.iinfo(values.dtype).max
    most = (1 << bits) - 1
    levels = np.rint(np.arange(most + 1) * (white / most)).astype(values.dtype)
    return map_rows(lambda part: levels[np.minimum(part >> shift, most)], values)
