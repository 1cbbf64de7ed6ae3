"""Pillow's decoders and encoders, each loaded for a file of its own format alone.

`Image.open` by itself loads five of them for any file, and all that there are, dozens, for a WebP
or a TIFF: longer than most pictures take to be filtered.
"""

from __future__ import annotations

import struct
from importlib import import_module
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from convcli.images.formats import READ

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


def identified(stream: BinaryIO) -> Image.Image:
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
