"""Pictures that threads encode in parts: others read them as they read those in one piece."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.peers import require_peer

from convcli.images import Metadata, jpeg_parts
from convcli.images.formats import EncoderSettings
from convcli.images.jpeg_parts import JpegEncoder
from convcli.images.parts import PartWriter, PixelLayout, write_parts
from convcli.images.read import read_input
from convcli.images.tiff import write as tiff_write
from convcli.images.write import write_picture
from convcli.parallel import set_threads

Array = NDArray[Any]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    yield
    set_threads(1)


def smooth(shape: tuple[int, int, int], dtype: Any = np.uint8) -> Array:
    """Waves with some noise, so that neither all nor none of it repeats."""
    height, width, channels = shape
    waves = np.sin(np.add.outer(np.arange(height) / 7, np.arange(width) / 11))[:, :, np.newaxis]
    noise = np.random.default_rng(0).random((height, width, channels))
    white = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1.0
    pixels: Array = ((waves * 0.4 + 0.5 + noise / 20) * white * 0.9).astype(dtype)
    return pixels


def encoded(pixels: Array, image_format: str, threads: int = 1, **options: Any) -> bytes:
    set_threads(threads)
    stream = io.BytesIO()
    write_picture(stream, pixels, image_format, **options)
    return stream.getvalue()


class Letters:
    """An encoder of parts of two rows, whose code is their first letter."""

    rows = 2

    def __init__(self) -> None:
        self.written = ""
        self._parts: dict[int, Array] = {}

    def encode(self, top: int, pixels: Array) -> str:
        assert top not in self._parts
        self._parts[top] = pixels.copy()
        return "abcdefgh"[top]

    def pixels(self) -> Array:
        return np.concatenate([self._parts[top] for top in sorted(self._parts)])[:, :, 0]

    def write(self, encoded: str) -> None:
        self.written += encoded


@given(st.permutations([(row, column) for row in range(7) for column in range(3)]))
def test_parts_are_written_from_the_top_in_whatever_order_they_come(
    pixels: list[tuple[int, int]],
) -> None:
    letters = Letters()
    writer = PartWriter(letters, PixelLayout((7, 3, 1), np.dtype(np.uint8), has_alpha=False))
    for row, column in pixels:
        for own, target in writer.fill(slice(row, row + 1), slice(column, column + 1)):
            assert (own, target.shape) == (slice(0, 1), (1, 1, 1))
            target[...] = 10 * row + column
    assert letters.written == "aceg"
    expected = np.add.outer(10 * np.arange(7), np.arange(3))
    np.testing.assert_array_equal(letters.pixels(), expected)


def test_what_covers_several_parts_is_divided_among_them() -> None:
    letters = Letters()
    writer = PartWriter(letters, PixelLayout((5, 2, 1), np.dtype(np.uint8), has_alpha=False))
    values = np.arange(10, dtype=np.uint8).reshape(5, 2, 1)
    for columns in (slice(0, 1), slice(1, 2)):
        for first, end in ((1, 5), (0, 1)):
            for own, target in writer.fill(slice(first, end), columns):
                target[...] = values[first:end, columns][own]
    assert letters.written == "ace"
    np.testing.assert_array_equal(letters.pixels(), values[:, :, 0])


def test_every_part_is_encoded_once() -> None:
    letters = Letters()
    set_threads(3)
    write_parts(letters, np.zeros((7, 1, 1), np.uint8))
    assert letters.written == "aceg"


# ---- JPEG ----------------------------------------------------------------------------------------


def in_one_piece(pixels: Array, quality: int, interval: int) -> bytes:
    """What Pillow writes as one scan, with as many units between two restart markers."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    subsampling = 0 if quality >= 90 else 2
    options: Any = {"quality": quality, "subsampling": subsampling}
    image.save(stream, "JPEG", restart_marker_blocks=interval, **options)
    return stream.getvalue()


def interval_of(content: bytes) -> int:
    """The restart interval that a JPEG defines (T.81, B.2.4.4); 0 if none."""
    at = content.find(b"\xff\xdd\0\4")
    return 0 if at < 0 else int(struct.unpack_from(">H", content, at + 4)[0])


@example(shape=(16, 16, 3), quality=75)
@example(shape=(49, 65, 3), quality=75)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 70), st.sampled_from([1, 3])),
    quality=st.sampled_from([1, 75, 89, 90, 100]),
)
def test_a_jpeg_in_parts_is_that_in_one_piece(shape: tuple[int, int, int], quality: int) -> None:
    pixels = smooth(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg_parts, "PART_BYTES", 2000)
        content = encoded(pixels, "JPEG", encoding=EncoderSettings(quality=quality))
        parted = encoded(pixels, "JPEG", 2, encoding=EncoderSettings(quality=quality))
    assert content == parted == in_one_piece(pixels, quality, interval_of(content))


