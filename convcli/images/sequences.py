"""Sequences: animations and pages, written a frame at a time."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from convcli.images import Metadata, Values
from convcli.images.animations import GifWriter, WebpWriter
from convcli.images.formats import DEFAULT_ENCODING, FORMATS, EncoderSettings
from convcli.images.metadata.encode import fit_size, gif_extensions
from convcli.images.netpbm import write_netpbm
from convcli.images.png.write_apng import ApngWriter, Layout
from convcli.images.tiff.write import TiffWriter
from convcli.images.write import metadata_options, png_chunks, tiff_tags

STILL_FORMATS = ("PNG",)  # that can hold an animation and a still picture which is no frame
DEFAULT_DURATION_MS = 100  # of a frame that does not say how long it is shown


class SequenceWriter(Protocol):
    """An animation, or a document of pages, that is written a frame at a time."""

    def add(
        self,
        pixels: Values,
        metadata: Metadata,
        *,
        is_still: bool = False,
        has_alpha: bool | None = None,
    ) -> None:
        """Write a frame, (H, W, C), that the format can hold; `metadata` says how long it is shown.

        Before any frame, an APNG may have a still picture that is none. Without `has_alpha`, two
        and four channels have alpha, last.
        The first frame's other metadata is that of an animation; each page has its own.

        Raises
        ------
        LayoutError
            For a frame that the layout of those before cannot hold, in a format where all share it.
        """

    def close(self) -> None:
        """Finish the sequence; the stream stays open."""


def open_sequence(
    stream: BinaryIO,
    image_format: str,
    loop: int,
    encoding: EncoderSettings = DEFAULT_ENCODING,
    layout: Layout | None = None,
) -> SequenceWriter:
    """Return a writer of several frames to a stream that can seek.

    Parameters
    ----------
    stream : binary file
    image_format : str
        One that holds several frames.
    loop : int
        How often it plays; 0 is for ever.
    encoding : EncoderSettings
    layout : Layout, optional
        That all frames of an APNG share; by default the first one's.
    """
    if image_format == "TIFF":
        return _Pages(stream)
    if FORMATS[image_format].is_netpbm:
        return _Pictures(stream, image_format)
    return _Animation(stream, image_format, loop, encoding, layout)


class _Pages:
    """The pages of a TIFF."""

    def __init__(self, stream: BinaryIO) -> None:
        self._writer = TiffWriter(stream)

    def add(
        self,
        pixels: Values,
        metadata: Metadata,
        *,
        is_still: bool = False,
        has_alpha: bool | None = None,
    ) -> None:
        """As `SequenceWriter.add`."""
        del is_still
        metadata = fit_size(metadata, pixels.shape[:2])
        tags = tiff_tags(metadata, pixels.shape[2])
        self._writer.add(pixels, tags, has_alpha=has_alpha)

    def close(self) -> None:
        """As `SequenceWriter.close`."""
        self._writer.close()


class _Pictures:
    """Netpbm's pictures, one after the other."""

    def __init__(self, stream: BinaryIO, image_format: str) -> None:
        self._stream, self._format = stream, image_format

    def add(
        self,
        pixels: Values,
        metadata: Metadata,
        *,
        is_still: bool = False,
        has_alpha: bool | None = None,
    ) -> None:
        """As `SequenceWriter.add`; neither metadata nor a still picture is held."""
        del metadata, is_still, has_alpha
        write_netpbm(self._stream, pixels, self._format)

    def close(self) -> None:
        """As `SequenceWriter.close`."""


class _Animation:
    """An APNG, a GIF or a WebP, which is opened once its first frame is known."""

    def __init__(
        self,
        stream: BinaryIO,
        image_format: str,
        loop: int,
        encoding: EncoderSettings,
        layout: Layout | None,
    ) -> None:
        self._stream = stream
        self._format = image_format
        self._loop = loop
        self._encoding = encoding
        self._layout = layout
        self._writer: ApngWriter | GifWriter | WebpWriter | None = None

    def add(
        self,
        pixels: Values,
        metadata: Metadata,
        *,
        is_still: bool = False,
        has_alpha: bool | None = None,
    ) -> None:
        """As `SequenceWriter.add`."""
        del has_alpha
        if self._writer is None:
            self._writer = self._open(pixels, metadata)
        if is_still and isinstance(self._writer, ApngWriter):
            self._writer.add_still(pixels)
            return
        duration = metadata.duration
        self._writer.add(pixels, DEFAULT_DURATION_MS if duration is None else duration)

    def close(self) -> None:
        """As `SequenceWriter.close`."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, pixels: Values, metadata: Metadata) -> ApngWriter | GifWriter | WebpWriter:
        channels, metadata = pixels.shape[2], fit_size(metadata, pixels.shape[:2])
        if self._format == "PNG":
            layout = self._layout or Layout.of(pixels)
            chunks = png_chunks(metadata, layout.channels)
            return ApngWriter(self._stream, self._loop, layout, chunks, self._encoding.png_level)
        if self._format == "GIF":
            return GifWriter(self._stream, self._loop, gif_extensions(metadata))
        options = metadata_options(metadata, self._format, channels)
        names = ("exif", "icc_profile", "xmp")
        exif, profile, xmp = (options.get(name, b"") for name in names)
        return WebpWriter(
            *(self._stream, self._loop, self._encoding), exif=exif, profile=profile, xmp=xmp
        )
