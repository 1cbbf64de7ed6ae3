"""TIFF: the product of what one library can write, read back here and by that library."""

from __future__ import annotations

import io
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.peers import require_peer
from support.tiffs import page, tiff

from convcli.errors import ImageError
from convcli.images import DEFAULT_SETTINGS, ReadSettings, Values
from convcli.images.read import open_frames

KINDS = ("u1", "u2", "i2", "u4", "f4", "f8")
WHOLE = (None, "zlib")  # with every setting; the others take the settings in turn
LOSSLESS = (*WHOLE, "lzw", "packbits", "zstd", "lzma", "lerc")
PICTURES = ("webp", "jpeg2000", "jpegxl")
BANDS = (1, 2, 3, 4, 5)
SETTINGS = tuple(itertools.product(("contig", "separate"), "<>", (1, 2)))


def stack(kind: str, bands: int, pages: int) -> list[Values]:
    generator = np.random.default_rng(bands)
    shape = (pages, 19, 18, bands)
    if kind[0] == "f":
        return list(generator.normal(size=shape).astype(kind))
    info = np.iinfo(kind)
    return list(generator.integers(info.min, info.max, shape, kind, endpoint=True))


def written(path: Path, pages: list[Values], **options: Any) -> bool:
    """Write pages; whether the library can."""
    tifffile = require_peer("tifffile")
    bands = pages[0].shape[2]
    planes = options.pop("planes") if bands > 1 else None
    order = options.pop("order")
    try:
        with tifffile.TiffWriter(path, byteorder=order) as writer:
            for values in pages:
                stored = np.moveaxis(values, 2, 0) if planes == "separate" else values
                writer.write(
                    stored if bands > 1 else values[:, :, 0],
                    photometric="rgb" if bands == 3 else "minisblack",
                    planarconfig=planes, metadata=None, **options,
                )  # fmt: skip
    except (ValueError, TypeError, RuntimeError, NotImplementedError):
        return False
    return True


@pytest.mark.parametrize("codec", LOSSLESS + PICTURES)
def test_whatever_is_written_is_read(tmp_path: Path, codec: str | None) -> None:
    tifffile = require_peer("tifffile")
    require_peer("imagecodecs")
    path = tmp_path / "in.tif"
    found: Counter[str] = Counter()
    kinds = [kind for kind in KINDS if codec not in PICTURES or kind in ("u1", "u2", "f4")]
    for number, (kind, bands, (planes, order, count)) in enumerate(
        itertools.product(kinds, BANDS, SETTINGS)
    ):
        pages = stack(kind, bands, count)
        step = 1 if codec in WHOLE else 8 if codec in LOSSLESS else 3
        if number % step != number // 8 % step:
            continue
        options: dict[str, Any] = {"planes": planes, "order": order, "compression": codec}
        options["tile" if number % 3 else "rowsperstrip"] = (16, 16) if number % 3 else 7
        if not written(path, pages, **options):
            continue
        with tifffile.TiffFile(path) as file:
            theirs = [one.asarray() for one in file.pages]
        label = f"{kind}, {bands} bands, {planes}, {order}"
        with open_frames(str(path)) as source:
            assert source.frame_count == count
            if not _is_read(source.read, label):
                found["refused"] += 1
                continue
            for index, values in enumerate(pages):
                picture = source.read(index)
                assert (picture.alpha, picture.notes) == (None, ()), label
                other = theirs[index]
                if planes == "separate" and bands > 1:
                    other = np.moveaxis(other, 0, 2)
                np.testing.assert_array_equal(picture.values, np.atleast_3d(other), label)
                if codec in LOSSLESS:
                    np.testing.assert_array_equal(picture.values, values, label)
        found["read"] += 1
    assert found["read"] >= (160 if codec in WHOLE else 3 if codec == "webp" else 8)
    assert found["refused"] == 0 or codec in PICTURES


def _is_read(read: Any, label: str) -> bool:
    """Whether a page is not refused by name."""
    cause = ""
    try:
        read(0)
    except ImageError as error:
        cause = error.cause
    assert not cause or "which is not read" in cause, label
    return not cause


@pytest.mark.parametrize("codec", ["webp", "jpeg2000", "jpegxl", "lerc"])
def test_a_picture_of_another_size_is_damage(tmp_path: Path, codec: str) -> None:
    """Of a strip that says 60000x60000, whose decoder would take gigabytes."""
    tifffile = require_peer("tifffile")
    require_peer("imagecodecs")
    stream = io.BytesIO()
    values = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    tifffile.imwrite(stream, values, photometric="rgb", compression=codec)
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        one = file.pages.first
        content = stream.getvalue()[one.dataoffsets[0] :][: one.databytecounts[0]]
        number = int(one.compression)
    path = tmp_path / "in.tif"
    path.write_bytes(tiff(page(16, 16, content, t258=[8] * 3, t277=3, t262=2, t259=number)))
    with open_frames(str(path)) as source:
        assert source.read(0).values.shape == (16, 16, 3)
    for size, data in (((16, 15), content), ((16, 16), content[:20]), ((16, 16), b"")):
        tags: dict[str, Any] = {"t258": [8] * 3, "t277": 3, "t262": 2, "t259": number}
        path.write_bytes(tiff(page(*size, data, **tags)))
        for settings in (DEFAULT_SETTINGS, ReadSettings(keep_damaged=True)):
            with open_frames(str(path), settings) as source:
                if settings.keep_damaged:
                    assert "strip or tile 0 is damaged" in source.read(0).notes[0]
                    continue
                with pytest.raises(ImageError, match="strip or tile 0 is damaged"):
                    source.read(0)
