"""The records of the formats say what Pillow writes and reads back."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from convcli.images import Metadata, Values
from convcli.images.formats import FORMATS, SIGNATURE_BYTES, detect_format, format_of
from convcli.images.pillow import load_plugin
from convcli.images.read import open_frames, read_input
from convcli.images.sequences import open_sequence
from convcli.images.write import fit_to_format, write_picture

WRITABLE = [name for name, record in FORMATS.items() if record.suffixes]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MAKER = 0x010F


def noise(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def written(folder: Path, pixels: Values, name: str, metadata: Metadata) -> str:
    path = folder / f"out{FORMATS[name].suffixes[0]}"
    with path.open("wb") as stream:
        write_picture(stream, pixels, name, metadata)
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_known_by_its_start(name: str) -> None:
    stream = io.BytesIO()
    load_plugin(name)
    Image.fromarray(noise(8, 9, 3)).save(stream, name)
    assert detect_format(stream.getvalue()[:SIGNATURE_BYTES]) == name


@pytest.mark.parametrize("name", WRITABLE)
def test_a_suffix_names_one_format(name: str) -> None:
    assert {format_of(f"a.b{suffix.upper()}") for suffix in FORMATS[name].suffixes} == {name}


@pytest.mark.parametrize("name", WRITABLE)
def test_a_format_holds_the_metadata_that_its_record_lists(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[MAKER] = "a maker"
    given = Metadata(exif.tobytes(), PROFILE, "RGB", (300, 300), {"Comment": "a comment"})
    found = read_input(written(tmp_path, noise(8, 9, 3), name, given)).metadata
    held = {
        "exif": found.exif != b"",
        "profile": found.profile == PROFILE,
        "dpi": found.dpi is not None and found.dpi == pytest.approx((300, 300), abs=0.1),
        "text or comment": found.text == {"Comment": "a comment"},
    }
    fields = FORMATS[name].metadata
    assert held == {field: bool({*field.split(" or ")} & {*fields}) for field in held}


@pytest.mark.parametrize("name", WRITABLE)
def test_a_format_holds_the_transparency_that_its_record_names(tmp_path: Path, name: str) -> None:
    colors = np.full((8, 9, 3), (250, 0, 80), np.uint8)
    alpha = noise(8, 9, 1)
    pixels, notes = fit_to_format(colors, alpha, name)
    found = read_input(written(tmp_path, pixels, name, Metadata())).alpha
    expected = {"full": alpha, "binary": np.where(alpha > 127, 255, 0), "none": None}
    if expected[FORMATS[name].alpha] is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, expected[FORMATS[name].alpha])
    assert bool(notes) == (FORMATS[name].alpha != "full")


@pytest.mark.parametrize("name", [name for name in WRITABLE if FORMATS[name].frames != "none"])
def test_a_format_holds_the_frames_that_its_record_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"out{FORMATS[name].suffixes[0]}"
    frames = [np.full((8, 9, 3), shade, np.uint8) for shade in (0, 255, 0)]
    with path.open("wb") as stream:
        writer = open_sequence(stream, name, 3)
        for pixels in frames:
            writer.add(pixels, Metadata(duration=70))
        writer.close()
    with open_frames(str(path)) as source:
        pictures = [source.read(index) for index in range(source.count)]
        np.testing.assert_array_equal([picture.values for picture in pictures], frames)
        is_animation = FORMATS[name].frames == "animation"
        assert source.loop == (3 if is_animation else 1)
        assert {picture.metadata.duration for picture in pictures} == {70 if is_animation else None}


@pytest.mark.parametrize("name", WRITABLE)
def test_sixteen_bits_of_gray_are_held_where_the_record_says_so(tmp_path: Path, name: str) -> None:
    gray = noise(8, 9, 1, dtype=np.uint16)
    pixels, notes = fit_to_format(gray, None, name)
    is_deep = FORMATS[name].holds_16_bits
    assert (pixels.dtype == np.uint16, notes == ()) == (is_deep, is_deep)
    picture = read_input(written(tmp_path, pixels, name, Metadata()))
    assert picture.depth == (16 if is_deep else 8)
    if is_deep:
        np.testing.assert_array_equal(picture.values, gray)
