"""Netpbm: PBM, PGM and PPM, plain or raw, PAM and PFM, of any maxval, and several in one file.

Values are scaled so that maxval is white, in 8 bits up to a maxval of 255, in 16 above it. The
pictures of a file are its pages: a stream of them, as `ffmpeg -f image2pipe` writes it, is read in
turn. For the formats see `structure.netpbm`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from convcli.errors import ImageError
from convcli.images import (
    DamagedFrameError,
    FrameSource,
    Header,
    Picture,
    ReadSettings,
    Values,
    excess_pixels,
    pillow,
)
from convcli.images.color import row_slices
from convcli.images.damage import KEEP_ADVICE
from convcli.images.structure import Structure, Window
from convcli.images.structure.netpbm import Heading, read_headings

MAX_DIGITS = 9  # of a number in text
MAX_NUMBER_BYTES = 4096  # that are not divided between blocks
BLOCK_BYTES = 1 << 18  # of text, whose numbers are found at once
TEXT_BYTES = 24 << 20  # that finding them takes
SPACE, DIGIT, OTHER = range(3)
# The second character of a file by its format and the number of values of a pixel.
KINDS = {
    "PPM": {3: "6"},
    "PNM": {1: "5", 3: "6"},
    "PGM": {1: "5"},
    "PBM": {1: "4"},
    "PAM": dict.fromkeys(range(1, 5), "7"),
}
PAM_TUPLES = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")
_COMMENT = re.compile(rb"#[^\r\n]*+")
_CLASSES = np.full(256, OTHER, np.uint8)
_CLASSES[list(b" \t\n\v\f\r")] = SPACE
_CLASSES[list(b"0123456789")] = DIGIT


def open_netpbm(
    stream: BinaryIO,
    path: str,
    settings: ReadSettings,
    _: Structure,
) -> FrameSource:
    """Return the pictures of a file, whose headers are all read.

    Raises
    ------
    ImageError
        If the first header is broken, or says more pixels than allowed.
    """
    with pillow.decoder_errors(path):
        headings = read_headings(Window(stream, path))
    if math.prod(headings[0].size) > settings.max_pixels:
        raise excess_pixels(headings[0].size, path, settings.max_pixels)

    def decode(index: int) -> Picture:
        heading = headings[index]
        if math.prod(heading.size) > settings.max_pixels:
            raise excess_pixels(heading.size, path, settings.max_pixels)
        with pillow.decoder_errors(path):
            values, damage, notes = _read_values(stream, path, heading)
        if damage is not None:
            where = f"frame {index} " if len(headings) > 1 else ""
            if not settings.keep_damaged:
                raise ImageError(path, f"{where}is damaged: {damage}; {KEEP_ADVICE}")
            if index:
                raise DamagedFrameError(path, f"frame {index} is damaged: {damage}")
            notes.append(f"is damaged: {damage}")
        picture = _to_picture(values, heading, tuple(notes))
        if heading.is_real:
            pillow.check_finite(picture.values, path, allows_nan=settings.allows_nan)
        return picture

    return FrameSource(
        *(path, len(headings), decode, _to_header(headings[0]), "PPM"),
        decode_header=lambda index: _to_header(headings[index]),
        sizes=tuple(heading.size for heading in headings),
        held_bytes=TEXT_BYTES if any(heading.is_text for heading in headings) else 0,
    )


def _to_header(heading: Heading) -> Header:
    """Return the header of the picture that will be read."""
    shape = *heading.size, heading.bands - heading.has_alpha
    depth = None if heading.is_real else 8 if heading.maxval < 256 else 16
    return Header(shape, _stored_type(heading).newbyteorder("="), depth, heading.has_alpha)


def _stored_type(heading: Heading) -> np.dtype[Any]:
    """Return the type of a value in the file."""
    if heading.is_real:
        return np.dtype("<f4" if heading.scale < 0 else ">f4")
    return np.dtype("u1" if heading.maxval < 256 else ">u2")


def _to_picture(values: Values, heading: Heading, notes: tuple[str, ...]) -> Picture:
    """Return (H, W, C) of the type in which they are read as a picture."""
    depth = _to_header(heading).depth
    if heading.values:
        bands = f"filtered as {heading.bands} bands"
        notes = (*notes, f"holds values of the kind {heading.values!r}, {bands}")
    if abs(heading.scale) != 1:
        notes = (*notes, f"says a scale of {abs(heading.scale):g}, by which nothing is multiplied")
    if not heading.has_alpha:
        return Picture(values, depth, notes=notes)
    colors, alpha = pillow.split_alpha(values)
    return Picture(colors, depth, alpha, notes=notes)


def _read_values(
    stream: BinaryIO, path: str, heading: Heading
) -> tuple[Values, str | None, list[str]]:
    """Return the values of a picture, (H, W, C), how they are damaged, and notes.

    Raises
    ------
    ImageError
        If not a single row is there.
    """
    height, width = heading.size
    stream.seek(heading.start)
    if heading.is_text:
        values, found, above, cause = _read_text(stream, heading)
        rows = found // (width * heading.bands)
    else:
        values, rows, above = _read_raw(stream, heading)
        cause = "its data end"
    notes = []
    if above:
        notes.append(f"holds {above:,} values above its maxval {heading.maxval}; they become white")
    if rows == height:
        return values, None, notes
    damage = f"{cause} after row {rows} of {height}"
    if rows == 0:
        raise ImageError(path, f"is damaged: {damage}")
    return values, damage, notes


def _read_raw(stream: BinaryIO, heading: Heading) -> tuple[Values, int, int]:
    """Return the values of a raw picture, how many of its rows are there, and values above maxval.

    What is not there is 0.
    """
    height, width = heading.size
    stored = _stored_type(heading)
    shape = height, width, heading.bands
    if heading.has_bits:
        bits: Values = np.zeros((height, heading.row_bytes), np.uint8)
        rows = _read_into(stream, bits) // heading.row_bytes
        values: Values = np.zeros(shape, np.uint8)
        for part in row_slices(values):
            unpacked = np.unpackbits(bits[part], axis=1, count=width)
            values[part, :, 0] = 255 * (1 - unpacked)
        values[rows:] = 0
        return values, rows, 0
    values = np.zeros(shape, stored)
    rows = _read_into(stream, values) // heading.row_bytes
    if not stored.isnative:
        values = values.byteswap(inplace=True).view(stored.newbyteorder("="))
    if heading.is_real:
        return values[::-1], rows, 0
    flat = values.reshape(-1)
    return values, rows, _scale(flat, heading.maxval)


def _read_into(stream: BinaryIO, values: Values) -> int:
    """Fill an array with the next bytes of a stream; return how many there are."""
    count = stream.readinto(values.data.cast("B"))  # type: ignore[attr-defined]
    return int(count)


def _scale(values: Values, maxval: int) -> int:
    """Scale values in place so that maxval is white; return how many are above it."""
    white = np.iinfo(values.dtype).max
    if maxval == white:
        return 0
    levels = np.full(white + 1, white, values.dtype)
    levels[: maxval + 1] = np.rint(np.arange(maxval + 1) * float(white) / maxval)
    above = 0
    for part in row_slices(values):
        above += int(np.count_nonzero(values[part] > maxval))
        values[part] = levels[values[part]]
    return above


def _read_text(stream: BinaryIO, heading: Heading) -> tuple[Values, int, int, str]:
    """Return the values of a plain picture, how many there are, how many are above maxval.

    The last of the results says why no more are there.
    """
    count = math.prod((*heading.size, heading.bands))
    dtype = _stored_type(heading).newbyteorder("=")
    values: Values = np.zeros(count, dtype)
    found = above = 0
    cause = "its data end"
    find_numbers = _find_bits if heading.has_bits else _find_numbers
    white = np.iinfo(dtype).max
    for text in _text_blocks(stream, heading):
        numbers, is_all = find_numbers(text)
        numbers = numbers[: count - found]
        above += int(np.count_nonzero(numbers > heading.maxval))
        values[found : found + len(numbers)] = np.minimum(numbers, white)
        found += len(numbers)
        if found == count:
            break
        if not is_all:
            cause = "its text is no number"
            break
    if heading.has_bits:
        values[:found] = 255 * (1 - values[:found])
        above = 0
    else:
        _scale(values, heading.maxval)
    return values.reshape(*heading.size, heading.bands), found, above, cause


def _text_blocks(stream: BinaryIO, heading: Heading) -> Iterator[Values]:
    """Yield the text of a plain picture without comments; no number is divided between blocks."""
    size, is_comment, held = heading.end - heading.start, False, b""
    while size > 0 and (block := stream.read(min(BLOCK_BYTES, size))):
        size -= len(block)
        block = b"#" * is_comment + block
        last_line = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        is_comment = b"#" in block[last_line:]
        text = held + _COMMENT.sub(b"", block)
        whole = len(text)
        if size > 0 and not heading.has_bits:
            whole = len(text.rstrip(b"0123456789"))
        held = text[whole:]
        if len(held) > MAX_NUMBER_BYTES:
            whole, held = len(text), b""
        yield np.frombuffer(text, np.uint8, whole)


def _find_bits(text: Values) -> tuple[Values, bool]:
    """Return the digits of some text, with or without white space, and whether it has no other."""
    classes = _CLASSES[text]
    is_other = (classes == OTHER) | (classes == DIGIT) & (text > ord("1"))
    end = int(is_other.argmax()) if is_other.any() else len(text)
    digits = text[:end][classes[:end] == DIGIT]
    return digits - ord("0"), end == len(text)


def _find_numbers(text: Values) -> tuple[Values, bool]:
    """Return the numbers in some text, and whether nothing but white space is between them.

    >>> _find_numbers(np.frombuffer(b" 12 0345 6", np.uint8))[0].tolist()
    [12, 345, 6]
    """
    classes = _CLASSES[text]
    others = classes == OTHER
    end = int(others.argmax()) if others.any() else len(text)
    is_digit = np.zeros(end + 2, np.int8)
    is_digit[1:-1] = classes[:end] == DIGIT
    edges = np.flatnonzero(np.diff(is_digit))
    starts, ends = edges[::2], edges[1::2]
    lengths = ends - starts
    if lengths.size and int(lengths.max()) > MAX_DIGITS:
        first = int((lengths > MAX_DIGITS).argmax())
        numbers, _ = _find_numbers(text[: starts[first]])
        return numbers, False
    numbers = np.zeros(len(ends), np.int64)
    for place in range(int(lengths.max()) if lengths.size else 0):
        is_longer = lengths > place
        digits = text[ends[is_longer] - 1 - place].astype(np.int64) - ord("0")
        numbers[is_longer] += digits * 10**place
    return numbers, end == len(text)


def write_netpbm(stream: BinaryIO, pixels: Values, image_format: str) -> None:
    """Encode (H, W, C) of uint8 or uint16 as one of `KINDS`; alpha is last, PBM is black or white.

    A file of several pictures is one after the other.
    """
    height, width, bands = pixels.shape
    kind, maxval = KINDS[image_format][bands], np.iinfo(pixels.dtype).max
    if kind == "7":
        fields = {"WIDTH": width, "HEIGHT": height, "DEPTH": bands, "MAXVAL": maxval}
        lines = (f"{name} {value}" for name, value in fields.items())
        header = "\n".join(["P7", *lines, f"TUPLTYPE {PAM_TUPLES[bands - 1]}", "ENDHDR"])
    else:
        header = f"P{kind}\n{width} {height}" + ("" if kind == "4" else f"\n{maxval}")
    stream.write(header.encode() + b"\n")
    for part in row_slices(pixels):
        rows = np.ascontiguousarray(pixels[part])
        if kind == "4":
            rows = np.packbits(rows[:, :, 0] == 0, axis=1)
        elif pixels.dtype == np.uint16:
            rows = rows.astype(">u2")
        stream.write(rows.data)
