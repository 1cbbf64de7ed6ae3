"""A picture is good whatever is said beside it: what is malformed is left out, with a note.

Malformed metadata is made by hand, as no library writes it.
"""

from __future__ import annotations

import io
import struct
import tempfile
import time
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin
from support.forked import forked

from convcli.images import Metadata, Picture
from convcli.images.metadata import exif as exif_blocks
from convcli.images.metadata import xmp as xmp_packets
from convcli.images.read import read_input
from convcli.images.write import find_losses, write_picture

PIXELS = np.arange(6 * 10 * 3, dtype=np.uint8).reshape(6, 10, 3)
NAMES = (0x0100, 0x010E, 0x0112, 0x011A, 0x011B, 0x0128, 0x0131, 0x0201, 0x0202, 0x8298, 0x8769,
         0x8825, 0x927C, 0x9286, 0xA002, 0xA003, 0xA005)  # fmt: skip


@cache
def plain(image_format: str) -> bytes:
    stream = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if image_format == "WEBP" else {}
    Image.fromarray(PIXELS).save(stream, image_format, **options)
    return stream.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(*segments: bytes, has_jfif: bool = True) -> bytes:
    content = plain("JPEG")
    return (
        content[:20] * has_jfif + content[:2] * (not has_jfif) + b"".join(segments) + content[20:]
    )


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png(*chunks: bytes, at_end: bool = False) -> bytes:
    content = plain("PNG")
    place = len(content) - 12 if at_end else 33
    return content[:place] + b"".join(chunks) + content[place:]


def webp(exif: bytes) -> bytes:
    picture = plain("WEBP")[12:]
    canvas = struct.pack("<I", 8) + (9).to_bytes(3, "little") + (5).to_bytes(3, "little")
    parts = b"VP8X" + struct.pack("<I", 10) + canvas + picture
    parts += b"EXIF" + struct.pack("<I", len(exif)) + exif + bytes(len(exif) % 2)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def read(content: bytes) -> Picture:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        return read_input(file.name)


def check(content: bytes, *, is_exact: bool) -> Picture:
    """Read a file whose pixels are good, and write its metadata to other formats."""
    picture = read(content)
    assert sorted(picture.size) == [6, 10]
    if is_exact and picture.size == (6, 10) and np.array_equal(picture.values[0, 0], PIXELS[0, 0]):
        np.testing.assert_array_equal(picture.values, PIXELS)
    assert all("\n" not in note for note in picture.notes)
    for name in ("PNG", "JPEG", "TIFF"):
        stream = io.BytesIO()
        write_picture(stream, PIXELS, name, picture.metadata)
        with warnings.catch_warnings(action="ignore"), Image.open(stream) as image:
            image.load()
    return picture


@st.composite
def directories(draw: st.DrawFn) -> bytes:
    """EXIF whose values are of any type and number, and which may be cut off or a loop."""
    order = draw(st.sampled_from("<>"))
    entry = st.builds(
        lambda name, kind, count, value: struct.pack(f"{order}HHI", name, kind, count) + value,
        st.sampled_from(NAMES),
        st.integers(0, 20),
        st.sampled_from((0, 1, 2, 3, 9, 60)),
        st.one_of(
            st.binary(min_size=4, max_size=4),
            st.integers(0, 250).map(lambda number: struct.pack(f"{order}I", number)),
            st.integers(0, 9).map(lambda number: struct.pack(f"{order}HH", number, 0)),
        ),
    )
    content = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    for _ in range(2):
        entries = draw(st.lists(entry, max_size=6))
        content += struct.pack(f"{order}H", len(entries) + draw(st.sampled_from((0, 0, 0, 1, 300))))
        content += b"".join(entries)
        content += struct.pack(f"{order}I", draw(st.sampled_from((0, 8, 40, 200, 2**32 - 1))))
    content += draw(st.binary(max_size=80))
    return content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content


