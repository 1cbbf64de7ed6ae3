"""Damaged inputs by the thousand, and what they have brought to light."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from support.command import here
from support.hostile_cases import chunk

FUZZ = Path(__file__).with_name("fuzz.py")
SECONDS = 60


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and limits what is forked")
def test_no_damage_brings_the_command_down(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--seconds", str(SECONDS), "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 findings" in done.stdout


CAMERA, PLACE, WORDS, WIDTH = 0x8769, 0x8825, 0x010E, 0x0100


def exif() -> Image.Exif:
    """What a camera writes; one tag of it would mean something else in a TIFF."""
    block = Image.Exif()
    block[WORDS], block[WIDTH] = "described", 9999
    block.get_ifd(CAMERA)[0x9003] = "2020:01:02 03:04:05"
    block.get_ifd(PLACE)[2] = (1.0, 2.0, 3.5)
    return block


@pytest.mark.parametrize("source", ["in.jpg", "in.png", "in.webp"])
def test_a_tiff_keeps_what_the_camera_wrote(source: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (9, 8, 7)).save(tmp_path / source, exif=exif())
    ended = here("apply", source, "-k", "identity", "-o", "out.tif", cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, "")
    with Image.open(tmp_path / "out.tif") as image:
        assert image.size == (8, 6)
        kept = image.getexif()
        assert kept[WORDS] == "described"
        assert kept.get_ifd(CAMERA)[0x9003] == "2020:01:02 03:04:05"
        assert kept.get_ifd(PLACE)[2] == (1.0, 2.0, 3.5)


def slow_animation(seconds: int) -> bytes:
    """An APNG of two frames, each of which stands for so long."""
    turn = struct.pack(">IIIIHHBB", 8, 6, 0, 0, seconds, 1, 0, 0)
    pixels = zlib.compress(bytes(9 * 6))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 0, 0, 0, 0)),
        (b"acTL", struct.pack(">II", 2, (1 << 31) - 1)),  # how often it plays: for years
        (b"fcTL", struct.pack(">I", 0) + turn),
        (b"IDAT", pixels),
        (b"fcTL", struct.pack(">I", 1) + turn),
        (b"fdAT", struct.pack(">I", 2) + pixels),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


@pytest.mark.parametrize("result", ["out.gif", "out.png", "out.webp"])
def test_a_frame_that_stands_for_hours_stands_for_as_long_as_it_can(
    result: str, tmp_path: Path
) -> None:
    (tmp_path / "in.png").write_bytes(slow_animation(65535))
    ended = here("apply", "in.png", "-k", "blur", "-q", "-o", result, cwd=tmp_path)
    assert (ended.code, ended.stderr) == (0, "")
    with Image.open(tmp_path / result) as image:
        assert image.format == result.removeprefix("out.").upper()
