"""Animations and pages: frame by frame, at any depth, in memory that does not grow."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from support.command import COMMAND, here
from support.forked import forked
from support.peers import require_peer

Array = NDArray[Any]

OLD = b"an older result"
FORMATS = ("gif", "png", "webp", "tif")


def save(path: Path, frames: Sequence[Array], **options: object) -> None:
    first, *others = map(Image.fromarray, frames)
    settings: dict[str, Any] = {} if path.suffix == ".tif" else {"duration": 20}
    settings |= {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=others, **settings | options)


def read(path: Path, mode: str | None = None) -> list[Array]:
    with Image.open(path) as image:
        found = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(np.array(image.convert(mode) if mode else image))
    return found


def noise(*shape: int, dtype: type = np.uint8, most: int = 256) -> Array:
    return np.random.default_rng(0).integers(0, most, shape).astype(dtype)


# ---- one at a time -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path, suffix: str) -> None:
    (folder := tmp_path / "place").mkdir()

    def peak(count: int) -> float:
        options = ("--max-memory", "300M", "--max-pixels", "1000000000")
        typed = ("-k", "blur", "-f", "-o", f"out{count}.{suffix}", *options)
        done = forked("apply", f"{count}.{suffix}", *typed, cwd=folder)
        assert done.code == 0, done.stderr
        return done.megabytes

    peaks = []
    for count in (6, 60):
        shades = [
            np.full((500, 500, 3), (i * 7 % 256, i * 13 % 256, 90), np.uint8) for i in range(count)
        ]
        save(folder / f"{count}.{suffix}", shades)
        peaks.append(peak(count))
        assert len(read(folder / f"out{count}.{suffix}")) == count
    if peaks[1] >= 1.1 * peaks[0] + 8:
        # The system may give a process larger pages, now and then: that is no use of ours.
        peaks = [min(peaks[0], peak(6)), min(peaks[1], peak(60))]
    assert peaks[1] < 1.1 * peaks[0] + 8, peaks  # 60 frames of 750 kB would be 45 MB
    assert peaks[1] < 300


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_a_frame_is_what_it_is_when_taken_alone(tmp_path: Path, source: str, suffix: str) -> None:
    frames = [frame // 64 * 64 for frame in noise(4, 7, 9, 4)]  # few colors, for GIF
    for frame in frames:
        frame[:, :, 3] = np.where(frame[:, :, 3] > 99, 255, 0)
    if suffix != "gif":  # where Pillow clears opaque frames to a color, not to nothing
        frames[0][:, :, 3] = 255
    save(tmp_path / f"in.{source}", frames, **({"disposal": 2} if source == "gif" else {}))
    lossless = ("--lossless",) if suffix == "webp" else ()
    options = ("-k", "-1 0 1; -1 1 1; -1 0 1", "-q", *lossless)
    typed = ("apply", f"in.{source}", *options)
    assert here(*typed, "-o", f"out.{suffix}", cwd=tmp_path).code == 0
    together = read(tmp_path / f"out.{suffix}", "RGBA")
    assert len(together) == len(frames)
    for number, found in enumerate(together):
        one = ("--frame", str(number), "-o", f"{number}.{suffix}")
        assert here(*typed, *one, cwd=tmp_path).code == 0
        (alone,) = read(tmp_path / f"{number}.{suffix}", "RGBA")
        is_visible = alone[:, :, 3] > 0
        np.testing.assert_array_equal(found[:, :, 3], alone[:, :, 3])
        np.testing.assert_array_equal(found[is_visible], alone[is_visible])


@pytest.mark.parametrize("suffix", FORMATS)
def test_equal_frames_and_delays_of_zero_are_kept(tmp_path: Path, suffix: str) -> None:
    frames = [np.full((4, 5, 3), shade, np.uint8) for shade in (9, 200, 200, 9)]
    frames[1][0, 0] = frames[2][0, 1] = 50  # so that Pillow, which makes the input, keeps both
    delays = [40, 0, 70, 0]
    save(tmp_path / "in.png", frames, duration=delays)
    # A window that leaves nothing of what tells the frames apart.
    typed = ("apply", "in.png", "-k", "0 0; 0 1", "-p", "valid", "-o", f"out.{suffix}", "-q")
    assert here(*typed, cwd=tmp_path).code == 0
    found = read(tmp_path / f"out.{suffix}", "RGB")
    np.testing.assert_array_equal(found, [frame[1:, 1:] for frame in frames])
    if suffix != "tif":
        with Image.open(tmp_path / f"out.{suffix}") as image:
            shown = []
            for number in range(4):
                image.seek(number)
                image.load()
                shown.append(image.info["duration"])
        assert shown == delays


@pytest.mark.parametrize("kinds", ["L RGB RGBA", "RGB LA L", "L I;16 RGBA"])
def test_an_apng_has_one_layout_that_holds_every_page(tmp_path: Path, kinds: str) -> None:
    images = [Image.fromarray(noise(6, 7, 4)).convert("RGBA") for _ in kinds.split()]
    pages = [
        Image.fromarray(noise(6, 7, dtype=np.uint16, most=1 << 16))
        if kind == "I;16"
        else image.convert(kind)
        for kind, image in zip(kinds.split(), images, strict=True)
    ]
    pages[0].save(tmp_path / "in.tif", save_all=True, append_images=pages[1:])
    done = here("apply", "in.tif", "-k", "identity", "-o", "out.png", cwd=tmp_path)
    assert done.code == 0, done.stderr
    for found, page in zip(read(tmp_path / "out.png", "RGBA"), pages, strict=True):
        # Pillow reads 8 of 16 bits.
        expected = np.array(page) >> 8 if page.mode == "I;16" else np.array(page.convert("RGBA"))
        found[found[:, :, 3] == 0] = 0  # as the colors of what is invisible are
        if page.mode != "I;16":
            expected[expected[:, :, 3] == 0] = 0
        seen = found[:, :, 0] if page.mode == "I;16" else found
        np.testing.assert_array_equal(seen, expected)


# ---- any depth, one range ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "depth"), [(np.uint8, 8), (np.uint16, 16), (np.int32, None), (np.float32, None)]
)
def test_pages_keep_their_depth(tmp_path: Path, dtype: type, depth: int | None) -> None:
    most = 1 << (depth or 20)
    pages = [noise(5, 6, dtype=dtype, most=most), noise(8, 3, dtype=dtype, most=most // 3)]
    save(tmp_path / "in.tif", pages)
    done = here("apply", "in.tif", "-k", "box:3", "-o", "out.tif", cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    with require_peer("tifffile").TiffFile(tmp_path / "out.tif") as file:
        found_pages = [page.asarray() for page in file.pages]
    for found, page in zip(found_pages, pages, strict=True):
        assert found.dtype == np.dtype(np.float64 if dtype is np.int32 else dtype)
        expected = ndimage.uniform_filter(page.astype(float), 3, mode="nearest")
        np.testing.assert_allclose(found, expected, atol=0.51 if depth else 0.1)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "gif"])
def test_one_range_is_for_all_frames_of_a_map(tmp_path: Path, suffix: str) -> None:
    low, high = np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8)
    low[:, 2:], high[:, :2] = 50, 100
    save(tmp_path / "in.tif", [low, high])
    kernels = ("-k", "identity", "-k", "sobel-x", "--range", "rescale", "-q")
    lossless = ("--lossless",) if suffix == "webp" else ()
    typed = ("apply", "in.tif", *kernels, "-o", "{kernel}." + suffix, *lossless)
    assert here(*typed, cwd=tmp_path).code == 0
    differences = [ndimage.sobel(page.astype(float), 1, mode="nearest") for page in (low, high)]
    least, most = np.min(differences), np.max(differences)
    for found, page in zip(read(tmp_path / f"sobel-x.{suffix}", "L"), differences, strict=True):
        np.testing.assert_allclose(found, (page - least) / (most - least) * 255, atol=0.51)
    for found, page in zip(read(tmp_path / f"identity.{suffix}", "L"), (low, high), strict=True):
        np.testing.assert_allclose(found, page / 100 * 255, atol=0.51)


def test_the_share_that_is_clipped_is_that_of_all_frames(tmp_path: Path) -> None:
    save(tmp_path / "in.tif", [np.full((4, 5), shade, np.uint8) for shade in (200, 100, 100, 100)])
    done = here("apply", "in.tif", "-k", "0 0 0; 0 2 0; 0 0 0", "-o", "out.png", cwd=tmp_path)
    assert "25.0% of the values lie outside 0..255" in done.stderr


# ---- what goes wrong on the way ------------------------------------------------------------------


def test_a_page_that_takes_too_much_is_named_before_work_begins(tmp_path: Path) -> None:
    (folder := tmp_path / "place").mkdir()
    save(folder / "in.tif", [np.zeros(shape, np.uint8) for shape in ((9, 9), (9000, 9000))])
    (folder / "out.tif").write_bytes(OLD)
    typed = ("apply", "in.tif", "-k", "blur", "-o", "out.tif", "-f", "--max-memory", "300M")
    for options in ((), ("--dry-run",)):
        ended = forked(*typed, *options, cwd=folder)
        assert ended.code == 1
        assert b"convcli: in.tif: frame 1: needs about" in ended.stderr
        assert ended.megabytes < 150
    assert (folder / "out.tif").read_bytes() == OLD


@pytest.mark.parametrize("name", ["out.gif", "{kernel}.tif"])
def test_a_later_frame_that_fails_is_named_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    save(tmp_path / "bad.tif", [noise(40, 50), noise(40, 50)], compression="tiff_adobe_deflate")
    content = (tmp_path / "bad.tif").read_bytes()
    start = content.rindex(b"\x78\x9c")  # of the last strip, deflated
    (tmp_path / "bad.tif").write_bytes(content[: start + 20] + bytes(200) + content[start + 220 :])
    save(tmp_path / "good.tif", [noise(4, 5), noise(4, 5)])
    (tmp_path / "out").mkdir()
    typed = ("-k", "blur", "-k", "sharpen") if "kernel" in name else ("-k", "blur")
    options = ("--output-dir", "out", "--name", "{stem}." + name.replace("out", "x"))
    done = here("apply", "bad.tif", "good.tif", *typed, *options, "-q", cwd=tmp_path)
    assert done.code == 1
    assert "convcli: bad.tif: frame 1 cannot be decoded: " in done.stderr
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [path.partition(".")[0] for path in written] == ["good"] * (len(typed) // 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_the_old_file_whole(tmp_path: Path, number: int) -> None:
    save(tmp_path / "in.gif", [np.full((200, 300), i % 256, np.uint8) for i in range(900)])
    (tmp_path / "out.gif").write_bytes(OLD)
    typed = ("apply", "in.gif", "-k", "blur", "-o", "out.gif", "-f")
    with subprocess.Popen(
        [*COMMAND, *typed], cwd=tmp_path, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".convcli-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(number)]
    assert b"Traceback" not in stderr
    assert (tmp_path / "out.gif").read_bytes() == OLD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.gif", "out.gif"]


# ---- the default output --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "suffix"), [(np.uint8, ".png"), (np.uint16, ".tif"), (np.float32, ".tif")]
)
def test_pages_of_more_than_eight_bits_are_tiff_by_default(
    tmp_path: Path, dtype: type, suffix: str
) -> None:
    save(tmp_path / "in.tif", [noise(4, 5, dtype=dtype), noise(4, 5, dtype=dtype)])
    typed = ("apply", "in.tif", "-k", "blur")
    dry = here(*typed, "--dry-run", cwd=tmp_path)
    assert f"output: in.blur{suffix}" in dry.text
    # Where one frame is wanted, it is a picture like others; what is named has its own format.
    assert here(*typed, "--frame", "0", "--dry-run", cwd=tmp_path).text.count("in.blur.png") == 1
    (tmp_path / "in.blur.png").write_bytes(OLD)
    done = here(*typed, "-q", cwd=tmp_path)
    assert done.code == (1 if suffix == ".png" else 0)
    if suffix == ".tif":
        assert (tmp_path / "in.blur.png").read_bytes() == OLD
        assert len(read(tmp_path / "in.blur.tif")) == 2
        again = here(*typed, cwd=tmp_path)
        assert (again.code, "in.blur.tif: exists already" in again.stderr) == (1, True)
        (tmp_path / "in.blur.png").unlink()
        skipped = here(*typed, "--skip-existing", cwd=tmp_path)
        assert (skipped.code, "skipped" in skipped.stderr) == (0, True)


def test_a_default_output_replaces_no_input(tmp_path: Path) -> None:
    pages = [noise(4, 5, dtype=np.uint16), noise(4, 5, dtype=np.uint16)]
    save(tmp_path / "in.tif", pages)
    save(tmp_path / "in.blur.tif", pages)
    content = (tmp_path / "in.blur.tif").read_bytes()
    done = here("apply", "in.tif", "in.blur.tif", "-k", "blur", "-f", cwd=tmp_path)
    assert (done.code, "an input is never replaced" in done.stderr) == (1, True)
    assert (tmp_path / "in.blur.tif").read_bytes() == content
