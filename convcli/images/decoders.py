"""Decoders that hand their data on to Pillow's, and find out whether all of them were there.

A decoder that is given less data than its picture needs mostly leaves the rest black or gray and
reports no error. How that is seen, at no cost of time:

- PNG: the row that is written last holds a pattern before, which must be gone after.
- GIF: the blocks of a frame must not end before its rows do.
- JPEG: after the data of a scan, in place of the marker that follows, the decoder is given bits
  that are no code. If all blocks were there it skips them, otherwise it takes them for data; so it
  is at the first restart markers of a scan. Not seen are the loss of less than two blocks of 8x8,
  or five in a picture that is not small, and bytes that were changed without a change in the number
  of blocks: JPEG has no checksums. Nor has GIF or BMP.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile

if TYPE_CHECKING:
    from convcli.images.damage import DecodingWatch

CODEC = "convcli"  # the name by which Pillow finds these decoders
END = b"\0"  # what they are given after the end of the file
SURPLUS = "it holds more data than its pixels need"
EARLY_END = "its data end early"
DONE = (-1, 0)  # what a decoder returns at its end
PATTERN_PIXELS = 32
CERTAIN_PATTERN_BITS = 64  # of a row that has as many, none is like the pattern by chance
MIN_PATTERN_BITS = 24  # of a row in an animation, which cannot be decoded on another pattern
# Of JPEG:
EOI = b"\xff\xd9"
RESTART, START_OF_SCAN = 0xD0, 0xDA
STANDALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length
PROGRESSIVE = 0xC2
HUFFMAN = {0xC0, 0xC1, PROGRESSIVE}
FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
MARKER = re.compile(rb"\xff([\x01-\xfe])")
SCAN_END = re.compile(rb"\xff[^\0\xff\xd0-\xd7]")
RESTART_OR_END = re.compile(rb"\xff[^\0\xff]")
SCAN_UNITS = re.compile(rb"\xff+.|.", re.DOTALL)
NO_CODE = b"\xff\0"  # eight bits of one, of which no code is made
LOOKAHEAD = 8  # bytes beyond the last code that libjpeg wants to have
SPARE_BYTES = 8  # more of them: some encoders leave out the end of a last block
MAX_SMALL_PIXELS = 64 * 64  # of a picture of which no block is spared
MIN_SCAN_HEADER_BYTES = 6
TAIL_BYTES = 16  # of a scan, looked at one by one
MAX_SURPLUS = 2  # bytes that encoders may leave after the last block
MAX_CHECKED_RESTARTS = 32  # each takes time: libjpeg is slow near the end of what it is given


class Decoder(ImageFile.PyDecoder):
    """Hands its data on to a decoder of Pillow's.

    Parameters
    ----------
    mode : str
    watch : DecodingWatch
        Is told of damage.
    codec, arguments
        Of the other decoder, as in Pillow's tiles.
    *extra
        More arguments that Pillow adds to those of the tile.
    """

    def __init__(
        self, mode: str, watch: DecodingWatch, codec: str, arguments: Any, *extra: Any
    ) -> None:
        super().__init__(mode)
        self._watch, self._arguments, self._extra = watch, arguments, extra
        self._inner: Any = Image._getdecoder(mode, codec, arguments, extra)  # noqa: SLF001

    @property
    def pulls_fd(self) -> bool:
        """Whether the other decoder reads the file by itself."""
        return bool(self._inner.pulls_fd)

    def setfd(self, fd: Any) -> None:
        """Give the file to the other decoder."""
        self._inner.setfd(fd)

    def setimage(self, im: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        """Give the picture and the place in it to the other decoder."""
        super().setimage(im, extents)
        fill = self._watch.background.fill
        if fill is not None:
            im.paste((fill,) * im.bands if im.bands > 1 else fill, self.state.extents())
            self._watch.ground_pixel = im.getpixel((self.state.xoff, self.state.yoff))
        self._inner.setimage(im, extents)

    def cleanup(self) -> None:
        """Release what the other decoder holds."""
        self._inner.cleanup()

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode more data; return `DONE` at the end of the picture or of what is there of it."""
        watch = self._watch
        try:
            consumed, error = self._end() if watch.is_at_end else self._feed(buffer)
        except ValueError:  # of the decoders that are written in Python
            consumed, error = -1, -2
            if not watch.keeps_damaged:
                raise
        if error < 0 and watch.keeps_damaged:
            watch.report("its data are broken")
            return DONE
        return consumed, error

    def _feed(self, data: Any) -> tuple[int, int]:
        """Give more data to the other decoder."""
        result: tuple[int, int] = self._inner.decode(data)
        return result

    def _end(self) -> tuple[int, int]:
        """Finish at the end of the file, where damage is kept."""
        is_bottom_up = isinstance(self._arguments, tuple) and self._arguments[-1] == -1
        self._watch.report(EARLY_END, has_rows=not is_bottom_up)
        return DONE


