"""BMP whose pixels are fields of bits, held to fractions; to Pillow where it knows the masks."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.images import DEFAULT_SETTINGS, Header, Picture, ReadSettings, Values
from convcli.images.read import open_frames


def bmp(
    pixels: Values,
    bits: int,
    masks: tuple[int, ...],
    *,
    header: int = 40,
    top_down: bool = False,
    plain: bool = False,
) -> bytes:
    """Pixels as whole numbers, (H, W), in a file with masks."""
    height, width = pixels.shape
    compression = 0 if plain else 6 if header == 40 and len(masks) > 3 else 3
    info = struct.pack("<iiHHIIiiII", width, -height if top_down else height, 1, bits, compression,
                       0, 3937, 3937, 0, 0)  # fmt: skip
    info = (info + struct.pack(f"<{len(masks)}I", *([] if plain else masks) or masks)).ljust(
        header - 4, b"\0"
    )
    row_bytes = -(-width * bits // 32) * 4
    rows = [row.astype(f"<u{bits // 8}").tobytes().ljust(row_bytes, b"\0") for row in pixels]
    start = 18 + len(info)
    content = b"".join(rows if top_down else rows[::-1])
    return b"BM" + struct.pack("<IHHII", start + len(content), 0, 0, start, header) + info + content


def read(folder: Path, content: bytes, settings: ReadSettings = DEFAULT_SETTINGS) -> Picture:
    (folder / "in.bmp").write_bytes(content)
    with open_frames(str(folder / "in.bmp"), settings) as source:
        picture = source.read(0)
        assert source.header._replace(has_alpha=False) == Header.of(picture)._replace(
            has_alpha=False
        )
    return picture


LAYOUTS = {
    "555": (16, (0x7C00, 0x03E0, 0x001F)),
    "565": (16, (0xF800, 0x07E0, 0x001F)),
    "4444": (16, (0x0F00, 0x00F0, 0x000F, 0xF000)),
    "231": (16, (0x0030, 0x000E, 0x0001)),
    "1555": (16, (0x7C00, 0x03E0, 0x001F, 0x8000)),
    "880": (16, (0xFF00, 0x00FF, 0x0000)),
    "888": (32, (0xFF0000, 0xFF00, 0xFF)),
    "8888": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    "swapped": (32, (0xFF00, 0xFF0000, 0xFF000000)),
    "111110": (32, (0xFFE00000, 0x1FFC00, 0x3FF)),
    "1010102": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("header", [40, 56, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
def test_masks_say_where_the_bits_are(
    tmp_path: Path, name: str, header: int, top_down: bool
) -> None:
    bits, masks = LAYOUTS[name]
    pixels = np.random.default_rng(1).integers(0, 1 << bits, (5, 7), dtype=np.uint64)
    picture = read(tmp_path, bmp(pixels, bits, masks, header=header, top_down=top_down))
    depth = 8 if all(mask.bit_count() <= 8 for mask in masks) else 16
    assert picture.depth == depth
    white = (1 << depth) - 1
    parts = [picture.values[:, :, channel] for channel in range(3)]
    parts += [] if picture.alpha is None else [picture.alpha[:, :, 0]]
    assert len(parts) == len(masks)
    for part, mask in zip(parts, masks, strict=True):
        low = (mask & -mask).bit_length() - 1 if mask else 0
        most = max(mask >> low, 1)
        for found, pixel in zip(part.ravel().tolist(), pixels.ravel().tolist(), strict=True):
            assert abs(found * most - ((pixel & mask) >> low) * white) * 2 <= most
    dpi = picture.metadata.dpi
    assert dpi is not None
    assert dpi == pytest.approx((100, 100), abs=0.01)
    if name == "888" or (name == "8888" and header > 40):
        with Image.open(tmp_path / "in.bmp") as image:
            np.testing.assert_array_equal(np.asarray(image)[:, :, :3], picture.values)


def test_sixteen_bits_without_masks_are_five_each(tmp_path: Path) -> None:
    bits, masks = LAYOUTS["555"]
    pixels = np.random.default_rng(1).integers(0, 1 << 15, (5, 8), dtype=np.uint64)
    first = read(tmp_path, bmp(pixels, bits, masks, plain=True))
    second = read(tmp_path, bmp(pixels, bits, masks))
    np.testing.assert_array_equal(first.values, second.values)


def test_alpha_that_is_nowhere_is_none(tmp_path: Path) -> None:
    bits, masks = LAYOUTS["8888"]
    pixels = np.random.default_rng(1).integers(0, 1 << 24, (5, 8), dtype=np.uint64)
    picture = read(tmp_path, bmp(pixels, bits, masks))
    assert picture.alpha is None
    assert picture.notes == ("says that all of it is transparent, and is read as opaque",)


def test_rows_that_are_there_are_kept(tmp_path: Path) -> None:
    bits, masks = LAYOUTS["565"]
    pixels = np.full((4, 6), 0xFFFF, np.uint64)
    content = bmp(pixels, bits, masks)[:-15]
    with pytest.raises(ImageError, match="its data end after row 2 of 4; --keep-damaged"):
        read(tmp_path, content)
    picture = read(tmp_path, content, ReadSettings(keep_damaged=True))
    assert picture.notes == ("is damaged: its data end after row 2 of 4",)
    assert (picture.values[2:] == 255).all()
    with pytest.raises(ImageError, match="after row 0 of 4"):
        read(tmp_path, content[:70], ReadSettings(keep_damaged=True))


@pytest.mark.parametrize("mask", [0x0F0F, 0xF0000, 0xFFFFE000])
def test_masks_that_are_no_fields_are_refused(tmp_path: Path, mask: int) -> None:
    content = bmp(np.zeros((3, 3), np.uint64), 32 if mask >> 20 else 16, (mask, 0xF0, 0xF))
    with pytest.raises(ImageError, match="is no field of bits"):
        read(tmp_path, content)
