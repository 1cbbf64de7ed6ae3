"""The headers of Netpbm's formats: PBM, PGM and PPM, plain or raw, PAM and PFM.

Any of them but the plain ones may be followed by another, as `cat` and encoders of video make them.
A comment, from `#` to the end of its line, may stand wherever a header has white space. Sources:
pbm(5), pgm(5), ppm(5), pam(5) and pfm(5) of Netpbm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.structure import MAX_FRAMES, SMALL_BYTES, Window
from convcli.records import NamedTuple

MAX_HEADER_BYTES = 1 << 20  # which may be comments
MAX_HEADERS_BYTES = 4 << 20  # of all pictures
MAX_MAXVAL = 65_535
MAX_BANDS = 64
MAX_GAP_BYTES = SMALL_BYTES  # of white space between pictures
BIT_KINDS, TEXT_KINDS = "14", "123"
FLOAT_BANDS = {"f": 1, "F": 3}
BANDS = {"1": 1, "2": 1, "3": 3, "4": 1, "5": 1, "6": 3, **FLOAT_BANDS}
# The values of a pixel of PAM by their kind, and whether the last is alpha.
TUPLES = {
    kind + end: (count + bool(end), bool(end))
    for kind, count in (("BLACKANDWHITE", 1), ("GRAYSCALE", 1), ("RGB", 3))
    for end in ("", "_ALPHA")
}
SHOWN_KIND = 40  # characters of a kind of values that is quoted

_COMMENT = rb"#[^\r\n]*+[\r\n]"
_GAP = rb"(?:\s|" + _COMMENT + rb")++"
_SIZE = rb"P([1-6fF])" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})"
# One white space stands between a header and the pixels.
_HEADER = re.compile(
    rb"(?=P[14])" + _SIZE + rb"(?:\s|" + _COMMENT + rb")|"
    rb"(?=P[2356fF])" + _SIZE + _GAP + rb"([^\s#]++)(?:\s|" + _COMMENT + rb")"
)
_PAM_LINE = re.compile(rb"[ \t]*+(?:([A-Z]++)(?:[ \t]++([^\r\n]*+))?+|#[^\r\n]*+)?+\r?\n")
_START = re.compile(rb"P(?:[1-6fF][\s#]|7\r?\n)")


class Heading(NamedTuple):
    """What stands before the pixels of a picture.

    Parameters
    ----------
    kind : str
        The second character of the file.
    size : (height, width)
    bands : int
        Values of a pixel, alpha included.
    start, end : int
        Where its pixels are. Of plain ones the end is that of the text in which they are; of raw
        ones it may lie beyond the end of the file.
    maxval : int
        The value of white, as the file has it.
    has_alpha : bool
        Whether the last value is alpha.
    scale : float
        Of real numbers: negative if their least significant byte is the first.
    values : str
        Of PAM, the kind of values if it is not one of `TUPLES`.
    """

    kind: str
    size: Pair
    bands: int
    start: int
    end: int
    maxval: int = 1
    has_alpha: bool = False
    scale: float = 1.0
    values: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the values are written as text."""
        return self.kind in TEXT_KINDS

    @property
    def has_bits(self) -> bool:
        """Whether a value is a bit, of which 1 is black."""
        return self.kind in BIT_KINDS

    @property
    def is_real(self) -> bool:
        """Whether the values are real numbers, whose last row is the first."""
        return self.kind in FLOAT_BANDS

    @property
    def row_bytes(self) -> int:
        """The size of a row of a raw picture."""
        count = self.size[1] * self.bands
        if self.has_bits:
            return -(-count // 8)
        return count * (4 if self.is_real else 1 if self.maxval < 256 else 2)


def read_headings(window: Window) -> list[Heading]:
    """Return the headings of all pictures of a file.

    Raises
    ------
    ImageError
        If they are too many, or a header is longer than any.
    ValueError
        If the first one is broken; a later one that is broken, and junk, end the list.
    """
    headings = [_read_heading(window, 0)]
    while (following := _find_next(window, headings[-1].end)) is not None:
        try:
            heading = _read_heading(window, following)
        except ValueError:
            break
        headings.append(heading)
        if len(headings) > MAX_FRAMES:
            raise window.excess(len(headings), MAX_FRAMES, "frames")
    return headings


def _find_next(window: Window, at: int) -> int | None:
    """Return where a picture starts after white space, if one does."""
    content = window.read(at, MAX_GAP_BYTES)
    rest = content.lstrip()
    return at + len(content) - len(rest) if _START.match(rest) else None


def _read_heading(window: Window, at: int) -> Heading:
    """Read the header of the picture at a position."""
    for count in (SMALL_BYTES, MAX_HEADER_BYTES):
        content = window.read(at, count)
        is_pam = content.startswith(b"P7")
        heading = _parse_pam(content, at) if is_pam else _parse_header(content, at)
        if heading is not None:
            length = heading.start - at
            window.count("bytes of headers", length, MAX_HEADERS_BYTES)
            return _find_end(window, heading)
    if window.size - at > MAX_HEADER_BYTES:
        raise ImageError(window.path, f"has no header in its first {MAX_HEADER_BYTES:,} bytes")
    raise ValueError("its header is cut short or broken")


def _find_end(window: Window, heading: Heading) -> Heading:
    """Return a heading with the end of its pixels."""
    height, width = heading.size
    if min(height, width) < 1:
        raise ValueError(f"its size is {width}x{height}")
    if not 1 <= heading.maxval <= MAX_MAXVAL:
        raise ValueError(f"its maxval is {heading.maxval:,}; it is 1 to {MAX_MAXVAL:,}")
    if not 1 <= heading.bands <= MAX_BANDS:
        raise ValueError(f"it has {heading.bands:,} values a pixel; the most is {MAX_BANDS}")
    # No line of numbers starts with a letter, and a comment ends with its line.
    end = (
        min(window.find(b"\nP", heading.start) + 1, window.size)
        if heading.is_text
        else heading.start + height * heading.row_bytes
    )
    return heading._replace(end=end)


def _parse_header(content: bytes, at: int) -> Heading | None:
    """Return the heading of any kind but PAM, whose end is not known; None if it goes on."""
    match = _HEADER.match(content)
    if match is None:
        return None
    kind, width, height, *maxval = (part for part in match.groups() if part is not None)
    heading = Heading(
        kind.decode(), (int(height), int(width)), BANDS[kind.decode()], at + match.end(), 0
    )
    if not maxval:
        return heading
    text = maxval[0].decode("ascii", "replace")[:SHOWN_KIND]
    if heading.is_real:
        scale = float(text)
        if not math.isfinite(scale) or scale == 0:
            raise ValueError(f"its scale is {scale}")
        return heading._replace(scale=scale)
    if not text.isdigit():
        raise ValueError(f"its maxval is {text!r}")
    return heading._replace(maxval=int(text))


def _parse_pam(content: bytes, at: int) -> Heading | None:
    """Return the heading of a PAM, as `_parse_header`."""
    numbers: dict[str, int] = {}
    kinds: list[str] = []
    for name, value, end in _pam_lines(content):
        if name == "ENDHDR":
            missing = {"WIDTH", "HEIGHT", "DEPTH", "MAXVAL"} - numbers.keys()
            if missing:
                raise ValueError(f"its header lacks {', '.join(sorted(missing))}")
            size = numbers["HEIGHT"], numbers["WIDTH"]
            bands, kind = numbers["DEPTH"], " ".join(kinds)
            is_known = kind in TUPLES and TUPLES[kind][0] == bands
            return Heading(
                *("7", size, bands, at + end, 0, numbers["MAXVAL"]),
                has_alpha=is_known and TUPLES[kind][1],
                values="" if is_known else kind[:SHOWN_KIND],
            )
        if name == "TUPLTYPE":
            kinds.append(value)
        elif name:
            if not (value.isdigit() and len(value) <= 10):
                raise ValueError(f"its {name[:SHOWN_KIND]} is {value[:SHOWN_KIND]!r}")
            numbers[name] = int(value)
    return None


def _pam_lines(content: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield name, value and end of each line; the name of a comment is empty."""
    at = 2  # after P7
    while match := _PAM_LINE.match(content, at):
        at = match.end()
        name, value = (part or b"" for part in match.groups())
        yield name.decode(), value.decode("ascii", "replace").strip(), at
