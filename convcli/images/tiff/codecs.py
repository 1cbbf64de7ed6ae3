"""Strips and tiles that are pictures of another format: WebP, JPEG 2000, JPEG XL, LERC.

Each says its size itself, which has to be that of the strip or tile before it is decoded. The
header of Lerc2 is that of Esri's library.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.images import Values
from convcli.images.coded import DEEP_CODEC, DEEP_EXTRA
from convcli.images.pillow import open_image
from convcli.images.structure import Window
from convcli.images.tiff.layout import REAL, SIGNED, UNSIGNED, Layout
from convcli.records import NamedTuple


class Codec(NamedTuple):
    """A compression whose strips and tiles are pictures.

    Parameters
    ----------
    name : str
    numbers : tuple of (sample format, bits)
        Of a value, which it can hold.
    read_size : callable
        Returns (height, width) by the header.
    decoder : str
        The function of `DEEP_CODEC` that decodes it; without one, Pillow does.
    """

    name: str
    numbers: tuple[Pair, ...]
    read_size: Callable[[bytes], Pair]
    decoder: str = ""

    def find_unsupported(self, layout: Layout) -> str | None:
        """Return what about a layout cannot be read, if anything."""
        is_held = (layout.sample_format, layout.bits) in self.numbers
        if (
            not is_held
            or layout.predictor != 1
            or (not self.decoder and layout.bands not in (3, 4))
        ):
            return f"{layout.bands} times {layout.bits} bits a pixel in {self.name}"
        if self.decoder and find_spec(DEEP_CODEC) is None:
            return f"{self.name} compression without {DEEP_EXTRA}"
        return None

    def decode(self, content: bytes, layout: Layout, rows: int) -> Values:
        """Return the values of a strip or tile, (rows, columns, bands).

        Raises
        ------
        ValueError
            For a picture of another size or kind. Others, too, if it is broken.
        """
        expected = rows, layout.segment[1]
        height, width = self.read_size(content)
        if (height, width) != expected:
            raise ValueError(f"it is of {width}x{height} pixels, not {expected[1]}x{expected[0]}")
        if self.decoder:
            import imagecodecs

            values = np.asarray(getattr(imagecodecs, self.decoder)(content))
        else:
            with open_image(io.BytesIO(content), "WEBP") as image:
                values = np.asarray(image.convert("RGBA" if layout.bands == 4 else "RGB"))
        values = values.reshape(*values.shape[:2], -1)
        kind = {UNSIGNED: "u", SIGNED: "i", REAL: "f"}[layout.sample_format]
        if values.shape != (*expected, layout.bands) or values.dtype.kind != kind:
            raise ValueError(f"it is of {values.shape} of {values.dtype}")
        return values.astype(f"{kind}{layout.bits // 8}", copy=False)


def _read_size_by(module: str) -> Callable[[bytes], Pair]:
    """Return what reads the size of a picture by its structure, a module of `structure`."""

    def read_size(content: bytes) -> Pair:
        reader = import_module(f"convcli.images.structure.{module}")
        sizes: tuple[Pair, ...] = reader.read_structure(Window(io.BytesIO(content), "")).sizes
        return sizes[0]

    return read_size


def _read_lerc_size(content: bytes) -> Pair:
    """Return the size that the header of Lerc2 says, after its version and maybe a checksum."""
    if not content.startswith(b"Lerc2 "):
        raise ValueError("it has no header")
    (version,) = struct.unpack_from("<i", content, 6)
    height, width = struct.unpack_from("<ii", content, 14 if version >= 3 else 10)
    return height, width


_WHOLE: tuple[Pair, ...] = ((UNSIGNED, 8), (UNSIGNED, 16))
_NUMBERS = (*_WHOLE, (UNSIGNED, 32), (SIGNED, 16), (SIGNED, 32), (REAL, 32), (REAL, 64))
_JXL = Codec("JPEG XL", (*_WHOLE, (REAL, 32)), _read_size_by("jxl"), "jpegxl_decode")
CODECS = {
    34712: Codec("JPEG 2000", _WHOLE, _read_size_by("jpeg2000"), "jpeg2k_decode"),
    34887: Codec("LERC", _NUMBERS, _read_lerc_size, "lerc_decode"),
    50001: Codec("WebP", ((UNSIGNED, 8),), _read_size_by("webp")),
    50002: _JXL,
    52546: _JXL,
}
