"""Filtering in linear light by the curves of a picture's own profile, or of its chunks."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms
from support.command import here
from support.profiles import curv, para, profile

from convcli.errors import ArgumentError
from convcli.images import Metadata
from convcli.images.color import from_linear, to_linear
from convcli.images.icc import read_curves
from convcli.images.transfer import find_curves

Array = NDArray[Any]
LEVELS = np.arange(256, dtype=np.uint8)
X = LEVELS / 255

# Each with its light for x of 0..1, by its definition in the format's specification.
SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
CURVES: dict[str, tuple[bytes, Any]] = {
    "identity": (curv(), lambda x: x),
    "gamma": (curv(2.2), lambda x: x ** (563 / 256)),
    "steep": (curv(0.4), lambda x: x ** (102 / 256)),
    "table": (curv(0, 0.1, 0.15, 0.6, 1),
              lambda x: np.interp(x * 4, range(5), [0, 0.1, 0.15, 0.6, 1])),
    "power": (para(0, 1.8), lambda x: x**1.8),
    "zero-below": (para(1, 2, 1.25, -0.25),
                   lambda x: np.where(x >= 0.2, (1.25 * x - 0.25) ** 2, 0)),
    "offset": (para(2, 2, 0.9, 0.05, 0.09), lambda x: (0.9 * x + 0.05) ** 2 + 0.09),
    "srgb": (para(3, *SRGB_PARAMETERS),
             lambda x: np.where(x >= 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)),
    "offset-7": (para(4, 2.4, 0.95, 0.04, 0.05, 0.04, 0.01, 0.01),
                 lambda x: np.where(x >= 0.04, (0.95 * x + 0.04) ** 2.4, 0.05 * x) + 0.01),
}  # fmt: skip


def decoded(values: Array, data: bytes, white: float = 255) -> Array:
    metadata = Metadata(profile=data, color_mode="RGB" if values.shape[2] == 3 else "L")
    return to_linear(values, white, find_curves(metadata, values.shape[2]))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("version", [2, 4])
def test_a_curve_is_what_the_specification_says(name: str, version: int) -> None:
    content, light = CURVES[name]
    found = decoded(LEVELS.reshape(16, 16, 1), profile([content], version=version))
    expected = np.clip(light(X), 0, 1) * 255
    np.testing.assert_allclose(
        found.ravel(), expected, atol=255 * 4e-5
    )  # of 16 bits after the point


@pytest.mark.parametrize("name", CURVES)
def test_littlecms_finds_the_same_light(name: str) -> None:
    contents = [CURVES[name][0], CURVES["gamma"][0], CURVES["table"][0]]
    values = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    own, linear = profile(contents), profile([curv()] * 3)
    first, second = (ImageCms.ImageCmsProfile(io.BytesIO(data)) for data in (own, linear))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    image = ImageCms.profileToProfile(Image.fromarray(values), first, second, intent)
    assert np.abs(decoded(values, own) - np.asarray(image, float)).max() <= 1.01


@pytest.mark.parametrize("name", [*CURVES, "littlecms"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_encoded_again_is_what_it_was(name: str, dtype: Any) -> None:
    white = float(np.iinfo(dtype).max)
    values = np.arange(int(white) + 1, dtype=dtype).reshape(-1, 1, 1).repeat(3, axis=2)
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if name in CURVES:
        data = profile([CURVES[name][0]] * 3)
    curves = find_curves(Metadata(profile=data), 3)
    again = from_linear(to_linear(values, white, curves), white, curves)
    if name == "zero-below":  # what is below cannot be told from black
        again[: int(0.2 * white) + 1] = values[: int(0.2 * white) + 1]
    np.testing.assert_allclose(again, values, atol=0.3)
    light = np.array([[[-0.5 * white] * 3]])
    np.testing.assert_array_equal(
        from_linear(light, white, curves), -from_linear(-light, white, curves)
    )


def test_light_beyond_white_is_encoded_beyond_white() -> None:
    for name, (content, _) in CURVES.items():
        curves = read_curves(profile([content]))
        whites = from_linear(np.array([[[255.0]], [[260.0]], [[400.0]]]), 255.0, curves).ravel()
        assert abs(whites[0] - 255) < 0.02 or name in ("offset", "offset-7")
        assert 0 < whites[1] - whites[0] < whites[2] - whites[0]


def test_a_dip_that_rounding_makes_is_no_fall() -> None:
    rounded = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.9, 0.04045)  # falls by 5e-6
    values = LEVELS.reshape(16, 16, 1)
    curves = read_curves(profile([rounded]))
    light = to_linear(values, 255.0, curves)
    assert (np.diff(light.ravel()) > 0).all()
    np.testing.assert_allclose(from_linear(light, 255.0, curves), values, atol=0.01)


@pytest.mark.parametrize("name", CURVES)
def test_both_precisions_encode_alike(name: str) -> None:
    (curve,) = read_curves(profile([CURVES[name][0]]))
    light = np.concatenate([np.linspace(0, 1.5, 20_001), np.geomspace(1e-9, 1, 500)])
    exact = curve.encode(light)
    assert np.isfinite(exact).all()
    np.testing.assert_allclose(curve.encode(light.astype(np.float32)), exact, atol=2e-4)
    unknown = curve.encode(np.array([np.nan, np.inf], np.float32))
    assert np.isnan(unknown[0])
    assert not np.isfinite(unknown[1])


def test_the_light_of_gray_may_be_given_as_lightness() -> None:
    data = profile([curv()], connection=b"Lab ")
    found = decoded(LEVELS.reshape(16, 16, 1), data).ravel() / 255
    lightness = 100 * X
    expected = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.2963)
    np.testing.assert_allclose(found, expected, atol=2e-5)


FALLING = curv(0, 0.5, 0.4, 1)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (profile([], extra=[(b"A2B0", b"mft2" + bytes(60))]), "has no curves, only tables"),
        (profile([]), "has no curves: "),
        (profile([], space=b"CMYK"), "is for 'CMYK'"),
        (profile([], space=b"Lab "), "is for 'Lab'"),
        (profile([FALLING] * 3), "does not increase"),
        (profile([curv(1, 0)] * 3), "does not increase"),
        (profile([curv(0.5, 0.5)] * 3), "does not increase"),
        (profile([para(0, -1)] * 3), "does not increase"),
        (profile([para(0, 0)] * 3), "does not increase"),
        (profile([para(3, 1, -1, 1, 0, 2)] * 3), "does not increase"),
        (profile([struct.pack(">4sIHH", b"para", 0, 5, 0)] * 3), "unknown function 5"),
        (profile([b"sf32" + bytes(8)] * 3), "of the type 'sf32'"),
        (profile([curv(0, 0.5, 1)[:-2]] * 3), "fewer values than the 3"),
        (profile([para(4, 1, 1)] * 3), "is cut off"),
        (b"no profile at all" * 20, "is no ICC profile"),
        (profile([curv()] * 3)[:300], "goes beyond its end"),
        (profile([curv()] * 3)[:128] + b"\xff\xff\xff\xff", "4,294,967,295 tags"),
    ],
)
def test_a_profile_without_a_curve_is_refused_by_what_it_lacks(data: bytes, cause: str) -> None:
    with pytest.raises(ArgumentError, match=cause):
        read_curves(data)


def test_a_profile_that_is_cut_off_or_changed_anywhere_is_read_or_refused() -> None:
    data = profile([curv(2.2), curv(0, 0.3, 1), para(3, *SRGB_PARAMETERS)])
    for end in range(len(data)):
        with pytest.raises(ArgumentError):
            read_curves(data[:end])


@settings(max_examples=40)
@given(st.integers(0, 300), st.binary(min_size=1, max_size=8))
def test_hostile_bytes_are_read_or_refused(start: int, junk: bytes) -> None:
    data = profile([curv(2.2), curv(0, 0.3, 1), para(3, *SRGB_PARAMETERS)])
    changed = data[:start] + junk + data[start + len(junk) :]
    try:
        curves = read_curves(changed)
    except ArgumentError:
        return
    values = to_linear(LEVELS.reshape(-1, 1, 1).repeat(3, axis=2), 255.0, curves)
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=0) >= 0).all()


def test_a_gray_picture_takes_the_curves_of_rgb_if_they_are_one() -> None:
    alike = Metadata(profile=profile([curv(2.2)] * 3), color_mode="L")
    assert find_curves(alike, 1) is not None
    other = Metadata(profile=profile([curv(2.2), curv(1.8), curv()]), color_mode="L")
    with pytest.raises(ArgumentError, match="3 different curves, and these are 1 channels"):
        find_curves(other, 1)


# ---- the command ---------------------------------------------------------------------------------

STEPS = np.array([[0, 0, 200, 200]] * 3, np.uint8)


def filtered(folder: Path, data: bytes | None, *options: str, mode: str = "RGB") -> Image.Image:
    values = STEPS if mode == "L" else STEPS[:, :, np.newaxis].repeat(3, axis=2)
    Image.fromarray(values).save(folder / "in.png", icc_profile=data)
    arguments = ("-k", "box:3", "-p", "valid", "--linear", *options, "-o", "out.png")
    done = here("apply", "in.png", *arguments, cwd=folder)
    assert (done.code, done.stderr) == (0, "")
    with Image.open(folder / "out.png") as image:
        image.load()
        return image


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_that_is_linear_is_filtered_as_it_is(tmp_path: Path, mode: str) -> None:
    data = profile([curv(1.0)] * (1 if mode == "L" else 3))
    image = filtered(tmp_path, data, mode=mode)
    assert np.unique(np.asarray(image)).tolist() == [67, 133]
    assert image.info["icc_profile"] == data


def test_each_channel_has_its_own_curve(tmp_path: Path) -> None:
    image = filtered(tmp_path, profile([curv(1.0), curv(2.0), para(0, 3)]))
    shares = (np.array([1, 2]) / 3)[:, np.newaxis]
    expected = np.rint(200 * shares ** (1 / np.array([1, 2, 3])))
    np.testing.assert_array_equal(np.asarray(image)[0], expected)


def test_what_is_gray_afterwards_has_no_profile_and_is_srgb(tmp_path: Path) -> None:
    image = filtered(tmp_path, profile([curv(1.0)] * 3), "--gray")
    assert "icc_profile" not in image.info
    light = np.array([200 / 3, 400 / 3]).reshape(1, 2, 1)
    expected = np.rint(from_linear(light, 255.0)).ravel()
    np.testing.assert_array_equal(np.asarray(image)[0], expected)


def test_a_profile_of_tables_is_refused_by_the_command(tmp_path: Path) -> None:
    data = profile([], extra=[(b"A2B0", b"mft2" + bytes(60))])
    Image.new("RGB", (4, 4)).save(tmp_path / "in.png", icc_profile=data)
    done = here("apply", "in.png", "-k", "blur", "--linear", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stdout) == (1, b"")
    assert done.stderr == (
        "convcli: in.png: its color profile has no curves, only tables: --linear cannot find the "
        "light of a value\n"
    )
    assert not (tmp_path / "out.png").exists()


def add_chunk(path: Path, name: bytes, content: bytes) -> None:
    """Put a chunk behind the header of a PNG."""
    data = path.read_bytes()
    chunk = struct.pack(">I", len(content)) + name + content
    chunk += struct.pack(">I", zlib.crc32(name + content))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (b"gAMA", struct.pack(">I", 100_000), [67, 133]),
        (b"gAMA", struct.pack(">I", 50_000), [115, 163]),  # 200·sqrt(1/3), 200·sqrt(2/3)
        (b"cICP", bytes([1, 8, 0, 1]), [67, 133]),
        (b"cICP", bytes([1, 13, 0, 1]), [121, 167]),
        (b"gAMA", bytes(4), [121, 167]),
    ],
)
def test_the_chunks_of_a_png_say_its_curve(
    tmp_path: Path, name: bytes, content: bytes, expected: list[int]
) -> None:
    Image.fromarray(STEPS).save(tmp_path / "in.png")
    add_chunk(tmp_path / "in.png", name, content)
    options = ("-k", "box:3", "-p", "valid", "--linear", "-o", "out.png", "-q")
    done = here("apply", "in.png", *options, cwd=tmp_path)
    assert done.code == 0, done.stderr
    with Image.open(tmp_path / "out.png") as image:
        assert np.asarray(image)[0].tolist() == expected


def test_a_system_of_cicp_that_is_no_curve_is_refused(tmp_path: Path) -> None:
    Image.fromarray(STEPS).save(tmp_path / "in.png")
    add_chunk(tmp_path / "in.png", b"cICP", bytes([9, 16, 0, 1]))
    done = here("apply", "in.png", "-k", "blur", "--linear", "-o", "out.png", cwd=tmp_path)
    assert done.code == 1
    assert "its cICP chunk has the code points 9 16 0 1" in done.stderr
