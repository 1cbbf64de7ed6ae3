"""BMP whose pixels are fields of bits, as masks say, of 16 or 32 bits a pixel (BITMAPV5HEADER).

Pillow knows some masks, and rounds the values of 5 and 6 bits down.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images import FrameSource, Header, Metadata, Picture, ReadSettings, Values, pillow
from convcli.images.color import row_slices
from convcli.images.damage import KEEP_ADVICE
from convcli.images.embedded import valid_dpi
from convcli.images.structure import Structure
from convcli.records import NamedTuple

INFO_BYTES = (40, 52, 56, 108, 124)  # headers of Windows; others have no masks
ALPHA_BYTES = 56  # of a header that has a mask of alpha
PLAIN, FIELDS, ALPHA_FIELDS = 0, 3, 6  # compressions
SHORT_MASKS = (0x7C00, 0x03E0, 0x001F)  # of 16 bits without masks
START_BYTES = 70  # of a file, in which its masks end
METERS_PER_INCH = 0.0254
OPAQUE_NOTE = "says that all of it is transparent, and is read as opaque"


class Fields(NamedTuple):
    """How pixels are stored.

    Parameters
    ----------
    size : (height, width)
    bits : int
        Of a pixel, 16 or 32.
    start : int
        Where they are.
    masks : tuple of int
        The bits of red, green, blue and maybe alpha.
    is_top_down : bool
    dpi : (float, float), optional
    """

    size: Pair
    bits: int
    start: int
    masks: tuple[int, ...]
    is_top_down: bool
    dpi: tuple[float, float] | None

    @property
    def depth(self) -> int:
        """Bits of a value as it is read."""
        return 8 if max(mask.bit_count() for mask in self.masks) <= 8 else 16


def read_fields(stream: BinaryIO) -> Fields | None:
    """Return how the pixels of a file are stored, if they are fields of bits."""
    start = stream.read(START_BYTES).ljust(START_BYTES, b"\0")
    stream.seek(0)
    offset, header, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", start, 10)
    horizontal, vertical = struct.unpack_from("<ii", start, 38)
    if header not in INFO_BYTES or bits not in (16, 32) or width < 1 or height == 0:
        return None
    if compression in (FIELDS, ALPHA_FIELDS):
        has_alpha = header >= ALPHA_BYTES or compression == ALPHA_FIELDS
        masks = struct.unpack_from("<4I" if has_alpha else "<3I", start, 54)
    elif compression == PLAIN and bits == 16:
        masks = SHORT_MASKS
    else:
        return None
    masks = masks[:3] if len(masks) > 3 and not masks[3] else masks
    dpi = valid_dpi((horizontal * METERS_PER_INCH, vertical * METERS_PER_INCH))
    return Fields((abs(height), width), bits, offset, masks, height < 0, dpi)


def open_bmp_fields(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource | None:
    """Return the picture of a file whose pixels are fields of bits; None of any other.

    Raises
    ------
    ImageError
        For masks that are no fields.
    """
    fields = read_fields(stream)
    if fields is None:
        return None
    for mask in fields.masks:
        shifted = mask >> _shift(mask)
        if shifted & (shifted + 1) or mask >> fields.bits or shifted.bit_length() > 16:
            raise ImageError(path, f"cannot be decoded: its mask {mask:#x} is no field of bits")
    dtype = np.dtype(np.uint8 if fields.depth == 8 else np.uint16)
    header = Header((*fields.size, 3), dtype, fields.depth, len(fields.masks) > 3)

    def decode(_: int) -> Picture:
        height = fields.size[0]
        values, rows = _read_values(stream, fields, dtype)
        notes = []
        if rows < height:
            cause = f"is damaged: its data end after row {rows} of {height}"
            if not settings.keep_damaged or not rows:
                raise ImageError(path, f"{cause}; {KEEP_ADVICE}" if rows else cause)
            notes.append(cause)
        colors, alpha = values, None
        if len(fields.masks) > 3:
            is_hidden = not values[:, :, 3].any()
            notes += [OPAQUE_NOTE] * is_hidden
            colors, alpha = pillow.split_alpha(values)
            alpha = None if is_hidden else alpha
        return Picture(colors, fields.depth, alpha, Metadata(dpi=fields.dpi), tuple(notes))

    held = fields.size[0] * fields.size[1] * fields.bits // 8
    return FrameSource(path, 1, decode, header, "BMP", sizes=structure.sizes, held_bytes=held)


def _shift(mask: int) -> int:
    """Return how many zeros are below the bits of a mask."""
    return max((mask & -mask).bit_length() - 1, 0)


def _read_values(stream: BinaryIO, fields: Fields, dtype: np.dtype[Any]) -> tuple[Values, int]:
    """Return the values, (H, W, C), and how many rows of them are there, in the file's order."""
    height, width = fields.size
    row_bytes = -(-width * fields.bits // 32) * 4
    stored: Values = np.zeros((height, row_bytes), np.uint8)
    stream.seek(fields.start)
    found = stream.readinto(stored.data.cast("B"))  # type: ignore[attr-defined]
    pixels = stored[:, : width * fields.bits // 8].view(f"<u{fields.bits // 8}")
    values: Values = np.zeros((height, width, len(fields.masks)), dtype)
    white = np.iinfo(dtype).max
    for channel, mask in enumerate(fields.masks):
        most = mask >> _shift(mask)
        levels = np.rint(np.arange(most + 1) * float(white) / max(most, 1)).astype(dtype)
        for part in row_slices(pixels):
            values[part, :, channel] = levels[(pixels[part] & mask) >> _shift(mask)]
    needed = row_bytes * (height - 1) + width * fields.bits // 8  # the last row may lack padding
    rows = height if found >= needed else found // row_bytes
    return (values if fields.is_top_down else values[::-1]), rows
