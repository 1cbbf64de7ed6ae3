"""Pictures that are encoded in parts: some rows each, by any thread, and written from the top.

Encoding takes most of the time of filtering a photograph, and the codecs release the GIL meanwhile.
What is written does not depend on the number of threads, nor on the order in which parts come.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from threading import Lock
from typing import Any, Protocol

import numpy as np

from convcli.images import Values
from convcli.parallel import parallel_for
from convcli.records import NamedTuple

PART_BYTES = 1 << 20  # of the pixels of a part, about
MIN_CODED_BYTES = 1 << 19  # of a part that is coded by NumPy, which takes a while to make the code
MEMORY_LEVEL = 9  # zlib's most: 4 % less time and a little less space than with 8
ZLIB_HEADER = b"\x78\x01"  # a window of 32 kB, compressed fast (RFC 1950)


class PixelLayout(NamedTuple):
    """How the pixels of a picture lie.

    Parameters
    ----------
    shape : (H, W, C)
    dtype : dtype
    has_alpha : bool
        Whether the last channel is alpha.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    has_alpha: bool

    @classmethod
    def of(cls, pixels: Values, *, has_alpha: bool | None = None) -> PixelLayout:
        """Return the layout of pixels; left out, two and four channels have alpha."""
        height, width, channels = pixels.shape
        has_alpha = channels in (2, 4) if has_alpha is None else has_alpha
        return cls((height, width, channels), pixels.dtype, has_alpha)


class PartEncoder(Protocol):
    """Encodes a picture part by part.

    Attributes
    ----------
    rows : int
        Of a part; the last one may have fewer.
    """

    rows: int

    def encode(self, top: int, pixels: Values) -> Any:
        """Return the encoded rows from `top` on; several threads call it at a time."""

    def write(self, encoded: Any) -> None:
        """Write what `encode` returned: part by part from the top, and what follows the last."""


class PartWriter:
    """Encodes parts in any thread, in whatever order their pixels come, and writes them in order.

    Parameters
    ----------
    encoder : PartEncoder
    layout : PixelLayout
    """

    def __init__(self, encoder: PartEncoder, layout: PixelLayout) -> None:
        self._encoder, self._layout = encoder, layout
        self._lock, self._write_lock = Lock(), Lock()
        self._parts: dict[int, Values] = {}  # pixels, by their first rows
        self._missing: dict[int, int] = {}  # pixels of each
        self._spare: list[Values] = []  # memory of parts that were encoded
        self._encoded: dict[int, Any] = {}  # that wait for those before them
        self._top = 0  # of the part that is written next

    def fill(self, rows: slice, columns: slice) -> Iterator[tuple[slice, Values]]:
        """Yield where to write pixels of some rows and columns; encode the parts that are complete.

        Yields
        ------
        own : slice
            Some of these rows, counted from the first of them.
        target : ndarray, (rows, columns, C)
            To be filled before the next one is asked for.
        """
        step, (height, width, channels) = self._encoder.rows, self._layout.shape
        for top in range(rows.start // step * step, rows.stop, step):
            end = min(top + step, height)
            own = slice(max(rows.start, top), min(rows.stop, end))
            with self._lock:
                if top not in self._parts:
                    part = self._spare.pop() if self._spare else None
                    shape = step, width, channels
                    self._parts[top] = np.empty(shape, self._layout.dtype) if part is None else part
                    self._missing[top] = (end - top) * width
                part = self._parts[top]
            target = part[own.start - top : own.stop - top, columns]
            yield slice(own.start - rows.start, own.stop - rows.start), target
            with self._lock:
                self._missing[top] -= target.shape[0] * target.shape[1]
                is_complete = self._missing[top] == 0
            if is_complete:
                self.encode(top, part[: end - top])
                with self._lock:
                    self._spare.append(self._parts.pop(top))

    def encode(self, top: int, pixels: Values) -> None:
        """Encode a whole part, and write it as soon as all before it are written."""
        encoded = self._encoder.encode(top, pixels)
        with self._write_lock:
            self._encoded[top] = encoded
            while self._top in self._encoded:
                self._encoder.write(self._encoded.pop(self._top))
                self._top += self._encoder.rows


def write_parts(encoder: PartEncoder, pixels: Values) -> None:
    """Encode a whole picture, (H, W, C), in as many threads as there are."""
    writer, rows = PartWriter(encoder, PixelLayout.of(pixels)), encoder.rows

    def encode(top: int) -> None:
        writer.encode(top, pixels[top : top + rows])

    parallel_for(lambda: encode, range(0, len(pixels), rows))


def deflate_rows(rows: Values, *, is_last: bool, level: int | None = None) -> bytes:
    """Return rows of bytes, (rows, bytes), as blocks of a deflated stream: whole bytes.

    Parameters
    ----------
    rows : ndarray of uint8
        C-contiguous.
    is_last : bool
        Whether they end the stream.
    level : int, optional
        zlib's, 0 to 9. By default only runs are searched for, and in large parts that hardly have
        any not even these.

    Examples
    --------
    >>> content = deflate_rows(np.zeros((2, 9), np.uint8), is_last=True)
    >>> zlib.decompress(content, wbits=-zlib.MAX_WBITS) == bytes(18)
    True
    """
    if level is None and rows.size >= MIN_CODED_BYTES:
        from convcli.images.huffman import deflate_codes, has_few_runs

        if has_few_runs(rows):
            return deflate_codes(rows, is_last=is_last)
    effort, strategy = (1, zlib.Z_RLE) if level is None else (level, zlib.Z_DEFAULT_STRATEGY)
    compressor = zlib.compressobj(
        effort, wbits=-zlib.MAX_WBITS, memLevel=MEMORY_LEVEL, strategy=strategy
    )
    content = compressor.compress(rows.data)
    return content + compressor.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
