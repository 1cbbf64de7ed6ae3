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
SIXTEEN_BIT = ("PNG", "TIFF")  # formats that hold a grey picture of 16 bits


def format_of(path: str) -> str | None:
    """The format that an output's suffix names, if it is a picture's.

    >>> format_of("cat.JPG"), format_of("cat.csv")
    ('JPEG', None)
    """
    return WRITTEN.get(Path(path).suffix.lower())
