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
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from convcli.errors import FileError, ImageError, first_line
from convcli.files.paths import cause
from convcli.images import PLACEHOLDER, Header, Metadata, Picture, Values, excess_pixels
from convcli.images.formats import FORMATS, SIGNATURE_BYTES, UNKNOWN_FORMAT, detect_format
from convcli.images.rows import (
    PACKED_MODES,
    STRIP_PIXELS,
    DecodedRows,
    DecodingRows,
    iterate_strips,
)
from convcli.parallel import get_threads
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from convcli.images.damage import DecodingWatch

GRAY_MODES = ("1", "L", "LA", "La")
FIRST_TRANSPOSED = 5  # of the orientations of EXIF
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
EXTENSION_NOTE = "holds a second XMP packet (extended XMP), which is left out"
MAX_DPI = 65_535  # that JPEG can hold
MAX_DURATION_MS = (1 << 24) - 1  # of a frame, that WebP can hold
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
            image = _apply_profile(image, metadata.profile)
            metadata = metadata._replace(profile=b"")
        values = _to_array(image if image.mode == mode else image.convert(mode))
    elif depth is not None:
        values = _to_array(image).astype(dtype, copy=False)
    else:
        values = _to_array(image).view(dtype)
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


def _to_array(image: Image.Image) -> Values:
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


def cmyk_to_rgb(ink: Values, profile: bytes) -> Values:
    """Return the sRGB colors of CMYK of 8 bits, (H, W, 4), by their own profile if they have one.

    Without one, as Pillow has it, ink is the complement of light.
    """
    image = Image.fromarray(ink, "CMYK")
    if profile:
        image = _apply_profile(image, profile)
    return _to_array(image if image.mode == "RGB" else image.convert("RGB"))


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a CMYK picture to sRGB by its own profile, unless that profile is broken."""
    from io import BytesIO

    from PIL import ImageCms

    try:
        own, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        return image


class Embedded(NamedTuple):
    """What an open picture holds beside its pixels.

    Parameters
    ----------
    metadata : Metadata
    orientation : int
        By which its pixels are to be turned, 1 to 8.
    notes : tuple of str
        What is malformed, and therefore left out.
    """

    metadata: Metadata
    orientation: int = 1
    notes: tuple[str, ...] = ()


def read_metadata(image: Image.Image) -> Embedded:
    """Return the metadata of an open picture.

    The texts of a PNG are left to `png.read`: Pillow would decode every frame to find them.
    """
    exif = xmp = b""
    orientation, dpi, notes = 1, None, tuple[str, ...]()
    if image.info.get("exif") or image.info.get("xmp"):
        from convcli.images.metadata.orientation import normalize

        found = normalize(image.info.get("exif"), image.info.get("xmp"))
        exif, xmp, orientation, dpi, notes = found
    iptc = b""
    notes += image.info.get("malformed", ())
    if "photoshop" in image.info:
        from convcli.images.metadata.iptc import take_iptc

        iptc, malformed = take_iptc(image.info["photoshop"])
        notes += malformed
    segments = getattr(image, "applist", ()) if xmp else ()
    if any(content.startswith(EXTENSION) for _, content in segments):
        from convcli.images.metadata.xmp import remove_extension

        xmp = remove_extension(xmp)
        notes += (EXTENSION_NOTE,)
    profile = image.info.get("icc_profile", b"")
    if profile is None:
        notes += ("its color profile is malformed and left out",)
    is_gray = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    resolution = _read_resolution(image, dpi)
    unknown = 0 if image.format == "GIF" else None  # a frame that says nothing has no delay
    metadata = Metadata(
        exif=exif,
        profile=profile if isinstance(profile, bytes) else b"",
        color_mode="L" if is_gray else "RGB",
        dpi=resolution.dpi,
        duration=_valid_duration(image.info["duration"]) if "duration" in image.info else unknown,
        xmp=xmp,
        iptc=iptc,
        aspect=resolution.aspect,
    )
    if isinstance(comment := image.info.get("comment"), bytes):
        metadata = metadata._replace(text={"Comment": _decode_comment(comment)})
    return Embedded(metadata, orientation, notes)


def _decode_comment(comment: bytes) -> str:
    """Return the comment of a JPEG or a GIF, whose encoding nobody says."""
    try:
        return comment.decode()
    except ValueError:
        return comment.decode("latin-1")


class Resolution(NamedTuple):
    """Pixels an inch, or of a unit that is not known; None where there is none."""

    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None


def _read_resolution(image: Image.Image, exif_dpi: Sequence[float] | None) -> Resolution:
    """Return the resolution of an open picture, or that of its EXIF."""
    info = image.info
    # Where a JPEG has none, Pillow takes that of EXIF, and if that is broken 72.
    is_own = "jfif_density" not in info or info.get("jfif_unit") in (1, 2)
    has_own = is_own and (image.format not in ("JPEG", "MPO") or "jfif_density" in info)
    dpi = (valid_dpi(info.get("dpi")) if has_own else None) or valid_dpi(exif_dpi)
    if dpi is not None:
        return Resolution(dpi)
    aspect = info.get("jfif_density") if info.get("jfif_unit") == 0 else info.get("aspect")
    aspect = valid_dpi(aspect)
    if aspect is None or aspect[0] == aspect[1]:
        return Resolution()
    return Resolution(aspect=aspect)


def valid_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return the dots an inch, horizontal and vertical, if a format can hold them."""
    try:
        horizontal, vertical = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    is_valid = 0 < horizontal < MAX_DPI and 0 < vertical < MAX_DPI  # false for NaN, too
    return (horizontal, vertical) if is_valid else None


def _valid_duration(duration: float) -> int:
    """Return for how many milliseconds a frame is shown; 0 is kept."""
    return min(max(round(duration), 0), MAX_DURATION_MS)
