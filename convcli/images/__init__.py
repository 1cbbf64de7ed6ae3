"""Images: read into arrays of values, and written from them.

This module holds what the others pass on: `Picture`, its `Metadata`, `Header`, `FrameSource` and
`ReadSettings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from convcli.arithmetic.values import Pair
from convcli.errors import ImageError
from convcli.images.formats import FORMATS
from convcli.records import NamedTuple

if TYPE_CHECKING:
    from fractions import Fraction

    from convcli.images.rows import DecodedRows

Values = NDArray[Any]

MAX_PIXELS = 180_000_000
MAX_METADATA_BYTES = 1_000_000  # that are kept of an input
MAX_LOOPS = 65_535  # that every format can hold
BLOCKS = ("profile", "exif", "xmp", "iptc")  # of metadata, the most important first


class ReadSettings(NamedTuple):
    """How inputs are read.

    Parameters
    ----------
    max_pixels : int
        The most pixels of all frames that are read together; more are refused by the header.
    keep_damaged : bool
        Read what a damaged file still holds, with a note, instead of raising.
    max_metadata : int
        The most bytes of metadata that are kept together; what does not fit is left out, with a
        note.
    allows_nan : bool
        Whether a grid or a picture of real numbers may hold NaN.
    """

    max_pixels: int = MAX_PIXELS
    keep_damaged: bool = False
    max_metadata: int = MAX_METADATA_BYTES
    allows_nan: bool = False


DEFAULT_SETTINGS = ReadSettings()


class DamagedFrameError(ImageError):
    """A frame that is not read, as it or one before it is damaged, though damage is kept."""


class Translation(NamedTuple):
    """A text of a PNG in a language that it names.

    Parameters
    ----------
    name, value : str
    language : str
        As RFC 5646 has it.
    translated_name : str
        The name in that language.
    """

    name: str
    value: str
    language: str
    translated_name: str = ""

    @property
    def bytes(self) -> int:
        """Its size."""
        return sum(len(part.encode()) for part in self)


class Metadata(NamedTuple):
    """The metadata of a picture: bytes as they are in its file, but where they say how pixels lie.

    Pixels are turned as they are read: by EXIF, and where that names no orientation by XMP, as
    Pillow and ImageMagick do. Neither these nor a text say an orientation afterwards. What names
    the size in pixels follows that of the result (`write.fit_size`).

    Parameters
    ----------
    exif : bytes
        Its EXIF block, with its prefix, without the orientation and without the thumbnail, which
        shows the picture before it is filtered.
    profile : bytes
        Its ICC color profile.
    color_mode : {"L", "RGB"}
        The values that the profile is for.
    dpi : (float, float), optional
        Pixels an inch, horizontal and vertical.
    text : dict
        Comments by their names.
    duration : Fraction or int, optional
        Milliseconds for which a frame is shown; None if unknown.
    color_chunks : tuple of (name, content)
        The chunks of a PNG, the only format that holds them, which say what colors its values
        stand for: cICP, sRGB, gAMA, cHRM and mDCV.
    xmp : bytes
        Its XMP packet in UTF-8; a second packet that JPEG may have for what does not fit into the
        first (extended XMP) is left out.
    iptc : bytes
        Its records of IPTC-IIM; other resources of Photoshop beside them are left out.
    aspect : (float, float), optional
        Pixels a unit that is not known, horizontal and vertical, if there is no `dpi`.
    translations : tuple of Translation
        Texts of a PNG that name their language.
    """

    exif: bytes = b""
    profile: bytes = b""
    color_mode: str = "RGB"
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = {}  # noqa: RUF012  # never changed
    duration: Fraction | int | None = None
    color_chunks: tuple[tuple[bytes, bytes], ...] = ()
    xmp: bytes = b""
    iptc: bytes = b""
    aspect: tuple[float, float] | None = None
    translations: tuple[Translation, ...] = ()

    def limit(self, max_bytes: int) -> tuple[Metadata, int]:
        """Return the metadata that fits into so many bytes, and how many are left out.

        The profile goes first, as colors depend on it; then EXIF, XMP, IPTC, and texts, the
        shortest first.
        """
        sizes: dict[str | Translation, int] = {
            name: len(name) + len(value.encode()) for name, value in self.text.items()
        }
        sizes |= {translation: translation.bytes for translation in self.translations}
        blocks = {name: getattr(self, name) for name in BLOCKS}
        total = sum(map(len, blocks.values())) + sum(sizes.values())
        if total <= max_bytes:
            return self, 0
        free = max_bytes
        for name, block in blocks.items():
            blocks[name] = block if len(block) <= free else b""
            free -= len(blocks[name])
        kept = set[str | Translation]()
        for key in sorted(sizes, key=lambda key: sizes[key]):
            if sizes[key] > free:
                break
            kept.add(key)
            free -= sizes[key]
        text = {name: value for name, value in self.text.items() if name in kept}
        translations = tuple(each for each in self.translations if each in kept)
        limited = self._replace(**blocks, text=text, translations=translations)
        return limited, total - (max_bytes - free)


NO_METADATA = Metadata()
PLACEHOLDER: Values = np.zeros((1, 1, 1), np.uint8)  # for values that are not kept


class Picture(NamedTuple):
    """The values of one input.

    Parameters
    ----------
    values : ndarray, (H, W, C)
        In the input's own units, without alpha; gray is one channel.
    depth : int, optional
        Bits of a value, 8 or 16, where 0 is black and `2**depth - 1` is white. None for a grid of
        numbers and for float images.
    alpha : ndarray, (H, W, 1), optional
        The alpha of each pixel, on the scale of the values; None where all are opaque.
    metadata : Metadata
    notes : tuple of str
        Messages to the user about how it was read.
    error : float
        By how much two values that should be equal may differ, as all were rounded; 0 if unknown.
    is_vector : bool
        Whether the values are no map but a vector, in one row.
    rows : DecodedRows, optional
        What the values are taken from, row by row; `values` is a placeholder then.
    """

    values: Values
    depth: int | None = None
    alpha: Values | None = None
    metadata: Metadata = NO_METADATA
    notes: tuple[str, ...] = ()
    error: float = 0.0
    is_vector: bool = False
    rows: DecodedRows | None = None

    @property
    def size(self) -> Pair:
        """The height and width in pixels."""
        return self.values.shape[0], self.values.shape[1]

    def limit_metadata(self, max_bytes: int, left_out: int = 0) -> Picture:
        """Return the picture with only as much metadata as is kept.

        Parameters
        ----------
        max_bytes : int
        left_out : int
            Bytes that were left out already, for the note.
        """
        metadata, excess = self.metadata.limit(max_bytes)
        total, notes = left_out + excess, self.notes
        if total:
            note = f"{total:,} bytes of metadata are left out: {max_bytes:,} at most are kept"
            notes = (*notes, note)
        return self._replace(metadata=metadata, notes=notes)

    @property
    def white(self) -> float:
        """The value of white; 255 where the depth is None."""
        return 2.0 ** (self.depth or 8) - 1


class Header(NamedTuple):
    """The properties of an input that are known before its pixels are decoded.

    Parameters
    ----------
    shape : (H, W, C)
        After its EXIF orientation is applied, and without alpha.
    dtype : dtype
        Of the values, as they will be read.
    depth : int, optional
        As in `Picture`.
    has_alpha : bool
        Whether it has an alpha channel, which is dropped once read if all of it is opaque.
    held_bytes : int
        Memory that decoding this frame takes beside its pixels, and what its file takes anyway.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    depth: int | None = None
    has_alpha: bool = False
    held_bytes: int = 0

    @classmethod
    def of(cls, picture: Picture) -> Header:
        """Return the header of a picture that has been read."""
        if picture.rows is not None:
            channels, height, width = picture.rows.shape
            return cls((height, width, channels), picture.rows.dtype, picture.depth)
        shape = (*picture.size, picture.values.shape[2])
        return cls(shape, picture.values.dtype, picture.depth, picture.alpha is not None)

    @property
    def white(self) -> float:
        """The value of white; 255 where the depth is None."""
        return 2.0 ** (self.depth or 8) - 1

    @property
    def bytes(self) -> int:
        """The size of the values and of alpha in memory."""
        height, width, channels = self.shape
        return math.prod((height, width, channels + self.has_alpha)) * self.dtype.itemsize


