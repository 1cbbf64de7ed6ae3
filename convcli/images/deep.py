"""Colours of 16 bits, which Pillow cannot hold: by imagecodecs and tifffile, where installed."""

from __future__ import annotations

import importlib.util
import io
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from convcli.images.metadata import Metadata, save_options
from convcli.images.picture import Values

EXTRA = "pip install 'convcli[deep]'"
PNG_HEADER = 8 + 25  # bytes: the signature and the first chunk
METRES_PER_INCH = 0.0254
_MODULES = {"PNG": "imagecodecs", "TIFF": "tifffile"}


def can_hold(image_format: str) -> bool:
    """Whether a format's 16-bit colours can be read and written here."""
    module = _MODULES.get(image_format)
    return module is not None and importlib.util.find_spec(module) is not None


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


def write_deep(stream: BinaryIO, pixels: Values, image_format: str, metadata: Metadata) -> None:
    """Encode (H, W, C) of uint16, or of float32 for TIFF; C may hold alpha, last."""
    if image_format == "PNG":
        import imagecodecs

        encoded = bytes(imagecodecs.png_encode(pixels))
        stream.write(_with_chunks(encoded, _chunks(metadata, pixels)))
        return
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


def _chunks(metadata: Metadata, pixels: Values) -> list[tuple[bytes, bytes]]:
    """The metadata as chunks of a PNG file (PNG specification, third edition, section 11.3)."""
    options = save_options(metadata, "PNG", pixels.shape[2])
    chunks = []
    if "icc_profile" in options:
        chunks.append((b"iCCP", b"ICC\0\0" + zlib.compress(options["icc_profile"])))
    if "dpi" in options:
        across, down = (round(dots / METRES_PER_INCH) for dots in options["dpi"])
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if "exif" in options:
        chunks.append((b"eXIf", options["exif"].removeprefix(b"Exif\0\0")))
    for name, words in metadata.text.items():
        chunks.append((b"iTXt", name.encode("latin-1", "replace") + bytes(5) + words.encode()))
    return chunks


def _with_chunks(png: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Put chunks right after the header of a PNG file."""
    made = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return png[:PNG_HEADER] + made + png[PNG_HEADER:]
