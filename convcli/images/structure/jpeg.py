"""The segments and scans of JPEG (ITU-T T.81, B.1), and its further pictures (CIPA DC-007).

A decoder of a progressive picture visits every block in every scan, however short the scan is.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import NamedTuple

from convcli.arithmetic.values import Pair
from convcli.images.structure import (
    MAX_FRAMES,
    MAX_METADATA_BYTES,
    MAX_STRAY_BYTES,
    Structure,
    Window,
)
from convcli.images.structure.tiff import Directories, check_exif

MAX_SEGMENTS = 10_000  # before the first scan
MAX_EXIF_SEGMENTS = 256  # which Pillow joins one by one; the standard allows one
MAX_TABLE_BYTES = 1 << 20  # of quantization; four tables take 520 at most
MAX_SCANS = 100  # encoders write about ten; a hundred take 0.1 s a megapixel
MAX_SCAN_SEGMENTS = 100_000  # between scans
SCAN, TABLES, END = 0xDA, 0xDB, 0xD9
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the markers of a frame's header
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
METADATA = {*range(0xE0, 0xF0), 0xFE}
# Without a segment: restarts, start and end, and those that are reserved.
BARE = {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}
EXIF = b"Exif\0\0"
INDEX = b"MPF\0"  # of a file of several pictures
PICTURE_COUNT, PICTURES, PICTURE_BYTES = 0xB001, 0xB002, 16
BLOCK_BYTES = 64 * 2  # of coefficients
_FRAME = struct.Struct(">xHHB")  # height, width and components, after the bits of a sample
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


class Segment(NamedTuple):
    """A segment: the second byte of its marker, and where its content is."""

    marker: int
    at: int
    length: int


def read_structure(window: Window) -> Structure:
    """Walk the segments of the first picture, count its scans, and look up the other pictures."""
    segments = list(iterate_segments(window, 0))
    frame = next((part for part in reversed(segments) if part.marker in FRAMES), None)
    if frame is None or frame.length < _FRAME.size:
        return Structure()
    height, width, components = _FRAME.unpack(window.read(frame.at, _FRAME.size))
    metadata, index = _measure_metadata(window, segments)
    sizes = [(height, width)]
    if index is not None:
        sizes += _further_sizes(window, index)
    held, scan = 2 * metadata, segments[-1]
    is_scan = scan.marker == SCAN and scan.length > 0
    if is_scan and (frame.marker in PROGRESSIVE or window.read(scan.at, 1)[0] < components):
        held += _check_scans(window, frame, scan)
    return Structure(tuple(sizes), metadata, held)


def iterate_segments(window: Window, at: int) -> Iterator[Segment]:
    """Yield the segments of the picture that starts at a position, up to its first scan.

    Raises
    ------
    ImageError
        If they are more than those of any picture, or there is junk between them.
    """
    stray, count, at = 0, 0, at + 2
    while True:
        found = at if window.read(at, 1) == b"\xff" else window.find(b"\xff", at)
        code = window.read(found + 1, 1)
        stray += found - at
        if stray > MAX_STRAY_BYTES:
            raise window.excess(stray, MAX_STRAY_BYTES, "bytes of junk before its pixels")
        if not code or 0 < code[0] < 0xC0:
            return
        marker = code[0]
        at = found + (1 if marker == 0xFF else 2)
        if marker in (0, 0xFF) or marker in BARE:
            stray += at - found
            continue
        content = window.read(at, 2)
        if len(content) < 2:
            return
        length = max(struct.unpack(">H", content)[0], 2)
        count += 1
        if count > MAX_SEGMENTS:
            raise window.excess(count, MAX_SEGMENTS, "segments before its pixels")
        yield Segment(marker, at + 2, length - 2)
        if marker == SCAN:
            return
        at += length


def _measure_metadata(window: Window, segments: Sequence[Segment]) -> tuple[int, Segment | None]:
    """Check what the segments hold together.

    Returns
    -------
    size : int
        The bytes of metadata.
    index : Segment, optional
        The index of a file of several pictures.
    """
    tables = sum(part.length for part in segments if part.marker == TABLES)
    if tables > MAX_TABLE_BYTES:
        raise window.excess(tables, MAX_TABLE_BYTES, "bytes of quantization tables")
    metadata = [part for part in segments if part.marker in METADATA]
    size = sum(part.length for part in metadata)
    if size > MAX_METADATA_BYTES:
        raise window.excess(size, MAX_METADATA_BYTES, "bytes of metadata")
    exif = [part for part in metadata if window.read(part.at, len(EXIF)) == EXIF]
    if len(exif) > MAX_EXIF_SEGMENTS:
        raise window.excess(len(exif), MAX_EXIF_SEGMENTS, "segments of EXIF")
    if exif:
        parts = [window.read(part.at + len(EXIF), part.length - len(EXIF)) for part in exif]
        check_exif(b"".join(parts), window.path)
    index = [part for part in metadata if window.read(part.at, len(INDEX)) == INDEX]
    return size, index[-1] if index else None


def _further_sizes(window: Window, segment: Segment) -> list[Pair]:
    """Return the sizes of the pictures after the first, by the index of a file of several."""
    start = segment.at + len(INDEX)
    index = window.read(start, segment.length - len(INDEX))
    directories = Directories(Window(BytesIO(index), window.path))
    tags = directories.check(directories.first).tags
    count, entries = directories.value(tags, PICTURE_COUNT), tags.get(PICTURES)
    if count > MAX_FRAMES:
        raise window.excess(count, MAX_FRAMES, "frames")
    length = count * PICTURE_BYTES
    if entries is None or entries.length < length or not directories.holds(entries):
        return []
    content = index[entries.at : entries.at + length]
    sizes = []
    for _, _, offset, _, _ in list(struct.iter_unpack(f"{directories.order}LLLHH", content))[1:]:
        size = (0, 0)
        for part in iterate_segments(window, start + offset):
            if part.marker in FRAMES and part.length >= _FRAME.size:
                height, width, _ = _FRAME.unpack(window.read(part.at, _FRAME.size))
                size = (height, width)
        sizes.append(size)
    return sizes


def _check_scans(window: Window, frame: Segment, scan: Segment) -> int:
    """Count the scans; return the bytes of coefficients that are kept until the last."""
    scans = _count_scans(window, scan.at + scan.length)
    if scans > MAX_SCANS:
        raise window.excess(scans, MAX_SCANS, "scans")
    content = window.read(frame.at, frame.length)
    height, width, components = _FRAME.unpack(content[: _FRAME.size])
    factors = [divmod(byte, 16) for byte in content[7 : 6 + 3 * components : 3]]
    across = max((factor[0] for factor in factors), default=1) or 1
    down = max((factor[1] for factor in factors), default=1) or 1
    blocks = sum(
        math.ceil(width * horizontal / (8 * across)) * math.ceil(height * vertical / (8 * down))
        for horizontal, vertical in factors
    )
    return int(blocks * BLOCK_BYTES)


def _count_scans(window: Window, at: int) -> int:
    """Return the number of scans, the first of which has its data at a position.

    Two bytes of a table may look like a scan: where there are too many, segments are stepped over.
    """
    upper = 1 + sum(block.count(b"\xff\xda") for _, block in window.blocks(at, overlap=1))
    if upper <= MAX_SCANS:
        return upper
    scans, segments, end = 1, 0, at
    for start, block in window.blocks(at, overlap=1):
        for match in _MARKER.finditer(block, max(end - start, 0)):
            position = start + match.start()
            if position < end or position + 2 > window.size:
                continue
            marker = block[match.start() + 1]
            segments += 1
            if segments > MAX_SCAN_SEGMENTS:
                raise window.excess(segments, MAX_SCAN_SEGMENTS, "segments between its scans")
            scans += marker == SCAN
            if marker == END or scans > MAX_SCANS:
                return scans
            if marker not in BARE:
                size = block[match.start() + 2 : match.start() + 4]
                end = position + 2 + (struct.unpack(">H", size)[0] if len(size) == 2 else 0)
    return scans
