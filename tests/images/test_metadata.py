"""Metadata from file to file: nothing is lost that the other format holds, and nothing is stale.

Blocks are taken out of files by a reader of this module, or seen as Pillow does.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, IptcImagePlugin, PngImagePlugin, TiffImagePlugin
from support.forked import forked

from convcli.images import Metadata, Picture, Translation
from convcli.images.formats import FORMATS
from convcli.images.metadata import exif as exif_blocks
from convcli.images.metadata import xmp as xmp_packets
from convcli.images.read import read_input
from convcli.images.write import write_picture

HOLDS = {name: set(record.metadata) for name, record in FORMATS.items() if record.metadata}
IPTC = b"\x1c\x02\x78\x00\x07caption\x1c\x02\x50\x00\x05Anita"
MAKER_NOTE = bytes(range(256)) * 2
PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    b' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"\n  %s>%s'
    b"<exif:PixelXDimension>%d</exif:PixelXDimension></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'   <?xpacket end="w"?>'
)
PLAIN_PACKET = PACKET % (b"", b"", 9)


def exif_of(orientation: int = 1, order: str = "<") -> bytes:
    """EXIF as a camera writes it, with a note of its maker, GPS and a thumbnail."""
    block = Image.Exif()
    block.endian = order
    block[0x010E], block[0x8298], block[0x010F] = "described", "© Änne".encode(), "a maker"
    if orientation != 1:
        block[0x0112] = orientation
    block[0x9C9B] = "title".encode("utf-16-le")
    camera = block.get_ifd(0x8769)
    camera |= {0x9003: "2020:01:02 03:04:05", 0x927C: MAKER_NOTE, 0xA002: 9, 0xA003: 8}
    camera |= {0x829A: TiffImagePlugin.IFDRational(1, 125), 0x9101: b"\1\2\3\0"}
    block.get_ifd(0x8825)[2] = (1.0, 2.0, 3.5)
    return block.tobytes()


def with_thumbnail(block: bytes, orientation: int = 6) -> bytes:
    """Append a second directory with a small picture to EXIF that has none."""
    data = bytearray(block.removeprefix(b"Exif\0\0"))
    order = "<" if data[:2] == b"II" else ">"
    first = struct.unpack_from(f"{order}I", data, 4)[0]
    count = struct.unpack_from(f"{order}H", data, first)[0]
    at = len(data)
    struct.pack_into(f"{order}I", data, first + 2 + 12 * count, at)
    picture = b"\xff\xd8thumbnail\xff\xd9"
    entries = ((0x0112, 3, orientation), (0x0201, 4, at + 2 + 36 + 4), (0x0202, 4, len(picture)))
    data += struct.pack(f"{order}H", len(entries))
    for name, kind, value in entries:
        data += struct.pack(f"{order}HHI" + ("H2x" if kind == 3 else "I"), name, kind, 1, value)
    return b"Exif\0\0" + bytes(data + bytes(4) + picture)


FULL = Metadata(
    exif=exif_of(),
    dpi=(300.0, 150.0),
    text={"Comment": "Grüße", "Author": "Ünal", "latin": "é"},
    xmp=PLAIN_PACKET,
    iptc=IPTC,
    translations=(
        Translation("Title", "Sharp", "en", "Title"),
        Translation("Title", "Scharf", "de", "Überschrift"),
    ),
)


def written(image_format: str, metadata: Metadata, pixels: Any = None) -> bytes:
    stream = io.BytesIO()
    values = np.zeros((8, 9, 3), np.uint8) if pixels is None else pixels
    write_picture(stream, values, image_format, metadata)
    return stream.getvalue()


def read(folder: Path, content: bytes, name: str = "in") -> Picture:
    (folder / name).write_bytes(content)
    return read_input(str(folder / name))


# ---- an independent view of a file ---------------------------------------------------------------


def pillow_view(content: bytes) -> dict[str, Any]:
    """What Pillow finds in a file."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        found = image.getexif()
        blocks = {name: dict(found.get_ifd(name)) for name in (0x8769, 0x8825)}
        view: dict[str, Any] = {
            "blocks": {name: block for name, block in blocks.items() if block},
            "described": found.get(0x010E),
            "title": found.get(0x9C9B),
            "dpi": image.info.get("dpi"),
            "comment": image.info.get("comment"),
            "xmp": image.info.get("xmp"),
            "text": dict(getattr(image, "text", {})),
        }
        view["iptc"] = IptcImagePlugin.getiptcinfo(image)
        return view


