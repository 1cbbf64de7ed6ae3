"""Codes of bytes, held to what zlib reads, and to plain Huffman codes and all prefix codes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.peers import require_peer

from convcli.images import huffman
from convcli.images.huffman import (
    MAX_CODE_BITS,
    PIECE_BYTES,
    BitStream,
    assign_codes,
    deflate_codes,
    has_few_runs,
    limit_lengths,
)
from convcli.images.parts import MIN_CODED_BYTES
from convcli.images.png.write import filter_rows, write_png
from convcli.images.write import write_picture
from convcli.parallel import set_threads

Bytes = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    yield
    set_threads(1)


def draw_noise(shape: tuple[int, ...], spread: float, seed: int = 0) -> Bytes:
    """Differences as a photograph has them: most are small, of both signs."""
    drawn = np.random.default_rng(seed).laplace(0, spread, shape)
    return np.clip(drawn, -128, 127).astype(np.int8).view(np.uint8)


def inflate(content: bytes) -> tuple[bytes, bool]:
    """The bytes of a stream, and whether it says that it ends."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    return decompressor.decompress(content), decompressor.eof


@example(shape=(1, 1), spread=0.0, is_last=True, piece_bytes=4, seed=0)
@example(shape=(3, 7), spread=1e9, is_last=False, piece_bytes=8, seed=0)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 90)),
    spread=st.sampled_from([0.0, 0.3, 2.0, 20.0, 1e9]),
    is_last=st.booleans(),
    piece_bytes=st.sampled_from([4, 8, 64, 1 << 12]),
    seed=st.integers(0, 99),
)
def test_zlib_reads_the_bytes_back(
    shape: tuple[int, int], spread: float, is_last: bool, piece_bytes: int, seed: int
) -> None:
    rows = draw_noise(shape, spread, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huffman, "PIECE_BYTES", piece_bytes)
        content = deflate_codes(rows, is_last=is_last)
    assert inflate(content) == (rows.tobytes(), is_last)


@pytest.mark.parametrize("over", [-3, 0, 1, 4, 4099])
def test_whole_pieces_are_read_back(over: int) -> None:
    rows = draw_noise((1, PIECE_BYTES + over), 9.0)
    assert inflate(deflate_codes(rows, is_last=True)) == (rows.tobytes(), True)


