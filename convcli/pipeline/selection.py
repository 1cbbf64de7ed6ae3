"""Selection: which pixels and channels of a picture a filter changes, and by how much.

A selection is the intersection of what its options name: regions, a mask, channels, and a least
change. Everything else stays as it is, to the bit.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from convcli.arithmetic.values import Pair, parse_real
from convcli.engine.arrays import Array
from convcli.errors import ArgumentError, NotationError
from convcli.files import STDIN
from convcli.records import NamedTuple

LUMA_NAME = "luma"
ALPHA_NAME = "alpha"
COLOR_NAMES = ("r", "g", "b")

_REGION = re.compile(r"([0-9]{1,9})x([0-9]{1,9})\+([0-9]{1,9})\+([0-9]{1,9})")
_CHANNEL = re.compile(r"[0-9]{1,6}")


class Region(NamedTuple):
    """A rectangle of pixels; `left` and `top` are its offset from the top left of the picture."""

    width: int
    height: int
    left: int
    top: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.left}+{self.top}"

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


@dataclass(frozen=True, slots=True)
class Mask:
    """A picture whose gray says how much of each pixel is filtered.

    Parameters
    ----------
    path : str
        Its file; `-` is standard input.
    key : str
        A process reads the file once for all masks of one key, which copies have, too.
    """

    path: str
    key: str = field(default_factory=lambda: os.urandom(8).hex())


class Chosen(NamedTuple):
    """The channels of a picture that are filtered.

    Parameters
    ----------
    colors : tuple of int
        The indices of its channels beside alpha.
    has_alpha : bool
        Whether alpha is filtered.
    is_luma : bool
        Whether the luma of RGB is filtered, and its change is added to each color.
    """

    colors: tuple[int, ...]
    has_alpha: bool
    is_luma: bool = False


class Selection(NamedTuple):
    """What is filtered of every picture.

    Parameters
    ----------
    regions : tuple of Region
        The pixels of any of them; without any, all.
    mask : Mask, optional
    channels : tuple of str
        As `parse_channels` returns them; without any, all colors, and alpha as their coverage.
    threshold : float
        Smaller changes, in the input's units, are not made.
    """

    regions: tuple[Region, ...] = ()
    mask: Mask | None = None
    channels: tuple[str, ...] = ()
    threshold: float = 0.0

    def __str__(self) -> str:
        """Return the options as they are typed."""
        texts = [f"--region {region}" for region in self.regions]
        if self.mask is not None:
            texts.append(f"--mask {self.mask.path}")
        if self.channels:
            texts.append(f"--channels {','.join(self.channels)}")
        if self.threshold:
            texts.append(f"--threshold {self.threshold:g}")
        return " ".join(texts)

    @property
    def option(self) -> str:
        """The first option that was given, for messages."""
        return str(self).partition(" ")[0]

    def resolve(self, folder: str) -> Selection:
        """Return the selection with the path of its mask, relative to a folder, made absolute."""
        if self.mask is None or self.mask.path == STDIN:
            return self
        return self._replace(mask=replace(self.mask, path=str(Path(folder) / self.mask.path)))

    @property
    def mask_files(self) -> tuple[str, ...]:
        """The file of the mask, if there is one."""
        return () if self.mask is None else (self.mask.path,)

    def check_size(self, height: int | None, width: int | None) -> None:
        """Raise if a region does not lie in a picture of a size; a side that is None is unknown.

        Raises
        ------
        ArgumentError
            With both sizes.
        """
        for region in self.regions:
            is_too_high = height is not None and region.top + region.height > height
            is_too_wide = width is not None and region.left + region.width > width
            if is_too_high or is_too_wide:
                size = f"{width or ''}x{height or ''}"
                raise ArgumentError(f"--region {region} does not lie in the picture of {size}")

    def choose(self, channels: int, *, has_alpha: bool) -> Chosen:
        """Return which channels of a picture are filtered.

        Parameters
        ----------
        channels : int
            Of the picture, without alpha.
        has_alpha : bool
            Whether it has alpha.

        Raises
        ------
        ArgumentError
            For a channel that it does not have, with those that it has.
        """
        if not self.channels:
            return Chosen(tuple(range(channels)), has_alpha)
        colors: set[int] = set()
        for name in self.channels:
            found = _find_channels(name, channels, has_alpha=has_alpha)
            if found is None:
                raise ArgumentError(
                    f"--channels {name}: it has {_describe(channels, has_alpha=has_alpha)}"
                )
            colors.update(found)
        is_luma = LUMA_NAME in self.channels and channels > 1
        return Chosen(tuple(sorted(colors)), ALPHA_NAME in self.channels, is_luma)

    def find_pixels(self, rows: slice, size: Pair) -> Array | None:
        """Return which pixels of some rows lie in a region, (h, W, 1); None if all do."""
        if not self.regions:
            return None
        height, width = size
        start, stop, _ = rows.indices(height)
        selected = np.zeros((stop - start, width, 1), bool)
        for region in self.regions:
            own, columns = region.slices
            selected[max(own.start - start, 0) : max(own.stop - start, 0), columns] = True
        return selected


def _find_channels(name: str, channels: int, *, has_alpha: bool) -> tuple[int, ...] | None:
    """Return the colors that a name stands for; None if the picture has no such channel."""
    if name == ALPHA_NAME:
        return () if has_alpha else None
    if name == LUMA_NAME:
        return tuple(range(channels)) if channels in (1, 3) else None
    if name in COLOR_NAMES:
        return (COLOR_NAMES.index(name),) if channels == len(COLOR_NAMES) else None
    return (int(name),) if int(name) < channels else None


def _describe(channels: int, *, has_alpha: bool) -> str:
    """Say which channels a picture has."""
    if channels == 1:
        colors = "gray"
    elif channels == len(COLOR_NAMES):
        colors = "r, g, b"
    else:
        colors = f"channels 0 to {channels - 1}"
    return f"{colors} and {'' if has_alpha else 'no '}alpha"


def parse_region(text: str) -> Region:
    """Read `WxH+X+Y`, as ImageMagick has it: width first, then the offset from the top left.

    >>> parse_region("640x480+10+20")
    Region(width=640, height=480, left=10, top=20)
    """
    found = _REGION.fullmatch(text)
    if found is None:
        raise NotationError(
            f"it must be WxH+X+Y, like 640x480+10+20 (width, height, left and top), not {text!r}"
        )
    region = Region(*map(int, found.groups()))
    if not region.width * region.height:
        raise NotationError(f"it must have a pixel at least, not {text!r}")
    return region


def parse_threshold(text: str) -> float:
    """Read a change, in the units of the values.

    >>> parse_threshold("2.5")
    2.5
    """
    threshold = parse_real(text, "it")
    if threshold < 0:
        raise NotationError(f"it must be at least 0, not {text!r}")
    return threshold


def parse_channels(text: str) -> tuple[str, ...]:
    """Read names of channels, separated by commas.

    >>> parse_channels("g,b"), parse_channels("luma")
    (('g', 'b'), ('luma',))
    """
    names = tuple(text.split(","))
    known = (LUMA_NAME, ALPHA_NAME, *COLOR_NAMES)
    for name in names:
        if name not in known and not _CHANNEL.fullmatch(name):
            raise NotationError(
                f"it must be luma, alpha, or some of r,g,b or of 0,1,2..., not {text!r}"
            )
    numbers = tuple(str(int(name)) if name not in known else name for name in names)
    indices = {str(COLOR_NAMES.index(n)) if n in COLOR_NAMES else n for n in numbers}
    if len(indices) < len(numbers):
        raise NotationError(f"it must name a channel once, not {text!r}")
    if LUMA_NAME in numbers and not {LUMA_NAME, ALPHA_NAME}.issuperset(numbers):
        raise NotationError(f"luma changes all colors: no other goes with it, as in {text!r}")
    return numbers
