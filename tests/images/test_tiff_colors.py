"""TIFF: ink, CIELab, palettes, chroma, numbers of 24 bits, each against an independent reader."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.tiffs import page, tiff

from convcli.errors import ImageError
from convcli.images import Header, Picture
from convcli.images.read import open_frames

Array = NDArray[Any]


def read(folder: Path, *pages: Any, **options: Any) -> Picture:
    path = folder / "in.tif"
    path.write_bytes(tiff(*pages, **options))
    with open_frames(str(path)) as source:
        picture = source.read(0)
        assert source.header._replace(has_alpha=False) == Header.of(picture)._replace(
            has_alpha=False
        )
        assert source.header.has_alpha or picture.alpha is None
    return picture


def noise(shape: tuple[int, ...], kind: str, seed: int = 0) -> Array:
    info = np.iinfo(kind)
    return np.random.default_rng(seed).integers(info.min, info.max, shape, kind, endpoint=True)


def stored(values: Array, order: str, planar: bool) -> list[bytes]:
    kind = f"{order}{values.dtype.kind}{values.itemsize}"
    planes = np.moveaxis(values, 2, 0) if planar else values[np.newaxis]
    return [plane.astype(kind).tobytes() for plane in planes]


def of_ink(ink: Array) -> Array:
    """Without a profile: what is left of white by black, and of that by a color."""
    cmy, black = ink[:, :, :3].astype(int), ink[:, :, 3:4].astype(int)
    return np.asarray(np.rint((255 - cmy) * (255 - black) / 255))


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extra", [(), (0,), (2,), (1,), (0, 2)])
@pytest.mark.parametrize("bits", [8, 16])
def test_ink_in_any_layout_becomes_colors(
    tmp_path: Path, bits: int, order: str, extra: tuple[int, ...], planar: bool
) -> None:
    ink = noise((5, 4, 4 + len(extra)), "u1")
    alpha = next((4 + i for i, kind in enumerate(extra) if kind), None)
    if 1 in extra:
        ink[:, :, 4] = np.where(ink[:, :, 4] > 100, 255, 0)
    values = ink if bits == 8 else ink.astype(np.uint16) * 257
    tags: dict[str, Any] = {"t258": [bits] * ink.shape[2], "t277": ink.shape[2], "t262": 5}
    tags |= {"t338": list(extra)} if extra else {}
    made = page(5, 4, stored(values, order, planar), **tags, t284=2 if planar else 1)
    picture = read(tmp_path, made, order=order)
    is_seen = np.ones((5, 4), bool) if alpha is None else ink[:, :, alpha] > 0
    np.testing.assert_allclose(picture.values[is_seen], of_ink(ink)[is_seen], atol=1)
    assert picture.depth == 8
    assert (picture.alpha is None) == (alpha is None)
    if picture.alpha is not None and alpha is not None:
        np.testing.assert_array_equal(picture.alpha[:, :, 0], ink[:, :, alpha])
    assert ("holds a band beside its colors, which is left out" in picture.notes) == (0 in extra)
    assert ("holds 16-bit CMYK, read as 8-bit colors" in picture.notes) == (bits == 16)


def test_ink_has_a_profile_of_any_size(tmp_path: Path) -> None:
    """A profile of sRGB is none for ink, and one of 2 MB is read as such."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    large = content + bytes((2 << 20) - len(content))
    ink = noise((5, 4, 4), "u1")
    made = page(5, 4, ink.tobytes(), t258=[8] * 4, t277=4, t262=5, t34675=large)
    picture = read(tmp_path, made)
    np.testing.assert_allclose(picture.values, of_ink(ink), atol=1)
    assert picture.metadata.profile == b""


def lab_by_lcms(lab: Array) -> Array:
    """What Little CMS makes of L*, a* and b* of 8 bits."""
    coded = (lab.astype(int) % 256).astype(np.uint8)
    image = Image.frombytes("LAB", (lab.shape[1], lab.shape[0]), coded.tobytes())
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    found = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    assert found is not None
    return np.asarray(found)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("photometric", [8, 9])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_becomes_colors(
    tmp_path: Path, bits: int, photometric: int, planar: bool, order: str
) -> None:
    generator = np.random.default_rng(3)
    lab = np.dstack([
        generator.integers(90, 200, (9, 8)), *generator.integers(-15, 15, (2, 9, 8)),
    ])  # fmt: skip
    lab[0, 0], lab[0, 1] = (255, 0, 0), (0, 0, 0)
    whole = lab.astype(float)
    if bits == 16:
        step = 256 if photometric == 9 else 257
        coded = np.dstack([whole[:, :, 0] * step, whole[:, :, 1:] * 256]).astype(int)
    else:
        coded = lab.copy()
    coded[:, :, 1:] += 0 if photometric == 8 else 128 << (bits - 8)
    values = (coded % (1 << bits)).astype(f"u{bits // 8}")
    tags: dict[str, Any] = {"t258": [bits] * 3, "t277": 3, "t262": photometric}
    tags["t339"] = [1, 2, 2] if photometric == 8 else [1, 1, 1]
    made = page(9, 8, stored(values, order, planar), **tags, t284=2 if planar else 1)
    picture = read(tmp_path, made, order=order)
    assert picture.depth == bits
    found = picture.values / (1 if bits == 8 else 257)
    np.testing.assert_allclose(found, lab_by_lcms(lab), atol=2.1)
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 1].tolist() == [0, 0, 0]
    assert picture.notes == ("holds CIELab, read as sRGB colors",)


