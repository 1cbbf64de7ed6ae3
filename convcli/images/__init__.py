"""Images: read into arrays of values, and written from them.

This module defines what passes between the others: `Picture`, `Header` and `FrameSource`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.metadata import NO_METADATA, Metadata

Values = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """The values of one input.

    Parameters
    ----------
    values : ndarray, (H, W, C)
        In the input's own units; gray is one channel. Alpha is not among them.
    depth : int, optional
        8 or 16: the bits of a value, where 0 is black and `2**depth - 1` is white. None for a grid
        of numbers and for float images.
    alpha : ndarray, (H, W, 1), optional
        How opaque each pixel is, on the scale of the values; None where all are.
    metadata : Metadata
        What belongs to it beside its pixels.
    notes : tuple of str
        What reading did that the user would want to know.
    """

    values: Values
    depth: int | None = None
    alpha: Values | None = None
    metadata: Metadata = NO_METADATA
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> Pair:
        """(height, width)."""
        return self.values.shape[0], self.values.shape[1]

    @property
    def white(self) -> float:
        """The value of white; 255 where the values have none of their own."""
        return 2.0 ** (self.depth or 8) - 1


# Formats that hold several frames.
ANIMATED = ("PNG", "GIF", "WEBP", "TIFF")
DEFAULT_DURATION_MS = 100  # of a frame that does not say how long it stands


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
class FrameSource:
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
    format : str
        The input's format; empty for numbers.
    loop : int
        How often it plays, 0 being for ever.
    """

    path: str
    count: int
    decode: Callable[[int], Picture]
    header: Header
    format: str = ""
    loop: int = 1

    def read(self, number: int) -> Picture:
        """One frame.

        Raises
        ------
        ImageError
            Where there is none of that number, or it cannot be decoded.
        """
        self.check_frame(number)
        return self.decode(number)

    def check_frame(self, number: int) -> None:
        """Refuse a frame that is not there."""
        if not 0 <= number < self.count:
            raise ImageError(self.path, f"has no frame {number}: they are 0 to {self.count - 1}")
