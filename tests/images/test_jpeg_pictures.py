"""JPEG files of several pictures: the first one, whatever the index says, and the others by it."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.command import here

from convcli.images import Header, ReadSettings
from convcli.images.read import open_frames, read_input
from convcli.images.structure import MAX_FRAMES

Array = NDArray[Any]

COUNT, ENTRIES, UNDEFINED, LONG = 0xB001, 0xB002, 7, 4
VIEW, PREVIEW, MAIN = 0x020002, 0x010001, 0x030000


def jpeg(height: int, width: int, seed: int, **options: Any) -> bytes:
    rows, columns = np.mgrid[:height, :width]
    values = 128 + 90 * np.sin(columns / 9 + seed) * np.cos(rows / 7)
    stream = io.BytesIO()
    Image.fromarray(values.astype(np.uint8)).convert("RGB").save(stream, "JPEG", **options)
    return stream.getvalue()


def exif(**tags: Any) -> dict[str, Any]:
    made = Image.Exif()
    made[0x010E] = tags["description"]
    made[0x0112] = tags.get("orientation", 1)
    return {"exif": made}


def index(
    places: Sequence[tuple[int, int, int]], order: str = "<", count: int | None = None
) -> bytes:
    """The index of pictures: the kind, the size and the place of each, counted from the index."""
    entries = b"".join(struct.pack(f"{order}LLLHH", *place, 0, 0) for place in places)
    tags = [
        struct.pack(f"{order}HHIBBBB", 0xB000, UNDEFINED, 4, *b"0100"),
        struct.pack(f"{order}HHII", COUNT, LONG, 1, len(places) if count is None else count),
        struct.pack(f"{order}HHII", ENTRIES, UNDEFINED, len(entries), 8 + 2 + 3 * 12 + 4),
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    start = mark + struct.pack(f"{order}IH", 8, len(tags))
    return start + b"".join(tags) + bytes(4) + entries


def with_index(main: bytes, content: bytes) -> bytes:
    segment = b"MPF\0" + content
    return main[:2] + b"\xff\xe2" + struct.pack(">H", len(segment) + 2) + segment + main[2:]


def mpo(main: bytes, *others: bytes, kind: int = PREVIEW, order: str = "<") -> bytes:
    start = 2 + 4 + 4  # of the index in the file
    length = len(with_index(main, index([(0, 0, 0)] * (1 + len(others)))))
    places, at = [(MAIN, length, 0)], length
    for other in others:
        places.append((kind, len(other), at - start))
        at += len(other)
    return with_index(main, index(places, order)) + b"".join(others)


MAIN_PICTURE = jpeg(24, 32, 0, **exif(description="first"))
OTHER = jpeg(12, 16, 1, **exif(description="second", orientation=6))


def decoded(content: bytes) -> Array:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def saved(folder: Path, content: bytes) -> str:
    (folder / "in.jpg").write_bytes(content)
    return str(folder / "in.jpg")


@pytest.mark.parametrize("order", "<>")
def test_the_main_picture_is_read_and_others_when_they_are_asked_for(
    tmp_path: Path, order: str
) -> None:
    path = saved(tmp_path, mpo(MAIN_PICTURE, OTHER, jpeg(9, 7, 2, progressive=True), order=order))
    np.testing.assert_array_equal(read_input(path).values, decoded(MAIN_PICTURE))
    with open_frames(path) as source:
        assert (source.frame_count, source.format, source.is_sequence) == (3, "JPEG", False)
        for number in (2, 1, 0):
            header, picture = source.read_header(number), source.read(number)
            assert header._replace(held_bytes=0) == Header.of(picture)
            assert picture.notes == ()
            if number == 1:  # turned by its own orientation
                np.testing.assert_array_equal(picture.values, np.rot90(decoded(OTHER), -1))
                assert b"second" in picture.metadata.exif
            elif number == 0:
                assert b"first" in picture.metadata.exif


def test_the_command_takes_the_main_picture_and_writes_it_alone(tmp_path: Path) -> None:
    saved(tmp_path, mpo(MAIN_PICTURE, OTHER))
    for name, extra, size, description in (
        ("out.png", (), (32, 24), "first"),
        ("out.jpg", (), (32, 24), "first"),
        ("out.gif", (), (32, 24), None),
        ("other.jpg", ("--frame", "1"), (12, 16), "second"),
    ):
        done = here("apply", "in.jpg", "-k", "identity", "-o", name, *extra, cwd=tmp_path)
        assert (done.code, done.stderr) == (0, "")
        with Image.open(tmp_path / name) as image:
            assert image.size == size
            assert getattr(image, "n_frames", 1) == 1
            if description is not None:
                assert image.getexif()[0x010E] == description
        assert b"MPF\0" not in (tmp_path / name).read_bytes()
    done = here("apply", "in.jpg", "-k", "identity", "-o", "no.png", "--frame", "2", cwd=tmp_path)
    assert done.code == 1
    assert "has no frame 2: they are 0 to 1" in done.stderr


def test_views_of_one_scene_are_noted(tmp_path: Path) -> None:
    saved(tmp_path, mpo(MAIN_PICTURE, OTHER, kind=VIEW))
    done = here("apply", "in.jpg", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert done.code == 0
    assert "holds 2 frames; the first is filtered, and --frame N takes another" in done.stderr


def test_limits_are_those_of_the_picture_that_is_taken(tmp_path: Path) -> None:
    """In a file of a small picture and a large one, each is refused by its own size."""
    path = saved(tmp_path, mpo(OTHER, MAIN_PICTURE))
    typed = ("apply", path, "-k", "identity", "--max-pixels", "200", "-o", "out.png")
    assert here(*typed, cwd=tmp_path).code == 0
    done = here(*typed, "--frame", "1", "-f", cwd=tmp_path)
    assert done.code == 1
    assert "has 32x24 = 768 pixels, and --max-pixels allows 200" in done.stderr


@pytest.mark.parametrize("frame", [0, 1])
def test_damage_is_that_of_the_picture_that_is_taken(tmp_path: Path, frame: int) -> None:
    large = jpeg(64, 96, 3)
    cut = large[: len(large) * 2 // 3]
    pictures = [cut + b"\xff\xd9", large] if frame == 0 else [large, cut]
    path = saved(tmp_path, mpo(*pictures))
    typed = ("apply", path, "-k", "identity", "-f", "-o", "out.png", "--frame")
    assert here(*typed, str(1 - frame), cwd=tmp_path).code == 0
    done = here(*typed, str(frame), cwd=tmp_path)
    assert done.code == 1
    assert "--keep-damaged" in done.stderr
    done = here(*typed, str(frame), "--keep-damaged", cwd=tmp_path)
    assert done.code == 0
    assert "is damaged" in done.stderr


GOOD = index([(MAIN, 9, 0), (PREVIEW, 9, 9)])
BROKEN = {
    "empty": b"",
    "no directory": b"II*\0" + struct.pack("<I", 1 << 31),
    "directory of itself": b"II*\0" + bytes(4),
    "no numbers": b"XX" + GOOD[2:],
    "cut": GOOD[:-9],
    "too many": index([(MAIN, 9, 0)], count=MAX_FRAMES + 1),
    "more than there are": index([(MAIN, 9, 0)], count=9),
    "none": index([], count=0),
    "itself": index([(MAIN, 9, 0), (PREVIEW, 9, (1 << 32) - 10), (PREVIEW, 9, 0)]),
    "outside": index([(MAIN, 9, 0), (PREVIEW, 9, 1 << 31)]),
    "its pixels": index([(MAIN, 9, 0), (PREVIEW, 9, 500)]),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_the_main_picture_comes_out_whatever_the_index_says(tmp_path: Path, content: bytes) -> None:
    path = saved(tmp_path, with_index(MAIN_PICTURE, content))
    with open_frames(path) as source:
        assert source.frame_count == 1
        np.testing.assert_array_equal(source.read(0).values, decoded(MAIN_PICTURE))
    done = here("apply", "in.jpg", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_byte_of_the_index_loses_the_main_picture(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    whole = mpo(MAIN_PICTURE, OTHER)
    at = 10 + place
    path = saved(tmp_path_factory.getbasetemp(), whole[:at] + bytes([byte]) + whole[at + 1 :])
    with open_frames(path, ReadSettings(max_pixels=24 * 32)) as source:
        np.testing.assert_array_equal(source.read(0).values, decoded(MAIN_PICTURE))


def test_a_picture_within_the_first_one_may_be_named(tmp_path: Path) -> None:
    """As an index may name a thumbnail, or a picture that holds itself: each is read by itself."""
    whole = mpo(MAIN_PICTURE, mpo(OTHER, OTHER))
    with open_frames(saved(tmp_path, whole)) as source:
        assert source.frame_count == 2
        np.testing.assert_array_equal(source.read(1).values, np.rot90(decoded(OTHER), -1))