@given(seed=st.integers(0, 999), calls=st.integers(1, 4), widest=st.integers(1, 63))
def test_fields_follow_one_another_bit_by_bit(seed: int, calls: int, widest: int) -> None:
    rng = np.random.default_rng(seed)
    stream, expected, total = BitStream(), 0, 0
    for _ in range(calls):
        widths = rng.integers(1, widest + 1, rng.integers(1, 40)).astype(np.uint64)
        largest = (np.uint64(1) << widths) - np.uint64(1)
        fields = rng.integers(0, 1 << 63, len(widths)).astype(np.uint64) & largest
        for field, width in [*zip(fields.tolist(), widths.tolist(), strict=True), (5, 3)]:
            expected |= field << total
            total += width
        stream.add_all(fields, widths, np.empty((2, len(widths)), np.uint64))
        stream.add(5, 3)
    assert stream.finish() == expected.to_bytes(-(-total // 8), "little")


def test_parts_follow_one_another() -> None:
    parts = [draw_noise((4, 501), spread, 1) for spread in (1.0, 8.0, 1e9)]
    content = b"".join(deflate_codes(part, is_last=part is parts[-1]) for part in parts)
    assert inflate(content) == (b"".join(part.tobytes() for part in parts), True)


def huffman_bits(counts: list[int]) -> int:
    """The bits of all symbols in a code without a limit: what is merged on the way."""
    heap, bits = list(counts), 0
    heapify(heap)
    while len(heap) > 1:
        merged = heappop(heap) + heappop(heap)
        bits += merged
        heappush(heap, merged)
    return bits


@given(counts=st.lists(st.integers(1, 10**6), min_size=2, max_size=60))
def test_lengths_without_a_limit_are_those_of_huffman(counts: list[int]) -> None:
    lengths = limit_lengths(np.array(counts), 59)
    assert int(lengths @ counts) == huffman_bits(counts)
    assert sum(2.0**-length for length in lengths.tolist()) == 1


@given(counts=st.lists(st.integers(1, 200), min_size=2, max_size=6))
def test_no_code_within_the_limit_is_shorter(counts: list[int]) -> None:
    limit = 3
    lengths = limit_lengths(np.array(counts), limit)
    fitting = (
        sum(map(int.__mul__, counts, each))
        for each in product(range(1, limit + 1), repeat=len(counts))
        if sum(2**-length for length in each) <= 1
    )
    assert lengths.max() <= limit
    assert int(lengths @ counts) == min(fitting)


@given(seed=st.integers(0, 99), spread=st.sampled_from([0.1, 1.0, 30.0]))
def test_no_code_begins_another(seed: int, spread: float) -> None:
    counts = np.bincount(draw_noise((999,), spread, seed), minlength=257) + 1
    code = assign_codes(limit_lengths(counts, MAX_CODE_BITS))
    words = [
        f"{number:0{length}b}"[::-1]
        for number, length in zip(code.codes.tolist(), code.lengths.tolist(), strict=True)
    ]
    ordered = sorted(words)
    assert not any(second.startswith(first) for first, second in pairwise(ordered))
    assert [len(word) for word in words] == code.lengths.tolist()


def test_runs_are_found() -> None:
    noise = draw_noise((64, 1000), 9.0)
    assert has_few_runs(noise)
    noise[:, :100] = 0
    assert not has_few_runs(noise)
    assert not has_few_runs(np.zeros((1, 99), np.uint8))
    threes = np.tile(np.array([5, 5, 5, 9, 9, 9], np.uint8), (64, 100))
    assert has_few_runs(threes)


@pytest.mark.parametrize("times", [2, 4, 8, 16])
def test_an_enlarged_picture_has_runs_wherever_its_rows_repeat(times: int) -> None:
    rows = np.zeros((64 * times, 300), np.uint8)  # of which those that repeat differ by nothing
    rows[::times] = draw_noise((64, 300), 9.0)
    assert not has_few_runs(rows)


@pytest.mark.parametrize("rows", [2, 16, 64])
def test_the_code_suits_all_rows_of_a_texture(rows: int) -> None:
    texture = np.random.default_rng(0).integers(0, 256, (rows, 64), np.uint8)
    content = deflate_codes(np.tile(texture, (1024 // rows, 10)), is_last=True)
    assert len(content) < 1.1 * 1024 * 640


# ---- in files ------------------------------------------------------------------------------------


def draw_photo(height: int, channels: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Waves with noise in all but the last part, which is flat."""
    shape = height, 900, channels
    waves = 100 + 60 * np.sin(np.add.outer(np.arange(height) / 30, np.arange(900) / 40))
    noise = np.resize(draw_noise((61, 900, channels), 6.0), shape)
    noisy = waves[:, :, np.newaxis] + noise.view(np.int8)
    noisy[-height // 3 :] = 7
    pixels: NDArray[Any] = (np.clip(noisy, 0, 255) * (np.iinfo(dtype).max // 255)).astype(dtype)
    return pixels


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint16)])
def test_pictures_are_read_by_pillow(
    image_format: str, channels: int, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded: list[int] = []

    def encode(rows: Bytes, *, is_last: bool) -> bytes:
        coded.append(rows.size)
        return deflate_codes(rows, is_last=is_last)

    monkeypatch.setattr(huffman, "deflate_codes", encode)
    pixels = draw_photo(1300, channels, dtype)
    contents = []
    for threads in (1, 2):
        set_threads(threads)
        stream = io.BytesIO()
        write_picture(stream, pixels, image_format)
        contents.append(stream.getvalue())
        assert 0 < sum(coded) < 0.8 * pixels.nbytes  # not where it is flat
        assert min(coded) >= MIN_CODED_BYTES
        coded.clear()
    assert contents[0] == contents[1]
    write_picture(io.BytesIO(), pixels[:100], image_format)
    assert not coded  # it takes longer to make a code than to write so few bytes
    with Image.open(io.BytesIO(contents[0])) as image:
        np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_the_code_is_made_for_rows_from_top_to_bottom() -> None:
    rows = draw_noise((640, 900), 4.0)
    like_the_rest = len(deflate_codes(rows, is_last=True))
    rows[:16] = draw_noise((16, 900), 1e9)
    assert len(deflate_codes(rows, is_last=True)) < 1.03 * like_the_rest


@pytest.mark.peers
def test_a_png_is_read_by_opencv() -> None:
    cv2 = require_peer("cv2")
    pixels = draw_photo(900, 3)
    stream = io.BytesIO()
    write_png(stream, pixels)
    found = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found[:, :, ::-1], pixels)


def test_codes_take_little_more_space_than_runs_and_codes() -> None:
    rows = filter_rows(draw_photo(300, 3)[:200])
    assert has_few_runs(rows)
    compressor = zlib.compressobj(1, wbits=-zlib.MAX_WBITS, memLevel=9, strategy=zlib.Z_RLE)
    with_runs = len(compressor.compress(rows.data) + compressor.flush())
    assert len(deflate_codes(rows, is_last=True)) < 1.04 * with_runs
