"""Rows of pictures that Pillow has decoded, copied some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from convcli.images import Values

STRIP_PIXELS = 1 << 20  # copied at once
PACKED_MODES = ("L", "RGB", "RGBA")  # of a byte a channel, whose letters are the channels


def iterate_strips(image: Image.Image) -> Iterator[tuple[slice, Values]]:
    """Yield some rows at a time of a decoded picture: which, and their pixels, (H, W, C)."""
    width, height = image.size
    step = max(STRIP_PIXELS // width, 1)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        if image.mode in PACKED_MODES:
            strip = _pack_rows(image.im, image.mode, top, bottom)
        else:
            strip = np.asarray(image.crop((0, top, width, bottom)))
        yield slice(top, bottom), strip.reshape(bottom - top, width, -1)


def _pack_rows(core: Any, mode: str, top: int, bottom: int) -> Values:
    """Return bytes of some rows of Pillow's picture, which keeps three channels in four bytes."""
    width, bands = core.size[0], len(mode)
    encoder = Image._getencoder(mode, "raw", (mode, 0, 1))  # noqa: SLF001
    encoder.setimage(core, (0, top, width, bottom))
    _, _, data = encoder.encode((bottom - top) * width * bands)
    return np.frombuffer(data, np.uint8)


class DecodedRows:
    """The rows of a decoded picture, as a `RowSource`: each is copied when it is asked for.

    Parameters
    ----------
    image : Image
        Of one of `PACKED_MODES`; its pixels are kept as long as this is.
    """

    def __init__(self, image: Image.Image) -> None:
        width, height = image.size
        self.shape, self.dtype = (len(image.mode), height, width), np.dtype(np.uint8)
        self._core, self._mode = image.im, image.mode

    def __getitem__(self, key: tuple[Any, ...]) -> Values:
        """Return rows and columns, (C, rows, columns), given as `[..., rows, columns]`."""
        _, rows, columns = key
        channels, height, width = self.shape
        found = np.arange(height)[rows]
        breaks = np.flatnonzero(np.diff(found) != 1) + 1  # where rows do not follow one another
        parts = [
            _pack_rows(self._core, self._mode, int(run[0]), int(run[-1]) + 1)
            for run in np.split(found, breaks)
        ]
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return pixels.reshape(-1, width, channels)[:, columns].transpose(2, 0, 1)
