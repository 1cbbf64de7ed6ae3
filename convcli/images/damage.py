"""Damage: what a file does not hold of its picture, though Pillow's decoders may say nothing.

The decoders of `convcli.images.decoders` find it, and a `DecodingWatch` raises or notes it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, ImageFile

from convcli.errors import FileError, ImageError, first_line
from convcli.images import DamagedFrameError, ReadSettings
from convcli.images.decoders import CODEC, END
from convcli.images.pillow import open_image
from convcli.records import NamedTuple

KEEP_ADVICE = "--keep-damaged reads what it holds"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
MAX_COUNTED_PIXELS = 16_000_000  # of a picture whose rows are counted, by two more decodings
STRIP_PIXELS = 1 << 20  # of rows that are looked at together
DECODER_ERRORS = (OSError, ValueError, SyntaxError, IndexError, EOFError, TypeError, struct.error)


class Background(NamedTuple):
    """What a picture holds before it is decoded, to see what is written.

    Parameters
    ----------
    pattern : bytes
        Repeated in the row that a decoder may leave out silently.
    fill : int, optional
        The value of all pixels, in place of the pattern.
    """

    pattern: bytes = bytes.fromhex("5ba4c7381e69d20f")  # unlikely in a picture
    fill: int | None = None


BACKGROUND = Background()
OTHER_BACKGROUND = Background(bytes(value ^ 0xFF for value in BACKGROUND.pattern))


def check_png(image: Image.Image, stream: BinaryIO, path: str) -> None:
    """Check the checksums and the last chunk of an open PNG, at which decoding does not look.

    The picture has to be opened again.

    Raises
    ------
    ImageError
        For those that are wrong.
    """
    try:
        image.verify()
        stream.seek(-8, 1)  # it reads no further than the last chunk's length and name
        if stream.read(len(PNG_END)) != PNG_END:
            raise ValueError("broken PNG file (bad last chunk)")
    except DECODER_ERRORS as error:
        cause = f"cannot be decoded: {first_line(error)}; {KEEP_ADVICE}"
        raise ImageError(path, cause) from error


class DecodingWatch:
    """Makes an open picture's `load` raise for damage, or keep what is there and note it.

    Parameters
    ----------
    image : Image
        As `pillow.open_image` returns it.
    stream : BinaryIO
        The file that it reads.
    path : str
    settings : ReadSettings
    background : Background
        Any but the first one is for finding out how much of a damaged picture is there.
    """

    def __init__(
        self,
        image: Image.Image,
        stream: BinaryIO,
        path: str,
        settings: ReadSettings,
        background: Background = BACKGROUND,
    ) -> None:
        self._stream, self._path, self._settings = stream, path, settings
        self.background = background
        self.is_at_end = False  # of the file
        self.cause: str | None = None
        self._doubt: str | None = None
        self._damaged: tuple[int, str] | None = None  # the first such frame, and the cause
        self.is_single = True  # so that it can be decoded again
        self._has_rows = True
        self._undo: Callable[[], None] | None = None
        self.ground_pixel: Any = None
        self.on_read: Callable[[], object] | None = None  # called before more data are read
        self.attach(image)

    def attach(self, image: Image.Image, index: int | None = None) -> None:
        """Watch a picture in place of the one before: the same file, opened again, or a frame.

        `index` is that of a frame which is opened as a picture of its own.
        """
        self._index = index
        self._image = cast("ImageFile.ImageFile", image)
        self._load: Callable[[], Any] = self._image.load
        self._image.load = self.load  # type: ignore[method-assign]

    @property
    def keeps_damaged(self) -> bool:
        """Whether decoding goes on after damage."""
        return self._settings.keep_damaged

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the frame that was loaded last."""
        notes = [] if self.cause is None else [f"is damaged: {self.cause}"]
        if self.cause is None and self._doubt is not None:
            notes.append(f"may be damaged: {self._doubt}")
        return tuple(notes)

    def count_frames(self, known: int | None = None) -> int:
        """Return the number of frames, damaged ones among them.

        Parameters
        ----------
        known : int, optional
            Their number.

        Raises
        ------
        ImageError
            If their number cannot be read, and damage is not kept.
        """
        image = self._image
        try:
            count: int = getattr(image, "n_frames", 1) if known is None else known
        except DECODER_ERRORS as error:
            if not self.keeps_damaged:
                raise self._error(f"cannot be decoded: {first_line(error)}") from error
            count = 1
        self.is_single = count == 1
        return count

    @contextmanager
    def frame_errors(self, index: int) -> Iterator[None]:
        """Refuse a frame that is damaged, or that comes after one, where damage is kept.

        Frames are drawn over those before them. Of the first one, what is there is kept.

        Raises
        ------
        DamagedFrameError
            If so; any other error passes through.
        """
        if index == 0 or not self.keeps_damaged:
            yield
            return
        error: Exception | None = None
        try:
            yield
        except (FileError, *DECODER_ERRORS) as found:
            error = found
            cause = found.cause if isinstance(found, FileError) else first_line(found)
            self._note_damage(index, cause)
        if self._damaged is None or self._damaged[0] > index:
            return
        first, cause = self._damaged
        raise DamagedFrameError(self._path, f"frame {first} is damaged: {cause}") from error

    @property
    def _frame(self) -> int:
        """The index of the current frame."""
        return self._image.tell() if self._index is None else self._index

    def _note_damage(self, index: int, cause: str) -> None:
        """Take note of a damaged frame, unless one before it is known to be."""
        if self._damaged is None or index < self._damaged[0]:
            self._damaged = index, cause

    def report(
        self, cause: str, *, has_rows: bool = True, undo: Callable[[], None] | None = None
    ) -> None:
        """Take note of the first damage of a frame.

        Parameters
        ----------
        cause : str
        has_rows : bool
            Whether all rows before the damage are there, and none after it.
        undo : callable, optional
            For a suspicion, about which decoding on another background has to tell: removes the
            pattern from the picture.
        """
        if self.cause is None:
            self.cause, self._has_rows, self._undo = cause, has_rows, undo

    def doubt(self, cause: str) -> None:
        """Take note of what makes the frame doubtful, though all of its rows are there."""
        self._doubt = cause

    def load(self) -> Any:
        """Decode the current frame, as `ImageFile.load` does.

        Raises
        ------
        ImageError
            For a frame that is damaged, unless damage is kept, and for one without a single row.
        """
        image = self._image
        if not image.tile:
            return self._load()
        self._start()
        image.tile = [
            ImageFile._Tile(CODEC, extents, offset, (self, codec, arguments))  # noqa: SLF001
            for codec, extents, offset, arguments in image.tile
        ]
        read = getattr(image, "load_read", None) or cast("BinaryIO", image.fp).read
        image.load_read = lambda size: self._read(read, size)  # type: ignore[attr-defined]
        try:
            self._load()
        except FileError:
            raise
        except DECODER_ERRORS as error:
            if self.cause is None:
                self._note_damage(self._frame, first_line(error))
                raise self._error(f"cannot be decoded: {first_line(error)}") from error
        finally:
            del image.load_read  # type: ignore[attr-defined]
        if self.cause is not None and self.background is BACKGROUND:
            self._judge(self.cause)
        if self.cause is not None:
            self._note_damage(self._frame, self.cause)
        return Image.Image.load(image)

    def _start(self) -> None:
        """Forget what was found in another frame."""
        self.cause = self._doubt = self._undo = None
        self._has_rows, self.is_at_end = True, False

    def _read(self, read: Callable[[int], bytes], size: int) -> bytes:
        """Read more of a frame's data; after their end, what tells a decoder that they end."""
        if self.on_read is not None:
            self.on_read()
        try:
            data = read(size)
        except DECODER_ERRORS:
            if not self.keeps_damaged:
                raise
            data = b""
        if data or not self.keeps_damaged:
            return data
        self.is_at_end = True
        return END

    def _judge(self, cause: str) -> None:
        """Find out how much of a damaged picture is there; drop a suspicion that proves wrong.

        Raises
        ------
        ImageError
            As `load`.
        """
        image = self._image
        if self._undo is not None:
            if self._decode_again(OTHER_BACKGROUND).cause is None:
                self.cause = None
                return
            self._undo()
        pixels = image.width * image.height
        if self.is_single and self._has_rows and pixels <= MAX_COUNTED_PIXELS:
            rows = max(self._count_rows(fill) for fill in (0, 1))  # no row is equal to both
            where = "in" if rows == image.height else "after"
            cause = f"{cause.removesuffix(' early')} {where} row {rows} of {image.height}"
            if rows == 0:
                raise ImageError(self._path, f"is damaged: {cause}")
        self.cause = cause
        if not self.keeps_damaged:
            raise self._error(f"is damaged: {cause}")

    def _decode_again(self, background: Background) -> DecodingWatch:
        """Decode the picture on another background."""
        self._stream.seek(0)
        keeping = self._settings._replace(keep_damaged=True)
        again = DecodingWatch(
            open_image(self._stream, "TGA" if self._image.format == "TGA" else None),
            *(self._stream, self._path, keeping, background),
        )
        again.load()
        return again

    def _count_rows(self, fill: int) -> int:
        """Return how many rows there are down to the last one that differs from the background."""
        again = self._decode_again(BACKGROUND._replace(fill=fill))
        image = again._image  # noqa: SLF001
        width, bottom = image.size
        step = max(STRIP_PIXELS // width, 1)
        while bottom > 0:
            top = max(bottom - step, 0)
            rows = np.asarray(image.crop((0, top, width, bottom))).reshape(bottom - top, width, -1)
            (different,) = (rows != again.ground_pixel).any(axis=(1, 2)).nonzero()
            if different.size:
                return top + int(different[-1]) + 1
            bottom = top
        return 0

    def _error(self, cause: str) -> ImageError:
        """Return an error that names the frame and says what to do."""
        if not self.is_single:
            cause = f"frame {self._frame} {cause}"
        return ImageError(self._path, f"{cause}; {KEEP_ADVICE}")
