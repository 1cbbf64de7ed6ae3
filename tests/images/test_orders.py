"""Frames in any order: an animation that is read twice goes back to frames it has passed."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import costly_files as costly
from support.command import here

from convcli.images import DEFAULT_SETTINGS, ReadSettings
from convcli.images.read import open_frames

Frames = Sequence[NDArray[np.uint8]]
SETTINGS = (DEFAULT_SETTINGS, ReadSettings(keep_damaged=True))


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 2, (height, width), np.uint8) * 255


def gif(screen: tuple[int, int], frames: Frames) -> bytes:
    """A GIF of black and white frames of any size on a screen, (width, height), of its own."""
    return costly.gif([gif_frame(values) for values in frames], screen)


def gif_frame(values: NDArray[np.uint8]) -> bytes:
    """A frame of codes of 9 bits, which a clear one in every hundred keeps at that."""
    pixels = (values.ravel() // 255).tolist()
    codes = [code for at in range(0, len(pixels), 99) for code in (256, *pixels[at : at + 99])]
    bits = sum(code << 9 * at for at, code in enumerate([*codes, 257]))
    packed = bits.to_bytes((9 * len(codes) + 9 + 7) // 8, "little")
    blocks = [packed[at : at + 255] for at in range(0, len(packed), 255)]
    data = b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    height, width = values.shape
    return costly.gif_frame(width, height, data=data)


def saved(frames: Frames, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    first, *rest = (Image.fromarray(values) for values in frames)
    first.save(stream, kind, save_all=True, append_images=rest, **options)
    return stream.getvalue()


SAME = [noise(16, 20, seed) for seed in range(3)]
GROWN = [noise(8, 8, 3), noise(16, 20, 4), noise(24, 28, 5)]
ANIMATIONS: dict[str, tuple[bytes, Frames]] = {
    "GIF": (saved(SAME, "GIF"), SAME),
    "GIF-grown": (gif((8, 8), GROWN), GROWN),
    "APNG": (saved(SAME, "PNG"), SAME),
    "APNG-still": (saved(SAME, "PNG", default_image=True), SAME[1:]),  # the first one is no frame
    "WebP": (saved(SAME, "WEBP", lossless=True), SAME),
    "TIFF": (saved(GROWN, "TIFF"), GROWN),
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", ANIMATIONS)
def test_frames_are_the_same_in_any_order(
    name: str, settings: ReadSettings, tmp_path: Path
) -> None:
    content, frames = ANIMATIONS[name]
    path = tmp_path / "in"
    path.write_bytes(content)
    orders = itertools.product(range(len(frames)), repeat=4)
    for order in orders:
        with open_frames(str(path), settings) as source:
            for index in order:
                picture = source.read(index)
                assert source.read_header(index).shape[:2] == picture.size
                np.testing.assert_array_equal(picture.values[:, :, 0], frames[index])
                assert picture.notes == ()


@pytest.mark.parametrize("extra", [(), ("--keep-damaged",)])
@pytest.mark.parametrize("frame", [None, 0, 1, 2])
def test_a_gif_that_grows_is_filtered_whole_and_frame_by_frame(
    frame: int | None, extra: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "in.gif").write_bytes(ANIMATIONS["GIF-grown"][0])
    one = () if frame is None else ("--frame", str(frame))
    options = ("-k", "identity", "--range", "rescale", "-o", "out.tif")
    found = here("apply", "in.gif", *options, *one, *extra, cwd=tmp_path)
    assert found.code == 0
    assert "damaged" not in found.stderr
    with Image.open(tmp_path / "out.tif") as image:
        for index, values in enumerate(GROWN if frame is None else [GROWN[frame]]):
            image.seek(index)
            np.testing.assert_array_equal(np.asarray(image.convert("L")), values)
