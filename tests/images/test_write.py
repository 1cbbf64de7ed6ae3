"""Writing images: metadata, 16-bit and float TIFF, and the frames of animations and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin
from scipy import ndimage
from support.command import here
from support.peers import require_peer

from convcli.images.write import write_picture

Array = NDArray[Any]

ORIENTATION, MAKER = 0x0112, 0x010F
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DURATIONS = [100, 200, 300, 100]


# ---- metadata ------------------------------------------------------------------------------------


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


# ---- more than 8 bits ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize(
    "shape", [(4, 5, 3), (4, 5, 4), (4, 5, 2), (1, 5, 3), (5, 1, 3), (1, 1, 2)]
)
def test_a_tiff_holds_one_page_of_what_was_written(
    tmp_path: Path, shape: tuple[int, int, int], dtype: type
) -> None:
    tifffile = require_peer("tifffile")
    pixels: NDArray[Any] = np.random.default_rng(0).integers(0, 1 << 16, shape).astype(dtype)
    with (tmp_path / "out.tif").open("wb") as stream:
        write_picture(stream, pixels, "TIFF")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert [page.axes for page in file.pages] == ["YXS"]
        np.testing.assert_array_equal(file.pages.first.asarray(), pixels)
        alpha = [tifffile.EXTRASAMPLE.UNASSALPHA] if shape[2] in (2, 4) else []
        assert list(file.pages.first.extrasamples) == alpha


def test_transparent_gray_of_sixteen_bits_is_written_as_gray_and_alpha(tmp_path: Path) -> None:
    tifffile, imagecodecs = require_peer("tifffile"), require_peer("imagecodecs")
    pixels = np.random.default_rng(0).integers(0, 1 << 16, (6, 7, 4), np.uint16)
    pixels[:, :, 1:3] = pixels[:, :, :1]
    (tmp_path / "in.png").write_bytes(imagecodecs.png_encode(pixels))
    done = here("apply", "in.png", "--gray", "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert done.code == 0
    found = tifffile.imread(tmp_path / "out.tif")
    np.testing.assert_array_equal(found[:, :, 1], pixels[:, :, 3])
    is_visible = pixels[:, :, 3] > 2000  # so that rounding after division by alpha changes little
    np.testing.assert_allclose(found[is_visible][:, 0], pixels[is_visible][:, 0], atol=1)


# ---- frames --------------------------------------------------------------------------------------


def save_animation(folder: Path, name: str) -> list[Array]:
    """A square that moves over nothing, four frames of it."""
    frames = []
    for index in range(4):
        pixels = np.zeros((24, 32, 4), np.uint8)
        pixels[6:18, 2 + 6 * index : 10 + 6 * index] = (255, 0, 85, 255)
        frames.append(pixels)
    images = [Image.fromarray(frame) for frame in frames]
    options: dict[str, Any] = {} if name.endswith(".tif") else {"duration": DURATIONS, "loop": 3}
    options |= {"disposal": 2} if name.endswith(".gif") else {}
    options |= {"lossless": True, "kmin": 1, "kmax": 1} if name.endswith(".webp") else {}
    images[0].save(folder / name, save_all=True, append_images=images[1:], **options)
    return frames


def read_frames(path: Path) -> tuple[list[Array], list[Any]]:
    with Image.open(path) as image:
        found, durations = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.asarray(image.convert("RGBA")))
            durations.append(image.info.get("duration"))
    return found, durations


@pytest.mark.parametrize("source", ["in.gif", "in.png", "in.webp", "in.tif"])
@pytest.mark.parametrize("result", ["out.png", "out.webp", "out.tif", "out.gif"])
def test_every_frame_is_filtered_by_itself(tmp_path: Path, source: str, result: str) -> None:
    frames = save_animation(tmp_path, source)
    lossless = ("--lossless",) if result == "out.webp" else ()
    typed = ("-k", "box:3", "-o", result, "-q", *lossless)
    assert here("apply", source, *typed, cwd=tmp_path).code == 0
    found, durations = read_frames(tmp_path / result)
    assert len(found) == len(frames)
    if ".tif" not in (source + result):
        assert durations == DURATIONS
    for found_frame, frame in zip(found, frames, strict=True):
        alpha = ndimage.uniform_filter(frame[..., 3].astype(float), 3, mode="nearest")
        # A GIF's pixel is either there or not.
        expected = np.where(alpha >= 128, 255, 0) if result == "out.gif" else alpha
        np.testing.assert_allclose(found_frame[..., 3], expected, atol=0.51)
        seen = found_frame[..., 3] == 255
        np.testing.assert_allclose(found_frame[seen][:, :3], [[255, 0, 85]] * seen.sum(), atol=1)


def test_frames_of_different_kinds_keep_how_often_they_play(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.gif")
    assert here("apply", "in.gif", "-k", "identity", "-o", "out.png", cwd=tmp_path).code == 0
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["loop"] == 4  # a GIF that repeats three times plays four times


def test_one_frame_can_be_taken(tmp_path: Path) -> None:
    frames = save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "identity", "--frame", "2", "-o", "out.png", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    np.testing.assert_array_equal(read_frames(tmp_path / "out.png")[0], [frames[2]])


def test_a_frame_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "blur", "--frame", "4", cwd=tmp_path)
    assert (done.code, done.stderr) == (1, "convcli: in.gif: has no frame 4: they are 0 to 3\n")


@pytest.mark.parametrize("result", ["out.jpg", "out.npy"])
def test_where_one_frame_fits_the_first_is_taken_and_that_is_said(
    tmp_path: Path, result: str
) -> None:
    save_animation(tmp_path, "in.gif")
    done = here("apply", "in.gif", "-k", "blur", "-o", result, cwd=tmp_path)
    assert done.code == 0
    assert "holds 4 frames; the first is filtered, and --frame N takes another" in done.stderr


def test_each_kernel_has_an_animation_of_its_own(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.png")
    names = ("-k", "blur", "-k", "sharpen", "-o", "{kernel}.webp", "-q")
    assert here("apply", "in.png", *names, cwd=tmp_path).code == 0
    assert [len(read_frames(tmp_path / f"{name}.webp")[0]) for name in ("blur", "sharpen")] == [
        4,
        4,
    ]


def test_frames_of_two_channels_are_no_animation(tmp_path: Path) -> None:
    save_animation(tmp_path, "in.gif")
    np.save(tmp_path / "bank.npy", np.ones((2, 3, 3, 3)))
    options = ("-k", "bank.npy", "-o", "{kernel}.gif")
    done = here("apply", "in.gif", *options, cwd=tmp_path)
    assert done.code == 1
    assert (
        "its frames have 2 channels, and those of a GIF are gray or RGB; write .tif" in done.stderr
    )
