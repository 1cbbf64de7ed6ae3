"""Files to values: every mode of a picture has one meaning."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from support.peers import require_peer

from convcli.errors import FileError, ImageError
from convcli.images import Header, ReadSettings
from convcli.images.read import open_frames, read_input

Array = NDArray[Any]


def noise(*shape: int, seed: int = 0, dtype: Any = np.uint8) -> Array:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def saved(folder: Path, image: Image.Image, name: str = "in.png", **options: Any) -> str:
    image.save(folder / name, **options)
    return str(folder / name)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3), (1, 1), (1, 9), (9, 1, 3)])
@pytest.mark.parametrize("name", ["in.png", "in.tif", "in.bmp", "in.webp"])
def test_gray_and_colors_are_read_as_they_are(
    tmp_path: Path, shape: tuple[int, ...], name: str
) -> None:
    values = noise(*shape)
    options = {"lossless": True} if name == "in.webp" else {}
    picture = read_input(saved(tmp_path, Image.fromarray(values), name, **options))
    expected = values if name != "in.webp" or len(shape) == 3 else np.stack([values] * 3, axis=2)
    np.testing.assert_array_equal(picture.values, np.atleast_3d(expected))
    assert (picture.depth, picture.notes) == (8, ())
    assert picture.size == shape[:2]


def test_a_bit_is_black_or_white(tmp_path: Path) -> None:
    bits = np.array([[True, False, True], [False, False, True]])
    for name in ("in.png", "in.tif", "in.pbm"):
        picture = read_input(saved(tmp_path, Image.fromarray(bits), name))
        np.testing.assert_array_equal(picture.values[..., 0], np.where(bits, 255, 0))
        assert picture.depth == 8


def test_a_palette_is_its_colors_and_not_their_numbers(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).convert("P")
    image.putpalette([250, 0, 0, 0, 240, 0, 0, 0, 230])
    for name in ("in.png", "in.gif"):
        values = read_input(saved(tmp_path, image, name)).values
        expected = [[[250, 0, 0], [0, 240, 0]], [[0, 0, 230], [0, 240, 0]]]
        np.testing.assert_array_equal(values, expected)


def test_a_transparent_palette_gives_colors_and_their_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([250, 0, 0, 0, 240, 0])
    picture = read_input(saved(tmp_path, image, transparency=0))
    np.testing.assert_array_equal(picture.values[0, 1], [0, 240, 0])
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha[..., 0], [[0, 255]])


def test_a_transparent_palette_in_a_tiff_of_mode_pa_never_shows_its_indices(
    tmp_path: Path,
) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([250, 0, 0, 0, 240, 0])
    path = saved(tmp_path, image.convert("PA").convert("RGBA"), "in.tif")
    np.testing.assert_array_equal(read_input(path).values, [[[250, 0, 0], [0, 240, 0]]])


@pytest.mark.parametrize("name", ["in.png", "in.tif", "in.webp"])
def test_alpha_is_read_beside_the_colors(tmp_path: Path, name: str) -> None:
    pixels = np.array([[[10, 20, 30, 255], [200, 0, 0, 0], [0, 100, 200, 128]]], np.uint8)
    options = {"lossless": True, "exact": True} if name == "in.webp" else {}
    picture = read_input(saved(tmp_path, Image.fromarray(pixels), name, **options))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.values, pixels[..., :3])
    np.testing.assert_array_equal(picture.alpha, pixels[..., 3:])


def test_an_alpha_that_is_opaque_everywhere_is_none(tmp_path: Path) -> None:
    pixels = np.full((2, 3, 4), 255, np.uint8)
    assert read_input(saved(tmp_path, Image.fromarray(pixels))).alpha is None


def test_transparent_gray_stays_gray(tmp_path: Path) -> None:
    pixels = np.array([[[40, 255], [40, 0], [100, 51]]], np.uint8)
    picture = read_input(saved(tmp_path, Image.fromarray(pixels)))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.values[..., 0], [[40, 40, 100]])
    np.testing.assert_array_equal(picture.alpha[..., 0], [[255, 0, 51]])


def test_cmyk_and_ycbcr_become_rgb(tmp_path: Path) -> None:
    colors = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    rgb = Image.fromarray(colors)
    cmyk = read_input(saved(tmp_path, rgb.convert("CMYK"), "in.tif"))
    np.testing.assert_allclose(cmyk.values, colors, atol=1)
    ycbcr = read_input(saved(tmp_path, rgb.convert("YCbCr"), "in.tif"))
    np.testing.assert_allclose(ycbcr.values, colors, atol=3)
    jpeg = read_input(saved(tmp_path, rgb.convert("CMYK"), "in.jpg", quality=95))
    np.testing.assert_allclose(jpeg.values, colors, atol=4)


@pytest.mark.parametrize("name", ["in.png", "in.tif", "in.pgm"])
def test_sixteen_bits_keep_their_values(tmp_path: Path, name: str) -> None:
    values = noise(4, 5, dtype=np.uint16)
    picture = read_input(saved(tmp_path, Image.fromarray(values), name))
    np.testing.assert_array_equal(picture.values[..., 0], values)
    assert (picture.values.dtype, picture.depth) == (np.dtype(np.uint16), 16)


def test_floats_and_long_integers_are_numbers_without_a_black_and_a_white(tmp_path: Path) -> None:
    for values in (
        np.array([[-1.5, 0.0], [3e6, 1e-3]], np.float32),
        np.array([[-70_000, 0], [1, 2**30]], np.int32),
    ):
        picture = read_input(saved(tmp_path, Image.fromarray(values), "in.tif"))
        np.testing.assert_array_equal(picture.values[..., 0], values)
        assert picture.depth is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_float_picture_with_nan_or_infinity_is_refused(tmp_path: Path, value: float) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([[1, value]], np.float32)), "in.tif")
    with pytest.raises(ImageError, match="NaN or infinity"):
        read_input(path)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, np.rot90),
    ],
)
def test_a_picture_stands_upright_as_its_camera_noted(
    tmp_path: Path, orientation: int, turn: Callable[[Array], Array]
) -> None:
    values = noise(3, 5, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_input(saved(tmp_path, Image.fromarray(values), exif=exif))
    np.testing.assert_array_equal(picture.values, turn(values))


def test_the_content_and_not_the_name_says_the_format(tmp_path: Path) -> None:
    values = np.full((8, 8), 77, np.uint8)
    path = saved(tmp_path, Image.fromarray(values), "in.jpg")
    Path(path).rename(tmp_path / "photo.png")
    np.testing.assert_array_equal(read_input(f"{tmp_path}/photo.png").values[..., 0], values)


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200))
    path = saved(tmp_path, first, "in.gif", save_all=True, append_images=[second])
    picture = read_input(path)
    assert set(picture.values.flat) == {10}


def test_more_pixels_than_allowed_are_refused_by_the_header(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(noise(10, 10)))
    Path(path).write_bytes(Path(path).read_bytes()[:60])  # nothing to decode
    with pytest.raises(ImageError, match="10x10 = 100 pixels"):
        read_input(path, ReadSettings(max_pixels=99))


@pytest.mark.parametrize("format_name", ["EPS", "PDF", "ICNS", "DDS", "PCX", "SGI"])
def test_formats_that_nobody_asked_for_are_never_decoded(tmp_path: Path, format_name: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(16, 16, 3)).save(stream, format_name)
    (tmp_path / "in.png").write_bytes(stream.getvalue())
    with pytest.raises(
        ImageError, match=r"a format that is not read|no picture of a kind that is read"
    ):
        read_input(f"{tmp_path}/in.png")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for name in ("empty.png", "text.png", "absent.png", "."):
        with pytest.raises(FileError):
            read_input(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["in.png", "in.jpg"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path = Path(saved(tmp_path, Image.fromarray(noise(40, 40, 3)), name))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError):
        read_input(str(path))


def test_a_png_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, Image.fromarray(noise(8, 8))))
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") - 5 + 20] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError):
        read_input(str(path))


@pytest.mark.parametrize(
    ("name", "mode"),
    [("in.png", "1"), ("in.png", "L"), ("in.png", "LA"), ("in.png", "P"), ("in.png", "RGB"),
     ("in.png", "RGBA"), ("in.png", "I;16"), ("in.tif", "I"), ("in.tif", "F"), ("in.tif", "I;16"),
     ("in.tif", "CMYK"), ("in.jpg", "L"), ("in.jpg", "RGB"), ("in.gif", "P"), ("in.webp", "RGBA")],
)  # fmt: skip
def test_a_header_says_what_will_be_read(tmp_path: Path, name: str, mode: str) -> None:
    image = Image.fromarray(noise(3, 5, 4))
    if mode in ("1", "P", "I", "I;16", "F"):
        image = image.convert("L")
    elif mode == "CMYK":
        image = image.convert("RGB")
    image = image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = saved(tmp_path, image, name, exif=exif)
    with open_frames(path) as source:
        assert source.header == Header.of(source.read(0))


@pytest.mark.parametrize("pages", [1, 2])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_header_says_how_many_bits_of_a_color_will_be_read(
    tmp_path: Path, pages: int, orientation: int
) -> None:
    tifffile = require_peer("tifffile")
    values = noise(pages, 4, 5, 3, dtype=np.uint16)
    tags = [(0x0112, "H", 1, orientation)]
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="rgb", extratags=tags)
    with open_frames(f"{tmp_path}/in.tif") as source:
        assert source.frame_count == pages
        picture = source.read(0)
        assert source.header == Header.of(picture)
    if pages == 1:
        expected = values[0] if orientation == 1 else np.rot90(values[0], -1)
        np.testing.assert_array_equal(picture.values, expected)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint32])
def test_whole_numbers_of_a_tiff_keep_their_signs(tmp_path: Path, kind: Any) -> None:
    tifffile = require_peer("tifffile")
    limits = np.iinfo(kind)
    values = np.array([[limits.min, 1, limits.max], [0, 7, limits.max - 1]], kind)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="minisblack")
    picture = read_input(str(tmp_path / "in.tif"))
    np.testing.assert_array_equal(picture.values[..., 0], values)
    assert picture.depth is None


@pytest.mark.parametrize("resolution", [(0, 0), (1, 0), (2**32 - 1, 1)])
def test_a_resolution_that_is_none_is_passed_over(
    tmp_path: Path, resolution: tuple[int, int]
) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[282] = tags[283] = TiffImagePlugin.IFDRational(*resolution)
    path = saved(tmp_path, Image.fromarray(noise(4, 5)), "in.tif", tiffinfo=tags)
    assert read_input(path).metadata.dpi is None
