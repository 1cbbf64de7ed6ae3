"""How the pixels of a page of a TIFF are stored, as its tags say.

TIFF 6.0 (Adobe, 1992), sections 8, 14, 15 and 19; Adobe Photoshop TIFF Technical Notes 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.images.structure.tiff import MAX_SEGMENTS, STRIPS, TILES, Directories, Field, Tags
from convcli.records import NamedTuple

MAX_BANDS = 64  # values of a pixel

# Values of tags.
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
LABS = CIELAB, ICCLAB = 8, 9
UNSIGNED, SIGNED, REAL, VOID = 1, 2, 3, 4
NO_COMPRESSION, GROUP_4 = 1, 4
ALPHAS = {1: "associated", 2: "unassociated", 999: "unassociated"}  # the last one is Corel Draw's
FITS_BYTE, FITS_WORD = 8, 16
ODD_WORD = 24  # bits, read as 32
COLOR_BANDS = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}  # others have one


class Layout(NamedTuple):
    """How the pixels of a page are stored.

    Parameters
    ----------
    size : (height, width)
    samples : int
        Values of a pixel, alpha included.
    bits, sample_format : int
        Of every value.
    photometric : int
        What the values mean.
    extra : tuple of int
        What those mean that come after the colors.
    is_planar : bool
        Whether each band lies by itself.
    compression, predictor, fill_order : int
    segment : (height, width)
        Of a tile, or of a strip.
    is_tiled : bool
    orientation : int
        1 to 8, as EXIF has it.
    order : {"<", ">"}
        The byte order.
    subsampling : tuple of int
        Columns and rows that share their chroma.
    """

    size: Pair
    samples: int
    bits: int
    sample_format: int
    photometric: int
    extra: tuple[int, ...]
    is_planar: bool
    compression: int
    predictor: int
    fill_order: int
    segment: Pair
    is_tiled: bool
    orientation: int
    order: str
    subsampling: tuple[int, ...]

    @property
    def alpha(self) -> int | None:
        """The index of the alpha among the values of a pixel, if there is one."""
        if self.depth is None:
            return None
        colors = self.samples - len(self.extra)
        return next((colors + i for i, kind in enumerate(self.extra) if kind in ALPHAS), None)

    @property
    def is_premultiplied(self) -> bool:
        """Whether the colors are multiplied by their alpha."""
        return self.alpha is not None and ALPHAS[self._alpha_kind] == "associated"

    @property
    def _alpha_kind(self) -> int:
        return self.extra[(self.alpha or 0) - (self.samples - len(self.extra))]

    @property
    def depth(self) -> int | None:
        """Bits of a value as it will be read, 8 or 16; None for numbers without black and white."""
        if self.sample_format != UNSIGNED or self.bits > FITS_WORD:
            return None
        return FITS_BYTE if self.bits <= FITS_BYTE else FITS_WORD

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a value as it will be read."""
        kind = {UNSIGNED: "u", SIGNED: "i", REAL: "f"}[self.sample_format]
        bits = self.depth or self.bits
        return np.dtype(f"{kind}{4 if bits == ODD_WORD else bits // 8}")

    @property
    def bands(self) -> int:
        """The number of values that are stored together."""
        return 1 if self.is_planar else self.samples

    @property
    def row_bytes(self) -> int:
        """The size of a row of a segment."""
        return -(-self.segment[1] * self.bands * self.bits // 8)

    @property
    def grid(self) -> Pair:
        """How many segments of a plane there are, down and across."""
        return -(-self.size[0] // self.segment[0]), -(-self.size[1] // self.segment[1])

    @property
    def segments(self) -> int:
        """How many segments there are in all planes."""
        return math.prod(self.grid) * (self.samples if self.is_planar else 1)


def read_layout(directories: Directories, tags: Tags) -> Layout:
    """Return the layout that the tags of a page say.

    Raises
    ------
    ValueError
        For values that contradict each other, that are too many, or that differ between bands.
    """

    def numbers(name: int, *default: int) -> tuple[int, ...]:
        return directories.numbers(tags[name]) if name in tags else default

    def number(name: int, default: int) -> int:
        return (numbers(name) or (default,))[0]

    def common(name: int, default: int) -> int:
        values = set(numbers(name, default)[:samples])
        if len(values) != 1:
            raise ValueError(f"its bands differ in tag {name}: {sorted(values)}")
        return values.pop()

    height, width, samples = (
        number(Field.HEIGHT, 0),
        number(Field.WIDTH, 0),
        number(Field.SAMPLES, 1),
    )
    compression = number(Field.COMPRESSION, NO_COMPRESSION)
    is_tiled = Field.TILE_WIDTH in tags and Field.TILE_HEIGHT in tags
    rows = min(number(Field.STRIP_ROWS, height) or height, height)
    segment = (
        (number(Field.TILE_HEIGHT, 0), number(Field.TILE_WIDTH, 0)) if is_tiled else (rows, width)
    )
    if min(height, width, samples, *segment) < 1 or number(Field.VOLUME_DEPTH, 1) != 1:
        raise ValueError(f"its size is {height}x{width}, in parts of {segment[0]}x{segment[1]}")
    if samples > MAX_BANDS:
        raise ValueError(f"it has {samples:,} values a pixel; the most is {MAX_BANDS}")
    # What libtiff takes it for where a file does not say it.
    usual = RGB if samples >= 3 else MIN_IS_WHITE if 2 <= compression <= GROUP_4 else MIN_IS_BLACK
    photometric = number(Field.PHOTOMETRIC, usual)
    extra = numbers(Field.EXTRA_SAMPLES)
    extra_count = max(samples - COLOR_BANDS.get(photometric, 1), 0)
    if Field.EXTRA_SAMPLES not in tags and photometric == RGB and samples == 4:
        extra = (2,)
    extra = (*extra[:extra_count], *(0,) * (extra_count - len(extra)))
    # Of CIELab, two bands are signed, whether a file says so or not.
    sample_format = UNSIGNED
    if photometric not in LABS:
        sample_format = common(Field.SAMPLE_FORMAT, UNSIGNED)
    layout = Layout(
        (height, width),
        samples,
        common(Field.BITS, 1),
        UNSIGNED if sample_format == VOID else sample_format,
        photometric,
        extra,
        number(Field.PLANAR, 1) == 2 and samples > 1,
        compression,
        number(Field.PREDICTOR, 1),
        number(Field.FILL_ORDER, 1),
        segment,
        is_tiled,
        number(Field.ORIENTATION, 1),
        directories.order,
        numbers(Field.CHROMA_SUBSAMPLING, 2, 2) if photometric == YCBCR else (),
    )
    if layout.segments > MAX_SEGMENTS:
        parts = f"{layout.segments:,} strips or tiles"
        raise ValueError(f"a page has {parts}; the most is {MAX_SEGMENTS:,}")
    return layout


def read_extents(directories: Directories, tags: Tags, layout: Layout) -> list[Pair]:
    """Return the offset and the size of each strip or tile that the file names.

    Of one that is not compressed, the size is at most what its rows take. Where compressed ones
    have none, each is taken to end where the next one in the file starts.
    """
    names = TILES if TILES[0] in tags else STRIPS
    if names[0] not in tags:
        raise ValueError("it says nowhere where its pixels are")
    limit = MAX_SEGMENTS * 8
    offsets = directories.numbers(tags[names[0]], limit)[: layout.segments]
    end = directories.window.size
    most = layout.segment[0] * layout.row_bytes if layout.compression == NO_COMPRESSION else end
    if names[1] in tags:
        sizes: Iterable[int] = directories.numbers(tags[names[1]], limit)
    elif layout.compression == NO_COMPRESSION:
        sizes = (most,) * len(offsets)
    else:
        starts = sorted({*offsets, end})
        ends = dict(pairwise(starts))
        sizes = [ends.get(offset, end) - offset for offset in offsets]
    return [
        (offset, max(min(size, most, end - offset), 0))
        for offset, size in zip(offsets, sizes, strict=False)
    ]
