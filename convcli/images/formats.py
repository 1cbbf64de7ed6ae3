"""The picture formats: one record each, with everything that depends on the format.

No decoder of another format is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

DEEP_EXTRA = "pip install 'convcli[deep]'"
SIGNATURE_BYTES = 16  # at the start of a file, by which its format is known


class Format(NamedTuple):
    """A picture format.

    Parameters
    ----------
    name : str
        As Pillow calls it.
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
    has_gray_16 : bool
        Whether it holds gray values of 16 bits.
    color_16_codec : str, optional
        The library that reads and writes colors of 16 bits (the writer of PNG is in `png`).
    metadata : tuple of str
        Which of the fields `exif`, `profile`, `dpi`, `text` and `comment` it can hold.
    save_options, frame_options : dict
        What Pillow's `save` is given: always, and for several frames.
    codec_bytes : (int, int)
        Memory that Pillow's decoder and its encoder take for each pixel, besides the picture.
    """

    name: str
    plugin: str
    signature: bytes
    suffixes: tuple[str, ...] = ()
    alpha: Literal["full", "binary", "none"] = "full"
    frames: Literal["none", "animation", "pages"] = "none"
    has_gray_16: bool = False
    color_16_codec: str | None = None
    metadata: tuple[str, ...] = ()
    save_options: Mapping[str, Any] = {}
    frame_options: Mapping[str, Any] = {}
    codec_bytes: tuple[int, int] = (0, 0)

    @property
    def has_color_16_codec(self) -> bool:
        """Whether the library for colors of 16 bits is installed."""
        from importlib.util import find_spec

        return self.color_16_codec is not None and find_spec(self.color_16_codec) is not None


FORMATS = {
    record.name: record
    for record in (
        Format(
            "PNG",
            "PngImagePlugin",
            rb"\x89PNG",
            (".png",),
            frames="animation",
            has_gray_16=True,
            color_16_codec="imagecodecs",
            metadata=("exif", "profile", "dpi", "text"),
        ),
        Format(
            "JPEG",
            "JpegImagePlugin",
            rb"\xff\xd8\xff",
            (".jpg", ".jpeg"),
            alpha="none",
            metadata=("exif", "profile", "dpi", "comment"),
            save_options={"quality": 95, "subsampling": 0},
        ),
        Format(
            "WEBP",
            "WebPImagePlugin",
            rb"RIFF",
            (".webp",),
            frames="animation",
            metadata=("exif", "profile"),
            save_options={"lossless": True, "exact": True},
            # Its encoder may lose the alpha of what is not a key frame.
            frame_options={"kmin": 1, "kmax": 1},
            codec_bytes=(5, 20),
        ),
        Format(
            "TIFF",
            "TiffImagePlugin",
            rb"II\*\0|MM\0\*",
            (".tif", ".tiff"),
            frames="pages",
            has_gray_16=True,
            color_16_codec="tifffile",
            metadata=("exif", "profile", "dpi"),
            save_options={"compression": "tiff_adobe_deflate"},
            codec_bytes=(3, 4),
        ),
        Format(
            "GIF",
            "GifImagePlugin",
            rb"GIF8",
            (".gif",),
            alpha="binary",
            frames="animation",
            frame_options={"disposal": 2},  # each frame replaces the one before
            codec_bytes=(8, 8),
        ),
        Format("BMP", "BmpImagePlugin", rb"BM"),
        Format("PPM", "PpmImagePlugin", rb"P[1-6fF]"),
    )
}
IMAGE_SUFFIXES = {suffix: record.name for record in FORMATS.values() for suffix in record.suffixes}


def format_of(path: str) -> str | None:
    """Return the name of the picture format that an output's suffix asks for, if any.

    >>> format_of("cat.JPG"), format_of("cat.csv")
    ('JPEG', None)
    """
    return IMAGE_SUFFIXES.get(Path(path).suffix.lower())


def detect_format(start: bytes) -> Format | None:
    r"""Return the format of a file by its first bytes, if it is a known one.

    >>> detect_format(b"\x89PNG\r\n\x1a\n").name
    'PNG'
    """
    return next(
        (record for record in FORMATS.values() if re.match(record.signature, start, re.DOTALL)),
        None,
    )