@settings(max_examples=50)
@given(directories(), st.booleans())
def test_any_exif_leaves_the_picture_as_it_is(block: bytes, has_jfif: bool) -> None:
    check(jpeg(segment(0xE1, b"Exif\0\0" + block), has_jfif=has_jfif), is_exact=False)
    check(png(chunk(b"eXIf", block)), is_exact=True)
    check(webp(block), is_exact=True)


@settings(max_examples=100)
@given(directories(), st.tuples(st.integers(1, 70_000), st.integers(1, 70_000)))
def test_a_changed_block_is_as_long_and_says_no_orientation(
    block: bytes, size: tuple[int, int]
) -> None:
    try:
        changed, orientation, _ = exif_blocks.normalize(block)
    except ValueError:
        return
    assert 1 <= orientation <= 8
    assert len(changed) <= len(block) + 6
    sized = exif_blocks.set_size(changed, size) if changed else b""
    if sized:
        exif_blocks.decode(sized)


@pytest.mark.parametrize("has_jfif", [True, False])
@pytest.mark.parametrize(
    ("marker", "content"),
    [
        *((0xE0, start) for start in (b"JFIF", b"JFIF\0\1", b"JFIF\0\1\1\1")),
        *((0xE2, b"ICC_PROFILE\0" + rest) for rest in (b"", b"\1", b"\1\2x", b"\2\1x")),
        *((0xED, b"Photoshop 3.0\0" + rest) for rest in
          (b"8BIM", b"8BIM\4", b"8BIM\4\4", b"8BIM\4\4\0\0\0\0\0\7abc",
           b"8BIM\3\xed\0\0\0\0\0\2a")),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0\0\1<"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        (0xE1, b"Exif\0\0"),
        (0xE2, b"MPF\0II*\0"),
        (0xE2, b"FPXR\0"),
        (0xEE, b"Adobe"),
    ],
)  # fmt: skip
def test_a_malformed_segment_leaves_the_others(marker: int, content: bytes, has_jfif: bool) -> None:
    packet = b'<x xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/>'
    good = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    iptc = segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\x06\x1c\2\x50\0\1A")
    block = segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0")
    picture = check(jpeg(segment(marker, content), good, iptc, block, has_jfif=has_jfif),
                    is_exact=False)  # fmt: skip
    assert picture.metadata.xmp == packet
    assert picture.metadata.iptc == b"\x1c\2\x50\0\1A"
    if content != b"Exif\0\0":
        assert picture.size == (10, 6)


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        *((name, b"", None) for name in (b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"tIME")),
        *((b"acTL", content, None) for content in (b"", b"abc")),
        *((b"pHYs", content, "resolution") for content in (b"", bytes(8))),
        *((b"iCCP", content, "color profile") for content in
          (b"", b"x", b"x\0\1" + zlib.compress(b"profile"), b"x\0\0abc")),
        *((b"tEXt", content, "texts") for content in (b"", b"a")),
        *((b"zTXt", content, "texts") for content in (b"a\0\1abc", b"a\0\0abc")),
        *((b"iTXt", content, "texts") for content in
          (b"", b"a\0", b"a\0\1\0\0\0abc", b"a\0\0\0\0\0\xff")),
        (b"tEXt", b"Raw profile type exif\0\nexif\n  2\nzz\n", "exif"),
        (b"eXIf", b"II", "EXIF"),
    ],
)  # fmt: skip
def test_a_malformed_chunk_leaves_the_others(
    name: bytes, content: bytes, note: str | None, at_end: bool
) -> None:
    good = chunk(b"tEXt", b"Author\0A")
    picture = check(png(chunk(name, content), good, at_end=at_end), is_exact=True)
    assert picture.metadata.text == {"Author": "A"}
    if note is not None and not (at_end and name == b"iCCP" and content == b"x\0\0abc"):
        assert any(note in each for each in picture.notes), picture.notes