class FrameSource(NamedTuple):
    """An open input, whose frames are read one by one; most inputs have one.

    Parameters
    ----------
    path : str
    frame_count : int
        The number of frames of an animation, or of pages of a document.
    decode : callable
        Returns the frame of an index, from 0. A single frame can be decoded once only, as the
        memory it takes is then released.
    header : Header
        Of the first frame.
    format : str
        A key of `formats.FORMATS`; empty for a grid of numbers.
    loop : int
        How often it plays; 0 is for ever.
    decode_header : callable, optional
        Returns the header of a frame without decoding it; left out, all have the first one's.
    sizes : tuple of (H, W)
        The size of each frame, before an orientation is applied, as the file says before any is
        decoded: of a frame of an animation, that of its canvas. Empty where all are as the header.
    held_bytes : int
        Memory that decoding takes beside the pixels of a frame, whatever they are.
    notes : tuple of str
        Messages to the user about the whole file.
    decode_still : callable, optional
        Returns the picture, of the frames' header, that is shown where an animation cannot be; it
        is no frame.
    decode_rows : callable, optional
        Returns the first frame with its `rows` in place of its values, which takes less memory.
    kind : {"sequence", "views", "previews"}
        What several frames are: shown, or read, one after the other; views of one scene, of which
        the first is taken by default; a picture, and what stands beside it.
    """

    path: str
    frame_count: int
    decode: Callable[[int], Picture]
    header: Header
    format: str = ""
    loop: int = 1
    decode_header: Callable[[int], Header] | None = None
    sizes: tuple[Pair, ...] = ()
    held_bytes: int = 0
    notes: tuple[str, ...] = ()
    decode_still: Callable[[], Picture] | None = None
    decode_rows: Callable[[], Picture] | None = None
    kind: Literal["sequence", "views", "previews"] = "sequence"

    @property
    def is_sequence(self) -> bool:
        """Whether its frames are taken together, by default."""
        has_several = self.frame_count > 1 or self.decode_still is not None
        return has_several and self.kind == "sequence"

    @property
    def is_animation(self) -> bool:
        """Whether a frame is drawn on those before it."""
        return self.frame_count > 1 and FORMATS[self.format].frames == "animation"

    def check_pixels(self, max_pixels: int, index: int | None = None) -> None:
        """Raise if one frame, or all together, have more pixels than allowed.

        A page counts by itself; with a frame of an animation, all before it are decoded.
        """
        sizes = self.sizes or (self.header.shape[:2],) * self.frame_count
        if index is not None:
            self.check_frame(index)
            if math.prod(sizes[index]) > max_pixels:
                raise excess_pixels(sizes[index], self.path, max_pixels)
            total = sum(map(math.prod, sizes[: index + 1])) if self.is_animation else 0
            if total > max_pixels:
                raise ImageError(
                    self.path,
                    f"has {total:,} pixels in frames 0 to {index}, all of which are decoded for "
                    f"frame {index}, and --max-pixels allows {max_pixels:,}",
                )
            return
        total = sum(map(math.prod, sizes))
        if self.decode_still is not None:
            total += math.prod(self.header.shape[:2])
        if total > max_pixels:
            raise ImageError(
                self.path,
                f"has {total:,} pixels in {self.frame_count:,} frames, "
                f"and --max-pixels allows {max_pixels:,}; --frame N takes one",
            )

    def read(self, index: int, *, by_rows: bool = False) -> Picture:
        """Return one frame; if asked for, with its rows in place of values, if it has any.

        Raises
        ------
        ImageError
            If there is no frame of that index, or it cannot be decoded.
        """
        self.check_frame(index)
        if by_rows and index == 0 and self.decode_rows is not None:
            picture = self.decode_rows()
        else:
            picture = self.decode(index)
        return picture._replace(notes=(*picture.notes, *self.notes)) if self.notes else picture

    def read_header(self, index: int) -> Header:
        """Return the header of one frame; its pixels may have another, if all of them are opaque.

        Raises
        ------
        ImageError
            As `read`.
        """
        self.check_frame(index)
        if index == 0 or self.decode_header is None:
            return self.header
        return self.decode_header(index)

    def check_frame(self, index: int) -> None:
        """Raise if there is no frame of that index."""
        if not 0 <= index < self.frame_count:
            raise ImageError(
                self.path, f"has no frame {index}: they are 0 to {self.frame_count - 1}"
            )


def excess_pixels(size: Pair, path: str, max_pixels: int) -> ImageError:
    """Return the error of a frame, (H, W), that is larger than allowed."""
    height, width = size
    return ImageError(
        path,
        f"has {width}x{height} = {width * height:,} pixels, and --max-pixels allows {max_pixels:,}",
    )
