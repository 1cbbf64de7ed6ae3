"""Pillow: its decoders, each loaded for its own format alone, and the values that they give.

`Image.open` by itself loads five plugins for any file, and all of them, dozens, for a WebP or a
TIFF, which takes longer than filtering most pictures.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from convcli.errors import FileError, ImageError, first_line
from convcli.files.paths import cause
from convcli.images import PLACEHOLDER, Header, Picture, Values, excess_pixels
from convcli.images.embedded import read_metadata
from convcli.images.formats import FORMATS, SIGNATURE_BYTES, UNKNOWN_FORMAT, detect_format
from convcli.images.rows import (
    PACKED_MODES,
    STRIP_PIXELS,
    DecodedRows,
    DecodingRows,
    iterate_strips,
)
from convcli.parallel import get_threads

if TYPE_CHECKING:
    from convcli.images.damage import DecodingWatch

GRAY_MODES = ("1", "L", "LA", "La")
FIRST_TRANSPOSED = 5  # of the orientations of EXIF
# Steps of rows and columns by an orientation, once it is transposed.
FLIPS = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
STDERR = 2
MIN_WAITED_PIXELS = 1 << 20  # of a picture that is filtered while it is decoded
BROKEN_HEADER = "starts as {} does, but its header is broken or cut off"
DECODER_ERRORS = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, struct.error,
                  SyntaxError, TypeError, ValueError)  # fmt: skip


def load_plugin(image_format: str) -> None:
    """Make Pillow read and write a format, without the plugins of all others."""
    record = FORMATS[image_format]
    import_module(record.plugin if record.package else f"PIL.{record.plugin}")


def open_image(stream: BinaryIO, known: str | None = None) -> Image.Image:
    """Open a picture and read its header, as `Image.open` does.

    Parameters
    ----------
    stream : binary file
        At its start.
    known : str, optional
        Its format, if more than its start was needed to know it.

    Raises
    ------
    UnidentifiedImageError
        If it is of no known format, or by its start alone. Other errors that a broken file causes
        pass through.
    """
    start = stream.read(SIGNATURE_BYTES)
    stream.seek(0)
    known = known or detect_format(start)
    if known is None:
        raise UnidentifiedImageError
    load_plugin(known)
    factory, accepts = Image.OPEN[known]
    if known == "JPEG":  # not as a file of several pictures, by an index that may be broken
        factory = import_module("PIL.JpegImagePlugin").JpegImageFile
    if not (accepts is None or accepts(start) is True):  # a string says what is missing
        raise UnidentifiedImageError(BROKEN_HEADER.format(known))
    try:
        return factory(stream, "")
    except DECODER_ERRORS as error:
        if known in ("JPEG", "PNG"):
            from convcli.images.plain import open_plain

            with suppress(*DECODER_ERRORS, ImageError):
                return open_plain(factory, stream, known)
        # Errors of a file that is of that format only by its start.
        if isinstance(error, (SyntaxError, IndexError, TypeError, struct.error)):
            raise UnidentifiedImageError(BROKEN_HEADER.format(known)) from None
        raise


def open_header(
    stream: BinaryIO, path: str, max_pixels: int, known: str | None = None
) -> Image.Image:
    """Open a picture and read its header, as `open_image` does.

    Raises
    ------
    ImageError
        If it is of no known format, has more pixels than allowed, or its header is broken.
    """
    with decoder_errors(path):
        Image.MAX_IMAGE_PIXELS = None  # the limit is checked here
        image = open_image(stream, known)
        check_size(image, path, max_pixels)
        return image


def check_size(image: Image.Image, path: str, max_pixels: int) -> None:
    """Refuse an open picture that is larger than allowed, or a frame than its file says."""
    width, height = image.size
    if width * height > max_pixels:
        raise excess_pixels((height, width), path, max_pixels)


@contextmanager
def decoder_errors(path: str, *, is_alone: bool = True) -> Iterator[None]:
    """Raise whatever a broken file makes a decoder raise as an `ImageError` of one line.

    What decoders say beside is dropped, but where other threads run, which may have to say more.
    """
    try:
        with _silence() if is_alone else nullcontext():
            yield
    except (FileError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(path, str(error) or UNKNOWN_FORMAT) from None
    except OSError as error:
        # A decoder's own has no number; that of the system is also of a broken offset.
        if error.errno in (None, errno.EINVAL):
            raise ImageError(path, f"cannot be decoded: {first_line(error)}") from error
        raise ImageError(path, cause(error)) from error
    except Exception as error:  # decoders raise errors of any class
        raise ImageError(path, f"cannot be decoded: {first_line(error)}") from error


@contextmanager
def _silence() -> Iterator[None]:
    """Discard warnings, and standard error: libtiff reports there what is raised anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if sys.stderr is None:  # closed: its number may be that of any other file
            yield
            return
        saved = os.dup(STDERR)
        try:
            with open(os.devnull, "wb") as null:  # noqa: PTH123
                os.dup2(null.fileno(), STDERR)
            yield
        finally:
            os.dup2(saved, STDERR)
            os.close(saved)


def read_header(image: Image.Image) -> Header:
    """Return the header of what `read_picture` would return, from a picture's own header."""
    width, height = image.size
    size = height, width
    if (exif := image.info.get("exif")) or image.info.get("xmp"):
        from convcli.images.metadata.orientation import normalize

        if normalize(exif, image.info.get("xmp")).orientation >= FIRST_TRANSPOSED:
            size = width, height
    dtype, depth, mode = _layout(image)
    channels = 3 if mode in ("RGB", "RGBA") else 1
    return Header((*size, channels), dtype, depth, mode in ("LA", "RGBA"))


