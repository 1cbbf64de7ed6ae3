"""Film: the frames of an animation or the pages of a document, read one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convcli.errors import ImageError
from convcli.images.picture import Picture

# Formats that hold several frames.
MOVING = ("PNG", "GIF", "WEBP", "TIFF")
MILLISECONDS = 100  # of a frame that does not say how long it stands


@dataclass(frozen=True, slots=True)
class Film:
    """The frames of an input, of which most have one.

    Parameters
    ----------
    path : str
    count : int
        How many frames there are.
    decode : callable
        Gives one of them by its number, from 0.
    kind : str
        The input's format; empty for numbers.
    loop : int
        How often it plays, 0 being for ever.
    """

    path: str
    count: int
    decode: Callable[[int], Picture]
    kind: str = ""
    loop: int = 1

    def frame(self, number: int) -> Picture:
        """One frame.

        Raises
        ------
        ImageError
            Where there is none of that number, or it cannot be decoded.
        """
        if not 0 <= number < self.count:
            raise ImageError(self.path, f"has no frame {number}: they are 0 to {self.count - 1}")
        return self.decode(number)