def test_damage_beside_malformed_metadata_is_still_damage(tmp_path: Path) -> None:
    content = bytearray(png(chunk(b"gAMA", b"")))
    content[content.index(b"IDAT") + 12] ^= 1
    (tmp_path / "in.png").write_bytes(content)
    ended = forked("apply", "in.png", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert ended.code == 1
    assert ended.stderr.count(b"\n") == 1


def test_a_resolution_of_another_type_is_passed_over(tmp_path: Path) -> None:
    """As a string, it ended in "bad operand type for abs()"."""
    entries = struct.pack("<HHII", 0x011A, 2, 8, 50) + struct.pack("<HHII", 0x011B, 2, 8, 50)
    block = b"II*\0\x08\0\0\0\2\0" + entries + bytes(4) + bytes(12) + b"72 dpi.\0"
    (tmp_path / "in.jpg").write_bytes(jpeg(segment(0xE1, b"Exif\0\0" + block), has_jfif=False))
    for name in ("out.jpg", "out.png", "out.tif", "out.webp"):
        ended = forked("apply", "in.jpg", "-k", "identity", "-o", name, cwd=tmp_path)
        note = b"convcli: in.jpg: 2 of the tags of its EXIF are malformed and left out\n"
        assert (ended.code, ended.stderr) == (0, note)
        with Image.open(tmp_path / name) as image:
            assert image.size == (10, 6)


def test_an_empty_text_is_not_malformed() -> None:
    empty = struct.pack("<HHII", 0x8298, 2, 0, 0)
    block = b"Exif\0\0II*\0\x08\0\0\0\1\0" + empty + bytes(4)
    picture = read(jpeg(segment(0xE1, block)))
    assert (picture.metadata.exif, picture.notes) == (block, ())


# ---- hostile blocks ------------------------------------------------------------------------------


def many_entries(count: int, entry: bytes) -> bytes:
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entry * count


def hostile_blocks() -> dict[str, bytes]:
    """EXIF that costs the square of its size where all tags are compared, or copied."""
    pointers = struct.pack("<HHII", 0x8769, 4, 1, 8)
    shared = struct.pack("<HHII", 0x010E, 2, 120_000, 8)
    first = many_entries(9999, shared)
    second = struct.pack("<I", len(first) + 4) + many_entries(9999, shared)[8:] + bytes(4)
    return {
        "pointers to the first directory": many_entries(9999, pointers) + bytes(4),
        "equal orientations": many_entries(9999, struct.pack("<HHII", 0x0112, 3, 1, 6)) + bytes(4),
        "values that share bytes": many_entries(9999, shared) + bytes(4),
        "a thumbnail of many tags": first + second,
        "more tags than any": many_entries(60_000, struct.pack("<HHII", 0x0112, 3, 1, 6)),
    }


@pytest.mark.parametrize("name", hostile_blocks())
def test_hostile_exif_costs_no_more_than_its_size(name: str) -> None:
    block = hostile_blocks()[name]
    start = time.process_time()
    try:
        changed, *_ = exif_blocks.normalize(block)
    except ValueError:
        assert name == "more tags than any"
        return
    if changed:
        changed = exif_blocks.set_size(changed, (6, 10))
        held = exif_blocks.decode(changed) if changed else None
        assert held is None or sum(len(value.content) for value in held.values.values()) < 1 << 20
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "packet",
    [b" " * 1_000_000, b"<" * 1_000_000, b"<x " + b"\n" * 1_000_000, b'<x a="' + b"tiff:" * 200_000,
     b" tiff:Orientation" * 60_000, b"<tiff:Orientation>" * 60_000, b" xmlns:t=" * 100_000,
     b"<x tiff:Orientation" + b" " * 500_000 + b"= 6"],
)  # fmt: skip
def test_hostile_xmp_costs_no_more_than_its_size(packet: bytes) -> None:
    start = time.process_time()
    assert xmp_packets.read_orientation(packet) == 1
    assert len(xmp_packets.set_size(packet, (1, 1))) <= len(packet)
    assert len(xmp_packets.reset_orientation(packet)) <= len(packet)
    assert xmp_packets.remove_extension(packet) == packet
    assert time.process_time() - start < 2


