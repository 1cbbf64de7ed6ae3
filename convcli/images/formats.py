"""The picture formats that are read and written: no other decoder is ever entered."""

from __future__ import annotations

from pathlib import Path

READ = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")
WRITTEN = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".gif": "GIF",
}
SIXTEEN_BIT = ("PNG", "TIFF")  # formats that hold a gray picture of 16 bits


def format_of(path: str) -> str | None:
    """The format that an output's suffix names, if it is a picture's.

    >>> format_of("cat.JPG"), format_of("cat.csv")
    ('JPEG', None)
    """
    return WRITTEN.get(Path(path).suffix.lower())


DEEP_EXTRA = "pip install 'convcli[deep]'"


_DEEP_CODECS = {"PNG": "imagecodecs", "TIFF": "tifffile"}


def has_deep_codec(image_format: str) -> bool:
    """Whether a format's 16-bit colors can be read here; those of PNG can always be written."""
    from importlib.util import find_spec

    module = _DEEP_CODECS.get(image_format)
    return module is not None and find_spec(module) is not None
