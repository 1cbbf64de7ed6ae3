"""PNG files to pictures: by Pillow's decoder, which is given what it does not do by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, BinaryIO

from PIL import Image

from convcli.errors import ImageError
from convcli.images import MAX_LOOPS, FrameSource, Header, Metadata, Picture, ReadSettings, pillow
from convcli.images.damage import DecodingWatch, check_png
from convcli.images.embedded import read_metadata
from convcli.images.png.samples import SampleFormat, read_header, read_picture
from convcli.images.structure import Structure, Window, png
from convcli.records import NamedTuple

NO_GAMMA = bytes(4)  # of a gAMA that says nothing
ALPHA = 4  # is added to the color types that have it


class OpenPng(NamedTuple):
    """A PNG whose chunks are known, and whose header Pillow has read.

    Parameters
    ----------
    image : Image
    stream : binary file
    window : Window
        The same file.
    settings : ReadSettings
    structure : Structure
    head : dict
        The content of the chunks before the pixels that say what these are, by their names.
    samples : SampleFormat
    blocks : dict
        What Pillow may not know before the pixels are decoded: EXIF, XMP.
    limit_metadata : callable
        Returns a picture with the file's texts, and with only as much metadata as is kept.
    """

    image: Image.Image
    stream: BinaryIO
    window: Window
    settings: ReadSettings
    structure: Structure
    head: dict[bytes, bytes]
    samples: SampleFormat
    blocks: dict[str, Any]
    limit_metadata: Callable[[Picture], Picture]

    @property
    def path(self) -> str:
        """Its name in error messages."""
        return self.window.path

    def reopen(self) -> Image.Image:
        """Open it again."""
        self.stream.seek(0)
        image = pillow.open_header(self.stream, self.path, self.settings.max_pixels)
        image.info.update(self.blocks)
        return image


def open_png(
    image: Image.Image, stream: BinaryIO, path: str, settings: ReadSettings, structure: Structure
) -> FrameSource:
    """Return the picture of a PNG, or the frames of an animation.

    Parameters
    ----------
    image : Image
        As `pillow.open_header` returns it.
    stream : binary file
        One that can seek.
    path : str
    settings : ReadSettings
    structure : Structure

    Raises
    ------
    ImageError
        For one that is damaged, unless damage is kept.
    """
    with pillow.decoder_errors(path):
        position = stream.tell()
        window = Window(stream, path)
        head = png.read_head(window)
        animation = png.read_animation(window) if b"acTL" in head else None
        beside = _read_beside(window, settings)
        stream.seek(position)

        color_chunks = _color_chunks(head)

        def limit_metadata(picture: Picture) -> Picture:
            found, own = beside.metadata, picture.metadata
            metadata = own._replace(
                color_chunks=color_chunks,
                text=found.text,
                translations=found.translations,
                iptc=found.iptc,
                profile=own.profile or found.profile,
            )
            notes = (*picture.notes, *beside.notes)
            picture = picture._replace(metadata=metadata, notes=notes)
            return picture.limit_metadata(settings.max_metadata, beside.left_out)

        samples = _sample_format(head)
        blocks = {"exif": beside.metadata.exif, "xmp": beside.metadata.xmp}
        file = OpenPng(
            *(image, stream, window, settings, structure, head, samples, blocks, limit_metadata)
        )
        if beside.is_malformed:
            from convcli.images.plain import hide_chunks

            hidden = hide_chunks(window, stream)
            file = file._replace(stream=hidden.stream, blocks={**hidden.info, **blocks})
            file = file._replace(image=file.reopen())
        if not getattr(file.image, "tile", ()):
            raise ImageError(path, "cannot be decoded: it has no pixels (IDAT)")
        if not settings.keep_damaged:
            check_png(file.image, file.stream, path)
            file = file._replace(image=file.reopen())
        file.image.info.update(file.blocks)
        if animation is None or (animation.frame_count == 1 and animation.still_at is None):
            return _open_picture(file)
        if not animation.frames and settings.keep_damaged:
            return _open_picture(file)
        return _open_animation(file, animation)


class Beside(NamedTuple):
    """What a PNG holds beside its pixels.

    Parameters
    ----------
    metadata : Metadata
    left_out : int
        Bytes that do not fit.
    notes : tuple of str
    is_malformed : bool
        Whether it holds something over which Pillow stumbles.
    """

    metadata: Metadata
    left_out: int
    notes: tuple[str, ...]
    is_malformed: bool


def _read_beside(window: Window, settings: ReadSettings) -> Beside:
    """Return the texts and the EXIF of a PNG, wherever they are in it."""
    metadata, left_out, malformed, is_malformed = png.read_metadata(window, settings.max_metadata)
    notes = [f"{malformed:,} of its texts are malformed and left out"] if malformed else []
    if metadata.text:
        from convcli.images.metadata.text import split_text

        metadata, names = split_text(metadata)
        notes += [f"its text {name!r} is malformed and left out" for name in names]
    return Beside(metadata, left_out, tuple(notes), is_malformed)


def _sample_format(head: dict[bytes, bytes]) -> SampleFormat:
    """Return how a PNG holds its pixels, by its chunks before them."""
    start = head.get(b"IHDR", b"")
    bits, color_type = start[8:10] if len(start) >= 10 else (8, 0)
    transparency = b"" if color_type & ALPHA else head.get(b"tRNS", b"")
    return SampleFormat(bits, color_type, transparency)


def _color_chunks(head: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the chunks that say what colors the pixels stand for, which hold of any pixels.

    Left out are those that a filter makes wrong: the significant bits (sBIT), the brightest light
    (cLLI), and a background (bKGD), which is a pixel itself.
    """
    return tuple(
        (name, head[name])
        for name, length in png.COLORS.items()
        if len(head.get(name, b"")) == length and head[name] != NO_GAMMA
    )