@pytest.mark.peers
def test_a_large_jpeg_is_in_parts_and_read_by_others() -> None:
    cv2 = require_peer("cv2")
    pixels = smooth((1001, 1203, 3))
    content = encoded(pixels, "JPEG", 2)
    interval = interval_of(content)
    assert 0 < interval < 151 * 126
    whole = in_one_piece(pixels, 92, 0)
    for read in (
        lambda data: np.asarray(Image.open(io.BytesIO(data))),
        lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
    ):
        np.testing.assert_array_equal(read(content), read(whole))


def test_our_own_reader_finds_no_damage_in_parts(tmp_path: Path) -> None:
    pixels = smooth((3000, 700, 3))
    path = tmp_path / "in.jpg"
    path.write_bytes(encoded(pixels, "JPEG", 2))
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_input(str(path)).values, np.asarray(image))


def test_a_small_jpeg_is_in_one_piece() -> None:
    assert encoded(smooth((300, 450, 3)), "JPEG") == in_one_piece(smooth((300, 450, 3)), 92, 0)


def test_the_first_part_has_the_metadata_and_the_others_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jpeg_parts, "PART_BYTES", 2000)
    profile = bytes(range(256)) * 300  # in two segments
    metadata = Metadata(profile=profile, text={"Comment": "once"}, xmp=b"<x/>", dpi=(300, 150))
    content = encoded(smooth((90, 50, 3)), "JPEG", 2, metadata=metadata)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert image.size == (50, 90)
        assert image.info["icc_profile"] == profile
        assert (image.info["dpi"], image.info["comment"]) == ((300, 150), b"once")
    assert content.count(b"\xff\xd8\xff") == content.count(b"ICC_PROFILE\0\1") == 1


def test_the_aspect_of_pixels_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg_parts, "PART_BYTES", 2000)
    metadata = Metadata(aspect=(3.0, 2.0))
    with Image.open(io.BytesIO(encoded(smooth((90, 50, 1)), "JPEG", metadata=metadata))) as image:
        assert (image.info["jfif_unit"], image.info["jfif_density"]) == (0, (3, 2))
    both = metadata._replace(dpi=(300, 150))  # a resolution says the aspect, too
    with Image.open(io.BytesIO(encoded(smooth((90, 50, 1)), "JPEG", metadata=both))) as image:
        assert image.info["dpi"] == (300, 150)


def test_an_encoder_that_writes_less_than_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "save", lambda _, file, *__, **___: file.write(b"\xff"))
    layout = PixelLayout((2000, 900, 3), np.dtype(np.uint8), has_alpha=False)
    encoder = JpegEncoder(io.BytesIO(), layout, {"quality": 92, "subsampling": 0}, {}, len)
    with pytest.raises(OSError, match="space"):
        encoder.encode(0, smooth((8, 900, 3)))


def test_a_file_that_is_cut_short_is_not_the_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    class CutFile(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            return super().read()[:-1]

    layout = PixelLayout((8, 900, 3), np.dtype(np.uint8), has_alpha=False)
    encoder = JpegEncoder(io.BytesIO(), layout, {"quality": 92, "subsampling": 0}, {}, len)
    whole = encoder.encode(0, smooth((8, 900, 3)))
    monkeypatch.setattr(jpeg_parts, "_open_file", CutFile)
    assert encoder.encode(0, smooth((8, 900, 3))) == whole


# ---- TIFF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(61, 50, 3), (7, 900, 1), (29, 30, 4), (90, 1, 2), (33, 40, 5)])
def test_a_tiff_in_strips_is_read_by_others(
    shape: tuple[int, int, int], dtype: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tifffile = require_peer("tifffile")
    monkeypatch.setattr(tiff_write, "STRIP_BYTES", 2000)
    pixels = smooth(shape, dtype)
    path = tmp_path / "out.tif"
    path.write_bytes(encoded(pixels, "TIFF"))
    assert path.read_bytes() == encoded(pixels, "TIFF", 2)
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        np.testing.assert_array_equal(page.asarray().reshape(shape), pixels)
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.predictor == (2 if np.dtype(dtype).kind == "u" else 1)
    picture = read_input(str(path))
    joined = [picture.values] if picture.alpha is None else [picture.values, picture.alpha]
    np.testing.assert_array_equal(np.concatenate(joined, axis=2), pixels)


@pytest.mark.peers
@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_and_opencv_read_the_strips_of_eight_bits(channels: int) -> None:
    cv2 = require_peer("cv2")
    pixels = smooth((400, 1000, channels))
    content = encoded(pixels, "TIFF", 2)
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found.reshape(pixels.shape)[:, :, ::-1], pixels)


def test_differences_take_less_than_what_they_come_from() -> None:
    pixels = smooth((600, 800, 3))
    with_search = io.BytesIO()
    Image.fromarray(pixels).save(with_search, "TIFF", compression="tiff_adobe_deflate")
    assert len(encoded(pixels, "TIFF")) < len(with_search.getvalue())
