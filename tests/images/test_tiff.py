"""TIFF: every layout is read as it is stored, by Pillow or here, and what is not read is named."""

from __future__ import annotations

import itertools
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.peers import require_peer
from support.tiffs import FIRST, Page, page, tiff

from convcli.errors import ImageError
from convcli.images import DEFAULT_SETTINGS, Header, Picture, ReadSettings
from convcli.images.pillow import open_image
from convcli.images.read import open_frames
from convcli.images.structure.tiff import Directories, Directory
from convcli.images.tiff import segments

Array = NDArray[Any]


def read_all(path: Path | str, settings: ReadSettings = DEFAULT_SETTINGS) -> list[Picture]:
    """Every page; its header is that of what is read."""
    with open_frames(str(path), settings) as source:
        pages = [source.read(index) for index in range(source.frame_count)]
        for index, picture in enumerate(pages):
            header, known = Header.of(picture), source.read_header(index)
            assert known._replace(has_alpha=False) == header._replace(has_alpha=False)
            assert known.has_alpha or not header.has_alpha  # which is dropped where all is opaque
    return pages


def read_bytes(folder: Path, *pages: Page, **options: Any) -> list[Picture]:
    """Every page of a file that is built of its parts."""
    (folder / "in.tif").write_bytes(tiff(*pages, **options))
    return read_all(folder / "in.tif")


def random_values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    generator = np.random.default_rng(seed)
    if dtype.startswith("f"):
        return generator.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return generator.integers(info.min, info.max, shape, dtype, endpoint=True)


def refused(folder: Path, *pages: Page) -> str:
    with pytest.raises(ImageError) as caught:
        read_bytes(folder, *pages)
    return caught.value.cause


DTYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
CODECS = (None, "zlib", "lzw", "packbits", "zstd", "lzma")
SHAPES = ((37, 23), (37, 23, 2), (37, 23, 3), (37, 23, 5), (1, 23, 3), (37, 1), (1, 1, 3))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_every_type_layout_and_compression_are_read(
    tmp_path: Path, dtype: str, codec: str | None
) -> None:
    tifffile = require_peer("tifffile")
    require_peer("imagecodecs")
    predictors = (False, True) if codec not in (None, "packbits") and dtype[1] != "8" else (False,)
    if dtype == "f8" and len(predictors) < 2 and codec not in (None, "packbits"):
        predictors = (False, True)  # the predictor of real numbers
    first = DTYPES.index(dtype) + CODECS.index(codec)
    kinds = itertools.product(predictors, ("contig", "separate"), "<>")
    for number, (predictor, planes, order) in enumerate(kinds, first):
        shape = SHAPES[number % len(SHAPES)]
        values = random_values(shape, dtype, number)
        is_planar = len(shape) > 2 and planes == "separate"
        tifffile.imwrite(
            tmp_path / "in.tif",
            np.moveaxis(values, 2, 0) if is_planar else values,
            photometric="rgb" if shape[2:] == (3,) else "minisblack",
            planarconfig=planes if len(shape) > 2 else None,
            compression=codec,
            predictor=predictor,
            byteorder=order,
            bigtiff=number % 5 == 0,
            tile=(16, 16) if number % 3 else None,
            rowsperstrip=None if number % 3 else number % 9 + 1,
            metadata=None,
        )
        (picture,) = read_all(tmp_path / "in.tif")
        np.testing.assert_array_equal(picture.values, np.atleast_3d(values))
        assert picture.values.dtype == values.dtype
        assert picture.depth == {"u1": 8, "u2": 16}.get(dtype)
        assert (picture.alpha, picture.notes) == (None, ())


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_values_of_any_bits_are_scaled_to_white(
    tmp_path: Path, bits: int, photometric: int, order: str
) -> None:
    stored = np.random.default_rng(bits).integers(0, 1 << bits, (5, 7, 3))
    stored[0, 0] = 0, (1 << bits) - 1, 1
    packed = []
    for row in stored.reshape(5, 21):
        if bits in (8, 16):
            packed.append(row.astype(f"{order}u{bits // 8}").tobytes())
            continue
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        packed.append(bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)))
    kind = page(5, 7, packed, t258=[bits] * 3, t262=2, t277=3, t278=1)
    white, depth = ((1 << 8) - 1, 8) if bits <= 8 else ((1 << 16) - 1, 16)
    expected = np.rint(stored * white / ((1 << bits) - 1))
    (picture,) = read_bytes(tmp_path, kind, order=order)
    np.testing.assert_array_equal(picture.values, expected)
    assert (picture.depth, picture.values.dtype.itemsize) == (depth, depth // 8)
    gray = page(5, 21, packed, t258=bits, t262=photometric, t278=1)
    (picture,) = read_bytes(tmp_path, gray, order=order)
    flat = expected.reshape(5, 21, 1)
    np.testing.assert_array_equal(picture.values, flat if photometric else white - flat)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("others", [0, 1])
def test_alpha_is_taken_for_what_it_is(
    tmp_path: Path, depth: int, colors: int, kind: int, others: int
) -> None:
    white = (1 << depth) - 1
    straight = random_values((6, 5, colors + others), f"u{depth // 8}")
    alpha = random_values((6, 5, 1), f"u{depth // 8}", 1)
    alpha[0, 0], alpha[0, 1], alpha[0, 2] = 0, white, 1
    bands = np.rint(straight * (alpha / white)) if kind == 1 else straight
    parts = (bands[..., :colors], alpha, bands[..., colors:])
    stored = np.concatenate(parts, axis=2).astype(f"<u{depth // 8}")
    count = colors + 1 + others
    extra = [kind] + [0] * others
    tags: dict[str, Any] = {"t258": [depth] * count, "t277": count, "t338": extra}
    made = page(6, 5, stored.tobytes(), **tags, t262=2 if colors == 3 else 1)
    (picture,) = read_bytes(tmp_path, made)
    assert picture.depth == depth
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha, alpha)
    expected = straight.astype(float)
    if kind == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.where(alpha > 0, np.minimum(np.rint(bands * white / alpha), white), 0)
    np.testing.assert_array_equal(picture.values, expected)
    stored[..., colors] = white
    (opaque,) = read_bytes(tmp_path, made._replace(segments=[stored.tobytes()]))
    assert opaque.alpha is None


