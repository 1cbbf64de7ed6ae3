"""The samples of a PNG, which Pillow decodes, with all of their bits.

Pillow keeps the more significant byte of a color of 16 bits. Which byte of each sample it keeps is
said by its "raw mode", apart from the filters of rows, which work on bytes: so that colors are
decoded twice, once for each byte, and gray with alpha once, as if its four bytes were RGBA.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from PIL import Image, ImageFile

from convcli.images import Header, Picture, Values, pillow
from convcli.images.embedded import read_metadata
from convcli.images.rows import iterate_strips
from convcli.records import NamedTuple

# By the raw mode in which Pillow opens a picture: those of its first and its second byte.
RAW_MODES = {
    "LA;16B": ("RGBA",),
    "RGB;16B": ("RGB;16B", "RGB;16L"),
    "RGBA;16B": ("RGBA;16B", "RGBA;16L"),
}
HIGH_BYTE = int(sys.byteorder == "little")  # where it is in a value in memory
GRAY, RGB, ALPHA = 0, 2, 4  # color types; the last is added to the others


class SampleFormat(NamedTuple):
    """How a PNG holds its pixels.

    Parameters
    ----------
    bits : int
        Of a sample.
    color_type : int
        As the specification numbers them.
    transparency : bytes
        The content of its chunk tRNS.
    """

    bits: int = 8
    color_type: int = GRAY
    transparency: bytes = b""

    @property
    def has_alpha(self) -> bool:
        """Whether a pixel may be transparent."""
        return bool(self.color_type & ALPHA) or bool(self.transparency)

    @property
    def color_mode(self) -> str:
        """The values that a profile is for, as in `Metadata`."""
        return "RGB" if self.color_type & RGB else "L"

    @property
    def transparent_color(self) -> tuple[int, ...]:
        r"""The samples of the color that is transparent; bits beyond theirs do not count.

        >>> SampleFormat(2, GRAY, b"\x01\x02").transparent_color
        (2,)
        """
        samples = np.frombuffer(self.transparency[: 6 if self.color_type == RGB else 2], ">u2")
        return tuple(int(sample) & (1 << self.bits) - 1 for sample in samples)

    @property
    def has_transparent_color(self) -> bool:
        """Whether one color is transparent: of a palette, any may have an alpha."""
        return bool(self.transparency) and self.color_type in (GRAY, RGB)


def read_header(image: Image.Image, samples: SampleFormat) -> Header:
    """Return the header of what `read_picture` returns, of a picture that Pillow has opened."""
    header = pillow.read_header(image)
    if samples.bits < 16:
        return header
    channels = 3 if samples.color_type & RGB else 1
    shape = (*header.shape[:2], channels)
    return Header(shape, np.dtype(np.uint16), 16, samples.has_alpha)


def read_picture(
    image: Image.Image, samples: SampleFormat, path: str, reopen: Callable[[], Image.Image]
) -> Picture:
    """Decode a picture that Pillow has opened, its EXIF orientation applied.

    Parameters
    ----------
    image : Image
    samples : SampleFormat
    path : str
    reopen : callable
        Returns the same picture, opened again.

    Raises
    ------
    ImageError
        As `pillow.read_picture`. Other errors that a broken file causes pass through.
    ValueError
        If Pillow opens samples of 16 bits in another way than the known ones.
    """
    modes = RAW_MODES.get(_raw_mode(image))
    if modes is not None:
        metadata, orientation, notes = read_metadata(image)
        values = _decode_deep(image, modes, reopen)
        if samples.has_transparent_color:
            values = np.concatenate([values, _alpha_of_color(values, samples)], axis=2)
        metadata = metadata._replace(color_mode=samples.color_mode)
        colors, alpha = pillow.split_alpha(pillow.apply_orientation(values, orientation))
        return Picture(colors, 16, alpha, metadata, notes)
    if samples.bits == 16 and samples.color_type != GRAY:
        raise ValueError(f"its samples of 16 bits are opened as {_raw_mode(image)}")
    if samples.bits == 16:
        picture = pillow.read_picture(image, path)
        if not samples.has_transparent_color:
            return picture
        alpha = pillow.drop_opaque(_alpha_of_color(picture.values, samples))
        return picture._replace(alpha=alpha)
    if samples.has_transparent_color:
        white = (1 << samples.bits) - 1
        color = tuple(sample * 255 // white for sample in samples.transparent_color)
        image.info["transparency"] = color if samples.color_type == RGB else color[0]
    return pillow.read_picture(image, path)


def _raw_mode(image: Image.Image) -> str:
    tiles: list[Any] = getattr(image, "tile", [])
    return str(tiles[0].args) if tiles else ""


def _decode_deep(
    image: Image.Image, modes: tuple[str, ...], reopen: Callable[[], Image.Image]
) -> Values:
    """Return samples of 16 bits of which Pillow would keep 8."""
    width, height = image.size
    _load_as(image, modes[0])
    if len(modes) == 1:
        pairs = np.empty((height, width, 4), np.uint8)
        for rows, strip in iterate_strips(image):
            pairs[rows] = strip
        return pairs.view(">u2").astype(np.uint16)
    values: Values = np.empty((height, width, len(image.getbands())), np.uint16)
    parts = values.view(np.uint8).reshape(*values.shape, 2)
    for mode, byte in zip(modes, (HIGH_BYTE, 1 - HIGH_BYTE), strict=True):
        if mode != modes[0]:
            Image.Image.close(image)  # which frees the pixels, and leaves the file open
            image = reopen()
            _load_as(image, mode)
        for rows, strip in iterate_strips(image):
            parts[rows, :, :, byte] = strip
    return values


def _load_as(image: Image.Image, mode: str) -> None:
    """Decode a picture in another raw mode."""
    opened = cast("ImageFile.ImageFile", image)
    opened.tile = [tile._replace(args=mode) for tile in opened.tile]
    opened.load()


def _alpha_of_color(values: Values, samples: SampleFormat) -> Values:
    """Return the alpha, (H, W, 1), of pixels of which those of one color are transparent."""
    is_transparent = np.ones(values.shape[:2], bool)
    for channel, sample in enumerate(samples.transparent_color):
        is_transparent &= values[:, :, channel] == sample
    white = values.dtype.type((1 << samples.bits) - 1)
    alpha: Values = np.where(is_transparent, values.dtype.type(0), white)[:, :, np.newaxis]
    return alpha
