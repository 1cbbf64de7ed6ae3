"""Netpbm: every kind and maxval, held to a reader of its own here, to Pillow, OpenCV and others."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.forked import forked
from support.peers import require_peer

from convcli.errors import ImageError
from convcli.images import DEFAULT_SETTINGS, Picture, ReadSettings, Values
from convcli.images.read import open_frames
from convcli.images.structure import Window
from convcli.images.structure.netpbm import read_headings

KEEPING = ReadSettings(keep_damaged=True)


def read_all(
    folder: Path, content: bytes, settings: ReadSettings = DEFAULT_SETTINGS
) -> list[Picture]:
    """Every picture of a file; its header is that of what is read."""
    path = folder / "in.pnm"
    path.write_bytes(content)
    with open_frames(str(path), settings) as source:
        pictures = [source.read(index) for index in range(source.frame_count)]
        for index, picture in enumerate(pictures):
            header = source.read_header(index)
            assert header.shape == picture.values.shape
            assert (header.dtype, header.depth) == (picture.values.dtype, picture.depth)
            assert header.has_alpha or picture.alpha is None
            assert source.sizes[index] == picture.size
    return pictures


def read_one(folder: Path, content: bytes, settings: ReadSettings = DEFAULT_SETTINGS) -> Picture:
    (picture,) = read_all(folder, content, settings)
    return picture


def error_of(folder: Path, content: bytes, settings: ReadSettings = DEFAULT_SETTINGS) -> str:
    with pytest.raises(ImageError) as caught:
        read_all(folder, content, settings)
    return caught.value.cause


def encoded(kind: str, stored: Values, maxval: int, gap: bytes = b"\n") -> bytes:
    """A picture of stored values, (H, W, C), written value by value."""
    height, width, _ = stored.shape
    fields = [b"P" + kind.encode(), b"%d" % width, b"%d" % height]
    if kind not in "14":
        fields.append(b"%d" % maxval)
    header = gap.join(fields) + b"\n"
    flat = [int(value) for value in stored.reshape(-1)]
    if kind == "1":
        return header + b"".join(b"%d" % value for value in flat)
    if kind in "23":
        return header + b"  ".join(b"%d" % value for value in flat) + b"\n"
    if kind == "4":
        rows = (
            "".join(str(int(value)) for value in row).ljust(-(-width // 8) * 8, "0")
            for row in stored[:, :, 0]
        )
        return header + b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    return header + b"".join(value.to_bytes(1 if maxval < 256 else 2, "big") for value in flat)


def scaled(stored: Values, maxval: int) -> Values:
    """Values so that maxval is white, by whole numbers: half goes to the even one."""
    white = 255 if maxval < 256 else 65535
    values = [round_half_even(int(value) * white, maxval) for value in stored.reshape(-1)]
    return np.array(values).reshape(stored.shape)


def round_half_even(number: int, divisor: int) -> int:
    whole, rest = divmod(2 * number + divisor, 2 * divisor)
    return whole - (rest == 0 and whole % 2)


MAXVALS = (1, 2, 3, 7, 100, 127, 254, 255, 256, 300, 1000, 1023, 4095, 10_000, 65_534, 65_535)


@pytest.mark.parametrize("kind", "2356")
def test_maxval_is_white_whatever_it_is(tmp_path: Path, kind: str) -> None:
    bands = 3 if kind in "36" else 1
    for maxval in MAXVALS:
        stored = np.random.default_rng(maxval).integers(0, maxval, (5, 7, bands), endpoint=True)
        stored[0, :2, 0] = 0, maxval
        picture = read_one(tmp_path, encoded(kind, stored, maxval))
        depth = 8 if maxval < 256 else 16
        assert (picture.depth, picture.values.dtype) == (depth, np.dtype(f"u{depth // 8}"))
        np.testing.assert_array_equal(picture.values, scaled(stored, maxval))
        assert (picture.alpha, picture.notes) == (None, ())


@pytest.mark.parametrize("kind", "14")
@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 23])
def test_a_bit_of_1_is_black(tmp_path: Path, kind: str, width: int) -> None:
    bits = np.random.default_rng(width).integers(0, 1, (5, width, 1), endpoint=True)
    picture = read_one(tmp_path, encoded(kind, bits, 1))
    np.testing.assert_array_equal(picture.values, 255 * (1 - bits))
    assert (picture.depth, picture.values.dtype) == (8, np.dtype(np.uint8))


GAPS = (b" ", b"\t", b"\r", b"\r\n", b"\n\n  \v\f", b"#c\n", b" # a P6 1 2 255\n", b"\n#a\r#b\n ")


@pytest.mark.parametrize("kind", "123456")
def test_comments_and_any_white_space_may_divide_a_header(tmp_path: Path, kind: str) -> None:
    stored = np.arange(12).reshape(2, 2, 3) if kind in "36" else np.arange(4).reshape(2, 2, 1)
    stored = stored % 2 if kind in "14" else stored
    plain = read_one(tmp_path, encoded(kind, stored, 255))
    for gap in GAPS:
        picture = read_one(tmp_path, encoded(kind, stored, 255, gap))
        np.testing.assert_array_equal(picture.values, plain.values)
    for end in (b" ", b"\r", b"#the end\n"):
        content = encoded(kind, stored, 255, b" ").replace(b"\n", end, 1)
        np.testing.assert_array_equal(read_one(tmp_path, content).values, plain.values)


@settings(max_examples=30)
@given(data=st.data())
def test_numbers_in_text_are_those_of_a_reader_that_goes_from_one_to_the_next(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    numbers = data.draw(st.lists(st.integers(0, 300), min_size=1, max_size=30))
    gaps = st.sampled_from([b" ", b"\n", b"\r\n\t", b"#x 7\n", b" # 5\r", b"\f\v"])
    zeros = st.integers(0, 3)
    text = b"".join(
        b"0" * data.draw(zeros) + b"%d" % number + data.draw(gaps) for number in numbers
    )
    content = b"P2 %d 1 300\n" % len(numbers) + text
    folder = tmp_path_factory.mktemp("text", numbered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convcli.images.netpbm.BLOCK_BYTES", data.draw(st.integers(4, 40)))
        picture = read_one(folder, content)
    assert picture.values[0, :, 0].tolist() == scaled(np.array(numbers), 300).tolist()


PAM_KINDS = {
    "BLACKANDWHITE": (1, False),
    "GRAYSCALE": (1, False),
    "RGB": (3, False),
    "BLACKANDWHITE_ALPHA": (2, True),
    "GRAYSCALE_ALPHA": (2, True),
    "RGB_ALPHA": (4, True),
}


def pam(stored: Values, maxval: int, kind: str | None, end: bytes = b"\n") -> bytes:
    height, width, depth = stored.shape
    lines = [b"P7", b"# made here", b"WIDTH %d" % width, b" HEIGHT  %d" % height, b""]
    lines += [b"DEPTH %d" % depth, b"MAXVAL %d" % maxval]
    lines += [] if kind is None else [b"TUPLTYPE %s" % kind.encode()]
    raster = stored.astype(">u2" if maxval > 255 else "u1").tobytes()
    return end.join([*lines, b"ENDHDR"]) + end + raster


@pytest.mark.parametrize("kind", PAM_KINDS)
def test_pam_has_alpha_by_its_kind(tmp_path: Path, kind: str) -> None:
    bands, has_alpha = PAM_KINDS[kind]
    for maxval in (1,) if "BLACK" in kind else (1, 255, 1000, 65_535):
        stored = np.random.default_rng(maxval).integers(0, maxval, (4, 6, bands), endpoint=True)
        stored[0, 0] = 0
        picture = read_one(tmp_path, pam(stored, maxval, kind))
        expected = scaled(stored, maxval)
        np.testing.assert_array_equal(picture.values, expected[:, :, : bands - has_alpha])
        assert (picture.alpha is not None) == has_alpha
        if picture.alpha is not None:
            np.testing.assert_array_equal(picture.alpha, expected[:, :, -1:])
        assert picture.notes == ()
        stored[:, :, -1] = maxval
        assert read_one(tmp_path, pam(stored, maxval, kind, b"\r\n")).alpha is None


@pytest.mark.parametrize(("kind", "bands"), [(None, 2), ("", 5), ("heat maps", 4), ("RGB", 4)])
def test_pam_of_another_kind_has_bands(tmp_path: Path, kind: str | None, bands: int) -> None:
    stored = np.random.default_rng(bands).integers(0, 255, (4, 6, bands), endpoint=True)
    picture = read_one(tmp_path, pam(stored, 255, kind))
    np.testing.assert_array_equal(picture.values, stored)
    assert picture.alpha is None
    note = f"holds values of the kind {kind!r}, filtered as {bands} bands"
    assert picture.notes == ((note,) if kind else ())


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("scale", [1.0, -1.0, -2.5])
def test_pfm_is_stored_from_the_bottom_in_either_order(
    tmp_path: Path, bands: int, scale: float
) -> None:
    values = np.random.default_rng(0).normal(size=(4, 6, bands)).astype(np.float32)
    raster = values[::-1].astype("<f4" if scale < 0 else ">f4").tobytes()
    content = b"P%s\n6 4\n%g\n" % (b"F" if bands == 3 else b"f", scale) + raster
    picture = read_one(tmp_path, content)
    np.testing.assert_array_equal(picture.values, values)
    assert (picture.depth, picture.values.dtype) == (None, np.dtype(np.float32))
    is_one = abs(scale) == 1
    assert picture.notes == (
        () if is_one else ("says a scale of 2.5, by which nothing is multiplied",)
    )
    if is_one:
        cv2 = require_peer("cv2")
        peer = cv2.imread(str(tmp_path / "in.pnm"), cv2.IMREAD_UNCHANGED)
        if peer is not None:
            peer = peer[:, :, ::-1] if bands == 3 else peer[:, :, np.newaxis]
            np.testing.assert_array_equal(peer, values)


@pytest.mark.parametrize("kind", "123456")
def test_other_readers_find_the_same(tmp_path: Path, kind: str) -> None:
    cv2 = require_peer("cv2")
    bands = 3 if kind in "36" else 1
    maxval = 1 if kind in "14" else 255
    stored = np.random.default_rng(7).integers(0, maxval, (9, 11, bands), endpoint=True)
    picture = read_one(tmp_path, encoded(kind, stored, maxval))
    path = tmp_path / "in.pnm"
    with Image.open(path) as image:
        peer = np.asarray(image.convert("RGB" if bands == 3 else "L"))
    np.testing.assert_array_equal(np.atleast_3d(peer), picture.values)
    other = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    other = other[:, :, ::-1] if bands == 3 else other[:, :, np.newaxis]
    np.testing.assert_array_equal(other, picture.values)


@pytest.mark.skipif(shutil.which("convert") is None, reason="ImageMagick is not installed")
def test_imagemagick_finds_the_same_at_an_odd_maxval(tmp_path: Path) -> None:
    stored = np.random.default_rng(7).integers(0, 1000, (5, 6, 3), endpoint=True)
    picture = read_one(tmp_path, encoded("6", stored, 1000))
    raw = subprocess.run(
        ["convert", tmp_path / "in.pnm", "-depth", "16", "-endian", "LSB", "rgb:-"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    peer = np.frombuffer(raw, "<u2").reshape(5, 6, 3)
    np.testing.assert_allclose(picture.values, peer, atol=1)


def test_pictures_of_a_stream_are_pages(tmp_path: Path) -> None:
    kinds = [("6", 255), ("5", 1000), ("4", 1), ("6", 7), ("2", 255), ("1", 1), ("3", 9)]
    stored = [
        np.random.default_rng(number).integers(
            0, maxval, (3, 4 + number, 3 if kind in "36" else 1), endpoint=True
        )
        for number, (kind, maxval) in enumerate(kinds)
    ]
    parts = [encoded(kind, each, m) for (kind, m), each in zip(kinds, stored, strict=True)]
    parts.append(pam(stored[0], 255, "RGB"))
    parts.append(b"Pf 1 1 -1\n" + np.float32(3.5).tobytes())
    for gap in (b"", b"\n \n"):
        content = b"".join(
            part + (gap or (b"\n" if part[1:2] in b"123" else b"")) for part in parts
        )
        pictures = read_all(tmp_path, content)
        assert len(pictures) == len(parts)
        for picture, each, (kind, maxval) in zip(pictures, stored, kinds, strict=False):
            expected = 255 * (1 - each) if kind in "14" else scaled(each, maxval)
            np.testing.assert_array_equal(picture.values, expected)
        assert pictures[-1].values.tolist() == [[[3.5]]]


JUNK = {
    "zeros": bytes(300),
    "text": b"junk",
    "a broken header": b"P6 4 x 255\n" + bytes(40),
    "half a header": b"P6\n4",
    "too much white space": b" " * 5000 + b"P5 1 1 255\n1",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_what_is_no_picture_after_one_is_left(tmp_path: Path, junk: bytes) -> None:
    stored = np.arange(12).reshape(2, 2, 3)
    np.testing.assert_array_equal(
        read_one(tmp_path, encoded("6", stored, 255) + junk).values, stored
    )


DAMAGED = {
    "raw": (encoded("6", np.ones((4, 5, 3), int), 255)[:-20], 2),
    "deep": (encoded("5", np.ones((4, 5, 1), int), 300)[:-1], 3),
    "bits": (encoded("4", np.zeros((4, 9, 1), int), 1)[:-3], 2),
    "plain": (b"P2 2 3 255\n1 1 1 1 1", 2),
    "junk": (b"P2 2 3 255\n1 1 1 1 x 1 1", 2),
    "signs": (b"P2 2 3 255\n1 1 -1 1 1 1 1", 1),
    "digits": (b"P2 2 3 255\n1 1 1 1111111111 1 1 1", 1),
    "plain bits": (b"P1 2 3\n10 10 21", 2),
    "pam": (pam(np.ones((4, 5, 2), int), 255, "GRAYSCALE_ALPHA")[:-10], 3),
    "real": (b"PF 1 3 -1\n" + bytes(24), 2),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_rows_that_are_there_are_kept(tmp_path: Path, name: str) -> None:
    content, rows = DAMAGED[name]
    cause = error_of(tmp_path, content)
    assert cause.startswith("is damaged: its ")
    assert f"after row {rows} of " in cause
    assert cause.endswith("; --keep-damaged reads what it holds")
    picture = read_one(tmp_path, content, KEEPING)
    assert picture.notes == (cause.split("; --")[0],)
    values = picture.values[::-1] if name == "real" else picture.values
    assert (values[rows + 1 :] == 0).all() or "bits" in name or name in ("plain", "junk")
    assert (values[:rows] != 0).all() or name in ("real", "plain bits")
    (heading,) = read_headings(Window(BytesIO(content), ""))
    assert "after row 0 of" in error_of(tmp_path, content[: heading.start], KEEPING)


def test_a_damaged_picture_of_a_stream_is_named(tmp_path: Path) -> None:
    good = encoded("5", np.ones((4, 5, 1), int), 255)
    cause = error_of(tmp_path, good + good + good[:-7])
    assert cause == (
        "frame 2 is damaged: its data end after row 2 of 4; --keep-damaged reads what it holds"
    )
    assert error_of(tmp_path, good + good[:-7], KEEPING) == (
        "frame 1 is damaged: its data end after row 2 of 4"
    )


def test_values_above_maxval_become_white_with_a_note(tmp_path: Path) -> None:
    for content in (b"P5 3 1 100\n\0d\xc8", b"P2 3 1 100\n0 100 70000"):
        picture = read_one(tmp_path, content)
        assert picture.values.tolist() == [[[0], [255], [255]]]
        assert picture.notes == ("holds 1 values above its maxval 100; they become white",)


BROKEN = {
    b"P6\n0 5 255\n": "cannot be decoded: its size is 0x5",
    b"P5 3 3 0\n": "cannot be decoded: its maxval is 0; it is 1 to 65,535",
    b"P5 3 3 65536\n": "cannot be decoded: its maxval is 65,536; it is 1 to 65,535",
    b"P5 3 3 -1\n": "cannot be decoded: its maxval is '-1'",
    b"Pf 3 3 0\n": "cannot be decoded: its scale is 0.0",
    b"Pf 3 3 nan\n": "cannot be decoded: its scale is nan",
    b"P5 3 3": "cannot be decoded: its header is cut short or broken",
    b"P7\nWIDTH 3\nHEIGHT 3\nENDHDR\n": "cannot be decoded: its header lacks DEPTH, MAXVAL",
    b"P7\nWIDTH -3\nENDHDR\n": "cannot be decoded: its WIDTH is '-3'",
    b"P7\nWIDTH 3\nHEIGHT 3\nMAXVAL 255\nDEPTH 99\nENDHDR\n":
        "cannot be decoded: it has 99 values a pixel; the most is 64",
    b"P6 60000 60000 255\n": "has 60000x60000 = 3,600,000,000 pixels, and --max-pixels "
    "allows 180,000,000",
    b"P8\n3 3\n": "is no picture of a kind that is read",
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_header_is_named(tmp_path: Path, content: bytes) -> None:
    assert error_of(tmp_path, content).startswith(BROKEN[content])


def test_plain_text_is_read_fast(tmp_path: Path) -> None:
    stored = np.random.default_rng(3).integers(0, 999, (600, 700, 3), endpoint=True)
    text = " ".join(map(str, stored.reshape(-1).tolist()))
    content = b"P3 700 600 999\n" + text.encode() + b" 7" * 100_000
    started = perf_counter()
    picture = read_one(tmp_path, content)
    assert perf_counter() - started < 2
    np.testing.assert_array_equal(picture.values, np.rint(stored * 65535 / 999))


def test_sizes_and_depths_in_turn(tmp_path: Path) -> None:
    sizes = itertools.product((1, 2, 9), (1, 8, 17))
    for height, width in sizes:
        stored = np.arange(height * width).reshape(height, width, 1)
        picture = read_one(tmp_path, encoded("5", stored, 255))
        np.testing.assert_array_equal(picture.values, stored)


def test_the_command_keeps_16_bits_and_every_picture(tmp_path: Path) -> None:
    stored = np.arange(0, 48_000, 1000).reshape(4, 4, 3)
    (tmp_path / "one.ppm").write_bytes(encoded("6", stored, 65_535))
    (tmp_path / "two.ppm").write_bytes(
        encoded("6", stored, 65_535) + encoded("5", stored[:2, :, :1], 65_535)
    )
    ended = forked(
        "apply", "one.ppm", "two.ppm", "-k", "identity", "--name", "{stem}.tif", cwd=tmp_path
    )
    assert (ended.code, ended.stderr) == (0, b"")
    tifffile = require_peer("tifffile")
    with tifffile.TiffFile(tmp_path / "two.tif") as file:
        first, second = (page.asarray() for page in file.pages)
    np.testing.assert_array_equal(first, stored)
    np.testing.assert_array_equal(second, stored[:2, :, 0])
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "one.tif"), stored)


def test_a_damaged_frame_is_named_once(tmp_path: Path) -> None:
    good = encoded("5", np.ones((4, 5, 1), int), 255)
    (tmp_path / "in.pgm").write_bytes(good + good[:-7])
    ended = forked("apply", "in.pgm", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert ended.stderr == (
        b"convcli: in.pgm: frame 1 is damaged: its data end after row 2 of 4; "
        b"--keep-damaged reads what it holds\n"
    )
