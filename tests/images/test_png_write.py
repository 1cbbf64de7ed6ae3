"""PNG is written so that others read it: Pillow here, which shares no code with it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from convcli.images import Metadata
from convcli.images.parts import PART_BYTES
from convcli.images.png.write import SIGNATURE, combine_adler32, filter_rows, write_png
from convcli.images.write import write_picture
from convcli.parallel import set_threads


def written(pixels: NDArray[Any], level: int | None = None) -> bytes:
    stream = io.BytesIO()
    write_png(stream, pixels, level=level)
    return stream.getvalue()


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], len(SIGNATURE)
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", content, place + 8 + length)
        assert checksum == zlib.crc32(name + data)
        found.append((name, data))
        place += 12 + length
    return found


def decoded(content: bytes, pixels: NDArray[Any]) -> NDArray[Any]:
    """The values by the specification, filter by filter: no library but zlib."""
    height, width, channels = pixels.shape
    data = zlib.decompress(b"".join(data for name, data in chunks(content) if name == b"IDAT"))
    apart, length = channels * pixels.itemsize, width * channels * pixels.itemsize
    above, lines = bytes(length), []
    for row in range(height):
        kind, *differences = data[row * (length + 1) : (row + 1) * (length + 1)]
        line = bytearray(length)
        for place, difference in enumerate(differences):
            left = line[place - apart] if place >= apart else 0
            line[place] = (difference + (left if kind == 1 else above[place])) % 256
            assert kind in (1, 2)
        lines.append(bytes(line))
        above = lines[-1]
    dtype: np.dtype[Any] = np.dtype(">u2" if pixels.itemsize == 2 else "u1")
    return np.frombuffer(b"".join(lines), dtype).reshape(pixels.shape)


@example(shape=(1, 1), channels=1, kind=np.uint8, seed=0)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.integers(1, 4),
    kind=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 9),
)
def test_every_value_comes_back(
    shape: tuple[int, int], channels: int, kind: Any, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, (*shape, channels))
    pixels = (pixels // (seed + 1)).astype(kind)
    np.testing.assert_array_equal(decoded(written(pixels), pixels), pixels)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("level", [None, 0, 1, 9])
def test_many_parts_are_one_stream(threads: int, level: int | None) -> None:
    height = 3 * PART_BYTES // 3000 + 7
    ramp = np.add.outer(np.arange(height), np.arange(1000))[:, :, np.newaxis]
    pixels = (ramp * (1, 2, 3) + np.random.default_rng(0).integers(0, 9, (height, 1000, 3))) % 256
    pixels = pixels.astype(np.uint8)
    set_threads(threads)
    try:
        content = written(pixels, level)
    finally:
        set_threads(1)
    assert sum(name == b"IDAT" for name, _ in chunks(content)) >= 4
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
    assert content == written(pixels, level)


def test_rows_of_any_length_are_written() -> None:
    for shape in ((1, 500_000, 3), (50_000, 1, 1), (3, PART_BYTES + 1, 1)):
        pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        with Image.open(io.BytesIO(written(pixels))) as image:
            np.testing.assert_array_equal(np.asarray(image).reshape(shape), pixels)


def test_a_row_takes_the_filter_that_leaves_less() -> None:
    columns = np.tile(np.array([0, 200, 13, 90], np.uint8), (3, 1))[:, :, np.newaxis]
    assert filter_rows(columns)[:, 0].tolist() == [1, 2, 2]  # of the first, none is above
    assert filter_rows(columns.transpose(1, 0, 2).copy())[:, 0].tolist() == [1, 1, 1, 1]


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_checksums_join(first: bytes, second: bytes) -> None:
    joined = combine_adler32(zlib.adler32(first), zlib.adler32(second), len(second))
    assert joined == zlib.adler32(first + second)


def test_what_belongs_to_a_picture_is_read_back_by_others() -> None:
    metadata = Metadata(profile=b"profile" * 9, dpi=(300, 150), text={"Author": "Ünal", "x": "y"})
    stream = io.BytesIO()
    write_picture(stream, np.zeros((2, 2, 3), np.uint8), "PNG", metadata)
    with Image.open(stream) as image:
        image.load()
        assert image.info["icc_profile"] == metadata.profile
        assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)
        assert image.text == metadata.text  # type: ignore[attr-defined]