def jpeg_blocks(content: bytes) -> dict[str, bytes]:
    starts = {
        "exif": b"Exif\0\0",
        "xmp": b"http://ns.adobe.com/xap/1.0/\0",
        "iptc": b"Photoshop 3.0\x008BIM\4\4\0\0",
    }
    found, at = {}, 2
    while content[at + 1] != 0xDA:
        size = struct.unpack_from(">H", content, at + 2)[0]
        part = content[at + 4 : at + 2 + size]
        for name, start in starts.items():
            if part.startswith(start):
                found[name] = part[len(start) :]
        at += 2 + size
    if "iptc" in found:
        size = struct.unpack(">I", found["iptc"][:4])[0]
        found["iptc"] = found["iptc"][4 : 4 + size]
    return found


def png_blocks(content: bytes) -> dict[str, bytes]:
    found = {}
    for match in re.finditer(rb"(....)(eXIf|iTXt|zTXt)", content, re.DOTALL):
        size = struct.unpack(">I", match[1])[0]
        part = content[match.end() : match.end() + size]
        if match[2] == b"eXIf":
            found["exif"] = part
        elif part.startswith(b"XML:com.adobe.xmp\0\0\0\0\0"):
            found["xmp"] = part[22:]
        elif part.startswith(b"Raw profile type iptc\0\0"):
            lines = zlib.decompress(part[23:]).split(b"\n")
            assert (lines[0], lines[1]) == (b"", b"iptc")
            resource = bytes.fromhex(b"".join(lines[3:]).decode())
            assert len(resource) == int(lines[2])
            size = struct.unpack_from(">I", resource, 8)[0]
            found["iptc"] = resource[12 : 12 + size]
    return found


def webp_blocks(content: bytes) -> dict[str, bytes]:
    found, at = {}, 12
    while at < len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name in (b"EXIF", b"XMP "):
            found[name.decode().strip().lower()] = content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found


def gif_blocks(content: bytes) -> dict[str, bytes]:
    start = content.index(b"!\xff\x0bXMP DataXMP") + 14
    return {"xmp": content[start : content.index(b"\1\xff\xfe", start)]}


def tiff_blocks(content: bytes) -> dict[str, bytes]:
    with Image.open(io.BytesIO(content)) as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        named = {"xmp": 700, "iptc": 33723}
        return {name: bytes(tags[tag]) for name, tag in named.items() if tag in tags}


def jxl_blocks(content: bytes) -> dict[str, bytes]:
    names, found, at = {b"Exif": "exif", b"xml ": "xmp"}, {}, 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        if name in names:
            found[names[name]] = content[at + (12 if name == b"Exif" else 8) : at + size]
        at += size or len(content)
    return found


BLOCKS = {"JPEG": jpeg_blocks, "PNG": png_blocks, "WEBP": webp_blocks, "GIF": gif_blocks,
          "TIFF": tiff_blocks, "JXL": jxl_blocks}  # fmt: skip


def raw_blocks(content: bytes, image_format: str) -> dict[str, bytes]:
    """EXIF, XMP and IPTC as bytes of a file, taken out of its container."""
    if image_format in BLOCKS:
        return BLOCKS[image_format](content)
    with Image.open(io.BytesIO(content)) as image:
        return {name: image.info[name] for name in ("exif", "xmp") if name in image.info}


def test_the_usual_formats_hold_all_that_they_can() -> None:
    photographic = {"exif", "profile", "xmp"}
    assert HOLDS["PNG"] >= {*photographic, "iptc", "dpi", "text"}
    assert HOLDS["JPEG"] >= {*photographic, "iptc", "dpi", "comment"}
    assert HOLDS["TIFF"] >= {*photographic, "iptc", "dpi"}
    assert HOLDS["WEBP"] >= photographic
    assert HOLDS["GIF"] >= {"xmp", "comment"}