class ZipDecoder(Decoder):
    """Watches the data of a PNG."""

    def setimage(self, im: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        """Write the pattern into the row that is written last."""
        super().setimage(im, extents)
        background = self._watch.background
        self._places = self._last_places() if background.fill is None else []
        self._before = [im.getpixel(place) for place in self._places]
        for number, place in enumerate(self._places):
            values = (background.pattern * 2)[number % len(background.pattern) :]
            if im.mode == "1":
                im.putpixel(place, values[0] & 1)
            else:
                im.putpixel(place, tuple(values[: im.bands]) if im.bands > 1 else values[0])
        self._pattern = [im.getpixel(place) for place in self._places]

    def _last_places(self) -> list[tuple[int, int]]:
        """Return the (column, row) of some pixels that are written last."""
        left, top, right, bottom = self.state.extents()
        step = 1
        if self._is_interlaced:  # every second row is written last; of one row, every second column
            if bottom - top > 1:
                bottom = top + (bottom - top) // 2 * 2
            elif right - left > 1:
                right, step = left + (right - left) // 2 * 2, 2
        return [(x, bottom - 1) for x in range(right - 1, left - 1, -step)[:PATTERN_PIXELS]]

    @property
    def _is_interlaced(self) -> bool:
        return any(self._extra)

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode more data; at their end, look for the pattern."""
        consumed, error = super().decode(buffer)
        if consumed < 0 and self._places:
            self._check_pattern()
        return consumed, error

    def _check_pattern(self) -> None:
        """If the pattern is still there, report it."""
        im: Any = self.im
        watch = self._watch
        if [im.getpixel(place) for place in self._places] != self._pattern:
            return
        bits = len(self._places) * (1 if im.mode == "1" else 8 * im.bands)
        has_rows = not self._is_interlaced
        if watch.cause is None and watch.is_single and bits < CERTAIN_PATTERN_BITS:
            watch.report(EARLY_END, has_rows=has_rows, undo=self._remove_pattern)
            return
        if watch.is_single or bits >= MIN_PATTERN_BITS:
            watch.report(EARLY_END, has_rows=has_rows)
        self._remove_pattern()

    def _remove_pattern(self) -> None:
        im: Any = self.im
        for place, before in zip(self._places, self._before, strict=True):
            im.putpixel(place, before)


class GifDecoder(Decoder):
    """Watches the data of a frame of a GIF."""

    _held = b""  # the start of a block

    def _feed(self, data: Any) -> tuple[int, int]:
        """Decode whole blocks, up to the empty one that ends a frame."""
        held, end = self._held + data, 0
        while end + 1 < len(held) and held[end] and end + held[end] < len(held):
            end += held[end] + 1
        is_over = end < len(held) and not held[end]
        self._held = held[end:]
        consumed, error = self._inner.decode(held[:end]) if end else (0, 0)
        if consumed < 0:
            return consumed, error
        if is_over or consumed < end:  # it stops at the code that ends a frame
            return self._end()
        return len(data), 0

    def _end(self) -> tuple[int, int]:
        """Finish where the blocks end."""
        is_interlaced = self._arguments[1]
        self._watch.report(EARLY_END, has_rows=not is_interlaced)
        return DONE


class JpegDecoder(Decoder):
    """Watches the scans of a JPEG."""

    def __init__(
        self, mode: str, watch: DecodingWatch, codec: str, arguments: Any, *extra: Any
    ) -> None:
        super().__init__(mode, watch, codec, arguments, *extra)
        self._held = b""  # not yet handed on
        self._left = b""  # handed on, and not yet taken
        self._result: tuple[int, int] | None = None  # of Pillow's decoder at its end
        self._headers = JpegHeaders()
        self._is_in_scan = False
        self._restarts = 0  # in this scan
        self._checked = 0  # restarts in all scans

    def _feed(self, data: Any) -> tuple[int, int]:
        """Hand on headers and scans, and check each scan and each of its parts."""
        held = self._held + data
        start: int | None = 0
        while start is not None and self._result is None:
            feed = self._feed_scan if self._is_in_scan else self._feed_headers
            start = feed(held, start)
        if self._result == DONE and self._headers.lacks_scans:
            self._watch.doubt("its last scans are missing")
        return self._result or (len(data), 0)

    def _feed_headers(self, held: bytes, start: int) -> int | None:
        """Hand on the headers before a scan; return where it starts, or None if more must come."""
        end, self._is_in_scan = self._headers.read(held, start)
        self._restarts = 0
        self._hand_on(held[start:end])
        if self._is_in_scan:
            return end
        self._held = held[end:]
        return None

    def _feed_scan(self, held: bytes, start: int) -> int | None:
        """Hand on a part of a scan; return where it ends, or None if more must come."""
        ends = RESTART_OR_END if self._checked < MAX_CHECKED_RESTARTS else SCAN_END
        found = ends.search(held, start)
        if found is None:
            end = max(len(held) - TAIL_BYTES, start)
            self._hand_on(held[start:end])
            if self._result == DONE:
                self._watch.doubt(SURPLUS)
            self._held = held[end:]
            return None
        end, code = found.start(), held[found.end() - 1]
        if code & ~7 == RESTART:
            self._hand_on(held[start:end])
            self._check_restart(code & 7)
            self._hand_on(held[end : found.end()])
            return found.end()
        self._hand_on(held[start : max(end - TAIL_BYTES, start)])
        self._hand_on_tail(held[max(end - TAIL_BYTES, start) : end])
        self._check_scan()
        self._is_in_scan = False
        return end

    def _hand_on(self, data: bytes) -> None:
        """Give data to libjpeg, which takes them by whole blocks."""
        if data and self._result is None:
            self._left += data
            consumed, error = self._inner.decode(self._left)
            self._left = self._left[consumed:] if consumed >= 0 else b""
            self._result = (consumed, error) if consumed < 0 else None

    def _hand_on_tail(self, tail: bytes) -> None:
        """Hand on the last data of a scan byte by byte, to see whether they are needed."""
        has_rows = self._headers.is_only_scan
        surplus = 0
        for unit in SCAN_UNITS.findall(tail):
            self._hand_on(unit)
            # Once a scan is complete, libjpeg is done, or skips each byte as it comes.
            is_skipped = self._result == DONE if has_rows else not self._left
            surplus = surplus + 1 if is_skipped else 0
        if self._headers.is_huffman and surplus > MAX_SURPLUS and tail[-surplus:].strip(b"\0\xff"):
            self._watch.doubt(SURPLUS)

    def _check_restart(self, number: int) -> None:
        """Report a part of a scan that is missing or ends early, by the marker that follows it."""
        if number != self._restarts % 8 or not self._is_complete():
            self._report("a part of its data is missing", has_rows=False)
        self._restarts += 1
        self._checked += 1

    def _check_scan(self) -> None:
        """Report a scan that ends before all its blocks."""
        headers = self._headers
        is_complete = self._is_complete()
        if headers.is_only_scan and not (is_complete and self._result):
            self._report(EARLY_END)
        elif not is_complete:
            self._report(f"scan {headers.scans} of its data ends early", has_rows=False)

    def _is_complete(self) -> bool:
        """Whether libjpeg is done with a scan or a part of it, or skips what follows."""
        if not self._headers.is_huffman:
            return True
        is_small = self.state.xsize * self.state.ysize <= MAX_SMALL_PIXELS
        self._hand_on(NO_CODE * (LOOKAHEAD + (0 if is_small else SPARE_BYTES)))
        for _ in range(2):  # once it may just have completed a block
            self._hand_on(NO_CODE)
            if self._left:
                return False
        return True

    def _report(self, cause: str, *, has_rows: bool = True) -> None:
        """Report damage; finish unless it is kept."""
        self._watch.report(cause, has_rows=has_rows)
        if not self._watch.keeps_damaged or self._watch.background.fill is not None:
            self._result = DONE

    def _end(self) -> tuple[int, int]:
        """Finish at the end of the file, where damage is kept; the rest becomes gray."""
        self._hand_on(self._held)
        if self._is_in_scan:
            self._check_scan()
        self._watch.report("its last marker is missing", has_rows=False)
        self._hand_on(EOI)
        return DONE


class JpegHeaders:
    """What the headers of a JPEG say.

    Attributes
    ----------
    scans : int
        How many have started.
    is_huffman : bool
        Whether its scans are of Huffman codes.
    is_only_scan : bool
        Whether the scan that started last holds the picture, row after row.
    """

    def __init__(self) -> None:
        self.scans = 0
        self.is_huffman = self.is_only_scan = False
        self._is_progressive = False
        self._components = b""  # their ids
        # The bits that each component lacks of each of its coefficients that have come so far.
        self._lacking: dict[int, dict[int, int]] = {}

    def read(self, held: bytes, start: int) -> tuple[int, bool]:
        """Read whole segments up to the end of the picture, or to a scan.

        Returns
        -------
        Where they end, and whether a scan starts there.
        """
        while found := MARKER.search(held, start):
            code, body = found[1][0], found.end()
            if code == EOI[1]:  # another picture may follow
                return body, False
            if code in STANDALONE:
                start = body
                continue
            end = body + max(int.from_bytes(held[body : body + 2]), 2)
            if len(held) < max(end, body + 2):
                return found.start(), False
            start = end
            if code in FRAME_HEADERS:
                self.is_huffman, self._is_progressive = code in HUFFMAN, code == PROGRESSIVE
                self._components = held[body + 8 : end : 3]
            elif code == START_OF_SCAN:
                self._read_scan_header(held[body + 2 : end])
                return end, True
        return max(start, len(held) - held.endswith(b"\xff")), False

    def _read_scan_header(self, header: bytes) -> None:
        """Read what a scan is of: its components, and which bits of which coefficients."""
        if len(header) < MIN_SCAN_HEADER_BYTES:
            return
        components, (first, last, bits) = header[1:-3:2], header[-3:]
        for component in components if self._is_progressive else b"":
            lacking = self._lacking.setdefault(component, {})
            lacking.update(dict.fromkeys(range(first, min(last, 63) + 1), bits & 15))
        self.is_only_scan = len(components) == len(self._components) and not self._is_progressive
        self.scans += 1

    @property
    def lacks_scans(self) -> bool:
        """Whether scans that have not started are needed for all bits of all coefficients."""
        found = [self._lacking.get(component, {}) for component in self._components]
        is_complete = all(len(lacking) == 64 and not any(lacking.values()) for lacking in found)
        return self._is_progressive and not is_complete


DECODERS = {"zip": ZipDecoder, "gif": GifDecoder, "jpeg": JpegDecoder}


def make_decoder(
    mode: str, watch: DecodingWatch, codec: str, arguments: Any, *extra: Any
) -> Decoder:
    """Return the decoder that watches a codec of Pillow's."""
    return DECODERS.get(codec, Decoder)(mode, watch, codec, arguments, *extra)


Image.register_decoder(CODEC, cast("type[ImageFile.PyDecoder]", make_decoder))
