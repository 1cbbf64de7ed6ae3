"""The strips and tiles of a page to its values, as the page's layout says.

What is not compressed, and what is deflated, is read here. The rest is decoded by libtiff, from a
page made for it: of 8-bit gray whose rows are the rows of bytes, so that whatever they mean passes
through. Predictors: TIFF 6.0, section 14, and Adobe Photoshop TIFF Technical Note 3.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from convcli.arithmetic.values import Pair
from convcli.errors import FileError
from convcli.images import Values
from convcli.images.pillow import open_image
from convcli.images.structure.tiff import Directories, Field
from convcli.images.tiff.codecs import CODECS
from convcli.images.tiff.layout import (
    FITS_WORD,
    MIN_IS_BLACK,
    NO_COMPRESSION,
    ODD_WORD,
    REAL,
    SIGNED,
    UNSIGNED,
    Layout,
)
from convcli.images.tiff.onepage import encode_page

BATCH_BYTES = 4 << 20  # of values that are decoded at once
MAX_DAMAGED = 256  # strips or tiles of a page, after which no other is tried
DEFLATE = (8, 32946)
LIBTIFF = (5, 32773, 34925, 50000)  # LZW, PackBits, LZMA, Zstandard
ABSENT = 0, 0  # where a strip or tile is that a sparse file leaves out
NO_PREDICTOR, DIFFERENCES, FLOATING_POINT = 1, 2, 3
NUMBER_BITS = {
    UNSIGNED: (*range(1, FITS_WORD + 1), ODD_WORD, 32, 64),
    SIGNED: (8, 16, ODD_WORD, 32, 64),
    REAL: (16, 32, 64),
}
_REVERSED_BITS = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

# The index of a segment, its first row, and the bytes of some of its rows, (rows, bytes).
Rows = tuple[int, int, Values]


def find_unsupported(layout: Layout) -> str | None:
    """Return what about a layout `read_samples` cannot read, if anything."""
    compression, predictor, bits = layout.compression, layout.predictor, layout.bits
    if compression in CODECS:
        return CODECS[compression].find_unsupported(layout)
    if bits not in NUMBER_BITS.get(layout.sample_format, ()):
        kinds = {UNSIGNED: "whole", SIGNED: "signed", REAL: "real"}
        return f"{kinds.get(layout.sample_format, 'complex')} numbers of {bits} bits"
    if compression not in (NO_COMPRESSION, *DEFLATE, *LIBTIFF):
        return f"compression {compression}"
    fits = {
        NO_PREDICTOR: True,
        DIFFERENCES: bits % 8 == 0 and bits != ODD_WORD,
        FLOATING_POINT: layout.sample_format == REAL,
    }
    return None if fits.get(predictor, False) else f"predictor {predictor} of {bits} bits"


def read_samples(
    directories: Directories,
    layout: Layout,
    extents: Sequence[Pair],
    report: Callable[[str], None],
) -> Values:
    """Read the values of a page.

    Parameters
    ----------
    directories : Directories
    layout : Layout
        One in which nothing is unsupported.
    extents : sequence of (offset, size)
        Where each strip or tile is.
    report : callable
        Called with what is damaged; if it returns, what is not there becomes 0.

    What a sparse file leaves out is 0, too.

    Returns
    -------
    ndarray, (H, W, C)
        As stored, in the machine's byte order.
    """
    result = np.zeros((*layout.size, layout.samples), stored_type(layout))
    if len(extents) < layout.segments:
        report(f"it holds {len(extents)} of its {layout.segments} strips or tiles")
    is_picture = layout.compression in CODECS
    read_rows = _read_rows if layout.compression not in LIBTIFF else _decode_rows
    read_rows = _decode_pictures if is_picture else read_rows
    down, across = layout.grid
    for index, start, block in read_rows(directories, layout, extents, report):
        plane, place = divmod(index, down * across)
        top = place // across * layout.segment[0] + start
        left = place % across * layout.segment[1]
        target = result[top : top + len(block), left : left + layout.segment[1]]
        if layout.is_planar:
            target = target[:, :, plane : plane + 1]
        values = block if is_picture else _to_values(block, layout)
        target[...] = values[: target.shape[0], : target.shape[1]]
    return result


def stored_type(layout: Layout, order: str = "=") -> np.dtype[Any]:
    """Return the type that holds a value as it is stored."""
    kind = {UNSIGNED: "u", SIGNED: "i", REAL: "f"}[layout.sample_format]
    size = layout.bits // 8 if layout.bits % 8 == 0 else 1 if layout.bits < 8 else 2
    size = 4 if layout.bits == ODD_WORD else size
    return np.dtype(f"{order}{kind}{size}")


def _segment_rows(layout: Layout, index: int) -> int:
    """Return how many rows a strip or a tile has: the last strip of a plane may have fewer."""
    rows = layout.segment[0]
    if layout.is_tiled:
        return rows
    return min(rows, layout.size[0] - index % layout.grid[0] * rows)


def _read_segment(
    directories: Directories, layout: Layout, extent: Pair, skip: int = 0, most: int | None = None
) -> bytes:
    """Return a strip or tile as it is stored, or a part of it."""
    offset, size = extent
    count = max(size - skip, 0)
    content = directories.read_at(offset + skip, count if most is None else min(count, most))
    return content.translate(_REVERSED_BITS) if layout.fill_order == 2 else content


def _read_rows(
    directories: Directories,
    layout: Layout,
    extents: Sequence[Pair],
    report: Callable[[str], None],
) -> Iterator[Rows]:
    """Yield the rows of segments that are stored as they are or deflated, not too many at once."""
    row_bytes = layout.row_bytes
    step = max(BATCH_BYTES // row_bytes, 1)
    for index, extent in enumerate(extents):
        if extent == ABSENT:
            continue
        rows = _segment_rows(layout, index)
        inflate = None if layout.compression == NO_COMPRESSION else zlib.decompressobj()
        content = _read_segment(directories, layout, extent) if inflate else b""
        for start in range(0, rows, step):
            expected = min(step, rows - start) * row_bytes
            if inflate is None:
                found = _read_segment(directories, layout, extent, start * row_bytes, expected)
            else:
                found, content = _inflate(inflate, content, expected, report)
            if len(found) < expected:
                report(f"strip or tile {index} ends before its last row")
                found = found.ljust(expected, b"\0")
            yield index, start, np.frombuffer(found, np.uint8).reshape(-1, row_bytes)
        if inflate is not None:
            _inflate(inflate, content, 1, report)  # checks the sum of what came before


def _inflate(
    inflate: zlib._Decompress, content: bytes, count: int, report: Callable[[str], None]
) -> tuple[bytes, bytes]:
    """Return the next bytes of a deflated stream, fewer at its end, and what is not used yet."""
    try:
        return inflate.decompress(content, count), inflate.unconsumed_tail
    except zlib.error as error:
        report(f"its deflated data are damaged: {error}")
        return b"", b""


def _decode_pictures(
    directories: Directories,
    layout: Layout,
    extents: Sequence[Pair],
    report: Callable[[str], None],
) -> Iterator[Rows]:
    """Yield the values of segments, (rows, columns, bands), that are pictures of a format."""
    codec = CODECS[layout.compression]
    for index, extent in enumerate(extents):
        if extent == ABSENT:
            continue
        content = _read_segment(directories, layout, extent)
        try:
            values = codec.decode(content, layout, _segment_rows(layout, index))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  # decoders raise errors of any class
            cause = error.cause if isinstance(error, FileError) else error
            report(f"strip or tile {index} is damaged: {cause}")
            continue
        yield index, 0, values


def _decode_rows(
    directories: Directories,
    layout: Layout,
    extents: Sequence[Pair],
    report: Callable[[str], None],
) -> Iterator[Rows]:
    """Yield the rows of segments that libtiff decodes, as many at once as make a batch.

    What is damaged is found by halves, as a decoder's start costs more than a small strip does.
    """
    damaged = 0
    pending = _batches(layout, extents)
    while pending:
        indices = pending.pop()
        rows = [_segment_rows(layout, index) for index in indices]
        contents = [_read_segment(directories, layout, extents[index]) for index in indices]
        try:
            block = _decode_by_libtiff(layout, rows, contents)
        except (OSError, ValueError) as error:
            if len(indices) > 1:
                middle = len(indices) // 2
                pending += [indices[middle:], indices[:middle]]
                continue
            report(f"strip or tile {indices[0]} is damaged: {error}")
            damaged += 1
            if damaged == MAX_DAMAGED:
                report(f"{damaged} strips or tiles are damaged; none after {indices[0]} is read")
                return
            continue
        for index, start, count in zip(indices, accumulate(rows, initial=0), rows, strict=False):
            yield index, 0, block[start : start + count]


def _batches(layout: Layout, extents: Sequence[Pair]) -> list[range]:
    """Return which segments are decoded at once, none of two planes, the last ones first."""
    per_plane = layout.grid[0] * layout.grid[1]
    step = max(BATCH_BYTES // (layout.segment[0] * layout.row_bytes), 1)
    batches: list[range] = []
    for index, extent in enumerate(extents):
        if extent == ABSENT:
            continue
        last = batches[-1] if batches else range(0)
        if last.stop == index and len(last) < step and index % per_plane and last:
            batches[-1] = range(last.start, index + 1)
        else:
            batches.append(range(index, index + 1))
    return batches[::-1]


def _decode_by_libtiff(layout: Layout, rows: Sequence[int], contents: Sequence[bytes]) -> Values:
    """Decode segments, of which the last may have fewer rows, to bytes of (rows, bytes)."""
    tags = {
        Field.WIDTH: [layout.row_bytes],
        Field.HEIGHT: [sum(rows)],
        Field.BITS: [8],
        Field.COMPRESSION: [layout.compression],
        Field.PHOTOMETRIC: [MIN_IS_BLACK],
        Field.SAMPLES: [1],
        Field.STRIP_ROWS: [rows[0]],
    }
    with open_image(io.BytesIO(encode_page("<", tags, contents))) as image:
        return np.array(image)


def _to_values(block: Values, layout: Layout) -> Values:
    """Return rows of bytes as values, (rows, columns, bands), without the predictor."""
    rows, columns, bands = len(block), layout.segment[1], layout.bands
    stored = stored_type(layout, layout.order)
    if layout.bits == ODD_WORD:
        return _widen(block, layout).reshape(rows, columns, bands)
    if layout.bits % 8:
        return _unpack(block, columns * bands, layout.bits).reshape(rows, columns, bands)
    if layout.predictor == FLOATING_POINT:
        sums = np.add.accumulate(block.reshape(rows, -1, bands), axis=1, dtype=np.uint8)
        # The first bytes of all values of a row, the most significant ones, then the second ones.
        planes = sums.reshape(rows, stored.itemsize, columns * bands)
        values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(stored.newbyteorder(">"))
        return values.reshape(rows, columns, bands)
    values = np.ascontiguousarray(block).view(stored).reshape(rows, columns, bands)
    if layout.predictor == DIFFERENCES:
        native = stored.newbyteorder("=")
        whole = values.astype(native, copy=False).view(f"u{native.itemsize}")
        return np.add.accumulate(whole, axis=1, dtype=whole.dtype).view(native)
    return values


def _widen(block: Values, layout: Layout) -> Values:
    """Return values of 24 bits as those of 32."""
    parts = block.reshape(-1, ODD_WORD // 8)
    parts = parts if layout.order == "<" else parts[:, ::-1]
    wide = np.zeros((len(parts), 4), np.uint8)
    wide[:, 1:] = parts  # so that the sign is that of 32 bits
    return wide.view(f"<{stored_type(layout).kind}4")[:, 0] >> 8


def _unpack(block: Values, count: int, bits: int) -> Values:
    """Return the values of rows, (rows, bytes) -> (rows, count), each of some bits, highest first.

    >>> _unpack(np.array([[0x12, 0x34, 0x56]], np.uint8), 2, 12).tolist()
    [[291, 1110]]
    """
    single = np.unpackbits(block, axis=1, count=count * bits).reshape(len(block), count, bits)
    values = np.zeros((len(block), count), np.uint8 if bits < 8 else np.uint16)
    for bit in range(bits):
        values <<= 1
        values |= single[:, :, bit]
    return values
