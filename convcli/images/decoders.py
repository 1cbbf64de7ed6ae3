"""Decoders that hand their data on to Pillow's, and find out whether all of them were there.

A decoder that is given less data than its picture needs mostly leaves the rest black or gray and
reports no error. How that is seen, at no cost of time:

- PNG: the row that is written last holds a pattern before, which must be gone after.
- GIF: the blocks of a frame must not end before its rows do.
- JPEG: as `jpeg_decoder` says.

Not seen are changed bytes in a GIF or a BMP, which have no checksums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from PIL import Image, ImageFile

if TYPE_CHECKING:
    from convcli.images.damage import DecodingWatch

CODEC = "convcli"  # the name by which Pillow finds these decoders
END = b"\0"  # what they are given after the end of the file
EARLY_END = "its data end early"
DONE = (-1, 0)  # what a decoder returns at its end
PATTERN_PIXELS = 32
CERTAIN_PATTERN_BITS = 64  # of a row that has as many, none is like the pattern by chance
MIN_PATTERN_BITS = 24  # of a row in an animation, which cannot be decoded on another pattern


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


DECODERS = {"zip": ZipDecoder, "gif": GifDecoder}


def make_decoder(
    mode: str, watch: DecodingWatch, codec: str, arguments: Any, *extra: Any
) -> Decoder:
    """Return the decoder that watches a codec of Pillow's."""
    if codec == "jpeg":
        from convcli.images.jpeg_decoder import JpegDecoder

        return JpegDecoder(mode, watch, codec, arguments, *extra)
    return DECODERS.get(codec, Decoder)(mode, watch, codec, arguments, *extra)


Image.register_decoder(CODEC, cast("type[ImageFile.PyDecoder]", make_decoder))
