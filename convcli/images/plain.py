"""Files whose metadata makes Pillow stumble: hidden from it, and read here as far as it is good.

A picture is good whatever is said of its resolution; to Pillow, a profile or a tag that is cut off
is the end of it.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from PIL import Image

from convcli.images.metadata.iptc import IPTC, JPEG_START, find_iptc
from convcli.images.structure import Window, jpeg, png
from convcli.records import NamedTuple

EXIF, XMP, PROFILE = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
JFIF_MARKER, ADOBE_MARKER, COMMENT_MARKER = 0xE0, 0xEE, 0xFE
IGNORED_MARKER = 0xEB  # of which Pillow reads nothing
MIN_SEGMENT_BYTES = {JFIF_MARKER: 14, ADOBE_MARKER: 12}  # shorter ones are malformed
# The chunks beside the pixels that say what these are; what they say is checked elsewhere.
NEEDED_CHUNKS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
IGNORED_CHUNK = b"coNv"  # a private name
ANCILLARY = 0x20  # in the first letter of a name
METERS_PER_INCH = 0.0254
MAX_PROFILE_BYTES = 16 << 20
MALFORMED_NOTE = "its {} is malformed and left out"


class PatchedStream:
    """A file some of whose bytes are read as others.

    Parameters
    ----------
    stream : binary file
    patches : dict
        What is read from a position on; none reaches into another.
    """

    def __init__(self, stream: BinaryIO, patches: dict[int, bytes]) -> None:
        self._stream = stream
        self._starts = sorted(patches)
        self._patches = patches
        self._longest = max(map(len, patches.values()), default=0)

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes."""
        at = self._stream.tell()
        content = self._stream.read(count)
        first = bisect_right(self._starts, at - self._longest)
        if first == len(self._starts) or self._starts[first] >= at + len(content):
            return content
        patched = bytearray(content)
        for start in self._starts[first:]:
            if start >= at + len(content):
                break
            skipped = max(at - start, 0)
            patch = self._patches[start][skipped : at + len(content) - start]
            place = start + skipped - at
            patched[place : place + len(patch)] = patch
        return bytes(patched)

    def __getattr__(self, name: str) -> Any:
        """Return what the file has, as its position."""
        return getattr(self._stream, name)


class Hidden(NamedTuple):
    """A file without metadata.

    Parameters
    ----------
    stream : binary file
    info : dict
        What is good of it, as Pillow keeps it; `malformed` has notes on the rest.
    """

    stream: BinaryIO
    info: dict[str, Any]


def open_plain(
    factory: Callable[[BinaryIO, str], Image.Image], stream: BinaryIO, known: str
) -> Image.Image:
    """Open a JPEG or a PNG without its metadata, and give it what is good of that."""
    hidden = HIDE[known](Window(stream, ""), stream)
    stream.seek(0)
    image = factory(hidden.stream, "")
    image.info.update(hidden.info)
    return image


def hide_segments(window: Window, stream: BinaryIO) -> Hidden:
    """Hide the segments of a JPEG that Pillow reads, but those that the decoder needs."""
    patches: dict[int, bytes] = {}
    found: dict[bytes, list[bytes]] = {}
    for part in jpeg.iterate_segments(window):
        is_needed = part.length >= MIN_SEGMENT_BYTES.get(part.marker, part.length + 1)
        if part.marker not in jpeg.METADATA or part.marker == COMMENT_MARKER or is_needed:
            continue
        patches[part.at - 3] = bytes([IGNORED_MARKER])
        content = window.read(part.at, part.length)
        for start in (EXIF, XMP, JPEG_START, PROFILE):
            if content.startswith(start):
                found.setdefault(start, []).append(content.removeprefix(start))
    return Hidden(cast("BinaryIO", PatchedStream(stream, patches)), _join_segments(found))


def _join_segments(found: dict[bytes, list[bytes]]) -> dict[str, Any]:
    """Return what the segments of each kind hold, as Pillow keeps it."""
    info: dict[str, Any] = {"malformed": ()}
    if EXIF in found:
        info["exif"] = EXIF + b"".join(found[EXIF])
    if XMP in found:
        info["xmp"] = found[XMP][-1]
    if iptc := b"".join(map(find_iptc, found.get(JPEG_START, ()))):
        info["photoshop"] = {IPTC: iptc}
    parts = sorted(found.get(PROFILE, ()))
    numbers = [bytes([index + 1, len(parts)]) for index in range(len(parts))]
    if [part[:2] for part in parts] == numbers:
        info["icc_profile"] = b"".join(part[2:] for part in parts)
    else:
        info["malformed"] = (MALFORMED_NOTE.format("color profile"),)
    return info


def hide_chunks(window: Window, stream: BinaryIO) -> Hidden:
    """Hide the chunks of a PNG beside its pixels; what is damaged stays so."""
    chunks = list(png.iterate_chunks(window))
    is_animated = any(chunk.name == b"acTL" and chunk.length >= 8 for chunk in chunks)
    needed = NEEDED_CHUNKS if is_animated else NEEDED_CHUNKS[:1]
    patches: dict[int, bytes] = {}
    found: dict[bytes, bytes] = {}
    for chunk in chunks:
        if not chunk.name[0] & ANCILLARY or chunk.name in needed:
            continue
        content = window.read(chunk.at, chunk.length)
        found.setdefault(chunk.name, content)
        patches[chunk.at - 4] = IGNORED_CHUNK
        end = chunk.at + chunk.length
        if window.read(end, 4) == struct.pack(">I", zlib.crc32(chunk.name + content)):
            patches[end] = struct.pack(">I", zlib.crc32(IGNORED_CHUNK + content))
    info: dict[str, Any] = {"malformed": ()}
    for name, what, read in (
        (b"iCCP", "color profile", _read_profile),
        (b"pHYs", "resolution", _read_resolution),
    ):
        if name in found:
            try:
                info |= read(found[name])
            except (ValueError, zlib.error, struct.error):
                info["malformed"] += (MALFORMED_NOTE.format(what),)
    return Hidden(cast("BinaryIO", PatchedStream(stream, patches)), info)


def _read_profile(content: bytes) -> dict[str, Any]:
    """Return the profile of the chunk of a PNG, as Pillow keeps it."""
    _, packed = content.split(b"\0", 1)
    if packed[:1] != b"\0":
        raise ValueError("it is compressed in a way that is not known")
    decoder = zlib.decompressobj()
    profile = decoder.decompress(packed[1:], MAX_PROFILE_BYTES)
    if not decoder.eof:
        raise ValueError("it is cut off")
    return {"icc_profile": profile}


def _read_resolution(content: bytes) -> dict[str, Any]:
    """Return the resolution of the chunk of a PNG, as Pillow keeps it."""
    across, down, unit = struct.unpack(">IIB", content)
    if unit == 1:
        return {"dpi": (across * METERS_PER_INCH, down * METERS_PER_INCH)}
    return {"aspect": (across, down)}


HIDE = {"JPEG": hide_segments, "PNG": hide_chunks}
