"""HEIC and JPEG XL, of the extra `formats`: both ways, of any depth, cut off, and without it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from PIL import Image
from support.coded_pictures import assert_damaged_headers_are_told, encoded
from support.command import here
from support.golden_inputs import smooth

from convcli.errors import ImageError
from convcli.images import ReadSettings, Values, jxl
from convcli.images.formats import FORMATS
from convcli.images.read import read_input

EXTRA = ("heic", "jxl")


def ramp(bits: int, channels: int) -> Values:
    levels = np.linspace(0, (1 << bits) - 1, 48 * 40).round().astype(np.uint16)
    values = np.broadcast_to(levels.reshape(40, 48, 1), (40, 48, channels))
    return np.ascontiguousarray(values.astype(np.uint8 if bits <= 8 else np.uint16))


def decoded(content: bytes, suffix: str) -> Values:
    if suffix == "jxl":
        return np.asarray(imagecodecs.jpegxl_decode(content))
    return np.asarray(pillow_heif.open_heif(io.BytesIO(content)))


@pytest.mark.parametrize("suffix", EXTRA)
@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3), (30, 40, 4)])
def test_they_are_lossless_if_that_is_asked_for(
    tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    noise = np.random.default_rng(0).integers(1, 256, shape, np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    typed = ("-k", "identity", "-o", f"out.{suffix}", "--lossless")
    assert here("apply", "in.png", *typed, cwd=tmp_path).code == 0
    content = (tmp_path / f"out.{suffix}").read_bytes()
    found = decoded(content, suffix)
    np.testing.assert_array_equal(found, noise)
    assert (
        here("apply", f"out.{suffix}", "-k", "identity", "-o", "back.png", cwd=tmp_path).code == 0
    )
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back.png")), noise)


@pytest.mark.parametrize("suffix", EXTRA)
def test_a_higher_quality_comes_nearer(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(smooth()).save(tmp_path / "in.png")
    errors = []
    for quality in ("10", "60", "95"):
        typed = ("-k", "identity", "-o", f"{quality}.{suffix}", "--quality", quality)
        assert here("apply", "in.png", *typed, cwd=tmp_path).code == 0
        found = decoded((tmp_path / f"{quality}.{suffix}").read_bytes(), suffix)
        errors.append(float(np.abs(found.astype(float) - smooth()).mean()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 3


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_jpeg_xl_of_any_depth_is_scaled_to_white(
    tmp_path: Path, bits: int, channels: int
) -> None:
    values = ramp(bits, channels)
    content = imagecodecs.jpegxl_encode(
        values[..., 0] if channels == 1 else values, lossless=True, bitspersample=bits
    )
    (tmp_path / "in.jxl").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.jxl")
    white = 255 if bits == 8 else 65_535
    assert picture.depth == (8 if bits == 8 else 16)
    found = picture.values
    if picture.alpha is not None:
        found = np.concatenate([found, picture.alpha], axis=2)
    expected = np.rint(values * (white / ((1 << bits) - 1)))
    atol = 1 if channels == 1 and bits < 16 else 0  # the plug-in rounds floating point
    np.testing.assert_allclose(found, expected, atol=atol)


@pytest.mark.parametrize("channels", [1, 3])
def test_real_numbers_of_a_jpeg_xl_are_kept(tmp_path: Path, channels: int) -> None:
    values = np.random.default_rng(0).random((20, 30, channels)).astype(np.float32)
    content = imagecodecs.jpegxl_encode(values[..., 0] if channels == 1 else values, lossless=True)
    (tmp_path / "in.jxl").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.jxl")
    assert picture.depth is None
    np.testing.assert_array_equal(picture.values, values)


def test_without_the_extra_deep_a_jpeg_xl_has_eight_bits_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jxl, "DEEP_CODEC", "absent")
    values = ramp(12, 3)
    content = imagecodecs.jpegxl_encode(values, lossless=True, bitspersample=12)
    (tmp_path / "in.jxl").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.jxl")
    assert picture.depth == 8
    assert "12-bit colors, read as 8-bit ones; pip install 'convcli[deep]'" in picture.notes[0]
    np.testing.assert_allclose(picture.values, values / 4095 * 255, atol=1)
    (tmp_path / "real.jxl").write_bytes(imagecodecs.jpegxl_encode(np.zeros((9, 9, 3), np.float32)))
    with pytest.raises(ImageError, match="holds real numbers, which need pip install"):
        read_input(f"{tmp_path}/real.jxl")


def test_a_jpeg_that_a_jpeg_xl_holds_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth()).save(stream, "JPEG", exif=exif)
    (tmp_path / "in.jpg").write_bytes(stream.getvalue())
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode_jpeg(stream.getvalue()))
    expected = read_input(f"{tmp_path}/in.jpg").values
    np.testing.assert_array_equal(read_input(f"{tmp_path}/in.jxl").values, expected)


@pytest.mark.parametrize("bits", [10, 12])
def test_all_bits_of_a_heic_are_read(tmp_path: Path, bits: int) -> None:
    values = ramp(bits, 3)
    shifted = (values << (16 - bits)).astype(np.uint16)
    image = pillow_heif.from_bytes("RGB;16", (48, 40), shifted.tobytes())
    stream = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        image.save(stream, quality=-1, chroma=444, matrix_coefficients=0)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    (tmp_path / "in.heic").write_bytes(stream.getvalue())
    picture = read_input(f"{tmp_path}/in.heic")
    assert picture.depth == 16
    expected = np.rint(values * (65_535 / ((1 << bits) - 1)))
    np.testing.assert_allclose(picture.values, expected, atol=65_535 >> bits)


@pytest.mark.parametrize("suffix", EXTRA)
def test_a_picture_is_turned_once(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a maker"
    shade = np.zeros((16, 32, 3), np.uint8)
    shade[:, :8] = 255
    content = encoded(shade, suffix, exif=exif.tobytes())
    (tmp_path / f"in.{suffix}").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.{suffix}")
    if suffix == "heic":  # whose writer turns it; JPEG XL has an orientation of its own
        assert picture.values.shape == (32, 16, 3)
        assert picture.values[:7].min() > 200
        assert picture.values[10:].max() < 50
    else:
        assert picture.values.shape == (16, 32, 3)
    kept = Image.Exif()
    kept.load(picture.metadata.exif)
    assert dict(kept) == {0x010F: "a maker"}


@pytest.mark.parametrize("suffix", EXTRA)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_one_that_is_cut_off_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    content = encoded(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), suffix)
    (tmp_path / "in.png").write_bytes(content[: int(share * len(content))])
    done = here("apply", "in.png", "-k", "blur", "-o", "out.png", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.png: "), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", EXTRA)
def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(encoded(np.zeros((300, 400), np.uint8), suffix))
    with pytest.raises(ImageError, match="400x300 = 120,000 pixels"):
        read_input(str(path), ReadSettings(max_pixels=100_000))


def test_the_size_that_a_heic_hides_in_its_pixels_counts(tmp_path: Path) -> None:
    content = encoded(np.zeros((320, 400), np.uint8), "heic")
    size = struct.pack(">II", 400, 320)
    assert size in content
    (tmp_path / "in.heic").write_bytes(content.replace(size, struct.pack(">II", 8, 8)))
    with pytest.raises(ImageError, match="400x320 = 128,000 pixels"):
        read_input(f"{tmp_path}/in.heic", ReadSettings(max_pixels=100_000))


@pytest.mark.parametrize("suffix", EXTRA)
def test_no_damage_of_the_headers_is_a_fault(tmp_path: Path, suffix: str) -> None:
    assert_damaged_headers_are_told(tmp_path, suffix, 100, 500)


def test_an_animation_of_jpeg_xl_is_refused(tmp_path: Path) -> None:
    frames = np.stack([np.full((9, 9, 3), shade, np.uint8) for shade in (1, 2)])
    (tmp_path / "in.jxl").write_bytes(imagecodecs.jpegxl_encode(frames))
    with pytest.raises(ImageError, match="is an animation of JPEG XL, which is not read"):
        read_input(f"{tmp_path}/in.jxl")


@pytest.mark.parametrize("suffix", EXTRA)
def test_without_the_extra_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    name = "HEIF" if suffix == "heic" else "JXL"
    (tmp_path / f"in.{suffix}").write_bytes(encoded(smooth(), suffix))
    Image.fromarray(smooth()).save(tmp_path / "in.png")
    monkeypatch.setitem(FORMATS, name, FORMATS[name]._replace(package="absent"))
    done = here("apply", f"in.{suffix}", "-k", "blur", "-o", "out.png", cwd=tmp_path)
    needs = "which needs pip install 'convcli[formats]'"
    assert (done.code, done.stderr) == (
        1,
        f"convcli: in.{suffix}: is a picture in {name}, {needs}\n",
    )
    done = here("apply", "in.png", "-k", "blur", "-o", f"out.{suffix}", cwd=tmp_path)
    assert done.code == 2
    written = f"{name} is written with pip install 'convcli[formats]'"
    assert done.stderr == f"convcli: output 'out.{suffix}': {written}\n"
