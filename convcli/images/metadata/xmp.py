"""XMP packets: the values that say how pixels lie, as text; all else stays to the byte (ISO 16684).

A property is an attribute or an element: `tiff:Orientation="6"`, `<tiff:Orientation>6</…>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from convcli.arithmetic.values import Pair

TIFF, EXIF = b"http://ns.adobe.com/tiff/1.0/", b"http://ns.adobe.com/exif/1.0/"
NOTE = b"http://ns.adobe.com/xmp/note/"
USUAL_PREFIXES = {TIFF: b"tiff", EXIF: b"exif", NOTE: b"xmpNote"}
ORIENTATION = TIFF, b"Orientation"
SIZE_NAMES = {
    (TIFF, b"ImageLength"): 0, (TIFF, b"ImageWidth"): 1,
    (EXIF, b"PixelYDimension"): 0, (EXIF, b"PixelXDimension"): 1,
}  # fmt: skip
WIDE_CODECS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
START_BYTES = 100  # in which the marks of UTF-16 and UTF-32 are

Name = tuple[bytes, bytes]  # a namespace, and the name in it


def to_utf8(packet: bytes) -> bytes:
    """Return a packet in UTF-8, in which formats other than TIFF hold it.

    Raises
    ------
    ValueError
        If it is in no encoding of XMP.
    """
    if b"\0" not in packet[:START_BYTES]:
        return packet
    for codec in WIDE_CODECS:
        if "<".encode(codec) + "?".encode(codec) in packet[:START_BYTES] or (
            packet.startswith("<".encode(codec) + "x".encode(codec))
        ):
            return packet.decode(codec).removeprefix("\ufeff").encode()
    raise ValueError("it is not text")


def read_orientation(packet: bytes) -> int:
    """Return the orientation that a packet says, 1 to 8; 1 if it says none."""
    found: list[bytes] = []

    def collect(_: bytes, value: bytes) -> bytes:
        found.append(value)
        return value

    _replace(packet, [ORIENTATION], collect)
    return next((int(value) for value in found if re.fullmatch(rb"[1-8]", value)), 1)


def reset_orientation(packet: bytes) -> bytes:
    """Return a packet that says, where it names an orientation, that nothing is turned."""
    return _replace(packet, [ORIENTATION], lambda *_: b"1")


def set_size(packet: bytes, size: Pair) -> bytes:
    """Return a packet whose properties of a picture's size, where it has them, say (H, W)."""
    lengths = {name: b"%d" % size[axis] for (_, name), axis in SIZE_NAMES.items()}
    return _replace(packet, list(SIZE_NAMES), lambda name, _: lengths[name])


def remove_extension(packet: bytes) -> bytes:
    """Return a packet that does not refer to a second one, which JPEG may have beside it."""
    name = rb"(?:%s):HasExtendedXMP" % b"|".join(_prefixes(packet, NOTE))
    packet = re.sub(rb"(?<!\s)\s+%s\s*=\s*([\"'])[^\"'<]*\1" % name, b"", packet)
    return re.sub(rb"<%s\s*>[^<]*</%s\s*>" % (name, name), b"", packet)


def _replace(packet: bytes, names: list[Name], change: Callable[[bytes, bytes], bytes]) -> bytes:
    """Return a packet with other values of some properties.

    `change` takes the name of a property without its prefix, and its value.
    """
    full = b"|".join(
        rb"%s:%s" % (prefix, name)
        for namespace, name in names
        for prefix in _prefixes(packet, namespace)
    )

    def replace(match: re.Match[bytes]) -> bytes:
        before, name, between, value, after = match.groups()
        core = value.strip()
        start = value.find(core)
        changed = change(name.split(b":")[1], core)
        spaced = value[:start] + changed + value[start + len(core) :]
        return b"".join((before, name, between, spaced, after))

    attribute = re.compile(rb"(\s)(%s)(\s*=\s*[\"'])([^\"'<>]*)([\"'])" % full)
    element = rb"(<)(%s)(\s*>)([^<]*)(</)" % full
    packet = re.sub(rb"<[^<>]*>", lambda tag: attribute.sub(replace, tag[0]), packet)
    return re.sub(element, replace, packet)


def _prefixes(packet: bytes, namespace: bytes) -> list[bytes]:
    """Return the prefixes of a namespace in a packet, as a pattern has them."""
    pattern = rb"xmlns:([\w.-]{1,40})\s*=\s*[\"']%s[\"']" % re.escape(namespace)
    found = {USUAL_PREFIXES[namespace], *re.findall(pattern, packet)}
    return [re.escape(prefix) for prefix in sorted(found)]