def test_bands_without_a_meaning_are_bands(tmp_path: Path) -> None:
    for count in (2, 4, 5, 64):
        for photometric in (1, 2):
            if photometric == 2 and count < 4:
                continue
            stored = random_values((3, 4, count), "u1")
            tags: dict[str, Any] = {"t258": [8] * count, "t277": count, "t262": photometric}
            tags["t338"] = [0] * (count - (3 if photometric == 2 else 1))
            (picture,) = read_bytes(tmp_path, page(3, 4, stored.tobytes(), **tags))
            np.testing.assert_array_equal(picture.values, stored)
            assert picture.alpha is None
    four = page(1, 1, bytes([9, 8, 7, 6]), t258=[8] * 4, t277=4, t262=2)  # does not say
    (picture,) = read_bytes(tmp_path, four)
    assert (picture.values.tolist(), picture.alpha.tolist()) == ([[[9, 8, 7]]], [[[6]]])  # type: ignore[union-attr]


def test_the_bits_of_a_byte_may_be_reversed(tmp_path: Path) -> None:
    stored = bytes([0b10000000, 0b00000001, 0b11000000])
    for codec, data in (
        (1, stored),
        (8, bytes(int(f"{b:08b}"[::-1], 2) for b in zlib.compress(stored))),
    ):
        (picture,) = read_bytes(tmp_path, page(1, 3, data, t266=2, t259=codec))
        expected = [1, 128, 3] if codec == 1 else [128, 1, 192]
        assert picture.values.ravel().tolist() == expected


def test_pages_have_a_header_each(tmp_path: Path) -> None:
    """Pages differ in size, type, channels, byte by byte; none is fitted to the first."""
    tifffile = require_peer("tifffile")
    values = [
        random_values(shape, dtype)
        for shape, dtype in [((1, 5, 3), "u1"), ((1, 1), "u2"), ((7, 1), "f4"), ((4, 6, 5), "i4")]
    ]
    with tifffile.TiffWriter(tmp_path / "in.tif") as writer:
        for each in values:
            photometric = "rgb" if each.shape[2:] == (3,) else "minisblack"
            planes = "contig" if each.ndim > 2 else None
            writer.write(each, photometric=photometric, planarconfig=planes, metadata=None)
    for picture, each in zip(read_all(tmp_path / "in.tif"), values, strict=True):
        np.testing.assert_array_equal(picture.values, np.atleast_3d(each))
        assert picture.values.dtype == each.dtype


