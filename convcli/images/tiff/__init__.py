"""TIFF: every page is read by itself, as its own directory says (TIFF 6.0, and BigTIFF).

Of the layouts, Pillow decodes those that need a codec of libtiff's: palettes, CMYK, YCbCr, JPEG,
fax. It is given the page alone, in a TIFF made for it, as it takes some layouts for others. All
else is decoded in `segments`. No tag makes a second file to be opened.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images import (
    FrameSource,
    Header,
    Metadata,
    Picture,
    ReadSettings,
    Values,
    excess_pixels,
    pillow,
)
from convcli.images.color import map_rows
from convcli.images.damage import KEEP_ADVICE
from convcli.images.structure import Structure
from convcli.images.tiff.directory import (
    BITS,
    CHROMA_SUBSAMPLING,
    CMYK,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    HEIGHT,
    MASK,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NO_COMPRESSION,
    PALETTE,
    PHOTOMETRIC,
    PREDICTOR,
    RGB,
    SAMPLES,
    STRIP_ROWS,
    TILE_HEIGHT,
    TILE_WIDTH,
    UNSIGNED,
    WIDTH,
    YCBCR,
    Directories,
    Layout,
    Tags,
    read_extents,
    read_layout,
)
from convcli.images.tiff.onepage import encode_page
from convcli.images.tiff.segments import DEFLATE, LIBTIFF, find_unsupported, read_samples

# Tags of metadata, and those that a codec needs.
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, PROFILE = 282, 283, 296, 34675
JPEG_TABLES, COLOR_MAP = 347, 320
ASCII, DESCRIPTION = 2, 270
LAYOUT_TEXTS = (b"<OME", b"ImageJ=", b'{"shape": ')  # say how several pages are one array
LAYOUT_TEXT_BYTES = 2000  # within which they begin
CAMERA, INTEROPERABILITY = 0x8769, 0xA005  # blocks of EXIF
CODEC_TAGS = (292, 293, 529, CHROMA_SUBSAMPLING, 531)  # of fax, and of chroma
DPI = {2: 1.0, 3: 2.54}  # dots an inch of those a unit
MAX_PROFILE_BYTES = 16 << 20

FAX, OLD_JPEG, JPEG = (2, 3, 4), 6, 7
# What Pillow decodes right, each held to another reader by a test: bits of a value by the meaning
# and the number of the values of a pixel, which lie together.
PILLOW_BITS = {
    (MIN_IS_WHITE, 1): (8,),
    (MIN_IS_BLACK, 1): (8,),
    (RGB, 3): (8,),
    (PALETTE, 1): (1, 2, 4, 8),
    (PALETTE, 2): (8,),
    (CMYK, 4): (8, 16),
    (CMYK, 5): (8,),
    (YCBCR, 3): (8,),
}
FAX_BITS = {(photometric, 1): (1,) for photometric in (MIN_IS_WHITE, MIN_IS_BLACK, MASK)}
COLOR_NAMES = {8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "a camera's color filter array",
               32844: "LogL", 32845: "LogLuv", 34892: "linear raw colors"}  # fmt: skip
COMPRESSION_NAMES = {34712: "JPEG 2000", 34887: "LERC", 50001: "WebP",
                     50002: "JPEG XL", 52546: "JPEG XL"}  # fmt: skip


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
        return layout.photometric in (PALETTE, CMYK, YCBCR) or layout.compression in (
            *FAX,
            OLD_JPEG,
            JPEG,
        )

    @property
    def header(self) -> Header:
        """The header of the picture that will be read."""
        layout = self.layout
        height, width = layout.size[::-1] if layout.orientation in range(5, 9) else layout.size
        if self.needs_pillow:
            is_gray = layout.photometric in (MIN_IS_WHITE, MIN_IS_BLACK, MASK)
            has_alpha = layout.photometric == PALETTE and layout.samples == 2
            return Header((height, width, 1 if is_gray else 3), np.dtype(np.uint8), 8, has_alpha)
        has_alpha = layout.alpha is not None
        shape = height, width, layout.samples - has_alpha
        return Header(shape, layout.dtype, layout.depth, has_alpha)


def open_tiff(
    stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return the pages of a TIFF; only the first one's directory has been read.

    Raises
    ------
    ImageError
        If it is broken, of too many pages or pixels, or of a kind that is not read.
    """
    with pillow.decoder_errors(path):
        directories = Directories(stream, keeps_damaged=settings.keep_damaged)

    def decode_header(index: int) -> Header:
        with pillow.decoder_errors(path):
            return _read_page(directories, index, path, settings).header

    return FrameSource(
        path,
        len(directories.offsets),
        partial(_decode, directories, path, settings),
        decode_header(0),
        "TIFF",
        decode_header=decode_header,
        sizes=structure.sizes if len(structure.sizes) == len(directories.offsets) else (),
        held_bytes=structure.held_bytes,
    )


