"""The decoder that watches the scans of a JPEG.

After the data of a scan, in place of the marker that follows, Pillow's decoder is given bits that
are no code. If all blocks were there it skips them, otherwise it takes them for data; so it is at
the first restart markers of a scan. Not seen are the loss of less than two blocks of 8x8, or five
in a picture that is not small, and bytes that were changed without a change in the number of
blocks: JPEG has no checksums.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from convcli.images.decoders import DONE, EARLY_END, Decoder

if TYPE_CHECKING:
    from convcli.images.damage import DecodingWatch

SURPLUS = "it holds more data than its pixels need"
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
