"""TIFF: every page is read by itself, as its own directory says (TIFF 6.0, and BigTIFF).

Of the layouts, Pillow decodes those that need a codec of libtiff's: YCbCr, JPEG, fax. It is given
the page alone, in a TIFF made for it, as it takes some layouts for others. All else is decoded in
`segments`, and gets its meaning in `colors`. No tag makes a second file to be opened.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import BinaryIO, cast

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images import (
    FrameSource,
    Header,
    Picture,
    ReadSettings,
    excess_pixels,
    pillow,
)
from convcli.images.damage import KEEP_ADVICE
from convcli.images.structure import Structure, Window
from convcli.images.structure.tiff import Directories, Tags
from convcli.images.tiff.codecs import CODECS
from convcli.images.tiff.colors import find_unsupported_colors, read_palette, to_picture
from convcli.images.tiff.layout import (
    CMYK,
    LABS,
    MASK,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NO_COMPRESSION,
    PALETTE,
    RGB,
    UNSIGNED,
    YCBCR,
    Layout,
    read_extents,
    read_layout,
)
from convcli.images.tiff.metadata import MetadataReader
from convcli.images.tiff.onepage import PageView, extract_page
from convcli.images.tiff.segments import ABSENT, DEFLATE, LIBTIFF, find_unsupported, read_samples
from convcli.records import NamedTuple

FAX, OLD_JPEG, JPEG = (2, 3, 4), 6, 7
# How often the bytes of a file may be read as strips or tiles of its pages, and what is free: equal
# tiles, which are small, may be stored once.
MAX_SHARES, SHARED_BYTES = 2, 16 << 20
# What Pillow decodes right, each held to another reader by a test: bits of a value by the meaning
# and the number of the values of a pixel, which lie together.
PILLOW_BITS = {
    (MIN_IS_WHITE, 1): (8,),
    (MIN_IS_BLACK, 1): (8,),
    (RGB, 3): (8,),
    (CMYK, 4): (8,),
    (YCBCR, 3): (8,),
}
FAX_BITS = {(photometric, 1): (1,) for photometric in (MIN_IS_WHITE, MIN_IS_BLACK, MASK)}
COLOR_NAMES = {10: "ITULab", 32803: "a camera's color filter array",
               32844: "LogL", 32845: "LogLuv", 34892: "linear raw colors"}  # fmt: skip
PARTS_NOTE = "holds {} smaller copies or masks of its pictures, which are left out"


class Page(NamedTuple):
    """A page, whose directory has been read.

    Parameters
    ----------
    tags : dict
    layout : Layout
    """

    tags: Tags
    layout: Layout

    @property
    def needs_pillow(self) -> bool:
        """Whether Pillow decodes the page."""
        layout = self.layout
        return layout.photometric == YCBCR or layout.compression in (*FAX, OLD_JPEG, JPEG)

    @property
    def header(self) -> Header:
        """The header of the picture that will be read."""
        layout = self.layout
        height, width = layout.size[::-1] if layout.orientation in range(5, 9) else layout.size
        if self.needs_pillow:
            is_gray = layout.photometric in (MIN_IS_WHITE, MIN_IS_BLACK, MASK)
            return Header((height, width, 1 if is_gray else 3), np.dtype(np.uint8), 8)
        has_alpha = layout.alpha is not None
        if layout.photometric == CMYK:
            return Header((height, width, 3), np.dtype(np.uint8), 8, has_alpha)
        channels = layout.samples - has_alpha
        if layout.photometric in (PALETTE, *LABS):
            channels = 3 if layout.photometric == PALETTE or channels >= 3 else 1
        return Header((height, width, channels), layout.dtype, layout.depth, has_alpha)


def open_tiff(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return the pages of a TIFF, whose chain `structure` has; the first one's tags are read.

    Raises
    ------
    ImageError
        If it is broken, of too many pixels, or of a kind that is not read.
    """
    document = _Document(stream, path, settings, structure)
    return FrameSource(
        path,
        len(structure.directories),
        document.decode,
        document.read_header(0),
        "TIFF",
        decode_header=document.read_header,
        sizes=structure.sizes,
        held_bytes=structure.held_bytes,
        notes=(PARTS_NOTE.format(structure.parts),) if structure.parts else (),
    )