def test_lightness_alone_is_gray(tmp_path: Path) -> None:
    values = np.arange(0, 256, 5, dtype=np.uint8).reshape(4, 13)
    picture = read(tmp_path, page(4, 13, values.tobytes(), t262=8))
    lab = np.dstack([values.astype(int), np.zeros((4, 13, 2), int)])
    np.testing.assert_allclose(picture.values[:, :, 0], lab_by_lcms(lab)[:, :, 1], atol=1.1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_palette_of_65536_colors_has_16_bits(tmp_path: Path, order: str) -> None:
    colors = noise((3, 1 << 16), "u2")
    numbers = noise((5, 4, 1), "u2", 1)
    made = page(5, 4, stored(numbers, order, False), t258=16, t262=3, t320=colors.ravel().tolist())
    picture = read(tmp_path, made, order=order)
    assert picture.depth == 16
    np.testing.assert_array_equal(picture.values, colors.T[numbers[:, :, 0]])


def test_old_palettes_have_colors_of_8_bits(tmp_path: Path) -> None:
    colors = noise((3, 256), "u1")
    numbers = noise((5, 4), "u1", 1)
    made = page(5, 4, numbers.tobytes(), t262=3, t320=colors.ravel().tolist())
    np.testing.assert_array_equal(read(tmp_path, made).values, colors.T[numbers])
    short = page(5, 4, numbers.tobytes(), t262=3, t320=colors.ravel().tolist()[:300])
    with pytest.raises(ImageError, match="its palette has 100 of 256 colors"):
        read(tmp_path, short)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("planar", [False, True])
def test_a_palette_has_alpha(tmp_path: Path, kind: int, planar: bool) -> None:
    colors = np.repeat(np.arange(256)[np.newaxis] * 257, 3, axis=0)
    values = noise((5, 4, 2), "u1")
    values[:, :, 1] |= 1
    if kind == 1:
        values[:, :, 0] = np.minimum(values[:, :, 0], values[:, :, 1])
    tags: dict[str, Any] = {"t258": [8, 8], "t277": 2, "t262": 3, "t338": kind}
    made = page(
        5, 4, stored(values, "<", planar), **tags, t320=colors.ravel().tolist(),
        t284=2 if planar else 1,
    )  # fmt: skip
    picture = read(tmp_path, made)
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha[:, :, 0], values[:, :, 1])
    expected = values[:, :, :1].astype(float)
    if kind == 1:
        expected = np.rint(expected * 255 / values[:, :, 1:])
    np.testing.assert_array_equal(picture.values, np.repeat(expected, 3, axis=2))


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (4, 4)])
@pytest.mark.parametrize("codec", [1, 8])
def test_chroma_of_several_pixels_is_shared(
    tmp_path: Path, factors: tuple[int, int], codec: int
) -> None:
    across, down = factors
    height, width = 8 * down, 8 * across
    generator = np.random.default_rng(5)
    luma = generator.integers(60, 190, (height, width))
    chroma = generator.integers(110, 146, (8, 8, 2))
    units = b"".join(
        luma[y : y + down, x : x + across].astype(np.uint8).tobytes()
        + chroma[y // down, x // across].astype(np.uint8).tobytes()
        for y in range(0, height, down)
        for x in range(0, width, across)
    )
    data = units if codec == 1 else zlib.compress(units)
    made = page(height, width, data, t258=[8] * 3, t277=3, t262=6, t259=codec, t530=[across, down])
    picture = read(tmp_path, made)
    spread = chroma.repeat(down, axis=0).repeat(across, axis=1) - 128.0
    expected = np.dstack([
        luma + 1.402 * spread[:, :, 1],
        luma - 0.344136 * spread[:, :, 0] - 0.714136 * spread[:, :, 1],
        luma + 1.772 * spread[:, :, 0],
    ])  # fmt: skip
    np.testing.assert_allclose(picture.values, expected, atol=1.6)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("is_signed", [False, True])
def test_numbers_of_24_bits_are_read(
    tmp_path: Path, is_signed: bool, planar: bool, order: str
) -> None:
    low, high = (-(1 << 23), (1 << 23) - 1) if is_signed else (0, (1 << 24) - 1)
    values = np.random.default_rng(1).integers(low, high, (5, 4, 2), endpoint=True)
    values[0, 0] = low, high
    planes = np.moveaxis(values, 2, 0) if planar else values[np.newaxis]
    data = [
        b"".join(
            int(value).to_bytes(3, "little" if order == "<" else "big", signed=is_signed)
            for value in plane.ravel()
        )
        for plane in planes
    ]
    made = page(
        5, 4, data, t258=[24] * 2, t277=2, t339=[2 if is_signed else 1] * 2, t284=2 if planar else 1
    )
    picture = read(tmp_path, made, order=order)
    np.testing.assert_array_equal(picture.values, values)
    assert picture.values.dtype == (np.int32 if is_signed else np.uint32)


def gray(size: int, shade: int, **tags: Any) -> Any:
    return page(size, size, bytes([shade]) * size * size, **tags)


def test_smaller_copies_and_masks_are_no_pages(tmp_path: Path) -> None:
    """As pyramids and cameras have them, before or after the picture."""
    copy, mask = {"t254": 1}, {"t254": 4}
    pages = (gray(2, 9, **copy), gray(8, 50), gray(4, 9, **copy), gray(8, 9, **mask), gray(6, 70))
    path = tmp_path / "in.tif"
    for is_big in (False, True):
        path.write_bytes(tiff(*pages, is_big=is_big))
        with open_frames(str(path)) as source:
            assert source.sizes == ((8, 8), (6, 6))
            pictures = [source.read(0), source.read(1)]
        assert [int(picture.values[0, 0, 0]) for picture in pictures] == [50, 70]
        note = "holds 3 smaller copies or masks of its pictures, which are left out"
        assert [picture.notes for picture in pictures] == [(note,)] * 2
    path.write_bytes(tiff(gray(2, 9, **copy), gray(3, 8, **copy)))
    with open_frames(str(path)) as source:
        assert (source.frame_count, source.notes) == (2, ())


def test_a_copy_that_comes_first_names_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    content = tiff(gray(2, 9, t254=1, t330=[0, 0]), gray(8, 50), gray(4, 60))
    # The second and the third page become directories within the first one.
    with open_frames(str(_write(path, content))) as source:
        assert source.frame_count == 2
    offsets = _chain(content)
    inner = offsets[1].to_bytes(4, "little") + offsets[2].to_bytes(4, "little")
    at = content.index((330).to_bytes(2, "little") + (4).to_bytes(2, "little")) + 8
    place = int.from_bytes(content[at : at + 4], "little")
    content = content[:place] + inner + content[place + 8 :]
    content = _unchain(content, offsets[0])
    with open_frames(str(_write(path, content))) as source:
        assert source.sizes == ((8, 8), (4, 4))
        assert source.read(1).values[0, 0, 0] == 60
        assert len(source.notes) == 1


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _chain(content: bytes) -> list[int]:
    offsets, at = [], 4
    while (offset := int.from_bytes(content[at : at + 4], "little")) != 0:
        offsets.append(offset)
        at = offset + 2 + 12 * int.from_bytes(content[offset : offset + 2], "little")
    return offsets


def _unchain(content: bytes, offset: int) -> bytes:
    """The same, where the page at an offset is the last."""
    at = offset + 2 + 12 * int.from_bytes(content[offset : offset + 2], "little")
    return content[:at] + bytes(4) + content[at + 4 :]


@pytest.mark.parametrize("codec", [1, 5, 8])
def test_what_a_sparse_file_leaves_out_is_0(tmp_path: Path, codec: int) -> None:
    """As GDAL writes them: neither an offset nor a size."""
    values = np.random.default_rng(2).integers(1, 256, (8, 6), dtype=np.uint8)
    Image.fromarray(values[:2]).save(tmp_path / "strip.tif", compression={5: "tiff_lzw"}.get(codec))
    with Image.open(tmp_path / "strip.tif") as image:
        tags = image.tag_v2  # type: ignore[attr-defined]
        start, size = tags[273][0], tags[279][0]
    strip = (tmp_path / "strip.tif").read_bytes()[start : start + size]
    strip = zlib.compress(values[:2].tobytes()) if codec == 8 else strip
    made = page(8, 6, [strip, b"", strip, b""], t278=2, t259=codec)
    content = tiff(made)
    entry = content.index((273).to_bytes(2, "little"), 10)
    width = 2 if content[entry + 2] == 3 else 4  # bytes of an offset
    place = int.from_bytes(content[entry + 8 : entry + 12], "little")
    for at in (place + width, place + 3 * width):  # of the second and the fourth strip
        content = content[:at] + bytes(width) + content[at + width :]
    path = _write(tmp_path / "in.tif", content)
    with open_frames(str(path)) as source:
        picture = source.read(0)
    expected = np.zeros((8, 6), np.uint8)
    expected[:2] = expected[4:6] = values[:2]
    np.testing.assert_array_equal(picture.values[:, :, 0], expected)
    assert picture.notes == ("leaves out 2 of its strips or tiles, which are 0",)
