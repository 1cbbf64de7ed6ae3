"""What Pillow cannot hold: colours of 16 bits, and of real numbers.

Read and written by imagecodecs and tifffile, where they are installed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from convcli.images.metadata import Metadata, save_options
from convcli.images.picture import Values

EXTRA = "pip install 'convcli[deep]'"
_MODULES = {"PNG": "imagecodecs", "TIFF": "tifffile"}


def can_hold(image_format: str) -> bool:
    """Whether a format's 16-bit colours can be read here; those of PNG can always be written."""
    from importlib.util import find_spec

    module = _MODULES.get(image_format)
    return module is not None and find_spec(module) is not None


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
        raise ValueError(f"its 16-bit colours are laid out as {pixels.shape} of {pixels.dtype}")
    return pixels


@contextmanager
def opened_floats(
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


def write_deep(stream: BinaryIO, pixels: Values, metadata: Metadata) -> None:
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