class _Document:
    """The pages of an open TIFF, of which none is kept."""

    def __init__(
        self, stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
    ) -> None:
        self._stream = stream
        self._path = path
        self._settings = settings
        self._offsets = structure.directories
        self._is_cut = structure.is_cut
        self._counted, self._stored_bytes = set[int](), 0  # of the pages that were read
        self._directories = Directories(Window(stream, path))
        with pillow.decoder_errors(path):
            if self._is_cut and not (self._offsets and settings.keep_damaged):
                raise ValueError("it is cut short")
            if not self._offsets:
                raise ValueError("it has no page")

    def read_header(self, index: int) -> Header:
        """Return the header of a page."""
        with pillow.decoder_errors(self._path):
            return self._read_page(index).header

    def decode(self, index: int) -> Picture:
        """Read a page."""
        damage: list[str] = []

        def report(cause: str) -> None:
            where = f"frame {index} " if len(self._offsets) > 1 else ""
            if not self._settings.keep_damaged:
                text = f"{where}cannot be decoded: {cause.splitlines()[0]}; {KEEP_ADVICE}"
                raise ImageError(self._path, text)
            damage.append(f"{where}is damaged: {cause}")

        with pillow.decoder_errors(self._path):
            page = self._read_page(index)
            layout = page.layout
            extents = self._read_extents(page, index)
            reader = MetadataReader(self._directories, page.tags)
            metadata = reader.read(page.header.shape[2])
            if page.needs_pillow:
                picture = self._decode_by_pillow(page, index, extents)
            else:
                palette = read_palette(self._directories, page.tags, layout)
                samples = read_samples(self._directories, layout, extents, report)
                picture = to_picture(samples, layout, palette, metadata.profile)
            if layout.photometric in (CMYK, *LABS):  # which has become sRGB
                metadata = metadata._replace(profile=b"")
            if picture.depth is None:
                allows_nan = self._settings.allows_nan
                pillow.check_finite(picture.values, self._path, allows_nan=allows_nan)
        # Of the old style of JPEG, Pillow has turned it already.
        orientation = 1 if layout.compression == OLD_JPEG else layout.orientation
        values = pillow.apply_orientation(picture.values, orientation)
        alpha = picture.alpha
        if alpha is not None:
            alpha = pillow.apply_orientation(alpha, orientation)
        absent = 0 if page.needs_pillow else extents.count(ABSENT)
        notes = [*picture.notes, *reader.notes, *damage[:1]]
        if absent:
            notes.append(f"leaves out {absent:,} of its strips or tiles, which are 0")
        if index == 0 and self._is_cut:
            notes.append(f"is damaged from page {len(self._offsets)} on, and read up to it")
        result = Picture(values, picture.depth, alpha, metadata, tuple(notes))
        return result.limit_metadata(self._settings.max_metadata)

    def _read_page(self, index: int) -> Page:
        """Read the directory of a page, and check that the page can be read."""
        directory = self._directories.read(self._offsets[index])
        if not directory.is_whole:
            raise ValueError("it is cut short")
        page = Page(directory.tags, read_layout(self._directories, directory.tags))
        size, limit = page.layout.size, self._settings.max_pixels
        if math.prod(size) > limit:
            raise excess_pixels(size, self._path, limit)
        cause = _find_unsupported(page)
        if cause is not None:
            where = f"frame {index}" if index else "it"
            raise ImageError(self._path, f"{where} is a TIFF of {cause}, which is not read")
        return page

    def _read_extents(self, page: Page, index: int) -> list[Pair]:
        """Return where the strips or tiles of a page are, and count what the pages read."""
        extents = read_extents(self._directories, page.tags, page.layout)
        if index not in self._counted:
            self._counted.add(index)
            self._stored_bytes += sum(size for _, size in extents)
        window = self._directories.window
        limit = MAX_SHARES * window.size + SHARED_BYTES
        if self._stored_bytes > limit:
            raise window.excess(self._stored_bytes, limit, "bytes in its strips or tiles")
        return extents

    def _decode_by_pillow(self, page: Page, index: int, extents: Sequence[Pair]) -> Picture:
        """Decode a page by Pillow, from a TIFF that holds nothing else."""
        if page.layout.compression == OLD_JPEG:  # which refers to many places of its file
            view = PageView(self._stream, self._directories, self._offsets[index])
            return pillow.read_picture(pillow.open_image(cast("BinaryIO", view)), self._path)
        content = extract_page(self._directories, page.tags, page.layout, extents)
        with pillow.open_image(io.BytesIO(content)) as image:
            return pillow.read_picture(image, self._path)


def _find_unsupported(page: Page) -> str | None:
    """Return what about a page cannot be read, if anything."""
    layout = page.layout
    if layout.photometric not in (*range(MASK + 1), CMYK, YCBCR, *LABS):
        return COLOR_NAMES.get(layout.photometric, f"colors of kind {layout.photometric}")
    if not page.needs_pillow:
        return find_unsupported_colors(layout) or find_unsupported(layout)
    return _find_unsupported_by_pillow(layout)


def _find_unsupported_by_pillow(layout: Layout) -> str | None:
    """Return what about a layout Pillow does not decode right, if anything."""
    bits = PILLOW_BITS.get((layout.photometric, layout.samples), ())
    if layout.compression in FAX:
        bits = FAX_BITS.get((layout.photometric, layout.samples), ())
    name = {CMYK: "CMYK", YCBCR: "YCbCr"}.get(layout.photometric, "values")
    if layout.sample_format != UNSIGNED or layout.bits not in bits:
        return f"{name} with {layout.samples} times {layout.bits} bits a pixel"
    if layout.is_planar:
        return f"{name} in separate planes"
    if layout.compression in CODECS:
        return f"{name} in {CODECS[layout.compression].name}"
    codecs = (NO_COMPRESSION, *DEFLATE, *LIBTIFF, *FAX, OLD_JPEG, JPEG)
    return None if layout.compression in codecs else f"compression {layout.compression}"
