"""The picture formats: one record each, with everything that depends on the format.

No decoder of another format is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from convcli.files.paths import suffix_of
from convcli.records import NamedTuple

FORMATS_EXTRA = "pip install 'convcli[formats]'"
SIGNATURE_BYTES = 64  # at the start of a file, by which its format is known
# What people give that is never read, and how its file starts.
UNREAD_FORMATS = {
    "an OpenEXR picture": rb"\x76\x2f\x31\x01",
    "a Radiance HDR picture": rb"#\?(?:RADIANCE|RGBE)",
    "a Photoshop file": rb"8BPS",
    "a GIMP file": rb"gimp xcf",
    "a PDF document": rb"%PDF-",
    "a PostScript file": rb"%!PS|\xc5\xd0\xd3\xc6",
    "an SVG drawing": rb"(?:\xef\xbb\xbf)?\s*(?:<svg|<\?xml.{,1000}?<svg|<!DOCTYPE svg)",
    "an HTML page": rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype html|<html)",
    "an XML document": rb"(?:\xef\xbb\xbf)?\s*<\?xml",
    "a JPEG XR picture": rb"II\xbc",
    "a camera's raw file": (
        rb"II\*\0....CR|II\x1a\0\0\0HEAP|II(?:RO|RS|U\0)|MMOR|FOVb|\0MRM|FUJIFILMCCD-RAW|"
        rb"....ftypcrx "
    ),
    "a DirectDraw surface": rb"DDS ",
    "an icon": rb"\0\0[\x01\x02]\0[^\0]\0|icns",
    "a FITS file": rb"SIMPLE  =",
    "an HDF5 file": rb"\x89HDF\r\n",
    "a DICOM file": rb".{128}DICM",
    "a DjVu document": rb"AT&TFORM",
    "a QOI picture": rb"qoif",
    "a PCX picture": rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]",
    "a BPG picture": rb"BPG\xfb",
    "a video": rb"....ftyp|....moov|RIFF....AVI |\x1aE\xdf\xa3|\0\0\x01\xba|FLV",
    "a ZIP archive": rb"PK\x03\x04",
    "a gzip file": rb"\x1f\x8b",
}


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
        Pillow's module that reads and writes it, or that of a package.
    package : str, optional
        What reads and writes it beside Pillow, of the extra `formats`.
    signature : bytes, optional
        A regular expression that the first `SIGNATURE_BYTES` of a file match; none if it is written
        only, or known by more than its start.
    suffixes : tuple of str
        Of output files; none for a format that is only read.
    colors : {"any", "gray", "RGB", "black and white"}
        The colors that it can hold.
    alpha : {"full", "binary", "none"}
        The transparency that it can hold.
    frames : {"none", "animation", "pages"}
        What several frames in a file are.
    holds_16_bits : bool
        Whether a value may have 16 bits.
    max_deep_channels : int
        Of pixels that are written with 16 bits, alpha included.
    holds_reals : bool
        Whether values may be real numbers.
    holds_bands : bool
        Whether a pixel may have any number of values.
    metadata : tuple of str
        Which of `exif`, `profile`, `xmp`, `iptc`, `dpi`, `text` and `comment` it can hold.
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
    max_segment_bytes : int, optional
        The most bytes of EXIF, XMP, IPTC or a comment.
    """

    plugin: str
    signature: bytes | None
    suffixes: tuple[str, ...] = ()
    colors: Literal["any", "gray", "RGB", "black and white"] = "any"
    alpha: Literal["full", "binary", "none"] = "full"
    frames: Literal["none", "animation", "pages"] = "none"
    holds_16_bits: bool = False
    max_deep_channels: int = 4
    holds_reals: bool = False
    holds_bands: bool = False
    metadata: tuple[str, ...] = ()
    quality_options: Callable[[int], dict[str, Any]] | None = None
    default_quality: int | None = None
    lossless_options: Mapping[str, Any] | None = None
    codec_bytes: tuple[int, int] = (0, 0)
    max_side: int | None = None
    max_segment_bytes: int | None = None
    package: str | None = None

    @property
    def is_netpbm(self) -> bool:
        """Whether it is one of Netpbm's formats."""
        return self.plugin == "PpmImagePlugin"

    def save_options(self, encoding: EncoderSettings) -> dict[str, Any]:
        """Return what Pillow's `save` is given to encode a picture."""
        quality = self.default_quality if encoding.quality is None else encoding.quality
        is_lossless = encoding.lossless and self.lossless_options is not None
        if self.quality_options is None or quality is None or is_lossless:
            return dict(self.lossless_options or {})
        return self.quality_options(quality)


