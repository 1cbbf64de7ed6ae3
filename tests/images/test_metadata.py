"""What belongs to a picture beside its pixels is kept, or dropped where that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin
from support.command import here
from support.peers import require_peer

ORIENTATION, MAKER = 0x0112, 0x010F
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(folder: Path, name: str, orientation: int = 6) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKER] = orientation, "a maker"
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title")
    options: dict[str, Any] = {"pnginfo": text} if name.endswith(".png") else {}
    image.save(folder / name, exif=exif, icc_profile=PROFILE, dpi=(300, 300), **options)


@pytest.mark.parametrize("source", ["in.jpg", "in.png", "in.tif"])
@pytest.mark.parametrize("result", ["out.jpg", "out.png", "out.webp", "out.tif"])
def test_metadata_goes_from_format_to_format(tmp_path: Path, source: str, result: str) -> None:
    photo(tmp_path, source)
    assert here("apply", source, "-k", "blur", "-o", result, cwd=tmp_path).code == 0
    with Image.open(tmp_path / result) as image:
        assert image.size == (20, 30)  # turned upright
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert image.getexif()[MAKER] == "a maker"
        assert image.info["icc_profile"] == PROFILE
        if not result.endswith(".webp"):
            np.testing.assert_allclose([*map(float, image.info["dpi"])], 300, atol=0.1)
        if (source, result) == ("in.png", "out.png"):
            image.load()
            assert isinstance(image, PngImagePlugin.PngImageFile)
            assert image.text["Title"] == "a title"


def test_strip_drops_it_all_and_still_turns_upright(tmp_path: Path) -> None:
    photo(tmp_path, "in.jpg")
    assert here("apply", "in.jpg", "-k", "blur", "--strip", "-o", "out.png", cwd=tmp_path).code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (20, 30)
        assert not image.getexif()
        assert "icc_profile" not in image.info
        assert "dpi" not in image.info


def test_a_profile_of_colors_is_not_given_to_grays(tmp_path: Path) -> None:
    photo(tmp_path, "in.jpg")
    assert here("apply", "in.jpg", "-k", "blur", "--gray", "-o", "out.png", cwd=tmp_path).code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.mode == "L"
        assert "icc_profile" not in image.info


def test_a_broken_profile_of_cmyk_is_not_given_to_its_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (4, 3), (0, 255, 255, 0))
    image.save(tmp_path / "in.jpg", icc_profile=b"no profile of CMYK")
    assert here("apply", "in.jpg", "-k", "blur", "-o", "out.png", cwd=tmp_path).code == 0
    with Image.open(tmp_path / "out.png") as result:
        assert result.mode == "RGB"
        assert "icc_profile" not in result.info


def test_sixteen_bit_colors_keep_every_bit_and_their_metadata(tmp_path: Path) -> None:
    imagecodecs = require_peer("imagecodecs")
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), np.uint16)
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(pixels))
    for name in ("out.png", "out.tif"):
        assert here("apply", "in.png", "-k", "identity", "-o", name, cwd=tmp_path).code == 0
    found = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(found, pixels)
    again = here("apply", "out.tif", "-k", "identity", "-o", "again.png", cwd=tmp_path)
    assert again.code == 0
    found = imagecodecs.png_decode((tmp_path / "again.png").read_bytes())
    np.testing.assert_array_equal(found, pixels)
