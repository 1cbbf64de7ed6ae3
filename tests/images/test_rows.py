"""Rows of decoded pictures are those of the whole, and filtered they give the same files."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.command import here

from convcli import filter2d, load_kernel
from convcli.engine.arrays import Array
from convcli.errors import ImageError
from convcli.images import pillow
from convcli.images.read import open_frames
from convcli.images.rows import DecodedRows, DecodingRows
from convcli.parallel import set_threads
from convcli.pipeline import route


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@given(rows=st.lists(st.integers(0, 8), min_size=1, max_size=9), channels=st.sampled_from([1, 3]))
def test_any_rows_are_those_of_the_whole(rows: list[int], channels: int) -> None:
    pixels = noise(9, 7, channels)
    source = DecodedRows(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels))
    assert source.shape == (channels, 9, 7)
    found = source[..., np.array(rows), 2:5]
    np.testing.assert_array_equal(found, pixels[rows, 2:5].transpose(2, 0, 1))
    np.testing.assert_array_equal(source[..., 3:8:2, :], pixels[3:8:2].transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("output", ["out.png", "out.tif", "out.bmp"])
@pytest.mark.parametrize(
    "options",
    [
        ("-k", "sharpen"),
        ("-k", "box:5", "--padding-mode", "reflect"),
        ("-k", "gaussian:2", "--padding-mode", "circular"),
        ("-k", "sobel-x", "--range", "offset", "-s", "2"),
    ],
    ids=" ".join,
)
def test_a_picture_taken_by_rows_is_filtered_as_its_array(
    tmp_path: Path, mode: str, output: str, options: tuple[str, ...]
) -> None:
    shape = (300, 203, 3) if mode == "RGB" else (300, 203)
    Image.fromarray(noise(*shape)).save(tmp_path / "in.jpg", quality=60)
    typed = ("apply", "in.jpg", *options, "-o", output, "-f")
    found = []
    for threads in ("1", "2"):
        assert here(*typed, "--threads", threads, cwd=tmp_path).code == 0
        found.append((tmp_path / output).read_bytes())
    assert found[0] == found[1]
    names = {"--padding-mode": "padding_mode", "-s": "stride"}
    settings: dict[str, Any] = {
        names[name]: int(value) if value.isdigit() else value
        for name, value in zip(options[::2], options[1::2], strict=True)
        if name in names
    }
    values = np.asarray(Image.open(tmp_path / "in.jpg")).astype(np.float64)
    sums = filter2d(values, load_kernel(options[1]), **settings)
    sums += 128 * ("offset" in options)
    with Image.open(tmp_path / output) as image:
        distances = np.abs(np.asarray(image) - sums.clip(0, 255))
    assert distances.max() <= 0.5 + 1e-4  # the nearest, but for sums of floats halfway between two


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_that_is_turned_has_no_plain_rows(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "in.jpg", exif=exif)
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        assert (frames.decode_rows is None) == (orientation != 1)


def test_cmyk_and_alpha_have_no_plain_rows(tmp_path: Path) -> None:
    Image.fromarray(noise(8, 9, 4), "CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(noise(8, 9, 4)).save(tmp_path / "alpha.webp")
    for name in ("cmyk.jpg", "alpha.webp"):
        with open_frames(str(tmp_path / name)) as frames:
            assert frames.decode_rows is None


# ---- while it is decoded -------------------------------------------------------------------------


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pillow, "MIN_WAITED_PIXELS", 0)
    monkeypatch.setattr(route, "can_take_rows", lambda *_: True)
    set_threads(2)
    yield
    set_threads(1)


def save_noise(path: Path, height: int = 400, **options: Any) -> Array:
    Image.fromarray(noise(height, 300, 3)).save(path, **options)
    return np.asarray(Image.open(path))


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("height", [2, 15, 16, 17, 400])
def test_rows_are_waited_for(tmp_path: Path, options: dict[str, Any], height: int) -> None:
    pixels = save_noise(tmp_path / "in.jpg", height, **options)
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        rows = frames.read(0, by_rows=True).rows
        assert isinstance(rows, DecodingRows)
        for part in (slice(height // 2, height), slice(0, height // 2), np.array([0, height - 1])):
            found = rows[..., part, slice(None)]
            np.testing.assert_array_equal(found, pixels[part].transpose(2, 0, 1))
        assert rows.notes == ()
        rows.release()


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("name", ["in.jpg", "in.png", "in.bmp", "in.tga", "in.webp"])
def test_no_row_is_given_before_it_is_decoded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = save_noise(tmp_path / name, 669)  # the last read of a BMP brings the first 14 rows
    advance = DecodingRows.advance

    def advance_slowly(rows: DecodingRows) -> None:
        advance(rows)
        time.sleep(0.02)  # rows are taken meanwhile

    monkeypatch.setattr(DecodingRows, "advance", advance_slowly)
    with open_frames(str(tmp_path / name)) as frames:
        rows = frames.read(0, by_rows=True).rows
        assert rows is not None
        for part in (slice(16), slice(16, 320), slice(None)):
            np.testing.assert_array_equal(rows[..., part, :], pixels[part].transpose(2, 0, 1))
        rows.release()


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_of_a_png_are_those_of_its_array(
    tmp_path: Path, is_interlaced: bool, channels: int
) -> None:
    pixels = noise(301, 200, channels)
    (tmp_path / "in.png").write_bytes(encode_png(pixels, is_interlaced=is_interlaced))
    path = str(tmp_path / "in.png")
    with open_frames(path) as by_rows, open_frames(path) as at_once:
        found = by_rows.read(0, by_rows=True), at_once.read(0)
        rows = found[0].rows
        assert rows is not None
        assert isinstance(rows, DecodingRows) == (channels == 3 and not is_interlaced)
        np.testing.assert_array_equal(rows[..., 40:301, :], pixels[40:].transpose(2, 0, 1))
        assert found[0]._replace(rows=None, values=found[1].values) == found[1]
        rows.release()


def encode_png(pixels: Array, *, is_interlaced: bool) -> bytes:
    """Encode without filters, with chunks after the pixels (PNG specification, third edition)."""
    height, width, channels = pixels.shape
    header = struct.pack(
        ">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, int(is_interlaced)
    )
    passes = [(0, 0, 1, 1)]
    if is_interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [pixels[top::down, left::across] for top, left, down, across in passes]
    data = b"".join(b"\0" + row.tobytes() for part in parts for row in part)
    exif = b"MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\4abc\0\0\0\0\0"
    chunks = [(b"IHDR", header), (b"pHYs", struct.pack(">IIB", 3000, 2000, 1))]
    chunks += [(b"IDAT", zlib.compress(data)), (b"tEXt", b"Title\0last"), (b"eXIf", exif)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in [*chunks, (b"IEND", b"")]
    )


@pytest.mark.usefixtures("any_size")
def test_damage_of_a_png_is_found_before_the_last_row_is_given(tmp_path: Path) -> None:
    content = encode_png(noise(301, 200, 3), is_interlaced=False)
    at = content.index(b"IDAT") + 4
    (size,) = struct.unpack_from(">I", content, at - 8)
    data = zlib.decompress(content[at : at + size])
    for cut in (100, 150 * 601, len(data) - 1):
        part = zlib.compress(data[:cut])
        chunk = struct.pack(">I", len(part)) + b"IDAT" + part
        chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
        (tmp_path / "in.png").write_bytes(content[: at - 8] + chunk + content[at + size + 4 :])
        with open_frames(str(tmp_path / "in.png")) as frames:
            rows = frames.read(0, by_rows=True).rows
            assert isinstance(rows, DecodingRows)
            with pytest.raises(ImageError):
                rows[..., -1:, :]
            rows.release()


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_damage_is_found_before_the_last_row_is_given(tmp_path: Path, share: float) -> None:
    save_noise(tmp_path / "in.jpg")
    content = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(content[: 700 + int(share * (len(content) - 700))])
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        rows = frames.read(0, by_rows=True).rows
        assert rows is not None
        for part in (slice(390, None), slice(-1, None)):
            with pytest.raises(ImageError):
                rows[..., part, :]
        rows.release()


@pytest.mark.usefixtures("any_size")
def test_a_damaged_picture_leaves_no_file(tmp_path: Path) -> None:
    save_noise(tmp_path / "in.jpg")
    content = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(content[: len(content) // 2])
    for output in ("out.png", "out.bmp"):
        typed = ("in.jpg", "-k", "sharpen", "-o", output, "--threads", "2")
        done = here("apply", *typed, cwd=tmp_path)
        assert done.code == 1
        assert done.stderr.startswith("convcli: in.jpg: cannot be decoded: ")
    kept = here("apply", *typed, "--keep-damaged", cwd=tmp_path)
    assert kept.code == 0
    assert "is damaged" in kept.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jpg", "out.bmp"]


@pytest.mark.usefixtures("any_size")
def test_a_picture_without_a_scan_is_no_black_one(tmp_path: Path) -> None:
    save_noise(tmp_path / "in.jpg")
    content = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(content.partition(b"\xff\xda")[0] + bytes(100))
    with (
        open_frames(str(tmp_path / "in.jpg")) as frames,
        pytest.raises(ImageError, match="cannot be decoded: cannot load this image"),
    ):
        frames.read(0, by_rows=True)


@pytest.mark.usefixtures("any_size")
def test_damage_in_rows_that_no_output_needs_is_found(tmp_path: Path) -> None:
    save_noise(tmp_path / "in.jpg", 402)
    content = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(content[:-400])
    typed = ("in.jpg", "-k", "box:3", "-s", "200", "-p", "valid", "-o", "out.png")
    for threads in "12":
        assert here("apply", *typed, "--threads", threads, cwd=tmp_path).code == 1
    assert not (tmp_path / "out.png").exists()


@pytest.mark.usefixtures("any_size")
def test_what_is_doubtful_is_said_at_the_end(tmp_path: Path) -> None:
    save_noise(tmp_path / "in.jpg")
    content = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "in.jpg").write_bytes(content[:-2] + bytes(range(1, 200)) + content[-2:])
    typed = ("in.jpg", "-k", "sharpen", "-o", "out.png", "-f", "--threads")
    one, two = (here("apply", *typed, threads, cwd=tmp_path) for threads in "12")
    assert "may be damaged" in one.stderr
    assert one.stderr == two.stderr.replace("2 threads", "1 thread")


@pytest.mark.usefixtures("any_size")
def test_what_is_not_wanted_is_not_decoded_to_its_end(tmp_path: Path) -> None:
    save_noise(tmp_path / "in.jpg", 4000)
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        rows = frames.read(0, by_rows=True).rows
        assert rows is not None
        rows.release()
        with pytest.raises(ImageError):
            rows[..., -1:, :]


@pytest.mark.usefixtures("any_size")
def test_without_a_thread_a_picture_is_decoded_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = save_noise(tmp_path / "in.jpg")

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        rows = frames.read(0, by_rows=True).rows
        assert rows is not None
        np.testing.assert_array_equal(rows[..., :, :], pixels.transpose(2, 0, 1))
        rows.release()
