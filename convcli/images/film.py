"""Film: the frames of an animation or the pages of a document, read one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from convcli.errors import ImageError
from convcli.images.picture import Picture

# Formats that hold several frames.
MOVING = ("PNG", "GIF", "WEBP", "TIFF")
MILLISECONDS = 100  # of a frame that does not say how long it stands


class Header(NamedTuple):
    """What an input says of itself before its pixels are read.

    Parameters
    ----------
    shape : (H, W, C)
        Upright; alpha is not counted.
    dtype : dtype
        Of the values, as they will be read.
    depth : int, optional
        8 or 16 bits; None for numbers.
    has_alpha : bool
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    depth: int | None = None
    has_alpha: bool = False

    @classmethod
    def of(cls, picture: Picture) -> Header:
        """What the header of a picture that has been read would say."""
        height, width, channels = picture.values.shape
        shape = height, width, channels
        return cls(shape, picture.values.dtype, picture.depth, picture.alpha is not None)

    @property
    def bytes(self) -> int:
        """What the values take, alpha among them."""
        height, width, channels = self.shape
        return math.prod((height, width, channels + self.has_alpha)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Film:
    """The frames of an input, of which most have one.

    Parameters
    ----------
    path : str
    count : int
        How many frames there are.
    decode : callable
        Gives one of them by its number, from 0; of a single one, it lets go of what it holds.
    header : Header
        Of the first frame.
    kind : str
        The input's format; empty for numbers.
    loop : int
        How often it plays, 0 being for ever.
    """

    path: str
    count: int
    decode: Callable[[int], Picture]
    header: Header
    kind: str = ""
    loop: int = 1

    def frame(self, number: int) -> Picture:
        """One frame.

        Raises
        ------
        ImageError
            Where there is none of that number, or it cannot be decoded.
        """
        self.check(number)
        return self.decode(number)

    def check(self, number: int) -> None:
        """Refuse a frame that is not there."""
        if not 0 <= number < self.count:
            raise ImageError(self.path, f"has no frame {number}: they are 0 to {self.count - 1}")
