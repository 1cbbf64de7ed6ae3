"""AVIF and JPEG 2000: values of any depth, what is cut off, and sizes that headers hide."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from support.coded_pictures import assert_damaged_headers_are_told, encoded
from support.command import here
from support.golden_inputs import smooth

from convcli.errors import ImageError
from convcli.images import ReadSettings, Values, coded
from convcli.images.pillow import load_plugin
from convcli.images.read import read_input

CODED = ("avif", "jp2")


def ramp(bits: int, *channels: int) -> Values:
    """Return all values from black to white, as often as there are channels."""
    levels = np.linspace(0, (1 << bits) - 1, 48 * 40).round().astype(np.uint16)
    return np.ascontiguousarray(np.broadcast_to(levels.reshape(40, 48, 1), (40, 48, *channels)))


def psnr(found: Values, expected: Values) -> float:
    error = found.astype(float) - expected
    return float(10 * np.log10(255**2 / max(np.mean(error**2), 1e-9)))


@pytest.mark.parametrize("suffix", CODED)
def test_a_photograph_is_written_with_the_quality_that_is_asked_for(
    tmp_path: Path, suffix: str
) -> None:
    Image.fromarray(smooth()).save(tmp_path / "in.png")
    found = []
    for quality in ("20", "60"):
        typed = ("-k", "identity", "-o", f"{quality}.{suffix}", "--quality", quality)
        assert here("apply", "in.png", *typed, cwd=tmp_path).code == 0
        decode = imagecodecs.avif_decode if suffix == "avif" else imagecodecs.jpeg2k_decode
        found.append(psnr(decode((tmp_path / f"{quality}.{suffix}").read_bytes()), smooth()))
    assert 18 < found[0] < found[1], found
    if suffix == "jp2":  # whose quality is that ratio
        assert found == pytest.approx([20, 60], abs=6)


def test_jpeg_2000_is_lossless_unless_a_quality_is_given(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    for options in ((), ("--lossless",)):
        typed = ("-k", "identity", "-o", "out.jp2", "-f", *options)
        assert here("apply", "in.png", *typed, cwd=tmp_path).code == 0
        found = imagecodecs.jpeg2k_decode((tmp_path / "out.jp2").read_bytes())
        np.testing.assert_array_equal(found, noise)


@pytest.mark.parametrize("bits", [4, 9, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_2000_of_any_depth_is_scaled_to_white(
    tmp_path: Path, bits: int, channels: int
) -> None:
    values = ramp(bits, channels)
    stored = values.astype(np.uint8 if bits <= 8 else np.uint16)
    content = imagecodecs.jpeg2k_encode(
        stored[..., 0] if channels == 1 else stored, level=0, bitspersample=bits, reversible=True
    )
    (tmp_path / "in.jp2").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.jp2")
    white = 255 if bits <= 8 else 65_535
    assert picture.depth == (8 if bits <= 8 else 16)
    expected = np.rint(values * (white / ((1 << bits) - 1)))
    np.testing.assert_array_equal(picture.values, expected)


@pytest.mark.parametrize("bits", [10, 12])
def test_all_bits_of_an_avif_are_read(tmp_path: Path, bits: int) -> None:
    values = ramp(bits, 3)
    content = imagecodecs.avif_encode(values, bitspersample=bits, level=100, pixelformat="444")
    (tmp_path / "in.avif").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.avif")
    assert (picture.depth, picture.notes) == (16, ())
    expected = np.rint(values * (65_535 / ((1 << bits) - 1)))
    np.testing.assert_allclose(picture.values, expected, atol=65_535 >> bits)


def test_without_the_extra_colors_of_jpeg_2000_that_would_be_wrong_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coded, "DEEP_CODEC", "absent")
    content = imagecodecs.jpeg2k_encode(ramp(10, 3), level=0, bitspersample=10)
    (tmp_path / "in.jp2").write_bytes(content)
    with pytest.raises(
        ImageError, match=r"10-bit colors, which need pip install 'convcli\[deep\]'"
    ):
        read_input(f"{tmp_path}/in.jp2")


def test_without_the_extra_an_avif_has_eight_bits_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coded, "DEEP_CODEC", "absent")
    values = ramp(10, 3)
    content = imagecodecs.avif_encode(values, bitspersample=10, level=100, pixelformat="444")
    (tmp_path / "in.avif").write_bytes(content)
    picture = read_input(f"{tmp_path}/in.avif")
    assert picture.depth == 8
    assert "10-bit colors, read as 8-bit ones; pip install 'convcli[deep]'" in picture.notes[0]
    np.testing.assert_allclose(picture.values, values / 1023 * 255, atol=1.01)


@pytest.mark.parametrize("suffix", CODED)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_one_that_is_cut_off_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    content = encoded(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8), suffix)
    (tmp_path / "in.png").write_bytes(content[: int(share * len(content))])
    done = here("apply", "in.png", "-k", "blur", "-o", "out.png", cwd=tmp_path)
    assert done.code == 1
    assert done.stderr.startswith("convcli: in.png: "), done.stderr
    assert done.stderr.count("\n") == 1


def test_the_still_of_a_sequence_is_read_and_that_is_said(tmp_path: Path) -> None:
    shades = [np.full((20, 30, 3), shade, np.uint8) for shade in (10, 100, 200)]
    first, *others = map(Image.fromarray, shades)
    load_plugin("AVIF")
    first.save(tmp_path / "in.avif", save_all=True, append_images=others, duration=50)
    picture = read_input(f"{tmp_path}/in.avif")
    np.testing.assert_allclose(picture.values, shades[0], atol=3)
    assert picture.notes == ("is a sequence of 3 frames; its still picture alone is read",)


def test_an_orientation_in_xmp_does_not_turn_an_avif(tmp_path: Path) -> None:
    shade = np.zeros((16, 32), np.uint8)
    shade[:, :8] = 255
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/></rdf:RDF></x:xmpmeta>'
    )
    (tmp_path / "in.avif").write_bytes(encoded(shade, "avif", xmp=xmp))
    picture = read_input(f"{tmp_path}/in.avif")
    assert picture.values[:, :6].min() > 200
    assert b'tiff:Orientation="3"' not in picture.metadata.xmp


def test_more_pixels_than_allowed_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    shade = np.zeros((300, 400), np.uint8)
    for suffix in CODED:
        content = encoded(shade, suffix)
        path = tmp_path / f"in.{suffix}"
        path.write_bytes(content)
        with pytest.raises(ImageError, match="400x300 = 120,000 pixels"):
            read_input(str(path), ReadSettings(max_pixels=100_000))


def test_the_size_that_an_avif_hides_in_its_pixels_counts(tmp_path: Path) -> None:
    content = encoded(np.zeros((300, 400), np.uint8), "avif")
    size = struct.pack(">II", 400, 300)
    assert content.count(size) == 1
    (tmp_path / "in.avif").write_bytes(content.replace(size, struct.pack(">II", 8, 8)))
    with pytest.raises(ImageError, match="400x300 = 120,000 pixels"):
        read_input(f"{tmp_path}/in.avif", ReadSettings(max_pixels=100_000))


def test_the_size_in_the_boxes_of_a_jp2_is_that_of_its_pixels(tmp_path: Path) -> None:
    content = encoded(np.zeros((300, 400), np.uint8), "jp2")
    at = content.index(b"ihdr") + 4
    changed = content[:at] + struct.pack(">II", 30_000, 30_000) + content[at + 8 :]
    (tmp_path / "in.jp2").write_bytes(changed)
    with pytest.raises(ImageError, match="its headers say different sizes"):
        read_input(f"{tmp_path}/in.jp2")


@pytest.mark.parametrize("suffix", CODED)
def test_no_damage_of_the_headers_is_a_fault(tmp_path: Path, suffix: str) -> None:
    assert_damaged_headers_are_told(tmp_path, suffix, 150, 350)
