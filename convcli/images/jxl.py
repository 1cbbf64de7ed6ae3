"""JPEG XL, by `pillow_jxl`, which decodes all at once; by `imagecodecs` colors of more than 8 bits.

A file may hold a JPEG in another form, which is then decoded as that JPEG.
"""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images import FrameSource, Header, Picture, ReadSettings, Values, pillow
from convcli.images.coded import DEEP_CODEC, DEEP_EXTRA, DEEP_NOTE, scale_to_white
from convcli.images.embedded import read_metadata
from convcli.images.structure import Structure, Window, read_structure
from convcli.images.structure.jxl import JxlHeader, read_header
from convcli.parallel import get_threads

TIFF_STARTS = (b"II*\0", b"MM\0*")
BROKEN = "its data are broken, or end early"


def open_jxl(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return the picture of a file whose structure was checked.

    Raises
    ------
    ImageError
        For a kind of values that is not read.
    """
    own, _ = read_header(Window(stream, path))
    height, width = own.size if own.orientation < 5 else own.size[::-1]
    is_plain_gray = own.is_gray and not own.has_alpha  # of which the plug-in keeps all bits
    is_deep = (own.bits > 8 or own.is_real) and not (is_plain_gray and not own.is_real)
    has_codec = find_spec(DEEP_CODEC) is not None
    notes: tuple[str, ...] = ()
    if own.is_real and not has_codec:
        raise ImageError(path, f"holds real numbers, which need {DEEP_EXTRA}")
    if is_deep and not has_codec:
        notes = (DEEP_NOTE.format(own.bits),)
        is_deep = False
    shape = (height, width, 1 if own.is_gray else 3)
    header = Header(shape, np.dtype(np.uint8), 8, own.has_alpha)
    if own.bits > 8 and (is_deep or is_plain_gray):
        header = Header(shape, np.dtype(np.uint16), 16, own.has_alpha)
    if own.is_real:
        header = Header(shape, np.dtype(np.float32), None)

    def decode(_: int) -> Picture:
        stream.seek(0)
        content = stream.read()
        with pillow.decoder_errors(path):
            picture = _read(content, own, path, settings, is_deep=is_deep)
        if (*picture.size, picture.values.shape[2]) != shape:
            raise ImageError(path, "cannot be decoded: its pixels are not as many as it says")
        if own.is_real:
            pillow.check_finite(picture.values, path, allows_nan=settings.allows_nan)
        picture = picture._replace(notes=(*notes, *picture.notes))
        return picture.limit_metadata(settings.max_metadata)

    return FrameSource(path, 1, decode, header, "JXL", held_bytes=structure.held_bytes)


def _read(
    content: bytes, own: JxlHeader, path: str, settings: ReadSettings, *, is_deep: bool
) -> Picture:
    """Decode a file."""
    from pillow_jxl import Decoder

    try:
        is_jpeg, info, data, profile, boxes = Decoder(num_threads=get_threads())(content)
    except RuntimeError as error:  # its text is of how the library was built
        raise ValueError(BROKEN) from error
    if is_jpeg:
        return _read_jpeg(bytes(data), path, settings)
    contents = {box.box_type: bytes(box.data) for box in reversed(boxes)}
    exif = contents.get(b"Exif", b"")
    start = 4 * (exif[4:8] in TIFF_STARTS)  # a distance, which some leave out
    holder = Image.new(info.mode, (1, 1))
    holder.info = {
        "exif": exif and b"Exif\0\0" + exif[start:],
        "xmp": contents.get(b"xml ", b""),
        "icc_profile": bytes(profile or b""),
    }
    # The codestream has an orientation of its own, which is applied; that of EXIF does not count.
    metadata, _, notes = read_metadata(holder)
    if not is_deep:
        image = Image.frombytes(info.mode, (info.width, info.height), bytes(data))
        return pillow.read_picture(image, path)._replace(metadata=metadata, notes=notes)
    del data
    pixels = _decode_deep(content, own)
    if own.is_real:
        return Picture(pixels[:, :, : 1 if own.is_gray else 3], None, None, metadata, notes)
    colors, alpha = pillow.split_alpha(pixels)
    return Picture(colors, 16, alpha, metadata, notes)


def _read_jpeg(content: bytes, path: str, settings: ReadSettings) -> Picture:
    """Decode the JPEG that a file holds."""
    stream = BytesIO(content)
    read_structure(stream, path, "JPEG", settings.max_pixels)
    return pillow.read_picture(pillow.open_image(stream, "JPEG"), path)


def _decode_deep(content: bytes, own: JxlHeader) -> Values:
    """Return all bits of the pixels, with white at the top, turned as they are seen."""
    import imagecodecs

    decoded: Any = imagecodecs.jpegxl_decode(content)
    pixels: Values = np.asarray(decoded)
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.dtype not in (np.float32, np.float16, np.uint16):
        raise ValueError(f"its values are laid out as {pixels.shape} {pixels.dtype}")
    if own.is_real:
        return pixels.astype(np.float32, copy=False)
    return scale_to_white(pixels, own.bits)
