"""The stored values of a page to a picture: what they mean, and alpha.

TIFF 6.0, sections 16, 18 and 23; ICC.1, annex A, for ICCLab. CIELab is of the white D50, as
Photoshop and ICC profiles have it, and becomes sRGB by the adaptation of Bradford (B. Lindbloom,
"RGB/XYZ Matrices").
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from convcli.images import Picture, Values
from convcli.images.cmyk import cmyk_to_rgb
from convcli.images.color import from_linear, map_rows
from convcli.images.structure.tiff import Directories, Field, Tags
from convcli.images.tiff.layout import (
    CIELAB,
    CMYK,
    FITS_BYTE,
    FITS_WORD,
    ICCLAB,
    LABS,
    MIN_IS_WHITE,
    PALETTE,
    UNSIGNED,
    Layout,
)

INKS = 4
D50 = np.array((0.96422, 1.0, 0.82521))
XYZ_TO_RGB = np.array((
    (3.1338561, -1.6168667, -0.4906146),
    (-0.9787684, 1.9161415, 0.0334540),
    (0.0719453, -0.2289914, 1.4052427),
))  # fmt: skip
LAB_KNEE = 6 / 29  # below which the cube root is a line (CIE 15)
LAB_NOTE = "holds CIELab, read as sRGB colors"
CMYK_NOTE = "holds 16-bit CMYK, read as 8-bit colors"
BAND_NOTE = "holds a band beside its colors, which is left out"


def find_unsupported_colors(layout: Layout) -> str | None:
    """Return what about the meaning of values `to_picture` cannot read, if anything."""
    names = {PALETTE: "a palette", CMYK: "CMYK", **dict.fromkeys(LABS, "CIELab")}
    name = names.get(layout.photometric)
    if name is None:
        return None
    counts = {PALETTE: (1,), CMYK: (INKS,)}.get(layout.photometric, (1, 3))
    bits = (*range(1, FITS_BYTE + 1), FITS_WORD) if layout.photometric == PALETTE else (8, 16)
    if layout.photometric == PALETTE and layout.samples > 1:
        bits = (FITS_BYTE, FITS_WORD)  # of which alpha has as many
    colors = layout.samples - len(layout.extra)
    if layout.sample_format == UNSIGNED and layout.bits in bits and colors in counts:
        return None
    return f"{name} with {layout.samples} times {layout.bits} bits a pixel"


def read_palette(directories: Directories, tags: Tags, layout: Layout) -> Values | None:
    """Return the colors of a page's palette, (N, 3), if it has one.

    They have 16 bits, of which 8 are kept unless their numbers have 16, too. Some old files have
    colors of 8 bits.

    Raises
    ------
    ValueError
        If there are fewer than numbers.
    """
    if layout.photometric != PALETTE:
        return None
    count = 1 << layout.bits
    numbers = directories.numbers(tags[Field.COLOR_MAP]) if Field.COLOR_MAP in tags else ()
    if len(numbers) < 3 * count:
        raise ValueError(f"its palette has {len(numbers) // 3} of {count} colors")
    colors = np.array(numbers[: 3 * count], np.uint16).reshape(3, count).T
    if layout.depth == FITS_WORD:
        return colors
    return (colors if colors.max() <= np.iinfo(np.uint8).max else colors >> 8).astype(np.uint8)


def to_picture(
    samples: Values, layout: Layout, palette: Values | None = None, profile: bytes = b""
) -> Picture:
    """Give the stored values of a page, (H, W, C), their meaning.

    Parameters
    ----------
    samples : ndarray
        May be overwritten.
    layout : Layout
    palette : ndarray, (N, 3), optional
    profile : bytes
        Of CMYK, by which it becomes sRGB.
    """
    depth = layout.depth
    if depth is not None and layout.bits != depth and palette is None:
        samples = levels_to_white(layout)[samples]
    if layout.photometric == MIN_IS_WHITE and layout.sample_format == UNSIGNED:
        grays = samples[:, :, :1]
        np.subtract(np.iinfo(samples.dtype).max, grays, out=grays)
    if layout.alpha is None:
        colors, notes = _to_colors(samples, layout, palette, profile)
        return Picture(colors, depth if colors.dtype != np.uint8 else FITS_BYTE, notes=notes)
    alpha = samples[:, :, layout.alpha : layout.alpha + 1]
    is_last = layout.alpha == layout.samples - 1
    stored = samples[:, :, :-1] if is_last else np.delete(samples, layout.alpha, axis=2)
    white = np.iinfo(alpha.dtype).max
    is_opaque = bool((alpha == white).all())
    is_divided = layout.is_premultiplied and not is_opaque
    if is_divided and palette is None:
        stored = map_rows(partial(_divide_by_alpha, dtype=samples.dtype), stored, alpha)
    colors, notes = _to_colors(stored, layout, palette, profile)
    if is_divided and palette is not None:
        colors = map_rows(partial(_divide_by_alpha, dtype=colors.dtype), colors, alpha)
    if colors.dtype == np.uint8 and alpha.dtype != np.uint8:
        alpha = np.rint(alpha / 257).astype(np.uint8)
    depth = FITS_BYTE if colors.dtype == np.uint8 else depth
    return Picture(colors, depth, None if is_opaque else alpha, notes=notes)


def levels_to_white(layout: Layout) -> Values:
    """Return what each value of few bits becomes, so that the largest one is white."""
    most = (1 << layout.bits) - 1
    white = 2.0 ** (layout.depth or FITS_BYTE) - 1
    return np.rint(np.arange(most + 1) * white / most).astype(layout.dtype)


def _to_colors(
    stored: Values, layout: Layout, palette: Values | None, profile: bytes
) -> tuple[Values, tuple[str, ...]]:
    """Return the colors of values without alpha, and notes on what is lost."""
    notes: tuple[str, ...] = ()
    if palette is not None:
        notes = (BAND_NOTE,) if stored.shape[2] > 1 else ()
        return palette[stored[:, :, 0]], notes
    if layout.photometric == CMYK:
        notes = (CMYK_NOTE,) if layout.bits > FITS_BYTE else ()
        inks = stored[:, :, :INKS]
        if layout.bits > FITS_BYTE:
            inks = map_rows(lambda part: np.rint(part / 257).astype(np.uint8), inks)
        notes += (BAND_NOTE,) if stored.shape[2] > INKS else ()
        return cmyk_to_rgb(np.ascontiguousarray(inks), profile), notes
    if layout.photometric in LABS:
        count = layout.samples - len(layout.extra)
        notes = (LAB_NOTE, BAND_NOTE) if stored.shape[2] > count else (LAB_NOTE,)
        convert = partial(_lab_to_srgb, photometric=layout.photometric)
        return map_rows(convert, stored[:, :, :count]), notes
    return stored, notes


def _lab_to_srgb(stored: Values, photometric: int) -> Values:
    """Return sRGB of CIELab, (H, W, 3), or gray of its lightness alone, (H, W, 1)."""
    white = np.iinfo(stored.dtype).max
    step = (white + 1) // 256  # of a whole number in a* and b*
    # The largest lightness of ICCLab of 16 bits is 0xFF00.
    lightness = stored[:, :, 0] * (100 / (255 * step if photometric == ICCLAB else white))
    opponents = np.zeros((*stored.shape[:2], 2))
    if stored.shape[2] > 1 and photometric == CIELAB:
        opponents[:] = np.ascontiguousarray(stored[:, :, 1:]).view(f"i{stored.itemsize}") / step
    elif stored.shape[2] > 1:
        opponents[:] = stored[:, :, 1:] / step - 128.0
    middle = (lightness + 16) / 116
    roots = np.stack([middle + opponents[:, :, 0] / 500, middle, middle - opponents[:, :, 1] / 200])
    below = 3 * LAB_KNEE**2 * (roots - 4 / 29)
    xyz = np.where(roots > LAB_KNEE, roots**3, below) * D50[:, np.newaxis, np.newaxis]
    linear = np.tensordot(xyz, XYZ_TO_RGB, axes=(0, 1)).clip(0, 1) * white
    colors = np.rint(from_linear(linear, float(white))).astype(stored.dtype)
    return colors[:, :, : stored.shape[2]]


def _divide_by_alpha(colors: Values, alpha: Values, dtype: np.dtype[Any]) -> Values:
    """Return straight colors of premultiplied ones, rounded; none is above white."""
    white = float(np.iinfo(dtype).max)
    straight = colors * white / np.maximum(alpha, 1)
    return np.where(alpha > 0, np.rint(np.minimum(straight, white)), 0).astype(dtype)