# ---- of a TIFF -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [270, 282, 296, 305, 700, 33432, 33723, 34377, 34675, 34665, 34853])
@pytest.mark.parametrize(
    ("kind", "length"), [(2, 5), (4, 1), (5, 1), (7, 1 << 31), (99, 3), (1, 0)]
)
def test_a_malformed_tag_of_a_page_leaves_the_others(tag: int, kind: int, length: int) -> None:
    strip = PIXELS.tobytes()
    at = 8 + len(strip)
    tags = {256: (3, 1, 10), 257: (3, 1, 6), 258: (3, 3, at), 259: (3, 1, 1), 262: (3, 1, 2),
            273: (4, 1, 8), 277: (3, 1, 3), 278: (3, 1, 6), 279: (4, 1, len(strip)),
            315: (2, 2, ord("A")), tag: (kind, length, 1 << 30)}  # fmt: skip
    entries = [struct.pack("<HHII", name, *value) for name, value in sorted(tags.items())]
    content = b"II*\0" + struct.pack("<I", at + 6) + strip + struct.pack("<HHH", 8, 8, 8)
    content += struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    picture = check(content, is_exact=True)
    np.testing.assert_array_equal(picture.values, PIXELS)
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert kept[315] == "A"


def test_iptc_of_a_tiff_is_found_in_each_of_its_forms() -> None:
    records = b"\x1c\2\x50\0\3Ann"
    swapped = b"".join(records[at : at + 4][::-1] for at in range(0, len(records), 4))
    resource = b"8BIM\3\xed\0\0\0\0\0\2ab8BIM\4\4\0\0" + struct.pack(">I", 8) + records
    for tag, kind, content in (
        *((33723, kind, records) for kind in (1, 2, 4, 7)),
        *((33723, 4, swapped), (34377, 7, resource)),
    ):
        stream = io.BytesIO()
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[tag], tags.tagtype[tag] = b"x", 7  # a place for the bytes
        Image.fromarray(PIXELS).save(stream, "TIFF", tiffinfo=tags)
        made = bytearray(stream.getvalue())
        at = len(made)
        place = made.index(struct.pack("<HH", tag, 7))
        size = len(content) // (4 if kind == 4 else 1)
        made[place : place + 12] = struct.pack("<HHII", tag, kind, size, at)
        picture = read(bytes(made) + content)
        assert picture.metadata.iptc == records, (tag, kind)


# ---- what a format cannot hold -------------------------------------------------------------------


def block_of(size: int) -> bytes:
    """EXIF of so many bytes."""
    text = size - len(b"Exif\0\0") - 8 - 18
    entry = struct.pack("<HHHII", 1, 0x010E, 2, text, 26)
    return b"Exif\0\0II*\0\x08\0\0\0" + entry + bytes(4) + b"x" * (text - 1) + b"\0"


@pytest.mark.parametrize("excess", [0, 1])
def test_blocks_that_are_too_long_for_a_jpeg_are_left_out(excess: int) -> None:
    most = 65_533
    exif = block_of(most + excess)
    assert len(exif) == most + excess
    packet = b"<x>" + b" " * (most - 29 - 7 + excess) + b"</x>"
    records = b"\x1c" + b"i" * (most - 27 - 1 + excess)
    metadata = Metadata(exif, xmp=packet, iptc=records, text={"Comment": "c" * (most + excess)})
    stream = io.BytesIO()
    write_picture(stream, PIXELS, "JPEG", metadata)
    found = read(stream.getvalue()).metadata
    given = metadata if not excess else Metadata()
    assert (found.exif, found.xmp, found.iptc) == (given.exif, given.xmp, given.iptc)
    assert found.text == given.text
    notes = find_losses(metadata, "JPEG")
    assert len(notes) == 3 * excess
    assert all("left out" in note for note in notes)
    for name in ("PNG", "TIFF"):
        stream = io.BytesIO()
        write_picture(stream, PIXELS, name, metadata)
        found = read(stream.getvalue()).metadata
        assert (found.xmp, found.iptc) == (packet, records)
        assert found.exif.rstrip(b"\0") == exif.rstrip(b"\0")
        assert find_losses(metadata, name) == ()