def _read_page(directories: Directories, index: int, path: str, settings: ReadSettings) -> Page:
    """Read the directory of a page, and check that the page can be read."""
    tags = directories.read_tags(directories.offsets[index])
    layout = read_layout(directories, tags)
    if math.prod(layout.size) > settings.max_pixels:
        raise excess_pixels(layout.size, path, settings.max_pixels)
    page = Page(tags, layout)
    cause = _find_unsupported(page)
    if cause is not None:
        where = f"page {index}" if index else "it"
        raise ImageError(path, f"{where} is a TIFF of {cause}, which is not read")
    return page


def _find_unsupported(page: Page) -> str | None:
    """Return what about a page cannot be read, if anything."""
    layout = page.layout
    if layout.photometric not in (*range(MASK + 1), CMYK, YCBCR):
        return COLOR_NAMES.get(layout.photometric, f"colors of kind {layout.photometric}")
    if layout.compression in COMPRESSION_NAMES:
        return f"{COMPRESSION_NAMES[layout.compression]} compression"
    if not page.needs_pillow:
        return find_unsupported(layout)
    return _find_unsupported_by_pillow(layout)


def _find_unsupported_by_pillow(layout: Layout) -> str | None:
    """Return what about a layout Pillow does not decode right, if anything."""
    bits = PILLOW_BITS.get((layout.photometric, layout.samples), ())
    if layout.compression in FAX:
        bits = FAX_BITS.get((layout.photometric, layout.samples), ())
    name = {PALETTE: "a palette", CMYK: "CMYK", YCBCR: "YCbCr"}.get(layout.photometric, "values")
    if layout.sample_format != UNSIGNED or layout.bits not in bits:
        return f"{name} with {layout.samples} times {layout.bits} bits a pixel"
    if layout.is_planar:
        return f"{name} in separate planes"
    is_subsampled = layout.photometric == YCBCR and layout.subsampling != (1, 1)
    if is_subsampled and layout.compression not in (OLD_JPEG, JPEG):
        return "subsampled YCbCr without JPEG compression"
    codecs = (NO_COMPRESSION, *DEFLATE, *LIBTIFF, *FAX, OLD_JPEG, JPEG)
    return None if layout.compression in codecs else f"compression {layout.compression}"


def _decode(directories: Directories, path: str, settings: ReadSettings, index: int) -> Picture:
    """Read a page."""
    notes: list[str] = []

    def report(damage: str) -> None:
        if len(directories.offsets) > 1:
            damage = f"page {index}: {damage}"
        if not settings.keep_damaged:
            raise ValueError(f"{damage}; {KEEP_ADVICE}")
        if not notes:
            notes.append(f"is damaged: {damage}")

    with pillow.decoder_errors(path):
        page = _read_page(directories, index, path, settings)
        extents = read_extents(directories, page.tags, page.layout)
        metadata = _read_metadata(directories, page, index)
        if page.needs_pillow:
            picture = _decode_by_pillow(directories, page, index, extents, path)
            if page.layout.photometric == CMYK:
                metadata = replace(metadata, profile=b"")
        else:
            samples = read_samples(directories, page.layout, extents, report)
            picture = _to_picture(samples, page.layout)
        if picture.depth is None:
            pillow.check_finite(picture.values, path)
    # Of the old style of JPEG, Pillow has turned it already.
    orientation = 1 if page.layout.compression == OLD_JPEG else page.layout.orientation
    values = pillow.apply_orientation(picture.values, orientation)
    alpha = picture.alpha
    if alpha is not None:
        alpha = pillow.apply_orientation(alpha, orientation)
    if index == 0 and directories.is_cut:
        notes.append(f"is damaged from page {len(directories.offsets)} on, and read up to it")
    result = Picture(values, picture.depth, alpha, metadata, (*picture.notes, *notes))
    return result.limit_metadata(settings.max_metadata)


def _decode_by_pillow(
    directories: Directories, page: Page, index: int, extents: Sequence[Pair], path: str
) -> Picture:
    """Decode a page by Pillow, from a TIFF that holds nothing else."""
    layout = page.layout
    if layout.compression == OLD_JPEG:  # which refers to many places of its file
        directories.stream.seek(0)
        image = pillow.open_image(directories.stream)
        image.seek(index)
        return pillow.read_picture(image, path)
    if len(extents) < layout.segments:
        raise ValueError(f"it holds {len(extents)} of its {layout.segments} strips or tiles")
    tags: dict[int, Sequence[int] | bytes] = {
        WIDTH: [layout.size[1]],
        HEIGHT: [layout.size[0]],
        BITS: [layout.bits] * layout.samples,
        COMPRESSION: [layout.compression],
        PHOTOMETRIC: [MIN_IS_BLACK if layout.photometric == MASK else layout.photometric],
        FILL_ORDER: [layout.fill_order],
        SAMPLES: [layout.samples],
        PREDICTOR: [layout.predictor],
    }
    if layout.is_tiled:
        tags |= {TILE_HEIGHT: [layout.segment[0]], TILE_WIDTH: [layout.segment[1]]}
    else:
        tags[STRIP_ROWS] = [layout.segment[0]]
    for name in (*CODEC_TAGS, COLOR_MAP):
        if name in page.tags and page.tags[name].type in (3, 4):
            tags[name] = directories.numbers(page.tags[name]).tolist()
    if layout.extra:
        tags[EXTRA_SAMPLES] = layout.extra
    for name in (JPEG_TABLES, PROFILE):
        if name in page.tags:
            tags[name] = directories.content(page.tags[name])
    contents = [directories.read_at(offset, size) for offset, size in extents]
    content = encode_page(layout.order, tags, contents, is_tiled=layout.is_tiled)
    with pillow.open_image(io.BytesIO(content)) as image:
        return pillow.read_picture(image, path)


