"""Rows of decoded pictures are those of the whole, and filtered they give the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.command import here

from convcli import filter2d, load_kernel
from convcli.engine.arrays import Array
from convcli.images.read import open_frames
from convcli.images.rows import DecodedRows


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@given(rows=st.lists(st.integers(0, 8), min_size=1, max_size=9), channels=st.sampled_from([1, 3]))
def test_any_rows_are_those_of_the_whole(rows: list[int], channels: int) -> None:
    pixels = noise(9, 7, channels)
    source = DecodedRows(Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels))
    assert source.shape == (channels, 9, 7)
    found = source[..., np.array(rows), 2:5]
    np.testing.assert_array_equal(found, pixels[rows, 2:5].transpose(2, 0, 1))
    np.testing.assert_array_equal(source[..., 3:8:2, :], pixels[3:8:2].transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("output", ["out.png", "out.tif", "out.bmp"])
@pytest.mark.parametrize(
    "options",
    [
        ("-k", "sharpen"),
        ("-k", "box:5", "--padding-mode", "reflect"),
        ("-k", "gaussian:2", "--padding-mode", "circular"),
        ("-k", "sobel-x", "--range", "offset", "-s", "2"),
    ],
    ids=" ".join,
)
def test_a_picture_taken_by_rows_is_filtered_as_its_array(
    tmp_path: Path, mode: str, output: str, options: tuple[str, ...]
) -> None:
    shape = (300, 203, 3) if mode == "RGB" else (300, 203)
    Image.fromarray(noise(*shape)).save(tmp_path / "in.jpg", quality=60)
    typed = ("apply", "in.jpg", *options, "-o", output, "-f")
    found = []
    for threads in ("1", "2"):
        assert here(*typed, "--threads", threads, cwd=tmp_path).code == 0
        found.append((tmp_path / output).read_bytes())
    assert found[0] == found[1]
    names = {"--padding-mode": "padding_mode", "-s": "stride"}
    settings: dict[str, Any] = {
        names[name]: int(value) if value.isdigit() else value
        for name, value in zip(options[::2], options[1::2], strict=True)
        if name in names
    }
    values = np.asarray(Image.open(tmp_path / "in.jpg")).astype(np.float64)
    sums = filter2d(values, load_kernel(options[1]), **settings)
    sums += 128 * ("offset" in options)
    with Image.open(tmp_path / output) as image:
        distances = np.abs(np.asarray(image) - sums.clip(0, 255))
    assert distances.max() <= 0.5 + 1e-4  # the nearest, but for sums of floats halfway between two


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_that_is_turned_has_no_plain_rows(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "in.jpg", exif=exif)
    with open_frames(str(tmp_path / "in.jpg")) as frames:
        assert (frames.decode_rows is None) == (orientation != 1)


def test_cmyk_and_alpha_have_no_plain_rows(tmp_path: Path) -> None:
    Image.fromarray(noise(8, 9, 4), "CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(noise(8, 9, 4)).save(tmp_path / "alpha.webp")
    for name in ("cmyk.jpg", "alpha.webp"):
        with open_frames(str(tmp_path / name)) as frames:
            assert frames.decode_rows is None
