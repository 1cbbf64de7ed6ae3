"""Rows of pictures that Pillow has decoded, copied some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Condition, Thread
from typing import Any, Self

import numpy as np
from PIL import Image

from convcli.images import Values

STRIP_PIXELS = 1 << 20  # copied at once
PROBED_ROWS = 16  # one of so many is looked at to see how far a decoder has come
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

    Attributes
    ----------
    notes : tuple of str
        Further remarks for the user, once the last row was read.
    """

    def __init__(self, image: Image.Image) -> None:
        width, height = image.size
        self.shape, self.dtype = (len(image.mode), height, width), np.dtype(np.uint8)
        self.notes: tuple[str, ...] = ()
        self._core: Any = image.im
        self._mode = image.mode

    def __getitem__(self, key: tuple[Any, ...]) -> Values:
        """Return rows and columns, (C, rows, columns), given as `[..., rows, columns]`."""
        _, rows, columns = key
        channels, height, width = self.shape
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(height))
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1  # where rows do not follow one another
        parts = [
            _pack_rows(self._core, self._mode, int(run[0]), int(run[-1]) + 1)
            for run in np.split(rows, breaks)
        ]
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return pixels.reshape(-1, width, channels)[:, columns].transpose(2, 0, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the pixels, as the end of a `with` does."""
        self._core = None


class DecodingRows(DecodedRows):
    """The rows of a picture of mode RGB while a thread decodes it, from the top.

    A row is given as soon as it is there, but the last one: not before it is known that the file is
    whole. Pillow keeps a fourth byte beside the colors, which is 0 before a pixel is decoded.

    Parameters
    ----------
    image : ImageFile
        Not loaded yet.
    decode : callable
        Loads it, in the thread; returns remarks for the user.
    """

    def __init__(self, image: Any, decode: Callable[[], tuple[str, ...]]) -> None:
        image.load_prepare()
        super().__init__(image)
        self._changed = Condition()
        self._count = 0  # rows that are known to be there
        self._is_unwanted = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, args=(decode,), name="convcli", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._run(decode)

    def __getitem__(self, key: tuple[Any, ...]) -> Values:
        """Wait for rows, and return them as `DecodedRows` does.

        Raises
        ------
        ImageError
            If the picture cannot be decoded.
        """
        rows = key[1]
        if isinstance(rows, slice):
            rows = range(self.shape[1])[rows]
        end = int(max(rows, default=-1)) + 1
        with self._changed:
            self._changed.wait_for(lambda: self._count >= end or self._error is not None)
        if self._error is not None:
            raise self._error
        return super().__getitem__(key)

    def advance(self) -> None:
        """Look for more rows; the decoder calls it now and then."""
        if self._is_unwanted:
            raise ValueError("nobody waits for it")
        _, height, width = self.shape
        count = self._count
        while count + PROBED_ROWS < height:
            probe = Image._getencoder(self._mode, "raw", ("RGBX", 0, 1))  # noqa: SLF001
            last = count + PROBED_ROWS
            probe.setimage(self._core, (width - 1, last - 1, width, last))
            if not probe.encode(4)[2][3]:
                break
            count = last
        if count > self._count:
            self._give(count)

    def release(self) -> None:
        """End decoding, if it goes on, and release the pixels."""
        self._is_unwanted = True
        if self._thread.is_alive():
            self._thread.join()
        super().release()

    def _run(self, decode: Callable[[], tuple[str, ...]]) -> None:
        try:
            self.notes = decode()
        except BaseException as error:  # noqa: BLE001  # raised where rows are waited for
            self._error = error
        self._give(self.shape[1])

    def _give(self, count: int) -> None:
        with self._changed:
            self._count = count
            self._changed.notify_all()
