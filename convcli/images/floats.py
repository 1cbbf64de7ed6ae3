"""TIFFs of real numbers in several channels, or of another width than Pillow's 32 bits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from convcli.errors import ImageError
from convcli.images.decoders import identified
from convcli.images.deep import EXTRA, can_hold, opened_floats
from convcli.images.film import Film, Header
from convcli.images.picture import Picture
from convcli.images.quiet import decoding, quiet_decoders

MOST_CHANNELS = 64


def is_beyond_pillow(stream: BinaryIO) -> bool:
    """Whether Pillow does not know what a TIFF holds; the stream stands at its start again then."""
    try:
        with warnings.catch_warnings(), quiet_decoders(), suppress(Exception):
            warnings.simplefilter("ignore")
            try:
                identified(stream)
            except UnidentifiedImageError:
                return True
        return False
    finally:
        stream.seek(0)


@contextmanager
def float_film(stream: BinaryIO, path: str, max_pixels: int) -> Iterator[Film]:
    """Open such a TIFF; its first page is what is read.

    Raises
    ------
    ImageError
        Where it holds anything but real numbers, and where the library for it is missing.
    """
    if not can_hold("TIFF"):
        raise ImageError(path, f"is a TIFF that Pillow cannot read; {EXTRA} reads real numbers")
    with ExitStack() as stack:
        with decoding(path):
            shape, kind, read = stack.enter_context(opened_floats(stream))
        height, width, channels = (*shape, 1)[:3]
        if height * width > max_pixels or channels > MOST_CHANNELS:
            raise ImageError(path, f"is {'x'.join(map(str, shape))} numbers, too many")

        def decode(_: int) -> Picture:
            with decoding(path):
                values = read().reshape(height, width, channels)
            if not np.isfinite(values).all():
                raise ImageError(path, "holds NaN or infinity, which no filter can use")
            return Picture(values)

        yield Film(path, 1, decode, Header((height, width, channels), kind), "TIFF")