def _jpeg_options(quality: int) -> dict[str, Any]:
    """Keep the colors of every pixel from a quality of 90 on, as ImageMagick and libvips do."""
    return {"quality": quality, "subsampling": 0 if quality >= 90 else 2}


def _psnr(quality: int) -> dict[str, Any]:
    """Take a quality for a signal-to-noise ratio in decibels, as ImageMagick and libvips do."""
    return {"irreversible": True, "quality_mode": "dB", "quality_layers": [quality]}


def _plain_quality(quality: int) -> dict[str, Any]:
    return {"quality": quality}


_NETPBM: dict[str, Any] = {"plugin": "PpmImagePlugin", "alpha": "none", "frames": "pages"}

FORMATS = {
    "PNG": Format(
        "PngImagePlugin",
        rb"\x89PNG",
        (".png",),
        frames="animation",
        holds_16_bits=True,
        metadata=("exif", "profile", "xmp", "iptc", "dpi", "text"),
    ),
    "JPEG": Format(
        "JpegImagePlugin",
        rb"\xff\xd8\xff",
        (".jpg", ".jpeg"),
        alpha="none",
        metadata=("exif", "profile", "xmp", "iptc", "dpi", "comment"),
        max_segment_bytes=65_533,
        quality_options=_jpeg_options,
        default_quality=92,
        max_side=65_500,  # of libjpeg, which also prints it
    ),
    "WEBP": Format(
        "WebPImagePlugin",
        rb"RIFF....WEBP",
        (".webp",),
        frames="animation",
        metadata=("exif", "profile", "xmp"),
        quality_options=_plain_quality,
        default_quality=80,  # libwebp's
        lossless_options={"lossless": True, "exact": True},
        codec_bytes=(5, 21),
        max_side=16_383,
    ),
    "TIFF": Format(
        "TiffImagePlugin",
        # The last two are wrong, and read; that of a raw file of Canon's has only a preview.
        rb"(?!II\*\0....CR)(?:II[*+]\0|MM\0[*+]|II\0\*|MM\*\0)",
        (".tif", ".tiff"),
        frames="pages",
        holds_16_bits=True,
        holds_reals=True,
        holds_bands=True,
        metadata=("exif", "profile", "xmp", "iptc", "dpi"),
        codec_bytes=(3, 0),
    ),
    "GIF": Format(
        "GifImagePlugin",
        rb"GIF8",
        (".gif",),
        alpha="binary",
        frames="animation",
        metadata=("xmp", "comment"),
        codec_bytes=(8, 8),
        max_side=65_535,
    ),
    "AVIF": Format(
        "AvifImagePlugin",
        rb"....ftyp(?:....)*?avi[fs]",
        (".avif",),
        metadata=("exif", "profile", "xmp"),
        quality_options=_plain_quality,
        default_quality=75,  # Pillow's
        codec_bytes=(6, 27),
        max_side=65_535,
    ),
    "HEIF": Format(
        "pillow_heif.HeifImagePlugin",
        rb"....ftyp(?:....)*?he(?:i[cxms]|v[cxms])",
        (".heic", ".heif"),
        metadata=("exif", "profile", "xmp"),
        quality_options=_plain_quality,
        default_quality=50,  # libheif's
        lossless_options={"quality": -1, "chroma": 444, "matrix_coefficients": 0},
        codec_bytes=(4, 24),
        max_side=16_384,
        package="pillow_heif",
    ),
    "JXL": Format(
        "pillow_jxl",
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        (".jxl",),
        holds_16_bits=True,
        max_deep_channels=1,  # of the plug-in
        metadata=("exif", "xmp"),
        quality_options=_plain_quality,
        default_quality=90,  # the plug-in's
        lossless_options={"lossless": True},
        codec_bytes=(8, 70),
        package="pillow_jxl",
    ),
    "JPEG2000": Format(
        "Jpeg2KImagePlugin",
        rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        (".jp2",),
        holds_16_bits=True,
        max_deep_channels=1,  # of Pillow's encoder
        metadata=("comment",),
        quality_options=_psnr,
        lossless_options={},
        codec_bytes=(14, 38),
    ),
    "BMP": Format(
        "BmpImagePlugin",
        rb"BM",
        (".bmp", ".dib"),
        alpha="none",
        metadata=("dpi",),
        codec_bytes=(0, 4),
    ),
    "TGA": Format(
        "TgaImagePlugin",
        None,  # see structure.tga
        (".tga", ".icb", ".vda", ".vst"),
        codec_bytes=(0, 4),
        max_side=65_535,
    ),
    # All of Netpbm's formats are read as PPM.
    "PPM": Format(
        signature=rb"P[1-6fF][\s#]|P7\r?\n",
        suffixes=(".ppm",),
        colors="RGB",
        holds_16_bits=True,
        **_NETPBM,
    ),
    "PNM": Format(signature=None, suffixes=(".pnm",), holds_16_bits=True, **_NETPBM),
    "PGM": Format(signature=None, suffixes=(".pgm",), colors="gray", holds_16_bits=True, **_NETPBM),
    "PBM": Format(signature=None, suffixes=(".pbm",), colors="black and white", **_NETPBM),
    "PAM": Format(
        signature=None, suffixes=(".pam",), holds_16_bits=True, **{**_NETPBM, "alpha": "full"}
    ),
}
IMAGE_SUFFIXES = {suffix: name for name, record in FORMATS.items() for suffix in record.suffixes}
INPUT_SUFFIXES = {  # by which pictures are found in folders; their content says what they are
    *IMAGE_SUFFIXES,
    *(".apng", ".jpe", ".jfif", ".mpo", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pfm"),
    ".hif",
}


UNKNOWN_FORMAT = (
    "is no picture of a kind that is read ("
    f"{', '.join(name for name, record in FORMATS.items() if record.signature or name == 'TGA')})"
)


def format_of(path: str) -> str | None:
    """Return the name of the picture format that an output's suffix asks for, if any.

    >>> format_of("cat.JPG"), format_of("cat.csv")
    ('JPEG', None)
    """
    return IMAGE_SUFFIXES.get(suffix_of(path))


def detect_format(start: bytes) -> str | None:
    r"""Return the name of a file's format by its first bytes, if it is a known one.

    >>> detect_format(b"\x89PNG\r\n\x1a\n")
    'PNG'
    """
    for name, record in FORMATS.items():
        if record.signature is not None and re.match(record.signature, start, re.DOTALL):
            return name
    return None


def describe_unread(start: bytes) -> str:
    r"""Say of a file that is read as no picture what it is, as far as its first bytes tell.

    >>> describe_unread(b"%PDF-1.7\n")
    'is a PDF document, a format that is not read'
    """
    for name, signature in UNREAD_FORMATS.items():
        if re.match(signature, start, re.DOTALL):
            return f"is {name}, a format that is not read"
    return UNKNOWN_FORMAT


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    from importlib.util import find_spec

    return find_spec(package) is not None
