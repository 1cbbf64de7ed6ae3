"""The records of the formats say what Pillow writes and reads back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.command import here

from convcli.images import Metadata, Values
from convcli.images.formats import (
    DEFAULT_ENCODING,
    FORMATS,
    SIGNATURE_BYTES,
    EncoderSettings,
    describe_unread,
    detect_format,
    format_of,
)
from convcli.images.pillow import load_plugin
from convcli.images.read import open_frames, read_input
from convcli.images.sequences import open_sequence
from convcli.images.write import fit_to_format, write_picture

WRITABLE = [name for name, record in FORMATS.items() if record.suffixes]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKER = 0x010F
BEST = EncoderSettings(100, lossless=True)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def noise(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def written(
    folder: Path,
    pixels: Values,
    name: str,
    metadata: Metadata,
    encoding: EncoderSettings = DEFAULT_ENCODING,
) -> str:
    path = folder / f"out{FORMATS[name].suffixes[0]}"
    with path.open("wb") as stream:
        write_picture(stream, pixels, name, metadata, encoding)
    return str(path)


@pytest.mark.parametrize("name", [name for name, record in FORMATS.items() if record.signature])
def test_a_file_is_known_by_its_start(name: str) -> None:
    stream = io.BytesIO()
    load_plugin(name)
    Image.fromarray(noise(8, 9, 3)).save(stream, name)
    assert detect_format(stream.getvalue()[:SIGNATURE_BYTES]) == name


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x76\x2f\x31\x01\2\0\0\0", "an OpenEXR picture"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript file"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "an SVG drawing"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg>', "an SVG drawing"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><x/>", "an XML document"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw file"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "a camera's raw file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\1", "a video"),
        (b"\0\0\1\xba\x44", "a video"),
        (b"\0\0\1\0\1\0\x10\x10", "an icon"),
        (b"PK\3\4\x14\0", "a ZIP archive"),
        (bytes(128) + b"DICM", "a DICOM file"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(tmp_path: Path, start: bytes, name: str) -> None:
    cause = f"is {name}, a format that is not read"
    assert describe_unread(start) == cause
    (tmp_path / "in.png").write_bytes(start)
    for source, stdin in (("in.png", b""), ("-", start)):
        done = here("apply", source, "-k", "blur", "-o", "out.png", cwd=tmp_path, stdin=stdin)
        assert (done.code, done.stderr) == (1, f"convcli: {source}: {cause}\n")


@pytest.mark.parametrize("name", WRITABLE)
def test_a_suffix_names_one_format(name: str) -> None:
    assert {format_of(f"a.b{suffix.upper()}") for suffix in FORMATS[name].suffixes} == {name}


@pytest.mark.parametrize("name", WRITABLE)
def test_a_format_holds_the_metadata_that_its_record_lists(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[MAKER] = "a maker"
    given = Metadata(exif.tobytes(), PROFILE, "RGB", (300, 300), {"Comment": "a comment"})
    pixels, _ = fit_to_format(noise(8, 9, 3), None, name)
    found = read_input(written(tmp_path, pixels, name, given)).metadata
    held = {
        "exif": found.exif != b"",
        "profile": found.profile == PROFILE,
        "dpi": found.dpi is not None and found.dpi == pytest.approx((300, 300), abs=0.1),
        "text or comment": found.text == {"Comment": "a comment"},
    }
    fields = FORMATS[name].metadata
    assert held == {field: bool({*field.split(" or ")} & {*fields}) for field in held}


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_format_holds_the_transparency_that_its_record_names(
    tmp_path: Path, name: str, channels: int
) -> None:
    colors = np.full((8, 9, 3), (250, 0, 80), np.uint8)[:, :, :channels]
    alpha = noise(8, 9, 1)
    pixels, notes = fit_to_format(colors, alpha, name)
    found = read_input(written(tmp_path, pixels, name, Metadata(), BEST)).alpha
    expected = {"full": alpha, "binary": np.where(alpha > 127, 255, 0), "none": None}
    held = expected[FORMATS[name].alpha]
    if held is None:
        assert found is None
    else:
        assert found is not None
        atol = 3 if name == "AVIF" else 0  # at its best, it is lossy
        np.testing.assert_allclose(found, held, atol=atol)
    assert bool(notes) == (FORMATS[name].alpha != "full")


@pytest.mark.parametrize("name", [name for name in WRITABLE if FORMATS[name].frames != "none"])
def test_a_format_holds_the_frames_that_its_record_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"out{FORMATS[name].suffixes[0]}"
    frames = [np.full((8, 9, 3), shade, np.uint8) for shade in (0, 255, 0)]
    with path.open("wb") as stream:
        writer = open_sequence(stream, name, 3)
        for frame in frames:
            pixels, _ = fit_to_format(frame, None, name)
            writer.add(pixels, Metadata(duration=70))
        writer.close()
    with open_frames(str(path)) as source:
        pictures = [source.read(index) for index in range(source.frame_count)]
        for picture, frame in zip(pictures, frames, strict=True):
            shape = np.broadcast_shapes(picture.values.shape, frame.shape)
            np.testing.assert_array_equal(np.broadcast_to(picture.values, shape), frame)
        is_animation = FORMATS[name].frames == "animation"
        assert source.loop == (3 if is_animation else 1)
        assert {picture.metadata.duration for picture in pictures} == {70 if is_animation else None}


@pytest.mark.parametrize("name", WRITABLE)
def test_sixteen_bits_of_gray_are_held_where_the_record_says_so(tmp_path: Path, name: str) -> None:
    gray = noise(8, 9, 1, dtype=np.uint16)
    pixels, notes = fit_to_format(gray, None, name)
    is_deep = FORMATS[name].holds_16_bits
    assert (pixels.dtype == np.uint16, notes == ()) == (is_deep, is_deep)
    picture = read_input(written(tmp_path, pixels, name, Metadata(), BEST))
    assert picture.depth == (16 if is_deep else 8)
    if is_deep:
        np.testing.assert_array_equal(picture.values, np.broadcast_to(gray, picture.values.shape))


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_format_holds_the_colors_that_its_record_names(
    tmp_path: Path, name: str, channels: int
) -> None:
    given = np.where(noise(16, 24, channels) > 127, 255, 0).astype(np.uint8)
    if channels == 3:
        given = np.repeat(np.repeat(noise(2, 3, 3) // 128 * 255, 8, axis=0), 8, axis=1)
    pixels, notes = fit_to_format(given, None, name)
    record = FORMATS[name]
    found = read_input(written(tmp_path, pixels, name, Metadata(), BEST)).values
    is_gray = record.colors in ("gray", "black and white")
    assert bool(notes) == (is_gray and channels == 3)
    expected = np.rint(given @ LUMA)[..., np.newaxis] if is_gray and channels == 3 else given
    if record.colors == "black and white":
        expected = np.where(expected > 127, 255, 0)
    is_lossy = record.quality_options is not None and record.lossless_options is None
    if name == "AVIF" and channels == 3:  # whose encoder halves the resolution of colors
        expected, found = expected[4::8, 4::8], found[4::8, 4::8]
    shape = np.broadcast_shapes(expected.shape, found.shape)
    np.testing.assert_allclose(found, np.broadcast_to(expected, shape), atol=24 * is_lossy)
