"""Whole pictures in AVIF, HEIC, JPEG 2000 and JPEG XL, and what becomes of damaged ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convcli.errors import ImageError
from convcli.images import ReadSettings, Values
from convcli.images.pillow import load_plugin
from convcli.images.read import read_input

FORMATS = {"avif": "AVIF", "jp2": "JPEG2000", "heic": "HEIF", "jxl": "JXL"}  # by their suffixes


def encoded(pixels: Values, suffix: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    stream = io.BytesIO()
    name = FORMATS[suffix]
    load_plugin(name)
    Image.fromarray(pixels).save(stream, name, **options)
    return stream.getvalue()


def assert_damaged_headers_are_told(folder: Path, suffix: str, files: int, most: int) -> None:
    """Read files of which some of the first bytes, at most so many, are others."""
    content = encoded(np.zeros((20, 30, 3), np.uint8), suffix)
    rng = np.random.default_rng(0)
    path = folder / f"in.{suffix}"
    for _ in range(files):
        changed = bytearray(content)
        for at in rng.integers(0, min(len(content), most), 3):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_input(str(path), ReadSettings(max_pixels=100_000))
        except ImageError as error:
            assert "\n" not in error.cause  # noqa: PT017
