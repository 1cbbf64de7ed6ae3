"""The chunks of PNG and APNG (PNG specification, third edition, 5.3 and 11)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

from convcli.images import Metadata, Translation
from convcli.images.structure import MAX_FRAMES, MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.tiff import check_exif
from convcli.records import NamedTuple

MAX_CHUNKS = 100_000  # and one for each kilobyte: libpng writes 8 of them in a chunk
MAX_EXPANDED_BYTES = 256 << 20  # to which compressed chunks may expand in the decoder
MAX_TEXT_BYTES = 1 << 20  # that Pillow expands of one chunk; and of EXIF in text
MAX_EXPANSION = 1032  # of deflate
MAX_ANIMATION = 1 << 31  # frames; more is no animation to Pillow
SIGNATURE_BYTES, FRAME_BYTES = 8, 12  # before the chunks; of a chunk around its content
PIXELS = (b"IDAT", b"fdAT")
TEXTS = {b"tEXt": "latin-1", b"zTXt": "latin-1", b"iTXt": "utf-8"}
COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")
COLORS = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"mDCV": 24}  # and their bytes
# Before the pixels: how they are stored, how many frames they are, and what colors they stand for.
HEAD = (b"IHDR", b"PLTE", b"tRNS", b"acTL", *COLORS)
MIN_CHUNK_BYTES = {b"pHYs": 9, b"acTL": 8} | {
    name: size for name, size in COLORS.items() if name in (b"sRGB", b"gAMA", b"cHRM")
}
MAX_NAME_BYTES = 79  # of a text or a profile
MAX_HEAD_BYTES = 768  # of such a chunk: a palette of 256 colors
EXIF_TEXT = b"Raw profile type exif\0"
DEFAULT_DELAY_UNITS = 100  # a second, of a delay that does not say
_CONTROL = struct.Struct(">5I2H2B")
_NAME = re.compile(rb"\w{4}")


class Chunk(NamedTuple):
    """A chunk: its name, and where its content is."""

    name: bytes
    at: int
    length: int


def read_structure(window: Window) -> Structure:
    """Walk the chunks up to the end, or to what is no chunk."""
    size, frames = (0, 0), 1
    metadata, largest, end = 0, 0, SIGNATURE_BYTES
    for chunk in iterate_chunks(window):
        largest = max(largest, chunk.length)
        end = chunk.at + chunk.length + FRAME_BYTES - 8
        if chunk.name == b"IHDR" and chunk.length >= 13:
            size = struct.unpack(">II", window.read(chunk.at, 8))[::-1]
        elif chunk.name == b"acTL" and chunk.length >= 8:
            count = struct.unpack(">I", window.read(chunk.at, 4))[0]
            if MAX_FRAMES < count <= MAX_ANIMATION:
                raise window.excess(count, MAX_FRAMES, "frames")
            frames = count if 0 < count <= MAX_ANIMATION else frames
        elif chunk.name not in (*PIXELS, b"fcTL"):
            metadata = window.count("bytes of metadata", chunk.length, MAX_METADATA_BYTES)
            _check_metadata(window, chunk)
    is_whole = window.read(end + 4, 4) == b"IEND"
    held_bytes, following = 2 * metadata + largest, end + FRAME_BYTES if is_whole else None
    return Structure((size,) * frames, metadata, held_bytes, end=following)


def iterate_chunks(window: Window) -> Iterator[Chunk]:
    """Yield the chunks before the last, IEND, or before what is none.

    Raises
    ------
    ImageError
        If they are more than a picture of that size has.
    """
    at, count = SIGNATURE_BYTES, 0
    limit = MAX_CHUNKS + window.size // 1000
    while len(start := window.read(at, 8)) == 8:
        length, name = struct.unpack(">I4s", start)
        at += 8
        if name == b"IEND" or not _NAME.match(name) or at + length > window.size:
            break
        count += 1
        if count > limit:
            raise window.excess(count, limit, "chunks")
        yield Chunk(name, at, length)
        at += length + FRAME_BYTES - 8


def _check_metadata(window: Window, chunk: Chunk) -> None:
    """Check a chunk beside the pixels, and count the bytes to which the decoder may expand it.

    EXIF may be a chunk of its own, or text in hexadecimal.
    """
    if chunk.name in COMPRESSED:
        expanded = min(chunk.length * MAX_EXPANSION, MAX_TEXT_BYTES)
        window.count("bytes of text, once expanded,", expanded, MAX_EXPANDED_BYTES)
    if chunk.name == b"eXIf":
        check_exif(window.read(chunk.at, chunk.length), window)
    elif chunk.name in (b"tEXt", b"zTXt") and window.read(chunk.at, len(EXIF_TEXT)) == EXIF_TEXT:
        text = window.read(chunk.at + len(EXIF_TEXT), chunk.length - len(EXIF_TEXT))
        with suppress(ValueError, zlib.error):  # which the decoder meets, too
            if chunk.name == b"zTXt":
                text = zlib.decompressobj().decompress(text[1:], MAX_TEXT_BYTES)
            window.count("digits of EXIF", len(text), MAX_TEXT_BYTES)
            lines = text.decode("latin-1").split("\n")[3:]
            check_exif(bytes.fromhex("".join(lines)), window)


class FrameControl(NamedTuple):
    """What a file says of a frame of an animation (11.3.6.2), and where its pixels are.

    Parameters
    ----------
    number : int
        Its place in the order of all chunks of frames.
    width, height, left, top : int
        Of the rectangle that it draws.
    delay_ms : Fraction
        For how long it is shown.
    disposal : int
        What becomes of the rectangle before the next frame.
    blending : int
        Whether it is laid over what is there.
    at : int
        Where the chunks after it start.
    """

    number: int
    width: int
    height: int
    left: int
    top: int
    delay_ms: Fraction
    disposal: int
    blending: int
    at: int


class Animation(NamedTuple):
    """The frames of an animation.

    Parameters
    ----------
    frame_count : int
        How many there are, as the file says.
    loop : int
        How often it plays; 0 is for ever.
    frames : tuple of FrameControl
        Those that are there.
    still_at : int, optional
        Where the pixels of a still picture are that is no frame.
    data_bytes : int
        The most that the chunks of one frame hold.
    """

    frame_count: int
    loop: int
    frames: tuple[FrameControl, ...]
    still_at: int | None
    data_bytes: int


def read_animation(window: Window) -> Animation | None:
    """Find the frames of an animation; None for a picture, and where the file does not say."""
    controls, still_at, frames = [], None, list[FrameControl]()
    held = largest = 0
    for chunk in iterate_chunks(window):
        if chunk.name == b"acTL" and chunk.length >= 8:
            controls.append(struct.unpack(">II", window.read(chunk.at, 8)))
        elif chunk.name == b"fcTL" and chunk.length >= _CONTROL.size:
            frames.append(_read_control(window, chunk))
            held = 0
        elif chunk.name == b"IDAT" and not controls:
            return None
        elif chunk.name == b"IDAT" and not frames and still_at is None:
            still_at = chunk.at - 8
        held += chunk.length if chunk.name in PIXELS else 0
        largest = max(largest, held)
    if len(controls) != 1 or not 0 < controls[0][0] <= MAX_ANIMATION:
        return None
    count, loop = controls[0]
    return Animation(count, loop, (*frames[:count],), still_at, largest)


def _read_control(window: Window, chunk: Chunk) -> FrameControl:
    content = window.read(chunk.at, _CONTROL.size)
    number, *box, numerator, denominator, disposal, blending = _CONTROL.unpack(content)
    width, height, left, top = box
    delay_ms = Fraction(1000 * numerator, denominator or DEFAULT_DELAY_UNITS)
    end = chunk.at + chunk.length + FRAME_BYTES - 8
    return FrameControl(number, width, height, left, top, delay_ms, disposal, blending, end)


def read_pixels(window: Window, at: int, number: int | None = None) -> tuple[bytes, int]:
    """Join the data of a frame, up to those of the next one or the end of the file.

    Returns also the number of the next chunk of a frame: 1 after pixels whose chunks have none.

    Parameters
    ----------
    window : Window
    at : int
        Where its chunks start.
    number : int, optional
        Of the first of its chunks, where they have numbers; otherwise they are IDAT.

    Raises
    ------
    ValueError
        If they are not in order.
    """
    parts = []
    while len(start := window.read(at, 8)) == 8:
        length, name = struct.unpack(">I4s", start)
        if name in (b"fcTL", b"IEND") or not _NAME.match(name):
            break
        if name == b"IDAT" and number is None:
            parts.append(window.read(at + 8, length))
        elif name == b"fdAT" and number is not None:
            content = window.read(at + 8, length)
            if content[:4] != struct.pack(">I", number):
                raise ValueError("the chunks of its frames are out of order")
            parts.append(content[4:])
            number += 1
        at += length + FRAME_BYTES
    return b"".join(parts), 1 if number is None else number


def read_head(window: Window) -> dict[bytes, bytes]:
    """Return the content of the chunks before the pixels that say what these are, by their names.

    Of several of a name, the first is taken.
    """
    head: dict[bytes, bytes] = {}
    for chunk in iterate_chunks(window):
        if chunk.name in PIXELS:
            break
        if chunk.name in HEAD and chunk.length <= MAX_HEAD_BYTES:
            head.setdefault(chunk.name, window.read(chunk.at, chunk.length))
    return head


class Beside(NamedTuple):
    """What the chunks of a PNG hold beside its pixels.

    Parameters
    ----------
    metadata : Metadata
        EXIF and texts, as they are.
    left_out : int
        Bytes of those that do not fit.
    malformed : int
        The number of texts that cannot be read.
    is_malformed : bool
        Whether one of the chunks is none of its kind.
    """

    metadata: Metadata
    left_out: int = 0
    malformed: int = 0
    is_malformed: bool = False


def read_metadata(window: Window, max_bytes: int) -> Beside:
    """Return EXIF and texts, wherever they are, as many as fit."""
    exif, left_out, malformed, is_malformed = b"", 0, 0, False
    texts: dict[str, str] = {}
    translations: list[Translation] = []
    for chunk in iterate_chunks(window):
        if chunk.name == b"eXIf" and not exif:
            if chunk.length > max_bytes:
                left_out += chunk.length
            else:
                exif = window.read(chunk.at, chunk.length)
        if chunk.name not in TEXTS:
            is_malformed = is_malformed or _is_malformed(window, chunk)
            continue
        try:
            text = _split_text(chunk.name, window.read(chunk.at, chunk.length))
            size = sum(map(len, text))
            value = text.value.decode(TEXTS[chunk.name])
            translation = Translation(
                *(text.name.decode("latin-1"), value),
                *(text.language.decode("latin-1"), text.translated_name.decode()),
            )
        except (ValueError, zlib.error):
            malformed += 1
            continue
        if size > max_bytes:
            left_out += size
        elif translation.name:
            if translation.language:
                translations.append(translation)
            else:
                texts[translation.name] = value
            max_bytes -= size
    metadata = Metadata(exif, text=texts, translations=tuple(translations))
    return Beside(metadata, left_out, malformed, is_malformed or malformed > 0)


def _is_malformed(window: Window, chunk: Chunk) -> bool:
    """Whether a chunk beside the pixels is shorter than those of its name, or packed unknown."""
    if chunk.name == b"iCCP":
        start = window.read(chunk.at, min(chunk.length, MAX_NAME_BYTES + 2))
        return start.partition(b"\0")[2][:1] != b"\0"
    return chunk.length < MIN_CHUNK_BYTES.get(chunk.name, 0)


class Text(NamedTuple):
    """The parts of a text as they are stored, but expanded."""

    name: bytes
    value: bytes
    language: bytes = b""
    translated_name: bytes = b""


def _split_text(kind: bytes, content: bytes) -> Text:
    """Return the parts of a text, the value expanded as far as the decoder does.

    Raises
    ------
    ValueError, zlib.error
        If it is malformed.
    """
    name, value = content.split(b"\0", 1)
    is_compressed = kind == b"zTXt"
    language = translated_name = b""
    if is_compressed:
        value = value[1:]
    elif kind == b"iTXt":
        is_compressed = value[:1] != b"\0"
        language, translated_name, value = value[2:].split(b"\0", 2)
    if is_compressed:
        value = zlib.decompressobj().decompress(value, MAX_TEXT_BYTES)
    return Text(name, value, language, translated_name)