@pytest.mark.parametrize("target", HOLDS)
@pytest.mark.parametrize("source", HOLDS)
def test_what_both_formats_hold_survives(tmp_path: Path, source: str, target: str) -> None:
    first = read(tmp_path, written(source, FULL))
    assert first.notes == ()
    content = written(target, first.metadata)
    held, both = HOLDS[source], HOLDS[source] & HOLDS[target]
    blocks = raw_blocks(content, target) if both & {"xmp", "iptc"} else {}
    view = pillow_view(content)
    if "xmp" in both:
        assert blocks["xmp"] == PLAIN_PACKET
    if "iptc" in both:
        assert blocks["iptc"] == IPTC
    if "exif" in both:
        assert view["described"] == "described"
        assert view["title"] == "title".encode("utf-16-le")
        camera, place = view["blocks"][0x8769], view["blocks"][0x8825]
        assert camera[0x9003] == "2020:01:02 03:04:05"
        assert camera[0x927C] == MAKER_NOTE
        assert camera[0x829A] == 1 / 125
        assert camera[0x9101] == b"\1\2\3\0"
        assert place[2] == (1.0, 2.0, 3.5)
    if "dpi" in both:
        assert [round(float(dots), 1) for dots in view["dpi"]] == [300.0, 150.0]
    if "text" in both:
        expected = FULL.text | {"Title": "Scharf"}
        assert {name: view["text"][name] for name in expected} == expected
    if both >= {"comment"} or ("comment" in held and target == "PNG"):
        found = view["text"]["Comment"].encode() if target == "PNG" else view["comment"]
        assert found == "Grüße".encode()


def test_exif_stays_to_the_byte_where_it_is_not_stale(tmp_path: Path) -> None:
    """A note of a maker may refer to places of the block."""
    for order in "<>":
        block = exif_of(order=order)
        for name in ("JPEG", "PNG", "WEBP"):
            metadata = read(tmp_path, written(name, Metadata(block))).metadata
            assert metadata.exif == block
            assert raw_blocks(written(name, metadata), name)["exif"].removeprefix(
                b"Exif\0\0"
            ) == block.removeprefix(b"Exif\0\0")


def test_texts_keep_their_languages(tmp_path: Path) -> None:
    stream = io.BytesIO()
    given = PngImagePlugin.PngInfo()
    given.add_text("Author", "latin é")
    given.add_text("zipped", "z" * 99, zip=True)
    given.add_itxt("Title", "Scharf", "de", "Überschrift")
    given.add_itxt("Title", "Sharp", "en", "Title", zip=True)
    Image.new("L", (3, 2)).save(stream, "PNG", pnginfo=given)
    metadata = read(tmp_path, stream.getvalue()).metadata
    assert metadata.text == {"Author": "latin é", "zipped": "z" * 99}
    again = read(tmp_path, written("PNG", metadata)).metadata
    assert again.text == metadata.text
    assert again.translations == metadata.translations == (
        Translation("Title", "Scharf", "de", "Überschrift"),
        Translation("Title", "Sharp", "en", "Title"),
    )  # fmt: skip
    with Image.open(io.BytesIO(written("PNG", metadata))) as image:
        last = image.text["Title"]  # type: ignore[attr-defined]
        assert (last, last.lang, last.tkey) == ("Sharp", "en", "Title")


# ---- orientation ---------------------------------------------------------------------------------

FORMS = {
    "attribute": (b'tiff:Orientation="%d"', b""),
    "single quotes": (b"tiff:Orientation = '%d'", b""),
    "element": (b"", b"<tiff:Orientation>%d</tiff:Orientation>"),
    "spaces": (b"", b"<tiff:Orientation> %d\n</tiff:Orientation>"),
    "another prefix": (b'xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="%d"', b""),
}


def oriented_packet(form: str, orientation: int) -> bytes:
    attribute, element = FORMS[form]
    parts = [part % orientation if part else part for part in (attribute, element)]
    return PACKET % (*parts, 9)


@pytest.mark.parametrize("form", FORMS)
def test_a_packet_changes_where_it_says_an_orientation_alone(form: str) -> None:
    packet = oriented_packet(form, 6)
    assert xmp_packets.read_orientation(packet) == 6
    reset = xmp_packets.reset_orientation(packet)
    assert xmp_packets.read_orientation(reset) == 1
    changed = [(old, new) for old, new in zip(packet, reset, strict=True) if old != new]
    assert changed == [(ord("6"), ord("1"))]