def test_the_chain_of_pages_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.tif").write_bytes(tiff(*[page(2, 2, bytes(4))] * 50))
    reads: list[int] = []
    read = Directories.read

    def count(directories: Directories, at: int) -> Directory:
        reads.append(at)
        return read(directories, at)

    monkeypatch.setattr(Directories, "read", count)
    with open_frames(str(tmp_path / "in.tif")) as source:
        assert (source.frame_count, len(set(reads))) == (50, 50)
        assert len(reads) == 50 + 1  # and the first one's, for its header
        source.read(9)
        assert len(reads) == 50 + 2


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("is_big", [False, True])
def test_a_file_that_ends_in_its_headers_is_cut_short(
    tmp_path: Path, keeps: bool, is_big: bool
) -> None:
    whole = tiff(page(2, 2, bytes(4)), is_big=is_big)
    following = 8 if is_big else 4  # bytes of the offset of the next page, before the pixels
    for size in range(4, len(whole) - following - 4):
        (tmp_path / "in.tif").write_bytes(whole[:size])
        with pytest.raises(ImageError) as caught:
            read_all(tmp_path / "in.tif", ReadSettings(keep_damaged=keeps))
        assert "it is cut short" in caught.value.cause


def smooth() -> Array:
    """Colors that JPEG changes little."""
    rows, columns = np.mgrid[:40, :48]
    return np.stack([columns * 5, rows * 6, rows + columns * 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("photometric", "options"),
    [
        ("rgb", {}),
        ("ycbcr", {"subsampling": (1, 1)}),
        ("ycbcr", {"subsampling": (2, 2)}),
        ("ycbcr", {"subsampling": (2, 1)}),
        ("minisblack", {}),
        ("miniswhite", {}),
    ],
)
def test_jpeg_inside_is_decoded(
    tmp_path: Path, photometric: str, options: dict[str, Any], order: str, tile: Any
) -> None:
    tifffile = require_peer("tifffile")
    require_peer("imagecodecs")
    values = smooth() if photometric in ("rgb", "ycbcr") else smooth()[:, :, 0]
    for is_big in (False, True):
        tifffile.imwrite(
            tmp_path / "in.tif",
            np.stack([values, values[::-1]]),
            photometric=photometric,
            compression="jpeg",
            byteorder=order,
            tile=tile,
            bigtiff=is_big,
            metadata=None,
            **options,
        )
        expected = tifffile.imread(tmp_path / "in.tif").reshape(2, 40, 48, -1).astype(int)
        for picture, decoded in zip(read_all(tmp_path / "in.tif"), expected, strict=True):
            right = 255 - decoded if photometric == "miniswhite" else decoded
            assert np.abs(picture.values - right).max() <= 2  # two decoders
            assert np.abs(picture.values - right).mean() < 0.2


@pytest.mark.parametrize("chroma", [0, 2])
def test_jpeg_of_the_old_style_is_decoded(tmp_path: Path, chroma: int) -> None:
    image = Image.fromarray(smooth())
    image.save(tmp_path / "in.jpg", quality=95, subsampling=chroma)
    stream = (tmp_path / "in.jpg").read_bytes()
    subsampling = [2, 2] if chroma else [1, 1]
    old = page(40, 48, stream, t258=[8] * 3, t277=3, t262=6, t259=6, t513=FIRST, t514=len(stream))
    old = Page({**old.tags, 530: subsampling}, old.segments)
    with Image.open(tmp_path / "in.jpg") as decoded:
        expected = np.asarray(decoded).astype(int)
    image.transpose(Image.Transpose.ROTATE_180).save(
        tmp_path / "turned.jpg", quality=95, subsampling=chroma
    )
    turned = (tmp_path / "turned.jpg").read_bytes()
    other = Page({**old.tags, 514: len(turned)}, [turned])
    with Image.open(tmp_path / "turned.jpg") as decoded:
        turned_values = np.asarray(decoded).astype(int)
    pictures = read_bytes(tmp_path, old, other, old)
    for picture, right in zip(pictures, (expected, turned_values, expected), strict=True):
        assert np.abs(picture.values - right).max() <= 8  # another way of enlarging chroma
    (picture,) = read_bytes(tmp_path, Page({**old.tags, 274: 6}, old.segments))
    assert np.abs(picture.values - np.rot90(expected, -1)).max() <= 8


def test_strips_without_their_sizes_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(3).integers(0, 256, (400, 300), np.uint8)
    strips = [zlib.compress(row.tobytes()) for row in values]
    content = tiff(page(400, 300, strips, t259=8, t278=1))
    entry, other = (struct.pack("<HHI", name, 3, 400) for name in (279, 65_000))
    unsized = content.replace(entry, other)
    assert unsized != content
    (tmp_path / "in.tif").write_bytes(unsized)
    (picture,) = read_all(tmp_path / "in.tif")
    np.testing.assert_array_equal(picture.values[:, :, 0], values)


@pytest.mark.parametrize("codec", [2, 3, 4])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax_is_decoded(tmp_path: Path, codec: int, photometric: int) -> None:
    bits = np.random.default_rng(codec).integers(0, 2, (21, 53)).astype(bool)
    name = {2: "tiff_ccitt", 3: "group3", 4: "group4"}[codec]
    tags = {262: photometric}
    Image.fromarray(bits).save(tmp_path / "in.tif", compression=name, tiffinfo=tags)
    (picture,) = read_all(tmp_path / "in.tif")
    with Image.open(tmp_path / "in.tif") as image:
        assert (image.tag_v2[259], image.tag_v2[262]) == (codec, photometric)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(picture.values[:, :, 0], np.where(bits, 255, 0))


@pytest.mark.parametrize("codec", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_is_its_colors(tmp_path: Path, bits: int, order: str, codec: str) -> None:
    """Against the colors by number; whole strips are encoded by Pillow as gray."""
    numbers = np.random.default_rng(bits).integers(0, 1 << bits, (6, 16))
    colors = np.random.default_rng(9).integers(0, 1 << 16, (3, 1 << bits))
    text = ["".join(f"{number:0{bits}b}" for number in row) for row in numbers]
    rows = np.array([[int(t[i : i + 8], 2) for i in range(0, len(t), 8)] for t in text], np.uint8)
    Image.fromarray(rows).save(tmp_path / "gray.tif", compression=codec)
    with Image.open(tmp_path / "gray.tif") as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        kind, (start,), (size,) = tags.get(259, 1), tags[273], tags[279]
    strip = (tmp_path / "gray.tif").read_bytes()[start : start + size]
    color_map = colors.ravel().tolist()
    made = page(6, 16, strip, t258=bits, t259=kind, t262=3, t320=color_map)
    for is_big in (False, True):
        (picture,) = read_bytes(tmp_path, made, order=order, is_big=is_big)
        np.testing.assert_array_equal(picture.values, colors.T[numbers] >> 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_ink_becomes_colors(tmp_path: Path, bits: int, order: str) -> None:
    ink = random_values((5, 4, 4), "u1")
    stored = (ink.astype(np.uint16) * 257).astype(f"{order}u2") if bits == 16 else ink
    made = page(5, 4, stored.tobytes(), t258=[bits] * 4, t277=4, t262=5)
    expected = np.asarray(Image.fromarray(ink, "CMYK").convert("RGB"))
    for is_big in (False, True):
        (picture,) = read_bytes(tmp_path, made, order=order, is_big=is_big)
        np.testing.assert_array_equal(picture.values, expected)
        assert picture.depth == 8


def test_what_is_lost_of_ink_is_told(tmp_path: Path) -> None:
    ink = random_values((5, 4, 5), "u1")
    deep = (ink[:, :, :4].astype("<u2") * 257).tobytes()
    (picture,) = read_bytes(tmp_path, page(5, 4, deep, t258=[16] * 4, t277=4, t262=5))
    assert picture.notes == ("holds 16-bit CMYK, read as 8-bit colors",)
    spot = page(5, 4, ink.tobytes(), t258=[8] * 5, t277=5, t262=5, t338=0)
    (picture,) = read_bytes(tmp_path, spot)
    expected = np.asarray(Image.fromarray(ink[:, :, :4].copy(), "CMYK").convert("RGB"))
    np.testing.assert_array_equal(picture.values, expected)
    assert picture.notes == ("holds a band beside its colors, which is left out",)
    colors = [value * 257 for value in range(256)] * 3
    both = page(5, 2, ink.tobytes()[:20], t258=[8] * 2, t277=2, t262=3, t320=colors, t338=0)
    (picture,) = read_bytes(tmp_path, both)
    assert picture.notes == ("holds a band beside its colors, which is left out",)
    (plain,) = read_bytes(tmp_path, page(5, 4, ink.tobytes()[:80], t258=[8] * 4, t277=4, t262=5))
    assert plain.notes == ()


def test_full_chroma_without_compression_becomes_colors(tmp_path: Path) -> None:
    stored = np.asarray(Image.fromarray(smooth()).convert("YCbCr"))
    made = page(40, 48, stored.tobytes(), t258=[8] * 3, t277=3, t262=6, t530=[1, 1])
    (picture,) = read_bytes(tmp_path, made)
    assert np.abs(picture.values.astype(int) - smooth()).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["u1", "u2", "f4", "palette"])
def test_every_kind_is_turned(tmp_path: Path, orientation: int, kind: str) -> None:
    steps: dict[int, Any] = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90,
    }  # fmt: skip
    if kind == "palette":
        values = random_values((3, 4, 1), "u1")
        tags: dict[str, Any] = {"t262": 3, "t320": [v * 257 for v in range(256)] * 3}
        expected = np.repeat(values, 3, axis=2)
    else:
        values = expected = random_values((3, 4, 1), kind)
        tags = {"t258": values.itemsize * 8, "t339": 3 if kind == "f4" else 1}
    made = page(
        3, 4, values.astype(values.dtype.newbyteorder("<")).tobytes(), t274=orientation, **tags
    )
    (picture,) = read_bytes(tmp_path, made)
    np.testing.assert_array_equal(picture.values, steps[orientation](expected))


@pytest.mark.parametrize(
    ("tags", "cause"),
    [
        ({"t262": 10, "t258": [8] * 3, "t277": 3}, "ITULab"),
        ({"t262": 8, "t258": [32] * 3, "t277": 3}, "CIELab with 3 times 32 bits"),
        ({"t262": 32803}, "a camera's color filter array"),
        ({"t262": 34892, "t258": [8] * 3, "t277": 3}, "linear raw colors"),
        ({"t262": 32845, "t258": [8] * 3, "t277": 3}, "LogLuv"),
        ({"t262": 77}, "colors of kind 77"),
        ({"t259": 34712, "t258": 4}, "1 times 4 bits a pixel in JPEG 2000"),
        ({"t259": 50001}, "1 times 8 bits a pixel in WebP"),
        ({"t259": 34887, "t317": 2}, "1 times 8 bits a pixel in LERC"),
        ({"t259": 50002, "t262": 6, "t258": [8] * 3, "t277": 3}, "YCbCr in JPEG XL"),
        ({"t259": 1234}, "compression 1234"),
        ({"t258": 40}, "whole numbers of 40 bits"),
        ({"t258": 24, "t317": 2}, "predictor 2 of 24 bits"),
        ({"t258": 64, "t339": 6}, "complex numbers of 64 bits"),
        ({"t258": 8, "t339": 3}, "real numbers of 8 bits"),
        ({"t317": 9}, "predictor 9"),
        ({"t258": 12, "t317": 2}, "predictor 2"),
        ({"t262": 3, "t258": 12}, "a palette with 1 times 12 bits"),
        ({"t262": 3, "t258": [4] * 2, "t277": 2, "t338": 2}, "a palette with 2 times 4 bits"),
        ({"t262": 5, "t258": [8] * 3, "t277": 3}, "CMYK with 3 times 8 bits"),
        ({"t262": 6, "t258": [8] * 3, "t277": 3, "t284": 2}, "YCbCr in separate planes"),
        ({"t258": [8, 4], "t277": 2}, "its bands differ"),
        ({"t277": 65, "t258": [8] * 65}, "the most is 64"),
        ({"t322": 0, "t323": 16}, "its size is"),
        ({"t32997": 2}, "its size is"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    tmp_path: Path, tags: dict[str, Any], cause: str
) -> None:
    assert cause in refused(tmp_path, page(4, 4, bytes(2000), **tags))
    good = page(4, 4, bytes(16))
    (tmp_path / "in.tif").write_bytes(tiff(good, page(4, 4, bytes(2000), **tags)))
    with open_frames(str(tmp_path / "in.tif")) as source:
        assert source.frame_count == 2
        source.read(0)
        with pytest.raises(ImageError) as caught:
            source.read(1)
        assert cause in caught.value.cause


def test_a_page_that_is_larger_than_the_limit_is_refused_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(tiff(page(5, 4, bytes(20))))
    with pytest.raises(ImageError, match="has 4x5 = 20 pixels, and --max-pixels allows 19"):
        read_all(tmp_path / "in.tif", ReadSettings(max_pixels=19))
    (tmp_path / "in.tif").write_bytes(tiff(page(2, 2, bytes(4)), page(60000, 60000, bytes(4))))
    with open_frames(str(tmp_path / "in.tif")) as source:
        source.read(0)
        with pytest.raises(ImageError, match="has 60000x60000 ="):
            source.read(1)


@pytest.mark.parametrize("codec", [1, 8, 5, 32773])
@pytest.mark.parametrize("cut", ["last", "all but the first", "half"])
def test_missing_rows_are_damage_and_never_silently_black(
    tmp_path: Path, codec: int, cut: str
) -> None:
    """Four strips of four rows; what a strip does not hold is an error, or kept with a note."""
    require_peer("imagecodecs")
    import imagecodecs

    encode: dict[int, Any] = {
        1: bytes, 8: zlib.compress, 5: imagecodecs.lzw_encode, 32773: imagecodecs.packbits_encode,
    }  # fmt: skip
    values = random_values((16, 8, 1), "u1") | 1
    strips = [encode[codec](values[top : top + 4].tobytes()) for top in range(0, 16, 4)]
    kept = {"last": 3, "all but the first": 1, "half": 3}[cut]
    if cut == "half":
        strips[3] = strips[3][: len(strips[3]) // 2]
    made = page(16, 8, strips[: kept + (cut == "half")], t259=codec, t278=4)
    assert "cannot be decoded" in refused(tmp_path, made)
    (picture,) = read_all(tmp_path / "in.tif", ReadSettings(keep_damaged=True))
    assert len(picture.notes) == 1
    assert "damaged" in picture.notes[0]
    np.testing.assert_array_equal(picture.values[: kept * 4], values[: kept * 4])


@pytest.mark.parametrize("is_all_damaged", [False, True])
def test_damaged_strips_are_found_by_few_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_all_damaged: bool
) -> None:
    """Strips of one packed row: of one that ends early, the others are kept; of many, few tried."""
    values = random_values((5000, 8, 1), "u1") | 1
    strips = [b"\7" + row.tobytes() for row in values]
    for index in range(5000) if is_all_damaged else [777]:
        strips[index] = b"\7"
    started = []

    def open_counted(stream: BinaryIO) -> Image.Image:
        started.append(stream)
        return open_image(stream)

    monkeypatch.setattr(segments, "open_image", open_counted)
    (tmp_path / "in.tif").write_bytes(tiff(page(5000, 8, strips, t259=32773, t278=1)))
    (picture,) = read_all(tmp_path / "in.tif", ReadSettings(keep_damaged=True))
    assert "strip or tile 0 is" in picture.notes[0] or not is_all_damaged
    if not is_all_damaged:
        values[777] = 0
        np.testing.assert_array_equal(picture.values, values)
    assert len(started) < (1000 if is_all_damaged else 30)


def test_a_damaged_sum_is_damage(tmp_path: Path) -> None:
    strip = bytearray(zlib.compress(random_values((4, 4), "u1").tobytes()))
    strip[-1] ^= 1
    assert "incorrect data check" in refused(tmp_path, page(4, 4, bytes(strip), t259=8))


def test_metadata_of_every_kind_of_page_is_kept(tmp_path: Path) -> None:
    texts = {"t270": b"a description\0", "t305": b"software\0"}
    dots: dict[str, Any] = {"t282": [300, 1], "t283": [600, 2], "t296": 2}
    kinds: list[dict[str, Any]] = [{}, {"t262": 3, "t320": [0] * 768}, {"t258": 16}]
    for tags in kinds:
        made = page(2, 2, bytes(8), **texts, **dots, **tags, t34675=b"profile ", t274=3)
        for order, is_big in itertools.product("<>", (False, True)):
            (picture,) = read_bytes(tmp_path, made, order=order, is_big=is_big)
            exif = Image.Exif()
            exif.load(picture.metadata.exif)
            assert sorted(exif) == [270, 305]
            assert (exif[270], exif[305]) == ("a description", "software")
            assert picture.metadata.dpi == (300.0, 300.0)
            assert picture.metadata.profile == b"profile "


@pytest.mark.parametrize(
    "text", [b"<?xml?><OME>other.tif</OME>", b"ImageJ=1\nimages=9", b'{"shape": [9]}']
)
def test_a_description_of_the_layout_is_not_kept(tmp_path: Path, text: bytes) -> None:
    """Readers would take it for that of the result, which has other pages and no other files."""
    (picture,) = read_bytes(tmp_path, page(2, 2, bytes(4), t270=text + b"\0"))
    assert picture.metadata.exif == b""
