"""JPEG XL: the boxes of a file and the header of its codestream (ISO/IEC 18181-1, annex D; -2)."""

from __future__ import annotations

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.structure import MAX_METADATA_BYTES, Structure, Window
from convcli.images.structure.boxes import read_boxes
from convcli.records import NamedTuple

START = b"\xff\x0a"  # of a codestream
HEADER_BYTES = 16_384  # at the start of a codestream, in which its header is
MAX_EXTRA_CHANNELS = 16
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # of width to height
# Numbers of which two bits choose one of four: an offset, and how many bits follow.
SIDES = ((1, 9), (1, 13), (1, 18), (1, 30))
PREVIEW_SIDES = ((1, 6), (65, 8), (321, 10), (1345, 12))
PREVIEW_EIGHTHS = ((16, 0), (32, 0), (1, 5), (33, 9))
WHOLE_BITS, REAL_BITS = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))
EXTRA_COUNTS = ((0, 0), (1, 0), (2, 4), (1, 12))
KINDS = ((0, 0), (1, 0), (2, 4), (18, 6))
SHIFTS = ((0, 0), (3, 0), (4, 0), (1, 3))
NAME_BYTES = ((0, 0), (0, 4), (16, 5), (48, 10))
FILTERS = ((1, 0), (0, 2), (3, 4), (19, 8))
ALPHA, SPOT, BLACK, FILTER = 0, 2, 4, 5  # kinds of extra channels
GRAY = 1  # a kind of color


class JxlHeader(NamedTuple):
    """What a codestream says of its pixels; the size is (H, W) before the orientation, 1 to 8."""

    size: Pair
    orientation: int = 1
    bits: int = 8
    is_real: bool = False
    has_alpha: bool = False
    is_gray: bool = False


class LowBits:
    """The bits of some bytes, the first of a byte being its lowest.

    Raises
    ------
    IndexError
        As they are read, at their end.
    """

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content, "little"), 8 * len(content)

    def read(self, count: int = 1) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            raise IndexError("the bits of a header end")
        value = self._value & (1 << count) - 1
        self._value >>= count
        self._left -= count
        return value

    def choose(self, choices: tuple[Pair, ...]) -> int:
        """Return a number of which two bits choose an offset and how many bits follow."""
        offset, count = choices[self.read(2)]
        return offset + self.read(count)


def read_structure(window: Window) -> Structure:
    """Read the header of the codestream, and what stands beside it.

    Raises
    ------
    ImageError
        If there is none, or it is of a kind that is not read.
    """
    header, metadata = read_header(window)
    held = 2 * window.size + 2 * metadata
    return Structure((header.size,), metadata, held, bits=header.bits)


def read_header(window: Window) -> tuple[JxlHeader, int]:
    """Return the header, and the bytes of metadata; errors as `read_structure`."""
    metadata, codestream = 0, b""
    if window.read(0, 2) == START:
        codestream = window.read(0, HEADER_BYTES)
    else:
        for box in read_boxes(window):
            if box.name in (b"jxlc", b"jxlp"):
                start = box.at + 4 * (box.name == b"jxlp")
                part = window.read(start, min(max(box.end - start, 0), HEADER_BYTES))
                codestream = codestream or part
            else:
                metadata += min(box.size, window.size)
        if metadata > MAX_METADATA_BYTES:
            raise window.excess(metadata, MAX_METADATA_BYTES, "bytes of metadata")
    if not codestream.startswith(START):
        raise ImageError(window.path, "cannot be decoded: it has no codestream")
    try:
        return _read_codestream(LowBits(codestream[2:]), window.path), metadata
    except IndexError as error:
        raise ImageError(window.path, "cannot be decoded: its header is cut off") from error


def _read_codestream(bits: LowBits, path: str) -> JxlHeader:
    header = JxlHeader(_read_size(bits))
    if bits.read():  # all is as by default
        return header
    if bits.read():
        header = header._replace(orientation=1 + bits.read(3))
        if bits.read():
            _read_size(bits)
        if bits.read():
            _skip_preview(bits)
        if bits.read():
            raise ImageError(path, "is an animation of JPEG XL, which is not read")
    is_real, depth = _read_depth(bits)
    bits.read()
    count = bits.choose(EXTRA_COUNTS)
    if count > MAX_EXTRA_CHANNELS:
        raise ImageError(
            path, f"has {count} more channels than colors; {MAX_EXTRA_CHANNELS} may be"
        )
    has_alpha = False
    for _ in range(count):
        kind, is_associated = _read_extra(bits)
        if kind == BLACK or is_associated:
            what = "inks" if kind == BLACK else "colors that are multiplied by its alpha"
            raise ImageError(path, f"is a JPEG XL of {what}, which is not read")
        has_alpha |= kind == ALPHA
    bits.read()
    is_gray = not bits.read() and bits.read() >= 0 and bits.choose(KINDS) == GRAY
    return header._replace(bits=depth, is_real=is_real, has_alpha=has_alpha, is_gray=is_gray)


def _read_size(bits: LowBits) -> Pair:
    is_small = bits.read()
    height = 8 * (bits.read(5) + 1) if is_small else bits.choose(SIDES)
    ratio = bits.read(3)
    if ratio:
        across, down = RATIOS[ratio - 1]
        return height, height * across // down
    return height, 8 * (bits.read(5) + 1) if is_small else bits.choose(SIDES)


def _skip_preview(bits: LowBits) -> None:
    sides = PREVIEW_EIGHTHS if bits.read() else PREVIEW_SIDES
    bits.choose(sides)
    if not bits.read(3):
        bits.choose(sides)


def _read_depth(bits: LowBits) -> tuple[bool, int]:
    """Return whether values are real numbers, and their bits."""
    is_real = bool(bits.read())
    depth = bits.choose(REAL_BITS if is_real else WHOLE_BITS)
    if is_real:
        bits.read(4)
    return is_real, depth


def _read_extra(bits: LowBits) -> tuple[int, bool]:
    """Return the kind of a channel beside the colors, and whether they are multiplied by it."""
    if bits.read():  # alpha, as by default
        return ALPHA, False
    kind = bits.choose(KINDS)
    _read_depth(bits)
    bits.choose(SHIFTS)
    bits.read(8 * bits.choose(NAME_BYTES))
    is_associated = kind == ALPHA and bool(bits.read())
    if kind == SPOT:
        bits.read(64)
    elif kind == FILTER:
        bits.choose(FILTERS)
    return kind, is_associated
