"""APNG, read frame by frame (PNG specification, third edition, 11.3.6 and 13.16).

Each frame is decoded as a PNG of its own, so that it keeps all bits, and is then laid on
the canvas.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from convcli.images import PLACEHOLDER, Header, Picture, Values, pillow
from convcli.images.color import row_slices
from convcli.images.damage import DecodingWatch
from convcli.images.png.samples import read_picture
from convcli.images.png.write import SIGNATURE, encode_chunk
from convcli.images.structure.png import Animation, FrameControl, read_pixels

if TYPE_CHECKING:
    from convcli.images.png.read import OpenPng

CLEAR, RESTORE = 1, 2  # what becomes of the rectangle of a frame; others leave it
OVER = 1  # lay a frame over what is there; others replace it
PALETTE_CHUNKS = (b"PLTE", b"tRNS")  # that all frames share


def needs_alpha(animation: Animation, header: Header) -> bool:
    """Whether a frame may be transparent, as the canvas is before the first one.

    `header` is that of the canvas, whose pixels themselves may have alpha.
    """
    height, width, _ = header.shape
    return (
        header.has_alpha
        or any(frame.disposal == CLEAR for frame in animation.frames[:-1])
        or any(
            frame.disposal == RESTORE or (frame.width, frame.height) != (width, height)
            for frame in animation.frames[:1]
        )
    )


class ApngReader:
    """Reads the frames of an animation, each laid on those before it.

    Parameters
    ----------
    file : OpenPng
    animation : Animation
    canvas : Header
        Of the frames before they are turned.
    watch : DecodingWatch
        Is told of damage.
    """

    def __init__(
        self, file: OpenPng, animation: Animation, canvas: Header, watch: DecodingWatch
    ) -> None:
        self._file, self._animation, self._watch = file, animation, watch
        height, width, colors = canvas.shape
        self._shape = height, width, colors + canvas.has_alpha
        self._dtype = canvas.dtype
        self._canvas: Values = PLACEHOLDER  # until a frame is read
        self._next = 0  # the frame
        self._number = 0  # of the next chunk of a frame

    def read(self, index: int) -> Values:
        """Return a frame, (H, W, C), with alpha if any frame has it.

        Raises
        ------
        EOFError, ValueError
            For frames that are missing, out of order or beyond the canvas.
        """
        if index < self._next or self._next == 0:
            self._canvas = np.zeros(self._shape, self._dtype)  # transparent black
            self._next = self._number = 0
        while self._next < index:
            self._draw(self._next)
        return self._draw(index)

    def read_still(self) -> Picture:
        """Return the picture that is no frame, not turned; its notes say what is damaged."""
        height, width, _ = self._shape
        data, _ = read_pixels(self._file.window, self._animation.still_at or 0)
        stream = io.BytesIO(self._join(width, height, data))
        image = self._open(stream)
        watch = DecodingWatch(image, stream, self._file.path, self._file.settings)

        def reopen() -> Image.Image:
            again = self._open(stream)
            watch.attach(again)
            return again

        picture = read_picture(image, self._file.samples, self._file.path, reopen)
        return picture._replace(notes=tuple(f"its still picture {note}" for note in watch.notes))

    def _draw(self, index: int) -> Values:
        """Lay the next frame on the canvas; return what is seen, and prepare for the one after."""
        frames = self._animation.frames
        if index >= len(frames):
            raise EOFError("the file ends before this frame")
        frame = frames[index]
        values, next_number = self._decode_frame(frame, index)
        area = self._canvas[
            frame.top : frame.top + frame.height, frame.left : frame.left + frame.width
        ]
        before = area.copy() if frame.disposal == RESTORE else None
        if frame.blending == OVER and values.shape[2] in (2, 4):
            for rows in row_slices(values):
                lay_over(area[rows], values[rows])
        else:
            area[:] = values
        seen = self._canvas.copy()
        if before is not None:
            area[:] = before
        elif frame.disposal == CLEAR:
            area[:] = 0
        self._next, self._number = index + 1, next_number
        return seen

    def _decode_frame(self, frame: FrameControl, index: int) -> tuple[Values, int]:
        """Return the pixels of a frame, with alpha if the canvas has it, and the next number."""
        height, width, channels = self._shape
        is_inside = frame.left + frame.width <= width and frame.top + frame.height <= height
        if not (is_inside and frame.width and frame.height):
            raise ValueError(
                f"its frame of {frame.width}x{frame.height} at {frame.left},{frame.top} is beyond "
                f"the {width}x{height} of the picture"
            )
        if frame.number != self._number:
            raise ValueError("the chunks of its frames are out of order")
        is_first = index == 0 and self._animation.still_at is None
        number = None if is_first else frame.number + 1
        data, next_number = read_pixels(self._file.window, frame.at, number)
        picture = self._decode(frame, data, index)
        values = picture.values
        if values.shape[2] == channels:
            return values, next_number
        white = np.iinfo(values.dtype).max
        alpha = picture.alpha
        if alpha is None:
            alpha = np.full((*picture.size, 1), white, values.dtype)
        return np.concatenate([values, alpha], axis=2), next_number

    def _decode(self, frame: FrameControl, data: bytes, index: int) -> Picture:
        stream = io.BytesIO(self._join(frame.width, frame.height, data))

        def open_frame() -> Image.Image:
            image = self._open(stream)
            self._watch.attach(image, index)
            return image

        return read_picture(open_frame(), self._file.samples, self._file.path, open_frame)

    def _join(self, width: int, height: int, data: bytes) -> bytes:
        """Return the PNG of a frame's pixels alone."""
        size = struct.pack(">II", width, height)
        head = self._file.head
        chunks = [(b"IHDR", size + head[b"IHDR"][8:])]
        chunks += [(name, head[name]) for name in PALETTE_CHUNKS if name in head]
        chunks += [(b"IDAT", data), (b"IEND", b"")]
        return SIGNATURE + b"".join(encode_chunk(*chunk) for chunk in chunks)

    def _open(self, stream: BinaryIO) -> Image.Image:
        stream.seek(0)
        image = pillow.open_header(stream, self._file.path, self._file.settings.max_pixels)
        image.info["exif"] = b""  # which Pillow would otherwise look for after the pixels
        return image


def lay_over(area: Values, frame: Values) -> None:
    """Lay pixels over others, (H, W, C) of integers, alpha last, which is not premultiplied.

    Exact, and rounded once.

    >>> area = np.array([[[100, 255]]], np.uint8)
    >>> lay_over(area, np.array([[[200, 51]]], np.uint8))
    >>> area.tolist()
    [[[120, 255]]]
    """
    white = int(np.iinfo(frame.dtype).max)
    alpha = frame[:, :, -1]
    np.copyto(area, frame, where=(alpha == white)[:, :, np.newaxis])
    is_blended = (alpha > 0) & (alpha < white)
    if not is_blended.any():
        return
    above = frame[is_blended].astype(np.int64)
    below = area[is_blended].astype(np.int64)
    share = above[:, -1:] * white
    rest = (white - above[:, -1:]) * below[:, -1:]
    total = share + rest
    above[:, :-1] = _divide(above[:, :-1] * share + below[:, :-1] * rest, total)
    above[:, -1:] = _divide(total, white)
    area[is_blended] = above.astype(frame.dtype)


def _divide(dividend: Any, divisor: Any) -> Any:
    """Return the quotient of integers, rounded half up."""
    return (2 * dividend + divisor) // (2 * divisor)