def _open_picture(file: OpenPng) -> FrameSource:
    image = file.image
    watch = DecodingWatch(image, file.stream, file.path, file.settings)

    def reopen() -> Image.Image:
        again = file.reopen()
        watch.attach(again)
        return again

    def decode(_: int) -> Picture:
        # The values are copies, so that the decoder's pixels need not stay in memory.
        with pillow.decoder_errors(file.path), closing(image):
            picture = read_picture(image, file.samples, file.path, reopen)
        return file.limit_metadata(picture._replace(notes=(*picture.notes, *watch.notes)))

    header = read_header(image, file.samples)
    is_plain = header.depth == 8 and not header.has_alpha and pillow.has_plain_rows(image)
    arguments = image, watch, file.path, file.limit_metadata
    is_from_top = not image.info.get("interlace")
    decode_rows = partial(pillow.read_rows, *arguments, may_wait=is_from_top)
    return FrameSource(
        *(file.path, 1, decode, header, "PNG"),
        held_bytes=file.structure.held_bytes,
        decode_rows=decode_rows if is_plain else None,
    )


def _open_animation(file: OpenPng, animation: png.Animation) -> FrameSource:
    from convcli.images.png.read_apng import ApngReader, needs_alpha

    image, samples, path = file.image, file.samples, file.path
    watch = DecodingWatch(image, file.stream, path, file.settings)
    watch.is_single = False
    header = read_header(image, samples)
    size = image.height, image.width
    canvas = Header((*size, header.shape[2]), header.dtype, header.depth, header.has_alpha)
    has_alpha = needs_alpha(animation, canvas)
    header = header._replace(has_alpha=has_alpha)
    frames = ApngReader(file, animation, canvas._replace(has_alpha=has_alpha), watch)
    metadata, orientation = _read_metadata(image, samples)

    def finish(picture: Picture, metadata: Metadata) -> Picture:
        return file.limit_metadata(picture._replace(metadata=metadata))

    def decode(index: int) -> Picture:
        with pillow.decoder_errors(path), watch.frame_errors(index):
            values = pillow.apply_orientation(frames.read(index), orientation)
        colors, alpha = pillow.split_alpha(values)
        duration = animation.frames[index].delay_ms
        picture = Picture(colors, header.depth, alpha, notes=watch.notes)
        return finish(picture, metadata._replace(duration=duration))

    def decode_still() -> Picture:
        with pillow.decoder_errors(path):
            picture = frames.read_still()
        values, alpha = (
            None if part is None else pillow.apply_orientation(part, orientation)
            for part in (picture.values, picture.alpha)
        )
        assert values is not None  # noqa: S101  # for the type checker
        return finish(picture._replace(values=values, alpha=alpha), metadata)

    return FrameSource(
        *(path, animation.frame_count, decode, header, "PNG", min(animation.loop, MAX_LOOPS)),
        sizes=(size,) * animation.frame_count,
        held_bytes=file.structure.held_bytes + 3 * animation.data_bytes,
        decode_still=None if animation.still_at is None else decode_still,
    )


def _read_metadata(image: Image.Image, samples: SampleFormat) -> tuple[Metadata, int]:
    """Return the metadata before the pixels, and the orientation, without decoding these."""
    metadata, orientation, _ = read_metadata(image)
    return metadata._replace(color_mode=samples.color_mode), orientation