def read_picture(image: Image.Image, path: str, *, by_rows: bool = False) -> Picture:
    """Return the current frame of an open picture, its orientation applied.

    If asked for, it has rows in place of values; then it must be one that `has_plain_rows`.

    Raises
    ------
    ImageError
        For NaN or infinity. Other errors that a broken file causes pass through.
    """
    image.load()
    metadata, orientation, malformed = read_metadata(image)
    if by_rows:
        return Picture(PLACEHOLDER, 8, None, metadata, malformed, rows=DecodedRows(image))
    dtype, depth, mode = _layout(image)
    if mode is not None:
        if image.mode == "CMYK" and metadata.profile:
            from convcli.images.cmyk import apply_profile

            image = apply_profile(image, metadata.profile)
            metadata = metadata._replace(profile=b"")
        values = to_array(image if image.mode == mode else image.convert(mode))
    elif depth is not None:
        values = to_array(image).astype(dtype, copy=False)
    else:
        values = to_array(image).view(dtype)
        check_finite(values, path, allows_nan=False)
    values, alpha = split_alpha(apply_orientation(values, orientation))
    return Picture(values, depth, alpha, metadata, malformed)


def read_rows(
    image: Image.Image,
    watch: DecodingWatch,
    path: str,
    limit: Callable[[Picture], Picture],
    *,
    may_wait: bool,
) -> Picture:
    """Return an open picture that `has_plain_rows`, with these in place of values.

    Parameters
    ----------
    image : Image
    watch : DecodingWatch
        Of the image.
    path : str
    limit : callable
        Returns a picture with the metadata that is kept of it.
    may_wait : bool
        Whether the rows of a large one may come while a thread decodes it, from the top.

    Raises
    ------
    ImageError
        If it cannot be decoded, here or where rows are taken.
    """
    is_large = image.width * image.height >= MIN_WAITED_PIXELS and get_threads() > 1
    has_data = bool(getattr(image, "tile", ()))  # without any, there is no row to wait for
    may_wait = may_wait and is_large and has_data and image.mode == "RGB"
    with decoder_errors(path):
        if may_wait and not watch.keeps_damaged:
            return limit(_start_decoding(image, watch, path))
        with closing(image):
            picture = read_picture(image, path, by_rows=True)
    return limit(picture._replace(notes=(*picture.notes, *watch.notes)))


def _start_decoding(image: Image.Image, watch: DecodingWatch, path: str) -> Picture:
    """Return an open picture with rows that another thread decodes meanwhile."""

    def load() -> tuple[str, ...]:
        with decoder_errors(path, is_alone=False), closing(image):
            image.load()
        return watch.notes

    metadata, _, malformed = read_metadata(image)
    rows = DecodingRows(image, load)
    watch.on_read = rows.advance
    return Picture(PLACEHOLDER, 8, None, metadata, malformed, rows=rows)


def _layout(image: Image.Image) -> tuple[np.dtype[Any], int | None, str | None]:
    """Return the dtype and depth that a picture is read with, and the mode it is converted to.

    The mode is None for values that are taken as they are; the indices of a palette never are.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return np.dtype(np.uint16), 16, None
    if image.mode == "F":
        return np.dtype(np.float32), None, None
    mode = "L" if image.mode in GRAY_MODES else "RGB"
    return np.dtype(np.uint8), 8, f"{mode}A" if image.has_transparency_data else mode


def to_array(image: Image.Image) -> Values:
    """Return the pixels, (H, W, C), copied strip by strip: as a whole, Pillow copies them twice."""
    width, height = image.size
    if width * height <= STRIP_PIXELS or image.mode not in PACKED_MODES:
        whole = np.asarray(image)
        return whole if whole.ndim == 3 else whole[:, :, np.newaxis]
    pixels = np.empty((height, width, len(image.getbands())), np.uint8)
    for rows, strip in iterate_strips(image):
        pixels[rows] = strip
    return pixels


def has_plain_rows(image: Image.Image) -> bool:
    """Whether the rows of an open picture are taken as they are decoded: opaque, and not turned."""
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        return False
    exif, xmp = image.info.get("exif"), image.info.get("xmp")
    if not (exif or xmp):
        return True
    from convcli.images.metadata.orientation import normalize

    return normalize(exif, xmp).orientation == 1


def to_image(pixels: Values) -> Image.Image:
    """Return (H, W, C) as one of Pillow's images."""
    return Image.fromarray(
        np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    )


def check_finite(values: Values, path: str, *, allows_nan: bool) -> None:
    """Raise if a picture of real numbers holds infinity, or NaN that is not allowed."""
    from convcli.grids.text import find_nonfinite

    if (fault := find_nonfinite(values, allows_nan=allows_nan)) is not None:
        raise ImageError(path, fault)


def split_alpha(pixels: Values) -> tuple[Values, Values | None]:
    """Divide (H, W, C) into colors and alpha; None without an alpha, and if all is opaque."""
    if pixels.shape[2] not in (2, 4):
        return pixels, None
    return pixels[:, :, :-1], drop_opaque(pixels[:, :, -1:])


def drop_opaque(alpha: Values) -> Values | None:
    """Return alpha as whole numbers; None if all is opaque."""
    return None if bool((alpha == np.iinfo(alpha.dtype).max).all()) else alpha


def apply_orientation(pixels: Values, orientation: int) -> Values:
    """Turn and mirror (H, W, C) by EXIF's orientation, 1 to 8.

    >>> apply_orientation(np.array([[[1], [2]]]), 6).tolist()
    [[[1]], [[2]]]
    """
    if orientation >= FIRST_TRANSPOSED:
        pixels = pixels.transpose(1, 0, 2)
    down, across = FLIPS.get(orientation, (1, 1))
    return pixels[::down, ::across]