def _to_picture(samples: Values, layout: Layout) -> Picture:
    """Give the stored values of a page, (H, W, C), their meaning."""
    depth = layout.depth
    if depth is not None and layout.bits != depth:
        most = (1 << layout.bits) - 1
        levels = np.rint(np.arange(most + 1) * (2.0**depth - 1) / most).astype(layout.dtype)
        samples = levels[samples]
    if layout.photometric == MIN_IS_WHITE and layout.sample_format == UNSIGNED:
        colors = samples[:, :, :1]
        np.subtract(np.iinfo(samples.dtype).max, colors, out=colors)
    if layout.alpha is None:
        return Picture(samples, depth)
    alpha = samples[:, :, layout.alpha : layout.alpha + 1]
    is_last = layout.alpha == layout.samples - 1
    colors = samples[:, :, :-1] if is_last else np.delete(samples, layout.alpha, axis=2)
    if bool((alpha == np.iinfo(alpha.dtype).max).all()):
        return Picture(colors, depth)
    if layout.is_premultiplied:
        colors = map_rows(partial(_divide_by_alpha, dtype=samples.dtype), colors, alpha)
    return Picture(colors, depth, alpha)


def _divide_by_alpha(colors: Values, alpha: Values, dtype: np.dtype[Any]) -> Values:
    """Return straight colors of premultiplied ones, rounded; none is above white."""
    white = float(np.iinfo(dtype).max)
    straight = colors * white / np.maximum(alpha, 1)
    return np.where(alpha > 0, np.rint(np.minimum(straight, white)), 0).astype(dtype)


def _read_metadata(directories: Directories, page: Page, index: int) -> Metadata:
    """Read the metadata of a page: its EXIF, profile and resolution."""
    tags, profile = page.tags, b""
    if PROFILE in tags:
        profile = directories.content(tags[PROFILE], MAX_PROFILE_BYTES)
    unit = 2
    with suppress(ValueError, KeyError, IndexError):
        unit = int(directories.numbers(tags[RESOLUTION_UNIT])[0])
    resolution = [_read_fraction(directories, tags, name) for name in (X_RESOLUTION, Y_RESOLUTION)]
    scale = DPI.get(unit)
    dpi = pillow.valid_dpi([value * scale for value in resolution]) if scale else None
    channels = page.header.shape[2]
    return Metadata(
        exif=_read_exif(directories, page, index),
        profile=profile,
        color_mode="L" if channels < 3 else "RGB",
        dpi=dpi,
    )


def _read_fraction(directories: Directories, tags: Tags, name: int) -> float:
    """Return the number of a tag of fractions; NaN if there is none."""
    tag = tags.get(name)
    if tag is None or tag.type != 5 or tag.length < 1:
        return float("nan")
    numerator, denominator = np.frombuffer(directories.content(tag)[:8], f"{directories.order}u4")
    return float(numerator) / float(denominator) if denominator else float("nan")


def _read_exif(directories: Directories, page: Page, index: int) -> bytes:
    """Return an EXIF block with the texts of a page, and the blocks of camera and GPS."""
    texts = {
        name: directories.content(page.tags[name])
        for name in pillow.TEXT_TAGS
        if name in page.tags and page.tags[name].type == ASCII
    }
    if any(mark in texts.get(DESCRIPTION, b"")[:LAYOUT_TEXT_BYTES] for mark in LAYOUT_TEXTS):
        del texts[DESCRIPTION]  # which other readers would take for the layout of a result
    blocks = [name for name in pillow.BLOCK_TAGS if name in page.tags]
    exif = Image.Exif()
    for name, text in texts.items():
        exif[name] = text.rstrip(b"\0").decode("utf-8", "replace")
    if blocks:
        source = Image.Exif()
        source.bigtiff, source.endian = directories.is_big, directories.order
        source.load_from_fp(directories.stream, directories.offsets[index])
        for name in blocks:
            exif[name] = dict(source.get_ifd(name))
        if INTEROPERABILITY in exif.get(CAMERA, {}):
            exif[CAMERA][INTEROPERABILITY] = source.get_ifd(INTEROPERABILITY)
    return exif.tobytes() if texts or blocks else b""
