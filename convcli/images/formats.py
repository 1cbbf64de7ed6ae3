"""The picture formats: one record each, with everything that depends on the format.

No decoder of another format is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

DEEP_EXTRA = "pip install 'convcli[deep]'"
SIGNATURE_BYTES = 16  # at the start of a file, by which its format is known


class EncoderSettings(NamedTuple):
    """How pictures are encoded, as far as their format has such a choice.

    Parameters
    ----------
    quality : int, optional
        Of what is written with a loss, 1 to 100; left out, the format's default.
    lossless : bool
        Write without a loss in a format that does both.
    png_level : int, optional
        zlib's level of PNG, 0 to 9; left out, run-length encoding, which suits photographs.
    """

    quality: int | None = None
    lossless: bool = False
    png_level: int | None = None


DEFAULT_ENCODING = EncoderSettings()


class Format(NamedTuple):
    """A picture format; its key in `FORMATS` is Pillow's name for it.

    Parameters
    ----------
    plugin : str
        Pillow's module that reads and writes it.
    signature : bytes
        A regular expression that the first `SIGNATURE_BYTES` of a file match.
    suffixes : tuple of str
        Of output files; none for a format that is only read.
    alpha : {"full", "binary", "none"}
        The transparency that it can hold.
    frames : {"none", "animation", "pages"}
        What several frames in a file are.
    holds_16_bits : bool
        Whether a value may have 16 bits.
    deep_codec : str, optional
        The library that reads colors of 16 bits, of which Pillow keeps 8.
    metadata : tuple of str
        Which of the fields `exif`, `profile`, `dpi`, `text` and `comment` it can hold.
    quality_options : callable, optional
        Returns what Pillow's `save` is given for a quality, 1 to 100; none if the format has none.
    default_quality : int, optional
        None if it is written without a loss by default.
    lossless_options : dict, optional
        What Pillow's `save` is given to write without a loss; none if it cannot, or always does.
    codec_bytes : (int, int)
        Memory that Pillow's decoder and its encoder take for each pixel, besides the picture.
    max_side : int, optional
        The most pixels across or down that can be written.
    """

    plugin: str
    signature: bytes
    suffixes: tuple[str, ...] = ()
    alpha: Literal["full", "binary", "none"] = "full"
    frames: Literal["none", "animation", "pages"] = "none"
    holds_16_bits: bool = False
    deep_codec: str | None = None
    metadata: tuple[str, ...] = ()
    quality_options: Callable[[int], dict[str, Any]] | None = None
    default_quality: int | None = None
    lossless_options: Mapping[str, Any] | None = None
    codec_bytes: tuple[int, int] = (0, 0)
    max_side: int | None = None

    @property
    def has_deep_codec(self) -> bool:
        """Whether the library for colors of 16 bits is installed."""
        from importlib.util import find_spec

        return self.deep_codec is not None and find_spec(self.deep_codec) is not None

    def save_options(self, encoding: EncoderSettings) -> dict[str, Any]:
        """Return what Pillow's `save` is given to encode a picture."""
        quality = self.default_quality if encoding.quality is None else encoding.quality
        if self.quality_options is None or quality is None or encoding.lossless:
            return dict(self.lossless_options or {})
        return self.quality_options(quality)


def _jpeg_options(quality: int) -> dict[str, Any]:
    """Keep the colors of every pixel from a quality of 90 on, as ImageMagick and libvips do."""
    return {"quality": quality, "subsampling": 0 if quality >= 90 else 2}


def _plain_quality(quality: int) -> dict[str, Any]:
    return {"quality": quality}


FORMATS = {
    "PNG": Format(
        "PngImagePlugin",
        rb"\x89PNG",
        (".png",),
        frames="animation",
        holds_16_bits=True,
        deep_codec="imagecodecs",
        metadata=("exif", "profile", "dpi", "text"),
    ),
    "JPEG": Format(
        "JpegImagePlugin",
        rb"\xff\xd8\xff",
        (".jpg", ".jpeg"),
        alpha="none",
        metadata=("exif", "profile", "dpi", "comment"),
        quality_options=_jpeg_options,
        default_quality=92,
        max_side=65_500,  # of libjpeg, which also prints it
    ),
    "WEBP": Format(
        "WebPImagePlugin",
        rb"RIFF",
        (".webp",),
        frames="animation",
        metadata=("exif", "profile"),
        quality_options=_plain_quality,
        default_quality=80,  # libwebp's
        lossless_options={"lossless": True, "exact": True},
        codec_bytes=(5, 21),
        max_side=16_383,
    ),
    "TIFF": Format(
        "TiffImagePlugin",
        rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0",  # the last two are wrong, and read
        (".tif", ".tiff"),
        frames="pages",
        holds_16_bits=True,
        metadata=("exif", "profile", "dpi"),
        codec_bytes=(3, 4),
    ),
    "GIF": Format(
        "GifImagePlugin",
        rb"GIF8",
        (".gif",),
        alpha="binary",
        frames="animation",
        codec_bytes=(8, 8),
        max_side=65_535,
    ),
    "BMP": Format("BmpImagePlugin", rb"BM"),
    "PPM": Format("PpmImagePlugin", rb"P[1-6fF][\s#]|P7\r?\n"),
}
IMAGE_SUFFIXES = {suffix: name for name, record in FORMATS.items() for suffix in record.suffixes}


def format_of(path: str) -> str | None:
    """Return the name of the picture format that an output's suffix asks for, if any.

    >>> format_of("cat.JPG"), format_of("cat.csv")
    ('JPEG', None)
    """
    return IMAGE_SUFFIXES.get(Path(path).suffix.lower())


def detect_format(start: bytes) -> str | None:
    r"""Return the name of a file's format by its first bytes, if it is a known one.

    >>> detect_format(b"\x89PNG\r\n\x1a\n")
    'PNG'
    """
    for name, record in FORMATS.items():
        if re.match(record.signature, start, re.DOTALL):
            return name
    return None
