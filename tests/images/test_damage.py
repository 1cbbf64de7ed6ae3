"""Damaged files: refused, or read as the whole ones are; never black or gray in silence."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.command import here
from support.hostile_cases import chunk

from convcli.errors import ImageError
from convcli.images import DEFAULT_SETTINGS, Picture, ReadSettings
from convcli.images.damage import BACKGROUND
from convcli.images.read import open_frames, read_input

KEEP = ReadSettings(keep_damaged=True)
EOI = b"\xff\xd9"
MAX_UNSEEN_PIXELS = 2 * 16 * 16  # two blocks of halved chroma


def pixels(height: int, width: int, channels: int = 1) -> NDArray[np.uint8]:
    """Waves and noise, in which no two rows are alike."""
    rng = np.random.default_rng(height * width)
    rows, columns = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(columns / 9 + band) * np.cos(rows / 7) for band in range(channels)]
    values = np.clip(np.stack(waves, -1) + rng.normal(0, 9, (height, width, channels)), 0, 255)
    return (values if channels > 1 else values[:, :, 0]).astype(np.uint8)


def picture(mode: str, size: tuple[int, int] = (53, 61)) -> Image.Image:
    if mode == "RGBA":
        return Image.fromarray(pixels(*size, 4))
    if mode == "I;16":
        return Image.fromarray(pixels(*size).astype(np.uint16) * 201)
    if mode in ("L", "1"):
        return Image.fromarray(pixels(*size)).convert(mode)
    rgb = Image.fromarray(pixels(*size, 3))
    return rgb.quantize(256) if mode == "P" else rgb.convert(mode)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def interlaced_png(values: NDArray[np.uint8], passes: int = 7) -> bytes:
    """A gray PNG in the seven passes of Adam7, or the first of them."""
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2))
    raw = b""
    for top, left, down, across in (*starts, (1, 0, 2, 1))[:passes]:
        part = values[top::down, left::across]
        raw += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    return png_of(raw, values.shape[1], values.shape[0], interlace=1)


def png_of(raw: bytes, width: int, height: int, *, kind: int = 0, interlace: int = 0) -> bytes:
    """A PNG of 8 bits whose image data inflate to `raw`."""
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, interlace)
    data = chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def read(tmp_path: Path, content: bytes, settings: ReadSettings = DEFAULT_SETTINGS) -> Picture:
    path = tmp_path / "in"
    path.write_bytes(content)
    return read_input(str(path), settings)


class Sample(NamedTuple):
    """A whole file, and what is put at its end once that is cut off."""

    content: bytes
    end: bytes = b""


SAMPLES = {
    "jpeg": Sample(encoded(picture("RGB"), "JPEG", quality=90), EOI),
    "jpeg-444": Sample(encoded(picture("RGB"), "JPEG", subsampling=0), EOI),
    "jpeg-gray": Sample(encoded(picture("L"), "JPEG"), EOI),
    "jpeg-cmyk": Sample(encoded(picture("CMYK"), "JPEG"), EOI),
    "jpeg-rows": Sample(encoded(picture("RGB"), "JPEG", restart_marker_rows=1), EOI),
    "jpeg-blocks": Sample(encoded(picture("RGB"), "JPEG", restart_marker_blocks=2), EOI),
    "jpeg-progressive": Sample(encoded(picture("RGB"), "JPEG", progressive=True), EOI),
    "jpeg-progressive-gray": Sample(encoded(picture("L"), "JPEG", progressive=True), EOI),
    "gif": Sample(encoded(picture("P"), "GIF", interlace=0), b"\0;"),
    "gif-interlaced": Sample(encoded(picture("P"), "GIF", interlace=1), b"\0;"),
    "gif-gray": Sample(encoded(picture("L"), "GIF"), b"\0;"),
    "png": Sample(encoded(picture("RGB"), "PNG")),
    "png-alpha": Sample(encoded(picture("RGBA"), "PNG")),
    "png-palette": Sample(encoded(picture("P"), "PNG")),
    "png-bits": Sample(encoded(picture("1"), "PNG")),
    "png-16": Sample(encoded(picture("I;16"), "PNG")),
    "png-interlaced": Sample(interlaced_png(pixels(23, 21))),
    "bmp": Sample(encoded(picture("RGB"), "BMP")),
    "ppm": Sample(encoded(picture("RGB"), "PPM")),
    "pbm": Sample(encoded(picture("1"), "PPM")),
    "plain-pgm": Sample(b"P2 7 9 255\n" + b" ".join(b"%d" % (62 - value) for value in range(63))),
    "webp": Sample(encoded(picture("RGB"), "WEBP")),
    "webp-lossless": Sample(encoded(picture("RGBA"), "WEBP", lossless=True)),
    "tiff": Sample(encoded(picture("RGB"), "TIFF")),
    "tiff-lzw": Sample(encoded(picture("RGB"), "TIFF", compression="tiff_lzw")),
    "tiff-deflate": Sample(encoded(picture("RGB"), "TIFF", compression="tiff_adobe_deflate")),
    "tiff-packbits": Sample(encoded(picture("L"), "TIFF", compression="packbits")),
    "tiff-fax": Sample(encoded(picture("1"), "TIFF", compression="group4")),
}


def cuts(name: str) -> Iterator[bytes]:
    """The file cut off where its structure changes and anywhere, bare and with its end mended."""
    content, end = SAMPLES[name]
    rng = random.Random(name)
    marks = [found.start() for found in re.finditer(rb"\xff[^\0\xff]|IDAT|IEND", content)]
    places = {rng.choice(marks) + rng.randrange(-1, 9) for _ in range(12 if marks else 0)}
    places |= {rng.randrange(20, len(content) - 1) for _ in range(10)}
    places |= {len(content) - size for size in range(1, 7)}
    for place in sorted(place for place in places if 16 <= place < len(content)):
        yield content[:place]
        if end and place < len(content) - len(end):
            yield content[:place] + end


def holes(name: str) -> Iterator[bytes]:
    """The file without a tenth of its data somewhere in its second half."""
    content, _ = SAMPLES[name]
    rng = random.Random(name)
    size = len(content) // 10
    for _ in range(8):
        start = rng.randrange(len(content) // 2, len(content) - size - 4)
        yield content[:start] + content[start + size :]


@pytest.mark.parametrize("damage", [cuts, holes])
@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_damaged_file_does_not_hold_is_never_made_up(
    name: str, damage: Callable[[str], Iterator[bytes]], tmp_path: Path
) -> None:
    whole = read(tmp_path, SAMPLES[name].content).values
    for damaged in damage(name):
        try:
            found = read(tmp_path, damaged)
        except ImageError:
            continue
        assert found.values.shape == whole.shape
        different = int((found.values != whole).any(axis=2).sum())
        if name.startswith("jpeg"):
            assert different <= MAX_UNSEEN_PIXELS or found.notes[0].startswith("may be damaged: ")
        else:
            assert different == 0


# What is whole


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "PNG"])
def test_whole_files_of_any_size_are_read_without_a_word(kind: str, tmp_path: Path) -> None:
    modes = {"JPEG": ("L", "RGB"), "GIF": ("L", "P"), "PNG": ("1", "L", "P", "RGB", "RGBA", "I;16")}
    options: tuple[dict[str, Any], ...] = ({},)
    if kind == "JPEG":
        options = ({}, {"progressive": True}, {"restart_marker_blocks": 1})
    elif kind == "GIF":
        options = ({"interlace": 0}, {"interlace": 1})
    for number, size in enumerate([(1, 1), (1, 9), (9, 1), (2, 3), (8, 8), (17, 16), (33, 5)]):
        for mode in modes[kind]:
            content = encoded(picture(mode, size), kind, **options[number % len(options)])
            found = read(tmp_path, content)
            assert (found.size, found.notes) == (size, ())


@pytest.mark.parametrize("value", [0, 0x5B, 0xA4, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 3), (4, 9)])
def test_a_last_row_of_any_value_is_one(size: tuple[int, int], value: int, tmp_path: Path) -> None:
    values = np.full(size, value, np.uint8)
    for content in (
        interlaced_png(values),
        encoded(Image.fromarray(values), "PNG"),
        encoded(Image.fromarray(values), "GIF"),
        encoded(Image.fromarray(values), "JPEG"),
    ):
        np.testing.assert_array_equal(read(tmp_path, content).values[:, :, 0], values)


def test_a_last_row_like_the_pattern_that_is_looked_for_is_one(tmp_path: Path) -> None:
    row = np.frombuffer(BACKGROUND.pattern[3::-1], np.uint8)
    values = np.stack([row, row])
    found = read(tmp_path, encoded(Image.fromarray(values), "PNG"))
    np.testing.assert_array_equal(found.values[:, :, 0], values)
    assert found.notes == ()


def test_a_jpeg_without_the_last_bits_of_its_parts_is_read(tmp_path: Path) -> None:
    """As some encoders write them, and libjpeg reads them without a word."""
    content = encoded(picture("L", (80, 80)), "JPEG", quality=98, restart_marker_rows=1)
    assert content.count(b"\xff\xd1") > 0
    shorter = re.sub(rb"[^\xff][^\xff](\xff[\xd0-\xd9])", rb"\1", content)
    assert len(shorter) < len(content) - 8
    found = read(tmp_path, shorter)
    assert (found.size, found.notes) == ((80, 80), ())


@pytest.mark.parametrize(
    ("surplus", "is_doubtful"),
    [(b"", False), (b"\x51\x52", False), (bytes(9), False), (b"\xff" * 9, False),
     (b"\x51\x52" * 5, True), (b"\x51" * 60, True), (b"\x51\x52" * 40_000, True)],
    ids=["none", "2", "zeros", "fill", "10", "60", "80000"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["jpeg", "jpeg-progressive"])
def test_a_jpeg_with_more_data_than_it_needs_is_doubtful(
    kind: str, surplus: bytes, is_doubtful: bool, tmp_path: Path
) -> None:
    content = SAMPLES[kind].content
    found = read(tmp_path, content[:-2] + surplus + EOI)
    note = "may be damaged: it holds more data than its pixels need"
    assert found.notes == ((note,) if is_doubtful else ())
    np.testing.assert_array_equal(found.values, read(tmp_path, content).values)


# What is damaged


def short_png(rows: int, height: int = 8, **options: Any) -> bytes:
    return png_of(b"".join(b"\0" + bytes([200] * 8) for _ in range(rows)), 8, height, **options)


def short_gif(rows: int) -> bytes:
    """A GIF of 16x16 whose frame holds fewer rows."""
    part = encoded(Image.fromarray(pixels(rows, 16)), "GIF")
    height = part.rindex(b"\x10\0" + struct.pack("<H", rows) + b"\0\x08") + 2
    return part[:8] + struct.pack("<H", 16) + part[10:height] + b"\x10" + part[height + 1 :]


def cut_jpeg(name: str, share: float) -> bytes:
    content = SAMPLES[name].content
    return content[: int(len(content) * share)] + EOI


def empty_jpeg() -> bytes:
    """A JPEG whose scan holds nothing but its header."""
    content = SAMPLES["jpeg"].content
    start = content.index(b"\xff\xda") + 2
    return content[: start + int.from_bytes(content[start : start + 2])] + EOI


DAMAGED: dict[str, tuple[bytes, str]] = {
    "png": (short_png(3), "is damaged: its data end after row 3 of 8"),
    "png-1-row": (short_png(7), "is damaged: its data end after row 7 of 8"),
    "png-interlaced": (interlaced_png(pixels(9, 9), 6), "is damaged: its data end early"),
    "gif": (short_gif(5), "is damaged: its data end after row 5 of 16"),
    "jpeg": (cut_jpeg("jpeg", 0.9), "is damaged: its data end after row "),
    "png-empty": (short_png(0), "cannot be decoded: image file is truncated"),
    "jpeg-empty": (empty_jpeg(), "is damaged: its data end after row 0 of 53"),
    "jpeg-progressive": (cut_jpeg("jpeg-progressive", 0.9), "is damaged: scan "),
    "jpeg-rows": (
        SAMPLES["jpeg-rows"].content.replace(b"\xff\xd1", b"\xff\xd4"),
        "is damaged: a part of its data is missing",
    ),
    "png-cut": (SAMPLES["png"].content[:4000], "cannot be decoded: Truncated File Read"),
    "jpeg-cut": (SAMPLES["jpeg"].content[:-300], "cannot be decoded: image file is truncated"),
    "bmp-cut": (SAMPLES["bmp"].content[:-300], "cannot be decoded: image file is truncated"),
    "ppm-cut": (SAMPLES["ppm"].content[:-300], "is damaged: its data end after row 51 of 53"),
    "tiff-cut": (SAMPLES["tiff"].content[:-300], "cannot be decoded: strip or tile 0 ends"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_an_error_or_kept_with_a_note(name: str, tmp_path: Path) -> None:
    content, cause = DAMAGED[name]
    with pytest.raises(ImageError) as caught:
        read(tmp_path, content)
    assert caught.value.cause.startswith(cause)
    if name.endswith("empty"):  # there is nothing to keep
        with pytest.raises(ImageError, match="is damaged: its data end after row 0 of"):
            read(tmp_path, content, KEEP)
        return
    assert caught.value.cause.endswith("; --keep-damaged reads what it holds")
    (note,) = read(tmp_path, content, KEEP).notes
    assert note.startswith("is damaged: ")


@pytest.mark.parametrize(
    "name",
    [
        "png",
        "png-alpha",
        "png-16",
        "png-palette",
        "png-bits",
        "jpeg",
        "jpeg-444",
        "gif",
        "ppm",
        "pbm",
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_rows_before_the_damage_are_kept_as_they_are(
    name: str, share: float, tmp_path: Path
) -> None:
    content = SAMPLES[name].content
    whole = read(tmp_path, content).values
    kept = read(tmp_path, content[: int(len(content) * share)], KEEP)
    words = kept.notes[0].split()
    rows = int(words[words.index("row") + 1])
    assert words[-1] == str(len(whole))
    assert abs(rows / len(whole) - share) < 0.35
    # Of a GIF the last one is a part of a row; chroma of a JPEG depends on the next ones.
    rows -= {"gif": 1, "jpeg": 1}.get(name, 0)
    np.testing.assert_array_equal(kept.values[:rows], whole[:rows])
    if not name.startswith(("jpeg", "gif")):
        assert np.ptp(kept.values[rows + 1 :], axis=(0, 1)).max(initial=0) == 0


@pytest.mark.parametrize(
    ("kind", "end"), [("GIF", "frame 2"), ("PNG", "frame 2"), ("TIFF", "page 3")]
)
def test_the_frames_before_the_damage_are_kept(kind: str, end: str, tmp_path: Path) -> None:
    images = [Image.fromarray(pixels(24, 20 + number)[:, :20]) for number in range(4)]
    options = {"compression": "raw"} if kind == "TIFF" else {}
    content = encoded(images[0], kind, save_all=True, append_images=images[1:], **options)
    whole = tmp_path / "whole"
    whole.write_bytes(content)
    cut = tmp_path / "cut"
    cut.write_bytes(content[: int(len(content) * 0.6)])
    sound = int(end[-1])
    note = f"is damaged from {end} on, and read up to it"
    with open_frames(str(whole)) as frames, open_frames(str(cut), KEEP) as kept:
        assert frames.frame_count == 4
        for index in range(2):
            found = kept.read(index)
            assert found.notes == ((note,) if kind == "TIFF" and index == 0 else ())
            np.testing.assert_array_equal(found.values, frames.read(index).values)
        for index in (sound, sound + 1, sound):
            with pytest.raises(ImageError, match=f"has no frame|cut: frame {sound} is damaged: "):
                kept.read(index)
        np.testing.assert_array_equal(kept.read(0).values, frames.read(0).values)
    typed = ("apply", "cut", "-k", "identity", "-o", "out.tif", "--keep-damaged")
    twice = ("--range", "rescale") if kind == "GIF" else ()  # which reads the frames twice
    done = here(*typed, *twice, cwd=tmp_path)
    assert done.code == 0
    assert done.stderr.count(f"cut: {note}") == 1
    with Image.open(tmp_path / "out.tif") as image:
        assert getattr(image, "n_frames", 1) == sound


def test_after_a_damaged_first_frame_none_is_read(tmp_path: Path) -> None:
    part = short_gif(5)
    path = tmp_path / "in.gif"
    path.write_bytes(part[:-1] + part[part.rindex(b",\0\0\0\0\x10\0") :])
    with open_frames(str(path), KEEP) as frames:
        assert frames.read(0).notes == ("is damaged: its data end early",)
        with pytest.raises(ImageError, match="frame 0 is damaged: its data end early"):
            frames.read(1)
    done = here(
        *("apply", "in.gif", "-k", "identity", "-o", "out.gif", "--keep-damaged"), cwd=tmp_path
    )
    assert done.code == 0
    with Image.open(tmp_path / "out.gif") as image:
        assert getattr(image, "n_frames", 1) == 1


def test_a_frame_that_is_asked_for_and_damaged_is_refused_as_such(tmp_path: Path) -> None:
    images = [Image.fromarray(pixels(48, 40 + number)[:, :40]) for number in range(2)]
    content = encoded(images[0], "MPO", save_all=True, append_images=images[1:])
    (tmp_path / "in.jpg").write_bytes(content[:-400])
    typed = ("apply", "in.jpg", "-k", "identity", "-o", "out.png", "--keep-damaged", "--frame")
    done = here(*typed, "1", cwd=tmp_path)
    assert done.code == 1
    assert "in.jpg: frame 1: cannot be decoded: " in done.stderr  # it has no row at all
    assert here(*typed, "0", cwd=tmp_path).code == 0


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    first = encoded(Image.fromarray(pixels(16, 16)), "GIF")
    rest = [content[content.rindex(b",\0\0\0\0\x10\0") : -1] for content in (first, short_gif(5))]
    path = tmp_path / "in"
    path.write_bytes(first[:-1] + b"".join(rest) + b";")
    with open_frames(str(path)) as frames:
        frames.read(1)
        with pytest.raises(ImageError, match="in: frame 2 is damaged: its data end early; --keep"):
            frames.read(2)


@pytest.mark.parametrize(("name", "size"), [("PNG", 40), ("PNG", 10), ("JPEG", 20), ("GIF", 20)])
def test_a_picture_without_its_header_is_called_by_the_name_of_its_format(
    tmp_path: Path, name: str, size: int
) -> None:
    content = io.BytesIO()
    Image.new("RGB", (20, 10), (9, 8, 7)).save(content, name)
    path = tmp_path / "in.x"
    path.write_bytes(content.getvalue()[:size])
    with pytest.raises(ImageError, match=f"starts as {name} does, but its header is broken or cut"):
        read_input(str(path))


@pytest.mark.parametrize("keep_damaged", [False, True])
@pytest.mark.parametrize("frame_count", [None, 0, 1, 2])
def test_a_png_without_pixels_says_so(
    tmp_path: Path, frame_count: int | None, keep_damaged: bool
) -> None:
    head, _, end = png_of(b"", 3, 2).rpartition(chunk(b"IDAT", zlib.compress(b"")))
    control = b"" if frame_count is None else chunk(b"acTL", struct.pack(">II", frame_count, 0))
    with pytest.raises(ImageError, match=r"in: cannot be decoded: it has no pixels \(IDAT\)$"):
        read(tmp_path, head + control + end, ReadSettings(keep_damaged=keep_damaged))


def test_a_damaged_page_is_named_once(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), np.uint8)
    pages = [*map(Image.fromarray, noise)]
    options: dict[str, Any] = {"save_all": True, "append_images": pages[1:]}
    pages[0].save(tmp_path / "in.tif", compression="tiff_deflate", **options)
    content = bytearray((tmp_path / "in.tif").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 60] = bytes(60)
    (tmp_path / "in.tif").write_bytes(content)
    for typed in ((), ("--frame", "1")):
        done = here("apply", "in.tif", "-k", "identity", "-o", "out.tif", *typed, cwd=tmp_path)
        assert done.code == 1
        assert done.stderr.startswith("convcli: in.tif: frame 1 cannot be decoded: "), done.stderr
        assert done.stderr.count("1 ") + done.stderr.count("1:") == 1
