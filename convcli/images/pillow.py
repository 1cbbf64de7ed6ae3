"""Pillow: its decoders, each loaded for its own format alone, and the values that they give.

`Image.open` by itself loads five plugins for any file, and all of them, dozens, for a WebP or a
TIFF, which takes longer than filtering most pictures.
"""

from __future__ import annotations

import os
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from convcli.errors import FileError, ImageError
from convcli.images import Header, Picture, Values
from convcli.images.formats import DEEP_EXTRA, READ, has_deep_codec
from convcli.images.metadata import ORIENTATION, read_metadata, without_profile

STDERR = 2


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Let nothing reach standard error meanwhile: libtiff reports there what is raised anyway."""
    if sys.stderr is None:  # closed: the number is free, and may be any file's by now
        yield
        return
    kept = os.dup(STDERR)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDERR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)


@contextmanager
def decoder_errors(path: str) -> Iterator[None]:
    """Whatever a broken file makes a decoder raise, as one line with the file's name."""
    try:
        with warnings.catch_warnings(), silence_stderr():
            warnings.simplefilter("ignore")
            yield
    except FileError:
        raise
    except UnidentifiedImageError:
        raise ImageError(path, unknown_format_text()) from None
    except Exception as error:  # decoders raise whatever a broken file makes them
        words = str(error).splitlines() or [type(error).__name__]
        raise ImageError(path, f"cannot be decoded: {words[0]}") from error


def unknown_format_text() -> str:
    """What is said of a file that no decoder knows."""
    return f"is no picture of a kind that is read ({', '.join(READ)})"


_LONGEST = 16  # bytes by which Pillow tells a format
_PLUGINS = {
    "PNG": "PngImagePlugin",
    "JPEG": "JpegImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "PPM": "PpmImagePlugin",
}
_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"RIFF": "WEBP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"P": "PPM",
}


def load_plugin(image_format: str) -> None:
    """Have Pillow read and write a format; it would load all others as well to find it."""
    import_module(f"PIL.{_PLUGINS[image_format]}")


def identify(stream: BinaryIO) -> Image.Image:
    """Open a picture, its header read, as `Image.open` would.

    Raises
    ------
    UnidentifiedImageError
        For what no decoder takes. Whatever a broken file makes a decoder raise passes.
    """
    start = stream.read(_LONGEST)
    stream.seek(0)
    kinds = (kind for sign, kind in _SIGNATURES.items() if start.startswith(sign))
    kind = next(kinds, None)
    if kind is None:  # it may still be a sort of one of them that is rarely met
        return Image.open(stream, formats=READ)
    load_plugin(kind)
    factory, accepts = Image.OPEN[kind]
    try:
        if accepts is None or accepts(start) is True:  # and no words about what is missing
            return factory(stream, "")
    except (SyntaxError, IndexError, TypeError, struct.error):  # it is none, for all its start
        pass
    raise UnidentifiedImageError


GRAY_MODES = ("1", "L", "LA", "La")
BITS, SAMPLE_FORMAT, SIGNED = 258, 339, 2  # tags of TIFF, and a value
STRIP_PIXELS = 1 << 20  # that are handed over at once


def read_header(image: Image.Image) -> Header:
    """What a picture's header says of the values that `read_picture` would give."""
    width, height = image.size
    # Of a PNG that names none before its pixels, Pillow would decode them to look behind.
    is_told = image.format != "PNG" or "exif" in image.info
    orientation = image.getexif().get(ORIENTATION, 1) if is_told else 1
    size = (width, height) if orientation >= 5 else (height, width)
    if _is_gray_16(image):
        return Header((*size, 1), np.dtype(np.uint16), 16)
    numbers = _number_dtype(image)
    if numbers is not None:
        return Header((*size, 1), numbers)
    channels = 1 if image.mode in GRAY_MODES else 3
    if has_deep_color(image) and has_deep_codec(image.format or ""):
        return Header((*size, 3), np.dtype(np.uint16), 16, image.mode == "RGBA")
    return Header((*size, channels), np.dtype(np.uint8), 8, image.has_transparency_data)


def read_picture(image: Image.Image, path: str) -> Picture:
    """The values of an opened picture's current frame, upright.

    Raises
    ------
    ImageError
        For values that no filter can use. Whatever a broken file makes a decoder raise passes.
    """
    notes = tuple(_notes(image))  # of the layout, which is forgotten once it is loaded
    image.load()
    metadata, orientation = read_metadata(image), image.getexif().get(ORIENTATION, 1)
    if _is_gray_16(image):
        pixels = apply_orientation(_pixels(image), orientation).astype(np.uint16, copy=False)
        return Picture(pixels, 16, None, metadata, notes)
    numbers = _number_dtype(image)
    if numbers is not None:
        values = apply_orientation(_pixels(image).view(numbers), orientation)
        if not np.isfinite(values).all():
            raise ImageError(path, "holds NaN or infinity, which no filter can use")
        return Picture(values, None, None, metadata, notes)
    if image.has_transparency_data:
        layered = _as_mode(image, "LA" if image.mode in GRAY_MODES else "RGBA")
        pixels = apply_orientation(_pixels(layered), orientation)
        return Picture(pixels[:, :, :-1], 8, drop_opaque(pixels[:, :, -1:]), metadata, notes)
    if image.mode == "CMYK" and metadata.profile:
        converted = _apply_profile(image, metadata.profile)
        if converted is not None:
            metadata, image = without_profile(metadata), converted
    colors = _as_mode(image, "L" if image.mode in GRAY_MODES else "RGB")
    return Picture(apply_orientation(_pixels(colors), orientation), 8, None, metadata, notes)


def _is_gray_16(image: Image.Image) -> bool:
    """Whether a picture is gray with 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _number_dtype(image: Image.Image) -> np.dtype[Any] | None:
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


def has_deep_color(image: Image.Image) -> bool:
    """Whether a picture has colors of 16 bits, of which Pillow would keep 8."""
    layouts = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.mode in ("RGB", "RGBA") and any(";16" in layout for layout in layouts)


def drop_opaque(alpha: Values | None) -> Values | None:
    """Alpha, unless all of it is opaque."""
    if alpha is None or (alpha == np.iinfo(alpha.dtype).max).all():
        return None
    return alpha


def apply_orientation(pixels: Values, orientation: int) -> Values:
    """Turn and mirror (H, W, C) as EXIF's orientation, 1 to 8, says.

    >>> apply_orientation(np.array([[[1], [2]]]), 6).tolist()
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
    if has_deep_color(image):
        notes.append(f"holds 16-bit colors, read as 8-bit ones; {DEEP_EXTRA} keeps them")
    return notes


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
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