TURNED = [(6, 6, 6), (6, 3, 6), (1, 6, 6), (None, 8, 8), (8, None, 8)]


@pytest.mark.parametrize(
    ("name", "exif", "xmp", "expected"),
    [*((name, *turned) for name in ("JPEG", "PNG", "WEBP") for turned in TURNED),
     ("GIF", None, 6, 6)],
)  # fmt: skip
def test_pixels_are_turned_once(
    tmp_path: Path, name: str, exif: int | None, xmp: int | None, expected: int
) -> None:
    given = Metadata(
        with_thumbnail(exif_of(exif)) if exif else b"",
        xmp=oriented_packet("attribute", xmp) if xmp else b"",
    )
    pixels = np.zeros((8, 9, 3), np.uint8)
    pixels[:4] = 255
    picture = read(tmp_path, written(name, given, pixels))
    assert picture.size == (9, 8)
    turned = np.rot90(pixels, -1 if expected == 6 else 1)
    assert np.abs(picture.values.astype(int) - turned).max() < 9
    again = read(tmp_path, written(name, picture.metadata, pixels))
    assert again.size == (8, 9)
    content = written(name, picture.metadata, pixels)
    assert b"thumbnail" not in content
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.getexif().get(0x0112, 1) == 1


def test_texts_of_other_tools_say_no_stale_orientation(tmp_path: Path) -> None:
    """As ImageMagick writes EXIF and its values into a PNG."""
    stream = io.BytesIO()
    given = PngImagePlugin.PngInfo()
    block = exif_of(6)
    hexadecimal = f"\nexif\n{len(block):8}\n{block.hex()}\n"
    given.add_text("Raw profile type exif", hexadecimal, zip=True)
    for name in ("exif:Orientation", "tiff:Orientation"):
        given.add_text(name, "6")
    given.add_text("exif:PixelXDimension", "9")
    given.add_text("exif:thumbnail:Orientation", "6")
    Image.new("RGB", (9, 8)).save(stream, "PNG", pnginfo=given)
    picture = read(tmp_path, stream.getvalue())
    assert picture.size == (9, 8)
    content = written("PNG", picture.metadata, np.zeros((9, 4, 3), np.uint8))
    view = pillow_view(content)
    assert view["text"] == {
        "exif:Orientation": "1", "tiff:Orientation": "1", "exif:PixelXDimension": "4"
    }  # fmt: skip
    assert view["described"] == "described"


# ---- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [(5, 7), (70_000, 3)])
def test_tags_of_the_size_follow_it(order: str, size: tuple[int, int]) -> None:
    block, *_ = exif_blocks.normalize(exif_of(order=order))
    changed = Image.Exif()
    changed.load(exif_blocks.set_size(block, size))
    camera = changed.get_ifd(0x8769)
    assert (camera[0xA003], camera[0xA002]) == size
    assert camera[0x927C] == MAKER_NOTE
    packet = xmp_packets.set_size(PACKET % (b'tiff:ImageLength="8"', b"", 9), size)
    assert packet == PACKET % (b'tiff:ImageLength="%d"' % size[0], b"", size[1])


def test_a_resized_photograph_says_its_own_size(tmp_path: Path) -> None:
    given = Metadata(exif_of(6), xmp=PLAIN_PACKET, iptc=IPTC)
    (tmp_path / "in.jpg").write_bytes(written("JPEG", given))
    ended = forked("apply", "in.jpg", "-k", "identity", "--resize", "30x20", "-o", "out.jpg",
                     cwd=tmp_path)  # fmt: skip
    assert (ended.code, ended.stderr) == (0, b"")
    content = (tmp_path / "out.jpg").read_bytes()
    camera = pillow_view(content)["blocks"][0x8769]
    assert (camera[0xA002], camera[0xA003]) == (30, 20)
    blocks = raw_blocks(content, "JPEG")
    assert blocks["iptc"] == IPTC
    assert blocks["xmp"] == PACKET % (b"", b"", 30)
    assert b"Rating" in blocks["xmp"]
