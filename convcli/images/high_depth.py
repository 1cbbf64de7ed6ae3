"""What Pillow cannot hold: colors of 16 bits, and real numbers in several channels.

They are read and written by imagecodecs and tifffile, where those are installed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images import FrameSource, Header, Picture, Values
from convcli.images.formats import DEEP_EXTRA, FORMATS
from convcli.images.metadata import Metadata, read_metadata, save_options
from convcli.images.pillow import apply_orientation, check_finite, decoder_errors, split_alpha

MAX_CHANNELS = 64


def read_deep_picture(image: Image.Image, stream: BinaryIO) -> Picture:
    """Read the 16-bit colors of a picture that Pillow has opened from the stream."""
    metadata, orientation = read_metadata(image)
    stream.seek(0)
    if image.format == "PNG":
        import imagecodecs

        decoded: Any = imagecodecs.png_decode(stream.read())
    else:
        import tifffile

        with tifffile.TiffFile(stream) as file:
            decoded = file.pages.first.asarray()
    pixels: Values = np.asarray(decoded)
    if pixels.ndim != 3 or pixels.dtype != np.uint16 or pixels.shape[2] not in (3, 4):
        raise ValueError(f"its 16-bit colors are laid out as {pixels.shape} of {pixels.dtype}")
    colors, alpha = split_alpha(apply_orientation(pixels, orientation))
    return Picture(colors, 16, alpha, metadata)


@contextmanager
def open_float_tiff(stream: BinaryIO, path: str, max_pixels: int) -> Iterator[FrameSource]:
    """Open a TIFF that Pillow does not know; its first page of real numbers is what is read.

    Raises
    ------
    ImageError
        If it holds anything but real numbers, or the library for it is missing.
    """
    if not FORMATS["TIFF"].has_deep_codec:
        raise ImageError(
            path, f"is a TIFF that Pillow cannot read; {DEEP_EXTRA} reads real numbers"
        )
    with ExitStack() as stack:
        with decoder_errors(path):
            import tifffile

            stream.seek(0)
            page = stack.enter_context(tifffile.TiffFile(stream)).pages.first
            if page.dtype is None or page.dtype.kind != "f" or page.axes not in ("YX", "YXS"):
                raise ValueError("it holds neither a picture nor a map of real numbers")
        dtype = page.dtype.newbyteorder("=")
        height, width, channels = (*page.shape, 1)[:3]
        if height * width > max_pixels or channels > MAX_CHANNELS:
            raise ImageError(path, f"is {'x'.join(map(str, page.shape))} numbers, too many")

        def decode(_: int) -> Picture:
            with decoder_errors(path):
                values = np.asarray(page.asarray(), dtype).reshape(height, width, channels)
            check_finite(values, path)
            return Picture(values)

        yield FrameSource(path, 1, decode, Header((height, width, channels), dtype), "TIFF")


def write_tiff(stream: BinaryIO, pixels: Values, metadata: Metadata) -> None:
    """Encode gray and alpha, RGB, or RGB and alpha as TIFF: (H, W, C) of uint16 or float32."""
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="rgb" if pixels.shape[2] >= 3 else "minisblack",
        planarconfig="contig",  # the last axis is no image's width
        extrasamples=("unassalpha",) if pixels.shape[2] in (2, 4) else None,
        compression="zlib",
        iccprofile=save_options(metadata, "TIFF", pixels.shape[2]).get("icc_profile"),
        resolution=metadata.dpi,
        resolutionunit="INCH" if metadata.dpi else None,
    )
    stream.write(buffer.getvalue())
