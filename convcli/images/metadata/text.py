"""Texts of a PNG that are metadata of other kinds, as ImageMagick and others write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from convcli.arithmetic.values import Pair
from convcli.images import Metadata
from convcli.images.metadata.exif import PREFIX
from convcli.images.metadata.iptc import encode_resources, find_iptc, is_iptc

XMP_NAME = "XML:com.adobe.xmp"  # of a text that is an XMP packet
PROFILE_START = "Raw profile type "
IPTC_NAME = f"{PROFILE_START}iptc"
XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
# Properties that ImageMagick writes: the orientation, the size by its axis, and the thumbnail's.
ORIENTATION = re.compile(r"(exif|tiff):Orientation")
SIZE_NAMES = {
    "exif:PixelYDimension": 0, "exif:ExifImageLength": 0, "exif:ImageLength": 0,
    "tiff:ImageLength": 0, "exif:PixelXDimension": 1, "exif:ExifImageWidth": 1,
    "exif:ImageWidth": 1, "tiff:ImageWidth": 1,
}  # fmt: skip
MAX_NAME = 79  # characters of the name of a text
THUMBNAIL_START = "exif:thumbnail:"


def split_text(metadata: Metadata) -> tuple[Metadata, list[str]]:
    """Give the texts that hold EXIF, XMP, IPTC or a profile to their own fields.

    A block that the file holds by itself goes before one in a text.

    Returns
    -------
    metadata : Metadata
        Its texts say that nothing is turned, and nothing about a thumbnail.
    malformed : list of str
        The names of texts that cannot be read, which are left out.
    """
    blocks = {"exif": metadata.exif, "xmp": metadata.xmp, "iptc": metadata.iptc,
              "profile": metadata.profile}  # fmt: skip
    text, malformed = {}, []
    for name, value in metadata.text.items():
        if name.startswith(PROFILE_START):
            try:
                kind, content = _read_profile(name, value)
            except ValueError:
                malformed.append(name[:MAX_NAME])
                continue
            if kind:
                blocks[kind] = blocks[kind] or content
        elif name == XMP_NAME:
            blocks["xmp"] = value.encode()
        elif not name.startswith(THUMBNAIL_START):
            text[name] = "1" if ORIENTATION.fullmatch(name) else value
    metadata = metadata._replace(
        text=text,
        exif=blocks["exif"],
        xmp=blocks["xmp"],
        iptc=blocks["iptc"],
        profile=blocks["profile"],
    )
    return metadata, malformed


def set_size(text: Mapping[str, str], size: Pair) -> dict[str, str]:
    """Return texts whose properties of a picture's size say (H, W)."""
    return {
        name: str(size[SIZE_NAMES[name]]) if name in SIZE_NAMES else value
        for name, value in text.items()
    }


def encode_iptc(iptc: bytes) -> str:
    """Return IPTC as a text in hexadecimal, in its container, as ImageMagick and ExifTool do."""
    content = encode_resources(iptc)
    digits = content.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\n".join(("", "iptc", f"{len(content):8}", *lines, ""))


def _read_profile(name: str, value: str) -> tuple[str, bytes]:
    """Return the field of a text in hexadecimal, or nothing, and its content.

    Raises
    ------
    ValueError
        For what is none.
    """
    kind = name.removeprefix(PROFILE_START).lower()
    content = bytes.fromhex("".join(value.split("\n")[3:]))
    if kind == "app1":
        kind = "xmp" if content.startswith(XMP_START) else "exif"
        content = content.removeprefix(XMP_START)
    if kind == "exif":
        content = content if content.startswith(PREFIX) else PREFIX + content
    if kind in ("iptc", "8bim"):
        kind, content = "iptc", content if is_iptc(content) else find_iptc(content)
    kind = {"icc": "profile", "icm": "profile"}.get(kind, kind)
    return kind if kind in ("exif", "xmp", "iptc", "profile") else "", content