def test_only_what_a_photograph_loses_is_named(tmp_path: Path) -> None:
    metadata = Metadata(block_of(99), xmp=b"<x/>", iptc=b"\x1cx", text={"Comment": "c"})
    assert find_losses(metadata, "WEBP") == ("WEBP holds no IPTC; it is left out",)
    for name in ("GIF", "BMP", "PPM"):
        assert find_losses(metadata, name) == ()
    stream = io.BytesIO()
    write_picture(stream, PIXELS, "JPEG", metadata)
    (tmp_path / "in.jpg").write_bytes(stream.getvalue())
    ended = forked("apply", "in.jpg", "-k", "identity", "-o", "out.webp", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (
        0,
        b"convcli: in.jpg: WEBP holds no IPTC; it is left out\n",
    )
    ended = forked("apply", "in.jpg", "-k", "identity", "-o", "out.gif", "--strip", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, b"")
    assert b"XMP" not in (tmp_path / "out.gif").read_bytes()


def test_a_second_packet_is_left_out_with_the_reference_to_it() -> None:
    start = b'<x xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    packet = start + b'\n xmpNote:HasExtendedXMP="%s" a="b"/>' % (b"0" * 32)
    first = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)
    header = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8)
    second = segment(0xE1, header + b"<y/>")
    picture = read(jpeg(first, second))
    assert picture.metadata.xmp == start + b' a="b"/>'
    assert len(picture.notes) == 1
    assert "second XMP packet" in picture.notes[0]


def test_what_is_kept_is_limited_by_importance() -> None:
    metadata = Metadata(
        b"e" * 4, b"p" * 4, xmp=b"x" * 4, iptc=b"i" * 4, text={"t": "text", "u": "longer text"}
    )
    kept = [
        "".join(sorted(found.profile.decode() + found.exif.decode() + found.xmp.decode()
                       + found.iptc.decode() + "".join(found.text)))
        for found in (metadata.limit(limit)[0] for limit in (3, 4, 8, 12, 16, 21, 40))
    ]  # fmt: skip
    assert [sorted(set(each)) for each in kept] == [
        [], ["p"], list("ep"), list("epx"), list("eipx"), list("eiptx"), list("eiptux")
    ]  # fmt: skip
    assert metadata.limit(21)[1] == len("u") + len("longer text")


# ---- resolution ----------------------------------------------------------------------------------


def jfif(unit: int, across: int, down: int) -> bytes:
    content = plain("JPEG")
    return content[:13] + struct.pack(">BHH", unit, across, down) + content[18:]


@pytest.mark.parametrize(
    ("content", "dpi", "aspect"),
    [
        (jfif(1, 300, 150), (300, 150), None),
        (jfif(2, 100, 50), (254, 127), None),
        (jfif(0, 2, 1), None, (2, 1)),
        (jfif(0, 1, 1), None, None),
        (jfif(1, 0, 0), None, None),
        (jfif(7, 3, 1), None, None),
        (png(chunk(b"pHYs", struct.pack(">IIB", 10_000, 5000, 1))), (254, 127), None),
        (png(chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))), None, (2, 1)),
        (png(chunk(b"pHYs", bytes(9))), None, None),
    ],
)  # fmt: skip
def test_a_resolution_survives_in_any_unit(
    content: bytes, dpi: tuple[float, float] | None, aspect: tuple[float, float] | None
) -> None:
    first = read(content).metadata
    for name in ("PNG", "JPEG", "TIFF"):
        stream = io.BytesIO()
        write_picture(stream, PIXELS, name, first)
        for found in (first, read(stream.getvalue()).metadata):
            assert (found.dpi is None, found.aspect is None) == (dpi is None, aspect is None)
            if dpi is not None and found.dpi is not None:
                np.testing.assert_allclose(found.dpi, dpi, atol=0.02)
            assert found.aspect == aspect
