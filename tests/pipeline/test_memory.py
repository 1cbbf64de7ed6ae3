"""Memory is known before pixels are read: held to what a process of its own really takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.forked import forked
from support.peers import require_peer

from convcli.pipeline.memory import format_bytes

HEIGHT, WIDTH = 1500, 2000
# A process that a larger one starts begins with that one's peak: one that is lean starts it.
LEAN = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""

needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="the peak is counted in other units"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("memory")
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 4), np.uint8)
    Image.fromarray(pixels[:, :, :3]).save(made / "rgb.png", compress_level=1)
    Image.fromarray(pixels).save(made / "rgba.png", compress_level=1)
    Image.fromarray(pixels[:, :, 0]).save(made / "gray.png", compress_level=1)
    Image.fromarray(pixels[:, :, :3]).save(made / "rgb.jpg")
    np.save(made / "doubles.npy", pixels[:, :, :3].astype(np.float64))
    return made


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "convcli", "apply", *arguments]


@needs_linux
@pytest.mark.parametrize(
    "arguments",
    [
        ("rgb.png", "-k", "sharpen"),
        ("rgb.png", "-k", "sharpen", "-k", "box:9", "-k", "emboss"),
        ("rgb.jpg", "-k", "sharpen"),
        ("rgb.jpg", "-k", "sharpen", "-o", "out.jpg"),
        ("rgb.png", "-k", "blur", "-o", "out.tif"),
        ("gray.png", "-k", "gaussian:9"),
        ("rgb.png", "-k", "sobel-x", "--range", "rescale"),
        ("rgba.png", "-k", "blur"),
        ("rgb.png", "-k", "blur", "--linear"),
        ("rgb.png", "-k", "sobel-x", "-k", "sobel-y", "--combine", "magnitude"),
        ("rgb.png", "-k", "blur", "-l", "maxpool:3,s=1,p=1", "-l", "relu"),
        ("rgb.png", "-k", "box:301"),
        ("rgb.png", "-k", "blur", "-o", "out.webp"),
        ("rgb.png", "-k", "blur", "--figure", "drawn.png"),
        pytest.param(
            ("rgb.png", "-k", "blur", "--resize", "3000x3000"), marks=pytest.mark.slow, id="resize"
        ),
        ("doubles.npy", "-k", "blur"),
    ],
    ids=" ".join,
)
def test_the_estimate_is_what_a_process_takes(folder: Path, arguments: tuple[str, ...]) -> None:
    goes_there = "-o" in arguments or "--figure" in arguments
    output = () if goes_there else ("-o", "{kernel}.png")
    estimated, measured = estimate_and_measure(folder, *arguments, *output)
    assert 0.9 * measured < estimated < 2 * measured


@needs_linux
@pytest.mark.slow
@pytest.mark.parametrize("source", ["gif", "png", "webp", "tif"])
def test_the_estimate_holds_for_a_sequence(tmp_path: Path, source: str) -> None:
    """Of noise, which neither decoders nor encoders make smaller, and frames that are joined."""
    rng = np.random.default_rng(4)
    channels = 3 if source == "gif" else 4
    shape = (1000, 1000, channels)
    first, *others = (Image.fromarray(rng.integers(0, 256, shape, np.uint8)) for _ in range(3))
    options: dict[str, dict[str, Any]] = {
        "gif": {"disposal": 2},
        "png": {"disposal": 2, "blend": 1},
        "webp": {"lossless": True, "method": 0},
        "tif": {},
    }
    if source == "gif":
        del others[1:]  # to find a palette for noise takes long
    path = tmp_path / f"in.{source}"
    first.save(path, save_all=True, append_images=others, **options[source])
    typed = (f"in.{source}", "-k", "sharpen", "-o", f"out.{source}")
    estimated, measured = estimate_and_measure(tmp_path, *typed)
    assert measured <= estimated < 2.5 * measured


@needs_linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "output"),
    [
        ((1, 8_000_000), "out.png"),
        ((1, 8_000_000), "out.tif"),
        ((8, 4_000_000), "out.png"),
    ],
)
def test_the_estimate_holds_for_rows_that_are_longer_than_a_part(
    tmp_path: Path, size: tuple[int, int], output: str
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png", compress_level=0)
    typed = ("in.png", "-k", "sharpen", "-o", output)
    estimated, measured = estimate_and_measure(tmp_path, *typed)
    assert measured < estimated < 1.5 * measured


def estimate_and_measure(folder: Path, *arguments: str) -> tuple[int, int]:
    """Return the bytes that a dry run says, and that a process takes."""
    typed = (*arguments, "--threads", "2", "-f")
    dry = forked("apply", *typed, "--dry-run", "--json", cwd=folder)
    estimated = json.loads(dry.stdout)["memory"]
    lean = [sys.executable, "-c", LEAN, *command(*typed)]
    done = subprocess.run(lean, cwd=folder, capture_output=True, check=True, text=True)
    code, measured = map(int, done.stdout.split())
    assert code == 0
    return estimated, measured


@needs_linux
@pytest.mark.slow
def test_a_photograph_takes_little_more_than_its_decoded_pixels(tmp_path: Path) -> None:
    """Neither its values nor the result are ever whole."""
    waves = np.add.outer(np.arange(4000) % 251, np.arange(6000) % 241).astype(np.uint8)
    Image.fromarray(np.repeat(waves[:, :, np.newaxis], 3, axis=2)).save(tmp_path / "in.jpg")
    for output in ("out.png", "out.jpg", "out.tif"):
        typed = ("in.jpg", "-k", "sharpen", "-o", output)
        estimated, measured = estimate_and_measure(tmp_path, *typed)
        assert measured <= estimated
        assert measured < 4000 * 6000 * 4 + 90e6


def test_a_map_that_is_clamped_at_once_is_never_held_as_floats(folder: Path) -> None:
    def estimate(*options: str) -> Any:
        typed = ("rgb.png", "-k", "sobel-x", "-o", "x.png", "-f", "--dry-run", "--json", *options)
        done = subprocess.run(command(*typed), cwd=folder, capture_output=True, check=True)
        return json.loads(done.stdout)["memory"]

    floats = HEIGHT * WIDTH * 3 * 4
    assert estimate("--range", "rescale") > estimate() + floats


def test_bytes_are_written_for_people() -> None:
    assert [format_bytes(n) for n in (1, 999_499_999, 9_999_000_000, 123_456_000_000)] == [
        "0 MB", "999 MB", "9999 MB", "123.5 GB",
    ]  # fmt: skip


@needs_linux
@pytest.mark.slow
def test_the_encoder_of_jpeg_xl_takes_no_more_than_is_said(tmp_path: Path) -> None:
    require_peer("pillow_jxl")
    values = np.random.default_rng(3).integers(0, 256, (160, 200, 4), dtype=np.uint8)
    values = values.repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(values).save(tmp_path / "in.png", compress_level=1)
    typed = ("apply", "in.png", "-k", "box:5", "--to", "jxl", "--output-dir", "out")
    said = json.loads(forked(*typed, "--dry-run", "--json", cwd=tmp_path).stdout)["memory"]
    ended = forked(*typed, cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    assert ended.megabytes * (1 << 20) < said
