"""IPTC in its container, the resources of Photoshop (IPTC-IIM 4.2; Photoshop File Formats).

Of the resources, IPTC alone is kept: others hold the resolution, EXIF, XMP and a color profile once
more, a thumbnail, or the state of an editor.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

SIGNATURE, IPTC = b"8BIM", 0x0404
JPEG_START = b"Photoshop 3.0\0"
DATA_SET = 0x1C  # with which each begins


def is_iptc(content: bytes) -> bool:
    """Whether bytes begin as IPTC does."""
    return content[:1] == bytes([DATA_SET])


def take_iptc(resources: Mapping[int, Any]) -> tuple[bytes, tuple[str, ...]]:
    """Return the IPTC of resources that Pillow has read, and notes."""
    content = resources.get(IPTC)
    if not content:
        return b"", ()
    if not isinstance(content, bytes) or not is_iptc(content):
        return b"", ("its IPTC is malformed and left out",)
    return content, ()


def find_iptc(resources: bytes) -> bytes:
    """Return the IPTC among resources; nothing if there is none."""
    at = 0
    while resources[at : at + 4] == SIGNATURE and at + 7 <= len(resources):
        name = struct.unpack_from(">H", resources, at + 4)[0]
        at += 6 + (resources[at + 6] + 2) // 2 * 2  # a string with its length, to an even size
        if at + 4 > len(resources):
            break
        size = struct.unpack_from(">I", resources, at)[0]
        at += 4
        if name == IPTC:
            return resources[at : at + size]
        at += size + size % 2
    return b""


def encode_resources(iptc: bytes) -> bytes:
    """Return resources that hold IPTC alone."""
    padding = bytes(len(iptc) % 2)
    return SIGNATURE + struct.pack(">HxxI", IPTC, len(iptc)) + iptc + padding


def encode_segment(iptc: bytes) -> bytes:
    """Return the segment of a JPEG that holds IPTC."""
    content = JPEG_START + encode_resources(iptc)
    return b"\xff\xed" + struct.pack(">H", 2 + len(content)) + content
