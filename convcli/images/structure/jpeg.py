"""The segments and scans of JPEG (ITU-T T.81, B.1), and where further pictures are (CIPA DC-007).

A decoder of a progressive picture visits every block in every scan, however short the scan is.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.structure import (
    MAX_FRAMES,
    MAX_METADATA_BYTES,
    MAX_STRAY_BYTES,
    Structure,
    Window,
)
from convcli.images.structure.tiff import Directories, check_exif
from convcli.records import NamedTuple

MAX_SEGMENTS = 10_000  # before the first scans of all pictures
MAX_EXIF_SEGMENTS = 256  # of a picture, which Pillow joins one by one; the standard allows one
MAX_TABLE_BYTES = 1 << 20  # of quantization; four tables take 520 at most
MAX_SCANS = 100  # encoders write about ten; a hundred take 0.1 s a megapixel
MAX_SCAN_SEGMENTS = 100_000  # between scans
MAX_WALKS = 4  # how often the bytes of a file may be searched for scans
JUNK = "bytes of junk before its pixels"
SCAN, TABLES, END = 0xDA, 0xDB, 0xD9
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the markers of a frame's header
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
METADATA = {*range(0xE0, 0xF0), 0xFE}
# Without a segment: restarts, start and end, and those that are reserved.
BARE = {0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}
END_OF_PICTURE = b"\xff\xd9"
FOLLOWING = END_OF_PICTURE + b"\xff\xd8\xff"
EXIF = b"Exif\0\0"
INDEX = b"MPF\0"  # of a file of several pictures
PICTURE_COUNT, PICTURES, PICTURE_BYTES = 0xB001, 0xB002, 16
KIND_BITS, VIEWS = 0xFFFFFF, 2  # of an entry of the index; in the highest byte of them
START_OF_PICTURE = b"\xff\xd8"
START = START_OF_PICTURE + b"\xff"  # and of its first segment
BLOCK_BYTES = 64 * 2  # of coefficients
_FRAME = struct.Struct(">xHHB")  # height, width and components, after the bits of a sample
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


class Segment(NamedTuple):
    """A segment: the second byte of its marker, and where its content is."""

    marker: int
    at: int
    length: int


class Frame(NamedTuple):
    """A picture of a file: its size, (H, W), what is kept beside its pixels, and its index."""

    size: Pair
    metadata: int
    coefficients: int
    index_segment: Segment | None


def read_structure(window: Window) -> Structure:
    """Walk the segments of the first picture, count its scans, and look for further ones.

    An index that is broken names none: the first picture is there without it.
    """
    frame = _read_frame(window)
    if frame is None:
        return Structure()
    further: list[tuple[int, int]] = []
    if frame.index_segment is not None:
        with suppress(ImageError, struct.error, IndexError):
            further = _further_pictures(window, frame.index_segment)
    return Structure(
        (frame.size,),
        frame.metadata,
        2 * frame.metadata + frame.coefficients,
        further=tuple(at for at, _ in further),
        has_views=any(kind >> 16 == VIEWS for _, kind in further),
    )


def _read_frame(window: Window) -> Frame | None:
    """Walk the segments of the first picture; None if it does not say its size."""
    segments = list(iterate_segments(window))
    frame = next((part for part in reversed(segments) if part.marker in FRAMES), None)
    metadata, index = _measure_metadata(window, segments)
    if frame is None or frame.length < _FRAME.size:
        return None
    height, width, components = _FRAME.unpack(window.read(frame.at, _FRAME.size))
    coefficients, scan = 0, segments[-1]
    is_scan = scan.marker == SCAN and scan.length > 0
    if is_scan and (frame.marker in PROGRESSIVE or window.read(scan.at, 1)[0] < components):
        coefficients = _check_scans(window, frame, scan, is_alone=index is None)
    return Frame((height, width), metadata, coefficients, index)


def iterate_segments(window: Window) -> Iterator[Segment]:
    """Yield the segments of the first picture, up to its first scan.

    Raises
    ------
    ImageError
        If they are more than those of any picture, or there is junk between them.
    """
    at = len(START_OF_PICTURE)
    while True:
        found = at if window.read(at, 1) == b"\xff" else window.find(b"\xff", at)
        code = window.read(found + 1, 1)
        window.count(JUNK, found - at, MAX_STRAY_BYTES)
        if not code or 0 < code[0] < 0xC0:
            return
        marker = code[0]
        at = found + (1 if marker == 0xFF else 2)
        if marker in (0, 0xFF) or marker in BARE:
            window.count(JUNK, at - found, MAX_STRAY_BYTES)
            continue
        content = window.read(at, 2)
        if len(content) < 2:
            return
        length = max(struct.unpack(">H", content)[0], 2)
        window.count("segments before its pixels", 1, MAX_SEGMENTS)
        yield Segment(marker, at + 2, length - 2)
        if marker == SCAN:
            return
        at += length


def find_end(window: Window) -> int | None:
    """Return where the first picture ends, if another one follows it at once."""
    at = sum(list(iterate_segments(window))[-1][1:])
    found = window.find(FOLLOWING, at) + len(END_OF_PICTURE)
    return found if found < window.size else None


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
    window.count("bytes of quantization tables", tables, MAX_TABLE_BYTES)
    metadata = [part for part in segments if part.marker in METADATA]
    size = sum(part.length for part in metadata)
    window.count("bytes of metadata", size, MAX_METADATA_BYTES)
    exif = [part for part in metadata if window.read(part.at, len(EXIF)) == EXIF]
    if len(exif) > MAX_EXIF_SEGMENTS:
        raise window.excess(len(exif), MAX_EXIF_SEGMENTS, "segments of EXIF")
    if exif:
        parts = [window.read(part.at + len(EXIF), part.length - len(EXIF)) for part in exif]
        check_exif(b"".join(parts), window)
    index = [part for part in metadata if window.read(part.at, len(INDEX)) == INDEX]
    return size, index[-1] if index else None


def _further_pictures(window: Window, segment: Segment) -> list[tuple[int, int]]:
    """Return where the pictures after the first are, and their kinds, by the index of a file.

    What it names outside the file, at its start, and where no JPEG starts, is none.
    """
    start = segment.at + len(INDEX)
    index = window.read(start, segment.length - len(INDEX))
    directories = Directories(window.inner(index))
    tags = directories.check(directories.first).tags
    count, entries = directories.value(tags, PICTURE_COUNT), tags.get(PICTURES)
    if count > MAX_FRAMES:
        raise window.excess(count, MAX_FRAMES, "frames")
    length = count * PICTURE_BYTES
    if entries is None or entries.length < length or not directories.holds(entries):
        return []
    content = index[entries.at : entries.at + length]
    pictures = struct.iter_unpack(f"{directories.order}LLLHH", content)
    found = [(start + offset, kind & KIND_BITS) for kind, _, offset, _, _ in pictures][1:]
    return [(at, kind) for at, kind in found if window.read(at, len(START)) == START]


def _check_scans(window: Window, frame: Segment, scan: Segment, *, is_alone: bool) -> int:
    """Count the scans; return the bytes of coefficients that are kept until the last."""
    scans = _count_scans(window, scan.at + scan.length, is_alone=is_alone)
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


def _count_scans(window: Window, at: int, *, is_alone: bool) -> int:
    """Return the number of scans, the first of which has its data at a position.

    Two bytes of a table may look like a scan: where there are too many, and where other pictures
    follow, segments are stepped over.
    """
    if is_alone:
        upper = 1 + sum(block.count(b"\xff\xda") for _, block in window.blocks(at, overlap=1))
        if upper <= MAX_SCANS:
            return upper
    scans, end, limit = 1, at, MAX_WALKS * window.size + MAX_METADATA_BYTES
    for start, block in window.blocks(at, overlap=1):
        window.count("bytes of scans in its pictures", len(block), limit)
        for match in _MARKER.finditer(block, max(end - start, 0)):
            position = start + match.start()
            if position < end or position + 2 > window.size:
                continue
            marker = block[match.start() + 1]
            window.count("segments between its scans", 1, MAX_SCAN_SEGMENTS)
            scans += marker == SCAN
            if marker == END or scans > MAX_SCANS:
                return scans
            if marker not in BARE:
                size = block[match.start() + 2 : match.start() + 4]
                end = position + 2 + (struct.unpack(">H", size)[0] if len(size) == 2 else 0)
    return scans
