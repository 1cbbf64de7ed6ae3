"""What Pillow cannot hold: colors of 16 bits, and real numbers in several channels.

They are read and written by imagecodecs and tifffile, where those are installed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from convcli.errors import ImageError
from convcli.images import FrameSource, Header, Picture, Values
from convcli.images.formats import DEEP_EXTRA, has_deep_codec
from convcli.images.metadata import Metadata, save_options
from convcli.images.pillow import decoder_errors, identify, silence_stderr


def read_deep(stream: BinaryIO, image_format: str) -> Values:
    """The (H, W, C) of uint16 of a picture whose header has been looked at already."""
    stream.seek(0)
    if image_format == "PNG":
        import imagecodecs

        decoded: Any = imagecodecs.png_decode(stream.read())
    else:
        import tifffile

        decoded = tifffile.imread(stream)
    pixels: Values = np.asarray(decoded)
    if pixels.ndim != 3 or pixels.dtype != np.uint16 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"its 16-bit colors are laid out as {pixels.shape} of {pixels.dtype}")
    return pixels


@contextmanager
def open_float_tiff(
    stream: BinaryIO,
) -> Iterator[tuple[tuple[int, ...], np.dtype[Any], Callable[[], Values]]]:
    """Open a TIFF of real numbers that Pillow does not know: shape, type, and how to read.

    Raises
    ------
    ValueError
        For any other TIFF.
    """
    import tifffile

    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        if page.dtype is None or page.dtype.kind != "f" or page.axes not in ("YX", "YXS"):
            raise ValueError("it holds neither a picture nor a map of real numbers")
        kind = page.dtype.newbyteorder("=")
        yield page.shape, kind, lambda: np.asarray(page.asarray(), kind)


def write_tiff(stream: BinaryIO, pixels: Values, metadata: Metadata) -> None:
    """Encode (H, W, C) of uint16 or float32 as TIFF; C may hold alpha, last."""
    import tifffile

    held = io.BytesIO()
    tifffile.imwrite(
        held,
        pixels.squeeze(),
        photometric="rgb" if pixels.shape[2] >= 3 else "minisblack",
        compression="zlib",
        iccprofile=save_options(metadata, "TIFF", pixels.shape[2]).get("icc_profile"),
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
    )
    stream.write(held.getvalue())


MAX_CHANNELS = 64


def is_unknown_to_pillow(stream: BinaryIO) -> bool:
    """Whether Pillow does not know what a TIFF holds; the stream stands at its start again then."""
    try:
        with warnings.catch_warnings(), silence_stderr(), suppress(Exception):
            warnings.simplefilter("ignore")
            try:
                identify(stream)
            except UnidentifiedImageError:
                return True
        return False
    finally:
        stream.seek(0)


@contextmanager
def open_float_frames(stream: BinaryIO, path: str, max_pixels: int) -> Iterator[FrameSource]:
    """Open such a TIFF; its first page is what is read.

    Raises
    ------
    ImageError
        Where it holds anything but real numbers, and where the library for it is missing.
    """
    if not has_deep_codec("TIFF"):
        raise ImageError(
            path, f"is a TIFF that Pillow cannot read; {DEEP_EXTRA} reads real numbers"
        )
    with ExitStack() as stack:
        with decoder_errors(path):
            shape, kind, read = stack.enter_context(open_float_tiff(stream))
        height, width, channels = (*shape, 1)[:3]
        if height * width > max_pixels or channels > MAX_CHANNELS:
            raise ImageError(path, f"is {'x'.join(map(str, shape))} numbers, too many")

        def decode(_: int) -> Picture:
            with decoder_errors(path):
                values = read().reshape(height, width, channels)
            if not np.isfinite(values).all():
                raise ImageError(path, "holds NaN or infinity, which no filter can use")
            return Picture(values)

        yield FrameSource(path, 1, decode, Header((height, width, channels), kind), "TIFF")
